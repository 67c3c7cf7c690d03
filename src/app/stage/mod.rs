//! The images: canvases over one shared view, docked with `egui_tiles`, and the construction of the hips.
//!
//! Separate from the panels because a canvas keeps a state of its own between frames (its draft, its textures).

mod corners;
mod grid;

use egui::{Ui, WidgetText};
use egui_tiles::{
    Behavior, SimplificationOptions, TabState, Tabs, Tile, TileId, Tiles, Tree, UiResponse,
};
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::canvas::{Canvas, CanvasEvent, Scene, Tool, View};
use super::panel::{self, Shown};
use super::theme::palette;
use crate::document::Layer;
use crate::job::Mode;
use crate::landmarks::Side;

/// What can be docked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Pane {
    /// The image with hint strokes and the answer.
    Sketch,
    /// The image with what will be regenerated.
    Mask,
    /// Results that wait.
    Results,
}

/// The canvases and how they are docked.
pub(crate) struct StageView {
    /// Docking of the Draw workspace.
    pub tree: Tree<Pane>,
    sketch: Canvas,
    mask: Canvas,
    hips: Canvas,
    /// Images side by side, the case first.
    beside: [Canvas; 4],
    focusable: Vec<egui::Id>,
}

impl StageView {
    /// With a remembered layout; one that cannot be read is the default again.
    pub(crate) fn new(layout: Option<&serde_json::Value>) -> Self {
        let tree = layout
            .and_then(|layout| serde_json::from_value::<Tree<Pane>>(layout.clone()).ok())
            .filter(is_whole)
            .unwrap_or_else(default_tree);
        Self {
            tree,
            sketch: Canvas::new(1),
            mask: Canvas::new(2),
            hips: Canvas::new(3),
            beside: [4, 5, 6, 7].map(Canvas::new),
            focusable: Vec::new(),
        }
    }

    /// Whether this widget is a canvas.
    pub(crate) fn holds_focus(&self, id: egui::Id) -> bool {
        self.focusable.contains(&id)
    }

    /// Panels back to where they were.
    pub(crate) fn reset(&mut self) {
        self.tree = default_tree();
    }

    /// The layout as it is remembered.
    pub(crate) fn layout(&self) -> Option<serde_json::Value> {
        serde_json::to_value(&self.tree).ok()
    }

    /// Drops what is being drawn; `false` when nothing was.
    pub(crate) fn cancel(&mut self) -> bool {
        let canceled = [&mut self.sketch, &mut self.mask, &mut self.hips].map(Canvas::cancel);
        let beside = self.beside.each_mut().map(Canvas::cancel);
        canceled.contains(&true) || beside.contains(&true)
    }

    /// The Draw workspace: docked canvases and the tray.
    pub(crate) fn draw_ui(
        &mut self,
        ui: &mut Ui,
        shown: &Shown<'_>,
        view: &mut View,
        actions: &mut Vec<Action>,
    ) {
        let mut behavior = Docked {
            shown,
            view,
            actions,
            sketch: &mut self.sketch,
            mask: &mut self.mask,
            focusable: Vec::new(),
        };
        self.tree.ui(&mut behavior, ui);
        self.focusable = behavior.focusable;
    }

    /// The Hips workspace: one large canvas with the construction.
    pub(crate) fn hips_ui(
        &mut self,
        ui: &mut Ui,
        shown: &Shown<'_>,
        view: &mut View,
        actions: &mut Vec<Action>,
    ) {
        let id = canvas_ui(ui, &mut self.hips, Show::Hips, shown, view, actions);
        self.focusable = id.into_iter().collect();
    }
}

impl StageView {
    /// The View workspace: one, two or four images side by side.
    pub(crate) fn view_ui(
        &mut self,
        ui: &mut Ui,
        shown: &Shown<'_>,
        view: &mut View,
        views: &mut [View; 3],
        actions: &mut Vec<Action>,
    ) {
        self.focusable = grid::grid_ui(ui, &mut self.beside, shown, view, views, actions);
    }
}

fn default_tree() -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let sketch = tiles.insert_pane(Pane::Sketch);
    let mask = tiles.insert_pane(Pane::Mask);
    let results = tiles.insert_pane(Pane::Results);
    let images = tiles.insert_horizontal_tile(vec![sketch, mask]);
    let root = tiles.insert_vertical_tile(vec![images, results]);
    if let Some(Tile::Container(egui_tiles::Container::Linear(linear))) = tiles.get_mut(root) {
        linear.shares.set_share(images, 0.785);
        linear.shares.set_share(results, 0.215);
    }
    Tree::new(egui::Id::unique("draw"), root, tiles)
}

/// Whether every pane is there once: a layout of another version may have lost one.
fn is_whole(tree: &Tree<Pane>) -> bool {
    [Pane::Sketch, Pane::Mask, Pane::Results]
        .iter()
        .all(|pane| tree.tiles.find_pane(pane).is_some())
}

struct Docked<'a> {
    shown: &'a Shown<'a>,
    view: &'a mut View,
    actions: &'a mut Vec<Action>,
    sketch: &'a mut Canvas,
    mask: &'a mut Canvas,
    focusable: Vec<egui::Id>,
}

impl Behavior<Pane> for Docked<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        match pane {
            Pane::Sketch => {
                let id = canvas_ui(
                    ui,
                    self.sketch,
                    Show::Sketch,
                    self.shown,
                    self.view,
                    self.actions,
                );
                self.focusable.extend(id);
            }
            Pane::Mask => {
                let id = canvas_ui(
                    ui,
                    self.mask,
                    Show::Mask,
                    self.shown,
                    self.view,
                    self.actions,
                );
                self.focusable.extend(id);
            }
            Pane::Results => {
                egui::Frame::new()
                    .inner_margin(egui::Margin::symmetric(12, 6))
                    .show(ui, |ui| panel::tray::tray_ui(ui, self.shown, self.actions));
            }
        }
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        match pane {
            Pane::Sketch => "Sketch",
            Pane::Mask => "Mask",
            Pane::Results => "Results",
        }
        .into()
    }

    fn top_bar_right_ui(
        &mut self,
        tiles: &Tiles<Pane>,
        ui: &mut Ui,
        _tile: TileId,
        tabs: &Tabs,
        _offset: &mut f32,
    ) {
        let active = tabs.active.and_then(|id| tiles.get_pane(&id));
        match active {
            Some(Pane::Results) => panel::tray::buttons_ui(ui, self.shown, self.actions),
            // Center and width stand in the canvas's corner.
            Some(Pane::Sketch | Pane::Mask) | None => {}
        }
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        30.0
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        4.0
    }

    fn min_size(&self) -> f32 {
        120.0
    }

    fn tab_bar_color(&self, visuals: &egui::Visuals) -> egui::Color32 {
        palette(visuals).panel
    }

    fn tab_bg_color(
        &self,
        visuals: &egui::Visuals,
        _tiles: &Tiles<Pane>,
        _tile: TileId,
        _state: &TabState,
    ) -> egui::Color32 {
        palette(visuals).panel
    }

    fn tab_outline_stroke(
        &self,
        _visuals: &egui::Visuals,
        _tiles: &Tiles<Pane>,
        _tile: TileId,
        _state: &TabState,
    ) -> egui::Stroke {
        egui::Stroke::NONE
    }

    fn tab_bar_hline_stroke(&self, visuals: &egui::Visuals) -> egui::Stroke {
        egui::Stroke::new(1.0, palette(visuals).line)
    }

    fn tab_title_spacing(&self, _visuals: &egui::Visuals) -> f32 {
        12.0
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions {
            all_panes_must_have_tabs: true,
            ..SimplificationOptions::default()
        }
    }
}

/// Which canvas it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Sketch,
    Mask,
    Hips,
    View,
}

fn canvas_ui(
    ui: &mut Ui,
    canvas: &mut Canvas,
    show: Show,
    shown: &Shown<'_>,
    view: &mut View,
    actions: &mut Vec<Action>,
) -> Option<egui::Id> {
    let session = shown.session;
    let open = session.open()?;
    let layer = match show {
        Show::Mask => Layer::Mask,
        Show::Sketch | Show::Hips | Show::View => Layer::Sketch,
    };
    let after = match show {
        Show::Mask => None,
        Show::Sketch | Show::Hips | Show::View => shown.answer(),
    };
    let corners = corners::corner_texts(shown, show);
    let landmarks = if show == Show::Mask {
        None
    } else {
        shown.points()
    };
    let interval = |side| shown.interval(side).filter(|_| !shown.follows_points());
    let intervals = interval(Side::Left).zip(interval(Side::Right));
    let painting = session.recipe.mode != Mode::Sketch;
    let scene = Scene {
        image: open.document().image(),
        after,
        split: if session.before { 1.0 } else { session.split },
        veil: session
            .veil
            .veil
            .as_ref()
            .filter(|_| show != Show::Mask && after.is_some() && !session.before),
        layer,
        hint: (show == Show::Sketch).then_some(&open.sketch.overlay),
        mask: (show == Show::Mask).then_some(&open.mask.overlay),
        regenerate_inside: session.recipe.mode != Mode::Outpaint,
        ring_px: if painting {
            session.recipe.ring_px
        } else {
            0.0
        },
        denoised: match show {
            Show::Mask => &session.contour.edges,
            Show::Sketch | Show::Hips | Show::View => &[],
        },
        landmarks: landmarks.as_ref(),
        intervals: intervals.map(|(left, right)| [left, right]),
        show_hips: show != Show::Mask,
        figures: &open.figures.all,
        chosen: session.measures.chosen,
        loupe: session.loupe,
        tool: tool_on(show, session.tool),
        tool_options: &session.tool_options,
        corner_texts: &corners,
        synthetic: match show {
            Show::Mask => open.document().is_synthetic(),
            Show::Sketch | Show::Hips | Show::View => shown.is_synthetic(),
        },
        overlays: session.overlays,
        planes: shown.planes(),
        pacs_buttons: shown.settings.pacs_buttons,
        stack: session
            .stack
            .as_ref()
            .is_some_and(|stack| stack.frames() > 1),
        title: match show {
            Show::Sketch => "Sketch canvas",
            Show::Mask => "Mask canvas",
            Show::Hips => "Hips canvas",
            Show::View => "First image",
        },
    };
    let mut events: Vec<CanvasEvent> = Vec::new();
    let id = canvas.ui(ui, &scene, view, &mut events).id;
    for event in events {
        actions.push(Action::Canvas(layer, Box::new(event)));
    }
    Some(id)
}

/// The tool as it is on a canvas: where a layer is not shown, nothing is drawn on it unseen.
fn tool_on(show: Show, tool: Tool) -> Tool {
    let draws = tool.is_stroke() || matches!(tool, Tool::Lasso | Tool::Rectangle | Tool::Fill);
    match show {
        Show::Hips if draws => Tool::Hips,
        Show::View if draws => Tool::Select,
        _ => tool,
    }
}
