//! Where objects arrive: scanned, counted, and kept only when they are what was asked for.
//!
//! Separate because C-GET, C-MOVE and DICOMweb bring the same objects, from peers that are equally unknown. A file is
//! named by a number: nothing that a peer says becomes part of a path.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::{Fetched, MOST_OBJECT, Wanted, shown};
use crate::job::{Error, ErrorKind};
use crate::radiograph::exchange::{self, Names};
use crate::radiograph::write::{WriteError, write_whole};

/// More objects in one fetch are hostile.
const MOST_OBJECTS: usize = 100_000;
/// More reasons are counted and not kept.
const MOST_FAILURES: usize = 100;

/// Why an object was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It cannot be understood.
    Damaged,
    /// Nobody asked for it.
    NotAskedFor,
    /// There is no room for it.
    NoRoom,
}

/// Receives the objects of one fetch; may be shared by threads.
pub(super) struct Inbox {
    out: PathBuf,
    study: String,
    series: Option<String>,
    most_bytes: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: BTreeSet<String>,
    next: usize,
    bytes: u64,
    objects: usize,
    unsaid: usize,
    fetched: Fetched,
}

impl Inbox {
    /// An inbox over a folder, which is made where it is not there.
    pub(super) fn new(wanted: &Wanted) -> Result<Self, Error> {
        let refused = |error: std::io::Error| {
            let what = format!("the folder cannot be used ({error})");
            Error::new(ErrorKind::Failed, what).at(&wanted.out)
        };
        std::fs::create_dir_all(&wanted.out).map_err(refused)?;
        let mut state = State::default();
        for entry in std::fs::read_dir(&wanted.out).map_err(refused)?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == "dcm")
                && let Some(names) = exchange::names_of(&path)
            {
                state.known.insert(names.instance);
            }
        }
        Ok(Self {
            out: wanted.out.clone(),
            study: wanted.study.clone(),
            series: wanted.series.clone(),
            most_bytes: wanted.most_bytes,
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that the next object may have.
    pub(super) fn room(&self) -> usize {
        let left = self.most_bytes.saturating_sub(self.state().bytes);
        (left as usize).min(MOST_OBJECT)
    }

    /// Objects that came so far.
    pub(super) fn objects(&self) -> usize {
        self.state().objects
    }

    /// Takes a DICOM file; `told` are class and instance by which it was announced, if it was.
    pub(super) fn take(&self, file: Vec<u8>, told: Option<(&str, &str)>) -> Result<(), Refusal> {
        if file.len() > self.room() {
            self.fail("an object is larger than what may still come; raise the limit");
            return Err(Refusal::NoRoom);
        }
        let size = file.len() as u64;
        let (names, bytes) = match exchange::received(file) {
            Ok(found) => found,
            Err(problem) => {
                self.fail(&format!("an object was refused: {problem}"));
                return Err(Refusal::Damaged);
            }
        };
        if told.is_some_and(|(class, instance)| class != names.class || instance != names.instance)
        {
            self.fail("an object was refused: it is another one than the message says");
            return Err(Refusal::Damaged);
        }
        if !self.asked_for(&names) {
            self.fail(
                "an object was refused: it belongs to a study or series that was not asked for",
            );
            return Err(Refusal::NotAskedFor);
        }
        self.keep(&names, &bytes, size)
    }

    fn asked_for(&self, names: &Names) -> bool {
        names.study == self.study
            && self
                .series
                .as_ref()
                .is_none_or(|series| *series == names.series)
    }

    fn keep(&self, names: &Names, bytes: &[u8], size: u64) -> Result<(), Refusal> {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(size);
        state.objects += 1;
        if state.objects > MOST_OBJECTS {
            drop(state);
            self.fail("more objects came than a study has");
            return Err(Refusal::NoRoom);
        }
        if !state.known.insert(names.instance.clone()) {
            state.fetched.already_there += 1;
            return Ok(());
        }
        loop {
            state.next += 1;
            let path = self.out.join(format!("{:04}.dcm", state.next));
            match write_whole(&path, bytes, false) {
                Ok(()) => {
                    state.fetched.files.push(path);
                    return Ok(());
                }
                Err(WriteError::Exists { .. }) => {}
                Err(error) => {
                    state.known.remove(&names.instance);
                    drop(state);
                    self.fail(&format!("{error} ({})", shown(&self.out)));
                    return Err(Refusal::NoRoom);
                }
            }
        }
    }

    /// Notes that something did not come.
    pub(super) fn fail(&self, why: &str) {
        let mut state = self.state();
        if state.fetched.failures.len() < MOST_FAILURES {
            state.fetched.failures.push(why.to_owned());
        } else {
            state.unsaid += 1;
        }
    }

    /// How often something did not come.
    pub(super) fn failures(&self) -> usize {
        let state = self.state();
        state.fetched.failures.len() + state.unsaid
    }

    /// What came.
    pub(super) fn into_fetched(self) -> Fetched {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut fetched = state.fetched;
        if state.unsaid > 0 {
            fetched.failures.push(format!("and {} more", state.unsaid));
        }
        fetched
    }
}
