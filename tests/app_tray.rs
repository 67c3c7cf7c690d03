//! The results tray: its order, what was rejected, what was accepted, areas and offsets in the unit of the image.

use std::sync::Arc;

use egui::{Key, Modifiers, vec2};
use egui_kittest::kittest::Queryable;
use radcanvas::app::action::Action;
use radcanvas::app::canvas::Tool;
use radcanvas::app::session::{Film, ResultId, SortBy, Tray};
use radcanvas::document::mask::area_px;
use radcanvas::document::{Edit, Layer};
use radcanvas::geometry::Point;
use radcanvas::job::{Engine, Fake, Made, Mode, ModelReference, Order, Product, Request, Seam};
use radcanvas::landmarks::{HipPoint, Side};
use radcanvas::radiograph::{Margins, ModalityTransform, Pixels, Radiograph};

use crate::app::{canvas_center, drag, opened, until, with_results};

/// Images of the fake engine, and what they were asked with: a sketch that shall show an effusion.
fn made(count: usize) -> (Vec<Made>, Arc<Request>) {
    let mut request = Request::new(Mode::Sketch, ModelReference::default());
    request.count = count;
    request
        .attributes
        .findings
        .insert("effusion".to_owned(), true);
    let order = Order::Generate(request);
    let product = Fake::default().carry_out(&order, &mut |_| std::ops::ControlFlow::Continue(()));
    let Ok(Product::Outcome(outcome)) = product else {
        panic!("no image");
    };
    (outcome.images, outcome.request)
}

#[test]
fn results_stand_in_the_order_that_was_chosen() {
    let (images, request) = made(4);
    let hints = [Some(3.0), None, Some(1.0), Some(2.0)];
    // The jump nearest to 1 is the least visible, above it or below.
    let jumps = [Some(1.5), Some(0.9), None, Some(0.2)];
    let shares = [0.2, 0.9, 0.5, 0.7];
    // How far the rim of each moved, pixels: of the third no points were found.
    let moved = [4.0, -1.0, 0.0, 2.0];
    let mut film = Film::default();
    let mut tray = Tray::default();
    for (n, mut image) in images.into_iter().enumerate() {
        image.hint_distance_px = hints[n];
        image.seam = jumps[n].map(|jump| Seam {
            jump: Some(jump),
            ..Seam::default()
        });
        image.findings = vec![
            ("mass".to_owned(), 0.99),
            ("effusion".to_owned(), shares[n]),
        ];
        let hips = image.hips.as_mut().unwrap();
        film.landmarks = Some(hips.landmarks);
        let rim = hips.landmarks.left.rim;
        let to = Point::new(rim.x + moved[n], rim.y);
        hips.landmarks = hips.landmarks.with_point(Side::Left, HipPoint::Rim, to);
        if n == 2 {
            image.hips = None;
        }
        tray.push(image, Arc::clone(&request), 0.1);
    }
    let order = |tray: &Tray| -> Vec<u64> {
        let list = tray.sorted(&film).into_iter();
        list.map(|item| item.id.0).collect()
    };
    assert_eq!(order(&tray), [1, 2, 3, 4]);
    for (by, wanted, reversed) in [
        (SortBy::Hint, [3, 4, 1, 2], [1, 4, 3, 2]),
        (SortBy::Seam, [2, 1, 4, 3], [4, 1, 2, 3]),
        (SortBy::Opinion, [2, 4, 3, 1], [1, 3, 4, 2]),
        (SortBy::Norberg, [2, 4, 1, 3], [1, 4, 2, 3]),
        (SortBy::Time, [1, 2, 3, 4], [4, 3, 2, 1]),
    ] {
        tray.order(by, false);
        assert_eq!(order(&tray), wanted, "{by:?}");
        tray.order(by, true);
        assert_eq!(
            order(&tray),
            reversed,
            "{by:?}, what has no number stays last"
        );
    }
    tray.order(SortBy::Hint, false);
    assert_eq!(tray.neighbor(ResultId(3), &film), Some(ResultId(4)));
    assert_eq!(tray.neighbor(ResultId(2), &film), Some(ResultId(1)));
    // Another case goes on in the same order, and no name is given twice.
    tray.clear();
    assert_eq!((tray.sort, tray.items.len()), (SortBy::Hint, 0));
    let (mut images, request) = made(1);
    assert_eq!(tray.push(images.remove(0), request, 0.1), ResultId(5));
}

#[test]
fn what_was_rejected_is_taken_back_with_its_place_and_its_diversity() {
    let mut opened = with_results();
    let harness = &mut opened.harness;
    let tray = |app: &radcanvas::app::App| -> (Vec<u64>, usize, Option<f64>) {
        let session = app.session();
        let list = session.tray.sorted(&session.film()).into_iter();
        let ids = list.map(|item| item.id.0).collect();
        (
            ids,
            session.tray.rejected.len(),
            session.tray.dscore.value(),
        )
    };
    let (ids, _, score) = tray(harness.state());
    harness.key_press(Key::Delete);
    harness.key_press(Key::Delete);
    harness.run_steps(2);
    let (left, rejected, _) = tray(harness.state());
    assert_eq!((left.len(), rejected), (ids.len() - 2, 2));
    assert!(harness.query_by_label("Rejected 2").is_some());
    harness.key_press_modifiers(Modifiers::SHIFT, Key::Delete);
    harness.run_steps(2);
    assert_eq!(harness.state().session().shown, Some(ResultId(ids[1])));
    let act = Action::BringBack(Some(ResultId(ids[0])));
    harness.state_mut().act(act);
    let (again, rejected, score_again) = tray(harness.state());
    assert_eq!((again, rejected), (ids, 0));
    assert!((score.unwrap() - score_again.unwrap()).abs() < 1e-9);
    let adds = harness.state().session().tray.adds(ResultId(1));
    assert!(adds.is_some_and(|adds| adds > 0.0));
    harness.key_press_modifiers(Modifiers::SHIFT, Key::Delete);
    harness.run_steps(2);
    let said = harness.state().session().notices.last().unwrap();
    assert!(said.text.contains("Nothing was rejected"));
}

#[test]
fn the_settings_of_an_accepted_result_come_back_with_one_key() {
    let mut opened = with_results();
    let harness = &mut opened.harness;
    let tray = &harness.state().session().tray;
    let (id, number) = (tray.items[2].id, tray.items[2].made.image_number);
    let painted = tray.items[2].request.mask.clone().unwrap();
    harness.state_mut().act(Action::Accept(Some(id)));
    until(harness, "accept", |app| {
        app.session().open().unwrap().document().is_synthetic()
    });
    // A canvas that grows is accepted too, but was not asked of a model.
    let margins = Margins {
        left: 4,
        ..Margins::default()
    };
    let before = harness.state().session().open().unwrap().document().clone();
    let extend = Action::Edit(Box::new(Edit::Extend(margins)));
    harness.state_mut().act(extend);
    let open = harness.state().session().open().unwrap();
    assert_eq!(open.document().accepted.len(), before.accepted.len() + 1);
    harness.state_mut().act(Action::Undo);
    let mut other = harness.state().session().recipe.clone();
    (other.mode, other.seed, other.steps) = (Mode::Sketch, 999, 17);
    harness.state_mut().act(Action::Recipe(Box::new(other)));
    harness.state_mut().act(Action::Show(None));
    harness.key_press(Key::U);
    harness.run_steps(2);
    let session = harness.state().session();
    let recipe = &session.recipe;
    assert_eq!(
        (recipe.mode, recipe.seed, recipe.steps),
        (Mode::Inpaint, 1, 3)
    );
    assert_eq!((recipe.first_image, recipe.count), (number, 1));
    let mask = session.open().unwrap().document().mask().unwrap();
    assert_eq!(mask.cells(), painted.cells());
}

#[test]
fn offsets_are_told_in_the_unit_of_the_image() {
    let grid = radcanvas::grid::Grid::filled(4, 4, 100_u16);
    let mut image = Radiograph::from_pixels(Pixels::U16(grid));
    let seam = Seam {
        offset: Some(6.2),
        ..Seam::default()
    };
    assert_eq!(seam.offset_text(&image), "+6.2");
    image.modality_transform = ModalityTransform::Linear {
        slope: 0.5,
        intercept: -1024.0,
    };
    assert_eq!(seam.offset_text(&image), "+6.2", "without a unit");
    "HU".clone_into(&mut image.modality_unit);
    assert_eq!(seam.offset_text(&image), "+3.1 HU");
    image.modality_transform = ModalityTransform::Table {
        first: 0,
        values: vec![0.0, 5.0],
    };
    assert_eq!(seam.offset_text(&image), "+6.2", "a table has no one slope");
}

#[test]
fn the_painted_area_stands_beside_generate() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    let check = |harness: &egui_kittest::Harness<'static, radcanvas::app::App>| {
        let open = harness.state().session().open().unwrap();
        let px = open.mask.painted_px;
        assert_eq!(px, area_px(&open.mask.overlay.grid));
        assert!(
            harness.query_by_label(&format!("{px} px")).is_some(),
            "{px}"
        );
        px
    };
    harness.run_steps(2);
    assert_eq!(check(harness), 0);
    harness.state_mut().act(Action::Tool(Tool::Brush));
    let at = canvas_center(harness, "Mask canvas");
    drag(harness, at, at + vec2(40.0, 0.0));
    let painted = check(harness);
    assert!((1..1000).contains(&painted), "{painted}");
    harness.state_mut().act(Action::Tool(Tool::Eraser));
    drag(harness, at, at + vec2(10.0, 0.0));
    assert!(check(harness) < painted);
    harness.state_mut().act(Action::Undo);
    harness.run_steps(2);
    assert_eq!(check(harness), painted);
    harness.state_mut().act(Action::Clear(Layer::Mask));
    harness.run_steps(2);
    assert_eq!(check(harness), 0);
}
