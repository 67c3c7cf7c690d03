//! Pictures of the window at the scales of real screens; `RADCANVAS_PICTURES=FOLDER` keeps them to be looked at.

use std::path::PathBuf;

use egui::{Rect, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use radcanvas::app::action::Action;
use radcanvas::app::canvas::Tool;
use radcanvas::app::session::Workspace;
use radcanvas::app::{App, Start};

use super::Dicom;
use crate::app::{drag, faked, renderer, until};

/// The window over one file at a scale; `None` where there is no graphics device.
fn shown(path: PathBuf, scale: f32) -> Option<Harness<'static, App>> {
    let renderer = renderer()?;
    let start = Start {
        files: vec![path],
        ..Start::default()
    };
    let mut harness = Harness::builder()
        .with_size(vec2(1000.0, 640.0))
        .with_pixels_per_point(scale)
        .with_max_steps(64)
        .renderer(renderer)
        .build_eframe(|cc| {
            let render = cc.wgpu_render_state.as_ref();
            App::new(&cc.egui_ctx, start, faked(), render)
        });
    until(&mut harness, "open", |app| app.session().open().is_some());
    harness.state_mut().act(Action::Workspace(Workspace::View));
    harness.run_steps(4);
    Some(harness)
}

fn kept(picture: &image::RgbaImage, name: &str) {
    if let Some(folder) = std::env::var_os("RADCANVAS_PICTURES") {
        picture.save(PathBuf::from(folder).join(name)).unwrap();
    }
}

#[test]
fn the_canvas_is_sharp_at_one_and_a_half_and_at_three() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stripes.dcm");
    let mut film = Dicom::new(200, 100, |x, _| if x % 2 == 0 { 0 } else { 4095 });
    film.text((0x0020, 0x0020), "CS", "L\\F");
    film.text((0x0028, 0x1050), "DS", "2048");
    film.text((0x0028, 0x1051), "DS", "4096");
    film.write(&path);
    for scale in [1.5_f32, 3.0] {
        let Some(mut harness) = shown(path.clone(), scale) else {
            return;
        };
        harness.state_mut().act(Action::OneToOne);
        harness.run_steps(4);
        harness.remove_cursor();
        let canvas = harness.get_by_label("First image").rect();
        let picture = harness.render().unwrap();
        kept(&picture, &format!("stripes-{scale}.png"));
        assert_eq!(picture.width(), (1000.0 * scale) as u32);
        // One image pixel is one screen pixel: stripes alternate with no grey between them.
        let y = (canvas.center().y * scale) as u32 + 20;
        let middle = (canvas.center().x * scale) as u32;
        let row: Vec<u8> = (middle - 60..middle + 60)
            .map(|x| picture.get_pixel(x, y).0[0])
            .collect();
        let sharp = row.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 250);
        assert!(sharp, "{scale}: {row:?}");
        let lit = |x: u32| picture.get_pixel(x, y).0[0] > 128;
        assert!(
            !(middle + 104..middle + 140).any(lit),
            "{scale}: 200 pixels wide, no more"
        );
    }
}

#[test]
fn planes_letters_and_true_shapes_stand_on_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.dcm");
    let mut film = Dicom::new(120, 60, |x, y| 600 + 5 * x + 3 * y);
    film.text((0x0028, 0x0034), "IS", "2\\1");
    film.text((0x0020, 0x0037), "DS", "1\\0\\0\\0\\1\\0");
    film.text((0x0028, 0x1050), "DS", "2048");
    film.text((0x0028, 0x1051), "DS", "4096");
    film.plane(0x6000, "G", (120, 60), |x, y| x == y || y == 30);
    film.write(&path);
    let Some(mut harness) = shown(path, 1.0) else {
        return;
    };
    let picture = |harness: &mut Harness<'static, App>, name: &str| {
        harness.remove_cursor();
        let picture = harness.render().unwrap();
        kept(&picture, name);
        picture
    };
    let canvas: Rect = harness.get_by_label("First image").rect();
    let with = picture(&mut harness, "planes.png");
    // 120 wide and 60 twice as tall: a square on the screen.
    let ground = with
        .get_pixel(canvas.left() as u32 + 40, canvas.center().y as u32 - 60)
        .0;
    let is_film = |x: f32, y: f32| with.get_pixel(x as u32, y as u32).0 != ground;
    let side = canvas.width().min(canvas.height()) / 2.0;
    let center = canvas.center();
    assert!(is_film(center.x + side - 6.0, center.y + 37.0));
    assert!(is_film(center.x - side + 6.0, center.y + 37.0));
    assert!(!is_film(center.x + side + 6.0, center.y + 37.0));
    harness.state_mut().act(Action::Planes);
    harness.run_steps(2);
    let without = picture(&mut harness, "no-planes.png");
    let at = |x: f32, y: f32| (x as u32, y as u32);
    let line = at(center.x + 100.0, center.y + side / 60.0);
    assert_ne!(
        with.get_pixel(line.0, line.1),
        without.get_pixel(line.0, line.1),
        "the plane"
    );
    let light = with.get_pixel(line.0, line.1).0[0];
    assert!(light > without.get_pixel(line.0, line.1).0[0], "light ink");
    // Turned, the letters go along; pictures tell.
    harness.state_mut().act(Action::Planes);
    harness.state_mut().act(Action::Rotate);
    harness.run_steps(2);
    picture(&mut harness, "turned.png");
}

#[test]
fn studies_loupe_and_recent_files_can_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let films = super::studies::films(folder.path());
    let mut large = Dicom::new(700, 500, |x, y| (x * 3 + y * 5) % 4096);
    large.text((0x0008, 0x0060), "CS", "DX");
    large.text((0x0018, 0x5101), "CS", "PA");
    large.text((0x0020, 0x000D), "UI", "1.2.77");
    large.text((0x0020, 0x000E), "UI", "1.2.77.1");
    large.text((0x0028, 0x0034), "IS", "3\\2");
    large.write(&films.join("d"));
    let Some(mut harness) = shown(films, 1.5) else {
        return;
    };
    until(&mut harness, "pictures", |app| {
        let stack = app.session().stack.as_ref().unwrap();
        stack.series().iter().all(|listed| listed.picture.is_some())
    });
    harness.remove_cursor();
    harness.run_steps(4);
    let picture = harness.render().unwrap();
    kept(&picture, "studies.png");
    // The picture of the series that is shown stands in its place in the list.
    let entry = harness.get_by_label_contains("Series 3:").rect();
    let at = (entry.center() - vec2(0.0, 16.0)) * 1.5;
    let inside = picture.get_pixel(at.x as u32, at.y as u32).0;
    assert!(inside[0] > 40 && inside[0] == inside[2], "{inside:?}");
    harness.state_mut().act(Action::Identity);
    harness.run_steps(4);
    kept(&harness.render().unwrap(), "studies-named.png");
    let last = Action::Frame(radcanvas::app::action::FrameChange::ToSeries(3));
    harness.state_mut().act(last);
    until(&mut harness, "the large film", |app| {
        app.session().open().unwrap().document().image().width() == 700
    });
    harness.state_mut().act(Action::Workspace(Workspace::Draw));
    harness.state_mut().act(Action::Tool(Tool::Brush));
    harness.state_mut().act(Action::SwapTip);
    harness.run_steps(4);
    let canvas = harness.get_by_label("Mask canvas").rect().center();
    drag(&mut harness, canvas - vec2(60.0, 0.0), canvas);
    harness.state_mut().act(Action::Loupe);
    harness.hover_at(canvas);
    harness.run_steps(4);
    kept(&harness.render().unwrap(), "loupe.png");
    let path = folder.path().join("Doe family/d");
    harness.state_mut().act(Action::Open(path));
    until(&mut harness, "one film", |app| {
        app.session().open().is_some() && app.session().stack.is_none()
    });
    harness.state_mut().act(Action::CloseCase);
    harness.remove_cursor();
    harness.run_steps(4);
    kept(&harness.render().unwrap(), "recent-named.png");
    harness.state_mut().act(Action::Identity);
    harness.run_steps(4);
    let picture = harness.render().unwrap();
    kept(&picture, "recent.png");
    let row = harness
        .get_by_label_contains("DX · chest · 700 × 500")
        .rect();
    let at = (row.left_center() + vec2(24.0, 0.0)) * 1.5;
    let inside = picture.get_pixel(at.x as u32, at.y as u32).0;
    assert!(inside[0] > 40 && inside[0] == inside[2], "{inside:?}");
}

#[test]
fn the_sheet_of_keys_and_real_planes_can_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.dcm");
    Dicom::new(64, 64, |x, y| x + y).write(&path);
    let Some(mut harness) = shown(path, 1.0) else {
        return;
    };
    harness.state_mut().act(Action::Keys);
    harness.run_steps(4);
    harness.remove_cursor();
    let sheet = harness.render().unwrap();
    kept(&sheet, "keys.png");
    assert!(harness.query_by_label("Defaults").is_some());
    // Files of other makers, where somebody names their folder.
    let Some(films) = std::env::var_os("RADCANVAS_FILMS") else {
        return;
    };
    for entry in std::fs::read_dir(films).unwrap().flatten() {
        let Some(mut harness) = shown(entry.path(), 1.0) else {
            return;
        };
        harness.run_steps(6);
        harness.remove_cursor();
        let name = entry.file_name().to_string_lossy().into_owned();
        kept(&harness.render().unwrap(), &format!("{name}.png"));
    }
}
