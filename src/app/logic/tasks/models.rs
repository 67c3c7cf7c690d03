//! Models that a person adds: a folder is asked for, checked and made known, beside the window.
//!
//! Separate from files of images: what a model is, only `main` knows.

use crate::app::App;
use crate::app::session::{ModelChoice, Weight};
use crate::job::{LoraUse, Task};

/// The models there are after a folder was added, and its name; absent when the dialog was closed.
pub(crate) type Added = Option<(Vec<ModelChoice>, String)>;

impl App {
    /// Asks for a folder, or for the file of a `LoRA`, and adds it; nothing without a way to add one.
    pub(crate) fn add_model(&mut self, lora: bool) {
        let Some(add) = self.add_model.clone() else {
            return;
        };
        if self.tasks.model.is_some() {
            return;
        }
        self.tasks.model = Some(Task::start("add model", self.wake(), move || {
            let dialog = rfd::FileDialog::new();
            let picked = if lora {
                dialog
                    .set_title("Add a LoRA file")
                    .add_filter("LoRA (safetensors)", &["safetensors"])
                    .pick_file()
            } else {
                dialog
                    .set_title("Add a model folder (diffusers layout)")
                    .pick_folder()
            };
            picked.map(|folder| add.call(&folder)).transpose()
        }));
    }

    /// Takes the models over once they were found.
    pub(crate) fn poll_added_model(&mut self) {
        let Some(result) = self.tasks.model.as_ref().and_then(Task::poll) else {
            return;
        };
        self.tasks.model = None;
        match result {
            Ok(Some((models, name))) => {
                self.models = models;
                if let Some(model) = self.models.iter().find(|model| model.name == name) {
                    self.session.recipe.choose(model);
                    self.session.recipe_revision += 1;
                } else if self.models.iter().any(|model| model.loras.contains(&name))
                    && let Some(asked) = &mut self.session.recipe.prompted
                {
                    asked.loras.push(LoraUse::new(name.clone()));
                    self.session.recipe_revision += 1;
                }
                self.session.say(Weight::Done, format!("{name} was added"));
            }
            Ok(None) => {}
            Err(error) => self.session.say(Weight::Wrong, error),
        }
    }
}
