//! Color images: shown, pictured and exported in color, measured and generated in grey.

use std::process::Command;
use std::sync::Arc;

use radcanvas::document::Document;
use radcanvas::document::project::Project;
use radcanvas::grid::Grid;
use radcanvas::radiograph::{
    self, DisplayWindow, Margins, Picture, Pixels, Radiograph, Rgb, SyntheticMark, Values,
    export_color, export_step,
};

use crate::radiograph::{dicom, fixture};

fn luminance([red, green, blue]: [u8; 3]) -> f64 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    f64::from((sum + 500) / 1000)
}

/// Red, green and blue stripes with a gradient, and its luminance.
fn stripes(width: usize, height: usize) -> Radiograph {
    let color = Grid::from_fn(width, height, |x, y| {
        let mut cell = [0; 3];
        cell[x % 3] = 40 + (y * 7 % 200) as u8;
        cell
    });
    let grey = color.map(|cell| luminance(*cell) as u8);
    Radiograph::from_pixels(Pixels::U8(grey)).with_color(Some(Arc::new(color)))
}

#[test]
fn files_keep_their_colors_beside_the_grey() {
    let red = dicom("ybr_full").pixels;
    for name in ["rgb", "rgb_planar", "rgb_rle", "rgb_jpeg_ls"] {
        let image = dicom(name);
        let color = image.color().unwrap_or_else(|| panic!("{name} has color"));
        for y in 0..image.height() {
            for x in 0..image.width() {
                let cell = color[(x, y)];
                assert_eq!(Some(luminance(cell)), image.pixels.value(x, y), "{name}");
                // The fixtures of YBR have as luma what those of RGB have as red.
                assert_eq!(Some(f64::from(cell[0])), red.value(x, y), "{name}");
            }
        }
    }
    for name in ["palette", "palette_segmented"] {
        let image = dicom(name);
        let scale = if matches!(image.pixels, Pixels::U16(_)) {
            257.0
        } else {
            1.0
        };
        let Some(color) = image.color() else {
            assert_eq!(name, "palette_segmented", "its entries are grey");
            continue;
        };
        for y in 0..image.height() {
            for x in 0..image.width() {
                let off = luminance(color[(x, y)]) * scale - image.pixels.value(x, y).unwrap();
                assert!(off.abs() <= scale, "{name} {x} {y}: {off}");
            }
        }
    }
    for name in ["ct", "explicit", "signed_12", "jpeg_2000"] {
        assert!(dicom(name).color().is_none(), "{name} is grey");
    }
}

#[test]
fn luma_and_chroma_become_the_colors_of_the_standard() {
    // PS3.3 C.7.6.3.1.2 of pure red, green and blue: luma, blue and red difference.
    let primaries = [
        ([76, 85, 255], [254, 0, 0]),
        ([150, 44, 21], [0, 255, 1]),
        ([29, 255, 107], [0, 0, 254]),
    ];
    for (ybr, rgb) in primaries {
        for (name, unit) in [
            ("ybr_full", vec![ybr[0], ybr[1], ybr[2]]),
            ("ybr_full_422", vec![ybr[0], ybr[0], ybr[1], ybr[2]]),
        ] {
            let before = dicom(name);
            let bytes = match unit.len() {
                3 => before.width() * before.height() * 3,
                _ => before.width().div_ceil(2) * before.height() * 4,
            };
            let mut file = std::fs::read(fixture(name)).unwrap();
            let start = file.len() - bytes.next_multiple_of(2);
            for (index, byte) in file[start..start + bytes].iter_mut().enumerate() {
                *byte = unit[index % unit.len()];
            }
            let image = radiograph::open_bytes("painted", file).unwrap();
            let image = image.frame(0).unwrap();
            for (x, y) in [(0, 0), (image.width() - 1, image.height() - 1)] {
                let cell = image.color().unwrap()[(x, y)];
                let near = cell.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 2);
                assert!(near, "{name} {ybr:?}: {cell:?}, not {rgb:?}");
                assert_eq!(image.pixels.value(x, y), Some(f64::from(ybr[0])));
            }
        }
    }
}

#[test]
fn the_display_view_is_written_in_color_and_every_other_in_grey() {
    let folder = tempfile::tempdir().unwrap();
    let mut image = stripes(24, 17);
    image.synthetic = Some(SyntheticMark {
        evidence: "a test".to_owned(),
        contribution: "model m, seed 7".to_owned(),
    });
    for name in ["view.png", "view.tif"] {
        let path = folder.path().join(name);
        export_step(&path, &image, Values::Display, false).unwrap();
        let back = radiograph::read(&path, 0).unwrap();
        assert_eq!(back.color(), image.color(), "{name}");
        assert_eq!(back.pixels, image.pixels, "{name}: the same luminance");
        assert_eq!(back.synthetic.unwrap().contribution, "model m, seed 7");
        export_step(&path, &image, Values::Stored, true).unwrap();
        let back = radiograph::read(&path, 0).unwrap();
        assert!(back.color().is_none(), "{name}: stored values are grey");
        assert_eq!(back.pixels, image.pixels, "{name}");
    }
    let grey = Radiograph::from_pixels(image.pixels.clone());
    let refused = export_color(&folder.path().join("grey.png"), &grey, false);
    assert!(refused.is_err() && !folder.path().join("grey.png").exists());
    let other = export_color(&folder.path().join("color.npy"), &image, false);
    assert!(other.is_err() && !folder.path().join("color.npy").exists());
}

#[test]
fn grey_in_three_samples_is_grey() {
    let folder = tempfile::tempdir().unwrap();
    let grey: Rgb = Grid::from_fn(9, 5, |x, y| [(x * 20 + y) as u8; 3]);
    let mut image = stripes(9, 5);
    let path = folder.path().join("grey.png");
    image = image.with_color(Some(Arc::new(grey)));
    // Written as three samples, it is read as what it is, so what was promised is not there.
    assert!(export_color(&path, &image, false).is_err());
    assert!(!path.exists(), "nothing was left behind");
}

#[test]
fn what_is_made_from_a_color_image_is_grey() {
    let image = stripes(20, 20);
    let mut made = image.clone();
    made.replace_pixels(made.pixels.clone());
    assert!(made.color().is_none());
    let room = Margins {
        left: 3,
        ..Margins::default()
    };
    let larger = image.extended(&room).unwrap();
    assert!(larger.color().is_none(), "room was never seen in color");
    // Grey and color of one image are equally light.
    assert_eq!(
        image.initial_window(),
        DisplayWindow::from_range(0.0, 255.0)
    );
    let Picture::Color(small) = Picture::reduced(&image, 5) else {
        panic!("a thumbnail of a color image has color");
    };
    assert_eq!(small.size(), (5, 5));
    assert!(matches!(Picture::of(&made), Picture::Grey(_)));
}

#[test]
fn a_project_keeps_the_colors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case");
    let document = Document::new(Arc::new(stripes(31, 12)));
    drop(Project::create(&path, document.clone()).unwrap());
    let (project, _) = Project::open(&path).unwrap();
    let back = &project.history().document().original;
    assert_eq!(back.color(), document.original.color());
    assert_eq!(**back, *document.original);
}

#[test]
fn the_decoding_process_hands_the_colors_over() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rgb", "palette"] {
        let out = folder.path().join(format!("{name}.png"));
        let run = Command::new(env!("CARGO_BIN_EXE_radcanvas"))
            .arg("convert")
            .args([&fixture(name), &out])
            .args(["--values", "display"])
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        let back = radiograph::read(&out, 0).unwrap();
        assert_eq!(back.color(), dicom(name).color(), "{name}");
    }
}

#[cfg(feature = "window")]
#[test]
fn the_canvas_shows_colors_and_no_window_touches_them() {
    use crate::app_canvas::{device, frame, one_to_one};
    let Some(mut device) = device() else { return };
    let image = stripes(70, 50);
    let color = image.color().unwrap();
    let (mut view, rect) = one_to_one(&image);
    let mut shown = frame(&image, &view, rect, 21);
    for _ in 0..4 {
        device.prepare(&shown);
    }
    let same = |picture: &Grid<[u8; 4]>, invert: bool| {
        (0..50).all(|y| {
            (0..70).all(|x| {
                let there = picture[(x, y)];
                let wanted = color[(x, y)].map(|v| if invert { 255 - v } else { v });
                there[..3] == wanted
            })
        })
    };
    assert!(same(&device.picture((21, 0), 70, 50).unwrap(), false));
    let written = || shown.written.load(std::sync::atomic::Ordering::Relaxed);
    let before = written();
    assert!(before >= 70 * 50 * 6, "grey and color are there: {before}");
    view.window = DisplayWindow::from_range(100.0, 101.0);
    let mut narrow = frame(&image, &view, rect, 21);
    narrow.before = Arc::clone(&shown.before);
    narrow.written = Arc::clone(&shown.written);
    device.prepare(&narrow);
    assert_eq!(written(), before, "a window drag writes no pixels");
    assert!(same(&device.picture((21, 0), 70, 50).unwrap(), false));
    narrow.invert = true;
    device.prepare(&narrow);
    assert!(same(&device.picture((21, 0), 70, 50).unwrap(), true));
    // What was made from it is grey, and goes through the window.
    let mut made = image.clone();
    made.replace_pixels(image.pixels.clone());
    view.window = image.initial_window();
    shown = frame(&image, &view, rect, 22);
    shown.after = Some(frame(&made, &view, rect, 22).before);
    shown.uniforms.other[0] = 35.0;
    for _ in 0..4 {
        device.prepare(&shown);
    }
    let picture = device.picture((22, 0), 70, 50).unwrap();
    for y in 0..50 {
        for x in 0..70 {
            let [r, g, b, _] = picture[(x, y)];
            if x < 35 {
                assert_eq!([r, g, b], color[(x, y)], "{x} {y}");
            } else {
                let grey = image.pixels.value(x, y).unwrap();
                assert!(r == g && g == b && (f64::from(r) - grey).abs() <= 1.0);
            }
        }
    }
}
