//! `kills`: starts this program again and again, ends it by SIGKILL at random moments, and looks at what is left.
//!
//! Separate, and hidden, because it is a test of this program: the one that is killed draws, accepts, saves and exports
//! by the same code as the window ([`worker`]), and tells what it has done; whatever it told must be there, one more
//! step may be, and no file may be half.

mod exports;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Common, say, say_json};
use crate::document::{History, Project};
use crate::job::{Error, ErrorKind};
use crate::noise::Noise;
use crate::whole;
use worker::{Work, edit_of};

/// A project is left for a new one after so many kills: its journal is read again after each.
const KILLS_A_PROJECT: u64 = 25;
/// A child is killed after at most so many activities, and then at any moment of a few milliseconds.
const MOST_ACTIVITIES: usize = 60;
/// A child that does nothing for so long is a failure.
const PATIENCE: Duration = Duration::from_mins(1);

/// Options of `kills`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Kills {
    /// Kills.
    #[arg(long, default_value_t = 500)]
    count: u64,
    /// Seed of the moments and of what is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the work is done; a temporary folder if absent.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Does the work in this folder until it is killed.
    #[arg(long, hide = true)]
    work: Option<PathBuf>,
}

/// What was found after the kills.
#[derive(Default)]
struct Found {
    kills: u64,
    /// What the child was at when it was killed.
    during: BTreeMap<&'static str, u64>,
    steps: usize,
    /// Steps that were on the disk and not yet told.
    untold: usize,
    /// Last lines of a journal that were cut, and dropped.
    cut_lines: usize,
    exports: usize,
    saved_projects: usize,
    /// Hidden files of writers that were killed, under names that nobody opens.
    hidden: usize,
    faults: Vec<String>,
    known: exports::Known,
}

impl Found {
    /// One line, and one for each fault.
    fn in_words(&self) -> String {
        let during: Vec<String> = self
            .during
            .iter()
            .map(|(what, count)| format!("{count} while {what}"))
            .collect();
        let mut text = format!(
            "{} kills ({}): {} steps, {} of them on the disk before they were told; {} exports and {} saved projects looked \
             at; {} cut lines dropped; {} hidden files left; {} faults",
            self.kills,
            during.join(", "),
            self.steps,
            self.untold,
            self.exports,
            self.saved_projects,
            self.cut_lines,
            self.hidden,
            self.faults.len(),
        );
        for fault in &self.faults {
            text.push('\n');
            text.push_str(fault);
        }
        text
    }
}

/// Kills and looks; exit code 1 when anything was lost or half.
pub(super) fn run(options: &Kills, common: &Common) -> Result<ExitCode, Error> {
    if let Some(folder) = &options.work {
        worker::work(folder, options.seed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let temporary;
    let folder = if let Some(folder) = &options.folder {
        folder.as_path()
    } else {
        temporary = tempfile::tempdir().map_err(|error| failed(Path::new("."), &error))?;
        temporary.path()
    };
    let mut found = Found::default();
    let mut noise = Noise::new(options.seed, 0);
    while found.kills < options.count {
        let own = folder.join(format!("{:04}", found.kills));
        let kills = KILLS_A_PROJECT.min(options.count - found.kills);
        let seed = options.seed + found.kills;
        one_project(&own, seed, kills, &mut noise, &mut found)?;
        std::fs::remove_dir_all(&own).map_err(|error| failed(&own, &error))?;
    }
    let answer = json!({
        "kills": found.kills,
        "killed_during": found.during,
        "steps": found.steps,
        "steps_there_and_not_told": found.untold,
        "cut_lines_dropped": found.cut_lines,
        "exports_looked_at": found.exports,
        "saved_projects_looked_at": found.saved_projects,
        "hidden_leftovers": found.hidden,
        "faults": found.faults,
    });
    if common.json {
        say_json(&answer);
    } else {
        say(&found.in_words());
    }
    Ok(ExitCode::from(u8::from(!found.faults.is_empty())))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, error.to_string()).at(path)
}

/// One project, killed `kills` times.
fn one_project(
    folder: &Path,
    seed: u64,
    kills: u64,
    noise: &mut Noise,
    found: &mut Found,
) -> Result<(), Error> {
    let work = Work::create(folder)?;
    // Another project has another image.
    found.known.clear();
    let mut expected = History::new(work.beginning());
    let mut steps = 0;
    for _ in 0..kills {
        let mut child = start(folder, seed)?;
        wait_for_work(&mut child, &work, 1 + noise.index(MOST_ACTIVITIES))?;
        std::thread::sleep(Duration::from_micros(noise.index(8000) as u64));
        child.kill().map_err(|error| failed(folder, &error))?;
        child.wait().map_err(|error| failed(folder, &error))?;
        found.kills += 1;
        *found.during.entry(work.activity()).or_default() += 1;
        let told = work.told();
        let there = look_at_journal(&work, told, found)?;
        while steps < there {
            // What the worker does is a function of seed and number.
            let edit = edit_of(seed, steps, &work);
            expected
                .apply(edit)
                .map_err(|error| failed(folder, &error))?;
            steps += 1;
        }
        look_at_document(&work, &expected, found);
        look_at_saved(&work, steps, found);
        exports::look(&work, found);
        found.hidden += leftovers(folder);
        work.tell(steps)?;
    }
    found.steps += steps;
    Ok(())
}

fn start(folder: &Path, seed: u64) -> Result<Child, Error> {
    let program = super::decode::own_program()
        .ok_or_else(|| Error::new(ErrorKind::Failed, "the program does not know its own path"))?;
    Command::new(program)
        .args(["kills", "--seed", &seed.to_string(), "--work"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| failed(folder, &error))
}

/// Until the child has begun so many activities, however slow the machine is.
fn wait_for_work(child: &mut Child, work: &Work, activities: usize) -> Result<(), Error> {
    let begun = Instant::now();
    while work.activities() < activities {
        let ended = child.try_wait().ok().flatten();
        if ended.is_some() || begun.elapsed() > PATIENCE {
            child.kill().ok();
            return Err(failed(work.folder(), &"the worker does not work"));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// Steps in the journal; those that were told must be there, and at most one more.
fn look_at_journal(work: &Work, told: usize, found: &mut Found) -> Result<usize, Error> {
    // Opening repairs, as the next start of the program would.
    let (project, repairs) =
        Project::open(&work.project()).map_err(|error| failed(work.folder(), &error))?;
    drop(project);
    found.cut_lines += repairs.len();
    for repair in &repairs {
        if !repair.contains("cut in the middle") {
            found.faults.push(format!("the journal: {repair}"));
        }
    }
    let journal = work.project().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).map_err(|error| failed(&journal, &error))?;
    let there = text.lines().count();
    if there < told || there > told + 1 {
        found
            .faults
            .push(format!("{told} steps were told, {there} are there"));
    }
    found.untold += there.saturating_sub(told);
    Ok(there)
}

fn look_at_document(work: &Work, expected: &History, found: &mut Found) {
    match Project::read(&work.project()) {
        Ok((history, _)) if history.document() == expected.document() => {}
        Ok(_) => found.faults.push("the document is another one".to_owned()),
        Err(error) => found.faults.push(format!("the project: {error}")),
    }
}

/// The copy that was saved last, or the one before it: whole, and no longer than what was done.
fn look_at_saved(work: &Work, steps: usize, found: &mut Found) {
    let saved = work.saved();
    if !saved.exists() {
        return;
    }
    found.saved_projects += 1;
    match Project::read(&saved) {
        Ok((history, left_out)) => {
            let longer = history.revision() as usize > steps;
            if longer || !left_out.is_empty() {
                let what = format!(
                    "the saved project: {} steps, {left_out:?}",
                    history.revision()
                );
                found.faults.push(what);
            }
        }
        Err(error) => found.faults.push(format!("the saved project: {error}")),
    }
}

/// Hidden files in the folder and where it exports to; they are removed.
fn leftovers(folder: &Path) -> usize {
    [folder.to_owned(), folder.join("out")]
        .iter()
        .flat_map(std::fs::read_dir)
        .flatten()
        .flatten()
        .filter(|entry| whole::is_leftover(&entry.file_name()))
        .inspect(|entry| {
            let path = entry.path();
            // Either it is a file or the folder of a copy.
            if std::fs::remove_file(&path).is_err() {
                std::fs::remove_dir_all(&path).ok();
            }
        })
        .count()
}
