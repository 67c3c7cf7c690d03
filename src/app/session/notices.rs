//! What the window has to say: words, and apart from them the file that they are about.
//!
//! Separate because names of files are often names of people: whether one is said is decided where a notice is shown, and
//! again whenever identity is hidden or shown.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Session;
use crate::job::Error;

/// Notices that are kept.
const MOST: usize = 100;

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Something went well.
    Done,
    /// Worth knowing.
    Note,
    /// Something went wrong.
    Wrong,
}

/// Words without the name of a file in them, and the file that they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What is said whether identity is hidden or not.
    pub text: String,
    /// The file; it is named only where identity is shown.
    pub file: Option<PathBuf>,
}

impl Remark {
    /// Says something about a file.
    pub fn about(text: impl Into<String>, file: &Path) -> Self {
        Self {
            text: text.into(),
            file: Some(file.to_owned()),
        }
    }
}

impl From<String> for Remark {
    fn from(text: String) -> Self {
        Self { text, file: None }
    }
}

impl From<&str> for Remark {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Error> for Remark {
    fn from(error: Error) -> Self {
        Self {
            text: error.words(),
            file: error.path,
        }
    }
}

/// Something the window has to say.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How much it matters.
    pub weight: Weight,
    /// What it says, without the name of a file.
    pub text: String,
    /// The file that it is about; it is named only where identity is shown.
    pub file: Option<PathBuf>,
    /// When it was said.
    pub at: Instant,
}

impl Session {
    /// Says something.
    pub fn say(&mut self, weight: Weight, what: impl Into<Remark>) {
        let Remark { text, file } = what.into();
        self.notices.push(Notice {
            weight,
            text,
            file,
            at: Instant::now(),
        });
        self.unread += 1;
        if self.notices.len() > MOST {
            self.notices.remove(0);
        }
    }

    /// Says that what is made now is in memory alone.
    pub(crate) fn say_not_kept(&mut self, why: &str) {
        let text =
            format!("Your work on this image is not kept on disk, a crash would lose it: {why}");
        self.say(Weight::Wrong, text);
    }
}
