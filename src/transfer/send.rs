//! Sending files: each one named in the answer, whatever becomes of it.
//!
//! Separate because both ways of sending share what is done before: whose identity goes along, and what a file is.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::dimse::Store;
use super::watch::Watch;
use super::{Access, Node, failed, web};
use crate::job::{Error, ErrorKind, Observe};
use crate::radiograph::exchange::{self, Instance};
use crate::radiograph::write::{DeidentifyError, deidentify};

/// How files are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// By DICOMweb, and not by DICOM messages.
    pub web: bool,
    /// Without identity: a secret by which UIDs are replaced, the same for files that refer to each other.
    pub deidentify: Option<Vec<u8>>,
}

/// What was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// The transfer syntax in which it was written anew, where the node did not take that of the file.
    pub recoded: Option<String>,
    /// What the node remarked.
    pub warning: Option<String>,
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The file.
    pub path: PathBuf,
    /// Delivered, or why not.
    pub outcome: Result<Delivered, Error>,
}

/// Sends files one after the other; one that fails does not keep the others back.
///
/// # Errors
/// Nothing could be sent at all: the node cannot be reached or refuses. [`ErrorKind::Stopped`] when told to stop.
pub fn send(
    node: &Node,
    access: &Access,
    files: &[PathBuf],
    how: &Sending,
    observe: &mut Observe<'_>,
) -> Result<Vec<Sent>, Error> {
    let mut watch = Watch::new(observe, "sending", node.whole());
    let work = match &how.deidentify {
        Some(_) => Some(tempfile::tempdir().map_err(|error| failed(error.to_string()))?),
        None => None,
    };
    let work = work.as_ref().map(tempfile::TempDir::path);
    let mut line = Line {
        node,
        access,
        how,
        files,
        open: None,
        kinds: Vec::new(),
        reached: false,
        given_up: None,
    };
    let mut sent = Vec::new();
    for (number, path) in files.iter().enumerate() {
        watch.at(number, files.len())?;
        let outcome = match prepared(path, how, work, number) {
            Ok(object) => line.one(number, &object, &mut watch),
            Err(error) => Err(error),
        };
        match (outcome, &line.given_up) {
            (Err(error), _) if error.kind == ErrorKind::Stopped => return Err(error),
            (Err(error), Some(_)) if !line.reached => return Err(error),
            (outcome, _) => sent.push(Sent {
                path: path.clone(),
                // A copy without identity is nobody's concern.
                outcome: outcome.map_err(|mut error| {
                    error.path = None;
                    error
                }),
            }),
        }
    }
    watch.at(files.len(), files.len())?;
    line.close(&mut watch);
    Ok(sent)
}

/// The object of a file, without identity where that is asked for.
fn prepared(
    path: &Path,
    how: &Sending,
    work: Option<&Path>,
    number: usize,
) -> Result<Instance, Error> {
    let (Some(salt), Some(work)) = (&how.deidentify, work) else {
        return Ok(Instance::read(path)?);
    };
    let clean = work.join(format!("{number}.dcm"));
    deidentify(path, &clean, salt, true).map_err(|error| match error {
        DeidentifyError::Read(error) => Error::from(error),
        DeidentifyError::Write(error) => failed(error.to_string()),
    })?;
    Ok(Instance::read(&clean)?)
}

/// The way to the node, opened again where it broke.
struct Line<'a> {
    node: &'a Node,
    access: &'a Access,
    how: &'a Sending,
    files: &'a [PathBuf],
    open: Option<Store>,
    kinds: Vec<(String, String)>,
    /// The node answered at least once.
    reached: bool,
    /// Why no further connection is tried.
    given_up: Option<Error>,
}

impl Line<'_> {
    fn one(
        &mut self,
        number: usize,
        object: &Instance,
        watch: &mut Watch<'_>,
    ) -> Result<Delivered, Error> {
        if let Some(error) = &self.given_up {
            return Err(error.clone());
        }
        if self.how.web || self.node.port.is_none() {
            let answer = web::store(self.node, self.access, object, watch);
            if let Err(error) = &answer {
                self.given_up = Some(error.clone());
            }
            self.reached |= answer.is_ok();
            return answer?;
        }
        let mut store = self.way(number, object, watch)?;
        // A way that breaks is dropped here, and opened again for the next file.
        let outcome = store.put(object, watch)?;
        self.open = Some(store);
        outcome
    }

    /// The open way, where it carries objects of this kind, or another one.
    fn way(
        &mut self,
        number: usize,
        object: &Instance,
        watch: &mut Watch<'_>,
    ) -> Result<Store, Error> {
        let kind = (object.class.clone(), object.syntax.clone());
        match self.open.take() {
            Some(store) if self.kinds.contains(&kind) => return Ok(store),
            Some(store) => store.close(watch),
            None => {}
        }
        self.kinds = self.kinds_from(number, kind);
        let opened = Store::open(self.node, &self.kinds, watch);
        match &opened {
            Ok(_) => self.reached = true,
            Err(error) => self.given_up = Some(error.clone()),
        }
        opened
    }

    /// The kinds of the files from one on, as far as they fit into one association.
    fn kinds_from(&self, number: usize, first: (String, String)) -> Vec<(String, String)> {
        let mut kinds = vec![first];
        for path in self.files.iter().skip(number + 1) {
            let Some(names) = exchange::names_of(path) else {
                continue;
            };
            let usable = exchange::is_uid(&names.class) && exchange::is_uid(&names.syntax);
            let kind = (names.class, names.syntax);
            if usable && !kinds.contains(&kind) {
                kinds.push(kind);
            }
            if kinds.len() >= super::dimse::MOST_KINDS {
                break;
            }
        }
        kinds
    }

    fn close(self, watch: &mut Watch<'_>) {
        if let Some(store) = self.open {
            store.close(watch);
        }
    }
}
