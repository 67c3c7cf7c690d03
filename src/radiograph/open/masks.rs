//! Masks of a DICOM Segmentation brought back onto the image that they were drawn on.
//!
//! Separate from images because masks alone are none: they are opened onto the image that they refer to, or refused.

use std::io::Read as _;
use std::path::Path;

use super::content::{HEAD_BYTES, opened};
use crate::radiograph::error::{ReadError, ReadProblem};
use crate::radiograph::write::Segment;
use crate::radiograph::{Radiograph, dicom, open_bytes};

/// Masks larger than this are refused before they are read.
const MOST_BYTES: u64 = 1 << 30;

/// The masks of the Segmentation at `path` that lie on `image`; `None` where the file is no Segmentation.
///
/// Its Referenced SOP Instance, or the source image of each frame, must be this image, and of an image with several
/// frames this frame. Frames of one segment become one mask.
///
/// # Errors
/// Masks of another image or of another size, label maps, and files that cannot be read, by name.
pub fn masks_of(path: &Path, image: &Radiograph) -> Result<Option<Vec<Segment>>, ReadError> {
    let refused = |problem| ReadError::new(path, problem);
    let Some((bytes, file)) = read(path).map_err(refused)? else {
        return Ok(None);
    };
    let Some(instance) = image.source.sop_instance.as_deref() else {
        return Err(refused(ReadProblem::NoImage(
            "these are masks of a DICOM image, and the open image is none".to_owned(),
        )));
    };
    let frame = match image.place.own_frame {
        Some((_, frames)) if frames <= 1 => None,
        Some((frame, _)) => Some(frame + 1),
        None => (image.frames > 1).then_some(image.frame + 1),
    };
    let frames = dicom::masks_on(&file, instance, frame).map_err(refused)?;
    let pictures = open_bytes(path, bytes)?;
    let mut masks: Vec<(usize, Segment)> = Vec::new();
    for found in frames {
        let picture = pictures.frame(found.frame)?;
        if (picture.width(), picture.height()) != (image.width(), image.height()) {
            return Err(refused(ReadProblem::Unsupported(format!(
                "masks of {} × {} pixels on an image of {} × {}",
                picture.width(),
                picture.height(),
                image.width(),
                image.height()
            ))));
        }
        let inside = picture.pixels.to_f32().map(|v| {
            if f64::from(*v) >= found.least {
                255_u8
            } else {
                0
            }
        });
        match masks
            .iter_mut()
            .find(|(number, _)| *number == found.segment)
        {
            Some((_, segment)) => {
                let more = inside.cells();
                for (cell, more) in segment.mask.cells_mut().iter_mut().zip(more) {
                    *cell |= *more;
                }
            }
            None => masks.push((
                found.segment,
                Segment {
                    label: found.label,
                    mask: inside,
                    algorithm: found.algorithm,
                },
            )),
        }
    }
    Ok(Some(
        masks.into_iter().map(|(_, segment)| segment).collect(),
    ))
}

/// The file as it is and parsed (which may inflate it), where it is of a class of masks.
fn read(path: &Path) -> Result<Option<(Vec<u8>, dicom::DicomFile)>, ReadProblem> {
    let failed = |error: std::io::Error| ReadProblem::Open(error.to_string());
    let (mut file, length) = opened(path)?;
    let mut bytes = Vec::new();
    file.by_ref()
        .take(HEAD_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let named = dicom::SEGMENTATION.iter().any(|class| {
        bytes
            .windows(class.len())
            .any(|window| window == class.as_bytes())
    });
    if !named || !dicom::looks_like_dicom(&bytes) {
        return Ok(None);
    }
    if length > MOST_BYTES {
        return Err(ReadProblem::TooLarge(format!(
            "masks of {length} bytes; the limit is 1 GiB"
        )));
    }
    file.take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    // A report may name the class too; then it is none of ours.
    let parsed = dicom::parse(bytes.clone())?;
    Ok(dicom::is_masks(&parsed).then_some((bytes, parsed)))
}
