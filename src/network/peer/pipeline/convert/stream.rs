//! A `.safetensors` file written one tensor at a time.
//!
//! Separate because the usual writer wants all tensors at once, and a checkpoint may be as large as the memory.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use candle_core::{DType, Shape, Tensor};
use serde_json::{Map, Value, json};

use crate::network::folder::{ModelError, Store as _};
use crate::network::peer::source::Source;

/// One tensor: its name in the source, its new name and its shape there.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub from: String,
    pub to: String,
    pub shape: Vec<usize>,
}

impl Move {
    /// `from` under the name `to`; attention of the autoencoder loses its windows of one pixel.
    pub(super) fn new(source: &Source, from: &str, to: String) -> Self {
        let shape = source.shape(from).unwrap_or_else(|| Shape::from(()));
        let mut shape = shape.dims().to_vec();
        let attention = to.contains(".mid_block.attentions.0.to_");
        if attention && shape.len() > 2 && shape[2..].iter().all(|n| *n == 1) {
            shape.truncate(2);
        }
        Self {
            from: from.to_owned(),
            to,
            shape,
        }
    }
}

/// Type in the new file: that of the old one, but f32 for f64.
fn kept(dtype: &str) -> Option<(&'static str, usize)> {
    match dtype {
        "F16" => Some(("F16", 2)),
        "BF16" => Some(("BF16", 2)),
        "F32" | "F64" => Some(("F32", 4)),
        _ => None,
    }
}

/// Writes the moved tensors; one of them is in memory at a time.
pub(super) fn write(source: &Source, moves: &[Move], path: &Path) -> Result<(), ModelError> {
    let io = |source: std::io::Error| ModelError::Write {
        path: path.to_owned(),
        source,
    };
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut end = 0;
    for moved in moves {
        let found = source.dtype(&moved.from).unwrap_or_default();
        let Some((dtype, size)) = kept(&found) else {
            return Err(ModelError::Type {
                path: source.path().to_owned(),
                tensor: moved.from.clone(),
                found,
            });
        };
        let bytes = moved.shape.iter().product::<usize>() * size;
        let entry =
            json!({"dtype": dtype, "shape": moved.shape, "data_offsets": [end, end + bytes]});
        header.insert(moved.to.clone(), entry);
        end += bytes;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Data begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = BufWriter::new(File::create(path).map_err(io)?);
    file.write_all(&(header.len() as u64).to_le_bytes())
        .and_then(|()| file.write_all(&header))
        .map_err(io)?;
    for moved in moves {
        let tensor = source.read_as_is(&moved.from)?;
        let failed = |error| ModelError::Tensors {
            path: source.path().to_owned(),
            source: error,
        };
        let bytes = bytes(&tensor).map_err(failed)?;
        file.write_all(&bytes).map_err(io)?;
    }
    let file = file.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)
}

/// The bytes of a tensor, little endian.
fn bytes(tensor: &Tensor) -> candle_core::Result<Vec<u8>> {
    let tensor = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F16 => {
            let values = tensor.to_vec1::<half::f16>()?;
            values
                .into_iter()
                .flat_map(half::f16::to_le_bytes)
                .collect()
        }
        DType::BF16 => {
            let values = tensor.to_vec1::<half::bf16>()?;
            values
                .into_iter()
                .flat_map(half::bf16::to_le_bytes)
                .collect()
        }
        _ => {
            let values = tensor.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            values.into_iter().flat_map(f32::to_le_bytes).collect()
        }
    })
}
