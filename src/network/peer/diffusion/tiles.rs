//! Large pictures through an autoencoder in tiles that overlap and fade into each other.
//!
//! Separate from the autoencoder: here are only places and weights, the same for both directions.

use candle_core::{Result, Tensor, bail};

/// How much of a tile the next one repeats.
const OVERLAP: f64 = 0.25;

/// Sides of the largest tile before and after a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    pub before: usize,
    pub after: usize,
}

impl Tiles {
    /// Those of the way back.
    pub(super) const fn turned(self) -> Self {
        Self {
            before: self.after,
            after: self.before,
        }
    }

    /// `network` of every tile of `x [B,C,H,W]`, put together; each tile fades in over the one above, then over the one
    /// to its left, as diffusers' autoencoders do it. One row of tiles is kept at a time.
    pub(super) fn run(
        self,
        x: &Tensor,
        network: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let step = (self.before as f64 * (1.0 - OVERLAP)) as usize;
        let fade = (self.after as f64 * OVERLAP) as usize;
        let kept = self.after - fade;
        if step == 0 || kept == 0 {
            bail!("tiles of {} cannot overlap", self.before)
        }
        let mut rows = Vec::new();
        let mut above: Vec<Tensor> = Vec::new();
        for top in (0..height).step_by(step) {
            let strip = x.narrow(2, top, self.before.min(height - top))?;
            let mut row: Vec<Tensor> = Vec::new();
            for (index, left) in (0..width).step_by(step).enumerate() {
                let part = strip.narrow(3, left, self.before.min(width - left))?;
                let mut tile = network(&part.contiguous()?)?;
                if let Some(above) = above.get(index) {
                    tile = faded(above, &tile, 2, fade)?;
                }
                if let Some(before) = row.last() {
                    tile = faded(before, &tile, 3, fade)?;
                }
                row.push(tile);
            }
            let parts = row
                .iter()
                .map(|tile| {
                    let (_, _, height, width) = tile.dims4()?;
                    tile.narrow(2, 0, kept.min(height))?
                        .narrow(3, 0, kept.min(width))
                })
                .collect::<Result<Vec<_>>>()?;
            rows.push(Tensor::cat(&parts, 3)?);
            above = row;
        }
        Tensor::cat(&rows, 2)
    }
}

/// `tile`, whose first `fade` lines along `axis` grow linearly out of the last ones of `before`.
fn faded(before: &Tensor, tile: &Tensor, axis: usize, fade: usize) -> Result<Tensor> {
    let (old, new) = (before.dim(axis)?, tile.dim(axis)?);
    let fade = fade.min(old).min(new);
    if fade == 0 {
        return Ok(tile.clone());
    }
    let mut shape = [1; 4];
    shape[axis] = fade;
    let shares: Vec<f32> = (0..fade).map(|i| i as f32 / fade as f32).collect();
    let share = Tensor::from_vec(shares, &shape, tile.device())?.to_dtype(tile.dtype())?;
    let coming = tile.narrow(axis, 0, fade)?.broadcast_mul(&share)?;
    let going = before
        .narrow(axis, old - fade, fade)?
        .broadcast_mul(&(1.0 - share)?)?;
    let rest = tile.narrow(axis, fade, new - fade)?;
    Tensor::cat(&[&(coming + going)?, &rest], axis)
}
