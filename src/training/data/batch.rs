//! Examples to tensors.
//!
//! Separate because every lesson needs the same few conversions, and one of them wrong would be wrong everywhere.

use candle_core::{Device, Result, Tensor};

use super::Facts;
use crate::geometry::{Affine, Point};
use crate::grid::Grid;
use crate::network::condition::{Condition, Names};
use crate::noise::Noise;

/// `count` numbers below `n`, drawn with replacement.
pub fn indices(noise: &mut Noise, n: usize, count: usize) -> Vec<usize> {
    (0..count).map(|_| noise.index(n)).collect()
}

/// Grey grids in −1…1 of one size to `[B,1,H,W]`.
pub fn image_tensor(images: &[Grid<f32>]) -> Result<Tensor> {
    let (width, height) = images.first().map_or((0, 0), Grid::size);
    let mut cells = Vec::with_capacity(images.len() * width * height);
    for image in images {
        cells.extend_from_slice(image.cells());
    }
    Tensor::from_vec(cells, (images.len(), 1, height, width), &Device::Cpu)
}

/// Facts in the places of a network; points in units of the image's side.
pub fn condition_of(facts: &Facts, names: &Names, size: usize) -> Condition {
    let kind = names.kind(&facts.kind);
    let share = 1.0 / size.max(1) as f64;
    let unit = Affine::scale_then_shift(Point::new(share, share), Point::default());
    Condition {
        kind,
        age_decades: facts.age_years.map(|age| names.decades(kind, age)),
        sex: facts.sex,
        findings: facts
            .findings
            .iter()
            .filter_map(|(name, present)| Some((names.finding(name)?, *present)))
            .collect(),
        geometry: facts.landmarks.map(|landmarks| landmarks.mapped(&unit)),
    }
}
