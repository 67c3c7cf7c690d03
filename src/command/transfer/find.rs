//! `find NODE`: what a node has.
//!
//! Separate as every subcommand is; questions and answers belong to [`crate::transfer`].

use std::process::ExitCode;

use serde_json::json;

use super::{List, access};
use crate::command::progress::Bar;
use crate::command::{Common, say, say_json};
use crate::job::Error;
use crate::transfer::{self, Level, Match, Query};

/// Options of `find`. `*` and `?` stand for letters.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::command) struct Find {
    /// Name of the node.
    node: String,
    /// Patient's name.
    #[arg(long, default_value = "")]
    patient: String,
    /// Patient ID.
    #[arg(long, default_value = "")]
    patient_id: String,
    /// Study date, or a range: 20260101-20261231.
    #[arg(long, default_value = "")]
    date: String,
    /// Accession number.
    #[arg(long, default_value = "")]
    accession: String,
    /// Modality.
    #[arg(long, default_value = "")]
    modality: String,
    /// Study Instance UID.
    #[arg(long, default_value = "")]
    study: String,
    /// Series Instance UID.
    #[arg(long, default_value = "")]
    series: String,
    /// What is listed.
    #[arg(long, value_enum, default_value_t = Listed::Study)]
    level: Listed,
    /// By `DICOMweb` (QIDO-RS), and not by C-FIND.
    #[arg(long)]
    web: bool,
    #[command(flatten)]
    list: List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Listed {
    Study,
    Series,
    Image,
}

/// Looks, and lists what was found; nothing found is no error.
pub(in crate::command) fn run(options: &Find, common: &Common) -> Result<ExitCode, Error> {
    let node = options.list.node(&options.node)?;
    let query = Query {
        level: match options.level {
            Listed::Study => Level::Study,
            Listed::Series => Level::Series,
            Listed::Image => Level::Image,
        },
        patient: options.patient.clone(),
        patient_id: options.patient_id.clone(),
        date: options.date.clone(),
        accession: options.accession.clone(),
        modality: options.modality.clone(),
        study: options.study.clone(),
        series: options.series.clone(),
    };
    let mut bar = Bar::new(common);
    let found = transfer::find(&node, &access(), &query, options.web, &mut |p| bar.show(&p));
    bar.clear();
    let found = found?;
    if common.json {
        say_json(&json!(found));
    } else {
        for one in &found {
            say(&line(one, query.level));
        }
        let noun = if found.len() == 1 { "match" } else { "matches" };
        say(&format!("{} {noun}", found.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a person looks for first, then the UID that `fetch` takes.
fn line(one: &Match, level: Level) -> String {
    let number = one.number.map(|n| n.to_string()).unwrap_or_default();
    let images = one
        .images
        .map(|n| format!("{n} images"))
        .unwrap_or_default();
    let (facts, uid): (Vec<&str>, &str) = match level {
        Level::Study => (
            vec![
                &one.date,
                &one.patient_id,
                &one.patient,
                &one.modality,
                &one.description,
                &images,
            ],
            &one.study,
        ),
        Level::Series => (
            vec![&number, &one.modality, &one.description, &images],
            &one.series,
        ),
        Level::Image => (vec![&number], &one.instance),
    };
    let facts: Vec<&str> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    format!("{}  {uid}", facts.join(", "))
}
