//! `radcanvas`: without a subcommand the window, with one the same work headless.
//!
//! The only place that joins the window and the models.

use std::process::ExitCode;

use radcanvas::command::{self, WindowOptions};
use radcanvas::job::Error;

/// Candle's own pool spins between operations unless told otherwise: on two cores that takes the window's time.
const SPIN_LIMIT: &str = "CANDLE_BARRIER_POOL_SPIN_LIMIT";

fn main() -> ExitCode {
    if std::env::var_os(SPIN_LIMIT).is_none() {
        #[expect(unsafe_code, reason = "the pool reads nothing but this variable")]
        // SAFETY: this is the first statement of the program; no other thread exists that could read the environment.
        unsafe {
            std::env::set_var(SPIN_LIMIT, "0");
        }
    }
    let window = command::bench::WindowFigures {
        canvas: canvas_figures,
        live: live_figures,
    };
    command::run(open_window, window)
}

#[cfg(not(feature = "window"))]
fn open_window(_options: WindowOptions) -> Result<(), Error> {
    use radcanvas::job::ErrorKind;
    Err(Error::new(ErrorKind::Usage, "this build has no window")
        .remedy("give a command; --help lists them"))
}

#[cfg(not(feature = "window"))]
fn canvas_figures() -> Result<Vec<command::bench::Figure>, Error> {
    open_window(WindowOptions::default()).map(|()| Vec::new())
}

#[cfg(not(feature = "window"))]
#[expect(clippy::unnecessary_wraps, reason = "a build with a window may fail")]
fn live_figures(_on: &command::bench::WindowLive) -> Result<Vec<command::bench::Figure>, Error> {
    Ok(Vec::new())
}

#[cfg(feature = "window")]
#[expect(clippy::unnecessary_wraps, reason = "a build without a window refuses")]
fn canvas_figures() -> Result<Vec<command::bench::Figure>, Error> {
    let figures = radcanvas::app::canvas::bench::figures();
    Ok(figures.into_iter().map(as_listed).collect())
}

#[cfg(feature = "window")]
fn as_listed(figure: radcanvas::app::canvas::bench::Figure) -> command::bench::Figure {
    command::bench::Figure {
        name: figure.name,
        value: figure.value,
        unit: figure.unit.to_owned(),
        most: figure.most,
    }
}

#[cfg(feature = "window")]
fn live_figures(on: &command::bench::WindowLive) -> Result<Vec<command::bench::Figure>, Error> {
    use std::sync::{Arc, Mutex};

    use radcanvas::app::{self, Start};
    use radcanvas::engine::{LocalEngine, ModelStore};
    use radcanvas::job::Engine;

    let store = Arc::new(Mutex::new(ModelStore::new(on.folders.clone(), on.device)));
    let start = Start {
        files: vec![on.film.clone()],
        models: choices(&store),
        ..Start::default()
    };
    let figures = app::bench::figures(start, on.repeat, move || {
        Ok(Box::new(LocalEngine::new(Arc::clone(&store))) as Box<dyn Engine>)
    })?;
    Ok(figures.into_iter().map(as_listed).collect())
}

#[cfg(feature = "window")]
fn open_window(options: WindowOptions) -> Result<(), Error> {
    use std::sync::{Arc, Mutex};

    use radcanvas::app::{self, Start};
    use radcanvas::engine::{LocalEngine, ModelStore};
    use radcanvas::job::Engine;

    let store = Arc::new(Mutex::new(ModelStore::new(
        radcanvas::bundle::model_folders(),
        options.device,
    )));
    let start = Start {
        files: options.files,
        demo: options.demo,
        models: choices(&store),
        add_model: {
            let store = Arc::clone(&store);
            Some(app::AddModel::new(move |folder| add_model(&store, folder)))
        },
        denoised: {
            let store = Arc::clone(&store);
            Some(app::Denoised::new(move |request| denoised(&store, request)))
        },
        cases: radcanvas::bundle::assets().map(|assets| assets.join("cases")),
        device: String::new(),
        keep: radcanvas::bundle::own_folder().map(|own| own.join("unsaved")),
        settings: radcanvas::bundle::own_folder().map(|own| own.join("settings.json")),
        nodes: radcanvas::transfer::Nodes::place(),
    };
    app::run(start, move || {
        Ok(Box::new(LocalEngine::new(Arc::clone(&store))) as Box<dyn Engine>)
    })
}

/// The edges of what is denoised, by the size of the model that a request names; `None` for models that read text.
#[cfg(feature = "window")]
fn denoised(
    store: &std::sync::Mutex<radcanvas::engine::ModelStore>,
    request: &radcanvas::job::Request,
) -> Option<Vec<[radcanvas::geometry::Point; 2]>> {
    use radcanvas::network::folder::Task;

    let models = store
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .models();
    let is_asked = |model: &&radcanvas::network::folder::ModelFolder| {
        model.card.task == Task::Diffusion && model.card.name == request.model.name
    };
    let model = models.iter().find(is_asked)?;
    radcanvas::synthesis::denoised(request, model.card.native_size[0])
}

/// Each kind of image that a diffusion model makes is a choice of its own.
#[cfg(feature = "window")]
fn choices(
    store: &std::sync::Mutex<radcanvas::engine::ModelStore>,
) -> Vec<radcanvas::app::session::ModelChoice> {
    use radcanvas::app::session::ModelChoice;
    use radcanvas::network::folder::{ModelFolder, Task};

    let models = store
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .models();
    let mut choices = Vec::new();
    let chosen = |m: &&ModelFolder| m.card.task == Task::Diffusion && m.card.student.is_none();
    for model in models.iter().filter(chosen) {
        let card = &model.card;
        let names = card.names.clone().unwrap_or_default();
        let made_for = |other: &&ModelFolder| {
            let need = other.card.needs.get(Task::Diffusion.name());
            other.card.task == Task::Control && need.is_some_and(|n| n.hash == model.hash())
        };
        let controls: Vec<String> = models
            .iter()
            .filter(made_for)
            .map(|other| other.card.name.clone())
            .collect();
        let kinds = if names.kinds.is_empty() {
            vec![String::new()]
        } else {
            names.kinds.clone()
        };
        for kind in kinds {
            let title = if kind.is_empty() {
                card.name.clone()
            } else {
                format!("{} · {kind}", card.name)
            };
            choices.push(ModelChoice {
                name: card.name.clone(),
                title,
                findings: findings(&names.findings, &kind),
                // A single step of a model that was never distilled is fog.
                quick: radcanvas::engine::student_of(&models, &card.name, &kind).is_some(),
                kind,
                steps: 0,
                controls: controls.clone(),
                loras: Vec::new(),
                reads_text: false,
            });
        }
    }
    choices.extend(text_choices(store));
    choices
}

/// Models of the diffusers layout; each is offered all the ControlNets and LoRA files there are, and says so when one
/// does not fit.
#[cfg(feature = "window")]
fn text_choices(
    store: &std::sync::Mutex<radcanvas::engine::ModelStore>,
) -> Vec<radcanvas::app::session::ModelChoice> {
    use radcanvas::app::session::ModelChoice;
    use radcanvas::network::peer::pipeline::PeerTask;

    let peers = store
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .peers();
    let named = |task: PeerTask| {
        let own = peers.iter().filter(move |peer| peer.task == task);
        own.map(|peer| peer.name.clone())
    };
    let controls: Vec<String> = named(PeerTask::Control).collect();
    let loras: Vec<String> = named(PeerTask::Lora).collect();
    named(PeerTask::Pipeline)
        .map(|name| ModelChoice {
            title: format!("{name} · text"),
            name,
            steps: 20,
            controls: controls.clone(),
            loras: loras.clone(),
            reads_text: true,
            ..ModelChoice::default()
        })
        .collect()
}

/// Checks a folder of the diffusers layout and makes it known; all choices then, and its name.
#[cfg(feature = "window")]
fn add_model(
    store: &std::sync::Mutex<radcanvas::engine::ModelStore>,
    folder: &std::path::Path,
) -> Result<(Vec<radcanvas::app::session::ModelChoice>, String), Error> {
    use radcanvas::job::ErrorKind;

    let models = radcanvas::bundle::own_folder()
        .map(|own| own.join("models"))
        .ok_or_else(|| Error::new(ErrorKind::Failed, "this system names no folder for data"))?;
    let added = radcanvas::synthesis::prompted::add(folder, &models)?;
    store
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .look_in(models);
    Ok((choices(store), added.name))
}

/// The findings of a model that make sense in images of a kind.
#[cfg(feature = "window")]
fn findings(known: &[String], kind: &str) -> Vec<String> {
    match radcanvas::phantom::findings_of(kind) {
        Some(wanted) => wanted
            .iter()
            .filter(|name| known.iter().any(|known| known == *name))
            .map(|name| (*name).to_owned())
            .collect(),
        None => known.to_vec(),
    }
}
