//! Rings, crops of a second pass, larger canvases, grain.

use std::sync::Arc;

use radcanvas::document::{Document, Edit, EditError, Layer, Mark, Operation, Project, Shape};
use radcanvas::geometry::{PixelRect, Point};
use radcanvas::grid::Grid;
use radcanvas::job::{Mode, ModelReference, Request};
use radcanvas::landmarks::{Hip, HipLandmarks};
use radcanvas::noise::Noise;
use radcanvas::radiograph::{Margins, Pixels, Radiograph, Spacing, SpacingSource};
use radcanvas::synthesis::Readers;
use radcanvas::synthesis::composite::{blend, compose};
use radcanvas::synthesis::denoised;
use radcanvas::synthesis::frame::Frame;

fn film(width: usize, height: usize) -> Radiograph {
    let mut noise = Noise::new(2, 0);
    Radiograph::from_pixels(Pixels::U16(Grid::from_fn(width, height, |x, y| {
        (1000 + 3 * x + 2 * y + noise.index(40)) as u16
    })))
}

fn disc(width: usize, height: usize, at: (f64, f64), radius: f64) -> Grid<u8> {
    Grid::from_fn(width, height, |x, y| {
        let away = (x as f64 - at.0).hypot(y as f64 - at.1);
        if away < radius { 255 } else { 0 }
    })
}

#[test]
fn the_last_pixel_of_the_ring_is_its_width_away() {
    let mask = Grid::from_fn(40, 1, |x, _| if x == 10 { 255 } else { 0 });
    for (ring, last) in [(1.0, 11), (1.9, 11), (7.0, 17), (7.99, 17)] {
        let plan = blend(&mask, ring, PixelRect::new(0, 0, 40, 1));
        assert!(plan.share[(last, 0)] > 0.0, "ring {ring}");
        assert_eq!(plan.share[(last + 1, 0)], 0.0, "ring {ring}");
    }
}

#[test]
fn a_second_pass_is_for_masks_larger_than_the_model() {
    let frame = |size: (usize, usize), radius: f64, passes: usize| {
        let mut request = Request::new(Mode::Inpaint, ModelReference::default());
        request.source = Some(Arc::new(film(size.0, size.1)));
        let at = (0.4 * size.0 as f64, 0.5 * size.1 as f64);
        request.mask = Some(disc(size.0, size.1, at, radius));
        request.passes = passes;
        let first = Frame::new(&request, 64).unwrap();
        (first.finer(&request), first)
    };
    let (second, first) = frame((400, 300), 60.0, 2);
    let second = second.unwrap();
    assert!(second.crop.region.width < first.crop.region.width * 3 / 4);
    let inside = first.crop.region.intersection(second.crop.region);
    assert_eq!(inside, second.crop.region);
    // Everything that may change lies in the tighter crop too.
    let changing = |frame: &Frame| {
        let blend = frame.blend.as_ref().unwrap();
        blend.share.cells().iter().filter(|s| **s > 0.0).count()
    };
    assert_eq!(changing(&first), changing(&second));
    assert!(
        frame((400, 300), 60.0, 1).0.is_none(),
        "one pass was asked for"
    );
    assert!(
        frame((64, 64), 20.0, 2).0.is_none(),
        "the model shows every pixel"
    );
    assert!(frame((400, 300), 190.0, 2).0.is_none(), "nothing tighter");
}

#[test]
fn a_patch_that_is_too_grainy_is_softened_and_a_smooth_one_roughened() {
    let mut noise = Noise::new(9, 0);
    let source = Grid::from_fn(96, 96, |_, _| (2000.0 + 20.0 * noise.normal()) as u16);
    let source = Pixels::U16(source);
    let mask = disc(96, 96, (48.0, 48.0), 22.0);
    let plan = blend(&mask, 4.0, PixelRect::new(0, 0, 96, 96));
    for grain in [0.0, 5.0, 120.0] {
        let patch = Grid::from_fn(96, 96, |_, _| (2000.0 + grain * noise.normal()) as f32);
        let made = compose(&source, &patch, &plan, 3, 0);
        let ratio = made.seam.noise_ratio.unwrap();
        assert!((0.5..1.6).contains(&ratio), "grain {grain}: ratio {ratio}");
    }
}

#[test]
fn a_match_that_would_have_to_be_larger_is_held_and_said() {
    let source = film(80, 80).pixels;
    let mask = disc(80, 80, (40.0, 40.0), 15.0);
    let plan = blend(&mask, 3.0, PixelRect::new(0, 0, 80, 80));
    let like = source.to_f32();
    assert!(!compose(&source, &like, &plan, 1, 0).seam.clamped);
    let far = like.map(|v| v + 5000.0);
    assert!(compose(&source, &far, &plan, 1, 0).seam.clamped);
    let flat = like.map(|v| 0.1 * v);
    let held = compose(&source, &flat, &plan, 1, 0).seam;
    assert!(held.clamped && (held.gain.unwrap() - 1.25).abs() < 1e-9);
}

fn drawn() -> Document {
    let mut document = Document::new(Arc::new(film(50, 40)));
    let hip = Hip {
        center: Point::new(20.0, 20.0),
        radius: 5.0,
        rim: Point::new(22.0, 16.0),
    };
    let landmarks = HipLandmarks {
        left: hip,
        right: hip,
        pixel_spacing_mm: Some([0.2, 0.2]),
    };
    let mark = Mark {
        layer: Layer::Mask,
        operation: Operation::Paint,
        shape: Shape::Region {
            bounds: PixelRect::new(10, 12, 3, 2),
            inside: Grid::filled(3, 2, 255),
        },
    };
    document
        .apply(&Edit::SetLandmarks(Some(landmarks)))
        .unwrap();
    document.apply(&Edit::AddMark(Arc::new(mark))).unwrap();
    document
}

#[test]
fn a_larger_canvas_moves_everything_and_paints_its_room() {
    let before = drawn();
    let mut document = before.clone();
    let margins = Margins {
        left: 7,
        top: 3,
        right: 0,
        bottom: 11,
    };
    document.apply(&Edit::Extend(margins)).unwrap();
    let image = document.image();
    assert_eq!((image.width(), image.height()), (57, 54));
    assert!(image.synthetic.is_some(), "room was never measured");
    let inner = image.pixels.crop(PixelRect::new(7, 3, 50, 40));
    assert_eq!(inner.count_different(&before.image().pixels), Some(0));
    assert_eq!(
        image.pixels.value(0, 20),
        before.image().pixels.value(0, 17)
    );
    let mask = document.mask().unwrap();
    for y in 0..54 {
        for x in 0..57 {
            let room = x < 7 || !(3..43).contains(&y);
            let painted = (17..20).contains(&x) && (15..17).contains(&y);
            assert_eq!(mask[(x, y)] > 0, room || painted, "{x} {y}");
        }
    }
    let moved = document.landmarks.unwrap();
    assert_eq!(moved.left.center, Point::new(27.0, 23.0));
    assert_eq!(moved.pixel_spacing_mm, Some([0.2, 0.2]));
    let refuse = |margins: Margins| before.clone().apply(&Edit::Extend(margins)).unwrap_err();
    assert_eq!(refuse(Margins::default()), EditError::NoRoom);
    let huge = Margins {
        right: usize::MAX,
        ..Margins::default()
    };
    assert_eq!(refuse(huge), EditError::TooLarge);
}

#[test]
fn a_larger_canvas_is_kept_in_the_journal_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::create(folder.path(), drawn()).unwrap();
    let margins = Margins {
        top: 9,
        ..Margins::default()
    };
    project.apply(Edit::Extend(margins)).unwrap();
    let larger = project.document().clone();
    drop(project);
    let (mut project, repairs) = Project::open(folder.path()).unwrap();
    assert!(repairs.is_empty());
    assert_eq!(project.document(), &larger);
    assert!(project.undo().unwrap());
    assert_eq!(project.document(), &drawn());
}

#[test]
fn a_sketched_image_is_as_large_and_lies_as_the_canvas_it_was_drawn_on() {
    let mut source = film(90, 70);
    source.spacing = Some(Spacing {
        row_mm: 0.25,
        column_mm: 0.2,
        source: SpacingSource::Detector,
    });
    "VD".clone_into(&mut source.view_position);
    let mut request = Request::new(Mode::Sketch, ModelReference::default());
    request.hint = Some(disc(90, 70, (40.0, 30.0), 8.0));
    request.source = Some(Arc::new(source.clone()));
    let frame = Frame::new(&request, 64).unwrap();
    let grey = Grid::from_fn(64, 64, |x, _| x as f32 / 64.0);
    let made = frame
        .finish(&Readers::default(), &request, 0, &grey)
        .unwrap();
    assert_eq!(made.radiograph.spacing, source.spacing);
    assert_eq!(made.radiograph.view_position, "VD");
    assert!(made.radiograph.synthetic.is_some());
}

#[test]
fn what_is_denoised_are_the_cells_about_the_painted_part() {
    let mut request = Request::new(Mode::Inpaint, ModelReference::default());
    request.size = Some([64, 64]);
    request.ring.px = 0.0;
    let mut mask = Grid::filled(64, 64, 0_u8);
    mask[(20, 35)] = 255;
    request.mask = Some(mask.clone());
    let box_of = |request: &Request, model_px: usize| {
        let edges = denoised(request, model_px).unwrap();
        let ends = || edges.iter().flatten();
        let low = ends().fold(Point::new(99.0, 99.0), |a, b| {
            Point::new(a.x.min(b.x), a.y.min(b.y))
        });
        let high = ends().fold(Point::new(-9.0, -9.0), |a, b| {
            Point::new(a.x.max(b.x), a.y.max(b.y))
        });
        (edges.len(), low, high)
    };
    // The cell from 16 to 24 and its neighbours, straight edges each once.
    let wanted = (4, Point::new(7.5, 23.5), Point::new(31.5, 47.5));
    assert_eq!(box_of(&request, 64), wanted);
    // A model that sees half as many pixels denoises cells twice as large; at the border of the image they end.
    let (edges, low, high) = box_of(&request, 32);
    assert_eq!((edges, low), (4, Point::new(-0.5, 15.5)));
    assert_eq!(high, Point::new(47.5, 63.5));
    // A ring counts as painted.
    request.ring.px = 6.0;
    assert_eq!(box_of(&request, 64).1, Point::new(-0.5, 15.5));
    request.mode = Mode::Outpaint;
    let (edges, low, high) = box_of(&request, 64);
    assert_eq!(
        (edges, low, high),
        (4, Point::new(-0.5, -0.5), Point::new(63.5, 63.5))
    );
    request.mode = Mode::Sketch;
    assert!(denoised(&request, 64).is_none(), "all of it");
}
