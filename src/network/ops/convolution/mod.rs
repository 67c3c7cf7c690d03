//! Convolutions and transposed convolutions as differentiable operations.
//!
//! Here is what the tensor library sees: checks, choice of device, the custom operations. The arithmetic is in the
//! files beside it.

mod forward;
mod geometry;
mod gradient;
mod weight;
mod winograd;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
pub use geometry::Convolution;
use geometry::Geometry;

use super::tensor::{OneStorage, new_tensor, on_processor, read, slice, wants_gradient, written};

/// 2-D convolution with fused bias, any stride, padding, dilation and groups.
///
/// `x [B,C,H,W]`, `weight [O,C/groups,kh,kw]`, `bias [O]` to `[B,O,oh,ow]`,
/// `oh = ⌊(H + 2·padding - dilation·(kh-1) - 1) / stride⌋ + 1`. An error where shapes do not fit.
pub fn convolution(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    how: Convolution,
) -> Result<Tensor> {
    let g = Geometry::new(x.dims(), weight.dims(), how)?;
    check_bias("conv2d", bias, g.outputs)?;
    if !on_processor(x) {
        let y = x.conv2d(
            &weight.contiguous()?,
            how.padding,
            how.stride,
            how.dilation,
            how.groups,
        )?;
        return add_bias(y, bias);
    }
    Operation { g, way: Way::Forth }.apply(x, weight, bias)
}

/// Transposed 2-D convolution (the gradient of a convolution by its input) with fused bias.
///
/// `x [B,C,H,W]`, `weight [C,O/groups,kh,kw]`, `bias [O]` to `[B,O,oh,ow]`,
/// `oh = (H-1)·stride - 2·padding + dilation·(kh-1) + output_padding + 1`. On GPUs only without groups.
pub fn convolution_transposed(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    how: Convolution,
    output_padding: usize,
) -> Result<Tensor> {
    let (&[batch, channels, height, width], &[inputs, inner, rows, columns]) =
        (x.dims(), weight.dims())
    else {
        bail!("conv_transpose2d wants x [B,C,H,W] and weight [C,O/groups,kh,kw]")
    };
    if how.groups == 0 || how.stride == 0 || rows == 0 || columns == 0 {
        bail!("conv_transpose2d: stride, groups and kernel must be at least 1")
    }
    if output_padding >= how.stride.max(how.dilation) {
        bail!("conv_transpose2d: output padding {output_padding} must be below stride or dilation")
    }
    let outputs = inner * how.groups;
    let size = |size: usize, taps: usize| {
        ((size.max(1) - 1) * how.stride + how.dilation * (taps - 1) + output_padding + 1)
            .checked_sub(2 * how.padding)
    };
    let (Some(out_height), Some(out_width)) = (size(height, rows), size(width, columns)) else {
        bail!(
            "conv_transpose2d: the padding leaves nothing of {:?}",
            x.dims()
        )
    };
    let mut g = Geometry::new(&[batch, outputs, out_height, out_width], weight.dims(), how)?;
    if inputs != channels || g.outputs != channels {
        bail!(
            "conv_transpose2d: {channels} channels, weight {:?}",
            weight.dims()
        )
    }
    check_bias("conv_transpose2d", bias, outputs)?;
    if !on_processor(x) {
        if how.groups != 1 {
            bail!("conv_transpose2d: groups run on the processor only")
        }
        let y = x.conv_transpose2d(
            &weight.contiguous()?,
            how.padding,
            output_padding,
            how.stride,
            how.dilation,
        )?;
        return add_bias(y, bias);
    }
    // Output padding makes the last inputs of the convolution unused; its outputs are the pixels of x.
    (g.out_height, g.out_width) = (height, width);
    Operation { g, way: Way::Back }.apply(x, weight, bias)
}

fn check_bias(name: &str, bias: Option<&Tensor>, outputs: usize) -> Result<()> {
    match bias {
        Some(bias) if bias.dims() != [outputs] => {
            bail!("{name}: bias {:?} for {outputs} outputs", bias.dims())
        }
        _ => Ok(()),
    }
}

fn add_bias(y: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

/// Which way a geometry is run through.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// A convolution.
    Forth,
    /// A transposed convolution: what is the gradient by the input for the other way.
    Back,
}

impl Way {
    const fn other(self) -> Self {
        match self {
            Self::Forth => Self::Back,
            Self::Back => Self::Forth,
        }
    }
}

struct Operation {
    g: Geometry,
    way: Way,
}

impl Operation {
    /// Writes every element of `y`.
    fn compute(&self, way: Way, x: &[f32], weight: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        match way {
            Way::Forth => forward::convolve(&self.g, x, weight, bias, y),
            Way::Back => gradient::by_input(&self.g, x, weight, bias, y),
        }
    }

    /// Channels, rows and columns of the result.
    fn result(&self) -> [usize; 3] {
        let g = &self.g;
        match self.way {
            Way::Forth => [g.outputs, g.out_height, g.out_width],
            Way::Back => [g.channels, g.height, g.width],
        }
    }

    fn run(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (CpuStorage, Shape) {
        let [channels, height, width] = self.result();
        let shape = Shape::from((self.g.batch, channels, height, width));
        let y = written(shape.elem_count(), |y| {
            self.compute(self.way, x, weight, bias, y);
        });
        (CpuStorage::F32(y), shape)
    }

    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        dy: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let dy = &dy.contiguous()?;
        let dx = wants_gradient(x)
            .then(|| {
                read([dy, weight], |[dy, weight]| {
                    new_tensor(x, |dx| {
                        self.compute(self.way.other(), dy, weight, None, dx);
                    })
                })
            })
            .transpose()?;
        let dw = wants_gradient(weight)
            .then(|| {
                read([x, dy], |[x, dy]| {
                    let (x, dy) = match self.way {
                        Way::Forth => (x, dy),
                        Way::Back => (dy, x),
                    };
                    new_tensor(weight, |dw| weight::by_weight(&self.g, x, dy, dw))
                })
            })
            .transpose()?;
        let [channels, height, width] = self.result();
        let db = bias
            .filter(|bias| wants_gradient(bias))
            .map(|bias| {
                read([dy], |[dy]| {
                    new_tensor(bias, |db| {
                        gradient::by_bias(self.g.batch, channels, height * width, dy, db);
                    })
                })
            })
            .transpose()?;
        Ok([dx, dw, db])
    }

    fn title(&self) -> &'static str {
        match self.way {
            Way::Forth => "conv2d",
            Way::Back => "conv_transpose2d",
        }
    }

    /// Of tensors on the processor.
    fn apply(self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (x, weight) = (x.contiguous()?, weight.contiguous()?);
        match bias {
            Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, self),
            None => x.apply_op2(&weight, self),
        }
    }
}

impl CustomOp2 for Operation {
    fn name(&self) -> &'static str {
        self.title()
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(self.run(slice(x, x_layout)?, slice(weight, weight_layout)?, None))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, _] = self.gradients(x, weight, None, dy)?;
        Ok((dx, dw))
    }
}

impl CustomOp3 for Operation {
    fn name(&self) -> &'static str {
        self.title()
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<OneStorage> {
        let bias = slice(bias, bias_layout)?;
        Ok(self.run(
            slice(x, x_layout)?,
            slice(weight, weight_layout)?,
            Some(bias),
        ))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, db] = self.gradients(x, weight, Some(bias), dy)?;
        Ok((dx, dw, db))
    }
}
