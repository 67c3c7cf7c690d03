//! Send and fetch: against Orthanc where it is installed, against peers that do not keep to the rules, and the pieces.

mod commands;
mod hostile;
mod hostile_web;
mod orthanc;
mod peer;
mod pieces;
mod provided;
mod stored;
#[cfg(feature = "window")]
mod window;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use radcanvas::grid::Grid;
use radcanvas::job::Progress;
use radcanvas::radiograph::write::{SecondaryCapture, write_dicom};
use radcanvas::radiograph::{Pixels, Radiograph, SyntheticMark};

/// Never stops anything.
fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A synthetic image as a DICOM file of its own study.
fn synthetic(folder: &Path, name: &str, seed: u16) -> PathBuf {
    let values = Grid::from_fn(40, 30, |x, y| (x * 91 + y * 57) as u16 ^ seed);
    let mut image = Radiograph::from_pixels(Pixels::U16(values));
    image.synthetic = Some(SyntheticMark {
        evidence: "test".to_owned(),
        contribution: "drawn by a test".to_owned(),
    });
    let path = folder.join(name);
    write_dicom(&path, &image, &SecondaryCapture::default(), false).unwrap();
    path
}
