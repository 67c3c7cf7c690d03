//! The panels: functions of borrowed state that push actions; none of them changes anything.

pub(crate) mod menu;
pub(crate) mod overlay;
pub(crate) mod prompted;
pub(crate) mod rail;
pub(crate) mod readouts;
pub(crate) mod recipe;
pub(crate) mod states;
pub(crate) mod status;
pub(crate) mod tray;
pub(crate) mod viewer;
pub(crate) mod widgets;

use std::path::Path;
use std::sync::Arc;

use super::canvas::Planes;
use super::files::CaseCard;
use super::keys::Keys;
use super::live::Quality;
use super::names::Names;
use super::session::{ModelChoice, Session, Staged};
use super::settings::Settings;
use crate::document::Layer;
use crate::job::{HipReading, Made, Mode};
use crate::landmarks::{HipLandmarks, Side};
use crate::radiograph::Radiograph;

/// Everything a panel may look at.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// Tool, view, recipe, results, jobs, notices.
    pub session: &'a Session,
    /// Theme, keys, recent files.
    pub settings: &'a Settings,
    /// Commands with their keys.
    pub keys: &'a Keys,
    /// Models that can be chosen.
    pub models: &'a [ModelChoice],
    /// Bundled cases.
    pub cases: &'a [CaseCard],
    /// Where networks run, in words.
    pub device: &'a str,
    /// Whether this is the demo: no files, no settings.
    pub demo: bool,
}

impl<'a> Shown<'a> {
    /// The image whose numbers are shown: the chosen result, else the live answer.
    pub(crate) fn made(&self) -> Option<&'a Made> {
        match self.session.shown() {
            Some(staged) => Some(&staged.made),
            None => self.session.live.result.as_ref().map(|live| &live.made),
        }
    }

    /// What files, cases and series are called.
    pub(crate) fn names(&self) -> Names {
        Names::of(self.session)
    }

    /// Which overlay planes of a file are shown: while identity is hidden, none that may tell it.
    pub(crate) fn planes(&self) -> Planes {
        match (self.session.planes, self.session.hide_identity) {
            (false, _) => Planes::None,
            (true, false) => Planes::All,
            (true, true) if self.settings.planes_with_identity => Planes::Regions,
            (true, true) => Planes::Wordless,
        }
    }

    /// Says that planes of an image are left out because identity is hidden; `None` where none is.
    pub(crate) fn planes_line(&self, image: &Radiograph) -> Option<String> {
        if !(self.session.planes && self.session.overlays) {
            return None;
        }
        let planes = self.planes();
        let hidden = image.overlays.iter().filter(|plane| !planes.shows(plane));
        match hidden.count() {
            0 => None,
            1 => Some("1 overlay plane hidden with identity".to_owned()),
            more => Some(format!("{more} overlay planes hidden with identity")),
        }
    }

    /// The answer over the image of the case, where there is one that fits it.
    ///
    /// A result of the canvas before it grew is kept in the tray, and shown again when the canvas is as it was.
    pub(crate) fn answer(&self) -> Option<&'a Arc<Radiograph>> {
        let image = self.session.open()?.document().image();
        let answer = &self.made()?.radiograph;
        let size = |image: &Radiograph| (image.width(), image.height());
        (size(answer) == size(image)).then_some(answer)
    }

    fn staged(&self) -> Option<&'a Staged> {
        self.session.shown()
    }

    /// Hip points of the image that is shown; before means the document's own.
    ///
    /// Of a hip that was made they are its own or none: those of the film that it was made from lie elsewhere.
    pub(crate) fn landmarks(&self) -> Option<HipLandmarks> {
        match self.made() {
            Some(made) if !self.session.before && self.makes_hips() => {
                self.found_hips(made).map(|hips| hips.landmarks)
            }
            _ => (self.session.open()).and_then(|open| open.document().landmarks),
        }
    }

    /// Hip points as they are drawn and can be dragged: those that live answers follow, else those of the image.
    pub(crate) fn points(&self) -> Option<HipLandmarks> {
        if self.follows_points() {
            self.session.asked_hips()
        } else {
            self.landmarks()
        }
    }

    /// Whether live answers follow the hip points that were placed, which then stay in sight above them.
    pub(crate) fn follows_points(&self) -> bool {
        self.session.live.on && self.session.shown.is_none() && self.session.asked_hips().is_some()
    }

    /// Whether what is shown was asked for as a hip.
    pub(crate) fn makes_hips(&self) -> bool {
        let request = match self.staged() {
            Some(staged) => Some(&staged.request),
            None => self.session.live.result.as_ref().map(|live| &live.request),
        };
        request.is_some_and(|request| request.attributes.kind == "hip")
            || self.made().is_some_and(|made| made.hips.is_some())
    }

    /// The hip points of a made image, where they were found or set by hand: half a sketch has no Norberg angle.
    fn found_hips<'m>(&self, made: &'m Made) -> Option<&'m HipReading> {
        let by_hand = self.staged().is_some_and(|staged| staged.by_hand);
        (made.hips.as_ref()).filter(|hips| by_hand || hips.is_found())
    }

    /// 90 % interval of one angle, when the points are as the network read them.
    pub(crate) fn interval(&self, side: Side) -> Option<[f64; 2]> {
        let made = self.made().filter(|_| !self.session.before);
        let reading = if let Some(made) = made.filter(|_| self.makes_hips()) {
            if self.staged().is_some_and(|staged| staged.by_hand) {
                return None;
            }
            self.found_hips(made)?
        } else {
            let open = self.session.open()?;
            let reading = open.reading.as_ref()?;
            if open.document().landmarks != Some(reading.landmarks) {
                return None;
            }
            reading
        };
        Some(match side {
            Side::Left => reading.left_interval_degrees,
            Side::Right => reading.right_interval_degrees,
        })
    }

    /// Millimetres a pixel, `[row, column]`.
    pub(crate) fn spacing(&self) -> Option<[f64; 2]> {
        let spacing = self.session.open()?.document().image().spacing?;
        Some([spacing.row_mm, spacing.column_mm])
    }

    /// Area of the mask that will be used: `1 234 px · 179.1 mm²`.
    pub(crate) fn painted_area(&self) -> String {
        let Some(open) = self.session.open() else {
            return "–".to_owned();
        };
        let px = open.mask.painted_px;
        let mm2 = self.spacing().map_or_else(String::new, |[row, column]| {
            let mm2 = px as f64 * row * column;
            if mm2 < 1000.0 {
                format!(" · {mm2:.1} mm²")
            } else {
                format!(" · {} mm²", thousands(mm2.round() as usize))
            }
        });
        format!("{} px{mm2}", thousands(px))
    }

    /// What angles are computed with, `[row, column]`: millimetres, else the shape of a pixel that is not square.
    pub(crate) fn proportions(&self) -> Option<[f64; 2]> {
        self.session.open()?.document().image().proportions()
    }

    /// How far the drawn lines lie from the edges of an image: `3.2 px · 0.5 mm`; absent without a sketch.
    pub(crate) fn hint_distance(&self, made: &Made) -> Option<String> {
        let px = made.hint_distance_px?;
        let mm = self.spacing().map_or_else(String::new, |[row, column]| {
            format!(" · {:.1} mm", px * f64::midpoint(row, column))
        });
        Some(format!("{px:.1} px{mm}"))
    }

    /// What the network warned of, where it found anything.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let made = self.made().filter(|_| !self.session.before);
        let reading = match made.filter(|_| self.makes_hips()) {
            Some(made) => self.found_hips(made),
            None => (self.session.open()).and_then(|open| open.reading.as_ref()),
        };
        reading.map_or_else(Vec::new, |hips| hips.warnings.clone())
    }

    /// Why there is no angle.
    pub(crate) fn no_angle(&self) -> String {
        if self.session.open().is_none() {
            "Open a hip film first".to_owned()
        } else if let Some(made) = self
            .made()
            .filter(|_| !self.session.before && self.makes_hips())
            .filter(|made| self.found_hips(made).is_none())
        {
            let why = match (made.hips.is_some(), self.staged().is_some()) {
                (true, false) => {
                    "The femoral heads and rims are not all to be seen yet: go on drawing"
                }
                (true, true) => {
                    "The femoral heads and rims are not all to be seen here: place them with H"
                }
                (false, false) => "The hip points of this image are still being read",
                (false, true) => "The hip points of this result were not read",
            };
            why.to_owned()
        } else if self.landmarks().is_none() {
            "There are no hip points: find them (Case menu) or place them with H".to_owned()
        } else {
            "Two points lie on each other".to_owned()
        }
    }

    /// Which revision the angles belong to.
    pub(crate) fn reading_note(&self) -> Option<String> {
        if self.session.before || self.staged().is_some() {
            return None;
        }
        let revision = self.session.open()?.revision() + self.session.recipe_revision;
        match self.session.live.behind(revision)? {
            0 => Some("of the live answer".to_owned()),
            1 => Some("of the live answer, shows edit N−1".to_owned()),
            n => Some(format!("of the live answer, shows edit N−{n}")),
        }
    }

    /// Whether anything that is shown is synthetic.
    pub(crate) fn is_synthetic(&self) -> bool {
        let shown = self.made().is_some() && !self.session.before;
        let document = self
            .session
            .open()
            .is_some_and(|open| open.document().is_synthetic());
        shown || document
    }

    /// Why nothing can be generated now.
    pub(crate) fn obstacle(&self) -> Option<String> {
        let session = self.session;
        let why = if session.open().is_none() {
            "Open a case first"
        } else if let Some(error) = &session.engine_error {
            return Some(sentence(&error.what));
        } else if session.recipe.model.is_empty() {
            "No model"
        } else if session.recipe.mode == Mode::Sketch
            && !recipe::has_marks(self, Layer::Sketch)
            && session.asked_hips().is_none()
        {
            "Draw some lines first"
        } else if session.recipe.mode != Mode::Sketch && !recipe::has_marks(self, Layer::Mask) {
            "Paint a region first"
        } else {
            return None;
        };
        Some(why.to_owned())
    }

    /// What live mode is doing.
    pub(crate) fn live_state(&self) -> String {
        let Some(open) = self.session.open() else {
            return String::new();
        };
        let live = &self.session.live;
        let behind = live.behind(open.revision() + self.session.recipe_revision);
        let full = (live.result.as_ref()).is_some_and(|result| result.quality == Quality::Full);
        match (behind, live.in_flight.is_some()) {
            (Some(0), _) if full => "Up to date, full quality".to_owned(),
            (Some(0), true) => "Preview, working on more".to_owned(),
            (Some(0), false) => "Preview".to_owned(),
            (Some(n), _) => format!("Shows edit N−{n}"),
            (None, true) => "Working".to_owned(),
            (None, false) => "Waiting for an edit".to_owned(),
        }
    }
}

/// With a capital first letter.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// The last part of a path.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// `118 ms`, `3.2 s`, `6 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 90.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

/// Why a patch was matched by nothing.
pub(crate) const UNMATCHED: &str =
    "Too few pixels near the mask lie inside the window to compare the patch with";

/// What the patch of a result was matched by; `None` without a seam and where nothing could be compared.
pub(crate) fn matched(made: &Made) -> Option<String> {
    let seam = made.seam?;
    let gain = seam.gain?;
    let offset = seam.offset_text(&made.radiograph);
    let held = if seam.clamped { " (held)" } else { "" };
    Some(format!("{gain:.2}, {offset}{held}"))
}

/// A share above 0 in percent, never rounded to none.
pub(crate) fn share_beyond(share: f64) -> String {
    if share < 0.01 {
        "< 1 %".to_owned()
    } else {
        format!("{:.0} %", share * 100.0)
    }
}

/// Digits in groups of three, with a thin space.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// A DICOM date (PS3.5 6.2, `YYYYMMDD`) as it is read; anything else as it was written, nothing where it is empty.
pub(crate) fn date(written: &str) -> Option<String> {
    let written = written.trim();
    let digits = written.len() == 8 && written.bytes().all(|b| b.is_ascii_digit());
    if digits {
        let (year, rest) = written.split_at(4);
        let (month, day) = rest.split_at(2);
        return Some(format!("{year}-{month}-{day}"));
    }
    (!written.is_empty()).then(|| written.to_owned())
}
