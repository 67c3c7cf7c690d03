//! The panel of nodes, driven without a screen against nodes of the test.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use radcanvas::app::action::Action;
use radcanvas::app::nodes::{Ask, Draft, Form, Page};
use radcanvas::app::session::Overlay;
use radcanvas::app::{App, Start};
use radcanvas::document::{Edit, Layer, Mark, Operation, Shape};
use radcanvas::geometry::{Figure, FigureKind, Point};
use radcanvas::radiograph::exchange::{EXPLICIT, Value, part_ten, write_attributes};
use radcanvas::radiograph::open_bytes;
use radcanvas::transfer::{Node, Nodes};

use super::peer::{answer, drain, grant, message, peer};
use super::synthetic;

fn window(list: &Path, film: Option<&Path>) -> Harness<'static, App> {
    let start = Start {
        nodes: Some(list.to_owned()),
        files: film.map(Path::to_owned).into_iter().collect(),
        ..Start::default()
    };
    crate::app::window(start)
}

fn ask(harness: &mut Harness<'static, App>, ask: Ask) {
    harness.state_mut().act(Action::Nodes(Box::new(ask)));
}

fn change(harness: &mut Harness<'static, App>, change: impl FnOnce(&mut Form)) {
    let mut form = harness.state().session().nodes.form.clone();
    change(&mut form);
    ask(harness, Ask::Change(Box::new(form)));
}

/// Waits for what is under way, and returns how it ended.
fn ended(harness: &mut Harness<'static, App>) -> (bool, String) {
    let begin = Instant::now();
    loop {
        harness.step();
        let view = &harness.state().session().nodes;
        if view.busy.is_none() {
            return view.said.clone().unwrap_or((true, String::new()));
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "never ended");
        std::thread::yield_now();
    }
}

fn with_node(list: &Path, node: &Node, film: Option<&Path>) -> Harness<'static, App> {
    let mut nodes = Nodes::default();
    nodes.put(node.clone(), false).unwrap();
    nodes.save(list).unwrap();
    let mut harness = window(list, film);
    ask(&mut harness, Ask::Show);
    ended(&mut harness);
    assert_eq!(harness.state().session().nodes.node(), Some(node));
    harness
}

#[test]
fn there_is_nothing_until_a_node_is_typed_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("nodes.json");
    let mut harness = window(&list, None);
    harness.get_by_label("File").click();
    harness.run_steps(3);
    harness.get_by_label_contains("Send and fetch").click();
    harness.run_steps(3);
    assert_eq!(ended(&mut harness), (true, String::new()));
    harness.run_steps(3);
    assert_eq!(harness.state().session().overlay, Overlay::Nodes);
    harness.get_by_label_contains("nothing is sent or fetched until you add one");
    assert!(!list.exists());
    let (node, served) = peer(|mut stream| {
        grant(&mut stream, |_| true);
        let echo = message(&mut stream).unwrap();
        answer(&mut stream, &echo, 0, None);
        message(&mut stream);
    });
    change(&mut harness, |form| {
        form.draft = Draft {
            port: "port 104".to_owned(),
            ..Draft::of(&node)
        };
    });
    ask(&mut harness, Ask::Save);
    let (well, text) = ended(&mut harness);
    assert!(!well && text.contains("from 1 to 65535"), "{text}");
    change(&mut harness, |form| form.draft = Draft::of(&node));
    harness.run_steps(2);
    harness.get_by_label("Keep").click();
    harness.run_steps(3);
    assert!(ended(&mut harness).0);
    assert_eq!(Nodes::load(&list).unwrap().nodes.len(), 1);
    harness.run_steps(2);
    harness.get_by_label("Test").click();
    harness.run_steps(3);
    let (well, text) = ended(&mut harness);
    assert!(well && text.contains("test answers (C-ECHO"), "{text}");
    served.join().unwrap();
    ask(&mut harness, Ask::Remove);
    ended(&mut harness);
    assert!(Nodes::load(&list).unwrap().nodes.is_empty());
}

#[test]
fn what_is_found_hides_who_it_is_until_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (node, served) = peer(|mut stream| {
        grant(&mut stream, |uid| uid == EXPLICIT);
        let asked = message(&mut stream).unwrap();
        let found: [(u32, Value); 4] = [
            (0x0008_0020, "20260131".into()),
            (0x0008_1030, "Pelvis VD".into()),
            (0x0010_0010, "Secret^Rex".into()),
            (0x0020_000D, "1.2.3".into()),
        ];
        let found = write_attributes(&found, true);
        answer(&mut stream, &asked, 0xFF00, Some(&found));
        answer(&mut stream, &asked, 0, None);
        message(&mut stream);
    });
    let mut harness = with_node(&folder.path().join("nodes.json"), &node, None);
    change(&mut harness, |form| form.page = Page::Find);
    ask(&mut harness, Ask::Search);
    assert_eq!(ended(&mut harness), (true, "1 study".to_owned()));
    served.join().unwrap();
    harness.run_steps(2);
    // A description may be a name as well.
    harness.get_by_label("20260131");
    assert!(harness.query_by_label("Pelvis VD").is_none());
    assert!(harness.query_by_label_contains("Secret").is_none());
    harness.state_mut().act(Action::Identity);
    harness.run_steps(2);
    harness.get_by_label_contains("Secret Rex");
    harness.get_by_label("Pelvis VD");
}

#[test]
fn the_open_image_is_sent_with_its_mark_and_a_silent_node_can_be_left() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("nodes.json");
    let film = synthetic(folder.path(), "film.dcm", 12);
    let (node, served) = peer(|mut stream| {
        grant(&mut stream, |_| true);
        let came = message(&mut stream).unwrap();
        answer(&mut stream, &came, 0, None);
        message(&mut stream);
        part_ten(
            &came.command.text(2),
            &came.command.text(0x1000),
            EXPLICIT,
            &came.data,
        )
    });
    let mut harness = with_node(&list, &node, Some(&film));
    let begin = Instant::now();
    while harness.state().session().open().is_none() {
        harness.step();
        assert!(begin.elapsed() < Duration::from_secs(20), "never opened");
    }
    change(&mut harness, |form| form.page = Page::Send);
    harness.run_steps(2);
    harness.get_by_label_contains("goes out marked as such");
    harness.get_by_label("Send the image").click();
    harness.run_steps(3);
    assert_eq!(ended(&mut harness), (true, "Sent".to_owned()));
    let came = open_bytes("came", served.join().unwrap()).unwrap();
    let came = came.frame(0).unwrap();
    assert!(came.synthetic.is_some());
    assert_eq!(
        came.pixels,
        radcanvas::radiograph::read(&film, 0).unwrap().pixels
    );

    let reached = Arc::new(AtomicBool::new(false));
    let (silent, served) = peer({
        let reached = Arc::clone(&reached);
        move |mut stream| {
            reached.store(true, Ordering::SeqCst);
            drain(&mut stream);
        }
    });
    let silent = Node {
        quiet_seconds: 60,
        ..silent
    };
    let mut harness = with_node(&folder.path().join("other.json"), &silent, None);
    ask(&mut harness, Ask::Test);
    harness.run_steps(3);
    assert!(harness.state().session().nodes.busy.is_some());
    // Stopped earlier, it might never connect, and the node would wait for it.
    let begin = Instant::now();
    while !reached.load(Ordering::SeqCst) {
        harness.step();
        assert!(begin.elapsed() < Duration::from_secs(20), "never connected");
    }
    ask(&mut harness, Ask::Stop);
    let begin = Instant::now();
    assert_eq!(ended(&mut harness), (true, "Stopped".to_owned()));
    assert!(begin.elapsed() < Duration::from_secs(10));
    served.join().unwrap();
}

#[test]
fn measurements_view_and_mask_go_along_and_refer_to_the_image_that_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("nodes.json");
    let film = synthetic(folder.path(), "film.dcm", 12);
    for without_identity in [false, true] {
        let (node, served) = peer(|mut stream| {
            grant(&mut stream, |_| true);
            let mut came = Vec::new();
            while let Some(one) = message(&mut stream) {
                answer(&mut stream, &one, 0, None);
                let class = one.command.text(2);
                let name = one.command.text(0x1000);
                let file = part_ten(&class, &name, EXPLICIT, &one.data);
                came.push((class, name, file));
            }
            came
        });
        std::fs::remove_file(&list).ok();
        let mut harness = with_node(&list, &node, Some(&film));
        let begin = Instant::now();
        while harness.state().session().open().is_none() {
            harness.step();
            assert!(begin.elapsed() < Duration::from_secs(20), "never opened");
        }
        change(&mut harness, |form| {
            form.page = Page::Send;
            form.deidentify = without_identity;
        });
        harness.run_steps(2);
        harness.get_by_label("Send the image");
        harness.get_by_label_contains("Comprehensive SR): nothing is measured");
        harness.get_by_label_contains("Segmentation): nothing is painted");
        let points = [[3.0, 4.0], [23.0, 19.0]];
        harness
            .state_mut()
            .act(Action::Edit(Box::new(Edit::AddFigure(Arc::new(Figure {
                kind: FigureKind::Length,
                points: points.map(Point::from).to_vec(),
            })))));
        harness
            .state_mut()
            .act(Action::Edit(Box::new(Edit::AddMark(Arc::new(Mark {
                layer: Layer::Mask,
                operation: Operation::Paint,
                shape: Shape::Rectangle {
                    from: Point::new(5.0, 5.0),
                    to: Point::new(12.0, 9.0),
                },
            })))));
        harness.run_steps(2);
        harness.get_by_label("Send the image and 3 objects").click();
        harness.run_steps(3);
        let (well, text) = ended(&mut harness);
        assert!(well && text.starts_with("Sent 4 of 4"), "{text}");
        drop(harness);
        let came = served.join().unwrap();
        let classes: Vec<&str> = came.iter().map(|(class, ..)| class.as_str()).collect();
        assert!(classes[0].starts_with("1.2.840.10008.5.1.4.1.1.7"));
        // Comprehensive SR, Grayscale Softcopy Presentation State, Segmentation.
        assert_eq!(
            classes[1..],
            [
                "1.2.840.10008.5.1.4.1.1.88.33",
                "1.2.840.10008.5.1.4.1.1.11.1",
                "1.2.840.10008.5.1.4.1.1.66.4",
            ]
        );
        let image = &came[0].1;
        let sent = open_bytes("came", came[0].2.clone()).unwrap();
        assert!(sent.frame(0).unwrap().synthetic.is_some());
        let holds =
            |file: &[u8], text: &str| file.windows(text.len()).any(|w| w == text.as_bytes());
        for (class, _, file) in &came[1..] {
            assert!(holds(file, image), "{class} refers to the image sent");
            // Synthetic Data (0008,001C) is YES.
            let mark = "\u{8}\0\u{1c}\0CS\u{4}\0YES";
            assert!(holds(file, mark), "{class} is marked");
        }
        let length = 25.0_f64.to_string();
        assert!(holds(&came[1].2, &length), "the report has the length");
    }
}
