//! Hips drawn anew: each in a square three times as fine, from lines, points and labels.
//!
//! What the first pass made tells what is around, the middle is open. Separate from the film's squares because here
//! something is decided: where the head stands and where the rim ends.

use std::ops::ControlFlow;

use candle_core::Tensor;

use super::{LARGEST, Refine};
use crate::geometry::{Affine, PixelRect, Point};
use crate::grid::Grid;
use crate::job::{Error, Sampler};
use crate::landmarks::{HipLandmarks, Side};
use crate::network::autoencoder::{FACTOR, latent_mask};
use crate::network::condition::{Condition, Moment};
use crate::network::denoiser::assemble;
use crate::network::hips::joint::{as_left, finding_as_left, opening, square};
use crate::network::hips::points;
use crate::noise::Noise;
use crate::signal::blur::{bilinear, bilinear_on_black};
use crate::signal::resize::resize;
use crate::synthesis::film::crop::CropTransform;
use crate::synthesis::film::frame::Frame;
use crate::synthesis::plan::condition;
use crate::synthesis::readings::{Readers, asked, broken, grey_of, image_tensor};
use crate::synthesis::sampler::{Step, grid, walk};

/// Stream of the noise of hips drawn anew; two for each image.
const STREAM: u64 = 1 << 43;
/// Share of a square's side over which it fades into what is around.
const FADE: [f64; 2] = [0.01, 0.13];
/// Least share of the opening that is to be renewed, where only a part of the film is.
const RENEWED: f64 = 0.97;
/// Heads closer than this share of the film are none.
const LEAST_DISTANCE: f64 = 0.12;
/// Side of the picture that the share of an opening is counted on, pixels.
const COUNTED: usize = 64;

/// One hip to draw.
struct Square {
    side: Side,
    /// The square of the image and the pixels it becomes.
    crop: CropTransform,
}

impl Square {
    fn about(landmarks: &HipLandmarks, side: Side, size: usize, image: (usize, usize)) -> Self {
        let (center, length) = square(landmarks, side);
        let whole = (length.round() as usize).max(8);
        let start = |at: f64| (at - (whole as f64 - 1.0) / 2.0).round() as i64;
        Self {
            side,
            crop: CropTransform {
                region: PixelRect::new(start(center.x), start(center.y), whole, whole),
                model_px: size,
                image_size: image,
            },
        }
    }

    fn is_mirrored(&self) -> bool {
        self.side == Side::Right
    }

    /// A picture of the square as that of a left hip, or back.
    fn turned(&self, picture: Grid<f32>) -> Grid<f32> {
        if !self.is_mirrored() {
            return picture;
        }
        let (width, height) = picture.size();
        Grid::from_fn(width, height, |x, y| picture[(width - 1 - x, y)])
    }

    /// From image pixels to those of the turned square.
    fn square_from_image(&self) -> Affine {
        let straight = self.crop.model_from_image();
        if !self.is_mirrored() {
            return straight;
        }
        let last = self.crop.model_px as f64 - 1.0;
        let mirror = Affine::scale_then_shift(Point::new(-1.0, 1.0), Point::new(last, 0.0));
        mirror.after(&straight)
    }
}

impl Refine<'_> {
    /// The hips of the image: where they were asked for, or where they can be seen in what was painted.
    fn seen(&self, frame: &Frame, readers: &Readers, grey: &Grid<f32>) -> Option<HipLandmarks> {
        if let Some(given) = self.request.landmarks.filter(HipLandmarks::is_valid) {
            return Some(given);
        }
        let hips = readers.hips.as_ref()?;
        if frame.crop != CropTransform::whole(frame.size, frame.crop.model_px) {
            return None;
        }
        let image = image_tensor(&resize(grey, hips.size, hips.size)).ok()?;
        let read = points::read(&hips.network, &image, &hips.calibration).ok()?;
        let seen = CropTransform {
            model_px: hips.size,
            ..frame.crop
        };
        let found = read.mapped(&seen.image_from_model()).landmarks();
        found.is_valid().then_some(found)
    }

    /// The squares to draw: those of hips that stand apart, and that are to be renewed as a whole.
    fn squares(&self, frame: &Frame, hips: &HipLandmarks) -> Vec<Square> {
        let apart = hips.left.center.distance(hips.right.center);
        let long = frame.size.0.max(frame.size.1) as f64;
        if apart < LEAST_DISTANCE * long || apart > 2.0 * long {
            return Vec::new();
        }
        let touched = frame.touched();
        let open = opening(COUNTED);
        [Side::Left, Side::Right]
            .into_iter()
            .map(|side| Square::about(hips, side, self.model.size, frame.size))
            .filter(|square| {
                let Some(touched) = &touched else { return true };
                let small = CropTransform {
                    model_px: COUNTED,
                    ..square.crop
                };
                let in_crop = |x: usize, y: usize| {
                    let at = small
                        .image_from_model()
                        .apply(Point::new(x as f64, y as f64));
                    let x = at.x.round() as i64 - frame.crop.region.x;
                    let y = at.y.round() as i64 - frame.crop.region.y;
                    let cell = usize::try_from(x).ok().zip(usize::try_from(y).ok());
                    cell.and_then(|(x, y)| touched.get(x, y))
                        .is_some_and(|v| *v > 0)
                };
                let mut counts = [0_usize; 2];
                for y in 0..COUNTED {
                    for x in 0..COUNTED {
                        if open[(x, y)] > 0 {
                            counts[usize::from(in_crop(x, y))] += 1;
                        }
                    }
                }
                counts[1] as f64 >= RENEWED * (counts[0] + counts[1]) as f64
            })
            .collect()
    }

    /// A picture of the frame's crop with its hips drawn anew, at the image's resolution or up to [`LARGEST`] pixels;
    /// `None` where there is no hip to draw.
    ///
    /// `grey` is what the first pass made, of the model's size; `base` what the hips are put into, of any size.
    pub(super) fn hips(
        &self,
        frame: &Frame,
        readers: &Readers,
        image_number: u64,
        (grey, base): (&Grid<f32>, &Grid<f32>),
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Grid<f32>>, Error> {
        let Some(hips) = self.seen(frame, readers, grey) else {
            return Ok(None);
        };
        let squares = self.squares(frame, &hips);
        if squares.is_empty() {
            return Ok(None);
        }
        let mut stopped = false;
        let made = self.painted(frame, &squares, image_number, grey, report, &mut stopped);
        if stopped {
            return Err(Error::stopped());
        }
        let values = made.map_err(|e| broken(&e))?;
        let least = frame.crop.model_px.min(LARGEST);
        let side = frame.crop.region.width.clamp(least, LARGEST);
        let mut picture = resize(base, side, side);
        for (square, values) in squares.iter().zip(values) {
            let patch = square.turned(grey_of(values, self.model.size)?);
            put(&mut picture, &frame.crop, square, &patch);
        }
        Ok(Some(picture))
    }

    /// What a turned square shall show.
    fn wanted(&self, square: &Square, points: Option<&HipLandmarks>) -> Condition {
        let mut attributes = self.request.attributes.clone();
        let findings = std::mem::take(&mut attributes.findings);
        attributes.findings = findings
            .into_iter()
            .map(|(name, present)| (finding_as_left(&name, square.side), present))
            .collect();
        let mut wanted = condition(&self.model.diffusion.names, &attributes, None, &square.crop);
        let share = 1.0 / self.model.size as f64;
        let unit = Affine::scale_then_shift(Point::new(share, share), Point::default());
        wanted.geometry = points.map(|points| points.mapped(&unit));
        wanted
    }

    /// The turned squares, −1…1, row after row.
    fn painted(
        &self,
        frame: &Frame,
        squares: &[Square],
        image_number: u64,
        grey: &Grid<f32>,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
        stopped: &mut bool,
    ) -> candle_core::Result<Vec<Vec<f32>>> {
        let (model, request) = (self.model, self.request);
        let device = &model.place.device;
        let size = model.size;
        let cells = size / FACTOR;
        let open = opening(size);
        let given = request.landmarks.filter(HipLandmarks::is_valid);
        let (mut kept, mut added, mut noise, mut conditions) = (vec![], vec![], vec![], vec![]);
        for square in squares {
            asked(report, 0, stopped)?;
            let square_from_image = square.square_from_image();
            let image_from_square = square_from_image.inverse().unwrap_or(Affine::IDENTITY);
            let grey_from_square = frame.crop.model_from_image().after(&image_from_square);
            let around = Grid::from_fn(size, size, |x, y| {
                if open[(x, y)] > 0 {
                    return 0.5;
                }
                let at = grey_from_square.apply(Point::new(x as f64, y as f64));
                bilinear_on_black(grey, at.x, at.y)
            });
            let around = image_tensor(&around).map_err(|e| candle_core::Error::Msg(e.what))?;
            kept.push(model.autoencoder.encode(&around)?);
            let points = given.map(|points| as_left(&points, square.side, &square_from_image));
            let lines = request.hint.as_ref().map_or_else(
                || Grid::filled(size, size, 0.0),
                |hint| square.turned(square.crop.lines_to_model(hint)),
            );
            added.push(self.injections(&lines, points.as_ref())?);
            let stream = STREAM + 2 * image_number + u64::from(square.is_mirrored());
            let normals = Noise::new(request.seed, stream).normals(model.latent * cells * cells);
            noise.push(Tensor::from_vec(
                normals,
                (1, model.latent, cells, cells),
                device,
            )?);
            conditions.push(self.wanted(square, points.as_ref()));
        }
        let injections = joined(&added)?;
        let kept = Tensor::cat(&kept, 0)?;
        let mask = latent_mask(&open)?.to_device(device)?;
        let mask = Tensor::cat(&vec![mask; squares.len()], 0)?;
        let noise = Tensor::cat(&noise, 0)?;
        let denoiser = &model.diffusion.denoiser;
        let velocity = |z: &Tensor, step: &Step| {
            asked(report, step.index, stopped)?;
            let moments = vec![Moment::plain(step.t); squares.len()];
            let vector = denoiser.embed(&conditions, &moments)?;
            let x = assemble(z, Some((&mask, &kept)))?;
            denoiser.forward(&x, &vector, Some(&injections), None)
        };
        let steps = grid(1.0, self.hip_steps);
        let fresh = |_: &Step| noise.zeros_like();
        let z = walk(
            noise.clone(),
            &noise,
            &steps,
            Sampler::Ddim,
            None,
            velocity,
            fresh,
        )?;
        let decoded = |n: usize| {
            asked(report, self.hip_steps, stopped)?;
            let z = z.narrow(0, n, 1)?;
            let made = if request.preview {
                model.autoencoder.decode_preview(&z)?
            } else {
                model.autoencoder.decode(&z)?
            };
            made.flatten_all()?.to_vec1::<f32>()
        };
        (0..squares.len()).map(decoded).collect()
    }
}

/// What is added in several squares, each level of all of them together.
fn joined(each: &[Vec<Tensor>]) -> candle_core::Result<Vec<Tensor>> {
    let levels = each.first().map_or(0, Vec::len);
    let level = |at: usize| {
        let all: Vec<&Tensor> = each.iter().filter_map(|added| added.get(at)).collect();
        Tensor::cat(&all, 0)
    };
    (0..levels).map(level).collect()
}

/// Puts a square over a picture of the crop, fading into it at its borders.
fn put(picture: &mut Grid<f32>, crop: &CropTransform, square: &Square, patch: &Grid<f32>) {
    let seen = CropTransform {
        model_px: picture.width(),
        ..*crop
    };
    // At the picture's own resolution first, so that shrinking averages instead of skipping.
    let own = (square.crop.region.width as f64 / seen.scale())
        .round()
        .max(1.0) as usize;
    let patch = resize(patch, own, own);
    let own = CropTransform {
        model_px: own,
        ..square.crop
    };
    let patch_from_picture = own.model_from_image().after(&seen.image_from_model());
    let last = own.model_px as f64 - 1.0;
    let (width, _) = picture.size();
    let place = |i: usize| {
        let at = Point::new((i % width) as f64, (i / width) as f64);
        let at = patch_from_picture.apply(at);
        let edge = at.x.min(at.y).min(last - at.x).min(last - at.y) / own.model_px as f64;
        let share = ((edge - FADE[0]) / (FADE[1] - FADE[0])).clamp(0.0, 1.0);
        (at, share * share * (3.0 - 2.0 * share))
    };
    // Where both show what is around they shall agree in tone.
    let (mut off, mut count) = (0.0, 0_usize);
    for (i, cell) in picture.cells().iter().enumerate() {
        let (at, share) = place(i);
        if share > 0.0 && share < 1.0 {
            off += f64::from(*cell - bilinear(&patch, at.x, at.y));
            count += 1;
        }
    }
    let off = (off / count.max(1) as f64) as f32;
    for (i, cell) in picture.cells_mut().iter_mut().enumerate() {
        let (at, share) = place(i);
        if share > 0.0 {
            let new = (bilinear(&patch, at.x, at.y) + off).clamp(0.0, 1.0);
            *cell += share as f32 * (new - *cell);
        }
    }
}
