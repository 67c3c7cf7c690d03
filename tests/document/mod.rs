//! Edits, history, rasters, journal and project folders.

mod history;
mod hostile;
mod kill;
mod masks;
mod project;
mod raster;
mod square;

use std::sync::Arc;

use proptest::prelude::*;
use radcanvas::document::{
    Accepted, Document, Edit, Layer, Mark, Note, Operation, Shape, StrokePoint, Tip,
};
use radcanvas::geometry::{Figure, FigureKind, PixelRect, Point};
use radcanvas::grid::Grid;
use radcanvas::landmarks::{Hip, HipLandmarks, HipPoint, Side};
use radcanvas::radiograph::{Pixels, Radiograph, SyntheticMark};

const WIDTH: usize = 40;
const HEIGHT: usize = 30;

fn film() -> Document {
    let values = Grid::from_fn(WIDTH, HEIGHT, |x, y| (x * 1000 + y) as u16);
    let mut radiograph = Radiograph::from_pixels(Pixels::U16(values));
    "Rex".clone_into(&mut radiograph.identity.name);
    Document::new(Arc::new(radiograph))
}

fn accepted(seed: u8) -> Edit {
    let values = Grid::filled(WIDTH, HEIGHT, u16::from(seed) * 257);
    let mut radiograph = Radiograph::from_pixels(Pixels::U16(values));
    radiograph.synthetic = Some(SyntheticMark::default());
    Edit::Accept(Arc::new(Accepted {
        radiograph: Arc::new(radiograph),
        changed: Grid::filled(WIDTH, HEIGHT, seed),
        landmarks: None,
        record: serde_json::json!({"seed": seed, "weight": 0.1}),
    }))
}

fn mark(layer: Layer, operation: Operation, shape: Shape) -> Mark {
    Mark {
        layer,
        operation,
        shape,
    }
}

fn line(points: &[(f64, f64, f32)], width: f64, smooth: bool) -> Shape {
    let points = points
        .iter()
        .map(|(x, y, pressure)| StrokePoint {
            at: Point::new(*x, *y),
            pressure: *pressure,
        })
        .collect();
    Shape::Stroke {
        points,
        width,
        smooth,
        tip: Tip::Round,
    }
}

fn add(shape: Shape) -> Edit {
    Edit::AddMark(Arc::new(mark(Layer::Mask, Operation::Paint, shape)))
}

fn stroke(x: f64) -> Edit {
    add(line(&[(x, 1.0, 1.0), (x + 3.0, 9.0, 0.5)], 3.0, true))
}

fn hips() -> HipLandmarks {
    let hip = |x| Hip {
        center: Point::new(x, 10.0),
        radius: 4.0,
        rim: Point::new(x + 3.0, 5.0),
    };
    HipLandmarks {
        left: hip(30.0),
        right: hip(8.0),
        pixel_spacing_mm: None,
    }
}

fn point() -> impl Strategy<Value = Point> {
    (-20.0..60.0_f64, -20.0..50.0_f64).prop_map(|(x, y)| Point::new(x, y))
}

fn samples() -> impl Strategy<Value = Vec<StrokePoint>> {
    let sample = (point(), 0.0..=1.0_f32).prop_map(|(at, pressure)| StrokePoint { at, pressure });
    prop::collection::vec(sample, 1..8)
}

fn tip() -> impl Strategy<Value = Tip> {
    prop_oneof![Just(Tip::Round), Just(Tip::Square)]
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        (samples(), 0.2..15.0_f64, any::<bool>(), tip()).prop_map(
            |(points, width, smooth, tip)| Shape::Stroke {
                points,
                width,
                smooth,
                tip,
            }
        ),
        prop::collection::vec(point(), 3..9).prop_map(|points| Shape::Polygon { points }),
        (point(), point()).prop_map(|(from, to)| Shape::Rectangle { from, to }),
        (-5..35_i64, -5..25_i64, 1..9_usize, 1..9_usize).prop_map(|(x, y, width, height)| {
            Shape::Region {
                bounds: PixelRect::new(x, y, width, height),
                inside: Grid::from_fn(width, height, |x, y| ((x + y) % 2 * 255) as u8),
            }
        }),
    ]
}

fn any_mark() -> impl Strategy<Value = Mark> {
    let layer = prop_oneof![Just(Layer::Mask), Just(Layer::Sketch)];
    let operation = prop_oneof![Just(Operation::Paint), Just(Operation::Erase)];
    (layer, operation, shape()).prop_map(|(layer, operation, shape)| mark(layer, operation, shape))
}

/// Figures with the points of their kind, or one too many.
fn any_figure() -> impl Strategy<Value = Arc<Figure>> {
    (
        0..FigureKind::ALL.len(),
        prop::collection::vec(point(), 5),
        any::<bool>(),
    )
        .prop_map(|(kind, mut points, whole)| {
            let kind = FigureKind::ALL[kind];
            if whole {
                points.truncate(kind.points().unwrap_or(5));
            }
            Arc::new(Figure { kind, points })
        })
}

/// Any edit, some of which do not fit the document.
fn edit() -> impl Strategy<Value = Edit> {
    let layer = prop_oneof![Just(Layer::Mask), Just(Layer::Sketch)];
    prop_oneof![
        6 => any_mark().prop_map(|mark| Edit::AddMark(Arc::new(mark))),
        2 => (0..4_usize).prop_map(Edit::RemoveMark),
        1 => layer.prop_map(Edit::ClearLayer),
        1 => any::<bool>().prop_map(|some| Edit::SetLandmarks(some.then(hips))),
        2 => (any::<bool>(), point()).prop_map(|(left, to)| Edit::MoveLandmark {
            side: if left { Side::Left } else { Side::Right },
            point: HipPoint::Center,
            to,
        }),
        1 => point().prop_map(|at| Edit::AddNote(Note { at, text: "spur?\n".to_owned() })),
        1 => (0..2_usize).prop_map(Edit::RemoveNote),
        1 => any::<u8>().prop_map(accepted),
        2 => any_figure().prop_map(Edit::AddFigure),
        1 => (0..3_usize, any_figure()).prop_map(|(index, figure)| Edit::SetFigure(index, figure)),
        1 => (0..3_usize).prop_map(Edit::RemoveFigure),
        1 => Just(Edit::ClearFigures),
    ]
}
