//! The veil over a result: worked out beside the window whenever the result, the image or the tray changes.
//!
//! Separate because it takes time on a large film and must never show the numbers of another pair.

use std::sync::Arc;

use crate::app::App;
use crate::app::canvas::{Veil, VeilKind, color_of, number};
use crate::app::session::{ResultId, Weight};
use crate::document::mask::bounds;
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::{Error, ErrorKind, Task};
use crate::measure::compare::{Spread, Summary, difference, summary};
use crate::radiograph::Radiograph;

/// Longest side of the veil's picture, pixels.
const MOST_PX: usize = 1024;

/// What values are called that have no unit.
const STORED: &str = "stored values";

/// What the veil was made from.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    kind: VeilKind,
    shown: ResultId,
    tray: Vec<ResultId>,
    image: usize,
}

/// A veil without its texture.
struct Picture {
    kind: VeilKind,
    region: PixelRect,
    values: Grid<f32>,
    scale: f64,
    lines: Vec<String>,
}

/// The veil that is wanted and the one that is there.
#[derive(Default)]
pub struct VeilState {
    /// What is wanted.
    pub kind: Option<VeilKind>,
    /// What can be laid over the result that is shown.
    pub veil: Option<Veil>,
    key: Option<Key>,
    task: Option<Task<Picture>>,
}

impl App {
    /// Lays a veil on, or takes it away when it is there.
    pub(super) fn toggle_veil(&mut self, kind: VeilKind) {
        let state = &mut self.session.veil;
        let same = state.kind == Some(kind);
        *state = VeilState {
            kind: (!same).then_some(kind),
            ..VeilState::default()
        };
        if !same && self.session.shown.is_none() {
            let text = "Choose a result in the tray: the veil lies over it";
            self.session.say(Weight::Note, text);
        }
    }

    /// Keeps the veil that of the result that is shown.
    pub(super) fn follow_veil(&mut self, ctx: &egui::Context) {
        self.take_veil(ctx);
        let session = &self.session;
        let wanted = session.veil.kind.zip(session.shown);
        let Some(((kind, shown), open)) = wanted.zip(session.open()) else {
            self.session.veil.veil = None;
            self.session.veil.key = None;
            self.session.veil.task = None;
            return;
        };
        let image = Arc::clone(open.document().image());
        let key = Key {
            kind,
            shown,
            tray: session.tray.items.iter().map(|item| item.id).collect(),
            image: Arc::as_ptr(&image) as usize,
        };
        if session.veil.key.as_ref() == Some(&key) {
            return;
        }
        let Some(item) = session.tray.find(shown) else {
            return;
        };
        let changed = item.made.changed.clone();
        let of = |id: &ResultId| Some(Arc::clone(&session.tray.find(*id)?.made.radiograph));
        let results: Vec<Arc<Radiograph>> = match kind {
            VeilKind::Difference => of(&shown).into_iter().collect(),
            VeilKind::Spread => {
                let alike = session.tray.same_but_seed(shown);
                alike.iter().filter_map(of).collect()
            }
        };
        let task = Task::start("veil", self.wake(), move || {
            picture(kind, &image, &results, &changed)
        });
        self.session.veil.veil = None;
        self.session.veil.key = Some(key);
        self.session.veil.task = Some(task);
    }

    fn take_veil(&mut self, ctx: &egui::Context) {
        let Some(done) = self.session.veil.task.as_ref().and_then(Task::poll) else {
            return;
        };
        self.session.veil.task = None;
        match done {
            Ok(picture) => {
                let size = [picture.values.width(), picture.values.height()];
                let colors = picture.values.cells().iter();
                let pixels = colors.map(|v| color_of(picture.kind, *v)).collect();
                let image = egui::ColorImage::new(size, pixels);
                self.session.veil.veil = Some(Veil {
                    kind: picture.kind,
                    texture: ctx.load_texture("veil", image, egui::TextureOptions::LINEAR),
                    region: picture.region,
                    scale: picture.scale,
                    lines: picture.lines,
                });
            }
            Err(error) => self.session.say(Weight::Note, error),
        }
    }
}

/// Modality values of a part of an image.
fn values(image: &Radiograph, region: PixelRect) -> Grid<f32> {
    let stored = image.pixels.crop_f32(region);
    stored.map(|value| image.modality_transform.apply(f64::from(*value)) as f32)
}

fn picture(
    kind: VeilKind,
    image: &Radiograph,
    results: &[Arc<Radiograph>],
    changed: &Grid<u8>,
) -> Result<Picture, Error> {
    let usage =
        |what: &str, remedy: &str| Error::new(ErrorKind::Usage, what.to_owned()).remedy(remedy);
    let region = bounds(changed).unwrap_or(changed.bounds());
    let inside = |x: usize, y: usize| changed[(x + region.x as usize, y + region.y as usize)] > 0;
    let unit = match image.modality_unit.as_str() {
        "" => STORED,
        unit => unit,
    };
    let (values, numbers, lines) = match kind {
        VeilKind::Difference => {
            let after = results.first().map(|result| values(result, region));
            let fits = image.pixels.width() == changed.width()
                && image.pixels.height() == changed.height();
            let found = after
                .filter(|_| fits)
                .and_then(|after| difference(&values(image, region), &after))
                .ok_or_else(|| usage("the result has another size", "make it again"))?;
            let numbers = summary(&found, inside);
            let lines = difference_lines(numbers, &found, unit);
            (found, numbers, lines)
        }
        VeilKind::Spread => {
            let mut spread = Spread::default();
            for result in results {
                spread.push(&values(result, region));
            }
            let found = spread.deviation().ok_or_else(|| {
                usage(
                    "a spread needs two results that differ in their seed alone",
                    "press J for more like the one that is shown",
                )
            })?;
            let numbers = summary(&found, inside);
            let lines = spread_lines(numbers, spread.count(), unit);
            (found, numbers, lines)
        }
    };
    let scale = numbers.map_or(1.0, |n| n.size_995).max(1e-6);
    let values = reduced(&values).map(|value| value / scale as f32);
    Ok(Picture {
        kind,
        region,
        values,
        scale,
        lines,
    })
}

fn difference_lines(numbers: Option<Summary>, found: &Grid<f32>, unit: &str) -> Vec<String> {
    let different = found.cells().iter().filter(|v| **v != 0.0).count();
    let mut lines = vec![format!("Result − image, {unit}")];
    let unit = match unit {
        STORED => String::new(),
        unit => format!(" {unit}"),
    };
    lines.extend(numbers.map(|n| {
        format!(
            "mean {:+.1}{unit} · SD {} · {} to {:+.0} · {different} px",
            n.mean,
            number(n.deviation),
            format!("{:+.0}", n.least).replace('-', "−"),
            n.most
        )
    }));
    lines
}

fn spread_lines(numbers: Option<Summary>, count: usize, unit: &str) -> Vec<String> {
    let mut lines = vec![format!("Made up: SD over {count} seeds, {unit}")];
    lines.extend(numbers.map(|n| {
        let (median, high, most) = (number(n.median), number(n.size_95), number(n.most));
        format!("median {median} · 95 % below {high} · largest {most}")
    }));
    lines
}

/// Means over blocks, so that the picture has at most [`MOST_PX`] pixels a side.
fn reduced(values: &Grid<f32>) -> Grid<f32> {
    let (width, height) = values.size();
    let step = width.max(height).div_ceil(MOST_PX).max(1);
    if step == 1 {
        return values.clone();
    }
    Grid::from_fn(width.div_ceil(step), height.div_ceil(step), |x, y| {
        let rows = y * step..((y + 1) * step).min(height);
        let columns = x * step..((x + 1) * step).min(width);
        let count = (rows.len() * columns.len()) as f32;
        let sum: f32 = rows
            .map(|y| values.row(y)[columns.clone()].iter().sum::<f32>())
            .sum();
        sum / count
    })
}
