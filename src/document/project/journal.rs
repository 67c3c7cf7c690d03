//! The journal: one line an entry, each with a checksum chained to the line before.
//!
//! A line is `{"check":"<32 hex digits>","entry":<JSON>}`; the check is the start of the SHA-256 of the check before
//! and the entry, so a lost, changed or swapped line shows. Undo, autosave and audit are the same file.

use std::fs::File;
use std::io::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::store::{StoredEdit, sha256};

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// An edit, a step of its own.
    Edit(StoredEdit),
    /// An edit that may join the step before it: a drag.
    Coalesced(StoredEdit),
    /// A step back.
    Undo,
    /// A step forth.
    Redo,
}

/// Digits of a check.
const DIGITS: usize = 32;
const BEFORE_CHECK: &[u8] = b"{\"check\":\"";
const BEFORE_ENTRY: &[u8] = b"\",\"entry\":";

/// The check before the first line.
pub(super) fn first_check() -> String {
    check_of("radcanvas-journal", b"")
}

fn check_of(before: &str, entry: &[u8]) -> String {
    let mut check = sha256(&[before.as_bytes(), entry]);
    check.truncate(DIGITS);
    check
}

/// A journal open for writing.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    length: u64,
    check: String,
    /// Bytes after `length` may be left of a write that failed.
    torn: bool,
}

impl Journal {
    /// Goes on after `length` good bytes of a file opened for appending, whose last check is `check`.
    pub(super) fn new(file: File, length: u64, check: String) -> Self {
        Self {
            file,
            length,
            check,
            torn: false,
        }
    }

    /// Writes one line; on an error nothing of it stays.
    pub(super) fn append(&mut self, entry_json: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        let check = check_of(&self.check, entry_json);
        let mut line = Vec::with_capacity(entry_json.len() + 64);
        for part in [BEFORE_CHECK, check.as_bytes(), BEFORE_ENTRY, entry_json] {
            line.extend_from_slice(part);
        }
        line.extend_from_slice(b"}\n");
        if let Err(error) = self.file.write_all(&line) {
            self.torn = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += line.len() as u64;
        self.check = check;
        Ok(())
    }

    /// A second handle of the file, to be flushed elsewhere.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// What stands at the start of some bytes of a journal.
pub(super) enum Next {
    /// Nothing.
    End,
    /// A good line.
    Line {
        /// What it says.
        entry: Box<Entry>,
        /// Its check.
        check: String,
        /// Its bytes, line feed included if there is one.
        length: usize,
        /// Whether it ends in a line feed.
        closed: bool,
    },
    /// A last line that was cut in the middle of a write.
    Torn,
    /// A line that is not as it was written.
    Damaged,
}

/// Reads the line at the start of `bytes`, `before` being the check of the line before.
pub(super) fn next_line(bytes: &[u8], before: &str) -> Next {
    if bytes.is_empty() {
        return Next::End;
    }
    let end = bytes.iter().position(|b| *b == b'\n');
    let line = &bytes[..end.unwrap_or(bytes.len())];
    match (parse(line, before), end) {
        (Some((entry, check)), end) => Next::Line {
            entry: Box::new(entry),
            check,
            length: line.len() + usize::from(end.is_some()),
            closed: end.is_some(),
        },
        (None, None) => Next::Torn,
        (None, Some(_)) => Next::Damaged,
    }
}

fn parse(line: &[u8], before: &str) -> Option<(Entry, String)> {
    let rest = line.strip_prefix(BEFORE_CHECK)?;
    let (check, rest) = rest.split_at_checked(DIGITS)?;
    let entry = rest.strip_prefix(BEFORE_ENTRY)?.strip_suffix(b"}")?;
    let expected = check_of(before, entry);
    if check != expected.as_bytes() {
        return None;
    }
    Some((serde_json::from_slice(entry).ok()?, expected))
}
