//! `radcanvas bench`: figures of this machine, as text or JSON.
//!
//! Separate from the work it measures; other programs read its JSON to compare.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::{Common, say, say_json};
use crate::job::{Error, ErrorKind};
use crate::network::speed::{self, Figure};

/// What to measure.
#[derive(Clone, Debug, Subcommand)]
pub enum Bench {
    /// Convolutions and the other operations of the networks, on the processor.
    Network {
        /// Only operations whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// Seconds for each figure.
        #[arg(long, default_value_t = 0.3)]
        seconds: f64,
    },
}

/// Measures and reports.
pub fn run(bench: &Bench, common: &Common) -> Result<ExitCode, Error> {
    let threads = common.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::new(ErrorKind::Failed, format!("no threads: {error}")))?;
    let figures = match bench {
        Bench::Network { only, seconds } => {
            let budget = Duration::try_from_secs_f64(*seconds).map_err(|error| {
                Error::new(ErrorKind::Usage, format!("--seconds {seconds}: {error}"))
            })?;
            pool.install(|| speed::figures(only, budget))
                .map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))?
        }
    };
    show(&figures, common.json);
    Ok(ExitCode::SUCCESS)
}

fn show(figures: &[Figure], as_json: bool) {
    if as_json {
        let list: Vec<_> = figures
            .iter()
            .map(|f| json!({ "name": f.name, "value": f.value, "unit": f.unit }))
            .collect();
        say_json(&json!({ "figures": list }));
        return;
    }
    for figure in figures {
        let (value, unit) = match figure.unit {
            "s" => (figure.value * 1e3, "ms"),
            unit => (figure.value, unit),
        };
        say(&format!("{:<52} {value:>12.3} {unit}", figure.name));
    }
}
