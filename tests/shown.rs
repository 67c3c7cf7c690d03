//! What is on the screen is what is told: values under the pointer, regions, loupe, corners, names, and what was kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{
    Event, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, Rect, Shape,
    TouchPhase, pos2, vec2,
};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use radcanvas::app::action::{Action, ExportKind, Layout};
use radcanvas::app::canvas::gpu::Frame;
use radcanvas::app::canvas::{
    Canvas, CanvasEvent, Measured, OverlayRaster, Planes, Scene, Sides, Tool, ToolOptions, Under,
    View,
};
use radcanvas::app::files::{Exporting, export, unsaved};
use radcanvas::app::session::{Tray, Workspace};
use radcanvas::app::{App, Start};
use radcanvas::document::{Accepted, Document, Edit, Layer, Tip};
use radcanvas::geometry::{Figure, FigureKind, Point};
use radcanvas::grid::Grid;
use radcanvas::job::record::Record;
use radcanvas::job::{
    Engine as _, Fake, Mode, ModelReference, Order, Product, Progress, Prompted, Request,
};
use radcanvas::landmarks::{Hip, HipLandmarks};
use radcanvas::radiograph::write::{SecondaryCapture, write_dicom};
use radcanvas::radiograph::{
    self, DisplayWindow, FileKind, Margins, Overlay, Pixels, Quantity, Radiograph,
    export as write_image,
};

use crate::app::{canvas_center, drag, model, until, window, with_results};
use crate::app_canvas::passed;

fn flat(width: usize, height: usize, value: u16) -> Arc<Radiograph> {
    let grid = Grid::filled(width, height, value);
    Arc::new(Radiograph::from_pixels(Pixels::U16(grid)))
}

fn rectangle(from: [f64; 2], to: [f64; 2]) -> Arc<Figure> {
    Arc::new(Figure {
        kind: FigureKind::Rectangle,
        points: vec![Point::from(from), Point::from(to)],
    })
}

fn open_with(path: PathBuf, keep: Option<PathBuf>) -> Harness<'static, App> {
    let mut harness = window(Start {
        files: vec![path],
        models: vec![model()],
        keep,
        ..Start::default()
    });
    until(&mut harness, "open", |app| app.session().open().is_some());
    harness
}

/// A canvas of 400 × 300 points without a screen, on an image of that size with an answer over it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of a scene, each named"
)]
struct Bench {
    ctx: egui::Context,
    canvas: Canvas,
    view: View,
    image: Arc<Radiograph>,
    after: Option<Arc<Radiograph>>,
    split: f32,
    loupe: bool,
    stack: bool,
    tool: Tool,
    tip: Tip,
    landmarks: Option<HipLandmarks>,
    show_hips: bool,
    figures: Vec<Measured>,
    mask: Option<OverlayRaster>,
    hint: Option<OverlayRaster>,
    overlays: bool,
    planes: Planes,
    shapes: Vec<Shape>,
    clipped: Vec<(Rect, Shape)>,
}

impl Bench {
    fn new() -> Self {
        let image = flat(400, 300, 100);
        let mut bench = Self {
            ctx: egui::Context::default(),
            canvas: Canvas::new(1),
            view: View::of(&image),
            image,
            after: Some(flat(400, 300, 700)),
            split: 0.5,
            loupe: false,
            stack: false,
            tool: Tool::Select,
            tip: Tip::Round,
            landmarks: None,
            show_hips: false,
            figures: Vec::new(),
            mask: None,
            hint: None,
            overlays: true,
            planes: Planes::None,
            shapes: Vec::new(),
            clipped: Vec::new(),
        };
        bench.pass(vec![Event::PointerMoved(pos2(5.0, 5.0))]);
        bench
    }

    fn pass(&mut self, events: Vec<Event>) -> Vec<CanvasEvent> {
        let corners = <[Vec<String>; 4]>::default();
        let options = ToolOptions {
            tip: self.tip,
            ..ToolOptions::default()
        };
        let scene = Scene {
            image: &self.image,
            after: self.after.as_ref(),
            split: self.split,
            layer: Layer::Sketch,
            hint: self.hint.as_ref(),
            mask: self.mask.as_ref(),
            regenerate_inside: true,
            ring_px: 6.0,
            veil: None,
            denoised: &[],
            landmarks: self.landmarks.as_ref(),
            intervals: None,
            show_hips: self.show_hips,
            figures: &self.figures,
            chosen: None,
            loupe: self.loupe,
            tool: self.tool,
            tool_options: &options,
            corner_texts: &corners,
            synthetic: false,
            overlays: self.overlays,
            planes: self.planes,
            pacs_buttons: false,
            stack: self.stack,
            title: "Sketch",
        };
        let (found, shapes) = passed(
            &self.ctx,
            (&mut self.canvas, &mut self.view),
            &scene,
            events,
        );
        self.clipped = shapes
            .into_iter()
            .map(|clipped| (clipped.clip_rect, clipped.shape))
            .collect();
        self.shapes = self
            .clipped
            .iter()
            .map(|(_, shape)| shape.clone())
            .collect();
        found
    }

    fn under(&mut self, events: Vec<Event>) -> Option<Under> {
        let last = |found: Vec<CanvasEvent>| {
            found.into_iter().rev().find_map(|event| match event {
                CanvasEvent::PointerAt(under) => Some(under),
                _ => None,
            })
        };
        last(self.pass(events)).flatten()
    }

    fn texts(&self) -> Vec<String> {
        texts(&self.shapes)
    }

    /// What is drawn in the loupe alone: it clips what lies in it to its own square.
    fn in_the_loupe(&self) -> Vec<&Shape> {
        let is_loupe =
            |clip: &Rect| clip.width() < 200.0 && (clip.width() - clip.height()).abs() < 1.0;
        let inside = self.clipped.iter().filter(|(clip, _)| is_loupe(clip));
        inside.map(|(_, shape)| shape).collect()
    }
}

/// The ends of the lines of this width among shapes.
fn lines_of(shapes: &[&Shape], width: f32) -> Vec<[Pos2; 2]> {
    let mut found = Vec::new();
    for shape in shapes {
        match shape {
            Shape::LineSegment { points, stroke } if stroke.width == width => found.push(*points),
            Shape::Path(path) if path.stroke.width == width => {
                let ends = path.points.first().zip(path.points.last());
                found.extend(ends.map(|(a, b)| [*a, *b]));
            }
            _ => {}
        }
    }
    found
}

fn texts<'a>(shapes: impl IntoIterator<Item = &'a Shape>) -> Vec<String> {
    let mut found = Vec::new();
    for shape in shapes {
        match shape {
            Shape::Text(text) => found.push(text.galley.text().to_owned()),
            Shape::Vec(shapes) => found.extend(texts(shapes)),
            _ => {}
        }
    }
    found
}

/// Everything that is written on the screen.
pub(crate) fn painted(harness: &Harness<'static, App>) -> String {
    let shapes = harness.output().shapes.iter().map(|clipped| &clipped.shape);
    texts(shapes).join("\n")
}

#[test]
fn what_lies_under_the_pointer_goes_by_the_side_of_the_slider() {
    let mut bench = Bench::new();
    let at = |x: f32| vec![Event::PointerMoved(pos2(x, 100.0))];
    assert!(!bench.under(at(150.0)).unwrap().answer);
    let under = bench.under(at(250.0)).unwrap();
    assert!(under.answer && under.at.distance(Point::new(249.5, 99.5)) < 1e-6);
    // The pointer rests; the slider goes over it, then the answer goes.
    bench.split = 0.75;
    assert!(!bench.under(Vec::new()).unwrap().answer);
    bench.split = 0.0;
    assert!(bench.under(Vec::new()).unwrap().answer);
    bench.after = None;
    assert!(!bench.under(Vec::new()).unwrap().answer);
    assert!(
        bench.pass(Vec::new()).is_empty(),
        "nothing new, nothing said"
    );
}

#[test]
fn regions_are_measured_on_what_is_shown_where_they_lie() {
    let mut bench = Bench::new();
    let measured = |from, to, bench: &Bench| {
        Measured::new(rectangle(from, to), &bench.image).answered(bench.after.as_deref())
    };
    let lines = |bench: &mut Bench, from, to| {
        bench.figures = vec![measured(from, to, bench)];
        bench.pass(Vec::new());
        let texts = bench.texts().into_iter();
        texts
            .filter(|text| text.contains("mean"))
            .collect::<Vec<_>>()
    };
    let source = "mean 100 · SD 0 (source)".to_owned();
    let synthetic = "mean 700 · SD 0 (synthetic)".to_owned();
    let (left, right) = ([20.0, 20.0], [120.0, 90.0]);
    assert_eq!(lines(&mut bench, left, right).join("|"), source);
    let (left, right) = ([250.0, 20.0], [350.0, 90.0]);
    assert_eq!(lines(&mut bench, left, right).join("|"), synthetic);
    let (left, right) = ([150.0, 20.0], [350.0, 90.0]);
    assert_eq!(lines(&mut bench, left, right), [source, synthetic.clone()]);
    bench.split = 0.0;
    assert_eq!(lines(&mut bench, [20.0, 20.0], [120.0, 90.0]), [synthetic]);
    bench.after = None;
    let lines = lines(&mut bench, [20.0, 20.0], [120.0, 90.0]);
    assert_eq!(lines, ["mean 100 · SD 0"], "one image needs no name");
}

#[test]
fn the_loupe_magnifies_what_is_on_the_screen() {
    let mut bench = Bench::new();
    bench.loupe = true;
    bench.pass(vec![Event::PointerMoved(pos2(190.0, 150.0))]);
    bench.pass(Vec::new());
    let loupe = Arc::clone(bench.canvas.last_loupe().unwrap());
    assert!(loupe.after.is_some(), "the answer is magnified too");
    // The slider is 10 points to the right of the pointer: 40 in the loupe, which lies around the pointer's column.
    let middle = loupe.uniforms.place[0];
    let away = loupe.uniforms.other[0] - middle;
    assert!((away - 40.0).abs() <= 1.0, "{away}");
    bench.loupe = false;
    bench.pass(Vec::new());
    assert!(bench.canvas.last_loupe().is_none());
}

/// Two hips whose heads stand at the columns 300 and 100.
fn hips() -> HipLandmarks {
    let hip = |x| Hip {
        center: Point::new(x, 200.0),
        radius: 10.0,
        rim: Point::new(x, 150.0),
    };
    HipLandmarks {
        left: hip(300.0),
        right: hip(100.0),
        pixel_spacing_mm: None,
    }
}

#[test]
fn the_loupe_shows_the_circle_of_the_hip_that_is_dragged() {
    let mut bench = Bench::new();
    bench.tool = Tool::Hips;
    bench.landmarks = Some(hips());
    let button = |pressed, x| Event::PointerButton {
        pos: pos2(x, 200.5),
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    bench.pass(vec![button(true, 300.5)]);
    bench.pass(vec![Event::PointerMoved(pos2(304.5, 200.5))]);
    // The construction itself is not drawn here, so the only circle is the loupe's: four times as large, around the
    // dragged center in its middle.
    let circles: Vec<f32> = bench
        .shapes
        .iter()
        .filter_map(|shape| match shape {
            Shape::Circle(circle) => Some(circle.radius),
            _ => None,
        })
        .collect();
    assert!(
        circles.iter().any(|r| (r - 40.0).abs() < 0.5),
        "{circles:?}"
    );
    bench.pass(vec![button(false, 304.5)]);
}

fn button(pos: Pos2, pressed: bool) -> Event {
    Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    }
}

fn layer(generation: u64, painted: impl Fn(usize, usize) -> bool) -> OverlayRaster {
    OverlayRaster {
        grid: Arc::new(Grid::from_fn(
            400,
            300,
            |x, y| {
                if painted(x, y) { 255 } else { 0 }
            },
        )),
        generation,
        dirty: None,
    }
}

#[test]
fn layers_and_planes_lie_in_the_loupe_too() {
    let mut bench = Bench::new();
    bench.loupe = true;
    let mut image = (*bench.image).clone();
    image.overlays.push(Overlay {
        group: 0x6000,
        label: String::new(),
        description: String::new(),
        region: false,
        ink: Pixels::U8(Grid::from_fn(400, 300, |x, y| u8::from(x == y))),
    });
    bench.image = Arc::new(image);
    bench.mask = Some(layer(3, |x, _| x < 190));
    bench.hint = Some(layer(5, |_, y| y == 150));
    bench.planes = Planes::All;
    bench.pass(vec![Event::PointerMoved(pos2(190.0, 150.0))]);
    bench.pass(Vec::new());
    let (loupe, whole) = (
        Arc::clone(bench.canvas.last_loupe().unwrap()),
        Arc::clone(bench.canvas.last_frame().unwrap()),
    );
    let generations = |frame: &Frame| {
        let of = |layer: &Option<OverlayRaster>| layer.as_ref().map(|layer| layer.generation);
        (of(&frame.mask), of(&frame.hint))
    };
    assert_eq!(generations(&loupe), (Some(3), Some(5)));
    assert!(loupe.reach.is_some() && loupe.draft.is_some());
    // Ring, side and what is regenerated are those of the canvas.
    assert_eq!(loupe.uniforms.reach, whole.uniforms.reach);
    assert_eq!(loupe.uniforms.tiles[3], whole.uniforms.tiles[3]);
    let meshes = |bench: &Bench| {
        let inside = bench.in_the_loupe();
        inside
            .iter()
            .filter(|shape| matches!(shape, Shape::Mesh(_)))
            .count()
    };
    assert_eq!(meshes(&bench), 1, "the plane");
    // What the canvas does not show, the loupe does not show.
    bench.overlays = false;
    bench.pass(Vec::new());
    let loupe = Arc::clone(bench.canvas.last_loupe().unwrap());
    assert_eq!(generations(&loupe), (None, None));
    assert_eq!(meshes(&bench), 0);
}

#[test]
fn a_figure_lies_in_the_loupe_where_the_hand_has_it() {
    let mut bench = Bench::new();
    bench.after = None;
    let length = Arc::new(Figure {
        kind: FigureKind::Length,
        points: vec![Point::new(100.0, 200.0), Point::new(200.0, 200.0)],
    });
    bench.figures = vec![Measured::new(length, &bench.image)];
    bench.pass(vec![button(pos2(200.5, 200.5), true)]);
    bench.pass(vec![Event::PointerMoved(pos2(210.5, 190.5))]);
    let loupe = Arc::clone(bench.canvas.last_loupe().unwrap());
    let [x, y, ..] = loupe.uniforms.place;
    let inside = bench.in_the_loupe();
    // The line ends in the middle of the loupe, where its point now is, and goes to the left, four times as far; in the
    // document the point still lies where it was.
    let lines = lines_of(&inside, 1.5);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let [from, to] = lines[0];
    assert!(
        to.distance(pos2(x, y)) < 1.5,
        "{to:?} in the middle {x} {y}"
    );
    assert!(
        (from.x - (x - 440.0)).abs() < 2.0 && (from.y - (y + 40.0)).abs() < 2.0,
        "{from:?}"
    );
    // No handle covers the point.
    let covers = |shape: &&&Shape| matches!(shape, Shape::Rect(_));
    assert_eq!(inside.iter().filter(covers).count(), 0);
    assert!(texts(inside.into_iter()).is_empty(), "nor a word");
    bench.pass(vec![button(pos2(210.5, 190.5), false)]);
}

#[test]
fn the_construction_of_the_hips_lies_in_the_loupe_when_it_is_shown() {
    let mut bench = Bench::new();
    (bench.tool, bench.show_hips) = (Tool::Hips, true);
    bench.landmarks = Some(hips());
    bench.pass(vec![button(pos2(300.5, 200.5), true)]);
    bench.pass(vec![Event::PointerMoved(pos2(304.5, 200.5))]);
    let inside = bench.in_the_loupe();
    let circles = inside
        .iter()
        .filter(|shape| matches!(shape, Shape::Circle(_)));
    assert_eq!(circles.count(), 4, "two heads, each on its halo");
    let [x, y, ..] = bench.canvas.last_loupe().unwrap().uniforms.place;
    // The line of the centers runs from one to the other, four times as long.
    let centers = lines_of(&inside, 1.0)
        .into_iter()
        .any(|[a, b]| b.distance(pos2(x, y)) < 1.5 && (a.x - (x - 816.0)).abs() < 2.0);
    assert!(centers);
    bench.pass(vec![button(pos2(304.5, 200.5), false)]);
}

#[test]
fn the_loupe_is_tinted_by_the_mask_and_uploads_nothing_of_its_own() {
    let Some(mut device) = crate::app_canvas::device() else {
        return;
    };
    let mut bench = Bench::new();
    (bench.loupe, bench.after) = (true, None);
    let mut pictures = Vec::new();
    for mask in [None, Some(layer(1, |x, _| x < 190))] {
        bench.mask = mask;
        bench.pass(vec![Event::PointerMoved(pos2(190.0, 150.0))]);
        bench.pass(Vec::new());
        let whole = Arc::clone(bench.canvas.last_frame().unwrap());
        let loupe = Arc::clone(bench.canvas.last_loupe().unwrap());
        for _ in 0..8 {
            device.prepare(&whole);
        }
        let before = bench.canvas.bytes_written();
        device.prepare(&loupe);
        assert_eq!(bench.canvas.bytes_written(), before, "all is there already");
        let picture = device.picture(loupe.slot, 400, 300).unwrap();
        let [x, y, ..] = loupe.uniforms.place;
        // 20 screen pixels are 5 of the image.
        let at = |dx: f32| picture[((x + dx) as usize, (y + 30.0) as usize)];
        pictures.push((at(-28.0), at(28.0)));
    }
    let [(left, right), (tinted, beside)] = pictures[..] else {
        panic!("two pictures");
    };
    assert!(
        left[0] == left[2] && right[0] == right[2],
        "grey without a mask"
    );
    assert!(tinted[0] > tinted[2] + 10, "{tinted:?}");
    assert_eq!(beside, right, "outside of it nothing changes");
}

#[test]
fn the_cursor_has_the_form_of_the_brush() {
    let mut bench = Bench::new();
    bench.tool = Tool::Brush;
    bench.tip = Tip::Square;
    let closed = |bench: &mut Bench| {
        bench.pass(vec![Event::PointerMoved(pos2(120.0, 90.0))]);
        let found = bench.shapes.iter().find_map(|shape| match shape {
            Shape::Path(path) if path.closed && path.points.len() == 4 => Some(path.points.clone()),
            _ => None,
        });
        found.map(|points| Rect::from_points(&points))
    };
    let square = closed(&mut bench).unwrap();
    assert!((square.center() - pos2(120.0, 90.0)).length() < 0.01);
    // 24 image pixels, one to a point.
    assert!(
        (square.size() - vec2(24.0, 24.0)).length() < 0.01,
        "{square:?}"
    );
    // It lies along the rows and columns of the image, of pixels that are not square too.
    let mut image = (*bench.image).clone();
    image.aspect = Some(2.0);
    (bench.image, bench.after) = (Arc::new(image), None);
    let tall = closed(&mut bench).unwrap();
    assert!(
        (tall.height() / tall.width() - 2.0).abs() < 1e-3,
        "{tall:?}"
    );
    bench.view.rotate();
    let turned = closed(&mut bench).unwrap();
    assert!(
        (turned.width() / turned.height() - 2.0).abs() < 1e-3,
        "{turned:?}"
    );
    bench.tip = Tip::Round;
    assert!(closed(&mut bench).is_none());
    (bench.tool, bench.tip) = (Tool::Pen, Tip::Square);
    assert!(closed(&mut bench).is_none(), "a pen is round");
}

#[test]
fn a_switch_makes_the_brush_square_and_its_marks_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open_with(crate::app::film(folder.path()), None);
    let harness = &mut harness;
    harness.state_mut().act(Action::Tool(Tool::Brush));
    harness.run_steps(2);
    harness.get_by_label("Square").click();
    harness.run_steps(2);
    assert_eq!(harness.state().session().tool_options.tip, Tip::Square);
    let at = canvas_center(harness, "Mask canvas");
    drag(harness, at, at + vec2(40.0, 0.0));
    let open = harness.state().session().open().unwrap();
    let tips = |layer| -> Vec<Tip> {
        let marks = open.document().marks_of(layer);
        marks
            .map(|mark| match &mark.shape {
                radcanvas::document::Shape::Stroke { tip, .. } => *tip,
                _ => panic!("not a stroke"),
            })
            .collect()
    };
    assert_eq!(tips(Layer::Mask), [Tip::Square]);
    // What is painted has the straight sides of a square: its first column is 24 pixels high.
    let mask = open.document().mask().unwrap();
    let column = (0..mask.width()).find_map(|x| {
        let count = (0..mask.height()).filter(|y| mask[(x, *y)] != 0).count();
        (count > 0).then_some(count)
    });
    assert_eq!(column, Some(24));
    harness.state_mut().act(Action::SwapTip);
    assert_eq!(harness.state().session().tool_options.tip, Tip::Round);
}

#[test]
fn a_touchpad_goes_one_slice_in_fifty_points_and_a_wheel_one_a_notch() {
    let mut bench = Bench::new();
    bench.stack = true;
    bench.pass(vec![Event::PointerMoved(pos2(200.0, 150.0))]);
    let mut steps = |unit, y: f32| -> i32 {
        let found = bench.pass(vec![Event::MouseWheel {
            unit,
            delta: vec2(0.0, y),
            phase: TouchPhase::Move,
            source: MouseWheelSource::Unknown,
            modifiers: Modifiers::NONE,
        }]);
        let steps = found.into_iter().map(|event| match event {
            CanvasEvent::FrameStep(step) => step,
            _ => 0,
        });
        steps.sum()
    };
    let all: Vec<i32> = (0..10)
        .map(|_| steps(MouseWheelUnit::Point, -10.0))
        .collect();
    assert_eq!(all, [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    assert_eq!(steps(MouseWheelUnit::Point, -40.0), 0);
    assert_eq!(steps(MouseWheelUnit::Point, 40.0), 0, "back begins anew");
    assert_eq!(steps(MouseWheelUnit::Point, 115.0), -3);
    assert_eq!(steps(MouseWheelUnit::Line, -1.0), 1);
    assert_eq!(steps(MouseWheelUnit::Line, 3.0), -1);
}

#[test]
fn one_to_one_after_fit_stays_in_the_middle_of_the_image() {
    let mut bench = Bench::new();
    let middle = bench.view.center;
    bench.view.pan(
        Rect::from_min_size(Pos2::ZERO, vec2(400.0, 300.0)),
        1.0,
        vec2(90.0, 40.0),
    );
    let panned = bench.view.center;
    bench.view.one_to_one();
    assert_eq!(bench.view.center, panned, "where one looks is kept");
    bench.view.fit();
    bench.view.one_to_one();
    assert_eq!(bench.view.center, middle);
    assert!(!bench.view.fitted && bench.view.zoom == 1.0);
    // And by the command, in the window.
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open_with(crate::app::film(folder.path()), None);
    let at = canvas_center(&harness, "Sketch canvas");
    harness.state_mut().act(Action::Tool(Tool::Select));
    drag(&mut harness, at, at + vec2(40.0, 30.0));
    harness.state_mut().act(Action::Fit);
    harness.state_mut().act(Action::OneToOne);
    let center = harness.state().session().view.center;
    assert_eq!(center, Point::new(79.5, 59.5));
}

#[test]
fn window_and_zoom_stand_in_every_corner_with_the_digits_they_need() {
    let mut bench = Bench::new();
    bench.view.window = DisplayWindow::from_range(0.0, 0.5);
    bench.pass(Vec::new());
    let texts = bench.texts();
    assert!(texts.contains(&"C 0.250  W 0.500".to_owned()), "{texts:?}");
    assert!(texts.contains(&"Zoom 100 %".to_owned()), "{texts:?}");
    let label = |low, high| DisplayWindow::from_range(low, high).label();
    assert_eq!(label(-160.0, 240.0), "C 40  W 400");
    assert_eq!(label(0.0, 400.4), "C 200  W 400");
    assert_eq!(label(0.0, 1.0), "C 0.50  W 1");
    assert_eq!(label(0.0, 2.0e-7), "C 1.000e-7  W 2.000e-7");
    assert_eq!(radiograph::one_value(0.012_346), "0.01235");
    assert_eq!(radiograph::one_value(-3.0), "-3");
    assert_eq!(radiograph::one_value(f64::NAN), "–");
}

#[test]
fn probe_and_regions_of_a_result_tell_its_own_values() {
    let mut opened = with_results();
    let harness = &mut opened.harness;
    harness.state_mut().act(Action::Tool(Tool::Select));
    let figure = rectangle([70.0, 55.0], [84.0, 64.0]);
    let edit = Edit::AddFigure(Arc::clone(&figure));
    harness.state_mut().act(Action::Edit(Box::new(edit)));
    harness.run_steps(2);
    let mean = |image: &Radiograph| image.readings(&figure).get(Quantity::Mean).unwrap().value;
    let session = harness.state().session();
    let source = Arc::clone(session.open().unwrap().document().image());
    let made = Arc::clone(&session.shown().unwrap().made.radiograph);
    assert!((mean(&source) - mean(&made)).abs() > 1.0, "inside the mask");
    let figures = &session.open().unwrap().figures.all;
    let sides = Sides {
        image: false,
        answer: true,
    };
    let line = figures[0].told(sides).pop().unwrap();
    assert!(line.ends_with("(synthetic)"), "{line}");
    assert!(harness.query_by_label(&line).is_some(), "{line} is listed");
    let at = canvas_center(harness, "Sketch canvas");
    harness.hover_at(at);
    harness.run_steps(3);
    let under = harness.state().session().probe.unwrap();
    let value = |image: &Radiograph| {
        let (x, y) = (under.at.x.round() as usize, under.at.y.round() as usize);
        image.pixels.value(x, y).unwrap()
    };
    let told = |which: &str, value: f64| format!("stored {value:.0} ({which})");
    let text = told("synthetic", value(&made));
    assert!(harness.query_by_label(&text).is_some(), "{text}");
    // Tab shows the image before: the same pointer, another value.
    harness.state_mut().act(Action::BeforeAfter);
    harness.run_steps(3);
    let text = told("source", value(&source));
    assert!(harness.query_by_label(&text).is_some(), "{text}");
    assert!(harness.query_by_label_contains("(synthetic)").is_none());
    harness.state_mut().act(Action::BeforeAfter);
    // On the mask canvas the image itself is what is shown; it does not matter which canvas was left.
    let at = canvas_center(harness, "Mask canvas");
    harness.hover_at(at);
    harness.run_steps(3);
    let under = harness.state().session().probe.unwrap();
    assert!(under.layer == Layer::Mask && !under.answer);
    let at = canvas_center(harness, "Sketch canvas");
    harness.hover_at(at);
    harness.run_steps(3);
    let under = harness.state().session().probe.unwrap();
    assert!(under.layer == Layer::Sketch && under.answer);
    // What is written down is of the document's image.
    let readings = &harness.state().session().open().unwrap().figures.all[0].readings;
    assert_eq!(readings.get(Quantity::Mean).unwrap().value, mean(&source));
}

#[test]
fn a_map_of_small_numbers_is_told_with_its_digits() {
    let folder = tempfile::tempdir().unwrap();
    let grid = Grid::from_fn(64, 48, |x, y| (x as f32 + 0.5) / 512.0 + y as f32 / 4096.0);
    let image = Radiograph::from_pixels(Pixels::F32(grid));
    let path = folder.path().join("map.tif");
    write_image(&path, &image, &image.pixels, false).unwrap();
    let mut harness = open_with(path, None);
    let at = canvas_center(&harness, "Sketch canvas");
    harness.hover_at(at);
    harness.run_steps(3);
    let under = harness.state().session().probe.unwrap();
    let (x, y) = (under.at.x.round() as usize, under.at.y.round() as usize);
    let text = format!("stored {:.5}", image.pixels.value(x, y).unwrap());
    assert!(harness.query_by_label(&text).is_some(), "{text}");
    assert!(
        painted(&harness).contains("  W 0."),
        "{}",
        painted(&harness)
    );
    // On a scale of its own without a unit: what the stored value means is told too.
    let path = folder.path().join("map.dcm");
    write_dicom(&path, &image, &SecondaryCapture::default(), true).unwrap();
    let mut harness = open_with(path, None);
    let at = canvas_center(&harness, "Sketch canvas");
    harness.hover_at(at);
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("value 0.0").is_some());
}

#[test]
fn beside_one_image_stands_what_it_was_before() {
    let mut opened = with_results();
    let harness = &mut opened.harness;
    let synthetic = |app: &App| app.session().open().unwrap().document().is_synthetic();
    let accepted = Action::Accept(None);
    harness.state_mut().act(accepted);
    until(harness, "accept", synthetic);
    harness.state_mut().act(Action::Layout(Layout::Two));
    harness.run_steps(3);
    let document = harness.state().session().open().unwrap().document().clone();
    assert!(!Arc::ptr_eq(document.image(), &document.original));
    let cell = |app: &App| app.session().beside.cells[0].image.clone().unwrap();
    assert!(Arc::ptr_eq(&cell(harness.state()), &document.original));
    assert!(harness.query_by_label("Second image: before").is_some());
    assert!(painted(harness).contains("Before"));
    harness.state_mut().act(Action::Undo);
    harness.run_steps(3);
    let document = harness.state().session().open().unwrap().document().clone();
    assert!(Arc::ptr_eq(&cell(harness.state()), document.image()));
}

#[test]
fn work_that_is_not_kept_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().join("unsaved");
    std::fs::write(&keep, "a file in the folder's place").unwrap();
    let film = crate::app::film(folder.path());
    let harness = open_with(film.clone(), Some(keep.clone()));
    let session = harness.state().session();
    let said = |part: &str| {
        session
            .notices
            .iter()
            .any(|notice| notice.text.contains(part))
    };
    assert!(said("not kept on disk"), "a notice");
    assert!(said("The folder of unsaved work cannot be read"));
    assert!(
        harness
            .query_by_label_contains("  not kept on disk")
            .is_some()
    );
    drop(harness);
    // Where there is a folder, there is nothing to say.
    std::fs::remove_file(&keep).unwrap();
    let harness = open_with(film, Some(keep.clone()));
    assert!(
        harness
            .query_by_label_contains("  not kept on disk")
            .is_none()
    );
    drop(harness);
    // A journal that cannot be opened is named, and stays.
    let broken = keep.join("work-1-0");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("project.json"), "{ torn").unwrap();
    let found = unsaved(&keep);
    assert!(found.folders.is_empty());
    assert!(found.failed[0].contains("work-1-0"), "{found:?}");
    assert!(broken.is_dir());
}

#[test]
fn hidden_identity_hides_names_of_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let films = folder.path().join("Doe family");
    std::fs::create_dir(&films).unwrap();
    for name in ["Doe_Jane.png", "Doe_John.png"] {
        let image = flat(64, 48, 9);
        write_image(&films.join(name), &image, &image.pixels, false).unwrap();
    }
    let mut harness = open_with(films, None);
    harness.run_steps(3);
    assert!(harness.state().session().hide_identity, "at the start");
    let says = |harness: &Harness<'static, App>, word: &str| {
        let lists = harness.query_all_by_label_contains(word).count();
        lists > 0 || painted(harness).contains(word)
    };
    assert!(!says(&harness, "Doe"), "{}", painted(&harness));
    assert!(says(&harness, "Image 1") && says(&harness, "Series 2"));
    harness.state_mut().act(Action::Identity);
    harness.run_steps(3);
    assert!(says(&harness, "Doe_Jane"));
    harness.state_mut().act(Action::CloseCase);
    harness.run_steps(3);
    assert!(says(&harness, "Doe family"), "among the recent files");
    harness.state_mut().act(Action::Identity);
    harness.run_steps(3);
    assert!(!says(&harness, "Doe"));
    let nowhere = folder.path().join("Doe_missing.dcm");
    harness.state_mut().act(Action::Open(nowhere));
    harness.step();
    assert!(!says(&harness, "Doe"), "while it is read");
    until(&mut harness, "failure", |app| {
        matches!(
            app.session().stage,
            radcanvas::app::session::Stage::Failed(_)
        )
    });
    assert!(!says(&harness, "Doe_missing"), "{}", painted(&harness));
}

#[test]
fn date_and_description_stand_in_the_corner_until_identity_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let mut image = (*flat(64, 48, 9)).clone();
    "20260131".clone_into(&mut image.identity.study_date);
    // Who a DICOM file is of is kept; of a picture nobody is known.
    image.source.kind = FileKind::Dicom;
    let path = folder.path().join("a.dcm");
    let facts = SecondaryCapture {
        description: "Pelvis VD".to_owned(),
        ..SecondaryCapture::default()
    };
    write_dicom(&path, &image, &facts, true).unwrap();
    let mut harness = open_with(path, None);
    harness.run_steps(2);
    assert!(!painted(&harness).contains("2026-01-31"));
    assert!(!painted(&harness).contains("Pelvis VD"));
    harness.state_mut().act(Action::Identity);
    harness.run_steps(2);
    let text = painted(&harness);
    assert!(
        text.contains("2026-01-31") && text.contains("Pelvis VD"),
        "{text}"
    );
    // Both canvases say how they are looked at.
    assert!(text.matches("Zoom ").count() >= 2, "{text}");
    for workspace in [Workspace::Hips, Workspace::View] {
        harness.state_mut().act(Action::Workspace(workspace));
        harness.run_steps(2);
        assert!(painted(&harness).contains("Zoom "), "{workspace:?}");
    }
}

#[test]
fn a_large_region_is_measured_when_the_hand_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.png");
    let grid = Grid::from_fn(1200, 1100, |x, _| x as u16);
    let image = Radiograph::from_pixels(Pixels::U16(grid));
    write_image(&path, &image, &image.pixels, false).unwrap();
    let mut harness = open_with(path, None);
    let edit = Edit::AddFigure(rectangle([10.0, 10.0], [1150.0, 1050.0]));
    harness.state_mut().act(Action::Edit(Box::new(edit)));
    let mean = |harness: &Harness<'static, App>| {
        let figure = &harness.state().session().open().unwrap().figures.all[0];
        let mean = figure.readings.get(Quantity::Mean);
        (mean.map(|mean| mean.value.round()), figure.waits)
    };
    assert_eq!(mean(&harness), (Some(580.0), false));
    for (right, done) in [(1160.0, false), (1170.0, false), (1170.0, true)] {
        let figure = rectangle([10.0, 10.0], [right, 1050.0]);
        let event = CanvasEvent::MoveFigure {
            index: 0,
            figure: (*figure).clone(),
            done,
        };
        let action = Action::Canvas(Layer::Sketch, Box::new(event));
        harness.state_mut().act(action);
        harness.run_steps(2);
        let wanted = if done {
            (Some(590.0), false)
        } else {
            (None, true)
        };
        assert_eq!(mean(&harness), wanted, "{right} {done}");
    }
    // A drag that is dropped leaves numbers behind too.
    for event in [
        CanvasEvent::MoveFigure {
            index: 0,
            figure: (*rectangle([30.0, 10.0], [1150.0, 1050.0])).clone(),
            done: false,
        },
        CanvasEvent::RestoreFigure,
    ] {
        harness
            .state_mut()
            .act(Action::Canvas(Layer::Sketch, Box::new(event)));
    }
    harness.run_steps(2);
    assert_eq!(mean(&harness), (Some(590.0), false));
}

#[test]
fn settings_that_do_not_fit_are_not_said_to_be_back() {
    let mut opened = with_results();
    let harness = &mut opened.harness;
    let id = harness.state().session().shown;
    harness.state_mut().act(Action::TakeSettings(id));
    let last = |harness: &Harness<'static, App>| {
        let notices = &harness.state().session().notices;
        notices.last().unwrap().text.clone()
    };
    assert!(
        last(harness).contains("lines and mask"),
        "{}",
        last(harness)
    );
    let margins = Margins {
        left: 8,
        ..Margins::default()
    };
    let event = CanvasEvent::Extend(margins);
    harness
        .state_mut()
        .act(Action::Canvas(Layer::Sketch, Box::new(event)));
    harness.run_steps(2);
    harness.state_mut().act(Action::TakeSettings(id));
    let text = last(harness);
    assert!(text.contains("of another size than the canvas"), "{text}");
    assert!(
        !text.contains("lines and mask of this result are yours"),
        "{text}"
    );
}

#[test]
fn results_of_another_prompt_are_no_other_seed() {
    let mut request = Request::new(Mode::Sample, ModelReference::default());
    request.prompted = Some(Prompted::default());
    let mut tray = Tray::default();
    let mut push = |request: &Request| {
        let order = Order::Generate(request.clone());
        let mut observe = |_: Progress| std::ops::ControlFlow::Continue(());
        let Product::Outcome(mut outcome) =
            Fake::default().carry_out(&order, &mut observe).unwrap()
        else {
            panic!("no outcome");
        };
        tray.push(outcome.images.remove(0), Arc::new(request.clone()), 1.0)
    };
    let first = push(&request);
    request.seed = 7;
    let second = push(&request);
    request.seed = 8;
    let mut other = Prompted::default();
    "a fracture".clone_into(&mut other.prompt);
    request.prompted = Some(other);
    push(&request);
    assert_eq!(tray.same_but_seed(first), [first, second]);
}

fn accepted_document(image: &Radiograph) -> Document {
    let mut request = Request::new(Mode::Inpaint, ModelReference::default());
    request.source = Some(Arc::new(image.clone()));
    let order = Order::Generate(request.clone());
    let mut observe = |_: Progress| std::ops::ControlFlow::Continue(());
    let Product::Outcome(mut outcome) = Fake::default().carry_out(&order, &mut observe).unwrap()
    else {
        panic!("no outcome");
    };
    let made = outcome.images.remove(0);
    request.source = None;
    let record = serde_json::to_value(Record::of(&request, &made, 1.0)).unwrap();
    let mut document = Document::new(Arc::new(image.clone()));
    let edit = Edit::Accept(Arc::new(Accepted {
        radiograph: Arc::clone(&made.radiograph),
        changed: made.changed.clone(),
        landmarks: None,
        record,
    }));
    document.apply(&edit).unwrap();
    document
}

#[test]
fn a_record_is_read_again_before_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let write = |image: &Radiograph, path: &Path| {
        let what = Exporting {
            document: accepted_document(image),
            look: DisplayWindow::from_range(0.0, 1.0).into(),
            blank: false,
            reading: None,
            name: "film.png".to_owned(),
            without_identity: None,
        };
        export(ExportKind::Record, &what, path)
    };
    let mut image = (*flat(16, 12, 900)).clone();
    let path = folder.path().join("good.json");
    write(&image, &path).unwrap();
    let back = Record::read(&path).unwrap();
    assert_eq!(back.request.source.unwrap().pixels, image.pixels);
    // JSON has no such number: what was written could never be read, and is not saved.
    image.windows = vec![DisplayWindow {
        center: f64::NAN,
        ..DisplayWindow::from_range(0.0, 1.0)
    }];
    let path = folder.path().join("bad.json");
    let error = write(&image, &path).unwrap_err();
    assert!(error.to_string().contains("read back"), "{error}");
    assert!(!path.exists());
}
