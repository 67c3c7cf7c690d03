//! Project folders: what is saved opens again, and what is damaged is said.

use super::*;
use radcanvas::document::{Project, ProjectError};
use std::fs;

#[test]
fn a_project_opens_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut document = film();
    document.apply(&accepted(7)).unwrap();
    document.apply(&stroke(2.0)).unwrap();
    let mut project = Project::create(folder.path(), document.clone()).unwrap();
    project.apply(stroke(1.0)).unwrap();
    project.apply(accepted(9)).unwrap();
    project.apply(Edit::SetLandmarks(Some(hips()))).unwrap();
    assert!(project.undo().unwrap() && project.undo().unwrap() && project.redo().unwrap());
    project.sync().unwrap().sync_data().unwrap();
    let now = project.document().clone();
    assert_eq!(
        fs::read_dir(folder.path().join("rasters")).unwrap().count(),
        5
    );
    drop(project);
    let (mut project, repairs) = Project::open(folder.path()).unwrap();
    assert_eq!((repairs, project.document()), (Vec::new(), &now));
    assert_eq!(
        project.history().redo_name().as_deref(),
        Some("Redo place hip points")
    );
    assert!(project.undo().unwrap() && project.undo().unwrap() && !project.undo().unwrap());
    assert_eq!(project.document(), &document);
}

#[test]
fn a_last_line_torn_at_any_byte_loses_itself_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::create(folder.path(), film()).unwrap();
    project.apply(stroke(1.0)).unwrap();
    let path = folder.path().join("journal.jsonl");
    let kept = fs::read(&path).unwrap().len();
    let before = project.document().clone();
    project.apply(stroke(2.0)).unwrap();
    let after = project.document().clone();
    drop(project);
    let whole = fs::read(&path).unwrap();
    for cut in kept..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (read, left_out) = Project::read(folder.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole[..cut]);
        let (mut project, repairs) = Project::open(folder.path()).unwrap();
        let complete = cut + 1 >= whole.len();
        let expected = if complete { &after } else { &before };
        assert_eq!(
            (project.document(), read.document()),
            (expected, expected),
            "cut at {cut}"
        );
        assert_eq!(left_out.len(), repairs.len(), "cut at {cut}");
        assert_eq!(
            repairs.len(),
            usize::from(cut > kept && !complete),
            "cut at {cut}"
        );
        project.apply(stroke(3.0)).unwrap();
        let now = project.document().clone();
        drop(project);
        let (project, repairs) = Project::open(folder.path()).unwrap();
        assert_eq!(
            (project.document(), repairs),
            (&now, Vec::new()),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_damaged_middle_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let mut project = Project::create(folder.path(), film()).unwrap();
    for i in 0..5 {
        project.apply(stroke(f64::from(i))).unwrap();
    }
    drop(project);
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let changed = lines[2].replace("3.0", "4.0");
    let cases = [
        [lines[0], lines[1], &changed, lines[3], lines[4]].concat(),
        [lines[0], lines[1], lines[3], lines[4]].concat(),
        [lines[0], lines[1], "\u{0}\n", lines[2]].concat(),
    ];
    for (number, text) in cases.into_iter().enumerate() {
        fs::write(&path, &text).unwrap();
        let (project, repairs) = Project::open(folder.path()).unwrap();
        assert_eq!(project.document().marks.len(), 2);
        assert!(repairs[0].contains("line 3"), "{repairs:?}");
        let aside = folder
            .path()
            .join(format!("journal.damaged-{}.jsonl", number + 1));
        assert_eq!(
            fs::read_to_string(aside).unwrap(),
            text[lines[0].len() + lines[1].len()..]
        );
    }
}

#[test]
fn a_lost_raster_stops_the_journal_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::create(folder.path(), film()).unwrap();
    let rasters = folder.path().join("rasters");
    let names = || -> std::collections::BTreeSet<_> {
        let entries = fs::read_dir(&rasters).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let originals = names();
    project.apply(stroke(1.0)).unwrap();
    project.apply(accepted(1)).unwrap();
    drop(project);
    let added = names();
    fs::write(added.difference(&originals).next().unwrap(), b"short").unwrap();
    let (project, repairs) = Project::open(folder.path()).unwrap();
    assert_eq!((project.document().marks.len(), repairs.len()), (1, 1));
    drop(project);
    fs::remove_file(originals.first().unwrap()).unwrap();
    assert!(matches!(
        Project::open(folder.path()),
        Err(ProjectError::Io { .. })
    ));
}

#[test]
fn what_cannot_be_opened_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert!(matches!(
        Project::open(at),
        Err(ProjectError::NotAProject(_))
    ));
    let project = Project::create(at, film()).unwrap();
    assert!(matches!(Project::open(at), Err(ProjectError::InUse(_))));
    drop(project);
    assert!(matches!(
        Project::create(at, film()),
        Err(ProjectError::Exists(_))
    ));
    let path = at.join("project.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"version\":1", "\"version\":2")).unwrap();
    let error = Project::open(at).unwrap_err();
    assert!(
        matches!(&error, ProjectError::Version { found, .. } if found == "2"),
        "{error}"
    );
    for end in (0..text.len()).step_by(97) {
        fs::write(&path, &text[..end]).unwrap();
        assert!(
            matches!(Project::open(at), Err(ProjectError::Damaged { .. })),
            "cut at {end}"
        );
    }
    fs::remove_file(&path).unwrap();
    fs::write(at.join("journal.jsonl"), "work").unwrap();
    assert!(matches!(
        Project::create(at, film()),
        Err(ProjectError::Exists(_))
    ));
}

#[test]
fn a_disk_that_refuses_leaves_the_document_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::create(folder.path(), film()).unwrap();
    project.apply(stroke(1.0)).unwrap();
    let rasters = folder.path().join("rasters");
    fs::remove_dir_all(&rasters).unwrap();
    let before = project.document().clone();
    let error = project.apply(accepted(3)).unwrap_err();
    assert!(error.to_string().contains("still in memory"), "{error}");
    assert_eq!(project.document(), &before);
    project.apply(stroke(2.0)).unwrap();
    fs::create_dir(&rasters).unwrap();
    project.apply(accepted(3)).unwrap();
    assert_eq!(project.into_history().document().accepted.len(), 1);
    let file = folder.path().join("lock");
    assert!(matches!(
        Project::create(&file, film()),
        Err(ProjectError::Io { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn save_then_open_is_equal(edits in prop::collection::vec((edit(), 0..6_u8), 1..15)) {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::create(folder.path(), film()).unwrap();
        for (edit, then) in edits {
            let moves = matches!(edit, Edit::MoveLandmark { .. });
            let _ = if moves { project.apply_coalesced(edit) } else { project.apply(edit) };
            match then {
                0 => prop_assert!(project.undo().is_ok()),
                1 => prop_assert!(project.redo().is_ok()),
                _ => {}
            }
        }
        let (document, undo) = (project.document().clone(), project.history().undo_name());
        drop(project);
        let (mut project, repairs) = Project::open(folder.path()).unwrap();
        prop_assert_eq!(repairs, Vec::<String>::new());
        prop_assert_eq!(project.document(), &document);
        prop_assert_eq!(project.history().undo_name(), undo);
        while project.undo().unwrap() {}
        prop_assert_eq!(project.document(), &film());
    }
}

#[test]
fn what_is_said_of_a_project_does_not_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("Doe^Jane.radcanvas");
    let error = Project::open(&at).unwrap_err();
    assert_eq!(error.path(), Some(at.as_path()));
    assert!(error.to_string().contains("Doe"), "{error}");
    assert!(!error.words().contains("Doe"), "{}", error.words());
    assert!(error.words().contains("not a project"));
    // The window keeps the two apart, and names the file only where identity is shown.
    let error = radcanvas::job::Error::from(error);
    assert!(!error.words().contains("Doe"));
    assert_eq!(error.path.as_deref(), Some(at.as_path()));
}
