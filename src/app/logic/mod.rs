//! The logic: carries actions out, and takes in what the worker and the tasks say. The only place that changes a
//! document; it runs also while the window is hidden.

mod case;
pub(crate) mod contour;
mod edit;
pub(crate) mod frames;
pub(crate) mod grid;
pub(crate) mod measures;
pub(crate) mod tasks;
mod trials;
pub(crate) mod veil;
pub(crate) mod windows;
mod work;

pub(crate) use tasks::exports::no_export;

use super::App;
use super::action::{Action, Theme};
use super::canvas::Tool;
use super::demo;
use super::session::{Overlay, Weight, Workspace};
use crate::document::Edit;
use crate::radiograph::DisplayWindow;

impl App {
    /// Carries one action out.
    pub(crate) fn carry_out(&mut self, ctx: &egui::Context, action: Action) {
        if self.demo.is_some() && !demo::allows(&action) {
            return;
        }
        match action {
            Action::OpenDialog
            | Action::OpenFolder
            | Action::Open(_)
            | Action::Dropped(_)
            | Action::OpenAll(_)
            | Action::OpenCase(_)
            | Action::Restore(_)
            | Action::Discard(_)
            | Action::Save
            | Action::Export(_) => self.start_task(action),
            Action::Nodes(ask) => self.ask_nodes(*ask),
            Action::CloseCase if self.demo.is_some() => self.reset_demo(),
            Action::CloseCase => self.close_case(),
            Action::Frame(change) => self.change_frame(change),
            Action::ClearRecent => self.settings.recent.clear(),
            Action::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
            Action::Edit(edit) => self.edit(*edit, false),
            Action::Undo => self.step(true),
            Action::Redo => self.step(false),
            Action::Clear(layer) => self.edit(Edit::ClearLayer(layer), false),
            Action::Tool(_) | Action::Size(_) | Action::SwapErase => self.use_tool(&action),
            Action::Recipe(recipe) => {
                self.session.recipe = *recipe;
                self.session.recipe_revision += 1;
                self.weigh_guess();
            }
            Action::AddModel => self.add_model(false),
            Action::AddLora => self.add_model(true),
            Action::Generate => self.generate(),
            Action::NewSeed => {
                let seed = &mut self.session.recipe.seed;
                *seed = u64::from(crate::noise::Noise::new(*seed, 1).bits());
                self.session.recipe.first_image = 0;
                self.session.recipe_revision += 1;
            }
            Action::Variations(id) => self.variations(id),
            Action::TakeSettings(id) => self.take_settings(id),
            Action::Veil(kind) => self.toggle_veil(kind),
            Action::ConfirmKind => self.confirm_kind(),
            Action::Split(split) => self.session.split = split,
            Action::Live(on) => self.session.live.switch(on),
            Action::FindHips => self.find_hips(),
            Action::PlaceHips => self.place_hips(None),
            Action::Show(id) => {
                self.session.shown = id;
                self.session.before = false;
            }
            Action::Accept(id) => self.accept(id),
            Action::Reject(id) => self.reject_or_remove(id),
            Action::BringBack(id) => self.bring_back(id),
            Action::SortTray(by, reversed) => self.session.tray.order(by, reversed),
            Action::ToolOptions(options) => self.session.tool_options = *options,
            Action::Cancel => self.cancel(),
            Action::CancelJob(id) => self.worker.cancel(id),
            Action::Canvas(layer, event) => self.canvas(layer, *event),
            Action::Copy(text) => ctx.copy_text(text),
            Action::ResetDemo => {
                if self.demo.is_some() {
                    self.reset_demo();
                }
            }
            Action::LeaveDemo => {
                if self.demo.is_some() {
                    ctx.send_viewport_cmd(egui::ViewportCommand::Close);
                }
            }
            other => self.look(ctx, other),
        }
    }

    /// Actions that change only how things are looked at.
    fn look(&mut self, ctx: &egui::Context, action: Action) {
        let session = &mut self.session;
        match action {
            Action::Workspace(workspace) => {
                session.workspace = workspace;
                if workspace == Workspace::Hips {
                    session.tool = Tool::Hips;
                }
                self.fill_cells();
            }
            Action::Layout(layout) => self.lay_out(layout),
            Action::Probe(cell, at) => session.probe_beside(cell, at),
            Action::ToStage(cell) => self.bring_to_stage(cell),
            Action::Calibrate(index, mm) => self.calibrate(index, mm),
            Action::KnownLength(mm) => session.measures.known_mm = mm,
            Action::Link(link) => session.beside.switch(link),
            Action::ActiveCell(number) => session.beside.active = number.min(3),
            Action::Fit
            | Action::OneToOne
            | Action::Invert
            | Action::Rotate
            | Action::Flip
            | Action::ResetWindow
            | Action::AutoWindow
            | Action::FullRange
            | Action::Preset(_) => self.change_view(&action),
            Action::SwapTip => {
                session.tool_options.tip = session.tool_options.tip.other();
            }
            Action::Loupe => session.loupe = !session.loupe,
            Action::Overlays => session.overlays = !session.overlays,
            Action::Planes => self.show_planes(),
            Action::PlanesIdentity => {
                self.settings.planes_with_identity = !self.settings.planes_with_identity;
            }
            Action::BeforeAfter => session.before = !session.before,
            Action::Identity => {
                session.hide_identity = !session.hide_identity;
                self.settings.hide_identity = session.hide_identity;
            }
            Action::ExportIdentity => {
                self.settings.export_nameless = !self.settings.export_nameless;
            }
            Action::ExportBlank => session.export_blank = !session.export_blank,
            Action::SeriesList => self.settings.series_list = !self.settings.series_list,
            Action::FoldStudy(study) => {
                if let Some(stack) = &mut session.stack {
                    stack.fold(study);
                }
            }
            Action::PacsButtons => self.settings.pacs_buttons = !self.settings.pacs_buttons,
            Action::FullScreen => {
                session.full_screen = !session.full_screen;
                ctx.send_viewport_cmd(egui::ViewportCommand::Fullscreen(session.full_screen));
            }
            Action::Theme(theme) => {
                self.settings.theme = theme;
                ctx.set_theme(match theme {
                    Theme::Dark => egui::Theme::Dark,
                    Theme::Light => egui::Theme::Light,
                });
            }
            Action::ResetLayout => self.stage.reset(),
            other => self.overlay(other),
        }
    }

    /// Changes how the image that keys act on is looked at.
    fn change_view(&mut self, action: &Action) {
        let Some((image, view)) = self.session.active() else {
            return;
        };
        let before = view.clone();
        match action {
            Action::Fit => view.fit(),
            Action::OneToOne => view.one_to_one(),
            Action::Invert => view.invert = !view.invert,
            Action::Rotate => view.rotate(),
            Action::Flip => view.flip(),
            Action::ResetWindow => view.window = image.initial_window(),
            Action::AutoWindow => {
                let (low, high) = image.robust_range(0.001);
                view.window = DisplayWindow::from_range(low, high);
            }
            Action::FullRange => {
                let (low, high) = image.full_range();
                view.window = DisplayWindow::from_range(low, high);
            }
            Action::Preset(n) => {
                let Some((_, window)) = windows::list(&image).into_iter().nth(*n) else {
                    let text = format!("The image has no window {}", n + 1);
                    self.session.say(Weight::Note, text);
                    return;
                };
                view.window = window;
            }
            _ => {}
        }
        self.session.link_views(&before);
    }

    /// Actions on what lies above the window.
    fn overlay(&mut self, action: Action) {
        let session = &mut self.session;
        match action {
            Action::Palette => session.overlay = Overlay::Palette(String::new(), 0),
            Action::PaletteTyped(text, line) => session.overlay = Overlay::Palette(text, line),
            Action::Keys => session.overlay = Overlay::Keys(None),
            Action::Notices => {
                session.unread = 0;
                session.overlay = Overlay::Notices;
            }
            Action::ClearNotices => session.notices.clear(),
            Action::Close => session.overlay = Overlay::None,
            Action::Bind(id, None) => session.overlay = Overlay::Keys(Some(id)),
            Action::Bind(id, Some(keys)) => self.bind(id, keys),
            Action::Unbind(id) => self.set_key(id, String::new()),
            Action::DefaultKeys => {
                self.settings.keys.clear();
                self.keys = super::keys::Keys::default_keys();
                self.session.overlay = Overlay::Keys(None);
            }
            Action::DismissHint(hint) => {
                self.settings.dismissed.insert(hint.to_owned());
            }
            _ => {}
        }
    }

    /// Gives a command a key. One that is another's is exchanged when it is pressed a second time.
    fn bind(&mut self, id: &'static str, keys: String) {
        let before = std::mem::replace(&mut self.session.overlay, Overlay::Keys(Some(id)));
        if let Some(taken) = self.keys.conflict(id, &keys) {
            match taken.command() {
                Some(other) if before == Overlay::Contested(id, keys.clone(), other.id) => {
                    let mut own = self.keys.label(id);
                    if matches!(
                        self.keys.conflict(other.id, &own),
                        Some(super::keys::Taken::Held(_))
                    ) {
                        // A held key stays with what it is held for: the other one is left without.
                        own.clear();
                    }
                    self.settings.keys.insert(other.id.to_owned(), own);
                }
                Some(other) => {
                    self.session.overlay = Overlay::Contested(id, keys, other.id);
                    return;
                }
                None => {
                    let text = format!("{keys} cannot be changed: {}", taken.title());
                    self.session.say(Weight::Wrong, text);
                    self.session.overlay = Overlay::Keys(None);
                    return;
                }
            }
        }
        self.set_key(id, keys);
    }

    fn set_key(&mut self, id: &'static str, keys: String) {
        self.settings.keys.insert(id.to_owned(), keys);
        self.keys = super::keys::Keys::new(&self.settings.keys);
        self.session.overlay = Overlay::Keys(None);
    }

    fn show_planes(&mut self) {
        let session = &mut self.session;
        session.planes = !session.planes;
        if session
            .active()
            .is_some_and(|(image, _)| image.overlays.is_empty())
        {
            session.say(Weight::Note, "The file has no overlay planes");
        }
    }

    fn use_tool(&mut self, action: &Action) {
        let session = &mut self.session;
        let settings = &mut self.settings;
        match action {
            Action::Tool(tool) => {
                session.tool = *tool;
                // Edges that lie on the border of the canvas could not be dragged outward.
                session.view.margin = if *tool == Tool::Bounds { 0.35 } else { 0.0 };
                if let Tool::Measure(kind) = tool {
                    session.measures.kind = *kind;
                }
            }
            Action::Size(factor) => {
                let px = (session.tool_options.size_px * factor).clamp(0.5, 1000.0);
                match session.tool {
                    Tool::Pen => settings.pen_px = px,
                    _ => settings.brush_px = px,
                }
            }
            Action::SwapErase => session.tool_options.erase = !session.tool_options.erase,
            _ => {}
        }
        session.tool_options.size_px = match session.tool {
            Tool::Pen => settings.pen_px,
            _ => settings.brush_px,
        };
    }

    /// Esc: a stroke first, then what lies above the window or the image, then a job, then the result that is shown.
    fn cancel(&mut self) {
        if self.stage.cancel() || self.stop_fill() {
            return;
        }
        if self.session.overlay == Overlay::None && self.session.veil.kind.is_some() {
            self.session.veil = veil::VeilState::default();
        } else if self.session.overlay != Overlay::None {
            self.session.overlay = Overlay::None;
        } else if let Some(job) = self.session.jobs.first() {
            self.worker.cancel(job.id);
        } else {
            self.session.shown = None;
            self.session.before = false;
        }
    }
}
