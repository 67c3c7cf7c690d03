//! The whole film in nine squares that overlap: one latent, walked in all squares at once.
//!
//! Where squares overlap their velocities are averaged at every step, so that they agree on what they draw (after
//! Bar-Tal et al., "Fusing diffusion paths for controlled image generation", 2023). Separate from the hips because nothing is decided anew here: the tones of
//! the first pass are put back afterwards, only what is finer than them is kept.

use std::ops::ControlFlow;
use std::slice::from_ref;

use candle_core::{DType, Tensor};

use super::Refine;
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::Error;
use crate::network::autoencoder::FACTOR;
use crate::network::condition::Moment;
use crate::network::denoiser::assemble;
use crate::noise::Noise;
use crate::signal::blur::{bilinear, gaussian};
use crate::synthesis::film::crop::CropTransform;
use crate::synthesis::film::frame::Frame;
use crate::synthesis::film::tiles::{ALONG, STRIDE, add, ramp, settle};
use crate::synthesis::plan::condition;
use crate::synthesis::readings::{asked, broken, grey_of, image_tensor};
use crate::synthesis::sampler::grid;

/// Stream of the noise of films drawn again.
const STREAM: u64 = 1 << 44;
/// Deviation of the blur that tells tones from detail, as a share of the film's side.
const TONES: f64 = 1.0 / 64.0;
/// A square as dark as this everywhere has nothing to draw.
const DARK: f32 = 0.03;

/// One square: its first cell.
#[derive(Clone, Copy, Debug)]
struct Tile {
    x: usize,
    y: usize,
}

impl Refine<'_> {
    /// The film of `grey` drawn again, three eighths of a square for each of its sides; `None` where all is dark or
    /// nothing is renewed.
    pub(super) fn film(
        &self,
        frame: &Frame,
        image_number: u64,
        grey: &Grid<f32>,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Grid<f32>>, Error> {
        let cells = self.model.size / FACTOR;
        let stride = cells * STRIDE[0] / STRIDE[1];
        let all = cells + (ALONG - 1) * stride;
        let side = all * FACTOR;
        let scale = grey.width() as f64 / side as f64;
        let soft = Grid::from_fn(side, side, |x, y| {
            let at = |i: usize| (i as f64 + 0.5) * scale - 0.5;
            bilinear(grey, at(x), at(y))
        });
        let tiles = self.tiles(frame, &soft, stride);
        if tiles.is_empty() {
            return Ok(None);
        }
        let seen = CropTransform {
            model_px: side,
            ..frame.crop
        };
        let lines = self.request.hint.as_ref().map_or_else(
            || Grid::filled(side, side, 0.0),
            |hint| seen.lines_to_model(hint),
        );
        let mut stopped = false;
        let made = self.walked(
            &tiles,
            all,
            (&soft, &lines),
            image_number,
            report,
            &mut stopped,
        );
        if stopped {
            return Err(Error::stopped());
        }
        let made = made.map_err(|e| broken(&e))?;
        let mut sum = Grid::filled(side, side, 0.0_f32);
        let mut weight = Grid::filled(side, side, 0.0_f32);
        let ramp = ramp(self.model.size, (cells - stride) * FACTOR);
        for (tile, values) in tiles.iter().zip(made) {
            let patch = grey_of(values, self.model.size)?;
            let at = [tile.x * FACTOR, tile.y * FACTOR];
            add(&patch, &ramp, at, &mut sum, &mut weight);
        }
        settle(&mut sum, &weight, &soft);
        // The tones are those of the first pass.
        let mut off = soft;
        for (off, made) in off.cells_mut().iter_mut().zip(sum.cells()) {
            *off -= made;
        }
        let off = gaussian(&off, TONES * side as f64);
        for (cell, off) in sum.cells_mut().iter_mut().zip(off.cells()) {
            *cell = (*cell + off).clamp(0.0, 1.0);
        }
        Ok(Some(sum))
    }

    /// The squares that are neither dark nor kept as they are; `stride` cells from one to the next.
    fn tiles(&self, frame: &Frame, soft: &Grid<f32>, stride: usize) -> Vec<Tile> {
        let touched = frame.touched();
        let share = frame.crop.region.width as f64 / soft.width() as f64;
        let wanted = |tile: &Tile| {
            let area = self.area(*tile);
            let lit = soft.crop(area, 0.0).cells().iter().any(|v| *v > DARK);
            let renewed = touched.as_ref().is_none_or(|touched| {
                let start = |at: i64| (at as f64 * share) as i64;
                let length = (area.width as f64 * share).ceil() as usize;
                let area = PixelRect::new(start(area.x), start(area.y), length, length);
                touched.crop(area, 0).cells().iter().any(|v| *v > 0)
            });
            lit && renewed
        };
        let all = (0..ALONG * ALONG).map(|i| Tile {
            x: i % ALONG * stride,
            y: i / ALONG * stride,
        });
        all.filter(wanted).collect()
    }

    /// The pixels of a tile.
    fn area(&self, tile: Tile) -> PixelRect {
        let start = |cell: usize| (cell * FACTOR) as i64;
        PixelRect::new(
            start(tile.x),
            start(tile.y),
            self.model.size,
            self.model.size,
        )
    }

    /// The tiles, −1…1, row after row; `all` cells along the film, `shown` is the film and the lines on it.
    fn walked(
        &self,
        tiles: &[Tile],
        all: usize,
        (soft, lines): (&Grid<f32>, &Grid<f32>),
        image_number: u64,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
        stopped: &mut bool,
    ) -> candle_core::Result<Vec<Vec<f32>>> {
        let (model, request) = (self.model, self.request);
        let device = &model.place.device;
        let cells = model.size / FACTOR;
        let (mut kept, mut added) = (vec![], vec![]);
        for tile in tiles {
            asked(report, 0, stopped)?;
            let area = self.area(*tile);
            let image = image_tensor(&soft.crop(area, 0.0));
            let image = image.map_err(|e| candle_core::Error::Msg(e.what))?;
            kept.push(model.autoencoder.encode(&image)?);
            asked(report, 0, stopped)?;
            added.push(self.injections(&lines.crop(area, 0.0), None)?);
        }
        let mask = Tensor::zeros((1, 1, cells, cells), DType::F32, device)?;
        let crop = CropTransform::whole((model.size, model.size), model.size);
        let wanted = condition(&model.diffusion.names, &request.attributes, None, &crop);
        let channels = model.latent;
        let mut z = Noise::new(request.seed, STREAM + image_number).normals(channels * all * all);
        let ramp = ramp(cells, cells - (all - cells) / (ALONG - 1));
        let denoiser = &model.diffusion.denoiser;
        // The cells of a tile in the latent of the film, channel after channel.
        let places = |tile: &Tile| {
            let (x0, y0) = (tile.x, tile.y);
            (0..channels * cells * cells).map(move |i| {
                let (c, y, x) = (i / (cells * cells), i / cells % cells, i % cells);
                ((c * all + y0 + y) * all + x0 + x, y, x)
            })
        };
        let cut = |z: &[f32], tile: &Tile| -> candle_core::Result<Tensor> {
            let values: Vec<f32> = places(tile).map(|(at, ..)| z[at]).collect();
            Tensor::from_vec(values, (1, channels, cells, cells), device)
        };
        for step in grid(1.0, self.film_steps) {
            let vector = denoiser.embed(from_ref(&wanted), &[Moment::plain(step.t)])?;
            let mut sum = vec![0.0_f32; z.len()];
            let mut weight = vec![0.0_f32; z.len()];
            // One after the other: nobody could stop nine at once.
            for ((tile, kept), added) in tiles.iter().zip(&kept).zip(&added) {
                asked(report, step.index, stopped)?;
                let x = assemble(&cut(&z, tile)?, Some((&mask, kept)))?;
                let velocity = denoiser.forward(&x, &vector, Some(added), None)?;
                let velocity: Vec<f32> = velocity.flatten_all()?.to_vec1()?;
                for ((at, y, x), v) in places(tile).zip(&velocity) {
                    let share = ramp[y] * ramp[x];
                    sum[at] += share * v;
                    weight[at] += share;
                }
            }
            let length = (step.t - step.next) as f32;
            for ((z, sum), weight) in z.iter_mut().zip(&sum).zip(&weight) {
                if *weight > 0.0 {
                    *z -= length * sum / weight;
                }
            }
        }
        let decoded = |tile: &Tile| {
            asked(report, self.film_steps, stopped)?;
            let made = model.autoencoder.decode(&cut(&z, tile)?)?;
            made.flatten_all()?.to_vec1::<f32>()
        };
        tiles.iter().map(decoded).collect()
    }
}
