//! Pictures in square windows, shifted or not, and what a place in a window knows of the others.
//!
//! Liu et al. 2021, "Swin transformer". Separate from the networks: several of them look around in windows.

use candle_core::{Result, Tensor};

/// What is added to the score of a place that must not be looked at.
pub const AWAY: f32 = -100.0;

/// Windows of `side × side` places of a picture that is moved up and left by `shift` first, around its edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Places along a side.
    pub side: usize,
    /// Rows and columns.
    pub shift: [usize; 2],
}

impl Windows {
    /// `x [B,H,W,C]`, sides multiples of that of a window, to `[B·n, side², C]`.
    pub fn partition(self, x: &Tensor) -> Result<Tensor> {
        let (batch, height, width, channels) = x.dims4()?;
        let side = self.side;
        self.rolled(x, -1)?
            .reshape((batch, height / side, side, width / side, side, channels))?
            .permute((0, 1, 3, 2, 4, 5))?
            .contiguous()?
            .reshape(((), side * side, channels))
    }

    /// The inverse of [`Self::partition`].
    pub fn join(self, x: &Tensor, (batch, height, width): (usize, usize, usize)) -> Result<Tensor> {
        let (_, _, channels) = x.dims3()?;
        let side = self.side;
        let x = x
            .reshape((batch, height / side, width / side, side, side, channels))?
            .permute((0, 1, 3, 2, 4, 5))?
            .contiguous()?
            .reshape((batch, height, width, channels))?;
        self.rolled(&x, 1)?.contiguous()
    }

    fn rolled(self, x: &Tensor, sign: i32) -> Result<Tensor> {
        let mut x = x.clone();
        for (axis, shift) in self.shift.into_iter().enumerate() {
            if shift > 0 {
                x = x.roll(sign * shift as i32, axis + 1)?;
            }
        }
        Ok(x)
    }

    /// `[n, side², side²]`: in a shifted picture, places that were not neighbors do not look at each other.
    pub fn neighbors(self, height: usize, width: usize, like: &Tensor) -> Result<Tensor> {
        let side = self.side;
        let part = |at: usize, size: usize, shift: usize| {
            if shift == 0 {
                0
            } else {
                usize::from(at >= size - side) + usize::from(at >= size - shift)
            }
        };
        let mut values = Vec::with_capacity(height * width * side * side);
        for top in (0..height).step_by(side) {
            for left in (0..width).step_by(side) {
                let parts: Vec<usize> = (0..side * side)
                    .map(|i| {
                        let (y, x) = (top + i / side, left + i % side);
                        3 * part(y, height, self.shift[0]) + part(x, width, self.shift[1])
                    })
                    .collect();
                for a in &parts {
                    values.extend(parts.iter().map(|b| if a == b { 0.0 } else { AWAY }));
                }
            }
        }
        let count = height / side * (width / side);
        Tensor::from_vec(values, (count, side * side, side * side), like.device())?
            .to_dtype(like.dtype())
    }
}

/// One number a head for each difference of places, `table [(2·side - 1)², heads]`, as `[heads, side², side²]`.
pub fn relative_bias(table: &Tensor, side: usize) -> Result<Tensor> {
    let (span, tokens) = (2 * side - 1, side * side);
    let index: Vec<u32> = (0..tokens * tokens)
        .map(|i| {
            let (a, b) = (i / tokens, i % tokens);
            let down = a / side + side - 1 - b / side;
            let across = a % side + side - 1 - b % side;
            (down * span + across) as u32
        })
        .collect();
    let index = Tensor::from_vec(index, tokens * tokens, table.device())?;
    table
        .index_select(&index, 0)?
        .t()?
        .contiguous()?
        .reshape(((), tokens, tokens))
}
