//! What networks read from an image: hip points with intervals, findings, saliency.
//!
//! Separate from generation because an opened film is read by the very same functions as a generated one.

use candle_core::{DType, Device, Tensor};

use super::crop::CropTransform;
use super::grey::GreyMap;
use crate::grid::Grid;
use crate::job::{Error, ErrorKind, HipReading};
use crate::landmarks::Side;
use crate::measure::norberg::{doubts, norberg_degrees};
use crate::network::condition::{FINDINGS, Names};
use crate::network::hips::HipNetwork;
use crate::network::hips::points::{self, Calibration};
use crate::network::reader::{self, FIRST_FINDING, Reader};
use crate::phantom::findings_of;
use crate::radiograph::{DisplayWindow, Radiograph};

/// A hips network with what it needs.
#[derive(Clone, Debug)]
pub struct HipModel {
    /// The network.
    pub network: HipNetwork,
    /// Its calibration.
    pub calibration: Calibration,
    /// Width and height of its input, pixels.
    pub size: usize,
}

/// A reader with what it needs.
#[derive(Clone, Debug)]
pub struct ReaderModel {
    /// The network.
    pub network: Reader,
    /// Names of its kinds and findings.
    pub names: Names,
    /// Width and height of its input, pixels.
    pub size: usize,
}

/// The networks that read images; each may be missing.
#[derive(Clone, Debug, Default)]
pub struct Readers {
    /// Hip points.
    pub hips: Option<HipModel>,
    /// Findings and saliency.
    pub reader: Option<ReaderModel>,
}

/// A tensor error in words; it is a defect of a model or of ours, never of the person's input.
pub(super) fn broken(error: &candle_core::Error) -> Error {
    Error::new(
        ErrorKind::Failed,
        format!("a network could not be run ({error})"),
    )
}

/// Grey in 0–1 as the tensor `[1,1,H,W]` in −1…1 that every network reads.
pub(super) fn image_tensor(grey: &Grid<f32>) -> Result<Tensor, Error> {
    let values: Vec<f32> = grey.cells().iter().map(|g| 2.0 * g - 1.0).collect();
    Tensor::from_vec(values, (1, 1, grey.height(), grey.width()), &Device::Cpu)
        .map_err(|e| broken(&e))
}

/// The whole image as a network of `size` pixels a side sees it.
fn whole(
    radiograph: &Radiograph,
    window: Option<&DisplayWindow>,
    size: usize,
) -> Result<(Tensor, CropTransform), Error> {
    let map = GreyMap::new(radiograph, window)?;
    let crop = CropTransform::whole((radiograph.width(), radiograph.height()), size);
    let grey = crop.grey_to_model(&map.grey(&radiograph.pixels.to_f32()));
    Ok((image_tensor(&grey)?, crop))
}

/// Both hips of a ventrodorsal film, with 90 % intervals of the Norberg angles.
pub fn read_hips(
    model: &HipModel,
    radiograph: &Radiograph,
    window: Option<&DisplayWindow>,
) -> Result<HipReading, Error> {
    let (image, crop) = whole(radiograph, window, model.size)?;
    let read = points::read(&model.network, &image, &model.calibration).map_err(|e| broken(&e))?;
    let mut landmarks = read.landmarks().mapped(&crop.image_from_model());
    let spacing = radiograph.spacing.map(|s| [s.row_mm, s.column_mm]);
    landmarks.pixel_spacing_mm = spacing;
    if !landmarks.is_valid() {
        return Err(
            Error::new(ErrorKind::Failed, "no hips could be found in this image")
                .remedy("place the hip points by hand"),
        );
    }
    // Angles are computed in the image's own geometry: model pixels are its pixels scaled alike in x and y.
    let interval = |side| {
        let angle = |l: &crate::landmarks::HipLandmarks| norberg_degrees(l, side, spacing);
        read.angle_interval(&model.calibration, angle)
    };
    let (Some(left), Some(right)) = (interval(Side::Left), interval(Side::Right)) else {
        return Err(
            Error::new(ErrorKind::Failed, "the hip points found make no angle")
                .remedy("place the hip points by hand"),
        );
    };
    let scale = crop.scale();
    let sigma = |k: usize| read.points[k].sigma() * scale;
    let mut warnings = doubts(&landmarks);
    for (name, point) in points::POINTS.iter().zip(&read.points) {
        if point.peak < model.calibration.least_peak {
            warnings.push(format!("the {name} was hard to find: check it"));
        }
    }
    if model.calibration.images == 0 {
        warnings.push("the intervals are not calibrated".to_owned());
    } else {
        warnings.push(format!(
            "intervals calibrated on {} {}",
            model.calibration.images, model.calibration.on
        ));
    }
    Ok(HipReading {
        landmarks,
        left_interval_degrees: left,
        right_interval_degrees: right,
        point_sigma_px: [sigma(0), sigma(1), sigma(2), sigma(3)],
        warnings,
    })
}

/// Findings of an image with their probabilities, in the reader's order; only those that images of `kind` can show,
/// where the kind is one we know.
pub fn read_findings(
    model: &ReaderModel,
    radiograph: &Radiograph,
    window: Option<&DisplayWindow>,
    kind: &str,
) -> Result<Vec<(String, f64)>, Error> {
    let possible = findings_of(kind);
    let can_show = |name: &String| possible.is_none_or(|all| all.contains(&name.as_str()));
    let (image, _) = whole(radiograph, window, model.size)?;
    let run = || -> candle_core::Result<Vec<f32>> {
        let read = model.network.forward(&image)?;
        read.logits.flatten_all()?.to_vec1()
    };
    let logits = run().map_err(|e| broken(&e))?;
    let names = model.names.findings.iter().take(FINDINGS);
    Ok(names
        .enumerate()
        .filter(|(_, name)| can_show(name))
        .filter_map(|(i, name)| {
            let logit = f64::from(*logits.get(FIRST_FINDING + i)?);
            Some((name.clone(), 1.0 / (1.0 + (-logit).exp())))
        })
        .collect())
}

/// Saliency maps of the reader's blocks.
pub fn read_saliency(
    model: &ReaderModel,
    radiograph: &Radiograph,
    window: Option<&DisplayWindow>,
) -> Result<Vec<Grid<f32>>, Error> {
    let (image, _) = whole(radiograph, window, model.size)?;
    reader::saliency(&model.network, &image).map_err(|e| broken(&e))
}

/// The reader's features (its last block, averaged over the image) of grey images of its size, 0–1: what the Fréchet
/// distance is taken of.
pub fn read_features(model: &ReaderModel, images: &[Grid<f32>]) -> Result<Vec<Vec<f32>>, Error> {
    let run = |grey: &Grid<f32>| -> Result<Vec<f32>, Error> {
        let read = model.network.forward(&image_tensor(grey)?);
        read.and_then(|read| read.features.flatten_all()?.to_dtype(DType::F32)?.to_vec1())
            .map_err(|e| broken(&e))
    };
    images.iter().map(run).collect()
}
