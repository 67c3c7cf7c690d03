//! The render pipeline of the canvas and what is bound to it.

use eframe::egui_wgpu::wgpu;

use super::Uniforms;
use super::tiles::{ImageTexture, array_view};

/// Pipeline, layout and stand-ins for what is not there.
pub(super) struct Pipeline {
    render: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    no_integer: wgpu::TextureView,
    no_float: wgpu::TextureView,
    no_layer: wgpu::TextureView,
}

impl Pipeline {
    pub(super) fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let layout = layout(device);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("canvas"),
            source: wgpu::ShaderSource::Wgsl(
                include_str!("../../../../shaders/canvas.wgsl").into(),
            ),
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("canvas"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let render = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("canvas"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vs"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("fs"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(target.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        Self {
            render,
            layout,
            no_integer: stand_in(device, wgpu::TextureFormat::R16Uint),
            no_float: stand_in(device, wgpu::TextureFormat::R32Float),
            no_layer: stand_in(device, wgpu::TextureFormat::R8Unorm),
        }
    }

    pub(super) fn render(&self) -> &wgpu::RenderPipeline {
        &self.render
    }

    #[expect(
        clippy::unused_self,
        reason = "the buffer belongs to this pipeline's layout"
    )]
    pub(super) fn uniform_buffer(&self, device: &wgpu::Device) -> wgpu::Buffer {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("canvas uniforms"),
            size: size_of::<Uniforms>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    pub(super) fn bind(
        &self,
        device: &wgpu::Device,
        uniforms: &wgpu::Buffer,
        before: &ImageTexture,
        after: Option<&ImageTexture>,
        layers: [Option<&wgpu::TextureView>; 3],
        [reach, curve]: [Option<&wgpu::TextureView>; 2],
    ) -> wgpu::BindGroup {
        let pair = |image: Option<&ImageTexture>| {
            let integer = image.filter(|i| !i.is_float()).map(ImageTexture::view);
            let float = image.filter(|i| i.is_float()).map(ImageTexture::view);
            (integer.cloned(), float.cloned())
        };
        let (before_integer, before_float) = pair(Some(before));
        let (after_integer, after_float) = pair(after);
        let views = [
            before_integer.as_ref().unwrap_or(&self.no_integer),
            before_float.as_ref().unwrap_or(&self.no_float),
            after_integer.as_ref().unwrap_or(&self.no_integer),
            after_float.as_ref().unwrap_or(&self.no_float),
            layers[0].unwrap_or(&self.no_layer),
            layers[1].unwrap_or(&self.no_layer),
            layers[2].unwrap_or(&self.no_layer),
            reach.unwrap_or(&self.no_layer),
            curve.unwrap_or(&self.no_float),
            before.color().unwrap_or(&self.no_layer),
        ];
        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: uniforms.as_entire_binding(),
        }];
        for (binding, view) in (1..).zip(views) {
            entries.push(wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::TextureView(view),
            });
        }
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("canvas"),
            layout: &self.layout,
            entries: &entries,
        })
    }
}

fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty,
        count: None,
    };
    let texture = |sample_type| wgpu::BindingType::Texture {
        sample_type,
        view_dimension: wgpu::TextureViewDimension::D2Array,
        multisampled: false,
    };
    let integer = texture(wgpu::TextureSampleType::Uint);
    let float = texture(wgpu::TextureSampleType::Float { filterable: false });
    let uniform = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("canvas"),
        entries: &[
            entry(0, uniform),
            entry(1, integer),
            entry(2, float),
            entry(3, integer),
            entry(4, float),
            entry(5, float),
            entry(6, float),
            entry(7, float),
            entry(8, float),
            entry(9, float),
            entry(10, float),
        ],
    })
}

fn stand_in(device: &wgpu::Device, format: wgpu::TextureFormat) -> wgpu::TextureView {
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("canvas stand-in"),
        size: wgpu::Extent3d {
            width: 1,
            height: 1,
            depth_or_array_layers: 2,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    });
    array_view(&texture)
}
