//! The canvas on the GPU: one pipeline, tiled textures, one uniform block a canvas.
//!
//! Pixels are uploaded once and tile by tile, coarse levels first; a layer uploads its dirty rectangle. What is
//! missing is found by comparing generations when a frame is really painted, so no upload is lost with a frame that
//! is not.

mod headless;
mod layer;
mod pipeline;
mod tiles;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytemuck::{Pod, Zeroable};
use eframe::egui_wgpu::{self, wgpu};

use super::OverlayRaster;
use super::draft::DraftRaster;
use super::pyramid::reach::Reach;
use super::pyramid::{Pending, window_uniform};
use crate::radiograph::DisplayWindow;

pub use headless::Headless;
use layer::LayerTexture;
use pipeline::Pipeline;
use tiles::{CurveTexture, ImageTexture, ReachTexture};

/// The uniform block of the shader; see `shaders/canvas.wgsl`.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Uniforms {
    /// Image offset from framebuffer offset.
    pub turn: [f32; 4],
    /// Middle of the canvas in framebuffer pixels, image point there.
    pub place: [f32; 4],
    /// Columns, rows, zoom, pixels a point.
    pub size: [f32; 4],
    /// Window of the image.
    pub before: [f32; 4],
    /// Window of the answer.
    pub after: [f32; 4],
    /// Reduction, steps a pixel, ring.
    pub reach: [f32; 4],
    /// Split, color map, draft layer, draft erases.
    pub other: [f32; 4],
    /// log2 of the tile side, tiles across, last level, flags.
    pub tiles: [u32; 4],
    /// Finest level at hand, before and after; whether each is float.
    pub finest: [u32; 4],
    /// Entries of the VOI LUT, 0 = none.
    pub curve: [u32; 4],
}

/// Flag: there is an answer to the right of the split.
pub const AFTER: u32 = 1;
/// Flag: there is a mask.
pub const MASK: u32 = 2;
/// Flag: there is a sketch.
pub const HINT: u32 = 4;
/// Flag: the painted part is regenerated.
pub const REGENERATE_INSIDE: u32 = 8;
/// Flag: there is a distance field.
pub const REACH: u32 = 16;
/// Flag: the image is shown in its colors.
pub const COLOR: u32 = 32;

/// One canvas as it is to be painted.
pub struct Frame {
    /// Canvas and which of its pictures (0 the canvas, 1 the loupe).
    pub slot: (u64, u8),
    /// Everything but windows, tiles and flags of what turns out to be at hand.
    pub uniforms: Uniforms,
    /// Window in modality values.
    pub window: DisplayWindow,
    /// Exchange black and white.
    pub invert: bool,
    /// The image.
    pub before: Pending,
    /// The answer.
    pub after: Option<Pending>,
    /// The mask layer.
    pub mask: Option<OverlayRaster>,
    /// The sketch layer.
    pub hint: Option<OverlayRaster>,
    /// The stroke being drawn.
    pub draft: Option<Arc<Mutex<DraftRaster>>>,
    /// Distance to the painted part.
    pub reach: Option<Arc<Reach>>,
    /// Counts bytes of pixels written.
    pub written: Arc<AtomicU64>,
    /// Asked for another frame while tiles are missing.
    pub ctx: egui::Context,
}

struct Slot {
    uniforms: wgpu::Buffer,
    bind_group: Option<wgpu::BindGroup>,
}

/// What all pictures of one canvas share, its layers and the curve of its window: nothing is uploaded again for the
/// loupe.
#[derive(Default)]
struct Layers {
    curve: Option<CurveTexture>,
    mask: Option<LayerTexture>,
    hint: Option<LayerTexture>,
    draft: Option<LayerTexture>,
    reach: Option<ReachTexture>,
}

/// Everything on the GPU; lives in egui's callback resources.
pub struct Gpu {
    pipeline: Pipeline,
    images: Vec<ImageTexture>,
    layers: HashMap<u64, Layers>,
    slots: HashMap<(u64, u8), Slot>,
}

impl Gpu {
    /// Builds the pipeline for a target.
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        Self {
            pipeline: Pipeline::new(device, target),
            images: Vec::new(),
            layers: HashMap::new(),
            slots: HashMap::new(),
        }
    }

    /// Uploads what is missing (a few MB at most) and writes the uniforms.
    pub fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, frame: &Frame) {
        // An image that no canvas holds any more is held by its texture alone.
        self.images.retain(ImageTexture::is_wanted);
        let mut uniforms = frame.uniforms;
        let mut bytes = 0;
        let before = self.image(device, queue, &frame.before, &mut bytes);
        let after = frame
            .after
            .as_ref()
            .and_then(|after| self.image(device, queue, after, &mut bytes));
        let slot = self.slots.entry(frame.slot).or_insert_with(|| Slot {
            uniforms: self.pipeline.uniform_buffer(device),
            bind_group: None,
        });
        let Some(before) = before.and_then(|index| self.images.get(index)) else {
            slot.bind_group = None;
            return;
        };
        let after = after
            .and_then(|index| self.images.get(index))
            .filter(|after| after.size() == before.size());
        uniforms.tiles = before.layout();
        if before.color().is_some() {
            uniforms.tiles[3] |= COLOR;
        }
        uniforms.finest = [before.finest(), 0, u32::from(before.is_float()), 0];
        if let Some(prepared) = frame.before.get() {
            uniforms.before = window_uniform(prepared, &frame.window, frame.invert);
        }
        if let (Some(after), Some(pending)) = (after, &frame.after)
            && let Some(prepared) = pending.get()
        {
            uniforms.after = window_uniform(prepared, &frame.window, frame.invert);
            uniforms.finest[1] = after.finest();
            uniforms.finest[3] = u32::from(after.is_float());
            uniforms.tiles[3] |= AFTER;
        }
        uniforms.tiles[3] |= frame.uniforms.tiles[3];
        let layers = self.layers.entry(frame.slot.0).or_default();
        bytes += layers.upload(device, queue, frame, before.size(), &mut uniforms);
        bytes += layers.upload_curve(device, queue, frame, &mut uniforms);
        queue.write_buffer(&slot.uniforms, 0, bytemuck::bytes_of(&uniforms));
        let group = self.pipeline.bind(
            device,
            &slot.uniforms,
            before,
            after,
            [&layers.mask, &layers.hint, &layers.draft]
                .map(|layer| layer.as_ref().map(LayerTexture::view)),
            [
                layers.reach.as_ref().map(ReachTexture::view),
                layers.curve.as_ref().map(CurveTexture::view),
            ],
        );
        slot.bind_group = Some(group);
        frame.written.fetch_add(bytes, Ordering::Relaxed);
        if before.finest() > 0 || after.is_some_and(|after| after.finest() > 0) {
            frame.ctx.request_repaint();
        }
    }

    fn image(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        pending: &Pending,
        bytes: &mut u64,
    ) -> Option<usize> {
        let prepared = pending.get()?;
        let known = self.images.iter().position(|image| image.shows(pending));
        let index = if let Some(index) = known {
            index
        } else {
            self.images.push(ImageTexture::new(device, pending)?);
            self.images.len() - 1
        };
        if let Some(image) = self.images.get_mut(index) {
            *bytes += image.upload_some(queue, prepared);
        }
        Some(index)
    }

    /// Paints a prepared canvas into a pass.
    pub fn paint(&self, pass: &mut wgpu::RenderPass<'_>, slot: (u64, u8)) {
        if let Some(group) = self.slots.get(&slot).and_then(|s| s.bind_group.as_ref()) {
            pass.set_pipeline(self.pipeline.render());
            pass.set_bind_group(0, group, &[]);
            pass.draw(0..3, 0..1);
        }
    }
}

impl Layers {
    /// Uploads the curve of the window.
    fn upload_curve(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        frame: &Frame,
        uniforms: &mut Uniforms,
    ) -> u64 {
        let Some(table) = &frame.window.table else {
            return 0;
        };
        uniforms.curve[0] = table.values.len() as u32;
        if self.curve.as_ref().is_some_and(|t| t.shows(table)) {
            return 0;
        }
        let texture = CurveTexture::new(device, queue, table);
        let bytes = texture.bytes();
        self.curve = Some(texture);
        bytes
    }

    /// Uploads what changed of them.
    fn upload(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        frame: &Frame,
        size: (usize, usize),
        uniforms: &mut Uniforms,
    ) -> u64 {
        let mut bytes = 0;
        for (raster, texture, flag) in [
            (&frame.mask, &mut self.mask, MASK),
            (&frame.hint, &mut self.hint, HINT),
        ] {
            let Some(raster) = raster.as_ref().filter(|r| r.grid.size() == size) else {
                continue;
            };
            let texture = layer::sized(texture, device, size);
            bytes += texture.follow(queue, raster);
            uniforms.tiles[3] |= flag;
        }
        match frame.draft.as_ref().map(|draft| draft.lock()) {
            Some(Ok(mut draft)) if draft.grid.size() == size => {
                let texture = layer::sized(&mut self.draft, device, size);
                let dirty = std::mem::take(&mut draft.pending);
                bytes += texture.write(queue, &draft.grid, dirty);
            }
            _ => uniforms.other[2] = 0.0,
        }
        if let Some(reach) = &frame.reach {
            if !self.reach.as_ref().is_some_and(|t| t.shows(reach)) {
                let texture = ReachTexture::new(device, queue, reach);
                bytes += reach.field.len() as u64;
                self.reach = Some(texture);
            }
            uniforms.reach[0] = reach.reduction as f32;
            uniforms.reach[1] = reach.steps as f32;
            uniforms.tiles[3] |= REACH;
        }
        bytes
    }
}

/// A frame as egui's renderer takes it.
pub struct Painted(pub Arc<Frame>);

impl egui_wgpu::CallbackTrait for Painted {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &egui_wgpu::ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut egui_wgpu::CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(gpu) = resources.get_mut::<Gpu>() {
            gpu.prepare(device, queue, &self.0);
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &egui_wgpu::CallbackResources,
    ) {
        if let Some(gpu) = resources.get::<Gpu>() {
            gpu.paint(pass, self.0.slot);
        }
    }
}
