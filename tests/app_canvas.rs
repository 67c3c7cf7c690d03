//! The canvas: view maths, gestures, levels and, where there is a device, the shader against `Radiograph::grey`.

use std::sync::Arc;
use std::sync::OnceLock;

use egui::epaint::ClippedShape;
use egui::{Event, Key, Modifiers, PointerButton, Pos2, RawInput, Rect, pos2, vec2};
use radcanvas::app::canvas::gesture::{Press, landmark_under, press_of};
use radcanvas::app::canvas::gpu::{Frame, HINT, Headless, MASK, REGENERATE_INSIDE};
use radcanvas::app::canvas::pyramid::reach::reach_of;
use radcanvas::app::canvas::pyramid::{Levels, prepare, tile_shift};
use radcanvas::app::canvas::view::{DragSpeed, dragged_window, point_of};
use radcanvas::app::canvas::{
    Canvas, CanvasEvent, DraftRaster, Measured, OverlayRaster, Planes, Scene, Tool, ToolOptions,
    View, look,
};
use radcanvas::document::raster::draw;
use radcanvas::document::{Layer, Mark, Operation, Shape, StrokePoint, Tip};
use radcanvas::geometry::{FigureKind, PixelRect, Point};
use radcanvas::grid::Grid;
use radcanvas::landmarks::{Hip, HipLandmarks, HipPoint, Side};
use radcanvas::noise::Noise;
use radcanvas::radiograph::{
    DisplayWindow, ModalityTransform, Photometric, Pixels, Radiograph, VoiTable, WindowFunction,
};

fn film(width: usize, height: usize) -> Arc<Radiograph> {
    let grid = Grid::from_fn(width, height, |x, y| ((x * 37 + y * 91) % 4096) as u16);
    Arc::new(Radiograph::from_pixels(Pixels::U16(grid)))
}

#[test]
fn zooming_keeps_the_point_under_the_pointer() {
    let rect = Rect::from_min_size(pos2(13.0, 7.0), vec2(801.0, 603.0));
    let mut noise = Noise::new(1, 0);
    for turns in 0..4 {
        for flipped in [false, true] {
            for ppp in [1.0_f32, 1.5, 3.0] {
                let mut view = View::of(&film(300, 200));
                view.quarter_turns = turns;
                view.flipped = flipped;
                let pointer = pos2(
                    noise.range(20.0, 800.0) as f32,
                    noise.range(10.0, 600.0) as f32,
                );
                let under = view.image_from_screen(rect, ppp).apply(point_of(pointer));
                for factor in [1.3, 0.4, 2.0, f64::NAN, 1e9, 1e-9] {
                    view.zoom_at(rect, ppp, pointer, factor);
                    let now = view.image_from_screen(rect, ppp).apply(point_of(pointer));
                    assert!(
                        now.distance(under) < 1e-6,
                        "{turns} {flipped} {ppp} {factor}"
                    );
                }
            }
        }
    }
}

#[test]
fn fitting_shows_the_whole_image_and_turning_turns_clockwise() {
    let rect = Rect::from_min_size(Pos2::ZERO, vec2(400.0, 300.0));
    let mut view = View::of(&film(100, 50));
    let place = |view: &View, x, y| {
        let screen = view.image_from_screen(rect, 2.0).inverse().unwrap();
        screen.apply(Point::new(x, y))
    };
    let corner = place(&view, -0.5, -0.5);
    assert!(corner.distance(Point::new(0.0, 50.0)) < 1e-6, "{corner:?}");
    view.rotate();
    let turned = place(&view, -0.5, -0.5);
    assert!(turned.distance(Point::new(275.0, 0.0)) < 1e-6, "{turned:?}");
    view.flip();
    let mirrored = place(&view, -0.5, -0.5);
    assert!(
        mirrored.distance(Point::new(125.0, 0.0)) < 1e-6,
        "{mirrored:?}"
    );
    // Seen clockwise from here too: the corner at the top left goes to the top right.
    view.rotate();
    let again = place(&view, -0.5, -0.5);
    assert!(again.x > 300.0 && again.y < 100.0, "{again:?}");
}

#[test]
fn a_view_survives_its_written_form() {
    let mut view = View::of(&film(10, 10));
    view.quarter_turns = 3;
    let text = serde_json::to_string(&view).unwrap();
    let mut back: View = serde_json::from_str(&text).unwrap();
    back.image_size = view.image_size;
    assert_eq!(back, view);
}

#[test]
fn window_drags_follow_the_law_and_never_break() {
    let start = DisplayWindow::from_range(0.0, 2048.0);
    let plain = DragSpeed::default();
    let moved = dragged_window(&start, (10.0, 20.0), (0.0, 1024.0), plain);
    assert_eq!((moved.width, moved.center), (2058.0, 1044.0));
    let slow = DragSpeed {
        slow: true,
        fast: false,
    };
    assert_eq!(
        dragged_window(&start, (8.0, 0.0), (0.0, 1024.0), slow).width,
        2050.0
    );
    let fast = DragSpeed {
        slow: false,
        fast: true,
    };
    assert_eq!(
        dragged_window(&start, (8.0, 0.0), (0.0, 1024.0), fast).width,
        2080.0
    );
    let ranges = [
        (0.0, 0.0),
        (f64::NAN, 1.0),
        (-1e30, 1e30),
        (3.0, 3.0 + 1e-9),
    ];
    for function in [
        WindowFunction::Linear,
        WindowFunction::LinearExact,
        WindowFunction::Sigmoid,
    ] {
        for range in ranges {
            for drag in [
                (-1e9, 0.0),
                (1e9, -1e9),
                (f64::INFINITY, 0.0),
                (f64::NAN, f64::NAN),
            ] {
                let start = DisplayWindow {
                    function,
                    ..start.clone()
                };
                let window = dragged_window(&start, drag, range, plain);
                assert!(
                    window.is_usable(),
                    "{function:?} {range:?} {drag:?} {window:?}"
                );
            }
        }
    }
}

#[test]
fn buttons_do_what_the_convention_says() {
    use PointerButton::{Middle, Primary, Secondary};
    let check = |button, space, w, pacs, expected| {
        assert_eq!(press_of(button, space, w, pacs), Some(expected));
    };
    check(Primary, false, false, false, Press::Tool);
    check(Primary, true, false, false, Press::Pan);
    check(Primary, false, true, false, Press::Window);
    check(Secondary, false, false, false, Press::Window);
    check(Middle, false, false, false, Press::Pan);
    check(Primary, false, false, true, Press::Window);
    check(Middle, false, false, true, Press::Pan);
    check(Secondary, false, false, true, Press::Zoom);
}

#[test]
fn levels_are_means_and_tiles_stay_within_limits() {
    let prepared = prepare(&film(7, 5));
    let Levels::Integer(levels) = &prepared.levels else {
        panic!("16 bits stay integers");
    };
    let base = &levels[0];
    let mean = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|at| u32::from(base[at]));
    assert_eq!(levels[1].size(), (4, 3));
    assert_eq!(
        u32::from(levels[1][(0, 0)]),
        (mean.iter().sum::<u32>() + 2) / 4
    );
    for size in [
        (1, 1),
        (2, 1),
        (100, 3),
        (1024, 1024),
        (4096, 4096),
        (16000, 16384),
    ] {
        let shift = tile_shift(size);
        let tiles = size.0.div_ceil(1 << shift) * size.1.div_ceil(1 << shift);
        assert!(
            tiles <= 256 && shift <= 11,
            "{size:?}: {tiles} tiles of 2^{shift}"
        );
    }
}

#[test]
fn reach_is_the_distance_to_the_painted_part() {
    let mask = Grid::from_fn(40, 30, |x, y| {
        if (x, y) == (10, 12) || (x, y) == (30, 3) {
            255
        } else {
            0
        }
    });
    let reach = reach_of(&mask, 20.0);
    for y in 0..30 {
        for x in 0..40 {
            let at = Point::new(x as f64, y as f64);
            let exact = at
                .distance(Point::new(10.0, 12.0))
                .min(at.distance(Point::new(30.0, 3.0)));
            let expected = (exact * reach.steps).min(255.0);
            let found = f64::from(reach.field[(x, y)]);
            assert!(
                (found - expected).abs() <= 0.51,
                "{x} {y}: {found} {expected}"
            );
        }
    }
    let nothing = reach_of(&Grid::filled(20, 20, 0), 5.0);
    assert!(nothing.field.cells().iter().all(|d| *d == 255));
}

#[test]
fn the_draft_raster_covers_a_capsule_and_clears_behind_itself() {
    let mut raster = DraftRaster::default();
    raster.clear((64, 48));
    raster.pending = PixelRect::default();
    let sample = |x, y| StrokePoint {
        at: Point::new(x, y),
        pressure: 1.0,
    };
    let dirty = raster.segment(
        sample(10.0, 10.0),
        sample(40.0, 30.0),
        8.0,
        false,
        Tip::Round,
    );
    for y in 0..48_usize {
        for x in 0..64_usize {
            let p = Point::new(x as f64, y as f64) - Point::new(10.0, 10.0);
            let along = Point::new(30.0, 20.0);
            let t = (p.dot(along) / along.dot(along)).clamp(0.0, 1.0);
            let inside = (p - along * t).length() <= 4.0;
            assert_eq!(raster.grid[(x, y)] == 255, inside, "{x} {y}");
            assert!(!inside || dirty.contains(x as i64, y as i64));
        }
    }
    assert_eq!(raster.pending, dirty);
    raster.clear((64, 48));
    assert!(raster.grid.cells().iter().all(|c| *c == 0));
}

#[test]
fn what_is_drawn_while_the_hand_moves_is_what_the_document_will_draw() {
    let mut noise = Noise::new(5, 0);
    let samples: Vec<StrokePoint> = (0..12)
        .map(|_| StrokePoint {
            at: Point::new(noise.range(-20.0, 220.0), noise.range(-20.0, 170.0)),
            pressure: noise.range(0.1, 1.0) as f32,
        })
        .collect();
    for (width, smooth, tip) in [
        (30.0, true, Tip::Round),
        (30.0, false, Tip::Round),
        (1.5, true, Tip::Round),
        (90.0, true, Tip::Round),
        (30.0, false, Tip::Square),
        (1.5, false, Tip::Square),
    ] {
        let mut draft = DraftRaster::default();
        draft.clear((200, 150));
        draft.pending = PixelRect::default();
        let mut touched = draft.segment(samples[0], samples[0], width, smooth, tip);
        for pair in samples.windows(2) {
            touched = touched.union(draft.segment(pair[0], pair[1], width, smooth, tip));
        }
        let mark = Mark {
            layer: Layer::Mask,
            operation: Operation::Paint,
            shape: Shape::Stroke {
                points: samples.clone(),
                width,
                smooth,
                tip,
            },
        };
        let mut whole = Grid::filled(200, 150, 0);
        let bounds = whole.bounds();
        draw(&mut whole, &mark, bounds);
        assert!(whole == draft.grid, "{width} {smooth} {tip:?}");
        assert_eq!(draft.pending, touched);
        for y in 0..150 {
            for x in 0..200 {
                let drawn = whole[(x, y)] > 0;
                assert!(!drawn || touched.contains(x as i64, y as i64), "{x} {y}");
            }
        }
    }
}

#[test]
fn landmarks_are_caught_by_their_handles() {
    let hip = |x| Hip {
        center: Point::new(x, 50.0),
        radius: 20.0,
        rim: Point::new(x, 22.0),
    };
    let landmarks = HipLandmarks {
        left: hip(150.0),
        right: hip(50.0),
        pixel_spacing_mm: None,
    };
    let same = radcanvas::geometry::Affine::IDENTITY;
    let check = |x, y, expected| {
        assert_eq!(landmark_under(&landmarks, &same, pos2(x, y)), expected);
    };
    check(151.0, 49.0, Some((Side::Left, HipPoint::Center)));
    check(50.0, 24.0, Some((Side::Right, HipPoint::Rim)));
    check(71.0, 50.0, Some((Side::Right, HipPoint::Edge)));
    check(100.0, 100.0, None);
}

/// A canvas in a window of 400 × 300 without a screen.
struct Bench {
    ctx: egui::Context,
    canvas: Canvas,
    view: View,
    image: Arc<Radiograph>,
    options: ToolOptions,
    tool: Tool,
    landmarks: Option<HipLandmarks>,
    figures: Vec<Measured>,
}

impl Bench {
    fn new(tool: Tool) -> Self {
        let image = film(400, 300);
        let mut bench = Self {
            ctx: egui::Context::default(),
            canvas: Canvas::new(1),
            view: View::of(&image),
            image,
            options: ToolOptions::default(),
            tool,
            landmarks: None,
            figures: Vec::new(),
        };
        bench.pass(vec![Event::PointerMoved(pos2(5.0, 5.0))]);
        bench
    }

    fn pass(&mut self, events: Vec<Event>) -> Vec<CanvasEvent> {
        let corners = <[Vec<String>; 4]>::default();
        let scene = Scene {
            image: &self.image,
            after: None,
            split: 1.0,
            layer: Layer::Mask,
            hint: None,
            mask: None,
            regenerate_inside: true,
            ring_px: 12.0,
            veil: None,
            denoised: &[],
            landmarks: self.landmarks.as_ref(),
            intervals: None,
            show_hips: true,
            figures: &self.figures,
            chosen: None,
            loupe: false,
            tool: self.tool,
            tool_options: &self.options,
            corner_texts: &corners,
            synthetic: true,
            overlays: true,
            planes: Planes::All,
            pacs_buttons: false,
            stack: false,
            title: "Mask",
        };
        passed(
            &self.ctx,
            (&mut self.canvas, &mut self.view),
            &scene,
            events,
        )
        .0
    }
}

/// One frame of a canvas alone, 400 × 300 points: what it said, and what it drew.
pub(crate) fn passed(
    ctx: &egui::Context,
    (canvas, view): (&mut Canvas, &mut View),
    scene: &Scene<'_>,
    events: Vec<Event>,
) -> (Vec<CanvasEvent>, Vec<ClippedShape>) {
    let input = RawInput {
        screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(400.0, 300.0))),
        events,
        ..RawInput::default()
    };
    let mut found = Vec::new();
    let mut output = ctx.run_ui(input, |ui| {
        canvas.ui(ui, scene, view, &mut found);
    });
    output.textures_delta.clear();
    (found, output.shapes)
}

fn button(button: PointerButton, x: f32, y: f32, pressed: bool) -> Event {
    Event::PointerButton {
        pos: pos2(x, y),
        button,
        pressed,
        modifiers: Modifiers::NONE,
    }
}

fn escape() -> Event {
    Event::Key {
        key: Key::Escape,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers: Modifiers::NONE,
    }
}

fn marks(events: &[CanvasEvent]) -> usize {
    events
        .iter()
        .filter(|e| matches!(e, CanvasEvent::Mark(_)))
        .count()
}

#[test]
fn a_stroke_keeps_every_move_of_a_frame() {
    let mut bench = Bench::new(Tool::Eraser);
    bench.pass(vec![button(PointerButton::Primary, 50.0, 60.0, true)]);
    let moves = (1..=29).map(|i| Event::PointerMoved(pos2(50.0 + 5.0 * i as f32, 60.0)));
    bench.pass(moves.collect());
    assert!(bench.canvas.draft().is_some());
    // Another button goes down and up meanwhile: nothing happens.
    bench.pass(vec![
        button(PointerButton::Secondary, 195.0, 60.0, true),
        button(PointerButton::Secondary, 195.0, 60.0, false),
    ]);
    let events = bench.pass(vec![button(PointerButton::Primary, 195.0, 60.0, false)]);
    assert_eq!(marks(&events), 1);
    let Some(CanvasEvent::Mark(mark)) = events.iter().find(|e| matches!(e, CanvasEvent::Mark(_)))
    else {
        panic!("no mark");
    };
    assert_eq!(
        (mark.layer, mark.operation),
        (Layer::Mask, Operation::Erase)
    );
    let Shape::Stroke { points, width, .. } = &mark.shape else {
        panic!("not a stroke");
    };
    assert_eq!((points.len(), *width), (30, 24.0));
    assert!(
        points[0].at.distance(Point::new(49.5, 59.5)) < 1e-3,
        "{:?}",
        points[0]
    );
}

#[test]
fn escape_commits_nothing() {
    for tool in [
        Tool::Brush,
        Tool::Lasso,
        Tool::Rectangle,
        Tool::Measure(FigureKind::Length),
    ] {
        let mut bench = Bench::new(tool);
        bench.pass(vec![button(PointerButton::Primary, 50.0, 60.0, true)]);
        bench.pass(vec![
            Event::PointerMoved(pos2(90.0, 90.0)),
            Event::PointerMoved(pos2(90.0, 140.0)),
        ]);
        let mut events = bench.pass(vec![escape()]);
        assert!(events.contains(&CanvasEvent::Cancelled), "{tool:?}");
        events.extend(bench.pass(vec![Event::PointerMoved(pos2(120.0, 90.0))]));
        events.extend(bench.pass(vec![button(PointerButton::Primary, 120.0, 90.0, false)]));
        assert_eq!(marks(&events), 0, "{tool:?}");
        assert!(!bench.canvas.cancel(), "{tool:?}");
    }
}

#[test]
fn right_drag_changes_the_window_in_every_tool_and_escape_brings_it_back() {
    for tool in [
        Tool::Brush,
        Tool::Hips,
        Tool::Fill,
        Tool::Measure(FigureKind::Angle),
    ] {
        let mut bench = Bench::new(tool);
        let before = bench.view.window.clone();
        bench.pass(vec![button(PointerButton::Secondary, 50.0, 60.0, true)]);
        let events = bench.pass(vec![Event::PointerMoved(pos2(80.0, 70.0))]);
        assert!(bench.view.window.width > before.width && bench.view.window.center > before.center);
        assert_eq!(marks(&events), 0);
        bench.pass(vec![escape()]);
        assert_eq!(bench.view.window, before, "{tool:?}");
    }
}

#[test]
fn middle_drag_pans_and_hip_points_can_be_dragged() {
    let mut bench = Bench::new(Tool::Hips);
    let events = bench.pass(vec![button(PointerButton::Primary, 50.0, 60.0, true)]);
    assert!(
        events
            .iter()
            .any(|e| matches!(e, CanvasEvent::PlaceLandmarks(_)))
    );
    bench.pass(vec![button(PointerButton::Primary, 50.0, 60.0, false)]);
    let hip = |x| Hip {
        center: Point::new(x, 100.0),
        radius: 30.0,
        rim: Point::new(x, 60.0),
    };
    bench.landmarks = Some(HipLandmarks {
        left: hip(300.0),
        right: hip(100.0),
        pixel_spacing_mm: None,
    });
    bench.pass(vec![button(PointerButton::Primary, 302.5, 60.5, true)]);
    bench.pass(vec![Event::PointerMoved(pos2(312.5, 50.5))]);
    let events = bench.pass(vec![button(PointerButton::Primary, 312.5, 50.5, false)]);
    let expected = CanvasEvent::MoveLandmark {
        side: Side::Left,
        point: HipPoint::Rim,
        to: Point::new(310.0, 50.0),
        done: true,
    };
    assert!(events.contains(&expected), "{events:?}");
    assert!(bench.view.fitted);
    bench.pass(vec![button(PointerButton::Middle, 100.0, 100.0, true)]);
    bench.pass(vec![Event::PointerMoved(pos2(110.0, 100.0))]);
    assert_eq!(bench.view.center, Point::new(189.5, 149.5));
}

/// A device, or `None` after saying that the test is skipped; a missing device fails where one is required.
pub(crate) fn device() -> Option<Headless> {
    let device = Headless::new();
    if device.is_none() {
        assert!(std::env::var("RADCANVAS_REQUIRE_GPU").is_err(), "no device");
        eprintln!("skipped: no graphics device");
    }
    device
}

pub(crate) fn frame(image: &Radiograph, view: &View, rect: Rect, slot: u64) -> Frame {
    let pending: Arc<OnceLock<_>> = Arc::default();
    let _ = pending.set(prepare(image));
    Frame {
        slot: (slot, 0),
        uniforms: look(view, rect, 1.0),
        window: view.window.clone(),
        invert: view.invert,
        before: pending,
        after: None,
        mask: None,
        hint: None,
        draft: None,
        reach: None,
        written: Arc::default(),
        ctx: egui::Context::default(),
    }
}

pub(crate) fn one_to_one(image: &Radiograph) -> (View, Rect) {
    let (width, height) = (image.width() as f32, image.height() as f32);
    let rect = Rect::from_min_size(Pos2::ZERO, vec2(width, height));
    let mut view = View::of(image);
    view.one_to_one();
    (view, rect)
}

#[test]
fn the_shader_shows_what_grey_says() {
    let Some(mut device) = device() else { return };
    let (width, height) = (150, 90);
    let at = |x: usize, y: usize| (x * 431 + y * 77) as u16;
    let mut signed = Radiograph::from_pixels(Pixels::I16(Grid::from_fn(width, height, |x, y| {
        at(x, y) as i16
    })));
    signed.modality_transform = ModalityTransform::Linear {
        slope: 0.5,
        intercept: -1024.0,
    };
    let unsigned = Radiograph::from_pixels(Pixels::U16(Grid::from_fn(width, height, at)));
    let mut inverted = unsigned.clone();
    inverted.photometric = Photometric::Monochrome1;
    let bytes = Radiograph::from_pixels(Pixels::U8(Grid::from_fn(width, height, |x, y| {
        at(x, y) as u8
    })));
    let floats = Radiograph::from_pixels(Pixels::F32(Grid::from_fn(width, height, |x, y| {
        f32::from(at(x, y)) * 0.01
    })));
    let curve = |first: i64, entries: usize| {
        DisplayWindow::from_table(VoiTable {
            first,
            values: (0..entries)
                .map(|i| ((i * 7919) % 1024) as f32 / 1023.0)
                .collect(),
            explanation: String::new(),
        })
    };
    let windows = [
        (WindowFunction::LinearExact, 2000.0, 4000.0),
        (WindowFunction::Linear, 40.0, 400.0),
        (WindowFunction::Linear, 30000.0, 60000.0),
        (WindowFunction::Linear, 100.0, 1.0),
        (WindowFunction::Sigmoid, 128.0, 200.0),
        (WindowFunction::Sigmoid, 2000.0, 9000.0),
    ]
    .map(|(function, center, width)| DisplayWindow {
        center,
        width,
        function,
        ..DisplayWindow::from_range(0.0, 1.0)
    });
    let windows: Vec<DisplayWindow> = windows
        .into_iter()
        .chain([curve(0, 4096), curve(-300, 3), curve(17, 1)])
        .collect();
    for (number, image) in [signed, unsigned, inverted, bytes, floats]
        .iter()
        .enumerate()
    {
        for window in &windows {
            // Between two entries that lie far apart, f32 on the GPU and f64 here may round to either side.
            if window.table.is_some() && number == 4 {
                continue;
            }
            let (mut view, rect) = one_to_one(image);
            view.window = window.clone();
            device.prepare(&frame(image, &view, rect, 1));
            let picture = device.picture((1, 0), width as u32, height as u32).unwrap();
            let grey = image.grey(&view.window);
            for y in 0..height {
                for x in 0..width {
                    let expected = grey[(x, y)] * 255.0;
                    let found = f32::from(picture[(x, y)][0]);
                    let off = (found - expected).abs();
                    assert!(
                        off <= 1.0,
                        "image {number} {:?} at {x} {y}: {found} {expected}",
                        view.window
                    );
                }
            }
        }
    }
}

#[test]
fn reduced_pictures_are_means_and_turns_reach_the_shader() {
    let Some(mut device) = device() else { return };
    // Single bright columns: nearest sampling would show stripes, a mean shows an even grey.
    let image = Radiograph::from_pixels(Pixels::U16(Grid::from_fn(512, 512, |x, _| {
        if x % 2 == 0 { 4000 } else { 0 }
    })));
    let rect = Rect::from_min_size(Pos2::ZERO, vec2(128.0, 128.0));
    let mut view = View::of(&image);
    view.window = DisplayWindow::from_range(0.0, 4000.0);
    device.prepare(&frame(&image, &view, rect, 2));
    let picture = device.picture((2, 0), 128, 128).unwrap();
    for at in [(3, 3), (64, 64), (120, 7)] {
        assert!(
            picture[at][0].abs_diff(128) <= 2,
            "{at:?} {:?}",
            picture[at]
        );
    }
    let image = Radiograph::from_pixels(Pixels::U16(Grid::from_fn(60, 60, |x, y| {
        if x < 10 && y < 10 { 4000 } else { 0 }
    })));
    let (mut view, rect) = one_to_one(&image);
    view.window = DisplayWindow::from_range(0.0, 4000.0);
    for (turns, flipped, corner) in [
        (0, false, (2, 2)),
        (1, false, (57, 2)),
        (2, false, (57, 57)),
        (3, false, (2, 57)),
        (0, true, (57, 2)),
    ] {
        view.quarter_turns = turns;
        view.flipped = flipped;
        device.prepare(&frame(&image, &view, rect, 3));
        let picture = device.picture((3, 0), 60, 60).unwrap();
        assert_eq!(picture[corner][0], 255, "{turns} {flipped}");
        assert_eq!(picture[(30, 30)][0], 0);
    }
}

#[test]
fn layers_upload_their_dirty_rectangle_and_windows_nothing() {
    let Some(mut device) = device() else { return };
    let image = Radiograph::from_pixels(Pixels::U16(Grid::filled(1500, 1100, 1000)));
    let (mut view, rect) = one_to_one(&image);
    let mut shown = frame(&image, &view, rect, 4);
    let mut grid = Grid::filled(1500, 1100, 0);
    let mask = |grid: &Grid<u8>, generation, dirty| OverlayRaster {
        grid: Arc::new(grid.clone()),
        generation,
        dirty,
    };
    shown.mask = Some(mask(&grid, 1, None));
    shown.uniforms.tiles[3] = REGENERATE_INSIDE;
    for _ in 0..8 {
        device.prepare(&shown);
    }
    let written = |frame: &Frame| frame.written.load(std::sync::atomic::Ordering::Relaxed);
    let before = written(&shown);
    view.window = DisplayWindow::from_range(0.0, 3000.0);
    shown.window = view.window.clone();
    device.prepare(&shown);
    assert_eq!(written(&shown), before, "a window drag writes no pixels");
    let dirty = PixelRect::new(770, 430, 500, 500);
    for y in dirty.y..dirty.bottom() {
        grid.row_mut(y as usize)[770..1270].fill(255);
    }
    shown.mask = Some(mask(&grid, 2, Some(dirty)));
    device.prepare(&shown);
    let bytes = (written(&shown) - before) as f64;
    assert!(
        (250_000.0..=275_000.0).contains(&bytes),
        "{bytes} bytes for 250 000 pixels"
    );
    let picture = device.picture((4, 0), 1500, 1100).unwrap();
    let (inside, outside) = (picture[(1000, 700)], picture[(100, 100)]);
    assert_eq!(outside, [85, 85, 85, 255]);
    assert!(inside[0] > inside[2], "orange: {inside:?}");
    // A generation missed means everything is sent again.
    shown.mask = Some(mask(&grid, 9, Some(PixelRect::new(0, 0, 1, 1))));
    let before = written(&shown);
    device.prepare(&shown);
    assert!(written(&shown) - before > 1_600_000);
    assert_eq!((MASK, HINT), (2, 4));
}
