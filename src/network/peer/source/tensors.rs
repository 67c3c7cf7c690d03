//! `.safetensors`, one tensor at a time, each read into the memory it will live in.
//!
//! Not mapped: tensors of the processor own their values, so mapped pages would be a second copy beside them; and a
//! mapped file that another program cuts off ends the process by a signal, while a read of it ends with an error.
//! Separate from the reader of model folders, which takes a whole file to check its hash.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytemuck::Pod;
use candle_core::{DType, Device, Shape, Tensor};
use half::vec::HalfBitsVecExt;
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::Reading;
use crate::network::folder::ModelError;

/// Bytes before the header: its length.
const LENGTH: u64 = 8;
/// The longest header that is read.
const LONGEST_HEADER: u64 = 100_000_000;
/// Values that are converted together.
const PIECE: usize = 1 << 16;

/// An open file and its table of contents.
#[derive(Debug)]
pub(super) struct TensorFile {
    path: PathBuf,
    file: Mutex<File>,
    contents: Metadata,
    /// Where the data begin.
    start: u64,
}

impl TensorFile {
    /// Reads the header and holds it against the length of the file.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let failed = |source: std::io::Error| {
            if source.kind() == std::io::ErrorKind::NotFound {
                ModelError::Missing {
                    path: path.to_owned(),
                }
            } else {
                ModelError::Io {
                    path: path.to_owned(),
                    source,
                }
            }
        };
        let damaged = |what: String| ModelError::Damaged {
            path: path.to_owned(),
            what,
        };
        let mut file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut length = [0; LENGTH as usize];
        file.read_exact(&mut length)
            .map_err(|_| damaged("it is too short for a header".to_owned()))?;
        let header_length = u64::from_le_bytes(length);
        if header_length > LONGEST_HEADER || header_length + LENGTH > size {
            return Err(damaged(format!(
                "its header is said to take {header_length} bytes, the file has {size}"
            )));
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(failed)?;
        let contents: Metadata = serde_json::from_slice(&header)
            .map_err(|error| damaged(format!("its header cannot be read: {error}")))?;
        let start = LENGTH + header_length;
        let mut end = 0;
        for (name, info) in contents.tensors() {
            let (from, to) = info.data_offsets;
            let elements = info
                .shape
                .iter()
                .try_fold(1_usize, |all, &n| all.checked_mul(n));
            let bits = elements.and_then(|n| n.checked_mul(info.dtype.bitsize()));
            if bits != to.checked_sub(from).and_then(|bytes| bytes.checked_mul(8)) {
                return Err(damaged(format!("tensor {name} has a wrong length")));
            }
            end = end.max(to);
        }
        if start.checked_add(end as u64) != Some(size) {
            return Err(damaged(format!(
                "it has {size} bytes, its header speaks of {start} and {end}"
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
            contents,
            start,
        })
    }

    /// Runs `read` where the values of a tensor begin.
    fn at<T>(
        &self,
        info: &TensorInfo,
        read: impl FnOnce(&mut File) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.start + info.data_offsets.0 as u64))?;
        read(&mut file)
    }

    /// The bytes of a tensor straight into the memory of its values, which are numbers of the file's own byte order.
    fn whole<V: Pod>(&self, info: &TensorInfo) -> std::io::Result<Vec<V>> {
        let count = info.shape.iter().product();
        let mut values = vec![V::zeroed(); count];
        self.at(info, |file| {
            file.read_exact(bytemuck::cast_slice_mut(&mut values))
        })?;
        Ok(values)
    }

    /// Values of `W` bytes converted piece by piece.
    fn converted<const W: usize>(
        &self,
        info: &TensorInfo,
        convert: impl Fn([u8; W]) -> f32,
    ) -> std::io::Result<Vec<f32>> {
        let count: usize = info.shape.iter().product();
        let mut values = Vec::with_capacity(count);
        let mut piece = vec![0; W * PIECE.min(count)];
        self.at(info, |file| {
            while values.len() < count {
                let part = &mut piece[..W * PIECE.min(count - values.len())];
                file.read_exact(part)?;
                let (parts, _) = part.as_chunks::<W>();
                values.extend(parts.iter().map(|&bytes| convert(bytes)));
            }
            Ok(values)
        })
    }
}

impl Reading for TensorFile {
    fn names(&self) -> Vec<String> {
        self.contents.offset_keys()
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        let info = self.contents.info(name)?;
        Some(Shape::from(info.shape.as_slice()))
    }

    fn dtype(&self, name: &str) -> Option<String> {
        Some(format!("{:?}", self.contents.info(name)?.dtype))
    }

    fn read(&self, name: &str, wanted: DType) -> Result<Tensor, ModelError> {
        let path = || self.path.clone();
        let info = self.contents.info(name).ok_or_else(|| ModelError::Tensor {
            path: path(),
            tensor: name.to_owned(),
            what: "is missing".to_owned(),
        })?;
        let shape = info.shape.as_slice();
        let little = cfg!(target_endian = "little");
        let values = match info.dtype {
            Dtype::F16 if wanted == DType::F16 && little => {
                let bits = self.whole::<u16>(info);
                let halves = bits.map(HalfBitsVecExt::reinterpret_into::<f16>);
                halves.map(|values| Tensor::from_vec(values, shape, &Device::Cpu))
            }
            dtype => match dtype {
                Dtype::F32 if little => self.whole(info),
                Dtype::F32 => self.converted(info, f32::from_le_bytes),
                Dtype::F16 => self.converted(info, |b| f16::from_le_bytes(b).to_f32()),
                Dtype::BF16 => self.converted(info, |b| bf16::from_le_bytes(b).to_f32()),
                Dtype::F64 => self.converted(info, |b| f64::from_le_bytes(b) as f32),
                other => {
                    return Err(ModelError::Type {
                        path: path(),
                        tensor: name.to_owned(),
                        found: format!("{other:?}"),
                    });
                }
            }
            .map(|values| Tensor::from_vec(values, shape, &Device::Cpu)),
        };
        values
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::UnexpectedEof => ModelError::Damaged {
                    path: path(),
                    what: format!(
                        "tensor {name} ends too early, as if it was cut off while in use"
                    ),
                },
                _ => ModelError::Io {
                    path: path(),
                    source,
                },
            })?
            .map_err(|source| ModelError::Tensors {
                path: path(),
                source,
            })
    }
}
