//! `decode`: the hidden command by which this program decodes files in a process of its own.
//!
//! Separate because nobody types it: it speaks [`crate::radiograph::serve`]'s language over its pipes.

use std::process::ExitCode;

use crate::job::{Error, ErrorKind};
use crate::radiograph;

/// Answers until the pipe closes.
pub(super) fn run() -> Result<ExitCode, Error> {
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    radiograph::serve(input, output, most_seconds())
        .map(|()| ExitCode::SUCCESS)
        .map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))
}

/// How much processor time a file may take to decode: 15 s, or `RADCANVAS_DECODE_SECONDS`.
pub(super) fn most_seconds() -> u64 {
    let told = std::env::var("RADCANVAS_DECODE_SECONDS").ok();
    told.and_then(|text| text.parse().ok())
        .filter(|s| *s > 0)
        .unwrap_or(15)
}

/// This program itself: on Linux even when its file was replaced since it started.
pub(super) fn own_program() -> Option<std::path::PathBuf> {
    let own = std::path::Path::new("/proc/self/exe");
    if own.exists() {
        return Some(own.to_owned());
    }
    std::env::current_exe().ok()
}
