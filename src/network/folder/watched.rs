//! Tensors of a file that remember which of them were asked for, so that every one is accounted for.
//!
//! Separate from the files themselves: a folder of ours and a file of another program are watched alike.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Error, Result as Tensors, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use super::ModelError;
use crate::network::device::Place;

/// How many names an error lists.
const LISTED: usize = 8;

/// Tensors by name.
pub trait Store: Send + Sync {
    /// All names.
    fn names(&self) -> Vec<String>;
    /// The shape of one of them.
    fn shape(&self, name: &str) -> Option<Shape>;
    /// The values of one of them on the processor, in `dtype` where the store can read it so without a second copy.
    fn read(&self, name: &str, dtype: DType) -> Result<Tensor, ModelError>;
}

impl<H: BuildHasher + Send + Sync> Store for HashMap<String, Tensor, H> {
    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        self.get(name).map(|tensor| tensor.shape().clone())
    }

    fn read(&self, name: &str, _: DType) -> Result<Tensor, ModelError> {
        self.get(name)
            .cloned()
            .ok_or_else(|| ModelError::Missing { path: name.into() })
    }
}

#[derive(Default)]
struct Notes {
    used: BTreeSet<String>,
    /// Tensors that are not there, or not as wanted, and what is wrong.
    wrong: Vec<(String, String)>,
    failed: Option<ModelError>,
}

struct Watched<S> {
    store: S,
    notes: Arc<Mutex<Notes>>,
}

impl<S: Store> Watched<S> {
    fn note<T>(&self, write: impl FnOnce(&mut Notes) -> T) -> T {
        write(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Store> SimpleBackend for Watched<S> {
    /// Zeros stand in for what is wrong, so that all of it is found; no network is handed out then.
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> Tensors<Tensor> {
        let found = self.store.shape(name);
        let what = match found {
            Some(found) if found == shape => {
                self.note(|notes| notes.used.insert(name.to_owned()));
                let tensor = self.store.read(name, dtype).map_err(|error| {
                    let message = Error::Msg(error.to_string());
                    self.note(|notes| notes.failed = Some(error));
                    message
                })?;
                // Narrowed first: half as much goes to a GPU.
                return tensor.to_dtype(dtype)?.to_device(device);
            }
            Some(found) => {
                self.note(|notes| notes.used.insert(name.to_owned()));
                format!("is {:?}, wanted {:?}", found.dims(), shape.dims())
            }
            None => "is missing".to_owned(),
        };
        self.note(|notes| notes.wrong.push((name.to_owned(), what)));
        Tensor::zeros(shape, dtype, device)
    }

    /// Marks a tensor as known without reading it: what is asked for without a shape is not used.
    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Tensors<Tensor> {
        self.note(|notes| notes.used.insert(name.to_owned()));
        Tensor::zeros((), dtype, device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.store.shape(name).is_some()
    }
}

/// Builds a network at `place` over the tensors of `path`.
///
/// Missing, misshapen and unused tensors are errors that name them.
pub fn build_over<S: Store + 'static, N>(
    store: S,
    path: &Path,
    place: &Place,
    network: impl FnOnce(&VarBuilder<'_>) -> Tensors<N>,
) -> Result<N, ModelError> {
    let names: BTreeSet<String> = store.names().into_iter().collect();
    let notes = Arc::new(Mutex::new(Notes::default()));
    let backend = Watched {
        store,
        notes: Arc::clone(&notes),
    };
    let vb = VarBuilder::from_backend(Box::new(backend), place.dtype, place.device.clone());
    let built = network(&vb);
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = notes.failed.take() {
        return Err(error);
    }
    let unknown: Vec<&str> = names.difference(&notes.used).map(String::as_str).collect();
    let path = path.to_owned();
    if let Some((tensor, what)) = notes.wrong.first().cloned() {
        let others: Vec<String> = notes.wrong[1..]
            .iter()
            .map(|(name, what)| format!("{name} {what}"))
            .collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let mut what = what;
        if !others.is_empty() {
            what = format!("{what}; {}", listed(&others));
        }
        if !unknown.is_empty() {
            what = format!("{what}; unknown tensors {}", listed(&unknown));
        }
        return Err(ModelError::Tensor { path, tensor, what });
    }
    let built = built.map_err(|source| ModelError::Tensors {
        path: path.clone(),
        source,
    })?;
    if unknown.is_empty() {
        Ok(built)
    } else {
        Err(ModelError::Unknown {
            path,
            names: listed(&unknown),
        })
    }
}

fn listed(names: &[&str]) -> String {
    let text = names[..names.len().min(LISTED)].join(", ");
    if names.len() > LISTED {
        return format!("{text} and {} more", names.len() - LISTED);
    }
    text
}
