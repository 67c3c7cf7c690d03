//! Studies over their series, files opened last, and what stays unsaid while identity is hidden.

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use radcanvas::app::action::{Action, FrameChange};
use radcanvas::app::canvas::{Planes, palette, pyramid::planes::color_image};
use radcanvas::app::recent::{Glimpse, Recent, SIDE, Small};
use radcanvas::app::session::Stage;
use radcanvas::app::settings::Settings;
use radcanvas::app::{App, Start};
use radcanvas::document::{Document, Project};
use radcanvas::grid::Grid;
use radcanvas::radiograph::series;

use super::{Dicom, opened, picture};
use crate::app::{until, window};
use crate::shown::painted;

/// A slice of a series of a study.
fn slice(study: &str, day: &str, series: (u32, &str), modality: &str, number: u32) -> Dicom {
    let mut file = Dicom::new(24, 16, |x, y| 40 * x + y);
    file.text((0x0020, 0x000D), "UI", study);
    file.text((0x0020, 0x000E), "UI", &format!("{study}.{}", series.0));
    file.text((0x0020, 0x0011), "IS", &series.0.to_string());
    file.text((0x0020, 0x0013), "IS", &number.to_string());
    file.text((0x0008, 0x0020), "DA", day);
    file.text((0x0008, 0x0060), "CS", modality);
    file.text((0x0008, 0x103E), "LO", series.1);
    file
}

/// Two studies of two people and a picture that belongs to none; the older study has two series.
pub(super) fn films(folder: &Path) -> PathBuf {
    let films = folder.join("Doe family");
    std::fs::create_dir(&films).unwrap();
    let write = |mut file: Dicom, patient: &str, study: &str, name: &str| {
        file.text((0x0010, 0x0010), "PN", patient);
        file.text((0x0008, 0x1030), "LO", study);
        file.write(&films.join(name));
    };
    // Neither the names of the files nor the UIDs are in the order of the days.
    for number in [2, 1] {
        let bone = slice("1.2.9", "20250105", (3, "Bone 1 mm"), "CT", number);
        write(bone, "Doe^Jane", "Trauma", &format!("a{number}"));
    }
    let scout = slice("1.2.9", "20250105", (1, "Scout"), "CR", 1);
    write(scout, "Doe^Jane", "", "b");
    let knee = slice("1.2.3", "20260201", (7, "Knee PD"), "MR", 1);
    write(knee, "Roe^Richard", "Follow-up", "c");
    picture(&films.join("photo.png"), 30, 20, |x, y| (x + y) as u16);
    films
}

fn labelled(harness: &Harness<'static, App>, part: &str) -> usize {
    harness.query_all_by_label_contains(part).count()
}

#[test]
fn a_list_has_the_newest_study_first_and_its_series_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let listing = series::list(films(folder.path())).unwrap();
    let told: Vec<_> = listing
        .series
        .iter()
        .map(|one| {
            let member = &one.members[0];
            let heading = &member.heading;
            (
                heading.date.as_str(),
                member.place.series_number,
                one.frames(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("20260201", Some(7), 1),
            ("20250105", Some(1), 1),
            ("20250105", Some(3), 2),
            ("", None, 1),
        ]
    );
    // It tells who it is, so it stays out of logs and of what is written as JSON.
    let member = &listing.series[0].members[0];
    assert_eq!(member.heading.patient, "Roe^Richard");
    assert!(!format!("{member:?}").contains("Roe"));
    assert!(!serde_json::to_string(member).unwrap().contains("Roe"));
}

#[test]
fn studies_stand_over_their_series_and_fold_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(vec![films(folder.path())]);
    let harness = &mut harness;
    harness.run_steps(3);
    let stack = |app: &App| app.session().stack.as_ref().unwrap().shown();
    assert_eq!(stack(harness.state()), 2, "the series with most images");
    // Hidden, a study is its number, what it holds, and nothing that a person wrote or that tells a day.
    for name in [
        "Study, open: Study 1, MR · 1 series",
        "Study, open: Study 2, CR CT · 2 series",
        "Study, open: Without a study, 1 series",
    ] {
        assert_eq!(labelled(harness, name), 1, "{name}");
    }
    assert_eq!(labelled(harness, "Series 3: Series 3 CT · 2 images"), 1);
    // Its name is the number on its picture, which the file tells.
    assert_eq!(labelled(harness, "Series 1: Series 7 MR · 1 image"), 1);
    for word in ["Doe", "Roe", "2026", "2025", "Trauma", "Knee", "photo"] {
        assert!(!painted(harness).contains(word), "{word}");
        assert_eq!(labelled(harness, word), 0, "{word}");
    }
    harness.state_mut().act(Action::Identity);
    harness.run_steps(3);
    for name in [
        "Study, open: 2026-02-01, Roe^Richard, Follow-up, MR · 1 series",
        // One of its series alone tells what was done.
        "Study, open: 2025-01-05, Doe^Jane, Trauma, CR CT · 2 series",
        "Series 3: Bone 1 mm CT · 2 images",
    ] {
        assert_eq!(labelled(harness, name), 1, "{name}");
    }
    harness.state_mut().act(Action::Identity);
    harness.run_steps(2);
    // A press folds the series of a study away, and those below come up.
    let top = |harness: &Harness<'static, App>, part: &str| {
        harness.get_by_label_contains(part).rect().top()
    };
    let before = top(harness, "Series 4:");
    harness.get_by_label_contains("Study 2").click();
    harness.run_steps(3);
    assert_eq!(labelled(harness, "Study, folded: Study 2"), 1);
    assert_eq!(
        (
            labelled(harness, "Series 2:"),
            labelled(harness, "Series 3:")
        ),
        (0, 0)
    );
    assert!(
        (before - top(harness, "Series 4:") - 264.0).abs() < 1.0,
        "two series up"
    );
    // What is folded away is gone through by keys all the same.
    harness.key_press_modifiers(Modifiers::COMMAND, Key::PageUp);
    until(harness, "the scout", |app| stack(app) == 1);
    harness.get_by_label_contains("Study 2").click();
    harness.run_steps(3);
    harness.get_by_label_contains("Series 1:").click();
    until(harness, "the knee", |app| stack(app) == 0);
}

#[test]
fn two_hundred_series_cost_what_is_in_sight_and_the_shown_one_is_in_sight() {
    let folder = tempfile::tempdir().unwrap();
    for study in 0..4 {
        for number in 0..50 {
            let day = format!("2026010{}", study + 1);
            let uid = format!("1.2.{study}");
            let file = slice(&uid, &day, (number + 1, "Axial"), "CT", 1);
            file.write(&folder.path().join(format!("{study}-{number}.dcm")));
        }
    }
    let mut harness = opened(vec![folder.path().to_owned()]);
    let harness = &mut harness;
    harness.run_steps(3);
    let count = |harness: &Harness<'static, App>| labelled(harness, " CT · 1 image");
    assert!((4..12).contains(&count(harness)), "{}", count(harness));
    let act = Action::Frame(FrameChange::ToSeries(199));
    harness.state_mut().act(act);
    until(harness, "the last", |app| {
        app.session().stack.as_ref().unwrap().shown() == 199
    });
    // The list follows, at once or in a few frames.
    harness.run_steps(40);
    let last = harness.get_by_label_contains("Series 200:").rect();
    assert!(last.top() > 0.0 && last.bottom() <= 900.0, "{last:?}");
    assert!((4..12).contains(&count(harness)), "{}", count(harness));
    for study in 0..4 {
        harness.state_mut().act(Action::FoldStudy(study));
    }
    harness.run_steps(3);
    assert_eq!((count(harness), labelled(harness, "Study, folded")), (0, 4));
    // A study that is not there is no study.
    harness.state_mut().act(Action::FoldStudy(99));
}

#[test]
fn one_file_has_no_list_and_pictures_have_nothing_over_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.dcm");
    slice("1.2.3", "20260201", (1, "Knee"), "MR", 1).write(&path);
    let mut harness = opened(vec![path]);
    harness.run_steps(2);
    assert!(harness.state().session().stack.is_none());
    assert_eq!(labelled(&harness, "Study, "), 0);
    let paths = ["a.png", "b.png"].map(|name| folder.path().join(name));
    for path in &paths {
        picture(path, 20, 20, |x, y| (x + y) as u16);
    }
    let mut harness = opened(paths.to_vec());
    harness.run_steps(2);
    assert_eq!(
        (
            labelled(&harness, "Series 2:"),
            labelled(&harness, "Study, ")
        ),
        (1, 0)
    );
}

#[test]
fn files_opened_last_are_told_apart_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("Doe_Jane.dcm");
    let mut dicom = Dicom::new(800, 500, |x, y| x + 2 * y);
    dicom.text((0x0008, 0x0060), "CS", "DX");
    dicom.text((0x0018, 0x5101), "CS", "PA");
    dicom.text((0x0010, 0x0010), "PN", "Doe^Jane");
    dicom.write(&film);
    let small = folder.path().join("Doe_John.png");
    picture(&small, 64, 48, |x, y| (x * y) as u16);
    let mut harness = opened(vec![small]);
    let harness = &mut harness;
    harness.state_mut().act(Action::Open(film));
    until(harness, "the film", |app| {
        let open = app.session().open();
        open.is_some_and(|open| open.document().image().width() == 800)
    });
    harness.state_mut().act(Action::CloseCase);
    harness.run_steps(3);
    for name in [
        "DX · chest · 800 × 500, opened just now",
        "PNG · 64 × 48, opened just now",
    ] {
        assert_eq!(labelled(harness, name), 1, "{name}\n{}", painted(harness));
    }
    assert!(!painted(harness).contains("Doe"));
    // Of the large film a picture is kept, too coarse for words; the small one could still be read.
    let recent = harness.state().settings().recent.clone();
    let pictures: Vec<Option<(usize, usize)>> = recent
        .iter()
        .map(|recent| {
            let seen = recent.seen.as_ref().unwrap();
            seen.picture.as_ref().map(|Small(grid)| grid.size())
        })
        .collect();
    assert_eq!(pictures, [Some((40, 25)), None]);
    harness.state_mut().act(Action::Identity);
    harness.run_steps(2);
    let named = "Doe_Jane.dcm, DX · chest · 800 × 500 · opened just now";
    assert_eq!(labelled(harness, named), 1, "{}", painted(harness));
    harness.get_by_label_contains("Doe_John.png, PNG").click();
    until(harness, "again", |app| app.session().open().is_some());
    let first = &harness.state().settings().recent[0];
    assert!(first.path.ends_with("Doe_John.png"));
    assert_eq!(harness.state().settings().recent.len(), 2);
}

#[test]
fn the_list_of_files_survives_its_written_form_and_that_of_earlier_versions() {
    let old = r#"{"version":1,"recent":["/films/a.dcm","/films/b.png"]}"#;
    let (settings, warning) = Settings::parse(old);
    assert_eq!(warning, None);
    let paths: Vec<_> = settings.recent.iter().map(|recent| &recent.path).collect();
    assert_eq!(
        paths,
        [Path::new("/films/a.dcm"), Path::new("/films/b.png")]
    );
    assert!(
        settings
            .recent
            .iter()
            .all(|r| r.seen.is_none() && r.when(5).is_empty())
    );
    let mut settings = settings;
    let glimpse = |side| Glimpse {
        modality: "CT".to_owned(),
        size: (512, 512),
        images: 64,
        synthetic: true,
        picture: Some(Small(Grid::filled(side, 2, 7))),
        ..Glimpse::default()
    };
    let seen = glimpse(SIDE);
    assert_eq!(seen.words(), "CT · 512 × 512 · 64 images · synthetic");
    settings.remember(PathBuf::from("/films/b.png"), Some(seen));
    assert_eq!(settings.recent.len(), 2);
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(Settings::parse(&text), (settings.clone(), None));
    // A picture that this program never writes is not shown.
    settings.remember(PathBuf::from("/films/c.dcm"), Some(glimpse(SIDE + 1)));
    let text = serde_json::to_string(&settings).unwrap();
    let back = Settings::parse(&text).0.recent[0].seen.clone().unwrap();
    assert_eq!((back.picture, back.images), (None, 64));
    let at = |opened| Recent {
        path: PathBuf::new(),
        opened,
        seen: None,
    };
    let day = 86_400;
    // 2026-01-31 12:00 UTC.
    let noon = 1_769_860_800;
    for (later, text) in [
        (0, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (day - 1, "23 h ago"),
        (day, "2026-01-31"),
        (400 * day, "2026-01-31"),
    ] {
        assert_eq!(at(noon).when(noon + later), text, "{later}");
    }
    assert_eq!(
        at(noon + 50).when(noon),
        "just now",
        "a clock that was put back"
    );
    assert_eq!(at(u64::MAX).when(0), "just now");
}

#[test]
fn a_file_that_is_left_out_is_named_only_where_identity_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("Doe.radcanvas");
    let image = Dicom::new(8, 8, |x, y| x + y).read();
    drop(Project::create(&project, Document::new(image.into())).unwrap());
    let paths: Vec<PathBuf> = ["a.png", "b.png"]
        .map(|name| folder.path().join(name))
        .to_vec();
    for path in &paths {
        picture(path, 20, 20, |x, y| (x + y) as u16);
    }
    let all = paths
        .into_iter()
        .chain([project, folder.path().join("Roe.dcm")]);
    let mut harness = opened(all.collect());
    let harness = &mut harness;
    harness.state_mut().act(Action::Notices);
    harness.run_steps(3);
    let text = painted(harness);
    assert!(
        text.contains("A project opens alone and was left out"),
        "{text}"
    );
    assert!(text.contains("One file was left out: "), "{text}");
    assert!(!text.contains("Doe") && !text.contains("Roe"), "{text}");
    harness.state_mut().act(Action::Identity);
    harness.run_steps(3);
    let text = painted(harness);
    assert!(
        text.contains("Doe.radcanvas") && text.contains("Roe.dcm"),
        "{text}"
    );
}

#[test]
fn a_frame_that_cannot_be_read_is_not_named_either() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["Doe_a.dcm", "Doe_b.dcm"].map(|name| folder.path().join(name));
    for path in &paths {
        Dicom::new(8, 8, |x, y| x + y).write(path);
    }
    let mut harness = opened(paths.to_vec());
    let harness = &mut harness;
    std::fs::write(&paths[1], "gone").unwrap();
    harness.state_mut().act(Action::Frame(FrameChange::Step(1)));
    until(harness, "a notice", |app| !app.session().notices.is_empty());
    harness.run_steps(2);
    let notice = harness.state().session().notices.last().unwrap().clone();
    assert!(notice.file.is_some_and(|file| file.ends_with("Doe_b.dcm")));
    assert!(!painted(harness).contains("Doe"), "{}", painted(harness));
    assert!(matches!(harness.state().session().stage, Stage::Open(_)));
}

#[test]
fn planes_that_call_themselves_words_are_hidden_with_identity() {
    let mut film = Dicom::new(40, 30, |x, _| 20 * x);
    let planes = [
        (0x6000, "G", "Patient annotations"),
        (0x6002, "G", ""),
        (0x6004, "R", "Text of a region"),
        (0x6006, "G", "Heart contour"),
    ];
    for (n, (group, kind, label)) in (0_u16..).zip(planes) {
        film.plane(group, kind, (40, 30), |x, y| (x, y) == (5 + 8 * n, 15));
        if !label.is_empty() {
            film.text((group, 0x0022), "LO", label);
        }
    }
    let image = film.read();
    let inked = |which: Planes| {
        let picture = color_image(&image, which, 2048);
        [0, 1, 2, 3].map(|n| {
            let at = 15 * 40 + 5 + 8 * n;
            picture.as_ref().is_some_and(|p| p.pixels[at].a() > 0)
        })
    };
    assert_eq!(inked(Planes::All), [true; 4]);
    assert_eq!(inked(Planes::Wordless), [false, true, true, true]);
    assert_eq!(inked(Planes::Regions), [false, false, true, false]);
    assert_eq!(inked(Planes::None), [false; 4]);
    assert_eq!(
        color_image(&image, Planes::Wordless, 2048).unwrap().pixels[15 * 40 + 13],
        palette::TEXT
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.dcm");
    film.write(&path);
    let mut harness = opened(vec![path]);
    let harness = &mut harness;
    harness.run_steps(3);
    let one = "1 overlay plane hidden with identity";
    let three = "3 overlay planes hidden with identity";
    assert!(painted(harness).contains(one), "{}", painted(harness));
    // The switch takes all graphics along; it is explained where it stands, and remembered.
    // The menu stands before the workspace of the same name.
    harness.query_all_by_label("View").next().unwrap().click();
    harness.run_steps(3);
    harness
        .get_by_label_contains("All overlay planes go with identity")
        .hover();
    harness.run_steps(20);
    assert!(
        painted(harness).contains("regions of interest alone"),
        "{}",
        painted(harness)
    );
    harness
        .get_by_label_contains("All overlay planes go with identity")
        .click();
    harness.run_steps(3);
    assert!(harness.state().settings().planes_with_identity);
    assert!(painted(harness).contains(three), "{}", painted(harness));
    harness.state_mut().act(Action::Identity);
    harness.run_steps(2);
    assert!(!painted(harness).contains("hidden with identity"));
    harness.state_mut().act(Action::Identity);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::O);
    harness.run_steps(2);
    // Hidden by hand, they need no word.
    assert!(!harness.state().session().planes);
    assert!(!painted(harness).contains("hidden with identity"));
}

#[test]
fn words_are_known_by_what_a_plane_says_of_itself() {
    let film = |kind: &str, label: &str, description: &str| {
        let mut film = Dicom::new(8, 8, |x, _| x);
        film.plane(0x6000, kind, (8, 8), |x, y| x == y);
        film.text((0x6000, 0x1500), "LO", label);
        film.text((0x6000, 0x0022), "LO", description);
        film.read().overlays[0].is_words()
    };
    for said in [
        "TEXT",
        "Annotation",
        "patient name",
        "1_ANNOTATIONS",
        "Beschriftung",
        "Demographics",
    ] {
        assert!(film("G", said, "") && film("G", "plane 1", said), "{said}");
        assert!(
            !film("R", said, said),
            "a region of interest is none: {said}"
        );
    }
    for said in [
        "",
        "Heart",
        "context",
        "texture",
        "unnamed",
        "SYNTHETIC - NOT FOR DIAGNOSIS",
    ] {
        assert!(!film("G", said, said), "{said}");
    }
}

/// A window without a file, to see that it starts with a list of earlier versions.
#[test]
fn a_window_starts_with_the_files_of_an_earlier_version() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.json");
    std::fs::write(&file, r#"{"version":1,"recent":["/films/Doe.dcm"]}"#).unwrap();
    let mut harness = window(Start {
        settings: Some(file),
        ..Start::default()
    });
    harness.run_steps(3);
    assert_eq!(
        labelled(&harness, "Image 1 (dcm)"),
        1,
        "{}",
        painted(&harness)
    );
    assert!(harness.state().session().notices.is_empty());
}
