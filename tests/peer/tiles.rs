//! Large pictures through an autoencoder in tiles: when, and how near to the whole that comes.

use candle_core::{Device, IndexOp as _, Tensor};
use radcanvas::network::peer::diffusion::{AutoencoderConfig, AutoencoderKl};
use radcanvas::network::peer::scope::Scope;
use radcanvas::network::speed::values;
use serde_json::json;

use super::weights::Made;

/// Side of a tile in pixels, and pixels a latent's pixel.
const TILE: usize = 64;
const FACTOR: usize = 4;
/// Pixels that a tile repeats of the one before it, and from one to the next.
const FADE: usize = TILE / 4;
const STEP: usize = TILE - FADE;

fn autoencoder(use_tiling: bool) -> AutoencoderKl {
    let config: AutoencoderConfig = serde_json::from_value(json!({
        "sample_size": TILE,
        "block_out_channels": [8, 12, 12],
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
        "norm_num_groups": 4,
        "use_tiling": use_tiling,
    }))
    .unwrap();
    AutoencoderKl::new(&Scope::new(Made::new(false, 1.0).builder()), &config).unwrap()
}

/// Noise, `[1,channels,side,side]`: to the norms one tile of it is nearly like another, and like the whole.
fn noise(channels: usize, side: usize) -> Tensor {
    let numbers = values(channels * side * side, 5);
    Tensor::from_vec(numbers, (1, channels, side, side), &Device::Cpu).unwrap()
}

/// The largest mean difference over the deviation in the middle of any of the first nine tiles, away from the seams before
/// and behind it. A pixel here is `scale` of the picture's; `moved` compares with what lies so many pixels further down.
fn apart(a: &Tensor, b: &Tensor, scale: usize, moved: usize) -> f32 {
    let margin = 8 / scale;
    let count = (STEP - FADE) / scale - 2 * margin;
    let places = (0..9).map(|tile| [tile / 3, tile % 3]);
    let each = places.map(|tile| {
        let [top, left] = tile.map(|at| (at * STEP + FADE) / scale + margin);
        let middle = |t: &Tensor, top: usize| {
            let part = t.i((.., .., top..top + count, left..left + count));
            part.unwrap().contiguous().unwrap()
        };
        let (a, b) = (middle(a, top), middle(b, top + moved));
        let mean = |t: &Tensor| t.mean_all().unwrap().to_scalar::<f32>().unwrap();
        let spread = a.broadcast_sub(&a.mean_all().unwrap()).unwrap();
        mean(&(&a - &b).unwrap().abs().unwrap()) / mean(&spread.sqr().unwrap()).sqrt()
    });
    each.fold(0.0, f32::max)
}

#[test]
fn away_from_the_seams_tiles_are_near_the_whole() {
    let (whole, tiled) = (autoencoder(false), autoencoder(true));
    assert_eq!(whole.decoder.tile([160, 160]), None);
    assert_eq!(tiled.decoder.tile([160, 160]), Some(TILE));
    assert_eq!(tiled.decoder.tile([TILE, TILE]), None);
    let latent = noise(4, 160 / FACTOR);
    let picture = noise(3, 160);
    let decoded = [&whole, &tiled].map(|network| network.decoder.decode(&latent).unwrap());
    let encoded = [&whole, &tiled].map(|network| network.encoder.encode(&picture).unwrap().0);
    for ([a, b], scale, step) in [(decoded, 1, 2), (encoded, FACTOR, 1)] {
        assert_eq!(a.dims(), b.dims());
        let (near, moved) = (apart(&a, &b, scale, 0), apart(&a, &b, scale, step));
        assert!(near > 0.0, "both went through whole");
        assert!(
            near < 0.25 && moved > 3.0 * near,
            "{scale}: {near}, {moved}"
        );
    }
}

#[test]
fn pictures_of_native_sizes_go_through_whole_and_larger_ones_in_tiles() {
    let config = |settings| -> AutoencoderConfig { serde_json::from_value(settings).unwrap() };
    for (side, wanted) in [(512, 512), (768, 768), (776, 512), (2048, 512)] {
        assert_eq!(config(json!({"sample_size": 512})).at_once(side), wanted);
    }
    // Of Stable Diffusion 2.1, of later families, and of one that says nothing.
    for (trained, wanted) in [(768, 768), (1024, 768), (32, 512)] {
        let tiles = config(json!({"sample_size": trained}));
        assert_eq!((tiles.at_once(768), tiles.at_once(1024)), (768, wanted));
    }
    assert_eq!(config(json!({"use_tiling": false})).at_once(4096), 4096);
}
