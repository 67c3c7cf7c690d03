//! Decoding in a process of its own: a file that breaks a decoder breaks a process that is nobody's loss.
//!
//! Separate because a file is hostile until it is pixels. The program starts itself once more with the hidden command
//! `decode` and asks it over pipes; that process has 1 GiB of memory beyond the file and 15 s of processor time for each
//! answer, and is replaced when it ends. A busy machine costs it nothing: the clock ends only a process that has used
//! no time at all for a minute (on Windows, which counts none here, one that takes 15 s). It is used for many files, so
//! that a folder of hundreds is not hundreds of processes.
//! Where [`decode_apart`] was not called, as in tests of the readers, the same work is done in this process.

mod decoder;
mod limits;
mod wire;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::error::{ReadError, ReadProblem};
use super::open::content::{self, Facts, Found};
use super::open::inspect::of_content;
use super::spacing::RATIOS;
use super::{Inspection, Picture, Radiograph};
use crate::grid::Grid;
use decoder::{Answer, Decoder, Ended};
use wire::{Ask, Attached, Reply, Request};

pub use worker::serve;

/// What decodes, and how much processor time an answer may take.
struct Program {
    path: PathBuf,
    most_seconds: u64,
}

impl Program {
    fn start(&self) -> Result<Decoder, ReadProblem> {
        Decoder::start(&self.path, limits::most_quiet(self.most_seconds))
    }
}

static PROGRAM: OnceLock<Program> = OnceLock::new();
static IDLE: Mutex<Vec<Decoder>> = Mutex::new(Vec::new());
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// From now on files are decoded by `path decode`, each answer within 1 GiB and `most_seconds` of processor time.
///
/// The first call counts. `path` is this program itself.
pub fn decode_apart(path: PathBuf, most_seconds: u64) {
    let program = Program { path, most_seconds };
    // A second call would name the same program.
    PROGRAM.set(program).ok();
}

/// Starts a decoding process ahead of the first file, on a thread of its own, so that no click waits for it.
///
/// Nothing where one waits already, or where files are decoded in this process.
pub fn start_ahead() {
    let Some(program) = PROGRAM.get() else { return };
    let start = || {
        if lock(&IDLE).is_empty() {
            // Where it cannot be started, the first file says so.
            program.start().map(keep).ok();
        }
    };
    let thread = std::thread::Builder::new().name("decoder ahead".to_owned());
    thread.spawn(start).ok();
}

/// Ends the decoding processes that wait for work: the next file starts one.
pub fn end_idle() {
    lock(&IDLE).clear();
}

/// A source that the decoding process can be asked about.
pub(super) struct Handle {
    key: u64,
    source: Source,
    /// What it is.
    pub(super) facts: Facts,
}

#[derive(Clone)]
enum Source {
    Path(PathBuf),
    File(Arc<Vec<u8>>),
}

/// What a path leads to, with the process to ask already chosen.
pub(super) enum Opened {
    Here(content::Content),
    Apart(Box<Handle>),
    Collection(Vec<PathBuf>),
}

/// Looks at the file at `path`.
pub(super) fn open(path: &Path) -> Result<Opened, ReadError> {
    let Some(program) = PROGRAM.get() else {
        return Ok(match content::find(path)? {
            Found::Image(content) => Opened::Here(content),
            Found::Collection(paths) => Opened::Collection(paths),
        });
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    look(program, Source::Path(absolute)).map_err(|problem| ReadError::new(path, problem))
}

/// Looks at a file in memory.
pub(super) fn open_bytes(bytes: Vec<u8>) -> Result<Opened, ReadProblem> {
    match PROGRAM.get() {
        Some(program) => look(program, Source::File(Arc::new(bytes))),
        None => content::Content::of(bytes).map(Opened::Here),
    }
}

fn look(program: &Program, source: Source) -> Result<Opened, ReadProblem> {
    let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
    let Answer { reply, bytes, .. } = ask(program, key, &source, Ask::Look)?;
    match reply {
        Reply::Image(facts) => {
            let facts = *facts;
            Ok(Opened::Apart(Box::new(Handle { key, source, facts })))
        }
        Reply::Collection => {
            let names = bytes
                .split(|byte| *byte == 0)
                .filter(|name| !name.is_empty());
            Ok(Opened::Collection(names.map(wire::path_of).collect()))
        }
        other => Err(unexpected(other)),
    }
}

/// The files that a DICOMDIR or a ZIP archive names; `None` for an image.
pub(super) fn members(path: &Path) -> Result<Option<Vec<PathBuf>>, ReadError> {
    Ok(match open(path)? {
        Opened::Collection(paths) => Some(paths),
        Opened::Here(_) | Opened::Apart(_) => None,
    })
}

/// What a list shows of the file at `path`.
pub(super) fn facts(path: &Path) -> Result<Facts, ReadError> {
    match open(path)? {
        Opened::Here(content) => Ok(content.facts()),
        Opened::Apart(handle) => Ok(handle.facts),
        Opened::Collection(_) => Err(ReadError::new(
            path,
            ReadProblem::Unsupported("an archive inside a folder or an archive".to_owned()),
        )),
    }
}

/// What the reader understood of the file at `path`; `None` for a collection.
pub(super) fn inspect(path: &Path) -> Result<Option<Inspection>, ReadProblem> {
    let Some(program) = PROGRAM.get() else {
        return match content::find(path).map_err(|error| error.problem)? {
            Found::Image(content) => Ok(Some(of_content(&content))),
            Found::Collection(_) => Ok(None),
        };
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
    match ask(program, key, &Source::Path(absolute), Ask::Inspect)?.reply {
        Reply::Inspection(inspection) => Ok(Some(*inspection)),
        Reply::Collection => Ok(None),
        other => Err(unexpected(other)),
    }
}

impl Handle {
    /// One frame, decoded by the other process.
    pub(super) fn frame(&self, frame: usize) -> Result<Radiograph, ReadProblem> {
        let program = PROGRAM.get().ok_or_else(|| stopped("it is not set up"))?;
        let answer = ask(program, self.key, &self.source, Ask::Frame(frame))?;
        let (facts, pixels, color) = match (answer.reply, answer.image) {
            (Reply::Frame { facts, .. }, Some((pixels, color))) => (facts, pixels, color),
            (reply, _) => return Err(unexpected(reply)),
        };
        let mut radiograph = *facts;
        radiograph.replace_pixels(pixels);
        radiograph.color = color.map(Arc::new);
        Ok(radiograph)
    }
}

impl Handle {
    /// A picture of a frame by the other process; `None` where there is none, whatever the reason.
    pub(super) fn preview(&self, frame: usize, least: usize) -> Option<content::Preview> {
        let what = Ask::Preview(frame, least);
        let Answer { reply, bytes, .. } = ask(PROGRAM.get()?, self.key, &self.source, what).ok()?;
        match reply {
            Reply::Preview {
                width,
                height,
                colored,
                size,
                pixel_ratio,
                synthetic,
            } if width.max(height) <= 4 * least.max(1)
                && size.0 > 0
                && size.1 > 0
                && RATIOS.contains(&pixel_ratio) =>
            {
                Some(content::Preview {
                    picture: if colored {
                        let cells = bytes.as_chunks::<3>().0.to_vec();
                        Picture::Color(Grid::from_vec(width, height, cells)?)
                    } else {
                        Picture::Grey(Grid::from_vec(width, height, bytes)?)
                    },
                    size,
                    pixel_ratio,
                    synthetic,
                })
            }
            _ => None,
        }
    }
}

fn stopped(why: &str) -> ReadProblem {
    ReadProblem::Stopped(why.to_owned())
}

fn unexpected(reply: Reply) -> ReadProblem {
    match reply {
        Reply::Refused(problem) => problem,
        _ => stopped("it answered something else"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks a decoding process, an idle one where there is one.
fn ask(program: &Program, key: u64, source: &Source, what: Ask) -> Result<Answer, ReadProblem> {
    let idle = {
        let mut idle = lock(&IDLE);
        let holder = idle.iter().position(|decoder| decoder.held == Some(key));
        holder.map(|at| idle.swap_remove(at)).or_else(|| idle.pop())
    };
    let reused = idle.is_some();
    let mut decoder = match idle {
        Some(decoder) => decoder,
        None => program.start()?,
    };
    let mut outcome = one_exchange(&mut decoder, key, source, what);
    // An idle process may have been ended from outside; that is not the fault of this file.
    if reused && matches!(outcome, Err(Ended::BeforeReading)) {
        decoder = program.start()?;
        outcome = one_exchange(&mut decoder, key, source, what);
    }
    let problem = match outcome {
        Ok(answer) => {
            keep(decoder);
            return Ok(answer);
        }
        Err(Ended::Late) => {
            let most = limits::most_quiet(program.most_seconds).as_secs();
            if cfg!(unix) {
                format!("it did nothing for longer than {most} s")
            } else {
                format!("it took longer than {most} s")
            }
        }
        Err(Ended::Unfit) => "its answer does not fit together".to_owned(),
        Err(Ended::BeforeReading | Ended::WhileReading) => {
            ended(decoder.end(), program.most_seconds)
        }
    };
    Err(ReadProblem::Stopped(problem))
}

/// Lets a process wait for more work, as many as there are processors.
fn keep(decoder: Decoder) {
    let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut idle = lock(&IDLE);
    if idle.len() < most {
        idle.push(decoder);
    }
}

fn one_exchange(
    decoder: &mut Decoder,
    key: u64,
    source: &Source,
    what: Ask,
) -> Result<Answer, Ended> {
    let path;
    let (attached, bytes): (Attached, &[u8]) = match source {
        _ if decoder.held == Some(key) => (Attached::Nothing, &[]),
        Source::Path(at) => {
            path = wire::path_bytes(at);
            (Attached::Path, &path)
        }
        Source::File(bytes) => (Attached::File, bytes),
    };
    let request = Request {
        key,
        ask: what,
        attached,
    };
    decoder.ask(request, bytes)
}

/// How the process ended, for a person.
fn ended(status: Option<ExitStatus>, most_seconds: u64) -> String {
    let memory = format!(
        "it needed more than {} MiB of memory",
        limits::MOST_MEMORY >> 20
    );
    #[cfg(unix)]
    if let Some(signal) = status.and_then(|s| std::os::unix::process::ExitStatusExt::signal(&s)) {
        // An allocation that fails ends a Rust program by SIGABRT (6).
        return match signal {
            6 => memory,
            signal if limits::is_out_of_time(signal) => {
                format!("it took longer than {most_seconds} s of processor time")
            }
            other => format!("the decoding process broke off with signal {other}"),
        };
    }
    match status {
        Some(status) => format!("{memory}, or broke off ({status})"),
        None => memory,
    }
}
