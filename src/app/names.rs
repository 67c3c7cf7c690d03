//! What files, cases and series are called on the screen.
//!
//! Separate because names of files and folders, descriptions and titles are often names of people: while identity is
//! hidden none of them is shown, and that is decided here and nowhere else.

use std::path::Path;

use super::files::StudyEntry;
use super::panel;
use super::recent::Recent;
use super::session::Session;

/// How things are called now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    hidden: bool,
}

impl Names {
    /// As the session hides identity or not.
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            hidden: session.hide_identity,
        }
    }

    /// The last part of a path; hidden, its number (from 0) in the list that it stands in, with its ending.
    pub(crate) fn file(self, path: &Path, number: usize) -> String {
        if !self.hidden {
            return panel::file_name(path);
        }
        // An ending is a form; anything longer or stranger may be part of a name.
        let plain = |ending: &&str| {
            ending.len() <= 9 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .filter(plain);
        let number = number + 1;
        ending.map_or_else(
            || format!("Image {number}"),
            |ending| format!("Image {number} ({ending})"),
        )
    }

    /// A whole path; hidden, the form of its file alone.
    pub(crate) fn path(self, path: &Path) -> String {
        if self.hidden {
            self.file(path, 0)
        } else {
            path.display().to_string()
        }
    }

    /// A file opened last by its number, from 0; hidden, what was seen of it.
    pub(crate) fn recent(self, recent: &Recent, number: usize) -> String {
        match &recent.seen {
            Some(seen) if self.hidden => seen.words(),
            _ => self.file(&recent.path, number),
        }
    }

    /// Words about a file; hidden, without its path.
    pub(crate) fn told(self, text: &str, file: Option<&Path>) -> String {
        match file.filter(|_| !self.hidden) {
            Some(file) => format!("{text}: {}", file.display()),
            None => text.to_owned(),
        }
    }

    /// What stands over a path that may be left out; empty when hidden.
    pub(crate) fn place(self, path: &Path) -> String {
        if self.hidden {
            String::new()
        } else {
            path.display().to_string()
        }
    }

    /// The case on the stage. Bundled cases are of nobody.
    pub(crate) fn case(self, session: &Session) -> String {
        let Some(open) = session.open() else {
            return String::new();
        };
        let of_a_file = open.path.is_some() || open.project_folder.is_some();
        if self.hidden && of_a_file {
            let number = session
                .stack
                .as_ref()
                .map_or(0, crate::app::logic::frames::Stack::shown);
            return format!("Image {}", number + 1);
        }
        open.title.clone()
    }

    /// A series by its number, as the file or else the list counts it, and its title.
    pub(crate) fn series(self, number: i64, title: &str) -> String {
        if self.hidden {
            format!("Series {number}")
        } else {
            title.to_owned()
        }
    }

    /// A study by its number, from 0, and what stands over it: its patient, its date, its description, of which any may
    /// be empty; hidden, its number alone.
    pub(crate) fn study(self, number: usize, study: &StudyEntry) -> [String; 3] {
        let heading = &study.heading;
        let title = if study.known {
            format!("Study {}", number + 1)
        } else {
            "Without a study".to_owned()
        };
        if self.hidden {
            return [String::new(), title, String::new()];
        }
        [
            heading.patient.clone(),
            panel::date(&heading.date).unwrap_or(title),
            heading.description.clone(),
        ]
    }

    /// Words that a person wrote; people write names.
    pub(crate) fn written(self, text: &str) -> String {
        if self.hidden && !text.is_empty() {
            "···".to_owned()
        } else {
            text.to_owned()
        }
    }
}
