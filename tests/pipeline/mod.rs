//! Models of the diffusers layout: their latents, their folders and what is refused.

mod convert;
mod files;
mod folders;
mod latents;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use radcanvas::grid::Grid;
use radcanvas::radiograph::{DisplayWindow, Pixels, Radiograph};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pipeline")
}

/// Copies a folder, file by file.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The two pipelines, the ControlNets and the changes of weights in a folder of models.
fn models() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tiny", "control", "scribble", "lora"] {
        copy(&fixtures().join(name), &folder.path().join(name));
    }
    let inpaint = folder.path().join("inpaint");
    copy(&fixtures().join("tiny"), &inpaint);
    copy(&fixtures().join("inpaint"), &inpaint);
    let lcm = folder.path().join("lcm");
    copy(&fixtures().join("tiny"), &lcm);
    copy(&fixtures().join("lcm"), &lcm);
    for changes in ["kohya", "convolutions", "down_up"] {
        let name = format!("{changes}.safetensors");
        std::fs::copy(fixtures().join(&name), folder.path().join(name)).unwrap();
    }
    folder
}

fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixtures().join(name), &Device::Cpu).unwrap()
}

/// A raster of pictures.safetensors.
fn raster(name: &str) -> Grid<u8> {
    let tensor = &tensors("pictures.safetensors")[name];
    let (height, width) = tensor.dims2().unwrap();
    let values = tensor.flatten_all().unwrap().to_vec1().unwrap();
    Grid::from_vec(width, height, values).unwrap()
}

fn film() -> Radiograph {
    let mut film = Radiograph::from_pixels(Pixels::U8(raster("image")));
    film.windows = vec![DisplayWindow::from_range(0.0, 255.0)];
    film
}
