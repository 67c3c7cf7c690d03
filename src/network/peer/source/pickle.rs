//! PyTorch archives (`.pth`, `.pt`, `.ckpt`): a zip of a pickle that describes tensors, and their bytes.
//!
//! A pickle is a program. Its instructions are read as data and none is carried out; what is not the description of a
//! plain tensor is refused by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::pickle::{Object, Stack};
use candle_core::{DType, Device, Shape, Tensor};
use zip::ZipArchive;

use super::Reading;
use crate::network::folder::ModelError;

/// The longest description that is read, in bytes.
const LONGEST: u64 = 64 << 20;
/// Keys under which training programs keep the weights, the averaged ones first.
const NESTS: [&str; 5] = ["G_ema", "params_ema", "params", "state_dict", "model"];
/// Callables and classes that only describe data.
const PLAIN: [(&str, &str); 9] = [
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "Size"),
    ("torch", "device"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("_codecs", "encode"),
];

/// An open archive and its table of contents.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    zip: Mutex<ZipArchive<BufReader<File>>>,
    tensors: BTreeMap<String, Described>,
}

/// A tensor as the pickle describes it.
#[derive(Clone, Debug)]
struct Described {
    /// The entry of the zip with its bytes.
    entry: String,
    dtype: DType,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl Archive {
    /// Reads the description; an error for anything that is not an archive of plain tensors.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::reading(path, source);
        let damaged = |what: String| ModelError::Damaged {
            path: path.to_owned(),
            what,
        };
        let mut file = File::open(path).map_err(io)?;
        let mut start = [0; 4];
        let read = file.read(&mut start).map_err(io)?;
        if read == 4 && &start != b"PK\x03\x04" {
            return Err(refused(
                path,
                "it is no zip archive: a bare pickle can only be read by running it",
            ));
        }
        let reader = BufReader::new(File::open(path).map_err(io)?);
        let mut zip = ZipArchive::new(reader).map_err(|error| damaged(error.to_string()))?;
        let entry = zip
            .file_names()
            .filter_map(|name| Some(name.ok()?.into_owned()))
            .find(|name| name == "data.pkl" || name.ends_with("/data.pkl"))
            .ok_or_else(|| damaged("it holds no data.pkl".to_owned()))?;
        let mut pickle = Vec::new();
        zip.by_name(&entry)
            .map_err(|error| damaged(error.to_string()))?
            .take(LONGEST + 1)
            .read_to_end(&mut pickle)
            .map_err(io)?;
        if pickle.len() as u64 > LONGEST {
            return Err(damaged("its description is too long".to_owned()));
        }
        let folder = entry.strip_suffix("data.pkl").unwrap_or_default();
        let mut stack = Stack::empty();
        stack
            .read_loop(&mut pickle.as_slice())
            .map_err(|error| refused(path, &format!("its pickle holds more than data: {error}")))?;
        for object in stack.stack() {
            check(object).map_err(|what| refused(path, &what))?;
        }
        let root = stack
            .finalize()
            .map_err(|error| damaged(error.to_string()))?;
        let tensors = state_dict(root, folder).map_err(damaged)?;
        if tensors.is_empty() {
            return Err(damaged("it describes no tensors by name".to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            zip: Mutex::new(zip),
            tensors,
        })
    }

    fn bytes(&self, tensor: &Described) -> Result<Vec<u8>, String> {
        let mut zip = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entry = zip
            .by_name(&tensor.entry)
            .map_err(|error| format!("{}: {error}", tensor.entry))?;
        let size = tensor.dtype.size_in_bytes();
        let last: Option<usize> = tensor
            .shape
            .iter()
            .zip(&tensor.strides)
            .try_fold(0_usize, |at, (&n, &stride)| {
                at.checked_add(n.checked_sub(1)?.checked_mul(stride)?)
            });
        let Some(last) = last else {
            return Ok(Vec::new());
        };
        let from = tensor.offset.saturating_mul(size);
        let wanted = (last.saturating_add(1)).saturating_mul(size);
        if (from.saturating_add(wanted)) as u64 > entry.size() {
            return Err(format!("{} is too short", tensor.entry));
        }
        std::io::copy(&mut entry.by_ref().take(from as u64), &mut std::io::sink())
            .map_err(|error| error.to_string())?;
        let mut bytes = vec![0; wanted];
        entry
            .read_exact(&mut bytes)
            .map_err(|error| format!("{}: {error}", tensor.entry))?;
        Ok(bytes)
    }
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
        Some(format!("{:?}", self.tensors.get(name)?.dtype))
    }

    fn read(&self, name: &str, _: DType) -> Result<Tensor, ModelError> {
        let tensor = self.tensors.get(name).ok_or_else(|| ModelError::Tensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
            what: "is missing".to_owned(),
        })?;
        let bytes = self.bytes(tensor).map_err(|what| ModelError::Damaged {
            path: self.path.clone(),
            what,
        })?;
        gather(tensor, &bytes).map_err(|source| ModelError::Tensors {
            path: self.path.clone(),
            source,
        })
    }
}

/// The elements in the order of the shape: views of a storage may be transposed.
fn gather(tensor: &Described, bytes: &[u8]) -> candle_core::Result<Tensor> {
    let mut contiguous = 1;
    let plain = tensor
        .shape
        .iter()
        .zip(&tensor.strides)
        .rev()
        .all(|(&n, &stride)| {
            let fits = n == 1 || stride == contiguous;
            contiguous *= n;
            fits
        });
    if plain {
        return Tensor::from_raw_buffer(bytes, tensor.dtype, &tensor.shape, &Device::Cpu);
    }
    let mut picks = vec![0_u32];
    for (&n, &stride) in tensor.shape.iter().zip(&tensor.strides) {
        picks = picks
            .iter()
            .flat_map(|&at| (0..n).map(move |i| at + (i * stride) as u32))
            .collect();
    }
    let count = bytes.len() / tensor.dtype.size_in_bytes();
    let all = Tensor::from_raw_buffer(bytes, tensor.dtype, &[count], &Device::Cpu)?;
    let index = Tensor::from_vec(picks, tensor.shape.iter().product::<usize>(), &Device::Cpu)?;
    all.index_select(&index, 0)?
        .reshape(tensor.shape.as_slice())
}

fn refused(path: &Path, what: &str) -> ModelError {
    ModelError::Code {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}

/// Whether a class only describes data; training programs name their own settings' classes too, which is harmless
/// because nothing is called.
fn is_plain(module: &str, class: &str) -> bool {
    PLAIN.contains(&(module, class))
        || (module == "torch" && (class.ends_with("Storage") || class.starts_with("float")))
        || module.starts_with("pytorch_lightning.")
        || module.starts_with("lightning.pytorch.")
}

/// An error that names the first callable which is more than a description.
fn check(object: &Object) -> Result<(), String> {
    match object {
        Object::Class {
            module_name,
            class_name,
        } => {
            if is_plain(module_name, class_name) {
                Ok(())
            } else {
                Err(format!("it calls {module_name}.{class_name}"))
            }
        }
        Object::Tuple(items) | Object::List(items) => items.iter().try_for_each(check),
        Object::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| {
            check(key)?;
            check(value)
        }),
        Object::Reduce { callable, args } | Object::Build { callable, args } => {
            check(callable)?;
            check(args)
        }
        Object::PersistentLoad(id) => check(id),
        _ => Ok(()),
    }
}

/// The tensors of a state dictionary, or of the one that a checkpoint keeps under a known key.
fn state_dict(root: Object, folder: &str) -> Result<BTreeMap<String, Described>, String> {
    let Object::Dict(mut pairs) = root else {
        return Err("it is no dictionary of tensors".to_owned());
    };
    let named = |pairs: &[(Object, Object)], name: &str| {
        let key = Object::Unicode(name.to_owned());
        pairs
            .iter()
            .position(|(k, value)| *k == key && matches!(value, Object::Dict(_)))
    };
    if let Some(at) = NESTS.iter().find_map(|name| named(&pairs, name)) {
        match pairs.swap_remove(at).1 {
            Object::Dict(inner) => pairs = inner,
            _ => return Err("it is no dictionary of tensors".to_owned()),
        }
    }
    let mut tensors = BTreeMap::new();
    let mut others = BTreeSet::new();
    for (key, value) in pairs {
        let Object::Unicode(name) = key else { continue };
        // What `nn.Module.state_dict` keeps about versions.
        if name == "_metadata" {
            continue;
        }
        match described(value, folder) {
            Some(tensor) => {
                tensors.insert(name, tensor);
            }
            None => {
                others.insert(name);
            }
        }
    }
    if tensors.is_empty() && !others.is_empty() {
        let names: Vec<_> = others.into_iter().take(8).collect();
        return Err(format!("it holds no tensors, only {}", names.join(", ")));
    }
    Ok(tensors)
}

fn described(value: Object, folder: &str) -> Option<Described> {
    let Object::Reduce { callable, args } = value else {
        return None;
    };
    let (Object::Class { class_name, .. }, Object::Tuple(args)) = (*callable, *args) else {
        return None;
    };
    match class_name.as_str() {
        "_rebuild_parameter" => described(args.into_iter().next()?, folder),
        "_rebuild_tensor_v2" => rebuilt(args, folder),
        _ => None,
    }
}

/// `storage, offset, size, stride, …`; the storage is a reference `("storage", class, key, device, length)`.
fn rebuilt(args: Vec<Object>, folder: &str) -> Option<Described> {
    let mut args = args.into_iter();
    let Object::PersistentLoad(storage) = args.next()? else {
        return None;
    };
    let offset = number(&args.next()?)?;
    let shape = numbers(&args.next()?)?;
    let strides = numbers(&args.next()?)?;
    let Object::Tuple(storage) = *storage else {
        return None;
    };
    let mut storage = storage.into_iter().skip(1);
    let Object::Class { class_name, .. } = storage.next()? else {
        return None;
    };
    let Object::Unicode(key) = storage.next()? else {
        return None;
    };
    let dtype = match class_name.as_str() {
        "FloatStorage" => DType::F32,
        "DoubleStorage" => DType::F64,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "ByteStorage" | "BoolStorage" => DType::U8,
        "IntStorage" => DType::I32,
        "LongStorage" => DType::I64,
        _ => return None,
    };
    (shape.len() == strides.len()).then(|| Described {
        entry: format!("{folder}data/{key}"),
        dtype,
        offset,
        shape,
        strides,
    })
}

fn number(object: &Object) -> Option<usize> {
    match object {
        Object::Int(value) => usize::try_from(*value).ok(),
        Object::Long(value) => usize::try_from(*value).ok(),
        _ => None,
    }
}

fn numbers(object: &Object) -> Option<Vec<usize>> {
    match object {
        Object::Tuple(items) => items.iter().map(number).collect(),
        _ => None,
    }
}
