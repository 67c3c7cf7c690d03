//! A running decoding process: asked over its pipes, and ended when it sleeps for good.
//!
//! Separate because starting, watching and ending a process is the same whatever it is asked. Each has a thread that
//! watches it and itself sleeps while there is nothing to wait for, so that a small file does not pay for a new one.

use std::io::{BufReader, ErrorKind};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::wire::{self, Reply, Request};
use super::{limits, lock, stopped};
use crate::radiograph::error::ReadProblem;
use crate::radiograph::{Pixels, Rgb};

/// How often a process that decodes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a process answered.
pub(super) struct Answer {
    pub(super) reply: Reply,
    /// The bytes that follow, but for a frame.
    pub(super) bytes: Vec<u8>,
    /// Of a frame, its pixels and its colors.
    pub(super) image: Option<(Pixels, Option<Rgb>)>,
}

/// Why there is no answer.
pub(super) enum Ended {
    /// It was gone before it was asked.
    BeforeReading,
    /// It ended over what it was asked, or said something that no answer can be.
    WhileReading,
    /// What it sent as pixels does not fit their size.
    Unfit,
    /// It slept.
    Late,
}

/// A running decoding process.
pub(super) struct Decoder {
    child: Arc<Mutex<Child>>,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    watch: Arc<Watch>,
    /// The source that it holds.
    pub(super) held: Option<u64>,
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.watch.set(Watched::Over);
        let mut child = lock(&self.child);
        // Both fail only where it has ended already.
        child.kill().ok();
        child.wait().ok();
    }
}

impl Decoder {
    /// Starts `program decode`, which is given `most_quiet` without any processor time before it is ended.
    pub(super) fn start(program: &Path, most_quiet: Duration) -> Result<Self, ReadProblem> {
        let failed = |why: String| stopped(&format!("it could not be started ({why})"));
        let mut command = Command::new(program);
        command
            .arg("decode")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        #[cfg(windows)]
        {
            use std::os::windows::process::CommandExt as _;
            // CREATE_NO_WINDOW: no console flashes up.
            command.creation_flags(0x0800_0000);
        }
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.ok_or_else(|| failed("no pipes".to_owned()))?;
        let child = Arc::new(Mutex::new(child));
        let watch = Arc::new(Watch::default());
        let (watched, watching) = (Arc::clone(&child), Arc::clone(&watch));
        std::thread::Builder::new()
            .name("decoder watch".to_owned())
            .spawn(move || watching.look_after(&watched, most_quiet))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            child,
            to,
            from: BufReader::new(from),
            watch,
            held: None,
        })
    }

    /// Asks once. After anything but an answer the process is of no more use.
    pub(super) fn ask(&mut self, request: Request, bytes: &[u8]) -> Result<Answer, Ended> {
        self.watch.set(Watched::Working(Instant::now()));
        let answer = self.exchange(request, bytes);
        let late = self.watch.set(Watched::Resting) == Watched::Late;
        match answer {
            Ok(answer) => {
                self.held = Some(request.key);
                Ok(answer)
            }
            Err(_) if late => Err(Ended::Late),
            Err(error) => Err(match error.kind() {
                ErrorKind::BrokenPipe => Ended::BeforeReading,
                ErrorKind::InvalidData => Ended::Unfit,
                _ => Ended::WhileReading,
            }),
        }
    }

    fn exchange(&mut self, request: Request, bytes: &[u8]) -> std::io::Result<Answer> {
        wire::send(&mut self.to, &request, &[bytes])?;
        let (reply, mut length) =
            wire::receive::<Reply>(&mut self.from)?.ok_or(ErrorKind::UnexpectedEof)?;
        let mut image = None;
        if let Reply::Frame {
            depth,
            width,
            height,
            colored,
            ..
        } = &reply
        {
            let colors = if *colored {
                width
                    .checked_mul(*height)
                    .and_then(|area| area.checked_mul(3))
            } else {
                Some(0)
            };
            let values = Pixels::byte_count(depth, *width, *height);
            let needed = values.zip(colors).and_then(|(a, b)| a.checked_add(b));
            if needed != Some(length) {
                return Err(ErrorKind::InvalidData.into());
            }
            let pixels = Pixels::read_le(depth, *width, *height, &mut self.from)?;
            let color = if *colored {
                Some(Pixels::read_color(*width, *height, &mut self.from)?)
            } else {
                None
            };
            (image, length) = (Some((pixels, color)), 0);
        }
        Ok(Answer {
            reply,
            bytes: wire::exactly(&mut self.from, length)?,
            image,
        })
    }

    /// Ends it and says how it had ended.
    pub(super) fn end(self) -> Option<ExitStatus> {
        let mut child = lock(&self.child);
        // One that ended by itself keeps its own status.
        std::thread::sleep(Duration::from_millis(1));
        if !matches!(child.try_wait(), Ok(Some(_))) {
            child.kill().ok();
        }
        child.wait().ok()
    }
}

/// What a process is doing, as the thread that watches it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Watched {
    /// It waits for work.
    Resting,
    /// It was asked then.
    Working(Instant),
    /// It was ended because it slept.
    Late,
    /// It is not wanted any more.
    Over,
}

struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    now: Watched,
    /// Whether the thread sleeps until it is woken: told then only, since waking it takes as long as a small file.
    asleep: bool,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                now: Watched::Resting,
                asleep: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl Watch {
    /// Tells the thread; returns what it stood at.
    fn set(&self, now: Watched) -> Watched {
        let mut state = lock(&self.state);
        if now == Watched::Over || state.asleep && now != Watched::Resting {
            self.changed.notify_one();
        }
        std::mem::replace(&mut state.now, now)
    }

    /// Ends the process when it works and has used no processor time for `most_quiet`; returns when it is over.
    fn look_after(&self, child: &Mutex<Child>, most_quiet: Duration) {
        let process = lock(child).id();
        let mut state = lock(&self.state);
        // Which work is watched, what it had used when last looked at, and since when it has used nothing.
        let mut watched = None;
        let (mut used, mut since) = (None, Instant::now());
        loop {
            match state.now {
                Watched::Over => return,
                Watched::Resting | Watched::Late => {
                    state.asleep = true;
                    let woken = self.changed.wait(state);
                    state = woken.unwrap_or_else(PoisonError::into_inner);
                    state.asleep = false;
                    continue;
                }
                Watched::Working(begun) if watched != Some(begun) => {
                    watched = Some(begun);
                    (used, since) = (limits::ticks(process), begun);
                }
                Watched::Working(_) => {
                    let now = limits::ticks(process);
                    if now.is_some() && now != used {
                        (used, since) = (now, Instant::now());
                    } else if since.elapsed() >= most_quiet {
                        // Fails only where it has just ended by itself.
                        lock(child).kill().ok();
                        state.now = Watched::Late;
                        continue;
                    }
                }
            }
            let waited = self.changed.wait_timeout(state, LOOK_EVERY.min(most_quiet));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
