//! Exports: what can be written now, under which name, and what is said when it was.
//!
//! Separate because a file leaves the program here: what goes along with it is decided in one place.

use std::path::PathBuf;

use super::ask_where;
use crate::app::App;
use crate::app::action::ExportKind;
use crate::app::files::{self, Exporting, Open};
use crate::app::names::Names;
use crate::app::session::Weight;
use crate::document::Layer;
use crate::job::Task;
use crate::radiograph::write::secret;

/// A file that was written, and what is to be said about it.
pub(crate) struct Exported {
    /// Where.
    pub path: PathBuf,
    /// What was removed and what a person must look at.
    pub said: Vec<String>,
}

/// Why this form cannot be written now; `None` when it can.
pub(crate) fn no_export(kind: ExportKind, open: &Open) -> Option<&'static str> {
    let document = open.document();
    let original = &document.original;
    let refers = original.source.sop_instance.is_some() && original.place.series.is_some();
    let painted = document.marks_of(Layer::Mask).next().is_some() || !document.accepted.is_empty();
    let measured = !document.figures.is_empty() || document.landmarks.is_some();
    match kind {
        ExportKind::Record if document.accepted.is_empty() => Some("Accept a result first"),
        _ if kind.refers() && !refers => {
            Some("Only a DICOM image can be referred to: export it as DICOM and open that")
        }
        ExportKind::Segmentation | ExportKind::Coco if !painted => Some("Paint a mask first"),
        ExportKind::Report if !measured => Some("Measure something first"),
        ExportKind::Csv if !measured && !painted => Some("Measure something first"),
        _ => None,
    }
}

impl App {
    pub(crate) fn export(&mut self, kind: ExportKind) {
        let Some(open) = self.session.open() else {
            return;
        };
        if self.tasks.export.is_some() {
            return;
        }
        if let Some(obstacle) = no_export(kind, open) {
            self.session.say(Weight::Note, obstacle);
            return;
        }
        let nameless = self.settings.export_nameless;
        let document = open.document().clone();
        let of_image = !matches!(
            kind,
            ExportKind::Mask | ExportKind::Coco | ExportKind::Csv | ExportKind::Segmentation
        );
        let mark = if document.is_synthetic() && of_image {
            "-synthetic"
        } else {
            ""
        };
        // The name of a file may be the name of a person.
        let title = if nameless { "radcanvas" } else { &open.title };
        let name = format!("{title}{mark}{}.{}", kind.suffix(), kind.ending());
        let opened = open.path.as_deref().map(crate::app::panel::file_name);
        let what = Exporting {
            document,
            look: self.session.view.look(),
            reading: open.reading.clone(),
            name: opened.unwrap_or_else(|| open.title.clone()),
            blank: nameless && self.session.export_blank,
            without_identity: nameless.then(|| self.salt()),
        };
        self.tasks.export = Some(Task::start("export", self.wake(), move || {
            let Some(path) = ask_where("Export", &name) else {
                return Ok(None);
            };
            let said = files::export(kind, &what, &path)?;
            Ok(Some(Exported { path, said }))
        }));
    }

    /// The secret from which files without identity get their identifiers; the same for the whole session, so that a
    /// report still finds its image.
    fn salt(&mut self) -> Vec<u8> {
        if self.session.salt.is_empty() {
            self.session.salt = secret();
        }
        self.session.salt.clone()
    }

    /// Collects a file that was written.
    pub(crate) fn poll_export(&mut self) {
        let Some(result) = self.tasks.export.as_ref().and_then(Task::poll) else {
            return;
        };
        self.tasks.export = None;
        match result {
            Ok(Some(exported)) => {
                let place = Names::of(&self.session).place(&exported.path);
                let to = if place.is_empty() { "" } else { " to " };
                let text = format!("Exported{to}{place}: read back, nothing differs");
                self.session.say(Weight::Done, text);
                for text in exported.said {
                    self.session.say(Weight::Note, text);
                }
            }
            Ok(None) => {}
            Err(error) => self.session.say(Weight::Wrong, error),
        }
    }
}
