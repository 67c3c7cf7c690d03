//! Few-step students: which one stands in for a model while a person draws.
//!
//! Separate because the choice is made for live previews alone; whatever is kept is asked of the model that was chosen,
//! and a request that names its weights by hash is never changed.

use super::ModelStore;
use crate::job::Request;
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
        let student = free.then(|| {
            student_of(
                &self.models(),
                &request.model.name,
                &request.attributes.kind,
            )
        });
        let Some((name, student)) = student.flatten() else {
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
}

/// The student, with its name, of the model called `name` (empty = the first), for images of a kind (empty = any): made
/// for the same autoencoder, and knowing the kind.
pub fn student_of(models: &[ModelFolder], name: &str, kind: &str) -> Option<(String, Student)> {
    let is_student =
        |model: &&ModelFolder| model.card.task == Task::Diffusion && model.card.student.is_some();
    let teacher = models.iter().find(|model| {
        model.card.task == Task::Diffusion
            && model.card.student.is_none()
            && (name.is_empty() || model.card.name == name)
    })?;
    let knows = |model: &ModelFolder| {
        let names = model.card.names.as_ref();
        kind.is_empty() || names.is_some_and(|names| names.kind(kind).is_some())
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
