//! The window with a model that reads text: its rows are there, and what is typed reaches the request.

use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use radcanvas::app::Start;
use radcanvas::app::session::ModelChoice;

use super::app::{film, until, window};

fn choice(name: &str, reads_text: bool) -> ModelChoice {
    ModelChoice {
        name: name.to_owned(),
        title: name.to_owned(),
        steps: if reads_text { 20 } else { 3 },
        controls: vec!["scribble".to_owned()],
        loras: vec!["films".to_owned()],
        reads_text,
        ..ModelChoice::default()
    }
}

#[test]
fn prompts_reach_the_request() {
    let folder = tempfile::tempdir().unwrap();
    let start = Start {
        files: vec![film(folder.path())],
        models: vec![choice("tiny", true), choice("own", false)],
        ..Start::default()
    };
    let mut harness = window(start);
    until(&mut harness, "open", |app| app.session().open().is_some());
    let recipe = &harness.state().session().recipe;
    assert_eq!((recipe.steps, recipe.guidance), (20, 7.5));
    assert!(harness.query_by_label("Age").is_none());
    for (name, text) in [("Prompt", "a hip film"), ("Negative prompt", "text")] {
        let field = harness.get_by_role_and_label(Role::MultilineTextInput, name);
        field.focus();
        harness.run_steps(2);
        let field = harness.get_by_role_and_label(Role::MultilineTextInput, name);
        field.type_text(text);
        harness.run_steps(2);
    }
    let request = harness.state().session().recipe.request();
    let asked = request.prompted.unwrap();
    assert_eq!(
        (asked.prompt.as_str(), asked.negative.as_str()),
        ("a hip film", "text")
    );
    // A LoRA file is chosen and its weight reaches the request; a model that has none drops it.
    let row = harness.get_by_role_and_label(Role::ComboBox, "LoRA");
    row.click();
    harness.run_steps(3);
    harness.get_by_label("films").click();
    harness.run_steps(3);
    let request = harness.state().session().recipe.request();
    let loras = request.prompted.unwrap().loras;
    assert_eq!(
        (loras[0].model.name.as_str(), loras[0].weight),
        ("films", 1.0)
    );
    let mut recipe = harness.state().session().recipe.clone();
    recipe.choose(&ModelChoice {
        loras: Vec::new(),
        ..choice("other", true)
    });
    assert!(recipe.prompted.unwrap().loras.is_empty());
    // A model of the project's own is not asked with prompts.
    let mut recipe = harness.state().session().recipe.clone();
    recipe.choose(&choice("own", false));
    assert_eq!((recipe.request().prompted, recipe.guidance), (None, 1.5));
}
