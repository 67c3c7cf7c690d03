//! `send NODE FILE…`: DICOM files to a node, each with what became of it.
//!
//! Separate as every subcommand is; how files travel belongs to [`crate::transfer`].

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{List, access};
use crate::command::deidentify::files_under;
use crate::command::progress::Bar;
use crate::command::{Common, report, say, say_json};
use crate::job::{Error, ErrorKind};
use crate::radiograph::exchange::name_of_uid;
use crate::radiograph::write::secret;
use crate::transfer::{self, Sending, Sent};

/// Options of `send`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::command) struct Send {
    /// Name of the node.
    node: String,
    /// DICOM files, or folders of them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// By `DICOMweb` (STOW-RS), and not by C-STORE.
    #[arg(long)]
    web: bool,
    /// Without identity: PS3.15's basic profile, owners of animals too.
    #[arg(long)]
    deidentify: bool,
    #[command(flatten)]
    list: List,
}

/// Sends; exit code 1 when some files were not delivered.
pub(in crate::command) fn run(options: &Send, common: &Common) -> Result<ExitCode, Error> {
    let node = options.list.node(&options.node)?;
    let mut files = Vec::new();
    for path in &options.files {
        if path.is_dir() {
            files.extend(files_under(path)?);
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            "there is no file in that folder",
        ));
    }
    let how = Sending {
        web: options.web,
        deidentify: options.deidentify.then(secret),
    };
    let mut bar = Bar::new(common);
    let sent = transfer::send(&node, &access(), &files, &how, &mut |p| bar.show(&p));
    bar.clear();
    let sent = sent?;
    let mut failed = 0;
    for one in &sent {
        match &one.outcome {
            Err(error) => {
                report(&error.clone().at(&one.path));
                failed += 1;
            }
            Ok(delivered) if !common.json => {
                let mut remarks = vec!["sent".to_owned()];
                let syntax = delivered.recoded.as_deref();
                remarks.extend(syntax.map(|uid| format!("as {}", name_of_uid(uid))));
                remarks.extend(delivered.warning.clone());
                say(&format!("{}: {}", one.path.display(), remarks.join(", ")));
            }
            Ok(_) => {}
        }
    }
    if common.json {
        let files: Vec<Value> = sent.iter().map(as_json).collect();
        say_json(&json!({
            "node": node.name, "sent": sent.len() - failed, "failed": failed,
            "deidentified": options.deidentify, "files": files,
        }));
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn as_json(sent: &Sent) -> Value {
    let delivered = sent.outcome.as_ref().ok();
    json!({
        "path": sent.path,
        "sent": delivered.is_some(),
        "recoded": delivered.and_then(|d| d.recoded.clone()),
        "warning": delivered.and_then(|d| d.warning.clone()),
        "error": sent.outcome.as_ref().err().map(ToString::to_string),
    })
}
