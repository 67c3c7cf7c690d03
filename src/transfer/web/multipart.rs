//! Multipart bodies: several objects in one answer (RFC 2046 5.1, RFC 2387).
//!
//! Separate because a body is as long as its sender likes: parts are cut out of it as it comes, and none is longer
//! than there is room for.

use std::hash::{BuildHasher as _, RandomState};

use super::exchange::Response;
use crate::job::Error;
use crate::transfer::failed;
use crate::transfer::watch::Watch;

/// The head of a part has a few short lines, bytes.
const MOST_HEAD: usize = 16 << 10;
/// A boundary has at most 70 characters; some write more.
const MOST_BOUNDARY: usize = 200;

/// A boundary that no file holds but by a chance of one in 2^128.
pub(super) fn boundary() -> String {
    // The keys of a hasher come from the system's source of random numbers.
    let [a, b] = [0_u8, 1].map(|n| RandomState::new().hash_one(n));
    format!("radcanvas-{a:016x}{b:016x}")
}

/// A body of one part.
pub(super) fn one_part(boundary: &str, kind: &str, content: &[u8]) -> Vec<u8> {
    let mut body = format!("--{boundary}\r\nContent-Type: {kind}\r\n\r\n").into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

/// The boundary that a content type names; `None` where it is no multipart type.
pub(super) fn boundary_of(kind: &str) -> Option<String> {
    let mut terms = kind.split(';').map(str::trim);
    let multipart = terms.next()?.to_ascii_lowercase();
    if !multipart.starts_with("multipart/") {
        return None;
    }
    let value = terms.find_map(|term| {
        let (name, value) = term.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then_some(value)
    })?;
    let value = value.trim().trim_matches('"');
    (1..=MOST_BOUNDARY)
        .contains(&value.len())
        .then(|| value.to_owned())
}

/// Cuts the parts out of a body while it comes.
pub(super) struct Parts {
    response: Response,
    /// `\r\n--boundary`.
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    started: bool,
}

impl Parts {
    pub(super) fn new(response: Response, boundary: &str) -> Self {
        Self {
            response,
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first delimiter has no line before it.
            buffer: b"\r\n".to_vec(),
            started: false,
        }
    }

    /// The content of the next part, of at most `most` bytes; `None` after the last.
    pub(super) fn next(
        &mut self,
        most: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        if !self.started {
            self.started = true;
            let before = self.until_delimiter(MOST_HEAD, watch)?;
            if before.is_none() {
                return Ok(None);
            }
        }
        // Behind a delimiter: `--` after the last part, else the rest of the line and the head.
        while self.buffer.len() < 2 {
            if !self.more(watch)? {
                return Err(cut_short());
            }
        }
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        let end = loop {
            if let Some(at) = position(&self.buffer, b"\r\n\r\n", 0) {
                break at + 4;
            }
            if self.buffer.len() > MOST_HEAD {
                return Err(failed("the head of a part of the node's answer has no end"));
            }
            if !self.more(watch)? {
                return Err(cut_short());
            }
        };
        self.buffer.drain(..end);
        match self.until_delimiter(most, watch)? {
            Some(content) => Ok(Some(content)),
            None => Err(cut_short()),
        }
    }

    /// What comes before the next delimiter; `None` where the body ends first.
    fn until_delimiter(
        &mut self,
        most: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut seen = 0;
        loop {
            if let Some(at) = position(&self.buffer, &self.delimiter, seen) {
                let rest = self.buffer.split_off(at + self.delimiter.len());
                let mut content = std::mem::replace(&mut self.buffer, rest);
                content.truncate(at);
                return Ok(Some(content));
            }
            seen = (self.buffer.len() + 1).saturating_sub(self.delimiter.len());
            if seen > most {
                return Err(failed(format!(
                    "the node sends more than {most} bytes in one object"
                ))
                .remedy("allow more bytes for this transfer"));
            }
            if !self.more(watch)? {
                return Ok(None);
            }
        }
    }

    fn more(&mut self, watch: &mut Watch<'_>) -> Result<bool, Error> {
        match self.response.next(watch)? {
            Some(chunk) => {
                self.buffer.extend(chunk);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

fn cut_short() -> Error {
    failed("the answer of the node ends in the middle of an object").remedy("try again")
}

/// Where `wanted` begins in `bytes`, not before `from`.
fn position(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == first)?;
        if bytes.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
}
