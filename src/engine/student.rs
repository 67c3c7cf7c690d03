//! Few-step students: which one stands in for a model while a person draws.
//!
//! Separate because the choice is made for live previews alone; whatever is kept is asked of the model that was chosen,
//! and a request that names its weights by hash is never changed.

use super::ModelStore;
use crate::job::{Mode, ModelReference, Request};
use crate::network::folder::{ModelFolder, Student, Task};

/// Most steps of a live preview by a student.
pub const LIVE_STEPS: usize = 4;

impl ModelStore {
    /// The request as it is carried out: a preview whose model has a student is asked of the student.
    ///
    /// Steps become the most that the student was distilled for, of those asked for and [`LIVE_STEPS`]; guidance stays
    /// within what the student was taught, and costs no second answer. Where there is none a preview goes unguided:
    /// guidance would double its work.
    pub(super) fn with_student(&self, request: &Request) -> Request {
        let mut request = request.clone();
        // A ControlNet branch belongs to the weights that it was trained on.
        let free = request.control_model.is_none() && request.noise.is_none();
        if !request.preview || !request.model.hash.is_empty() {
            return request;
        }
        let Some((name, student)) = self.student_of(&request).filter(|_| free) else {
            request.guidance = 1.0;
            return request;
        };
        let live = match &request.warm {
            // What is left of the path takes its share of the steps.
            Some(warm) => (warm.t * LIVE_STEPS as f64).round().max(1.0) as usize,
            None => LIVE_STEPS,
        };
        let most = request.steps.min(live);
        let able = student.steps.iter().copied().filter(|steps| *steps <= most);
        request.steps = able.max().unwrap_or(most);
        let [least, most] = student.guidance;
        request.guidance = request.guidance.max(least).min(most);
        request.model.name = name;
        request
    }

    /// Whether previews of a model's images of one kind are made by a student: a single step of another is fog.
    pub fn has_student(&self, model: &str, kind: &str) -> bool {
        let model = ModelReference {
            name: model.to_owned(),
            ..ModelReference::default()
        };
        let mut request = Request::new(Mode::Sketch, model);
        kind.clone_into(&mut request.attributes.kind);
        self.student_of(&request).is_some()
    }

    /// The student of the model that a request names: made for the same autoencoder, and knowing its kind.
    fn student_of(&self, request: &Request) -> Option<(String, Student)> {
        let models = self.models();
        let is_student = |model: &&ModelFolder| {
            model.card.task == Task::Diffusion && model.card.student.is_some()
        };
        let teacher = models.iter().find(|model| {
            model.card.task == Task::Diffusion
                && model.card.student.is_none()
                && (request.model.name.is_empty() || model.card.name == request.model.name)
        })?;
        let knows = |model: &ModelFolder| {
            let names = model.card.names.clone().unwrap_or_default();
            request.attributes.kind.is_empty() || names.kind(&request.attributes.kind).is_some()
        };
        let autoencoder = |model: &ModelFolder| {
            let need = model.card.needs.get(Task::Autoencoder.name());
            need.map(|need| need.hash.clone())
        };
        let taught_by = |model: &ModelFolder| {
            let need = model.card.needs.get(Task::Diffusion.name());
            need.is_none_or(|need| need.hash == teacher.hash())
        };
        let student = models.iter().filter(is_student).find(|model| {
            model.card.native_size == teacher.card.native_size
                && autoencoder(model) == autoencoder(teacher)
                && taught_by(model)
                && knows(model)
        })?;
        Some((student.card.name.clone(), student.card.student.clone()?))
    }
}
