//! The terminal as observer: one progress bar on standard error, and only where somebody looks at it.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};

use super::Common;
use crate::job::Progress;

/// Shows progress; never stops an order.
#[derive(Debug)]
pub(super) struct Terminal {
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// A bar, unless `--quiet`, `--json` or a pipe says that nobody wants one.
    pub(super) fn new(common: &Common) -> Self {
        let wanted = !common.quiet && !common.json && std::io::stderr().is_terminal();
        let style = ProgressStyle::with_template("{msg:20} {bar:40} {pos}/{len} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self {
            bar: wanted.then(|| ProgressBar::new(0).with_style(style)),
        }
    }

    /// Shows one step.
    pub(super) fn show(&self, progress: &Progress) -> ControlFlow<()> {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.steps as u64);
            bar.set_position(progress.step as u64);
            let message = match progress.value {
                Some(value) => format!("{} {value:.4}", progress.stage),
                None => progress.stage.clone(),
            };
            bar.set_message(message);
        }
        ControlFlow::Continue(())
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
