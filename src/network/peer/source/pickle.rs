//! PyTorch files (`.pth`, `.pt`, `.ckpt`, `.bin`): a pickle that describes tensors, and their bytes.
//!
//! Since version 1.6 these lie in a zip archive; before, one after the other in the file itself (`torch/serialization.py`,
//! `_legacy_save`): a number that says what it is, the version, the machine, the object, the keys of the storages, and for
//! each storage the count of its elements and their bytes. A pickle is a program: what is not the description of plain
//! tensors is refused by name, and all lengths are held against the file before anything is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use zip::{CompressionMethod, ZipArchive};

use super::Reading;
use super::described::{Described, Stored, state_dict, storages};
use super::program::read;
use super::values::{Fault, Id, Value, Values, damaged};
use crate::network::folder::ModelError;

/// The longest description that is read, in bytes.
const LONGEST: u64 = 64 << 20;
/// The first number of a file from before 1.6.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
/// The second.
const PROTOCOL: i128 = 1001;

/// An open file and its table of contents.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    bytes: Mutex<Bytes>,
    tensors: BTreeMap<String, Described>,
}

/// Where the bytes of the storages are.
#[derive(Debug)]
enum Bytes {
    /// In entries of a zip archive, which begin with this.
    Zip(ZipArchive<BufReader<File>>, String),
    /// In the file itself, from these places on.
    Flat(File, BTreeMap<String, u64>),
}

impl Archive {
    /// Reads the description; an error for anything that is not a file of plain tensors.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::reading(path, source);
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut start = Vec::new();
        file.by_ref().take(4).read_to_end(&mut start).map_err(io)?;
        file.rewind().map_err(io)?;
        let mut reader = BufReader::new(file);
        let opened = match start.as_slice() {
            b"PK\x03\x04" | [] | [_] | [_, _] | [_, _, _] => zipped(reader, length),
            // The first instruction of every pickle since Python 2.3.
            [0x80, ..] => flat(&mut reader, length).map(|(starts, tensors)| {
                let file = reader.into_inner();
                (Bytes::Flat(file, starts), tensors)
            }),
            _ => damaged("it is neither a zip archive nor a pickle, as PyTorch's files are"),
        };
        let (bytes, tensors) = opened.map_err(|fault| match fault {
            Fault::Damaged(what) => ModelError::Damaged {
                path: path.to_owned(),
                what,
            },
            Fault::Refused(what) => ModelError::Code {
                path: path.to_owned(),
                what,
            },
        })?;
        Ok(Self {
            path: path.to_owned(),
            bytes: Mutex::new(bytes),
            tensors,
        })
    }

    /// The bytes from the first element of a tensor to its last.
    fn bytes(&self, tensor: &Described) -> Result<Vec<u8>, String> {
        let wanted = tensor.span() * tensor.stored.size;
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let from = (tensor.offset * tensor.stored.size) as u64;
        let mut bytes = vec![0; wanted];
        let key = &tensor.stored.key;
        let read = match &mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) {
            Bytes::Zip(zip, folder) => {
                let mut entry = zip
                    .by_name(&format!("{folder}data/{key}"))
                    .map_err(|error| format!("{key}: {error}"))?;
                std::io::copy(&mut entry.by_ref().take(from), &mut std::io::sink())
                    .and_then(|_| entry.read_exact(&mut bytes))
            }
            Bytes::Flat(file, starts) => {
                let start = starts.get(key).copied().unwrap_or(u64::MAX / 2);
                file.seek(SeekFrom::Start(start + from))
                    .and_then(|_| file.read_exact(&mut bytes))
            }
        };
        read.map_err(|error| format!("storage {key}: {error}"))?;
        Ok(bytes)
    }
}

type Opened = (Bytes, BTreeMap<String, Described>);

/// A zip archive of this many bytes.
fn zipped(reader: BufReader<File>, length: u64) -> Result<Opened, Fault> {
    let failed = |error: &dyn std::error::Error| Fault::Damaged(error.to_string());
    let mut zip = ZipArchive::new(reader).map_err(|error| failed(&error))?;
    let entry = zip
        .file_names()
        .filter_map(|name| Some(name.ok()?.into_owned()))
        .find(|name| name == "data.pkl" || name.ends_with("/data.pkl"));
    let Some(entry) = entry else {
        return damaged("it holds no data.pkl");
    };
    let mut pickle = Vec::new();
    zip.by_name(&entry)
        .map_err(|error| failed(&error))?
        .take(LONGEST + 1)
        .read_to_end(&mut pickle)
        .map_err(|error| failed(&error))?;
    let mut left = LONGEST;
    let (values, root) = read(&mut pickle.as_slice(), &mut left)?;
    let tensors = state_dict(&values, root)?;
    let folder = entry.strip_suffix("data.pkl").unwrap_or_default();
    for tensor in tensors.values() {
        let stored = &tensor.stored;
        let entry = zip
            .by_name(&format!("{folder}data/{}", stored.key))
            .map_err(|error| Fault::Damaged(format!("storage {}: {error}", stored.key)))?;
        // PyTorch does not compress; what is compressed could be of any size.
        let size = (stored.length as u64).saturating_mul(stored.size as u64);
        let stored_plainly = entry.compression() == CompressionMethod::Stored;
        if !stored_plainly || entry.size() < size || entry.size() > length {
            return damaged(format!("storage {} is too short", stored.key));
        }
    }
    Ok((Bytes::Zip(zip, folder.to_owned()), tensors))
}

type Places = (BTreeMap<String, u64>, BTreeMap<String, Described>);

/// A file of this many bytes in the layout from before 1.6.
fn flat(reader: &mut BufReader<File>, length: u64) -> Result<Places, Fault> {
    let mut left = LONGEST;
    let (values, magic) = read(reader, &mut left)?;
    if values.number(magic) != Some(MAGIC) {
        return Err(Fault::Refused(
            "it is a bare pickle, not a file that PyTorch has saved".to_owned(),
        ));
    }
    let (values, protocol) = read(reader, &mut left)?;
    if values.number(protocol) != Some(PROTOCOL) {
        return damaged("its version is not 1001");
    }
    // Sizes of numbers and their byte order, which are always the same.
    let (_, _) = read(reader, &mut left)?;
    let (values, root) = read(reader, &mut left)?;
    let (names, keys) = read(reader, &mut left)?;
    let tensors = state_dict(&values, root)?;
    let Some(keys) = names.row(keys) else {
        return damaged("it has no list of storages");
    };
    let at = reader.stream_position();
    let mut at = at.map_err(|error| Fault::Damaged(error.to_string()))?;
    let starts = starts(&values, &names, keys, |known| {
        let mut count = [0; 8];
        let begin = reader
            .seek(SeekFrom::Start(at))
            .and_then(|_| reader.read_exact(&mut count));
        if begin.is_err() {
            return damaged(format!("it is cut off before storage {}", known.key));
        }
        if i64::from_le_bytes(count) != known.length as i64 {
            return damaged(format!(
                "storage {} has {} elements, {} were said",
                known.key,
                i64::from_le_bytes(count),
                known.length
            ));
        }
        let begin = at + 8;
        let size = (known.length as u64).checked_mul(known.size as u64);
        match size.and_then(|size| begin.checked_add(size)) {
            Some(end) if end <= length => {
                at = end;
                Ok(begin)
            }
            _ => damaged(format!("it is cut off in storage {}", known.key)),
        }
    })?;
    for (name, tensor) in &tensors {
        if !starts.contains_key(&tensor.stored.key) {
            return damaged(format!("the storage of tensor {name} is missing"));
        }
    }
    Ok((starts, tensors))
}

/// Where each storage begins, `next` being asked in the order of the file.
fn starts(
    values: &Values,
    names: &Values,
    keys: &[Id],
    mut next: impl FnMut(&Stored) -> Result<u64, Fault>,
) -> Result<BTreeMap<String, u64>, Fault> {
    let known = storages(values)?;
    let mut starts = BTreeMap::new();
    for key in keys {
        let known = match names.get(*key) {
            Value::Text(key) => known.get(key),
            _ => None,
        };
        let Some(known) = known else {
            return damaged("it lists a storage that nothing refers to");
        };
        let start = next(known)?;
        if starts.insert(known.key.clone(), start).is_some() {
            return damaged(format!("it lists storage {} twice", known.key));
        }
    }
    Ok(starts)
}

impl Reading for Archive {
    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        let tensor = self.tensors.get(name)?;
        Some(Shape::from(tensor.shape.as_slice()))
    }

    fn dtype(&self, name: &str) -> Option<String> {
        let stored = &self.tensors.get(name)?.stored;
        Some(match stored.dtype {
            Some(dtype) => format!("{dtype:?}"),
            None => stored.class.clone(),
        })
    }

    fn read(&self, name: &str, _: DType) -> Result<Tensor, ModelError> {
        let tensor = self.tensors.get(name).ok_or_else(|| ModelError::Tensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
            what: "is missing".to_owned(),
        })?;
        let Some(dtype) = tensor.stored.dtype else {
            return Err(ModelError::Type {
                path: self.path.clone(),
                tensor: name.to_owned(),
                found: tensor.stored.class.clone(),
            });
        };
        let bytes = self.bytes(tensor).map_err(|what| ModelError::Damaged {
            path: self.path.clone(),
            what,
        })?;
        let bytes = if tensor.is_plain() {
            bytes
        } else {
            gather(tensor, &bytes)
        };
        Tensor::from_raw_buffer(&bytes, dtype, &tensor.shape, &Device::Cpu).map_err(|source| {
            ModelError::Tensors {
                path: self.path.clone(),
                source,
            }
        })
    }
}

/// The elements in the order of the shape: views of a storage may be transposed.
fn gather(tensor: &Described, bytes: &[u8]) -> Vec<u8> {
    let size = tensor.stored.size;
    let count: usize = tensor.shape.iter().product();
    let mut gathered = Vec::with_capacity(count * size);
    let mut place = vec![0; tensor.shape.len()];
    for _ in 0..count {
        let at: usize = place.iter().zip(&tensor.strides).map(|(i, s)| i * s).sum();
        gathered.extend_from_slice(bytes.get(at * size..(at + 1) * size).unwrap_or_default());
        for (i, n) in place.iter_mut().zip(&tensor.shape).rev() {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    gathered
}
