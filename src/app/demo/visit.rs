//! The demo in the window: who touched it, what it draws, what is left of a visitor.
//!
//! Separate from the machine beside it, which is tested without a window.

use std::time::Duration;

use super::Wish;
use crate::app::App;
use crate::app::action::Action;
use crate::app::keys::Keys;
use crate::app::live::Quality;
use crate::app::session::{Session, Stage, Weight};
use crate::app::settings::Settings;

/// Whether a hand did something in this frame. Letting go is none: the hand that pressed for a reset is on its way out.
fn is_touched(input: &egui::InputState) -> bool {
    input.pointer.any_pressed()
        || input.pointer.any_down()
        || input.events.iter().any(|event| match event {
            egui::Event::Key { key, pressed, .. } => *pressed && *key != egui::Key::F5,
            egui::Event::MouseWheel { .. } | egui::Event::Touch { .. } | egui::Event::Zoom(_) => {
                true
            }
            _ => false,
        })
}

impl App {
    /// Lets time pass for the demo, for tests.
    pub fn let_pass(&mut self, time: Duration) {
        if let Some(demo) = &mut self.demo {
            demo.pass(time);
        }
    }

    /// Whether a file, a folder or another program is being asked for, for tests.
    pub fn asks_for_files(&self) -> bool {
        let tasks = &self.tasks;
        tasks.dialog.is_some()
            || tasks.save.is_some()
            || tasks.export.is_some()
            || tasks.model.is_some()
            || tasks.nodes.is_some()
    }

    /// Everything as the first visitor found it: no recipe, no view, no key, no panel where it was dragged.
    pub(crate) fn reset_demo(&mut self) {
        self.leave_case();
        self.stage.cancel();
        self.dragging = None;
        self.tab_pressed = false;
        self.settings = Settings::default();
        self.session = Session {
            engine_ready: self.session.engine_ready,
            engine_error: self.session.engine_error.take(),
            full_screen: true,
            ..Session::new(&self.settings, &self.models)
        };
        self.session.live.switch(true);
        self.keys = Keys::new(&self.settings.keys);
        self.stage.reset();
        let ctx = self.ctx.clone();
        ctx.set_theme(egui::Theme::Dark);
        ctx.set_zoom_factor(1.0);
        if ctx.input(|input| input.viewport().fullscreen) != Some(true) {
            ctx.send_viewport_cmd(egui::ViewportCommand::Fullscreen(true));
        }
        egui::Popup::close_all(&ctx);
        ctx.memory_mut(|memory| {
            if let Some(id) = memory.focused() {
                memory.surrender_focus(id);
            }
            // How far lists were scrolled, what was folded.
            memory.data.clear();
        });
        if let Some(demo) = &mut self.demo {
            demo.restart();
        }
        self.carry_out(&ctx, Action::OpenCase(0));
    }

    /// Lets the demo act, or notes that somebody touched it.
    pub(crate) fn run_demo(&mut self, ctx: &egui::Context) {
        let revision = self.revision();
        let Some(demo) = &mut self.demo else {
            return;
        };
        let now = demo.now();
        if ctx.input(is_touched) {
            demo.touch(now);
        }
        let recording = match &self.session.stage {
            Stage::Open(open) => open.recording.as_ref(),
            Stage::Loading { .. } => return,
            // A case that cannot be opened is tried again, as if a visitor had gone away.
            Stage::Empty | Stage::Failed(_) => None,
        };
        let live = &self.session.live;
        let is_full = live
            .result
            .as_ref()
            .is_some_and(|result| result.quality == Quality::Full);
        if let Some(recording) = recording
            && is_full
            && live.behind(revision) == Some(0)
        {
            demo.answered(recording, now);
        }
        match demo.wish(recording, now) {
            Wish::Wait(time) => ctx.request_repaint_after(time),
            Wish::Reset => self.reset_demo(),
            Wish::Draw(edits) => {
                for edit in edits {
                    self.edit(edit, false);
                }
                ctx.request_repaint();
            }
        }
    }

    /// How long live mode rests after an error in the demo.
    pub(crate) fn live_rests(&self) -> Option<Duration> {
        let demo = self.demo.as_ref()?;
        demo.rests(demo.now())
    }

    /// Takes an error of live mode in quietly, to try again later; `false` where there is no demo.
    pub(crate) fn live_failed_quietly(&mut self) -> bool {
        let demo = self.demo.as_mut();
        demo.map(|demo| demo.failed(demo.now())).is_some()
    }

    /// Takes an answer of live mode in.
    pub(crate) fn live_worked(&mut self) {
        if let Some(demo) = &mut self.demo {
            demo.worked();
        }
    }

    /// What is dropped on the demo is not opened.
    pub(crate) fn decline_drop(&mut self) {
        let text = "This screen shows its own cases only; nothing was opened";
        self.session.say(Weight::Note, text);
    }
}
