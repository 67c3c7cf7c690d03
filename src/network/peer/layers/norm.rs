//! Batch, group and layer normalisation with PyTorch's names.
//!
//! Separate from the operations because batch statistics have a state here: the running mean and variance.

use candle_core::{Result, Tensor, Var};

use crate::network::ops;
use crate::network::peer::scope::Scope;

/// How much of the running statistics a batch replaces.
const MOMENTUM: f64 = 0.1;

/// Batch normalisation (Ioffe & Szegedy 2015): stored statistics, or in training those of the batch.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: f64,
    training: bool,
}

impl BatchNorm {
    /// `weight, bias, running_mean, running_var [C]`; the counter of batches is accepted and not used.
    pub fn new(scope: &Scope<'_>, channels: usize, epsilon: f64) -> Result<Self> {
        scope.ignore("num_batches_tracked")?;
        Ok(Self {
            gamma: scope.constant("weight", channels, 1.0)?,
            beta: scope.constant("bias", channels, 0.0)?,
            mean: scope.constant("running_mean", channels, 0.0)?,
            variance: scope.constant("running_var", channels, 1.0)?,
            epsilon,
            training: scope.is_training(),
        })
    }

    pub(super) fn is_trained(&self) -> bool {
        self.training || self.gamma.track_op()
    }

    /// Scale and shift `[C]` of the stored statistics.
    pub(super) fn affine(&self) -> Result<(Tensor, Tensor)> {
        let deviation = (self.variance.detach() + self.epsilon)?.sqrt()?;
        let scale = (&self.gamma / deviation)?;
        let shift = (&self.beta - (self.mean.detach() * &scale)?)?;
        Ok((scale, shift))
    }

    /// `x [B,C,H,W]` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.training {
            return self.of_batch(x);
        }
        let (scale, shift) = self.affine()?;
        x.broadcast_mul(&scale.reshape((1, (), 1, 1))?)?
            .broadcast_add(&shift.reshape((1, (), 1, 1))?)
    }

    /// Normalises by the batch's own statistics and moves the running ones towards them.
    fn of_batch(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let count = batch * height * width;
        // One "picture" whose rows are the images: statistics of a channel are then those of the batch.
        let rows = x
            .transpose(0, 1)?
            .contiguous()?
            .reshape((1, channels, count))?;
        self.follow(&rows.squeeze(0)?)?;
        ops::instance_norm(&rows, &self.gamma, &self.beta, self.epsilon)?
            .reshape((channels, batch, height, width))?
            .transpose(0, 1)?
            .contiguous()
    }

    /// `rows [C,N]`: all values of each channel.
    fn follow(&self, rows: &Tensor) -> Result<()> {
        let count = rows.dim(1)?;
        let (mean, variance) = ops::moments(rows)?;
        // The running variance is the unbiased one.
        let variance = (variance * (count as f64 / (count.max(2) - 1) as f64))?;
        for (running, now) in [(&self.mean, mean), (&self.variance, variance)] {
            if running.is_variable() {
                let next = ((running.detach() * (1.0 - MOMENTUM))? + (now * MOMENTUM)?)?;
                Var::from_tensor(running)?.set(&next)?;
            }
        }
        Ok(())
    }
}

/// Group normalisation, `weight, bias [C]`.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    gamma: Tensor,
    beta: Tensor,
    groups: usize,
    epsilon: f64,
}

impl GroupNorm {
    /// So many groups of the channels.
    pub fn new(scope: &Scope<'_>, channels: usize, groups: usize, epsilon: f64) -> Result<Self> {
        Ok(Self {
            gamma: scope.constant("weight", channels, 1.0)?,
            beta: scope.constant("bias", channels, 0.0)?,
            groups,
            epsilon,
        })
    }

    /// Normalises `x [B,C,…]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::group_norm(x, &self.gamma, &self.beta, self.groups, self.epsilon)
    }

    /// Normalises, then SiLU.
    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        ops::group_norm_silu(x, &self.gamma, &self.beta, self.groups, self.epsilon)
    }
}

/// Layer normalisation over the last dimension, `weight, bias [D]`.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    gamma: Tensor,
    beta: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    /// Over `width` values.
    pub fn new(scope: &Scope<'_>, width: usize, epsilon: f64) -> Result<Self> {
        Ok(Self {
            gamma: scope.constant("weight", width, 1.0)?,
            beta: scope.constant("bias", width, 0.0)?,
            epsilon,
        })
    }

    /// Normalises `x […,D]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm(x, &self.gamma, &self.beta, self.epsilon)
    }

    /// Normalises the channels of every pixel of `x [B,C,H,W]`.
    pub fn forward_channels(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.permute((0, 2, 3, 1))?.contiguous()?;
        self.forward(&x)?.permute((0, 3, 1, 2))?.contiguous()
    }
}
