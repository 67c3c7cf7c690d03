//! `radcanvas`: without a subcommand the window, with one the same work headless.
//!
//! The only place that joins the window and the models.

use std::process::ExitCode;

use radcanvas::command;
use radcanvas::job::{Error, ErrorKind};

fn main() -> ExitCode {
    command::run(|_options| Err(Error::new(ErrorKind::Failed, "no window yet")))
}
