//! A GPU without a window: for tests of the shader and for measuring.
//!
//! Separate because nothing of the window needs it. It makes its device as the window does, through egui-wgpu.

use eframe::egui_wgpu::{self, wgpu};

use super::{Frame, Gpu};
use crate::grid::Grid;

/// A device and the canvas pipeline on it.
pub struct Headless {
    state: egui_wgpu::RenderState,
    gpu: Gpu,
}

impl Headless {
    /// A device of this machine, software ones among them; `None` when there is none.
    pub fn new() -> Option<Self> {
        let setup = egui_wgpu::WgpuSetup::CreateNew(
            egui_wgpu::WgpuSetupCreateNew::without_display_handle(),
        );
        let instance = block_on(setup.new_instance());
        let configuration = egui_wgpu::WgpuConfiguration {
            wgpu_setup: setup,
            ..Default::default()
        };
        let options = egui_wgpu::RendererOptions::PREDICTABLE;
        let state = block_on(egui_wgpu::RenderState::create(
            &configuration,
            &instance,
            None,
            options,
        ))
        .ok()?;
        let gpu = Gpu::new(&state.device, wgpu::TextureFormat::Rgba8Unorm);
        Some(Self { state, gpu })
    }

    /// Uploads and uniforms of one frame, and waits until the device has them.
    pub fn prepare(&mut self, frame: &Frame) {
        self.gpu
            .prepare(&self.state.device, &self.state.queue, frame);
    }

    /// Hands what was written to the device.
    pub fn flush(&self) {
        self.state.queue.submit([]);
        let wait = wgpu::PollType::Wait {
            submission_index: None,
            timeout: None,
        };
        let _ = self.state.device.poll(wait);
    }

    /// The picture of a frame that was prepared, RGBA, black where no image lies; `None` when it cannot be read back.
    pub fn picture(&self, slot: (u64, u8), width: u32, height: u32) -> Option<Grid<[u8; 4]>> {
        let device = &self.state.device;
        let size = wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        };
        let target = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("canvas picture"),
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("canvas picture"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations {
                        load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                        store: wgpu::StoreOp::Store,
                    },
                })],
                ..Default::default()
            });
            self.gpu.paint(&mut pass, slot);
        }
        let row = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("canvas picture"),
            size: u64::from(row) * u64::from(height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(row),
            rows_per_image: None,
        };
        encoder.copy_texture_to_buffer(
            target.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout,
            },
            size,
        );
        self.state.queue.submit([encoder.finish()]);
        buffer.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        self.flush();
        let bytes = buffer.slice(..).get_mapped_range().ok()?;
        let cells = bytes
            .chunks(row as usize)
            .flat_map(|line| line[..width as usize * 4].chunks_exact(4))
            .map(|p| [p[0], p[1], p[2], p[3]])
            .collect();
        Grid::from_vec(width as usize, height as usize, cells)
    }
}

/// Waits for a future that is ready at once on native devices.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::hint::spin_loop();
    }
}
