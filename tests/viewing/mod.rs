//! What a radiologist looks for in the window: planes, letters at the edges, true shapes, several files, windows, keys.

mod keys;
mod measuring;
mod pictures;
mod shape;
mod studies;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use egui_kittest::Harness;
use radcanvas::app::{App, Start};
use radcanvas::grid::Grid;
use radcanvas::radiograph::{Pixels, Radiograph, export as write_image};

use crate::app::{until, window};
use crate::exports::element;

/// A DICOM file, explicit little endian, 12-bit grey, with these attributes besides.
struct Dicom {
    elements: BTreeMap<(u16, u16), ([u8; 2], Vec<u8>)>,
}

impl Dicom {
    fn new(width: u16, height: u16, value: impl Fn(u16, u16) -> u16) -> Self {
        let mut made = Self {
            elements: BTreeMap::new(),
        };
        for (tag, number) in [
            ((0x0028, 0x0002), 1),
            ((0x0028, 0x0010), height),
            ((0x0028, 0x0011), width),
            ((0x0028, 0x0100), 16),
            ((0x0028, 0x0101), 12),
            ((0x0028, 0x0102), 11),
            ((0x0028, 0x0103), 0),
        ] {
            made.put(tag, "US", number.to_le_bytes().to_vec());
        }
        made.text((0x0008, 0x0016), "UI", "1.2.840.10008.5.1.4.1.1.7");
        made.text((0x0028, 0x0004), "CS", "MONOCHROME2");
        let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let pixels = rows.flat_map(|(x, y)| value(x, y).to_le_bytes()).collect();
        made.put((0x7FE0, 0x0010), "OW", pixels);
        made
    }

    fn put(&mut self, tag: (u16, u16), vr: &str, mut value: Vec<u8>) {
        if value.len() % 2 == 1 {
            value.push(if vr == "UI" || vr == "OB" { 0 } else { b' ' });
        }
        let vr = vr.as_bytes().try_into().unwrap();
        self.elements.insert(tag, (vr, value));
    }

    fn text(&mut self, tag: (u16, u16), vr: &str, text: &str) {
        self.put(tag, vr, text.as_bytes().to_vec());
    }

    /// An overlay plane with ink where `inked`.
    fn plane(
        &mut self,
        group: u16,
        kind: &str,
        size: (u16, u16),
        inked: impl Fn(u16, u16) -> bool,
    ) {
        self.put((group, 0x0010), "US", size.1.to_le_bytes().to_vec());
        self.put((group, 0x0011), "US", size.0.to_le_bytes().to_vec());
        self.text((group, 0x0040), "CS", kind);
        self.put((group, 0x0050), "SS", vec![1, 0, 1, 0]);
        self.put((group, 0x0100), "US", vec![1, 0]);
        self.put((group, 0x0102), "US", vec![0, 0]);
        let mut bytes = vec![0_u8; (usize::from(size.0) * usize::from(size.1)).div_ceil(8)];
        for y in 0..size.1 {
            for x in (0..size.0).filter(|x| inked(*x, y)) {
                let bit = usize::from(y) * usize::from(size.0) + usize::from(x);
                bytes[bit / 8] |= 1 << (bit % 8);
            }
        }
        self.put((group, 0x3000), "OB", bytes);
    }

    fn write(&self, path: &Path) {
        let mut bytes = vec![0_u8; 128];
        bytes.extend(b"DICM");
        let meta = element(0x0002, 0x0010, *b"UI", b"1.2.840.10008.1.2.1\0");
        let length = (meta.len() as u32).to_le_bytes();
        bytes.extend(element(0x0002, 0x0000, *b"UL", &length));
        bytes.extend(meta);
        for ((group, number), (vr, value)) in &self.elements {
            bytes.extend(element(*group, *number, *vr, value));
        }
        std::fs::write(path, bytes).unwrap();
    }

    fn read(&self) -> Radiograph {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.dcm");
        self.write(&path);
        radcanvas::radiograph::read(&path, 0).unwrap()
    }
}

fn picture(path: &Path, width: usize, height: usize, value: impl Fn(usize, usize) -> u16) {
    let image = Radiograph::from_pixels(Pixels::U16(Grid::from_fn(width, height, value)));
    write_image(path, &image, &image.pixels, false).unwrap();
}

fn opened(files: Vec<PathBuf>) -> Harness<'static, App> {
    let mut harness = window(Start {
        files,
        ..Start::default()
    });
    until(&mut harness, "open", |app| app.session().open().is_some());
    harness
}
