//! What networks read from an image: hip points with intervals, findings, saliency.
//!
//! Separate from generation because an opened film is read by the very same functions as a generated one.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};

use super::film::crop::CropTransform;
use super::film::grey::GreyMap;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::job::{Error, ErrorKind, HipReading};
use crate::landmarks::{HipLandmarks, Side};
use crate::measure::norberg::{doubts, norberg_degrees};
use crate::network::condition::{FINDINGS, KINDS, Names};
use crate::network::hips::HipNetwork;
use crate::network::hips::detail::{self, Look};
use crate::network::hips::points::{self, Calibration, HipPrediction};
use crate::network::reader::{self, FIRST_FINDING, Reader};
use crate::phantom::findings_of;
use crate::radiograph::{DisplayWindow, Radiograph};
use crate::signal::blur::bilinear_on_black;

/// A finding whose area under the ROC curve was measured below this is not told: it would be a guess.
pub const LEAST_AREA: f64 = 0.8;

/// A hips network with what it needs.
#[derive(Clone, Debug)]
pub struct HipModel {
    /// The network.
    pub network: HipNetwork,
    /// Its calibration.
    pub calibration: Calibration,
    /// Width and height of its input, pixels.
    pub size: usize,
    /// The second look at each hip; without it the first one's answer stands.
    pub detail: Option<HipDetailModel>,
}

/// The network of the second look with what it needs.
#[derive(Clone, Debug)]
pub struct HipDetailModel {
    /// The network.
    pub network: HipNetwork,
    /// The sizes of its looks.
    pub config: detail::Config,
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
    /// Findings that it was measured to be bad at ([`LEAST_AREA`]); it gives no opinion on them.
    pub doubtful: BTreeSet<String>,
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

/// An error where the answer to a question is to stop.
pub(super) fn go_on(answer: ControlFlow<()>) -> Result<(), Error> {
    match answer {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::stopped()),
    }
}

/// Ends a walk that `report` wants ended; the caller asks `stopped` why.
pub(super) fn asked(
    report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    step: usize,
    stopped: &mut bool,
) -> candle_core::Result<()> {
    if report(step).is_break() {
        *stopped = true;
        return Err(candle_core::Error::Msg("stopped".to_owned()));
    }
    Ok(())
}

/// What to say of a model whose answer is infinite or no number.
pub(super) fn no_numbers() -> Error {
    Error::new(
        ErrorKind::Failed,
        "the model answered with values that are no numbers",
    )
    .remedy("check the model folder with `radcanvas models check`")
}

/// Grey, 0–1, of what a decoder answered, about −1…1; an error where it holds anything but numbers.
pub(super) fn grey_of(values: Vec<f32>, size: usize) -> Result<Grid<f32>, Error> {
    if values.iter().any(|v| !v.is_finite()) {
        return Err(no_numbers());
    }
    let grey = values
        .into_iter()
        .map(|v| (v * 0.5 + 0.5).clamp(0.0, 1.0))
        .collect();
    Grid::from_vec(size, size, grey)
        .ok_or_else(|| Error::new(ErrorKind::Model, "the decoder answers at another size"))
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

/// Told how many looks were taken, before the next; `Break` ends the reading.
pub(super) type Asked<'a> = dyn FnMut(usize) -> ControlFlow<()> + 'a;

/// How many looks [`read_hips_asking`] takes at most: one at the film, the others at its hips.
pub fn looks_of(model: &HipModel) -> usize {
    let again = (model.detail.as_ref()).map_or(0, |model| 2 * model.config.sides.len());
    1 + detail::ROUNDS * again
}

/// [`read_hips_asking`] that nobody ends.
pub fn read_hips(
    model: &HipModel,
    radiograph: &Radiograph,
    window: Option<&DisplayWindow>,
) -> Result<HipReading, Error> {
    read_hips_asking(
        model,
        radiograph,
        window,
        &mut |_| ControlFlow::Continue(()),
    )
}

/// Both hips of a ventrodorsal film, with 90 % intervals of the Norberg angles.
///
/// Calls `asked` before every look of a network, and fails with [`Error::stopped`] on `Break`.
pub fn read_hips_asking(
    model: &HipModel,
    radiograph: &Radiograph,
    window: Option<&DisplayWindow>,
    asked: &mut Asked<'_>,
) -> Result<HipReading, Error> {
    go_on(asked(0))?;
    let map = GreyMap::new(radiograph, window)?;
    let grey = map.grey(&radiograph.pixels.to_f32());
    let crop = CropTransform::whole(grey.size(), model.size);
    let image = image_tensor(&crop.grey_to_model(&grey))?;
    let first = points::read(&model.network, &image, &model.calibration).map_err(|e| broken(&e))?;
    let first = first.mapped(&crop.image_from_model());
    let found = first.landmarks();
    let (read, calibration) = match &model.detail {
        Some(model) if found.is_valid() => {
            let mut done = 1;
            let mut look_again = |found: &HipLandmarks| {
                second_look(model, &grey, found, &mut || {
                    done += 1;
                    asked(done - 1)
                })
            };
            let mut read = look_again(&found)?;
            for _ in 1..detail::ROUNDS {
                if read.landmarks().is_valid() {
                    read = look_again(&read.landmarks())?;
                }
            }
            (read, &model.calibration)
        }
        _ => (first, &model.calibration),
    };
    let mut landmarks = read.landmarks();
    let spacing = radiograph.spacing.map(|s| [s.row_mm, s.column_mm]);
    landmarks.pixel_spacing_mm = spacing;
    if !landmarks.is_valid() {
        return Err(
            Error::new(ErrorKind::Failed, "no hips could be found in this image")
                .remedy("place the hip points by hand"),
        );
    }
    let interval = |side| {
        let angle = |l: &HipLandmarks| norberg_degrees(l, side, spacing);
        read.angle_interval(calibration, angle)
    };
    let (Some(left), Some(right)) = (interval(Side::Left), interval(Side::Right)) else {
        return Err(
            Error::new(ErrorKind::Failed, "the hip points found make no angle")
                .remedy("place the hip points by hand"),
        );
    };
    let mut warnings = doubts(&landmarks);
    for (name, point) in points::POINTS.iter().zip(&read.points) {
        if point.peak < calibration.least_peak {
            warnings.push(format!("the {name} was hard to find: check it"));
        }
    }
    if calibration.images == 0 {
        warnings.push("the intervals are not calibrated".to_owned());
    } else {
        warnings.push(format!(
            "intervals calibrated on {} {}",
            calibration.images, calibration.on
        ));
    }
    Ok(HipReading {
        landmarks,
        left_interval_degrees: left,
        right_interval_degrees: right,
        point_sigma_px: read.points.map(|point| point.sigma()),
        warnings,
    })
}

/// Both hips again, each enlarged where the first look found it; pixels of the image. `grey` is 0–1.
fn second_look(
    model: &HipDetailModel,
    grey: &Grid<f32>,
    found: &HipLandmarks,
    asked: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<HipPrediction, Error> {
    let (mut looks, mut maps) = (Vec::new(), Vec::new());
    for side in [Side::Left, Side::Right] {
        for share in &model.config.sides {
            let (center, length) = detail::square(found, side, *share);
            let look = Look::new(side, center, length, model.size);
            go_on(asked())?;
            let image = image_tensor(&seen(grey, &look, model.size))?;
            maps.push(model.network.forward(&image).map_err(|e| broken(&e))?);
            looks.push(look);
        }
    }
    let read = Tensor::cat(&maps, 0);
    read.and_then(|maps| detail::joined(&maps, &looks, &model.calibration))
        .map_err(|e| broken(&e))
}

/// What a look sees of an image: each of its pixels is the mean of bilinear samples a source pixel apart at most.
fn seen(grey: &Grid<f32>, look: &Look, size: usize) -> Grid<f32> {
    let fine = (look.image_from_look.scale().ceil() as usize).clamp(1, 16);
    Grid::from_fn(size, size, |u, v| {
        let mut sum = 0.0;
        for k in 0..fine * fine {
            let part = |i: usize| (i as f64 + 0.5) / fine as f64 - 0.5;
            let p = Point::new(u as f64 + part(k % fine), v as f64 + part(k / fine));
            let p = look.image_from_look.apply(p);
            sum += bilinear_on_black(grey, p.x, p.y);
        }
        sum / (fine * fine) as f32
    })
}

/// Findings of an image with their probabilities, in the reader's order; only those that images of `kind` can show,
/// where the kind is one we know, and that the reader was not measured to be bad at.
pub fn read_findings(
    model: &ReaderModel,
    radiograph: &Radiograph,
    window: Option<&DisplayWindow>,
    kind: &str,
) -> Result<Vec<(String, f64)>, Error> {
    let possible = findings_of(kind);
    let can_show = |name: &String| {
        possible.is_none_or(|all| all.contains(&name.as_str())) && !model.doubtful.contains(name)
    };
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

/// Findings of hips that their Norberg angles tell: name, the angle at which it is as likely as not, and the degrees in
/// which that becomes 2.7 times less likely; fitted to the labels of 200 drawn films of seeds 1500000 on, where the true
/// angle has an area under the ROC curve of 0.97 (dysplasia) and 0.98 (luxation).
const BY_ANGLE: [(&str, f64, f64); 2] = [("dysplasia", 103.5, 4.0), ("luxation", 56.5, 4.0)];

/// What the angles of a reading tell of each side, in the place of what the reader guessed.
///
/// A smooth function of the angle: probabilities as of drawn films, which says nothing of how often real dogs have it.
pub fn told_by_angles(reading: &HipReading, findings: &mut Vec<(String, f64)>) {
    let spacing = reading.landmarks.pixel_spacing_mm;
    for (side, side_name) in [(Side::Left, "left"), (Side::Right, "right")] {
        let Some(degrees) = norberg_degrees(&reading.landmarks, side, spacing) else {
            continue;
        };
        for (finding, even, width) in BY_ANGLE {
            let name = format!("{finding}_{side_name}");
            let share = 1.0 / (1.0 + ((degrees - even) / width).exp());
            match findings.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = share,
                None => findings.push((name, share)),
            }
        }
    }
}

/// What kind of image it is: the kinds the reader knows with their probabilities, the likeliest first.
pub fn read_kind(
    model: &ReaderModel,
    radiograph: &Radiograph,
    window: Option<&DisplayWindow>,
) -> Result<Vec<(String, f64)>, Error> {
    let (image, _) = whole(radiograph, window, model.size)?;
    let run = || -> candle_core::Result<Vec<f32>> {
        let read = model.network.forward(&image)?;
        read.logits.flatten_all()?.to_vec1()
    };
    let logits = run().map_err(|e| broken(&e))?;
    let known = model.names.kinds.iter().take(KINDS).zip(&logits);
    let most = known.clone().map(|(_, l)| *l).fold(f32::MIN, f32::max);
    let mut kinds: Vec<(String, f64)> = known
        .map(|(name, logit)| (name.clone(), f64::from(logit - most).exp()))
        .filter(|(_, share)| share.is_finite())
        .collect();
    let sum: f64 = kinds.iter().map(|(_, share)| share).sum();
    for (_, share) in &mut kinds {
        *share /= sum;
    }
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(kinds)
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
