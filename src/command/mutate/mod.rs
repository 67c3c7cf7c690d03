//! `mutate FOLDER`: damages image files in every way that is known to hurt readers, and opens what came of it.
//!
//! Separate, and hidden, because it is a test of this program that takes minutes to hours: the claim is that no file
//! ends the program, makes it wait, or fills its memory. A mutant is named by file, kind and number, and can be made
//! again.

mod bombs;
mod elements;
mod kinds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::{Value, json};

use super::{Common, say, say_json};
use crate::job::{Error, ErrorKind};
use crate::noise::Noise;
use crate::radiograph::{self, ImageFile, ReadProblem};
use kinds::KINDS;

/// An answer that takes longer counts as a hang.
const HANG_SECONDS: f64 = 5.0;
/// What became of a mutant that had no room on the disk, and so was not tried.
const NOT_WRITTEN: &str = "not written";
/// This process may grow by so much, MiB: whatever a file does is done to the one that decodes.
const MOST_GROWTH_MIB: i64 = 256;

/// Options of `mutate`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Mutate {
    /// Folder of image files.
    folder: PathBuf,
    /// Mutants to make.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of the first mutant; a run can go on where another stopped.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Files larger than this are left out, bytes.
    #[arg(long, default_value_t = 4 << 20)]
    most_bytes: u64,
    /// Keeps the mutants that the decoding process did not survive in this folder.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// A file of the corpus.
struct Original {
    name: String,
    bytes: Vec<u8>,
    /// Where its data set begins, and that data set, where the file is deflated.
    inflated: Option<(usize, Vec<u8>)>,
    /// It names other files: it is opened by a path.
    is_collection: bool,
}

/// What became of one mutant.
struct Outcome {
    number: u64,
    kind: &'static str,
    class: &'static str,
    seconds: f64,
    /// Its file, kind and fate, where it is worth telling.
    what: Option<String>,
}

/// Makes mutants and opens them; exit code 1 when one hung or was not tried, or when this process grew by more than it
/// may.
pub(super) fn run(options: &Mutate, common: &Common) -> Result<ExitCode, Error> {
    let files = corpus(&options.folder, options.most_bytes)?;
    let work = tempfile::tempdir().map_err(|error| {
        Error::new(
            ErrorKind::Failed,
            format!("there is no temporary folder ({error})"),
        )
        .remedy("make room, or set TMPDIR to a folder that can be written to")
    })?;
    let before = resident_mib();
    let outcomes: Vec<Outcome> = (options.from..options.from + options.count)
        .into_par_iter()
        .map(|number| one(&files, options, work.path(), number))
        .collect();
    let grown = resident_mib()
        .zip(before)
        .map(|(after, before)| after - before);
    let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for outcome in &outcomes {
        *classes.entry(outcome.class).or_default() += 1;
        let of_kind = kinds.entry(outcome.kind).or_default();
        *of_kind.entry(outcome.class).or_default() += 1;
    }
    let hangs = outcomes.iter().filter(|o| o.seconds > HANG_SECONDS).count();
    let slowest = outcomes
        .iter()
        .max_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let told: Vec<&String> = outcomes
        .iter()
        .filter_map(|o| o.what.as_ref())
        .take(40)
        .collect();
    let small = grown.is_none_or(|mib| mib <= MOST_GROWTH_MIB);
    let all_tried = !classes.contains_key(NOT_WRITTEN);
    let answer = json!({
        "files": files.len(),
        "mutants": outcomes.len(),
        "outcomes": classes,
        "kinds": kinds,
        "hangs_over_5_s": hangs,
        "slowest_seconds": slowest.map(|o| o.seconds),
        "slowest": slowest.map(|o| o.number),
        "memory_grown_mib": grown,
        "memory_may_grow_mib": MOST_GROWTH_MIB,
        "stopped": told,
    });
    if common.json {
        say_json(&answer);
    } else {
        say(&in_words(&answer));
    }
    Ok(ExitCode::from(u8::from(hangs > 0 || !small || !all_tried)))
}

fn in_words(answer: &Value) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}

fn corpus(folder: &Path, most_bytes: u64) -> Result<Vec<Original>, Error> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| {
            Error::new(
                ErrorKind::Input,
                format!("the folder cannot be read ({error})"),
            )
            .at(&folder)
        })?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.metadata().is_ok_and(|meta| meta.len() <= most_bytes) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let files: Vec<_> = paths
        .iter()
        .filter_map(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            let bytes = std::fs::read(path).ok()?;
            Some(Original {
                inflated: elements::inflated(&bytes).filter(|(_, data)| !data.is_empty()),
                is_collection: is_archive(&bytes) || name == "DICOMDIR",
                name,
                bytes,
            })
        })
        .filter(|original| !original.bytes.is_empty())
        .collect();
    if files.is_empty() {
        return Err(Error::new(ErrorKind::Input, "there is no file").at(folder));
    }
    Ok(files)
}

fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Mutant `number`: every file in turn, every kind in turn; half of those of a deflated file are made before it is
/// packed.
fn one(files: &[Original], options: &Mutate, work: &Path, number: u64) -> Outcome {
    let count = files.len() as u64;
    let original = &files[(number % count) as usize];
    let (kind, damage) = KINDS[((number / count) % KINDS.len() as u64) as usize];
    let mut noise = Noise::new(options.seed, number);
    let mutant = match &original.inflated {
        Some((start, data)) if noise.chance(0.5) => {
            let packed = miniz_oxide::deflate::compress_to_vec(&damage(data, &mut noise), 1);
            [&original.bytes[..*start], &packed].concat()
        }
        _ => damage(&original.bytes, &mut noise),
    };
    let by_path = original.is_collection || is_archive(&mutant);
    let path = work.join(format!("{number}"));
    if by_path && let Err(error) = std::fs::write(&path, &mutant) {
        let what = Some(format!(
            "number {number} has no place on the disk ({error})"
        ));
        return Outcome {
            number,
            kind,
            class: NOT_WRITTEN,
            seconds: 0.0,
            what,
        };
    }
    let kept = options.keep.is_some().then(|| mutant.clone());
    let begun = Instant::now();
    let problem = if by_path {
        drop(mutant);
        radiograph::open(&path).map_err(|error| error.problem)
    } else {
        radiograph::open_bytes("mutant", mutant).map_err(|error| error.problem)
    }
    .and_then(|file| looked_at(&file))
    .err();
    let seconds = begun.elapsed().as_secs_f64();
    let class = match &problem {
        None => "image",
        Some(ReadProblem::Stopped(why)) if why.contains("longer") => "stopped for its time",
        Some(ReadProblem::Stopped(why)) if why.contains("memory") => "stopped for its memory",
        Some(ReadProblem::Stopped(_)) => "stopped by a signal",
        Some(_) => "refused",
    };
    if by_path {
        // The folder goes at the end in any case.
        std::fs::remove_file(&path).ok();
    }
    let telling = class.starts_with("stopped") || seconds > HANG_SECONDS;
    let what = telling.then(|| {
        let fate = problem.map_or_else(|| "image".to_owned(), |p| p.to_string());
        format!(
            "{}, {kind}, number {number}, {seconds:.1} s: {fate}",
            original.name
        )
    });
    if let (Some(folder), Some(bytes), true) = (&options.keep, kept, telling) {
        // Only a help for who looks into it.
        std::fs::create_dir_all(folder).ok();
        std::fs::write(folder.join(format!("{number}")), bytes).ok();
    }
    Outcome {
        number,
        kind,
        class,
        seconds,
        what,
    }
}

/// Looks at it as the window does: the first frame and the last one, and how the first is shown.
fn looked_at(file: &ImageFile) -> Result<(), ReadProblem> {
    let image = file.frame(0).map_err(|error| error.problem)?;
    let window = image.initial_window();
    if !window.is_usable() {
        return Err(ReadProblem::Damaged("a window of no use".to_owned()));
    }
    if file.frames() > 1 {
        file.frame(file.frames() - 1)
            .map_err(|error| error.problem)?;
    }
    Ok(())
}

/// The largest memory of this process so far, MiB, where the system tells.
fn resident_mib() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kib: i64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib >> 10)
}
