//! The canvas: an image at native depth on the GPU, layers over it, and the hand of a person.
//!
//! A canvas is given a [`Scene`] and says what happened as [`CanvasEvent`]s; it never changes a document. Window,
//! zoom and colors are uniforms of the shader, so that a drag moves no pixel data.

pub mod bench;
mod bounds;
mod draft;
mod drawing;
pub mod gesture;
pub mod gpu;
pub mod measures;
pub mod pyramid;
mod scene;
mod veil;
pub mod view;
mod widget;

pub use super::theme::palette;
pub use draft::{Draft, DraftRaster};
pub use drawing::edge_letters;
pub use measures::{Measured, Sides};
pub use pyramid::planes::Planes;
pub use scene::{CanvasEvent, OverlayRaster, Scene, Tool, ToolOptions, Under};
pub use veil::{Veil, VeilKind, color_of, number};
pub use view::{ColorMap, View};
pub use widget::{Canvas, look};

/// Builds the pipeline; call once where the window is made. Without it canvases show their ground and drawings only.
pub fn install(state: &eframe::egui_wgpu::RenderState) {
    let gpu = gpu::Gpu::new(&state.device, state.target_format);
    state.renderer.write().callback_resources.insert(gpu);
}
