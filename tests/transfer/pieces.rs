//! The list of nodes, queries and the scan of what comes in.

use radcanvas::job::ErrorKind;
use radcanvas::radiograph::exchange::{fetched_classes, is_uid, part_ten, received};
use radcanvas::transfer::{Access, Level, Node, Nodes, Query, Wanted, fetch, find};

use super::peer::node;
use super::{go_on, synthetic};

#[test]
fn there_is_no_node_until_one_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list/nodes.json");
    let mut nodes = Nodes::load(&path).unwrap();
    assert!(nodes.nodes.is_empty());
    let error = nodes.get("pacs").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.remedy.contains("nodes add"), "{error}");
    nodes.put(node(104), false).unwrap();
    assert!(
        nodes
            .put(node(105), false)
            .unwrap_err()
            .remedy
            .contains("--force")
    );
    nodes.put(node(105), true).unwrap();
    nodes.save(&path).unwrap();
    let again = Nodes::load(&path).unwrap();
    assert_eq!(again.nodes, [node(105)]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("password"));
    let mut again = again;
    again.remove("test").unwrap();
    assert!(again.nodes.is_empty() && again.remove("test").is_err());
}

#[test]
fn a_list_that_is_not_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.json");
    for text in [
        "",
        "[]",
        "{\"version\": 2, \"nodes\": []}",
        "{\"version\": 1, \"nodes\": [{\"name\": \"a/b\"}]}",
        "{\"version\": 1, \"nodes\": [{\"name\": \"a\", \"port\": 70000}]}",
        "{\"version\": 1, \"nodes\": [{\"name\": \"a\", \"web\": \"file:///etc\"}]}",
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Nodes::load(&path).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Input, "{text}");
        assert_eq!(error.path.as_deref(), Some(path.as_path()));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn nodes_that_cannot_be_used_are_refused() {
    let wrong: [fn(&mut Node); 13] = [
        |n| n.name = String::new(),
        |n| n.name = "a b".to_owned(),
        |n| n.host = String::new(),
        |n| n.host = "http://pacs".to_owned(),
        |n| n.port = Some(0),
        |n| n.port = None,
        |n| n.listen = Some(0),
        |n| n.title = String::new(),
        |n| n.title = "SEVENTEEN LETTERS".to_owned(),
        |n| n.own_title = "A\\B".to_owned(),
        |n| n.web = Some("https://user:secret@pacs/".to_owned()),
        |n| n.web = Some("ftp://pacs/".to_owned()),
        |n| n.quiet_seconds = 0,
    ];
    assert!(node(104).check().is_ok());
    for (number, change) in wrong.into_iter().enumerate() {
        let mut node = node(104);
        change(&mut node);
        let error = node.check().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage, "{number}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn questions_that_cannot_be_asked_never_reach_the_network() {
    let series = Query {
        level: Level::Series,
        ..Query::default()
    };
    let text = |change: fn(&mut Query)| {
        let mut query = Query::default();
        change(&mut query);
        query
    };
    for query in [
        series,
        text(|q| q.study = "1.2/../../x".to_owned()),
        text(|q| q.date = "yesterday".to_owned()),
        text(|q| q.patient = "a\\b".to_owned()),
        text(|q| q.modality = "x".repeat(300)),
    ] {
        // Nobody listens at this address: an error of the network would be of another kind.
        let error = find(&node(1), &Access::default(), &query, false, &mut go_on).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage, "{error}");
    }
    let wanted = Wanted {
        study: "../../etc".to_owned(),
        series: None,
        out: std::env::temp_dir().join("radcanvas-never"),
        most_bytes: 1,
    };
    let error = fetch(&node(1), &Access::default(), &wanted, None, &mut go_on).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(!wanted.out.exists());
}

#[test]
fn what_comes_in_is_scanned() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(synthetic(folder.path(), "film.dcm", 9)).unwrap();
    let (names, whole) = received(bytes.clone()).unwrap();
    assert!(is_uid(&names.study) && is_uid(&names.series));
    // A head of our own: nothing hides in the preamble.
    let mut hidden = bytes.clone();
    hidden[..4].copy_from_slice(b"MZ\x90\0");
    assert_eq!(received(hidden).unwrap().1, whole);
    // Cut in its pixels, it is refused; cut anywhere, nothing breaks.
    for cut in (0..bytes.len() - 1).step_by(37) {
        let result = received(bytes[..cut].to_vec());
        assert!(result.is_err() || cut < bytes.len() - 2000, "cut at {cut}");
    }
    // Nested beyond reason.
    let mut deep = Vec::new();
    for _ in 0..10_000 {
        deep.extend([8, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        deep.extend([0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    let deep = part_ten(&names.class, &names.instance, &names.syntax, &deep);
    assert!(received(deep).is_err());
    // Deflated: its size says nothing of what comes out.
    let deflated = part_ten(
        &names.class,
        &names.instance,
        "1.2.840.10008.1.2.1.99",
        &[3, 0],
    );
    assert!(received(deflated).is_err());
}

#[test]
fn one_association_has_room_for_every_class_that_is_fetched() {
    let classes: std::collections::BTreeSet<String> = fetched_classes().collect();
    assert_eq!(classes.len(), fetched_classes().count());
    // One context of the 128 is that of the question.
    assert!(classes.len() < 128);
    for rest in ["7", "1.1", "1.2", "66.4", "88.33", "11.1", "2", "4", "6.1"] {
        assert!(
            classes.contains(&format!("1.2.840.10008.5.1.4.1.1.{rest}")),
            "{rest}"
        );
    }
    assert!(classes.iter().all(|class| is_uid(class)));
    for wrong in ["", "1..2", "1.2.", "1.a", &"1.".repeat(40)] {
        assert!(!is_uid(wrong), "{wrong}");
    }
}
