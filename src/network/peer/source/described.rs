//! The tensors that a pickle describes: types, shapes, and where in a storage they lie.
//!
//! Separate from how pickles are read and from where storages are: both layouts of PyTorch describe tensors alike.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::DType;

use super::values::{Fault, Id, Value, Values, damaged};

/// Keys under which training programs keep the weights, the averaged ones first.
const NESTS: [&str; 5] = ["G_ema", "params_ema", "params", "state_dict", "model"];
/// Elements of a tensor that repeats those of its storage; what is larger is no weight.
const REPEATED: usize = 1 << 20;

/// A tensor as the pickle describes it; its elements lie within its storage.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub stored: Stored,
    /// Elements before the first.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl Described {
    /// Elements from the first to the last; 0 where the shape is empty.
    pub(super) fn span(&self) -> usize {
        let mut sides = self.shape.iter().zip(&self.strides);
        let last = sides.try_fold(0_usize, |at, (&n, &stride)| {
            at.checked_add(n.checked_sub(1)?.checked_mul(stride)?)
        });
        last.map_or(0, |last| last.saturating_add(1))
    }

    /// Whether the elements lie one after the other.
    pub(super) fn is_plain(&self) -> bool {
        let mut contiguous = 1_usize;
        self.shape
            .iter()
            .zip(&self.strides)
            .rev()
            .all(|(&n, &stride)| {
                let fits = n == 1 || stride == contiguous;
                contiguous = contiguous.saturating_mul(n);
                fits
            })
    }
}

/// A run of numbers of one type outside of the pickle.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub key: String,
    /// Its type in PyTorch's words.
    pub class: String,
    /// Absent for types that cannot be weights.
    pub dtype: Option<DType>,
    /// Bytes an element.
    pub size: usize,
    /// Elements of the whole storage.
    pub length: usize,
    /// Elements before the part that this reference is to.
    view: usize,
}

/// Types of storages with their bytes an element.
fn number_type(class: &str) -> Option<(Option<DType>, usize)> {
    let class = class.strip_prefix("torch.")?;
    let class = class.rsplit('.').next().unwrap_or(class);
    Some(match class {
        "FloatStorage" => (Some(DType::F32), 4),
        "DoubleStorage" => (Some(DType::F64), 8),
        "HalfStorage" => (Some(DType::F16), 2),
        "BFloat16Storage" => (Some(DType::BF16), 2),
        "ByteStorage" | "BoolStorage" => (Some(DType::U8), 1),
        "IntStorage" => (Some(DType::I32), 4),
        "LongStorage" => (Some(DType::I64), 8),
        "CharStorage" | "QInt8Storage" | "QUInt8Storage" => (None, 1),
        "ShortStorage" => (None, 2),
        "QInt32Storage" => (None, 4),
        "ComplexFloatStorage" => (None, 8),
        "ComplexDoubleStorage" => (None, 16),
        _ => return None,
    })
}

fn whole(values: &Values, id: Id) -> Option<usize> {
    usize::try_from(values.number(id)?).ok()
}

/// `("storage", class, key, device, length[, view])`, where a view is nothing or `(key, offset, length)`.
fn stored(values: &Values, id: Id) -> Option<Stored> {
    let &[kind, class, key, _, length, ref view @ ..] = values.row(id)? else {
        return None;
    };
    if values.text(kind)? != "storage" {
        return None;
    }
    let Value::Named(class) = values.get(class) else {
        return None;
    };
    let (dtype, size) = number_type(class)?;
    let view = match view.first().and_then(|view| values.row(*view)) {
        Some(&[_, offset, _]) => whole(values, offset)?,
        _ => 0,
    };
    Some(Stored {
        key: values.text(key)?.to_owned(),
        class: class.clone(),
        dtype,
        size,
        length: whole(values, length)?,
        view,
    })
}

/// All storages that a pickle refers to, by their keys.
pub(super) fn storages(values: &Values) -> Result<BTreeMap<String, Stored>, Fault> {
    let mut found = BTreeMap::<String, Stored>::new();
    for value in values.all() {
        let Value::Outside(id) = value else { continue };
        let Some(stored) = stored(values, *id) else {
            continue;
        };
        if let Some(before) = found.get(&stored.key)
            && (before.size, before.length) != (stored.size, stored.length)
        {
            return damaged(format!("storage {} is said to be of two sizes", stored.key));
        }
        found.insert(stored.key.clone(), stored);
    }
    Ok(found)
}

/// The tensors of a state dictionary by their names, or of the one that a checkpoint keeps under a known key.
pub(super) fn state_dict(values: &Values, root: Id) -> Result<BTreeMap<String, Described>, Fault> {
    let Some(mut pairs) = values.table(root) else {
        return damaged("it is no dictionary of tensors");
    };
    let nest = |name: &&str| {
        let named = |(key, _): &&(Id, Id)| values.text(*key) == Some(*name);
        values.table(pairs.iter().find(named)?.1)
    };
    if let Some(inner) = NESTS.iter().find_map(nest) {
        pairs = inner;
    }
    let mut tensors = BTreeMap::new();
    let mut others = BTreeSet::new();
    for &(key, value) in pairs {
        let Some(name) = values.text(key) else {
            continue;
        };
        // What `nn.Module.state_dict` keeps about versions.
        if name == "_metadata" {
            continue;
        }
        match described(values, value) {
            Some(tensor) => {
                within(name, &tensor)?;
                tensors.insert(name.to_owned(), tensor);
            }
            None => {
                others.insert(name.to_owned());
            }
        }
    }
    if tensors.is_empty() {
        let names: Vec<_> = others.into_iter().take(8).collect();
        return damaged(if names.is_empty() {
            "it describes no tensors by name".to_owned()
        } else {
            format!("it holds no tensors, only {}", names.join(", "))
        });
    }
    Ok(tensors)
}

/// A tensor: `storage, offset, size, stride, …`, perhaps as a parameter.
fn described(values: &Values, id: Id) -> Option<Described> {
    let Value::Made { by, of } = values.get(id) else {
        return None;
    };
    let (mut by, mut args) = (by.as_str(), values.row(*of)?);
    if by == "torch._utils._rebuild_parameter" {
        let Value::Made { by: inner, of } = values.get(*args.first()?) else {
            return None;
        };
        (by, args) = (inner, values.row(*of)?);
    }
    let rebuilt = by.strip_prefix("torch._utils._rebuild_tensor")?;
    if !matches!(rebuilt, "" | "_v2") {
        return None;
    }
    let &[storage, offset, size, stride, ..] = args else {
        return None;
    };
    let Value::Outside(storage) = values.get(storage) else {
        return None;
    };
    let stored = stored(values, *storage)?;
    let numbers = |id: Id| -> Option<Vec<usize>> {
        // Sizes are tuples, or `torch.Size` of one.
        let row = match values.get(id) {
            Value::Made { by, of } if by == "torch.Size" => values.row(*values.row(*of)?.first()?),
            _ => values.row(id),
        };
        row?.iter().map(|id| whole(values, *id)).collect()
    };
    let (shape, strides) = (numbers(size)?, numbers(stride)?);
    (shape.len() == strides.len()).then_some(Described {
        offset: whole(values, offset)?.checked_add(stored.view)?,
        stored,
        shape,
        strides,
    })
}

/// An error unless all elements lie in the storage, and are not many more than there are in it.
fn within(name: &str, tensor: &Described) -> Result<(), Fault> {
    let count = tensor
        .shape
        .iter()
        .try_fold(1_usize, |all, &n| all.checked_mul(n));
    let most = tensor.stored.length.max(REPEATED);
    let fits = count.is_some_and(|count| count <= most)
        && tensor.offset.saturating_add(tensor.span()) <= tensor.stored.length;
    if fits {
        return Ok(());
    }
    damaged(format!(
        "tensor {name} of the shape {:?} does not fit its storage of {}",
        tensor.shape, tensor.stored.length
    ))
}
