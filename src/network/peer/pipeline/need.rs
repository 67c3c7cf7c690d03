//! How much memory a model takes, told before it is loaded.
//!
//! Separate because it is an estimate: weights are counted exactly, what is computed between them is bounded by the
//! two widest places of a pipeline.

use super::load::Shape;
use crate::network::device::Place;
use crate::network::peer::diffusion::AutoencoderConfig;

/// Numbers that must be held at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// In weights.
    pub weights: u64,
    /// In between, for one image with guidance.
    pub activations: u64,
}

impl Need {
    pub(super) const fn weights(weights: u64) -> Self {
        Self {
            weights,
            activations: 0,
        }
    }

    /// Of a pipeline: `weights` numbers, and the largest of reading a text or a picture (whose weights, at most `meanwhile`,
    /// are held no longer), of a denoising step and of decoding.
    ///
    /// Decoding holds about four maps of the second width at full size, or of a tile; a step, for two images, the skips
    /// (about eight maps of the first width) and attention in pieces of at most 64 MiB of scores.
    pub(super) fn of(
        weights: u64,
        meanwhile: u64,
        shape: &Shape,
        coder: &AutoencoderConfig,
    ) -> Self {
        let widths = &coder.block_out_channels;
        let pixels = (coder.at_once(shape.size) as u64).pow(2);
        let wide = widths.get(1).or(widths.first()).copied().unwrap_or(1) as u64;
        let decoding = 4 * wide * pixels;
        let side = (shape.size / shape.factor.max(1)) as u64;
        let first = shape.levels.first().copied().unwrap_or(1) as u64;
        let step = 2 * 8 * first * side * side + (16_u64 << 20).min(2 * 8 * side.pow(4));
        Self {
            weights,
            activations: decoding.max(step).max(meanwhile),
        }
    }

    /// Bytes at a place: four a number on the processor, two on a GPU.
    pub fn bytes(&self, place: &Place) -> u64 {
        (self.weights + self.activations) * place.dtype.size_in_bytes() as u64
    }

    /// Both of two models.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            weights: self.weights + other.weights,
            activations: self.activations + other.activations,
        }
    }
}

/// Bytes for a person: `4.2 GB`.
pub fn gigabytes(bytes: u64) -> String {
    if bytes >= 100_000_000 {
        format!("{:.1} GB", bytes as f64 / 1e9)
    } else {
        format!("{:.1} MB", bytes as f64 / 1e6)
    }
}
