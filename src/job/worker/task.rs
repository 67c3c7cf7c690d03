//! One-off work beside the window: reading a file, a file dialog, a save.
//!
//! Separate from the worker because none of it needs an engine and none of it may wait behind one.

use std::panic::AssertUnwindSafe;

use crossbeam_channel::{Receiver, bounded};

use crate::job::{Error, ErrorKind};

/// Wakes the window from another thread.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Work on a thread of its own with one result to collect.
#[derive(Debug)]
pub struct Task<T> {
    result: Receiver<Result<T, Error>>,
}

impl<T: Send + 'static> Task<T> {
    /// Starts `work` on a thread called `name`; `wake` is called when the result is there.
    ///
    /// A panic of `work` becomes an error of kind `Failed`, and so does a thread that cannot be started.
    pub fn start(
        name: &str,
        wake: Wake,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Self {
        let (sender, result) = bounded(1);
        let refused = sender.clone();
        let spawned = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let outcome = std::panic::catch_unwind(AssertUnwindSafe(work))
                    .unwrap_or_else(|panic| Err(panicked(&*panic)));
                // The window may have stopped waiting: then nobody wants the result.
                sender.send(outcome).ok();
                wake();
            });
        if let Err(error) = spawned {
            let what = format!("no thread could be started ({error})");
            refused.send(Err(Error::new(ErrorKind::Failed, what))).ok();
        }
        Self { result }
    }

    /// The result, once; `None` while it is not there.
    pub fn poll(&self) -> Option<Result<T, Error>> {
        self.result.try_recv().ok()
    }

    /// Waits for the result: for headless use and tests, never in the window.
    pub fn wait(self) -> Result<T, Error> {
        self.result.recv().unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Failed,
                "the work ended without a result",
            ))
        })
    }
}

/// The error of a panic, with its message.
pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Error::new(
        ErrorKind::Failed,
        format!("an internal error stopped this job ({message})"),
    )
    .remedy("your drawing is safe; try again, and report it if it happens again")
}
