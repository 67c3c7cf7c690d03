//! What is remembered between two starts: theme, keys, recent files, layout.
//!
//! Separate because it outlives documents and sessions and must survive bad data: an unknown version or a broken value
//! warns and falls back to the defaults. The file is written whole or not at all; eframe's storage, which is not, keeps
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::action::Theme;
use super::frame::WindowFrame;
use super::recent::{Glimpse, Recent};
use crate::job::{Error, ErrorKind};
use crate::whole;

/// Version of the written form; another one is not read.
const VERSION: u32 = 1;
/// How many recent files are kept.
const RECENT: usize = 8;

/// What is remembered between two starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of the window, each named"
)]
pub struct Settings {
    /// Version of the written form.
    pub version: u32,
    /// Light or dark.
    pub theme: Theme,
    /// Files opened last, newest first.
    pub recent: Vec<Recent>,
    /// Shortcuts that differ from the defaults, by command.
    pub keys: BTreeMap<String, String>,
    /// First-start hints that were put away.
    pub dismissed: BTreeSet<String>,
    /// Whether identity is hidden at the start; true unless somebody chose otherwise.
    pub hide_identity: bool,
    /// Whether all overlay planes but regions of interest are hidden with identity.
    pub planes_with_identity: bool,
    /// Whether exports leave identity behind.
    pub export_nameless: bool,
    /// Whether the series that are open are listed.
    pub series_list: bool,
    /// Left button windows instead of drawing.
    pub pacs_buttons: bool,
    /// Width of the sketch pen, image pixels.
    pub pen_px: f64,
    /// Width of the mask brush, image pixels.
    pub brush_px: f64,
    /// How large the window opens.
    pub window: WindowFrame,
    /// Layout of the Draw workspace, as `egui_tiles` wrote it.
    pub layout: Option<serde_json::Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            theme: Theme::Dark,
            recent: Vec::new(),
            keys: BTreeMap::new(),
            dismissed: BTreeSet::new(),
            hide_identity: true,
            planes_with_identity: false,
            export_nameless: false,
            series_list: true,
            pacs_buttons: false,
            pen_px: 3.0,
            brush_px: 24.0,
            window: WindowFrame::default(),
            layout: None,
        }
    }
}

impl Settings {
    /// Reads what was written; the second value is a warning for a person when it had to fall back.
    pub fn load(file: Option<&Path>) -> (Self, Option<String>) {
        let Some(file) = file.filter(|file| file.exists()) else {
            return (Self::default(), None);
        };
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text),
            Err(error) => {
                let what = format!("Settings could not be read ({error}): {}", file.display());
                (Self::default(), Some(what))
            }
        }
    }

    /// Reads the written form.
    pub fn parse(text: &str) -> (Self, Option<String>) {
        let fall_back = |why: String| {
            let warning =
                format!("Settings could not be read and are back at their defaults: {why}");
            (Self::default(), Some(warning))
        };
        // A list of values would be taken for the fields in order: only an object is ours.
        let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        match object.and_then(|map| serde_json::from_value::<Self>(map.into())) {
            Err(error) => fall_back(error.to_string()),
            Ok(settings) if settings.version != VERSION => fall_back(format!(
                "they are of version {}, this program writes version {VERSION}",
                settings.version
            )),
            Ok(settings) => (settings.checked(), None),
        }
    }

    /// Values that cannot be used back at their defaults.
    fn checked(mut self) -> Self {
        let usable = |px: f64| px.is_finite() && (0.5..=1000.0).contains(&px);
        let default = Self::default();
        if !usable(self.pen_px) {
            self.pen_px = default.pen_px;
        }
        if !usable(self.brush_px) {
            self.brush_px = default.brush_px;
        }
        self.recent.truncate(RECENT);
        self.window = self.window.checked();
        self
    }

    /// Writes the settings; on an error those that were written before are still there.
    pub fn save(&self, file: &Path) -> Result<(), Error> {
        let failed = |what: String| {
            Error::new(
                ErrorKind::Failed,
                format!("the settings were not saved ({what})"),
            )
            .at(file)
            .remedy("make room, or check the rights of the folder")
        };
        let text = serde_json::to_vec(self).map_err(|error| failed(error.to_string()))?;
        whole::make_folder_of(file)
            .and_then(|()| whole::write(file, &text, true))
            .map_err(|error| failed(error.to_string()))
    }

    /// Puts a file at the top of the recent ones, with what was seen of it.
    pub fn remember(&mut self, path: PathBuf, seen: Option<Glimpse>) {
        self.recent.retain(|known| known.path != path);
        self.recent.insert(0, Recent::now(path, seen));
        self.recent.truncate(RECENT);
    }
}
