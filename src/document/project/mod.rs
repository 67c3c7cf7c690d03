//! A project folder: a document that opens again as it was, with its history.
//!
//! `project.json` holds the document at the beginning, `journal.jsonl` what happened since, `rasters/` every raster by
//! its content hash, `lock` keeps a second process out. Files other than the journal are written whole or not at all.

mod error;
mod journal;
mod store;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Document, Edit, History};
use crate::whole;
use journal::{Entry, Journal, Next};
use store::{StoredDocument, write_whole};

pub use error::ProjectError;
pub use store::{Prepared, Store};

/// The version of the format that this program writes and reads.
const VERSION: u64 = 1;
const FORMAT: &str = "radcanvas-project";

/// `project.json`.
#[derive(Serialize, Deserialize)]
struct Beginning {
    format: String,
    version: u64,
    document: StoredDocument,
}

/// An open project: a history that is also on the disk.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    history: History,
    journal: Journal,
    store: Store,
    _lock: Lock,
}

/// Held while the project is open; the system lets go of it even when the process is killed.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone is not enough: a process being started at this moment still holds a copy of the handle.
        // If unlocking fails there is nothing left to do, and closing follows.
        let _ = self.0.unlock();
    }
}

impl Project {
    /// Makes a project of a document in a folder, which is made too when it is missing.
    ///
    /// # Errors
    /// The folder already holds a project, another process is at it, or the disk refuses.
    pub fn create(folder: &Path, document: Document) -> Result<Self, ProjectError> {
        let rasters = folder.join("rasters");
        fs::create_dir_all(&rasters).map_err(ProjectError::io("make the folder", &rasters))?;
        let lock = lock(folder)?;
        let (beginning_path, journal_path) = paths(folder);
        let journaled = fs::metadata(&journal_path).is_ok_and(|facts| facts.len() > 0);
        if journaled || beginning_path.exists() {
            return Err(ProjectError::Exists(folder.to_owned()));
        }
        let store = Store::new(rasters);
        let beginning = Beginning {
            format: FORMAT.to_owned(),
            version: VERSION,
            document: store.put_document(&document)?,
        };
        let text = storable(&beginning, "document")?;
        let file = open_journal(&journal_path)?;
        file.sync_all()
            .map_err(ProjectError::io("write", &journal_path))?;
        // Last: a folder without this file is no project, so a half-made one is never opened.
        write_whole(&beginning_path, &text)?;
        Ok(Self {
            folder: folder.to_owned(),
            history: History::new(document),
            journal: Journal::new(file, 0, journal::first_check()),
            store,
            _lock: lock,
        })
    }

    /// Opens a project as it was left, undo and redo included, and says in words what had to be repaired.
    ///
    /// A last line cut by a crash is dropped. From the first damaged line on, the journal is kept aside as
    /// `journal.damaged-N.jsonl` and what stands before it is opened.
    ///
    /// # Errors
    /// No project, one of another version, one open elsewhere, a damaged beginning, or a disk that refuses.
    pub fn open(folder: &Path) -> Result<(Self, Vec<String>), ProjectError> {
        let (beginning_path, journal_path) = paths(folder);
        if !beginning_path.is_file() {
            return Err(ProjectError::NotAProject(folder.to_owned()));
        }
        let lock = lock(folder)?;
        let rasters = folder.join("rasters");
        for own in [folder, &rasters] {
            whole::clear(own);
        }
        let store = Store::new(rasters);
        let history = History::new(store.get_document(read_beginning(&beginning_path)?)?);
        let mut file = open_journal(&journal_path)?;
        let bytes = fs::read(&journal_path).map_err(ProjectError::io("read", &journal_path))?;
        let replayed = replay(&bytes, history, &store)?;
        let mut length = replayed.length;
        let mut repairs = Vec::new();
        match &replayed.stop {
            Stop::End { closed: true } => {}
            Stop::End { closed: false } => {
                file.write_all(b"\n")
                    .map_err(ProjectError::io("repair", &journal_path))?;
                length += 1;
            }
            Stop::Torn => repairs.push(format!(
                "the last entry of the journal (line {}) was cut in the middle of a write and is dropped",
                replayed.lines + 1
            )),
            Stop::Damaged(reason) => {
                let aside = keep_aside(folder, &bytes[length..])?;
                repairs.push(format!(
                    "line {} of the journal {reason}; what stands before it is opened, the rest is kept in {aside}",
                    replayed.lines + 1
                ));
            }
        }
        if !repairs.is_empty() {
            file.set_len(length as u64)
                .and_then(|()| file.sync_all())
                .map_err(ProjectError::io("repair", &journal_path))?;
        }
        let project = Self {
            folder: folder.to_owned(),
            history: replayed.history,
            journal: Journal::new(file, length as u64, replayed.check),
            store,
            _lock: lock,
        };
        Ok((project, repairs))
    }

    /// Reads a project without writing to its folder, for folders that are read-only or open elsewhere.
    ///
    /// What [`Self::open`] would repair is left out of the history and said.
    pub fn read(folder: &Path) -> Result<(History, Vec<String>), ProjectError> {
        let (beginning_path, journal_path) = paths(folder);
        if !beginning_path.is_file() {
            return Err(ProjectError::NotAProject(folder.to_owned()));
        }
        let store = Store::new(folder.join("rasters"));
        let history = History::new(store.get_document(read_beginning(&beginning_path)?)?);
        let bytes = fs::read(&journal_path).map_err(ProjectError::io("read", &journal_path))?;
        let replayed = replay(&bytes, history, &store)?;
        let line = replayed.lines + 1;
        let left_out = match replayed.stop {
            Stop::End { .. } => None,
            Stop::Torn => Some(format!(
                "line {line} of the journal is not complete and is left out"
            )),
            Stop::Damaged(reason) => Some(format!(
                "line {line} of the journal {reason}; it and what follows are left out"
            )),
        };
        Ok((replayed.history, left_out.into_iter().collect()))
    }

    /// Copies the project in the folder `from` to `to`, in the place of a project that is there, and opens the copy.
    ///
    /// At `to` is the old project or the new one, whole, at every moment.
    ///
    /// # Errors
    /// Something else lies at `to`, the project there is open elsewhere, or the disk refuses; nothing is left behind.
    pub fn save_as(from: &Path, to: &Path) -> Result<Self, ProjectError> {
        let save = |error| ProjectError::io("save the project", to)(error);
        let taken = fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some());
        let replaced = to.join("project.json").is_file();
        if taken && !replaced {
            return Err(ProjectError::NotAProject(to.to_owned()));
        }
        let held = replaced.then(|| lock(to)).transpose()?;
        // Some systems move no folder with an open file in it.
        drop(held);
        let copy = whole::copy_beside(from, to).map_err(save)?;
        whole::replace_folder(copy, to).map_err(save)?;
        Self::open(to).map(|(project, _)| project)
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The document with its undo and redo.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The document as it stands.
    pub fn document(&self) -> &Document {
        self.history.document()
    }

    /// Gives up the folder and keeps the history: the way on when the disk refuses.
    pub fn into_history(self) -> History {
        self.history
    }

    /// Where rasters go; [`Store::prepare`] on another thread takes the slow part off [`Self::apply`].
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Applies an edit as a step of its own, first in the journal, then in memory; returns the new revision.
    ///
    /// Marks and landmarks cost one plain write; a raster (a fill, an accepted result) is flushed to the disk here.
    ///
    /// # Errors
    /// The edit does not fit or the disk refuses; the document is then as it was and the next edit may succeed.
    pub fn apply(&mut self, edit: Edit) -> Result<u64, ProjectError> {
        self.history.check(&edit)?;
        let prepared = self.store.prepare(edit)?;
        self.apply_prepared(prepared)
    }

    /// Applies an edit whose rasters this project's store already holds: one plain write, whatever its size.
    pub fn apply_prepared(&mut self, prepared: Prepared) -> Result<u64, ProjectError> {
        self.history.check(&prepared.edit)?;
        self.write(&Entry::Edit(prepared.stored))?;
        Ok(self.history.apply(prepared.edit)?)
    }

    /// Like [`Self::apply`], but a move of the point that the last step moved joins that step: a drag.
    pub fn apply_coalesced(&mut self, edit: Edit) -> Result<u64, ProjectError> {
        self.history.check(&edit)?;
        let prepared = self.store.prepare(edit)?;
        self.write(&Entry::Coalesced(prepared.stored))?;
        Ok(self.history.apply_coalesced(prepared.edit)?)
    }

    /// Takes the last step back; `false` when there is none.
    pub fn undo(&mut self) -> Result<bool, ProjectError> {
        if !self.history.can_undo() {
            return Ok(false);
        }
        self.write(&Entry::Undo)?;
        Ok(self.history.undo())
    }

    /// Makes the last undone step again; `false` when there is none.
    pub fn redo(&mut self) -> Result<bool, ProjectError> {
        if !self.history.can_redo() {
            return Ok(false);
        }
        self.write(&Entry::Redo)?;
        Ok(self.history.redo())
    }

    /// A handle of the journal: another thread calls `sync_data` on it to bring every line so far to the disk.
    pub fn sync(&self) -> Result<File, ProjectError> {
        self.journal
            .handle()
            .map_err(ProjectError::io("flush", &paths(&self.folder).1))
    }

    fn write(&mut self, entry: &Entry) -> Result<(), ProjectError> {
        let text = storable(entry, "edit")?;
        self.journal
            .append(&text)
            .map_err(ProjectError::io("write", &paths(&self.folder).1))
    }
}

/// `(project.json, journal.jsonl)`.
fn paths(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("project.json"), folder.join("journal.jsonl"))
}

fn open_journal(path: &Path) -> Result<File, ProjectError> {
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).open(path);
    file.map_err(ProjectError::io("open for writing", path))
}

fn lock(folder: &Path) -> Result<Lock, ProjectError> {
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(ProjectError::io("open for writing", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(ProjectError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(ProjectError::io("lock", &path)(error)),
    }
}

/// JSON that reads back: numbers that JSON lacks become null and would not.
fn storable<T: Serialize + serde::de::DeserializeOwned>(
    value: &T,
    what: &'static str,
) -> Result<Vec<u8>, ProjectError> {
    let text = serde_json::to_vec(value).map_err(|_| ProjectError::NotStorable(what))?;
    match serde_json::from_slice::<T>(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(ProjectError::NotStorable(what)),
    }
}

fn read_beginning(path: &Path) -> Result<StoredDocument, ProjectError> {
    let bytes = fs::read(path).map_err(ProjectError::io("read", path))?;
    let unreadable = |error: serde_json::Error| {
        ProjectError::damaged(format!("the project cannot be read ({error})"), path)
    };
    // The version first: a newer format may hold anything else.
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
    if value.get("format").and_then(|f| f.as_str()) != Some(FORMAT) {
        return Err(ProjectError::damaged(
            "this is not the project.json of a project",
            path,
        ));
    }
    if value.get("version").and_then(serde_json::Value::as_u64) != Some(VERSION) {
        return Err(ProjectError::Version {
            found: value
                .get("version")
                .map_or("none".to_owned(), ToString::to_string),
            known: VERSION,
            path: path.to_owned(),
        });
    }
    let beginning: Beginning = serde_json::from_value(value).map_err(unreadable)?;
    Ok(beginning.document)
}

/// Why a replay ended.
enum Stop {
    End { closed: bool },
    Torn,
    Damaged(String),
}

struct Replayed {
    history: History,
    /// Good bytes.
    length: usize,
    /// Good lines.
    lines: usize,
    check: String,
    stop: Stop,
}

fn replay(bytes: &[u8], history: History, store: &Store) -> Result<Replayed, ProjectError> {
    let mut done = Replayed {
        history,
        length: 0,
        lines: 0,
        check: journal::first_check(),
        stop: Stop::End { closed: true },
    };
    loop {
        match journal::next_line(&bytes[done.length..], &done.check) {
            Next::End => return Ok(done),
            Next::Torn => done.stop = Stop::Torn,
            Next::Damaged => done.stop = Stop::Damaged("is not as it was written".to_owned()),
            Next::Line {
                entry,
                check,
                length,
                closed,
            } => match carry_out(*entry, &mut done.history, store) {
                Ok(()) => {
                    done.length += length;
                    done.lines += 1;
                    done.check = check;
                    done.stop = Stop::End { closed };
                    continue;
                }
                Err(error) if error.is_damage() => {
                    done.stop = Stop::Damaged(format!("cannot be carried out ({error})"));
                }
                Err(error) => return Err(error),
            },
        }
        return Ok(done);
    }
}

fn carry_out(entry: Entry, history: &mut History, store: &Store) -> Result<(), ProjectError> {
    let fits = match entry {
        Entry::Edit(stored) => history.apply(store.load(stored)?).map(|_| true)?,
        Entry::Coalesced(stored) => history.apply_coalesced(store.load(stored)?).map(|_| true)?,
        Entry::Undo => history.undo(),
        Entry::Redo => history.redo(),
    };
    if fits {
        Ok(())
    } else {
        Err(ProjectError::damaged(
            "there is no step to undo or redo",
            Path::new("journal.jsonl"),
        ))
    }
}

/// Writes the rest of a damaged journal beside it and returns the file's name.
fn keep_aside(folder: &Path, rest: &[u8]) -> Result<String, ProjectError> {
    let mut number = 1_u32;
    let mut name = String::from("journal.damaged-1.jsonl");
    while folder.join(&name).exists() {
        number += 1;
        name = format!("journal.damaged-{number}.jsonl");
    }
    write_whole(&folder.join(&name), rest)?;
    Ok(name)
}
