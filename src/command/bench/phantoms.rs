//! `bench phantoms`: how near drawn films come to real ones, gate by gate, and how long a film takes.
//!
//! Gates 1, 2, 3 and 6 compare with the measured figures of real films and need no file, but for spreads between films
//! that nobody measured. Those, gate 4 (a network tells drawn patches from real ones) and gate 5 (the hips model reads
//! marked real films) need films: `--real KIND=FOLDER`. A gate that fails makes the command fail, and is named.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use rayon::prelude::*;
use serde_json::json;

use crate::command::norberg::{model_points, points_for, read_points};
use crate::command::{Common, engine_of, say, say_json, warn};
use crate::grid::Grid;
use crate::job::{Error, ErrorKind};
use crate::landmarks::Side;
use crate::measure::norberg::norberg_degrees;
use crate::measure::realism::{self, Gate, Reference, Summary};
use crate::phantom::breast::{self, BreastOptions, BreastStyle};
use crate::phantom::{self, Phantom};
use crate::radiograph;
use crate::signal::resize::resize;
use crate::training::patches;

/// Longer side at which everything is measured, pixels.
const SIZE: usize = 256;
/// Largest area under the ROC curve of the network that tells drawn from real.
const TOLD_APART: f64 = 0.9;
/// Largest error of a Norberg angle on a real film, degrees, and of a head's centre, in radii.
const ANGLE: f64 = 6.0;
const CENTER: f64 = 0.25;

/// Options of `bench phantoms`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Only kinds whose name starts with this: `hip`, `breast`, `brain-ct`.
    #[arg(long, default_value = "")]
    only: String,
    /// Films of each kind.
    #[arg(long, default_value_t = 300)]
    count: usize,
    /// First seed.
    #[arg(long, default_value_t = 900_000)]
    seed: u64,
    /// Real films of a kind: `chest=FOLDER`, `hip=FOLDER` (with `landmarks.json` for gate 5); may be repeated.
    #[arg(long, value_name = "KIND=FOLDER")]
    real: Vec<String>,
    /// Training steps of the network of gate 4.
    #[arg(long, default_value_t = 250)]
    steps: usize,
    /// One Markdown table of all kinds.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// A kind with its gates, and the figures of the real films that were given.
struct Row {
    name: &'static str,
    seconds: f64,
    gates: Vec<Gate>,
    real: Option<Summary>,
}

impl Row {
    /// Gates that fail: `2 spread fg mean`.
    fn failing(&self) -> Vec<String> {
        let failing = self.gates.iter().filter(|gate| gate.fails());
        failing
            .map(|gate| format!("{} {}", gate.number, gate.name))
            .collect()
    }
}

/// Measures and reports all kinds.
pub(super) fn run(options: &Options, common: &Common) -> Result<ExitCode, Error> {
    let real = folders(&options.real)?;
    let rows: Vec<&Reference> = realism::REFERENCES
        .iter()
        .filter(|row| row.name.starts_with(&options.only))
        .collect();
    if rows.is_empty() {
        let known: Vec<&str> = realism::REFERENCES.iter().map(|row| row.name).collect();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("no kind of film starts with {}", options.only),
        )
        .remedy(format!("give the start of one of {}", known.join(", "))));
    }
    let mut measured_rows = Vec::new();
    for row in rows {
        let folder = real
            .iter()
            .find(|(kind, _)| row.name.starts_with(kind.as_str()))
            .map(|(_, folder)| folder.as_path());
        let seconds = seconds(row.name, options.seed)?;
        let (gates, real) = measured(row, folder, options, common)?;
        let row = Row {
            name: row.name,
            seconds,
            gates,
            real,
        };
        if !(common.json || options.markdown) {
            show(&row);
        }
        measured_rows.push(row);
    }
    Ok(report(&measured_rows, options, common))
}

/// Says what was measured, and in one line which gates fail; a failing gate is a failure of this command.
fn report(rows: &[Row], options: &Options, common: &Common) -> ExitCode {
    let failing: Vec<(&str, Vec<String>)> = rows
        .iter()
        .map(|row| (row.name, row.failing()))
        .filter(|(_, gates)| !gates.is_empty())
        .collect();
    if common.json {
        let figures: Vec<_> = rows.iter().flat_map(figures).collect();
        let failed: Vec<String> = failing
            .iter()
            .flat_map(|(name, gates)| gates.iter().map(move |gate| format!("{name} gate {gate}")))
            .collect();
        say_json(&json!({ "figures": figures, "failed": failed }));
    } else if options.markdown {
        say(&markdown(rows, options.count));
    }
    if failing.is_empty() {
        return ExitCode::SUCCESS;
    }
    let kinds: Vec<String> = failing
        .iter()
        .map(|(name, gates)| format!("{name}: {}", gates.join(", ")))
        .collect();
    warn(&format!("gates that fail: {}", kinds.join("; ")));
    ExitCode::from(1)
}

fn figures(row: &Row) -> Vec<serde_json::Value> {
    let mut list = vec![json!({
        "name": format!("{} film", row.name), "value": row.seconds, "unit": "s",
    })];
    list.extend(row.gates.iter().map(|gate| as_json(row.name, gate)));
    if let Some(real) = &row.real {
        for (name, value) in realism::NAMES.iter().zip(real.values) {
            list.push(json!({
                "name": format!("{} real {name}", row.name), "value": value.map(|v| v.0),
                "deviation": value.map(|v| v.1), "unit": "",
            }));
        }
    }
    list
}

/// `held of known` for each gate of each kind, and what fails, as a table.
fn markdown(rows: &[Row], count: usize) -> String {
    let heads =
        "| kind | 1 mean | 2 spread | 3 histogram | 4 told apart | 5 read | 6 balance | fails |";
    let mut text =
        format!("{count} films of each kind\n\n{heads}\n|---|---|---|---|---|---|---|---|");
    for row in rows {
        let cells: Vec<String> = (1..=6)
            .map(|number| {
                let of: Vec<&Gate> = row.gates.iter().filter(|g| g.number == number).collect();
                let known: Vec<&&Gate> = of.iter().filter(|gate| gate.known).collect();
                let held = known.iter().filter(|gate| gate.holds()).count();
                match (known.as_slice(), of.len()) {
                    ([], 0) => "–".to_owned(),
                    ([], _) => "needs films".to_owned(),
                    ([one], 1) => {
                        let verdict = if one.holds() { "holds" } else { "fails" };
                        let value = one.value.map_or("–".to_owned(), |v| format!("{v:.2}"));
                        format!("{value} {} {verdict}", one.unit)
                    }
                    (known, all) if known.len() < all => {
                        format!(
                            "{held} of {}, {} need films",
                            known.len(),
                            all - known.len()
                        )
                    }
                    (known, _) => format!("{held} of {}", known.len()),
                }
            })
            .collect();
        let failing = row.failing().join(", ");
        text = format!(
            "{text}\n| {} | {} | {failing} |",
            row.name,
            cells.join(" | ")
        );
    }
    text
}

fn folders(given: &[String]) -> Result<Vec<(String, PathBuf)>, Error> {
    given
        .iter()
        .map(|one| {
            let parts = one
                .split_once('=')
                .filter(|(_, path)| Path::new(path).is_dir());
            let (kind, path) = parts.ok_or_else(|| {
                Error::new(
                    ErrorKind::Usage,
                    format!("--real {one}: is not a kind and a folder of films"),
                )
                .remedy("give, for example, --real chest=FOLDER")
            })?;
            Ok((kind.to_owned(), PathBuf::from(path)))
        })
        .collect()
}

/// A film of a row: a phantom's kind, with its style where a kind has two.
fn drawn(name: &str, seed: u64) -> Result<Phantom, Error> {
    let style = match name {
        "breast-film" => BreastStyle::Film,
        "breast-digital" => BreastStyle::Digital,
        kind => {
            return phantom::draw(kind, seed, SIZE).ok_or_else(|| {
                Error::new(ErrorKind::Failed, format!("no phantom is called {kind}"))
            });
        }
    };
    Ok(breast::draw(
        seed,
        &BreastOptions {
            size_px: SIZE,
            style: Some(style),
            ..BreastOptions::default()
        },
    ))
}

/// Median seconds of a film on one thread.
fn seconds(name: &str, seed: u64) -> Result<f64, Error> {
    let mut times = Vec::new();
    for i in 0..5 {
        let started = Instant::now();
        drawn(name, seed + i)?;
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[2])
}

fn measured(
    row: &Reference,
    folder: Option<&Path>,
    options: &Options,
    common: &Common,
) -> Result<(Vec<Gate>, Option<Summary>), Error> {
    let cut = is_cut(row.name);
    let films: Vec<Grid<f32>> = (0..options.count.max(2) as u64)
        .into_par_iter()
        .map(|i| {
            let phantom = drawn(row.name, options.seed.wrapping_add(i))?;
            // As 8 bits, like the real ones.
            let grey = phantom
                .image
                .map(|v| (f32::from((*v).min(4095)) / 4095.0 * 255.0).round() / 255.0);
            Ok(prepared(&grey, cut))
        })
        .collect::<Result<_, Error>>()?;
    let looks: Vec<_> = films.par_iter().map(realism::look).collect();
    let real = folder.map(|folder| real_films(folder, cut)).transpose()?;
    let found = real.as_ref().map(|films| {
        let looks: Vec<_> = films.par_iter().map(realism::look).collect();
        (Summary::of(&looks), films.len())
    });
    let completed = (found.as_ref()).map(|(found, films)| row.completed(found, *films));
    let mut gates = realism::gates(&Summary::of(&looks), completed.as_ref().unwrap_or(row));
    gates.push(Gate {
        number: 4,
        name: "told apart from real patches".to_owned(),
        value: match &real {
            Some(real) => patches::told_apart(&films, real, options.seed, options.steps)
                .map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))?,
            None => None,
        },
        known: real.is_some(),
        unit: "AUROC",
        limits: [0.0, TOLD_APART],
    });
    if row.name == "hip" {
        let errors = folder
            .map(|folder| landmark_errors(folder, common))
            .transpose()?
            .flatten();
        for (name, value, unit, limit) in [
            (
                "Norberg angle on real films",
                errors.map(|e| e.0),
                "°",
                ANGLE,
            ),
            (
                "head center on real films",
                errors.map(|e| e.1),
                "radii",
                CENTER,
            ),
        ] {
            gates.push(Gate {
                number: 5,
                name: name.to_owned(),
                value,
                known: errors.is_some(),
                unit,
                limits: [0.0, limit],
            });
        }
    }
    gates.sort_by_key(|gate| gate.number);
    Ok((gates, found.map(|(found, _)| found)))
}

/// Whether flat borders are cut before measuring: they were on these real films.
fn is_cut(name: &str) -> bool {
    name == "hip" || name.starts_with("brain")
}

fn prepared(grey: &Grid<f32>, cut: bool) -> Grid<f32> {
    let film = if cut {
        grey.crop(realism::content(grey), 0.0)
    } else {
        grey.clone()
    };
    let (w, h) = film.size();
    let longest = w.max(h).max(1) as f64;
    let scaled = |n: usize| ((n as f64 * SIZE as f64 / longest).round() as usize).max(1);
    if (scaled(w), scaled(h)) == (w, h) || film.is_empty() {
        return film;
    }
    resize(&film, scaled(w), scaled(h))
}

/// PNG, JPEG, TIFF and DICOM files of a folder, in order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error: std::io::Error| Error::new(ErrorKind::Input, error.to_string()).at(folder);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if extension
            .is_some_and(|e| matches!(e.as_str(), "png" | "jpg" | "jpeg" | "tif" | "tiff" | "dcm"))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn real_films(folder: &Path, cut: bool) -> Result<Vec<Grid<f32>>, Error> {
    files(folder)?
        .par_iter()
        .map(|path| {
            let film = radiograph::read(path, 0)
                .map_err(|error| Error::new(ErrorKind::Input, error.to_string()).at(path))?;
            Ok(prepared(&film.grey(&film.initial_window()), cut))
        })
        .collect()
}

/// Largest error of the hips model's angles (degrees) and head centres (radii) over the marked films of a folder;
/// `None` when none is marked.
fn landmark_errors(folder: &Path, common: &Common) -> Result<Option<(f64, f64)>, Error> {
    let table = folder.join("landmarks.json");
    if !table.is_file() {
        return Ok(None);
    }
    let marks = read_points(&table)?;
    let mut engine = engine_of(None, common);
    let mut worst: Option<(f64, f64)> = None;
    for path in files(folder)? {
        let named = path
            .file_name()
            .is_some_and(|name| marks.get(&*name.to_string_lossy()).is_some());
        if !named {
            continue;
        }
        let truth = points_for(&path, &marks)?;
        let found = model_points(&path, &mut engine)?;
        for side in [Side::Left, Side::Right] {
            let angles =
                norberg_degrees(&truth, side, None).zip(norberg_degrees(&found, side, None));
            let angle = angles.map_or(f64::INFINITY, |(a, b)| (a - b).abs());
            let (a, b) = (truth.hip(side), found.hip(side));
            let center = a.center.distance(b.center) / a.radius;
            let (x, y) = worst.unwrap_or((0.0, 0.0));
            worst = Some((x.max(angle), y.max(center)));
        }
    }
    Ok(worst)
}

fn as_json(kind: &str, gate: &Gate) -> serde_json::Value {
    let limit = |v: f64| v.is_finite().then_some(v);
    json!({
        "name": format!("{kind} gate {} {}", gate.number, gate.name),
        "value": gate.value, "unit": gate.unit, "gate": gate.number,
        "low": limit(gate.limits[0]), "high": limit(gate.limits[1]),
        "holds": gate.known.then(|| gate.holds()),
    })
}

fn show(row: &Row) {
    let known = row.gates.iter().filter(|gate| gate.known);
    let (mut held, mut all) = (0, 0);
    say(&format!(
        "{}: {:.0} ms a film on one thread",
        row.name,
        1e3 * row.seconds
    ));
    for gate in known {
        all += 1;
        held += usize::from(gate.holds());
        let [low, high] = gate.limits;
        let limits = if high.is_finite() {
            format!("{low:.2} to {high:.2}")
        } else {
            format!("at least {low:.2}")
        };
        let value = gate.value.map_or("-".to_owned(), |v| format!("{v:.2}"));
        say(&format!(
            "  {} {:<30} {value:>8} {:<8} {limits:<18} {}",
            gate.number,
            gate.name,
            gate.unit,
            if gate.holds() { "holds" } else { "FAILS" },
        ));
    }
    for number in 1..=6 {
        let unknown: Vec<&str> = row
            .gates
            .iter()
            .filter(|gate| gate.number == number && !gate.known)
            .map(|gate| gate.name.as_str())
            .collect();
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            say(&format!("  {number} needs real films (--real): {names}"));
        }
    }
    say(&format!("  {held} of {all} gates hold"));
}
