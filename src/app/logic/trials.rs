//! Trying things with a result: more like it, its settings again; a larger canvas; the kind of a film that says none.
//!
//! Separate from accepting and rejecting because nothing here decides anything for good.

use std::sync::Arc;

use crate::app::App;
use crate::app::session::{Purpose, Recipe, ResultId, Stage, Weight};
use crate::document::mask::bounds;
use crate::document::{Edit, Layer, Mark, Operation, Shape};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::job::record::Record;
use crate::job::{Measurement, Mode, Order, Request};
use crate::noise::Noise;
use crate::radiograph::Margins;

/// Modalities (PS3.3 C.7.3.1.1.1) of images that the reader may know; none is said by files that are no DICOM.
const READABLE: [&str; 9] = ["", "CR", "CT", "DX", "MG", "MR", "OT", "PX", "RG"];

/// A guess below this is shown, but nothing is chosen by it.
const LIKELY: f64 = 0.5;

impl App {
    fn chosen(&mut self, id: Option<ResultId>) -> Option<ResultId> {
        let chosen = id.or(self.session.shown);
        if chosen.is_none() {
            let text = "Choose a result in the tray first";
            self.session.say(Weight::Note, text);
        }
        chosen
    }

    /// Makes more images like a result, from other seeds and with everything else as it was.
    pub(super) fn variations(&mut self, id: Option<ResultId>) {
        let Some(item) = self.chosen(id).and_then(|id| self.session.tray.find(id)) else {
            return;
        };
        let mut request = (*item.request).clone();
        let highest = self
            .session
            .tray
            .items
            .iter()
            .map(|other| other.request.seed)
            .fold(request.seed, u64::max);
        request.seed = u64::from(Noise::new(highest, 2).bits());
        request.first_image = 0;
        request.count = self.session.recipe.count.max(2);
        request.noise = None;
        request.warm = None;
        let title = format!("{} more like seed {}", request.count, item.request.seed);
        self.queue(Order::Generate(request), title, Purpose::Generate);
    }

    /// Takes the settings of a result over, and what was drawn and painted for it; with none chosen, those of the result
    /// that was accepted last.
    pub(super) fn take_settings(&mut self, id: Option<ResultId>) {
        let chosen = id.or(self.session.shown);
        let item = chosen.and_then(|id| self.session.tray.find(id));
        let found = match item {
            Some(item) => Some((Arc::clone(&item.request), item.made.image_number)),
            None => self.accepted_request(),
        };
        let Some((request, number)) = found else {
            let text = "Choose a result in the tray first, or accept one";
            self.session.say(Weight::Note, text);
            return;
        };
        self.session.recipe = Recipe::of(&request, number);
        self.session.recipe_revision += 1;
        let lines = self.put_back(Layer::Sketch, request.hint.as_ref());
        let mask = match request.mode {
            Mode::Sketch => true,
            _ => self.put_back(Layer::Mask, request.mask.as_ref()),
        };
        let placed = self.session.open().map(|open| open.document().landmarks);
        if request.landmarks.is_some() && placed.is_some_and(|placed| placed != request.landmarks) {
            self.edit(Edit::SetLandmarks(request.landmarks), false);
        }
        let (weight, text) = match (lines, mask) {
            (true, true) if request.mode == Mode::Sketch => (
                Weight::Done,
                "The settings and lines of this result are yours again",
            ),
            (true, true) => (
                Weight::Done,
                "The settings, lines and mask of this result are yours again",
            ),
            (true, false) => (
                Weight::Note,
                "The settings and lines of this result are yours again, its mask is not: it is of another size than the canvas",
            ),
            (false, true) => (
                Weight::Note,
                "The settings of this result are yours again, its lines are not: they are of another size than the canvas",
            ),
            (false, false) => (
                Weight::Note,
                "Only the settings of this result are yours again: its lines and mask are of another size than the canvas",
            ),
        };
        self.session.say(weight, text);
    }

    /// What the last accepted result was asked with, from its record, and its number; a canvas that grew has none.
    fn accepted_request(&self) -> Option<(Arc<Request>, u64)> {
        let accepted = &self.session.open()?.document().accepted;
        accepted.iter().rev().find_map(|accepted| {
            let record = serde_json::from_value::<Record>(accepted.record.clone());
            let request = record.ok()?.request;
            let number = request.first_image;
            Some((Arc::new(request), number))
        })
    }

    /// Brings a layer to what it was for a request; pixels that were lines before are a region now.
    ///
    /// `false` when it was of another size and the layer is left as it is.
    fn put_back(&mut self, layer: Layer, wanted: Option<&Grid<u8>>) -> bool {
        let Some(open) = self.session.open() else {
            return false;
        };
        let pixels = match layer {
            Layer::Sketch => &open.sketch,
            Layer::Mask => &open.mask,
        };
        let now = &pixels.overlay.grid;
        let any = open.document().marks_of(layer).next().is_some();
        let same = match wanted {
            Some(wanted) => wanted == &**now,
            None => !any,
        };
        let fits = wanted.is_none_or(|wanted| wanted.size() == now.size());
        if same || !fits {
            return fits;
        }
        self.edit(Edit::ClearLayer(layer), false);
        let region = wanted.and_then(|wanted| Some((bounds(wanted)?, wanted)));
        if let Some((bounds, wanted)) = region {
            let mark = Mark {
                layer,
                operation: Operation::Paint,
                shape: Shape::Region {
                    bounds,
                    inside: wanted.crop(bounds, 0),
                },
            };
            self.edit(Edit::AddMark(Arc::new(mark)), false);
        }
        true
    }

    /// Gives the canvas room at its edges and has it filled.
    pub(super) fn extend(&mut self, margins: Margins) {
        let Some(before) = self.session.open().map(|open| open.document().clone()) else {
            return;
        };
        self.edit(Edit::Extend(margins), false);
        let Stage::Open(open) = &mut self.session.stage else {
            return;
        };
        if open.document().accepted.len() == before.accepted.len() {
            return;
        }
        // The network's points moved with the film: their intervals still hold.
        if let (Some(reading), Some(landmarks)) =
            (&mut open.reading, open.work.history().document().landmarks)
            && before.landmarks == Some(reading.landmarks)
        {
            reading.landmarks = landmarks;
        }
        let session = &mut self.session;
        session.view.center =
            session.view.center + Point::new(margins.left as f64, margins.top as f64);
        session.shown = None;
        session.live.new_document();
        session.recipe.mode = Mode::Inpaint;
        session.recipe_revision += 1;
        if self.shown().obstacle().is_none() {
            self.generate();
        }
    }

    /// Asks the reader what kind of image this is, where the file does not say.
    pub(super) fn guess_kind(&mut self) {
        let recipe = &self.session.recipe;
        let chosen = (recipe.model.clone(), recipe.kind.clone());
        let Stage::Open(open) = &mut self.session.stage else {
            return;
        };
        // The reader knows projections and slices through heads: of an ultrasound it can only be wrong.
        let modality = open.document().image().modality.as_str();
        if !READABLE.contains(&modality) {
            return;
        }
        open.chosen_before = chosen;
        let order = Order::Measure(Measurement::Kind {
            radiograph: Arc::clone(open.document().image()),
            window: None,
        });
        self.queue(order, "What kind of image is this?", Purpose::Kind);
    }

    /// Takes the reader's guess in: it chooses a model only where the person has not.
    pub(super) fn guessed(&mut self, kinds: Vec<(String, f64)>) {
        let Some((kind, share)) = kinds.into_iter().next() else {
            return;
        };
        let Stage::Open(open) = &mut self.session.stage else {
            return;
        };
        let recipe = &mut self.session.recipe;
        if (&recipe.model, &recipe.kind) != (&open.chosen_before.0, &open.chosen_before.1) {
            open.kind.clone_from(&recipe.kind);
            return;
        }
        open.guess = Some((kind.clone(), share));
        let known = self.models.iter().find(|model| model.kind == kind);
        if let Some(model) = known.filter(|_| share >= LIKELY)
            && recipe.kind != kind
        {
            recipe.choose(model);
            self.session.recipe_revision += 1;
        }
    }

    /// The guess is right: from now on it is the film's kind.
    pub(super) fn confirm_kind(&mut self) {
        let Stage::Open(open) = &mut self.session.stage else {
            return;
        };
        let Some((kind, _)) = open.guess.take() else {
            return;
        };
        open.kind.clone_from(&kind);
        if kind == "hip" && open.document().landmarks.is_none() {
            self.find_hips();
        }
    }

    /// Forgets a guess that the person overruled by choosing another kind.
    pub(super) fn weigh_guess(&mut self) {
        let chosen = self.session.recipe.kind.clone();
        if let Stage::Open(open) = &mut self.session.stage
            && open
                .guess
                .as_ref()
                .is_some_and(|(kind, share)| *share >= LIKELY && *kind != chosen)
        {
            open.guess = None;
            open.kind = chosen;
        }
    }
}
