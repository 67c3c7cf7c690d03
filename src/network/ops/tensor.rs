//! The seam to the tensor library: slices out of tensors and tensors out of slices, without copies.
//!
//! Separate so that no operation repeats it, and so that zero-filling is avoided in one place.

use std::cell::Cell;

use candle_core::{CpuStorage, Layout, Result, Shape, Storage, Tensor, bail};

use super::product::memory::filled;

/// What a custom operation returns.
pub(super) type OneStorage = (CpuStorage, Shape);

thread_local! {
    static LIBRARY_KERNELS: Cell<bool> = const { Cell::new(false) };
}

/// Whether an operation on this tensor is ours to compute; otherwise it is put together from the tensor library's.
pub(super) fn on_processor(x: &Tensor) -> bool {
    x.device().is_cpu() && !LIBRARY_KERNELS.get()
}

/// Runs `work` with every operation put together from the tensor library's own kernels, as on a GPU.
///
/// So the GPU's formulas are tested where there is none, and our kernels are timed against the library's.
pub fn with_library_kernels<T>(work: impl FnOnce() -> T) -> T {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            LIBRARY_KERNELS.set(self.0);
        }
    }
    let _back = Back(LIBRARY_KERNELS.replace(true));
    work()
}

/// The values of a contiguous f32 tensor inside a custom operation.
pub(super) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else {
        bail!("network operations of the processor compute in f32 only")
    };
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&values[from..to]),
        None => bail!("a network operation got a tensor that is not contiguous"),
    }
}

/// Calls `work` with the values of f32 tensors on the processor.
pub(super) fn read<const N: usize, T>(
    tensors: [&Tensor; N],
    work: impl FnOnce([&[f32]; N]) -> Result<T>,
) -> Result<T> {
    let tensors: Vec<Tensor> = tensors
        .iter()
        .map(|tensor| tensor.contiguous())
        .collect::<Result<_>>()?;
    let guards: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: [&[f32]; N] = [&[]; N];
    for (to, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else {
            bail!("a network operation of the processor got a tensor of a GPU")
        };
        *to = slice(storage, layout)?;
    }
    work(slices)
}

/// Whether a gradient by this tensor leads anywhere.
pub(super) fn wants_gradient(tensor: &Tensor) -> bool {
    tensor.track_op()
}

/// A result of `length` elements; `write` must write every one of them and read none before.
pub(super) fn written(length: usize, write: impl FnOnce(&mut [f32])) -> Vec<f32> {
    if length == 0 {
        return Vec::new();
    }
    filled(length, write)
}

/// A tensor in the shape of `like`, written by `write`.
pub(super) fn new_tensor(like: &Tensor, write: impl FnOnce(&mut [f32])) -> Result<Tensor> {
    Tensor::from_vec(
        written(like.elem_count(), write),
        like.shape(),
        like.device(),
    )
}
