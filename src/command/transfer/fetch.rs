//! `fetch NODE --study UID --out DIR`: a study or a series into a folder.
//!
//! Separate as every subcommand is; what is taken in and under which names belongs to [`crate::transfer`].

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{List, access};
use crate::command::progress::Bar;
use crate::command::{Common, report, say, say_json};
use crate::job::{Error, ErrorKind};
use crate::transfer::{self, MOST_BYTES, Wanted, Way};

/// Options of `fetch`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::command) struct Fetch {
    /// Name of the node.
    node: String,
    /// Study Instance UID.
    #[arg(long)]
    study: String,
    /// Series Instance UID; the whole study if absent.
    #[arg(long)]
    series: Option<String>,
    /// The folder for files named 0001.dcm and so on; objects that are there already are not written again.
    #[arg(long)]
    out: PathBuf,
    /// By which way; C-MOVE where the node has a port to send to us, else C-GET, else `DICOMweb`.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Most that may come, MiB.
    #[arg(long, default_value_t = MOST_BYTES >> 20)]
    most_mib: u64,
    #[command(flatten)]
    list: List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Get,
    Move,
    Web,
}

/// Fetches; exit code 1 when some objects did not come or were refused.
pub(in crate::command) fn run(options: &Fetch, common: &Common) -> Result<ExitCode, Error> {
    let node = options.list.node(&options.node)?;
    let wanted = Wanted {
        study: options.study.clone(),
        series: options.series.clone(),
        out: options.out.clone(),
        most_bytes: options.most_mib.saturating_mul(1 << 20),
    };
    let way = options.by.map(|by| match by {
        By::Get => Way::Get,
        By::Move => Way::Move,
        By::Web => Way::Web,
    });
    let mut bar = Bar::new(common);
    let fetched = transfer::fetch(&node, &access(), &wanted, way, &mut |p| bar.show(&p));
    bar.clear();
    let fetched = fetched?;
    for failure in &fetched.failures {
        report(&Error::new(ErrorKind::Failed, failure.clone()));
    }
    if common.json {
        say_json(&json!(fetched));
    } else {
        for path in &fetched.files {
            say(&path.display().to_string());
        }
        say(&format!(
            "{} new files, {} were there already",
            fetched.files.len(),
            fetched.already_there
        ));
    }
    Ok(ExitCode::from(u8::from(!fetched.failures.is_empty())))
}
