//! The canvas: an image at native depth on the GPU, layers over it, and the hand of a person.
//!
//! A canvas is given a [`Scene`] and says what happened as [`CanvasEvent`]s; it never changes a document. Window,
//! zoom and colors are uniforms of the shader, so that a drag moves no pixel data.

pub mod palette;
mod scene;
pub mod view;

pub use scene::{CanvasEvent, OverlayRaster, Scene, Tool, ToolOptions};
pub use view::{ColorMap, View};

use crate::document::Mark;

/// Builds the pipeline; call once where the window is made. Without it canvases show their ground and drawings only.
pub fn install(state: &eframe::egui_wgpu::RenderState) {
    let _ = state;
}

/// One canvas of the window.
pub struct Canvas {
    id: u64,
}

impl Canvas {
    /// A canvas; `id` must differ between canvases shown at once.
    pub fn new(id: u64) -> Self {
        Self { id }
    }

    /// Shows a scene in all the room there is, and tells what the person did.
    pub fn ui(
        &mut self,
        ui: &mut egui::Ui,
        scene: &Scene<'_>,
        view: &mut View,
        events: &mut Vec<CanvasEvent>,
    ) -> egui::Response {
        let _ = (self.id, events);
        view.image_size = (scene.image.width(), scene.image.height());
        let response = ui.allocate_response(
            ui.available_size(),
            egui::Sense::click_and_drag() | egui::Sense::FOCUSABLE,
        );
        ui.painter()
            .rect_filled(response.rect, 0.0, palette::GROUND);
        response
    }

    /// The mark being drawn, as it would be if the button went up now.
    pub fn draft(&self) -> Option<Mark> {
        None
    }

    /// Bytes of pixels written to the GPU since the canvas was made.
    pub fn bytes_written(&self) -> u64 {
        0
    }

    /// Drops what is being done; `false` when nothing was.
    pub fn cancel(&mut self) -> bool {
        false
    }
}
