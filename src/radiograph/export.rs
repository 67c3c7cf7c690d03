//! One frame as PNG, TIFF, `NumPy`, safetensors or DICOM.
//!
//! Separate from reading because a file is written whole or not at all: to a temporary file beside it, synced, renamed.
//! The synthetic mark goes along wherever the format has a place for it.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use super::luminance::Rgb;
use super::raster::SYNTHETIC_KEYWORD;
use super::write::{SecondaryCapture, WriteError, dicom_bytes, nifti_bytes, packed, write_whole};
use super::{ModalityTransform, Photometric, Pixels, Radiograph, check};
use crate::grid::Grid;

/// Which values of the grey-scale pipeline are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Values {
    /// As in the file.
    #[default]
    Stored,
    /// After the Modality LUT.
    Modality,
    /// 8 bits, through the window that the image opens with, black as 0.
    Display,
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The ending is none that can be written here.
    #[error("unsupported output {}: choose .png, .tif, .nii, .nii.gz, .npy, .safetensors or .dcm", .0.display())]
    Format(PathBuf),
    /// PNG holds whole numbers of 0 to 65535 only.
    #[error("{} cannot hold values from {low} to {high} exactly: choose .tif or .npy", path.display())]
    Values {
        /// The output.
        path: PathBuf,
        /// Smallest value, rounded down.
        low: i64,
        /// Largest value, rounded up.
        high: i64,
    },
    /// The format cannot hold it, or what was written was read back and differs.
    #[error("{}: {what}", path.display())]
    Refused {
        /// The output.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// There is a file already.
    #[error("{} exists: remove it or use --force", .0.display())]
    Exists(PathBuf),
    /// The disk refused.
    #[error("cannot write {}: {reason}", path.display())]
    Disk {
        /// The output.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
}

/// The values of an image at one step of the pipeline, at the smallest depth that holds them exactly.
pub fn values(image: &Radiograph, which: Values) -> Pixels {
    match which {
        Values::Stored => image.pixels.clone(),
        Values::Display => {
            let grey = image.grey(&image.initial_window());
            Pixels::U8(grey.map(|v| (v * 255.0).round() as u8))
        }
        Values::Modality => modality_values(image),
    }
}

fn modality_values(image: &Radiograph) -> Pixels {
    let transform = &image.modality_transform;
    if *transform == ModalityTransform::default() {
        return image.pixels.clone();
    }
    let values: Grid<f64> = image
        .pixels
        .to_f32()
        .map(|stored| transform.apply(f64::from(*stored)));
    let whole = values
        .cells()
        .iter()
        .all(|v| v.fract() == 0.0 && (-32768.0..=32767.0).contains(v));
    if whole {
        Pixels::I16(values.map(|v| *v as i16))
    } else {
        Pixels::F32(values.map(|v| *v as f32))
    }
}

/// The image as it stands at one step of the pipeline: what came before is no longer to be applied.
fn at_step(image: &Radiograph, which: Values) -> Radiograph {
    let mut step = image.clone();
    if which != Values::Stored {
        step.replace_pixels(values(image, which));
        step.modality_transform = ModalityTransform::default();
        step.padding = None;
        (step.source.bits_stored, step.source.signed) = step.pixels.depth();
    }
    if which == Values::Display {
        step.photometric = Photometric::Monochrome2;
        step.modality_unit.clear();
        step.windows.clear();
        step.voi_tables.clear();
    }
    step
}

/// Writes one step of an image, as [`export`] does, and returns the values written.
///
/// The display view of a colour image goes into PNG, TIFF and DICOM as its colours, and into DICOM its stored values
/// too; what is returned is its luminance.
///
/// # Errors
/// See [`export`].
pub fn export_step(
    path: &Path,
    image: &Radiograph,
    which: Values,
    overwrite: bool,
) -> Result<Pixels, ExportError> {
    let step = at_step(image, which);
    let picture = matches!(ending(path).as_str(), "png" | "tif" | "tiff");
    if which == Values::Display && picture && image.color().is_some() {
        export_color(path, image, overwrite)?;
        return Ok(step.pixels);
    }
    if which == Values::Display && ending(path) == "dcm" && image.color().is_some() {
        export(path, image, &image.pixels, overwrite)?;
        return Ok(step.pixels);
    }
    export(path, &step, &step.pixels, overwrite)?;
    Ok(step.pixels)
}

/// Writes `pixels` to `path`, in the format of its ending; everything else comes from `image`.
///
/// `.png`: 8 or 16 bits; `.tif`, `.tiff`: any depth; `.npy`: any depth, shape `[H, W]`;
/// `.safetensors`: tensor `image`, f32, shape `[1, 1, H, W]`; `.dcm`: Secondary Capture of up to 16 bits;
/// `.nii`, `.nii.gz`: any depth, one slice. It is read back by the readers of this program before it is saved.
/// Mark and spacing go along; `.npy` has no place for them.
///
/// # Errors
/// [`ExportError`]; then nothing was left behind and an existing file is untouched.
pub fn export(
    path: &Path,
    image: &Radiograph,
    pixels: &Pixels,
    overwrite: bool,
) -> Result<(), ExportError> {
    let ending = ending(path);
    let disk = |reason: String| ExportError::Disk {
        path: path.to_owned(),
        reason,
    };
    let refused = |what: String| ExportError::Refused {
        path: path.to_owned(),
        what,
    };
    if !matches!(
        ending.as_str(),
        "png" | "tif" | "tiff" | "npy" | "safetensors" | "dcm" | "nii" | "gz"
    ) || (ending == "gz" && !is_packed_nifti(path))
    {
        return Err(ExportError::Format(path.to_owned()));
    }
    if !overwrite && path.exists() {
        return Err(ExportError::Exists(path.to_owned()));
    }
    let captured = (ending == "dcm").then(|| {
        let mut own = image.clone();
        // The colors are those of the image's own values.
        if own.pixels != *pixels {
            own.replace_pixels(pixels.clone());
        }
        own
    });
    let mut out = Cursor::new(Vec::new());
    match (ending.as_str(), &captured) {
        (_, Some(own)) => {
            let bytes = dicom_bytes(own, &SecondaryCapture::default());
            *out.get_mut() = bytes.map_err(refused)?;
        }
        ("png", _) => {
            let pixels = unsigned(path, pixels)?;
            write_png(&mut out, image, &Written::Grey(&pixels)).map_err(disk)?;
        }
        ("npy", _) => write_npy(&mut out, pixels).map_err(disk)?,
        ("safetensors", _) => write_safetensors(&mut out, image, pixels).map_err(disk)?,
        ("nii", _) => *out.get_mut() = nifti_bytes(image, pixels).map_err(refused)?,
        ("gz", _) => *out.get_mut() = packed(&nifti_bytes(image, pixels).map_err(refused)?),
        _ => write_tiff(&mut out, image, &Written::Grey(pixels)).map_err(disk)?,
    }
    match (ending.as_str(), &captured) {
        (_, Some(own)) => check::capture(out.get_ref(), own, false),
        ("npy", _) => same_tail(out.get_ref(), pixels),
        ("safetensors", _) => same_tensor(out.get_ref(), pixels),
        _ => check::image(out.get_ref(), image, pixels),
    }
    .map_err(refused)?;
    saved(path, out.get_ref(), overwrite)
}

fn saved(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), ExportError> {
    write_whole(path, bytes, overwrite).map_err(|error| match error {
        WriteError::Exists { path } => ExportError::Exists(path),
        other => ExportError::Disk {
            path: path.to_owned(),
            reason: other.to_string(),
        },
    })
}

/// The ending of a path in small letters, without its dot.
fn ending(path: &Path) -> String {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.unwrap_or_default()
}

/// Writes the colours of an image to `path`, as PNG or TIFF of 8 bits a channel; mark and spacing go along.
///
/// It is read back by the readers of this program before it is saved.
///
/// # Errors
/// [`ExportError`]; then nothing was left behind and an existing file is untouched.
pub fn export_color(path: &Path, image: &Radiograph, overwrite: bool) -> Result<(), ExportError> {
    let refused = |what: String| ExportError::Refused {
        path: path.to_owned(),
        what,
    };
    let Some(color) = image.color() else {
        return Err(refused("the image has no color".to_owned()));
    };
    if !overwrite && path.exists() {
        return Err(ExportError::Exists(path.to_owned()));
    }
    let mut out = Cursor::new(Vec::new());
    let what = Written::Color(color);
    match ending(path).as_str() {
        "png" => write_png(&mut out, image, &what),
        "tif" | "tiff" => write_tiff(&mut out, image, &what),
        _ => return Err(ExportError::Format(path.to_owned())),
    }
    .map_err(|reason| ExportError::Disk {
        path: path.to_owned(),
        reason,
    })?;
    check::color(out.get_ref(), image, color).map_err(refused)?;
    saved(path, out.get_ref(), overwrite)
}

/// What a picture file holds.
enum Written<'a> {
    Grey(&'a Pixels),
    Color(&'a Rgb),
}

impl Written<'_> {
    fn size(&self) -> (u32, u32) {
        let (width, height) = match self {
            Self::Grey(pixels) => (pixels.width(), pixels.height()),
            Self::Color(color) => color.size(),
        };
        (width as u32, height as u32)
    }
}

/// `NAME.nii.gz`, in any case.
fn is_packed_nifti(path: &Path) -> bool {
    let packed = path.file_stem().map(Path::new).and_then(Path::extension);
    packed.is_some_and(|ending| ending.eq_ignore_ascii_case("nii"))
}

/// `NumPy` files end with the values as they lie in memory.
fn same_tail(bytes: &[u8], pixels: &Pixels) -> Result<(), String> {
    if bytes.ends_with(&pixels.le_bytes()) {
        Ok(())
    } else {
        Err("the values differ after writing".to_owned())
    }
}

fn same_tensor(bytes: &[u8], pixels: &Pixels) -> Result<(), String> {
    let file = safetensors::SafeTensors::deserialize(bytes).map_err(said)?;
    let tensor = file.tensor("image").map_err(said)?;
    let values: Vec<u8> = pixels
        .to_f32()
        .cells()
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    if tensor.data() == values {
        Ok(())
    } else {
        Err("the values differ after writing".to_owned())
    }
}

/// The pixels as PNG can hold them.
fn unsigned(path: &Path, pixels: &Pixels) -> Result<Pixels, ExportError> {
    if matches!(pixels, Pixels::U8(_) | Pixels::U16(_)) {
        return Ok(pixels.clone());
    }
    let values = pixels.to_f32();
    let fits = values
        .cells()
        .iter()
        .all(|v| v.fract() == 0.0 && (0.0..=65535.0).contains(v));
    if fits {
        return Ok(Pixels::U16(values.map(|v| *v as u16)));
    }
    let (low, high) = pixels.range();
    Err(ExportError::Values {
        path: path.to_owned(),
        low: low.floor() as i64,
        high: high.ceil() as i64,
    })
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn write_png(out: &mut impl Write, image: &Radiograph, what: &Written<'_>) -> Result<(), String> {
    let (width, height) = what.size();
    let mut encoder = png::Encoder::new(out, width, height);
    encoder.set_color(match what {
        Written::Grey(_) => png::ColorType::Grayscale,
        Written::Color(_) => png::ColorType::Rgb,
    });
    let (depth, bytes) = match what {
        Written::Color(color) => (png::BitDepth::Eight, color.cells().as_flattened().to_vec()),
        Written::Grey(Pixels::U16(grid)) => (
            png::BitDepth::Sixteen,
            grid.cells().iter().flat_map(|v| v.to_be_bytes()).collect(),
        ),
        Written::Grey(other) => (png::BitDepth::Eight, other.le_bytes().into_owned()),
    };
    encoder.set_depth(depth);
    if let Some(spacing) = image.spacing {
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: (1000.0 / spacing.column_mm).round() as u32,
            yppu: (1000.0 / spacing.row_mm).round() as u32,
            unit: png::Unit::Meter,
        }));
    }
    if let Some(mark) = &image.synthetic {
        encoder
            .add_itxt_chunk(SYNTHETIC_KEYWORD.to_owned(), mark.contribution.clone())
            .map_err(said)?;
    }
    let mut writer = encoder.write_header().map_err(said)?;
    writer.write_image_data(&bytes).map_err(said)?;
    writer.finish().map_err(said)
}

fn write_tiff(
    out: &mut (impl Write + std::io::Seek),
    image: &Radiograph,
    what: &Written<'_>,
) -> Result<(), String> {
    use tiff::encoder::colortype::{Gray8, Gray16, Gray32Float, GrayI16, RGB8};
    let mut encoder = tiff::encoder::TiffEncoder::new(out).map_err(said)?;
    let (width, height) = what.size();
    macro_rules! write_as {
        ($color:ty, $cells:expr) => {{
            let mut page = encoder.new_image::<$color>(width, height).map_err(said)?;
            if let Some(spacing) = image.spacing {
                use tiff::encoder::Rational;
                let per_cm = |mm: f64| Rational {
                    n: (10_000.0 / mm).round() as u32,
                    d: 1000,
                };
                page.resolution_unit(tiff::tags::ResolutionUnit::Centimeter);
                page.x_resolution(per_cm(spacing.column_mm));
                page.y_resolution(per_cm(spacing.row_mm));
            }
            if let Some(mark) = &image.synthetic {
                let text = format!("{SYNTHETIC_KEYWORD}: {}", ascii(&mark.contribution));
                page.encoder()
                    .write_tag(tiff::tags::Tag::ImageDescription, text.as_str())
                    .map_err(said)?;
            }
            page.write_data($cells).map_err(said)
        }};
    }
    match what {
        Written::Color(color) => write_as!(RGB8, color.cells().as_flattened()),
        Written::Grey(Pixels::U8(grid)) => write_as!(Gray8, grid.cells()),
        Written::Grey(Pixels::U16(grid)) => write_as!(Gray16, grid.cells()),
        Written::Grey(Pixels::I16(grid)) => write_as!(GrayI16, grid.cells()),
        Written::Grey(Pixels::F32(grid)) => write_as!(Gray32Float, grid.cells()),
    }
}

/// TIFF text is ASCII: other characters are written as `\\u{…}`.
fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && c != '\0' {
            plain.push(c);
        } else {
            plain.extend(c.escape_unicode());
        }
    }
    plain
}

/// `NumPy` format 1.0: magic, version, header length, header padded to 64 bytes, values.
fn write_npy(out: &mut impl Write, pixels: &Pixels) -> Result<(), String> {
    let name = match pixels {
        Pixels::U8(_) => "|u1",
        Pixels::U16(_) => "<u2",
        Pixels::I16(_) => "<i2",
        Pixels::F32(_) => "<f4",
    };
    let mut header = format!(
        "{{'descr': '{name}', 'fortran_order': False, 'shape': ({}, {}), }}",
        pixels.height(),
        pixels.width()
    );
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00").map_err(said)?;
    out.write_all(&(header.len() as u16).to_le_bytes())
        .map_err(said)?;
    out.write_all(header.as_bytes()).map_err(said)?;
    out.write_all(&pixels.le_bytes()).map_err(said)
}

fn write_safetensors(
    out: &mut impl Write,
    image: &Radiograph,
    pixels: &Pixels,
) -> Result<(), String> {
    let values = pixels.to_f32();
    let bytes: Vec<u8> = values
        .cells()
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let shape = vec![1, 1, pixels.height(), pixels.width()];
    let tensor = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &bytes)
        .map_err(said)?;
    let metadata = image.synthetic.as_ref().map(|mark| {
        std::collections::HashMap::from([(SYNTHETIC_KEYWORD.to_owned(), mark.contribution.clone())])
    });
    let file = safetensors::serialize([("image", tensor)], metadata).map_err(said)?;
    out.write_all(&file).map_err(said)
}
