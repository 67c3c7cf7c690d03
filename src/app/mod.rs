//! Everything with a screen.
//!
//! [`run`] opens the window. Panels are functions of borrowed state that push [`action::Action`]s; `logic` carries
//! them out and is the only place that changes a document; the worker is spoken to through [`crate::job`].

pub mod action;
pub mod bench;
pub mod canvas;
pub mod demo;
pub mod files;
pub mod frame;
pub mod keys;
pub mod layers;
pub mod live;
mod logic;
mod names;
pub mod nodes;
mod panel;
pub mod recent;
pub mod session;
pub mod settings;
mod stage;
mod start;
pub mod theme;

use std::path::PathBuf;

use eframe::egui_wgpu::RenderState;

use self::action::{Action, Theme};
use self::demo::Demo;
use self::files::CaseCard;
use self::frame::SizeWatch;
use self::keys::Keys;
use self::logic::tasks::Tasks;
use self::panel::Shown;
use self::session::{ModelChoice, Session, Stage, Workspace};
use self::settings::Settings;
use self::stage::StageView;
pub use self::start::{AddModel, Denoised, Start};
use crate::job::{Engine, Error, ErrorKind, Task, Worker};
use crate::landmarks::{HipPoint, Side};
use crate::radiograph::Picture;

/// The window's state between frames.
pub struct App {
    pub(crate) ctx: egui::Context,
    pub(crate) session: Session,
    pub(crate) settings: Settings,
    /// Where they are kept, and what stands there.
    pub(crate) settings_file: Option<(PathBuf, Settings)>,
    pub(crate) keys: Keys,
    pub(crate) worker: Worker,
    pub(crate) models: Vec<ModelChoice>,
    pub(crate) add_model: Option<AddModel>,
    pub(crate) denoised: Option<Denoised>,
    pub(crate) cases: Vec<CaseCard>,
    pub(crate) device: String,
    pub(crate) demo: Option<Demo>,
    pub(crate) tasks: Tasks,
    pub(crate) stage: StageView,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) size: SizeWatch,
    /// Tab was pressed where it means before and after, not the next control.
    pub(crate) tab_pressed: bool,
    /// The hip point that is being dragged: its moves are one step.
    pub(crate) dragging: Option<(Side, HipPoint)>,
}

/// Opens the window and stays until it is closed; `build` makes the engine on the worker's thread.
pub fn run(
    start: Start,
    build: impl Fn() -> Result<Box<dyn Engine>, Error> + Send + 'static,
) -> Result<(), Error> {
    let file = start.settings.as_deref().filter(|_| !start.demo);
    let opens = Settings::load(file).0.window;
    let viewport = egui::ViewportBuilder::default()
        .with_title("Radcanvas")
        .with_app_id("radcanvas")
        .with_inner_size(opens.size)
        .with_maximized(opens.maximized)
        .with_min_inner_size(frame::LEAST)
        .with_drag_and_drop(true)
        .with_fullscreen(start.demo);
    let options = eframe::NativeOptions {
        viewport,
        // It would keep points of whatever zoom and screen it was last on; see `frame`.
        persist_window: false,
        system_font_fallback: false,
        ..eframe::NativeOptions::default()
    };
    let make = move |cc: &eframe::CreationContext<'_>| {
        let ctx = cc.egui_ctx.clone();
        let wake = Box::new(move || ctx.request_repaint());
        let worker = Worker::start(build, wake, None)?;
        let app = App::new(&cc.egui_ctx, start, worker, cc.wgpu_render_state.as_ref());
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    eframe::run_native("Radcanvas", options, Box::new(make)).map_err(|error| {
        Error::new(
            ErrorKind::Failed,
            format!("the window could not be opened ({error})"),
        )
        .remedy("a display and a Vulkan, Metal, DirectX or OpenGL driver are needed; every command works without")
    })
}

/// A picture on the GPU.
pub(crate) fn texture(ctx: &egui::Context, picture: &Picture) -> egui::TextureHandle {
    let size = [picture.width(), picture.height()];
    let image = match picture {
        Picture::Grey(_) => egui::ColorImage::from_gray(size, picture.bytes()),
        Picture::Color(_) => egui::ColorImage::from_rgb(size, picture.bytes()),
    };
    ctx.load_texture("picture", image, egui::TextureOptions::LINEAR)
}

impl App {
    /// The window's state at the start; without a render state canvases show no pixels (tests without a GPU).
    pub fn new(
        ctx: &egui::Context,
        start: Start,
        worker: Worker,
        render: Option<&RenderState>,
    ) -> Self {
        theme::install(ctx);
        if let Some(render) = render {
            canvas::install(render);
        }
        let (settings, warning) = if start.demo {
            (Settings::default(), None)
        } else {
            Settings::load(start.settings.as_deref())
        };
        ctx.set_theme(match settings.theme {
            Theme::Dark => egui::Theme::Dark,
            Theme::Light => egui::Theme::Light,
        });
        let mut app = Self {
            ctx: ctx.clone(),
            session: Session::new(&settings, &start.models),
            keys: Keys::new(&settings.keys),
            stage: StageView::new(settings.layout.as_ref()),
            settings_file: start
                .settings
                .filter(|_| !start.demo)
                .map(|file| (file, settings.clone())),
            settings,
            worker,
            models: start.models,
            add_model: start.add_model,
            denoised: start.denoised,
            cases: Vec::new(),
            device: start.device,
            demo: start.demo.then(Demo::new),
            tasks: Tasks::default(),
            keep: start.keep.filter(|_| !start.demo),
            size: SizeWatch::default(),
            tab_pressed: false,
            dragging: None,
        };
        app.session.nodes.place = start.nodes;
        app.session.full_screen = app.demo.is_some();
        if let Some(warning) = warning {
            app.session.say(session::Weight::Wrong, warning);
        }
        if let Some(root) = start.cases {
            let work = move || Ok(files::cards(&root));
            app.tasks.cards = Some(Task::start("cases", app.wake(), work));
        }
        app.look_for_unsaved();
        if !start.files.is_empty() {
            app.carry_out(ctx, Action::OpenAll(start.files));
        }
        app
    }

    /// The session, for tests.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The settings, for tests.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Carries an action out as if a person had asked for it, for tests.
    pub fn act(&mut self, action: Action) {
        let ctx = self.ctx.clone();
        self.carry_out(&ctx, action);
    }

    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown {
            session: &self.session,
            settings: &self.settings,
            keys: &self.keys,
            models: &self.models,
            cases: &self.cases,
            device: &self.device,
            demo: self.demo.is_some(),
        }
    }

    /// Keys and dropped files.
    fn take_input(&mut self, ctx: &egui::Context) -> Vec<Action> {
        let typing = ctx.text_edit_focused();
        let mut actions = if matches!(
            self.session.overlay,
            session::Overlay::Keys(Some(_)) | session::Overlay::Contested(..)
        ) {
            Vec::new()
        } else {
            self.keys.take(ctx, typing)
        };
        if std::mem::take(&mut self.tab_pressed) {
            actions.push(Action::BeforeAfter);
        }
        let mut dropped: Vec<_> = ctx.input(|input| {
            let files = input.raw.dropped_files.iter();
            files.map(|file| file.path().to_owned()).collect()
        });
        if !dropped.is_empty() && self.demo.is_some() {
            self.decline_drop();
        } else if dropped.len() > 1 {
            actions.push(Action::OpenAll(dropped));
        } else {
            actions.extend(dropped.pop().map(Action::Dropped));
        }
        actions
    }

    fn window_ui(&mut self, ui: &mut egui::Ui, actions: &mut Vec<Action>) {
        let p = theme::palette(ui.visuals());
        let bar = egui::Frame::new()
            .fill(p.panel)
            .inner_margin(egui::Margin::symmetric(6, 0));
        let stage = &mut self.stage;
        // The view is lent to the canvases while everything else is only looked at.
        let mut view = std::mem::take(&mut self.session.view);
        let mut views = std::mem::take(&mut self.session.beside.views);
        let shown = Shown {
            session: &self.session,
            settings: &self.settings,
            keys: &self.keys,
            models: &self.models,
            cases: &self.cases,
            device: &self.device,
            demo: self.demo.is_some(),
        };
        egui::Panel::top("menu")
            .frame(bar)
            .exact_size(40.0)
            .show(ui, |ui| panel::menu::bar_ui(ui, &shown, actions));
        egui::Panel::bottom("status")
            .frame(bar)
            .exact_size(28.0)
            .show(ui, |ui| panel::status::bar_ui(ui, &shown, actions));
        let open = shown.session.open().is_some();
        if open {
            egui::Panel::left("rail")
                .frame(egui::Frame::new().fill(p.panel))
                .exact_size(panel::rail::WIDTH)
                .resizable(false)
                .show(ui, |ui| panel::rail::rail_ui(ui, &shown, actions));
            side_ui(ui, &shown, actions);
            if panel::viewer::series::is_shown(&shown) {
                egui::Panel::left("series")
                    .frame(egui::Frame::new().fill(p.panel))
                    .exact_size(panel::viewer::series::WIDTH)
                    .resizable(false)
                    .show(ui, |ui| panel::viewer::series::list_ui(ui, &shown, actions));
            }
        }
        egui::CentralPanel::no_frame()
            .frame(egui::Frame::new().fill(p.ground))
            .show(ui, |ui| {
                match (&shown.session.stage, shown.session.workspace) {
                    (Stage::Empty, _) => panel::states::empty_ui(ui, &shown, actions),
                    (
                        Stage::Loading {
                            path,
                            bytes,
                            preview,
                            picture,
                        },
                        _,
                    ) => match (preview.get(), picture) {
                        (Some(preview), Some(picture)) => {
                            panel::states::preview_ui(ui, &shown, path, preview, picture);
                        }
                        _ => panel::states::loading_ui(ui, &shown, path, *bytes),
                    },
                    (Stage::Failed(error), _) => {
                        panel::states::failed_ui(ui, &shown, error, actions);
                    }
                    (Stage::Open(_), Workspace::Draw) => {
                        stage.draw_ui(ui, &shown, &mut view, actions);
                    }
                    (Stage::Open(_), Workspace::View) => {
                        stage.view_ui(ui, &shown, &mut view, &mut views, actions);
                    }
                    (Stage::Open(_), Workspace::Hips) => {
                        stage.hips_ui(ui, &shown, &mut view, actions);
                    }
                }
            });
        panel::overlay::overlay_ui(ui, &shown, actions);
        self.session.view = view;
        self.session.beside.views = views;
    }
}

/// The column with recipe and readouts.
fn side_ui(ui: &mut egui::Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let side = egui::Frame::new()
        .fill(theme::palette(ui.visuals()).panel)
        .inner_margin(egui::Margin::symmetric(theme::MARGIN, 6));
    egui::Panel::right("side")
        .frame(side)
        .exact_size(theme::SIDE_WIDTH)
        .resizable(false)
        .show(ui, |ui| {
            egui::ScrollArea::vertical()
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    panel::overlay::hint_ui(ui, shown, next_hint(shown), actions);
                    panel::viewer::brush::options_ui(ui, shown, actions);
                    if shown.session.workspace == Workspace::Draw {
                        panel::recipe::recipe_ui(ui, shown, actions);
                    }
                    panel::viewer::measures::list_ui(ui, shown, actions);
                    panel::readouts::readouts_ui(ui, shown, actions);
                    ui.add_space(8.0);
                });
        });
}

/// The first hint that nobody has put away.
fn next_hint(shown: &Shown<'_>) -> &'static str {
    // What is about drawing is said where one draws.
    let drawing = shown.session.workspace == Workspace::Draw;
    panel::overlay::HINTS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| drawing || matches!(*name, "window" | "palette"))
        .find(|name| !shown.settings.dismissed.contains(*name))
        .unwrap_or_default()
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        let zoom = ctx.zoom_factor();
        ctx.input(|input| self.size.see(input.viewport(), zoom));
        self.drain(ctx);
        self.run_demo(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        let mut actions = self.take_input(&ctx);
        for action in actions.drain(..) {
            self.carry_out(&ctx, action);
        }
        self.follow_figures();
        self.window_ui(ui, &mut actions);
        let any = !actions.is_empty();
        for action in actions {
            self.carry_out(&ctx, action);
        }
        if any {
            // What an action changed is shown at once, and live mode sees it.
            ctx.request_repaint();
        }
    }

    fn save(&mut self, _storage: &mut dyn eframe::Storage) {
        self.keep_settings();
    }

    fn on_exit(&mut self) {
        self.keep_settings();
        if let Some(task) = self.tasks.settings.take() {
            // Nobody is left to be told.
            task.wait().ok();
        }
        self.leave_case();
    }

    fn raw_input_hook(&mut self, ctx: &egui::Context, raw: &mut egui::RawInput) {
        // On a canvas, Tab shows before and after; anywhere else it moves the focus, as everywhere.
        let on_canvas = ctx
            .memory(egui::Memory::focused)
            .is_none_or(|id| self.stage.holds_focus(id));
        if !on_canvas || self.shown().made().is_none() || self.keys.label("before-after") != "Tab" {
            return;
        }
        raw.events.retain(|event| {
            let tab = matches!(event, egui::Event::Key { key: egui::Key::Tab, modifiers, .. }
                if modifiers.is_none());
            self.tab_pressed |= tab
                && matches!(
                    event,
                    egui::Event::Key {
                        pressed: true,
                        repeat: false,
                        ..
                    }
                );
            !tab
        });
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
