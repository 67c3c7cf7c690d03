//! The networks by their names, with what goes in and what comes out: the help of `models forward`.
//!
//! Separate from building them: this is for a person, and a test holds it against what the networks ask for.

use std::fmt::Write as _;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// Its name; of the classifiers all of them, with spaces between.
    pub names: &'static str,
    /// Where its weights come from, and settings that need a word.
    pub peer: &'static str,
    /// Inputs with their shapes.
    pub inputs: &'static [(&'static str, &'static str)],
    /// Inputs that some configurations have.
    pub optional: &'static [(&'static str, &'static str)],
    /// Outputs with their shapes; `N` counts from 0.
    pub outputs: &'static [(&'static str, &'static str)],
}

impl Architecture {
    /// Its names, one by one.
    pub fn each_name(&self) -> impl Iterator<Item = &'static str> {
        self.names.split(' ')
    }
}

const PICTURE: (&str, &str) = ("image", "[B,C,H,W]");
const RGB: (&str, &str) = ("image", "[B,3,H,W]");
const SAMPLE: (&str, &str) = ("sample", "[B,C,H,W]");
const TIME: (&str, &str) = ("timestep", "[] or [B]");
const TEXT: (&str, &str) = ("encoder_hidden_states", "[B,M,D]");
const MASK: (&str, &str) = ("mask", "[B,1,H,W], 1 = known");
const CODED: [(&str, &str); 2] = [("latent_mean", "[B,Z,h,w]"), ("decoded", "[B,C,H,W]")];

/// All of them; the classifiers first, whose names are those of torchvision and timm.
pub const ARCHITECTURES: [Architecture; 16] = [
    Architecture {
        names: "alexnet vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn squeezenet1_0 squeezenet1_1 \
                resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d \
                wide_resnet50_2 wide_resnet101_2 densenet121 densenet161 densenet169 densenet201 googlenet inception_v3 \
                mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3 \
                shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 efficientnet_b0 \
                efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6 \
                efficientnet_b7 efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l efficientnet-b0 efficientnet-b1 \
                efficientnet-b2 efficientnet-b3 efficientnet-b4 efficientnet-b5 efficientnet-b6 efficientnet-b7 \
                regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf regnet_y_16gf regnet_y_32gf regnet_y_128gf \
                regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf regnet_x_16gf regnet_x_32gf \
                xception convnext_tiny convnext_small convnext_base convnext_large vit_b_16 vit_b_32 vit_l_16 vit_l_32 \
                vit_h_14 vit_tiny_patch16_224 vit_small_patch16_224 vit_base_patch16_224 vit_base_patch32_224 \
                vit_large_patch16_224 vit_large_patch32_224 vit_gigantic_patch14_clip_224 vit_srelpos_medium_patch16_224 \
                swin_t swin_s swin_b swin_v2_t swin_v2_s swin_v2_b maxvit_t",
        peer: "torchvision and timm (num_classes; image_size or img_size and depth of vision transformers; transform_input \
               of googlenet and inception_v3); the EfficientNets with a dash are efficientnet_pytorch's",
        inputs: &[RGB],
        optional: &[],
        outputs: &[("logits", "[B,classes]")],
    },
    Architecture {
        names: "unet-2d-condition",
        peer: "diffusers UNet2DConditionModel; timestep_cond where time_cond_proj_dim is set",
        inputs: &[SAMPLE, TIME, TEXT],
        optional: &[("timestep_cond", "[B,time_cond_proj_dim]")],
        outputs: &[SAMPLE],
    },
    Architecture {
        names: "unet-2d",
        peer: "diffusers UNet2DModel",
        inputs: &[SAMPLE, TIME],
        optional: &[],
        outputs: &[SAMPLE],
    },
    Architecture {
        names: "controlnet",
        peer: "diffusers ControlNetModel (conditioning_scale beside its own settings)",
        inputs: &[SAMPLE, TIME, TEXT, ("controlnet_cond", "[B,3,8H,8W]")],
        optional: &[],
        outputs: &[
            ("down_block_res_samples.N", "[B,c,h,w]"),
            ("mid_block_res_sample", "[B,c,h,w]"),
        ],
    },
    Architecture {
        names: "autoencoder-kl",
        peer: "diffusers AutoencoderKL (use_tiling = true as after enable_tiling())",
        inputs: &[PICTURE],
        optional: &[],
        outputs: &CODED,
    },
    Architecture {
        names: "clip-text",
        peer: "transformers CLIPTextModel",
        inputs: &[("input_ids", "[B,N], whole numbers")],
        optional: &[],
        outputs: &[("last_hidden_state", "[B,N,D]")],
    },
    Architecture {
        names: "segformer",
        peer: "transformers SegformerForSemanticSegmentation",
        inputs: &[PICTURE],
        optional: &[],
        outputs: &[("logits", "[B,labels,h,w]")],
    },
    Architecture {
        names: "inception-fid",
        peer: "pytorch-fid's InceptionV3; pictures in 0 to 1",
        inputs: &[RGB],
        optional: &[],
        outputs: &[("features", "[B,2048]")],
    },
    Architecture {
        names: "mat",
        peer: "fenglinglwb/MAT Generator, noise_mode = const; drop1 and drop2 are the maps of 0 and 1 that its code \
               draws",
        inputs: &[
            PICTURE,
            MASK,
            ("z", "[B,z_dim]"),
            ("drop1", "[B,256,dim]"),
            ("drop2", "[B,channel_max,16,16]"),
        ],
        optional: &[],
        outputs: &[PICTURE, ("stage1", "[B,C,H,W]")],
    },
    Architecture {
        names: "mat-discriminator",
        peer: "fenglinglwb/MAT Discriminator",
        inputs: &[PICTURE, ("stage1", "[B,C,H,W]"), MASK],
        optional: &[],
        outputs: &[("logits", "[B,1]"), ("logits_stage1", "[B,1]")],
    },
    Architecture {
        names: "cyclegan-resnet",
        peer: "junyanz/pytorch-CycleGAN-and-pix2pix resnet_9blocks, instance norm (ngf, n_blocks, use_dropout, …)",
        inputs: &[PICTURE],
        optional: &[],
        outputs: &[PICTURE],
    },
    Architecture {
        names: "cyclegan-discriminator",
        peer: "its PatchGAN (ndf, n_layers, …)",
        inputs: &[PICTURE],
        optional: &[],
        outputs: &[("logits", "[B,1,h,w]")],
    },
    Architecture {
        names: "medfusion-vae",
        peer: "mueller-franzes/medfusion",
        inputs: &[PICTURE],
        optional: &[],
        outputs: &CODED,
    },
    Architecture {
        names: "medfusion-unet",
        peer: "mueller-franzes/medfusion; condition where it was trained with labels (cond_embedder_kwargs)",
        inputs: &[SAMPLE, TIME],
        optional: &[("condition", "[B], whole numbers")],
        outputs: &[SAMPLE],
    },
    Architecture {
        names: "lpips",
        peer: "lpips 0.1 on VGG16; pictures in -1 to 1",
        inputs: &[("image0", "[B,3,H,W]"), ("image1", "[B,3,H,W]")],
        optional: &[],
        outputs: &[("distance", "[B,1,1,1]")],
    },
    Architecture {
        names: "vgg19-features",
        peer: "torchvision vgg19 before two of its activations; pictures normalised as its weights want it",
        inputs: &[RGB],
        optional: &[],
        outputs: &[("conv4_4", "[B,512,h,w]"), ("conv5_4", "[B,512,h,w]")],
    },
];

/// Names, inputs and outputs of all architectures, as text.
pub fn architectures_help() -> String {
    let mut text = String::from(
        "Architectures, with the tensors they read (in) and write (out): f32, or another type of numbers that is \
         converted. What stands in (…) is read where the configuration asks for it.\n",
    );
    for each in ARCHITECTURES {
        let put = |(name, shape): &(&str, &str)| format!("{name} {shape}");
        let mut inputs: Vec<String> = each.inputs.iter().map(put).collect();
        inputs.extend(
            each.optional
                .iter()
                .map(|input| format!("({})", put(input))),
        );
        let outputs: Vec<String> = each.outputs.iter().map(put).collect();
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n{}\n  {}\n  in:  {}\n  out: {}\n",
            each.names,
            each.peer,
            inputs.join("; "),
            outputs.join("; ")
        );
    }
    text
}
