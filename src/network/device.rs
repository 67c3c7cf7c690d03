//! Where networks run: the processor, or a GPU when the program is built for one and it answers.
//!
//! Separate because choosing may fail in ways that differ by driver, and none of them may end the program.

use candle_core::{DType, Device, Result, Tensor};

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The processor.
    Processor,
    /// An NVIDIA GPU.
    Cuda,
    /// An Apple GPU.
    Metal,
    /// The best there is.
    #[default]
    Best,
}

/// A device with the number type its networks compute in.
#[derive(Clone, Debug)]
pub struct Place {
    /// The device.
    pub device: Device,
    /// f32 on the processor, f16 on GPUs; training computes in f32 everywhere.
    pub dtype: DType,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            dtype: DType::F32,
        }
    }
}

impl Place {
    /// The place asked for, or the processor with the reason why not.
    pub fn choose(wanted: Wanted) -> (Self, Option<String>) {
        let named = match wanted {
            Wanted::Processor => return (Self::default(), None),
            Wanted::Cuda => cuda().map_err(|why| ("CUDA", why)),
            Wanted::Metal => metal().map_err(|why| ("Metal", why)),
            Wanted::Best => match (cuda(), metal()) {
                (Ok(found), _) | (_, Ok(found)) => Ok(found),
                // A program built without GPUs has nothing to say about them.
                _ if !cfg!(any(feature = "cuda", feature = "metal")) => {
                    return (Self::default(), None);
                }
                (Err(why), _) if cfg!(feature = "cuda") => Err(("CUDA", why)),
                (_, Err(why)) => Err(("Metal", why)),
            },
        };
        match named {
            Ok(device) => {
                let dtype = DType::F16;
                (Self { device, dtype }, None)
            }
            Err((name, why)) => {
                let notice =
                    format!("{name} cannot be used ({why}): networks run on the processor");
                (Self::default(), Some(notice))
            }
        }
    }

    /// Whether this is a GPU.
    pub fn is_gpu(&self) -> bool {
        !self.device.is_cpu()
    }

    /// In words: `CPU · 2 threads`, `GPU · CUDA`.
    pub fn title(&self) -> String {
        if self.device.is_cuda() {
            return "GPU · CUDA".to_owned();
        }
        if self.device.is_metal() {
            return "GPU · Metal".to_owned();
        }
        match rayon::current_num_threads() {
            1 => "CPU · 1 thread".to_owned(),
            n => format!("CPU · {n} threads"),
        }
    }
}

/// A tensor where a weight is, in the weight's number type; the tensor itself when it is there already.
pub fn beside(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if x.dtype() == weight.dtype() && x.device().same_device(weight.device()) {
        return Ok(x.clone());
    }
    x.to_device(weight.device())?.to_dtype(weight.dtype())
}

/// Whether an error comes from a GPU that failed or is full, so that the processor may still succeed.
pub fn is_device_failure(message: &str) -> bool {
    let message = message.to_lowercase();
    ["cuda", "cublas", "curand", "metal", "out of memory"]
        .iter()
        .any(|word| message.contains(word))
}

#[cfg(feature = "cuda")]
fn cuda() -> std::result::Result<Device, String> {
    tried(|| Device::new_cuda(0))
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> std::result::Result<Device, String> {
    Err("this program was built without it; build with `--features cuda`".to_owned())
}

#[cfg(feature = "metal")]
fn metal() -> std::result::Result<Device, String> {
    tried(|| Device::new_metal(0))
}

#[cfg(not(feature = "metal"))]
fn metal() -> std::result::Result<Device, String> {
    Err("this program was built without it; build with `--features metal`".to_owned())
}

/// Opens a device and computes something on it; a driver library that panics counts as a failure too.
#[cfg(any(feature = "cuda", feature = "metal"))]
fn tried(
    open: impl FnOnce() -> Result<Device> + std::panic::UnwindSafe,
) -> std::result::Result<Device, String> {
    let works = move || -> Result<Device> {
        let device = open()?;
        let ones = Tensor::ones((2, 2), DType::F32, &device)?;
        let sum: f32 = ones.matmul(&ones)?.sum_all()?.to_scalar()?;
        if sum == 8.0 {
            Ok(device)
        } else {
            candle_core::bail!("a product of four ones gave {sum}")
        }
    };
    // A driver that is not installed makes the binding panic; its message is ours to give.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = std::panic::catch_unwind(works);
    std::panic::set_hook(hook);
    match outcome {
        Ok(Ok(device)) => Ok(device),
        Ok(Err(error)) => Err(first_line(&error.to_string())),
        Err(panic) => Err(first_line(
            panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("its driver could not be loaded"),
        )),
    }
}

#[cfg(any(feature = "cuda", feature = "metal"))]
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
