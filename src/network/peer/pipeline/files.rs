//! The files of a folder of another program: read with their names in every error, and hashed.
//!
//! Separate because configurations, tokenizers and weights are all found and trusted in the same way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::encoding::hex;
use crate::network::folder::ModelError;

/// The longest configuration that is read, bytes; CLIP's vocabulary has one million.
const LONGEST: u64 = 64 << 20;

/// A text file; an error names it.
pub(super) fn read_text(path: &Path) -> Result<String, ModelError> {
    let failed = |source| ModelError::reading(path, source);
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
        .map_err(failed)?;
    Ok(text)
}

/// A JSON file. What Python writes for infinite and missing numbers counts as `null`.
pub(super) fn read_json(path: &Path) -> Result<Value, ModelError> {
    let text = read_text(path)?;
    serde_json::from_str(&text)
        .or_else(|error| serde_json::from_str(&without_infinities(&text)).map_err(|_| error))
        .map_err(|error| ModelError::Configuration {
            path: path.to_owned(),
            what: format!("it is no JSON ({error})"),
        })
}

/// `-Infinity`, `Infinity` and `NaN` outside of strings become `null`.
fn without_infinities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, part) in text.split('"').enumerate() {
        if i > 0 {
            out.push('"');
        }
        if i.is_multiple_of(2) {
            let part = part.replace("-Infinity", "null");
            out.push_str(&part.replace("Infinity", "null").replace("NaN", "null"));
        } else {
            out.push_str(part);
        }
    }
    out
}

/// The first of `names` that is in a folder; an error names the first.
pub(super) fn weights_in(folder: &Path, stems: &[&str]) -> Result<PathBuf, ModelError> {
    let endings = [".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin"];
    for stem in stems {
        for ending in endings {
            let path = folder.join(format!("{stem}{ending}"));
            if path.is_file() {
                return Ok(path);
            }
        }
    }
    let first = folder.join(format!("{}.safetensors", stems[0]));
    let split = folder.join(format!("{}.safetensors.index.json", stems[0]));
    if split.is_file() {
        return Err(ModelError::Configuration {
            path: split,
            what: "weights in several files are not supported; save them as one".to_owned(),
        });
    }
    Err(ModelError::Missing { path: first })
}

/// Size and time of a file, and its hash.
type Known = BTreeMap<PathBuf, (u64, SystemTime, String)>;

static HASHED: Mutex<Known> = Mutex::new(BTreeMap::new());

/// SHA-256 of a file, hexadecimal; read in pieces, and once while it does not change.
pub(super) fn hash(path: &Path) -> Result<String, ModelError> {
    let failed = |source| ModelError::reading(path, source);
    let mut file = File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    let size = facts.len();
    let time = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let known = || HASHED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((s, t, hash)) = known().get(path)
        && *s == size
        && *t == time
    {
        return Ok(hash.clone());
    }
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
    }
    let hash = hex(&hasher.finalize());
    known().insert(path.to_owned(), (size, time, hash.clone()));
    Ok(hash)
}

/// One hash over the names and hashes of files, as that of a model folder.
pub(super) fn joint(files: &BTreeMap<String, String>) -> String {
    let mut hasher = Sha256::new();
    for (name, hash) in files {
        hasher.update(format!("{name} {hash}\n"));
    }
    hex(&hasher.finalize())
}
