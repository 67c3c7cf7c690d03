//! A progress bar on standard error, only on a terminal and only when wanted.
//!
//! Separate because every long command shows the same one.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Common;
use crate::job::Progress;

/// Shows the progress of one order; shows nothing when nobody looks.
#[derive(Debug)]
pub struct Bar {
    bar: Option<ProgressBar>,
}

impl Bar {
    /// A bar for a command with these common options.
    pub fn new(common: &Common) -> Self {
        let wanted = !common.quiet && !common.json && std::io::stderr().is_terminal();
        let bar = wanted.then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar }
    }

    /// Shows where an order is; never stops it.
    pub fn show(&mut self, progress: &Progress) -> ControlFlow<()> {
        if let Some(bar) = &self.bar {
            bar.set_prefix(progress.stage.clone());
            bar.set_length(progress.steps as u64);
            bar.set_position(progress.step as u64);
            let left = progress
                .seconds_left
                .filter(|left| left.is_finite() && *left >= 0.0)
                .map(|left| indicatif::HumanDuration(Duration::from_secs_f64(left)));
            let value = progress.value.map(|value| format!("{value:.4} "));
            let left = left.map(|left| format!("{left} left"));
            bar.set_message(format!(
                "{}{}",
                value.unwrap_or_default(),
                left.unwrap_or_default()
            ));
        }
        ControlFlow::Continue(())
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
