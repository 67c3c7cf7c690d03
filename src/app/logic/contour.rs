//! The contour of what is denoised, worked out beside the window whenever mask, ring or model change.
//!
//! Separate because it takes time on a large film, and because only the program knows the models it is asked of.

use std::sync::Arc;

use crate::app::App;
use crate::document::Layer;
use crate::geometry::Point;
use crate::job::{Mode, Task};

/// What the contour was made from.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    image: usize,
    mask: u64,
    mode: Mode,
    ring_px: f64,
    model: String,
}

/// The contour that is shown and the one that is being made.
#[derive(Default)]
pub struct Contour {
    /// Its edges, image pixels.
    pub edges: Vec<[Point; 2]>,
    key: Option<Key>,
    task: Option<Task<Vec<[Point; 2]>>>,
}

impl App {
    /// Keeps the contour that of the mask as it is.
    pub(super) fn follow_contour(&mut self) {
        let done = self.session.contour.task.as_ref().and_then(Task::poll);
        if let Some(done) = done {
            self.session.contour.task = None;
            // Without a contour the others stand.
            self.session.contour.edges = done.unwrap_or_default();
        }
        let recipe = &self.session.recipe;
        let open = (self.session.open()).filter(|open| {
            let painted = open.document().marks_of(Layer::Mask).next().is_some();
            painted && recipe.mode != Mode::Sketch && recipe.prompted.is_none()
        });
        let (Some(open), Some(denoised)) = (open, self.denoised.clone()) else {
            self.session.contour = Contour::default();
            return;
        };
        let key = Key {
            image: Arc::as_ptr(open.document().image()) as usize,
            mask: open.mask.overlay.generation,
            mode: recipe.mode,
            ring_px: recipe.ring_px,
            model: recipe.model.clone(),
        };
        let contour = &self.session.contour;
        // One at a time: what changed meanwhile is seen to when it is done.
        if contour.key.as_ref() == Some(&key) || contour.task.is_some() {
            return;
        }
        let is_same = (contour.key.as_ref()).is_some_and(|known| known.image == key.image);
        // Of what is drawn the mask alone counts, and it is copied beside the window.
        let mut request = recipe.request();
        request.source = Some(Arc::clone(open.document().image()));
        let mask = Arc::clone(&open.mask.overlay.grid);
        let work = move || {
            request.mask = Some((*mask).clone());
            Ok(denoised.of(&request).unwrap_or_default())
        };
        let task = Task::start("contour", self.wake(), work);
        let contour = &mut self.session.contour;
        if !is_same {
            contour.edges.clear();
        }
        contour.key = Some(key);
        contour.task = Some(task);
    }
}
