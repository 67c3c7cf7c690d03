//! A second pass in squares that overlap: one latent, walked in all of them at once.
//!
//! Where squares overlap their velocities are averaged at every step, so that they agree on what they draw (after
//! Bar-Tal et al., "Fusing diffusion paths for controlled image generation", 2023). Separate from the refiner's squares
//! because here it is the generator itself that goes over its own first pass, with mask, hint and guidance.

use std::ops::ControlFlow;

use candle_core::{DType, Tensor};

use super::film::frame::Frame;
use super::film::tiles::{Squares, add, ramp, settle};
use super::plan::{FRESH_STREAM, Plan, SECOND_STRENGTH};
use super::readings::{asked, broken, grey_of};
use super::sampler::{Known, Step, grid, noised, walk};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::Error;
use crate::network::autoencoder::FACTOR;
use crate::network::control::Branch;
use crate::noise::Noise;
use crate::signal::resize::resize;

/// Stream of the noise of a second pass in squares: one draw under all of them.
const STREAM: u64 = 1 << 45;

/// The plans of all squares of one image.
pub(super) struct Tiled<'a> {
    first: &'a Plan<'a>,
    squares: &'a Squares,
    plans: Vec<(Plan<'a>, [usize; 2])>,
    /// The first pass at the image's resolution over its crop, matched.
    painted: Grid<f32>,
    frame: Frame,
}

impl<'a> Plan<'a> {
    /// The plans that go over what the first pass painted once more in squares; `None` where that is not worth it.
    pub(super) fn tiled<'b>(
        &'b self,
        branch: Option<&'b Branch>,
        first: &Grid<f32>,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Tiled<'b>>, Error>
    where
        'a: 'b,
    {
        let Some(squares) = &self.squares else {
            return Ok(None);
        };
        let (painted, matched) = self.frame.painted(self.request, first);
        let mut plans = Vec::with_capacity(squares.frames.len());
        for (frame, at) in &squares.frames {
            let plan: Option<Plan<'b>> = self.again(branch, frame.clone(), &painted, report)?;
            let Some(plan) = plan else { return Ok(None) };
            plans.push((plan, *at));
        }
        Ok(Some(Tiled {
            first: self,
            squares,
            plans,
            painted,
            frame: Frame {
                matched,
                ..self.frame.clone()
            },
        }))
    }
}

impl Tiled<'_> {
    /// The frame that the answer of [`Self::sample`] belongs to.
    pub(super) const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Grey over the first pass's crop at the image's resolution.
    ///
    /// `report` is told the number of each step of each square before it, and once more before each is decoded.
    pub(super) fn sample(
        &self,
        image_number: u64,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Grid<f32>, Error> {
        let mut stopped = false;
        let made = self.walked(image_number, report, &mut stopped);
        if stopped {
            return Err(Error::stopped());
        }
        let made = made.map_err(|e| broken(&e))?;
        let generator = self.first.generator;
        let [columns, rows] = self.squares.cells.map(|cells| cells * FACTOR);
        let mut sum = Grid::filled(columns, rows, 0.0_f32);
        let mut weight = Grid::filled(columns, rows, 0.0_f32);
        let ramp = ramp(generator.size, self.squares.overlap * FACTOR);
        for ((_, at), values) in self.plans.iter().zip(made) {
            let patch = grey_of(values, generator.size)?;
            add(
                &patch,
                &ramp,
                at.map(|cell| cell * FACTOR),
                &mut sum,
                &mut weight,
            );
        }
        let outer = self.frame.crop.region;
        let region = self.squares.region;
        let inside = PixelRect {
            x: region.x - outer.x,
            y: region.y - outer.y,
            ..region
        };
        // Where no square lies, the first pass stands.
        let before = resize(&self.painted.crop(inside, 0.0), columns, rows);
        settle(&mut sum, &weight, &before);
        let fine = resize(&sum, region.width, region.height);
        let mut all = self.painted.clone();
        let common = inside.intersection(all.bounds());
        for y in common.y..common.bottom() {
            for x in common.x..common.right() {
                let place = (x as usize, y as usize);
                all[place] = fine[((x - inside.x) as usize, (y - inside.y) as usize)];
            }
        }
        Ok(all)
    }

    /// What each square shows, −1…1, row after row.
    fn walked(
        &self,
        image_number: u64,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
        stopped: &mut bool,
    ) -> candle_core::Result<Vec<Vec<f32>>> {
        let (generator, request) = (self.first.generator, self.first.request);
        let device = &generator.place.device;
        let cells = generator.size / FACTOR;
        let [columns, rows] = self.squares.cells;
        let channels = generator.latent;
        let joint = Joint::new(self, cells, device)?;
        let mut masks = Vec::new();
        let mut latents = Vec::new();
        for (plan, _) in &self.plans {
            let Some((mask, latent, _)) = &plan.known else {
                candle_core::bail!("a square of a second pass has no mask")
            };
            masks.push(mask.to_dtype(DType::F32)?);
            latents.push(latent.clone());
        }
        // What one square renews is renewed, whatever its neighbour says of the border.
        let mask = joint.joined(&masks)?.gt(0.0)?.to_dtype(DType::F32)?;
        let latent = joint.joined(&latents)?;
        let draw = |stream: u64| {
            let drawn = Noise::new(request.seed, stream).normals(channels * rows * columns);
            Tensor::from_vec(drawn, (1, channels, rows, columns), device)
        };
        let noise = draw(STREAM + image_number)?;
        let z = noised(&latent, &noise, SECOND_STRENGTH)?;
        let known = Known {
            mask: &mask,
            latent: &latent,
        };
        let count = self.plans.len();
        let velocity = |z: &Tensor, step: &Step| {
            let mut velocities = Vec::with_capacity(count);
            for (n, (plan, at)) in self.plans.iter().enumerate() {
                asked(report, step.index * count + n, stopped)?;
                velocities.push(plan.velocity(&joint.cut(z, *at)?, step)?);
            }
            joint.joined(&velocities)
        };
        let fresh =
            |step: &Step| draw(FRESH_STREAM + STREAM + (image_number << 10) + step.index as u64);
        let steps = grid(SECOND_STRENGTH, self.first.steps_again());
        let sampler = request.sampler;
        let z = walk(z, &noise, &steps, sampler, Some(&known), velocity, fresh)?;
        let decoded = self.plans.iter().map(|(_, at)| {
            asked(report, steps.len() * count, stopped)?;
            let image = generator.autoencoder.decode(&joint.cut(&z, *at)?)?;
            image.flatten_all()?.to_vec1::<f32>()
        });
        decoded.collect()
    }
}

/// One latent under all squares.
struct Joint<'a> {
    plans: &'a [(Plan<'a>, [usize; 2])],
    size: [usize; 2],
    cells: usize,
    /// `[1,1,c,c]`, how much each cell of a square counts.
    ramp: Tensor,
    /// `[1,1,h,w]`, the sum of that; 1 where no square lies.
    weight: Tensor,
}

impl<'a> Joint<'a> {
    fn new(
        tiled: &'a Tiled<'_>,
        cells: usize,
        device: &candle_core::Device,
    ) -> candle_core::Result<Self> {
        let along = ramp(cells, tiled.squares.overlap);
        let values: Vec<f32> = along
            .iter()
            .flat_map(|down| along.iter().map(move |across| down * across))
            .collect();
        let ones = Tensor::ones((1, 1, cells, cells), DType::F32, device)?;
        let mut joint = Self {
            plans: &tiled.plans,
            size: tiled.squares.cells,
            cells,
            ramp: Tensor::from_vec(values, (1, 1, cells, cells), device)?,
            weight: ones.clone(),
        };
        let weight = joint.summed(&vec![ones; tiled.plans.len()])?;
        let bare = weight.le(0.0)?.to_dtype(DType::F32)?;
        joint.weight = (weight + bare)?;
        Ok(joint)
    }

    /// The part of a square.
    fn cut(&self, z: &Tensor, at: [usize; 2]) -> candle_core::Result<Tensor> {
        z.narrow(3, at[0], self.cells)?
            .narrow(2, at[1], self.cells)?
            .contiguous()
    }

    /// The weighed sum of one tensor a square.
    fn summed(&self, parts: &[Tensor]) -> candle_core::Result<Tensor> {
        let [columns, rows] = self.size;
        let mut sum: Option<Tensor> = None;
        for (part, (_, at)) in parts.iter().zip(self.plans) {
            let part = part
                .broadcast_mul(&self.ramp)?
                .pad_with_zeros(3, at[0], columns - at[0] - self.cells)?
                .pad_with_zeros(2, at[1], rows - at[1] - self.cells)?;
            sum = Some(match sum {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
        match sum {
            Some(sum) => Ok(sum),
            None => candle_core::bail!("no square to walk in"),
        }
    }

    /// Their weighed mean; 0 where no square lies.
    fn joined(&self, parts: &[Tensor]) -> candle_core::Result<Tensor> {
        self.summed(parts)?.broadcast_div(&self.weight)
    }
}
