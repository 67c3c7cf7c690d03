//! Undo, redo, coalescing, names.

use super::*;
use radcanvas::document::History;

#[test]
fn a_thousand_steps_go_back_and_forth() {
    let mut history = History::new(film());
    for i in 0..1000 {
        assert_eq!(history.apply(stroke(f64::from(i % 30))), Ok(i as u64 + 1));
    }
    let full = history.document().clone();
    for i in 0..1000 {
        assert!(history.undo(), "undo {i}");
    }
    assert!(!history.undo() && !history.can_undo());
    assert_eq!(history.document(), &film());
    while history.redo() {}
    assert_eq!(history.document(), &full);
    assert_eq!(history.revision(), 3000);
}

#[test]
fn a_drag_is_one_step() {
    let mut history = History::new(film());
    history.apply(Edit::SetLandmarks(Some(hips()))).unwrap();
    let to = |point, x: f64| Edit::MoveLandmark {
        side: Side::Left,
        point,
        to: Point::new(x, 7.0),
    };
    history.apply(to(HipPoint::Rim, 1.0)).unwrap();
    for i in 2..50 {
        history
            .apply_coalesced(to(HipPoint::Rim, f64::from(i)))
            .unwrap();
    }
    assert_eq!(history.document().landmarks.unwrap().left.rim.x, 49.0);
    history.apply_coalesced(to(HipPoint::Center, 3.0)).unwrap();
    history.apply(to(HipPoint::Center, 4.0)).unwrap();
    for center in [3.0, 30.0] {
        assert!(history.undo());
        assert_eq!(history.document().landmarks.unwrap().left.center.x, center);
    }
    assert!(history.undo(), "the whole drag");
    assert_eq!(history.document().landmarks, Some(hips()));
    // A move after undo starts a step of its own and forgets what was undone.
    history.apply_coalesced(to(HipPoint::Rim, 2.0)).unwrap();
    assert!(!history.can_redo());
    history.undo();
    assert_eq!(history.document().landmarks, Some(hips()));
}

#[test]
fn steps_have_names_and_refused_edits_leave_nothing() {
    let mut history = History::new(film());
    assert_eq!((history.undo_name(), history.redo_name()), (None, None));
    history.apply(stroke(1.0)).unwrap();
    assert_eq!(history.undo_name().as_deref(), Some("Undo stroke"));
    history.apply(Edit::ClearLayer(Layer::Mask)).unwrap();
    history.undo();
    assert_eq!(history.redo_name().as_deref(), Some("Redo clear mask"));
    let before = history.clone();
    assert!(history.apply(Edit::RemoveMark(9)).is_err());
    assert!(history.apply(stroke(f64::NAN)).is_err());
    assert_eq!(history.document(), before.document());
    assert_eq!(
        (history.revision(), history.can_redo()),
        (before.revision(), true)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn undo_after_apply_is_the_identity(edits in prop::collection::vec(edit(), 1..25)) {
        let mut history = History::new(film());
        let mut states = vec![film()];
        for edit in edits {
            if history.apply(edit).is_ok() {
                states.push(history.document().clone());
            }
        }
        for state in states.iter().rev().skip(1) {
            prop_assert!(history.undo());
            prop_assert_eq!(history.document(), state);
        }
        for state in states.iter().skip(1) {
            prop_assert!(history.redo());
            prop_assert_eq!(history.document(), state);
        }
    }
}
