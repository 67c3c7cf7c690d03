//! Sending to a node of a test: as it is where it may, written anew where not, and refused with a reason.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use radcanvas::radiograph::exchange::{EXPLICIT, IMPLICIT, part_ten};
use radcanvas::radiograph::{self, Pixels};
use radcanvas::transfer::{Access, Node, Sending, Sent, send};

use super::peer::{answer, grant, message, peer};
use super::{go_on, synthetic};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/dicom")
        .join(name)
}

/// A node that takes what comes in some transfer syntaxes, and returns it as files.
fn store(takes: fn(&str) -> bool, status: u16) -> (Node, JoinHandle<Vec<Vec<u8>>>) {
    peer(move |mut stream| {
        let asked = grant(&mut stream, takes);
        let mut files = Vec::new();
        while let Some(came) = message(&mut stream) {
            let context = asked
                .presentation_contexts
                .iter()
                .find(|context| context.id == came.context)
                .unwrap();
            let syntax = context.transfer_syntaxes.iter().find(|uid| takes(uid));
            let (class, instance) = (
                came.command.text(0x0000_0002),
                came.command.text(0x0000_1000),
            );
            assert_eq!(class, context.abstract_syntax);
            files.push(part_ten(&class, &instance, syntax.unwrap(), &came.data));
            answer(&mut stream, &came, status, None);
        }
        files
    })
}

fn sent(node: &Node, files: &[PathBuf]) -> Vec<Sent> {
    let how = Sending::default();
    send(node, &Access::default(), files, &how, &mut go_on).unwrap()
}

fn pixels(bytes: Vec<u8>) -> Vec<Pixels> {
    let file = radiograph::open_bytes("came", bytes).unwrap();
    (0..file.frames())
        .map(|n| file.frame(n).unwrap().pixels)
        .collect()
}

#[test]
fn a_file_goes_as_it_is_where_the_node_takes_it() {
    let (node, served) = store(|_| true, 0);
    let names = [
        "explicit.dcm",
        "implicit.dcm",
        "rle.dcm",
        "jpeg_2000.dcm",
        "big_endian.dcm",
        "rgb_rle.dcm",
    ];
    let files = names.map(fixture);
    let sent = sent(&node, &files);
    for one in &sent {
        let delivered = one.outcome.as_ref().unwrap();
        let implicit = one.path.ends_with("implicit.dcm");
        // Of the two plain ones the first that is offered is chosen by this node.
        assert_eq!(delivered.recoded.is_some(), implicit, "{:?}", one.path);
    }
    for (came, path) in served.join().unwrap().into_iter().zip(&files) {
        let own = std::fs::read(path).unwrap();
        if !path.ends_with("implicit.dcm") {
            assert!(
                own.ends_with(&came[came.len() - 200..]),
                "{}",
                path.display()
            );
        }
        assert_eq!(pixels(came), pixels(own), "{}", path.display());
    }
}

#[test]
fn what_the_node_does_not_take_is_written_plainly_with_the_same_values() {
    let names = [
        "rle.dcm",
        "rle_frames.dcm",
        "jpeg_ls.dcm",
        "jpeg_2000.dcm",
        "big_endian.dcm",
        "deflated.dcm",
        "explicit.dcm",
        "implicit.dcm",
        "signed_12.dcm",
        "signed_8.dcm",
        "enhanced.dcm",
        "names.dcm",
        "rgb.dcm",
        "palette.dcm",
        "luts.dcm",
        "report.dcm",
    ];
    let both: [(fn(&str) -> bool, &str); 2] = [
        (|uid| uid == EXPLICIT, EXPLICIT),
        (|uid| uid == IMPLICIT, IMPLICIT),
    ];
    for (takes, syntax) in both {
        let (node, served) = store(takes, 0);
        let files: Vec<PathBuf> = names.map(fixture).to_vec();
        let sent = sent(&node, &files);
        let came = served.join().unwrap();
        assert_eq!(came.len(), files.len());
        for ((came, path), sent) in came.into_iter().zip(&files).zip(sent) {
            let name = path.display();
            assert!(sent.outcome.is_ok(), "{name}: {:?}", sent.outcome);
            if path.ends_with("report.dcm") {
                continue;
            }
            let own = radiograph::open(path).unwrap().frame(0).unwrap();
            let back = radiograph::open_bytes("came", came.clone())
                .unwrap()
                .frame(0)
                .unwrap();
            assert_eq!(
                back.source.transfer_syntax.as_deref(),
                Some(syntax),
                "{name}"
            );
            assert_eq!(back.identity, own.identity, "{name}");
            assert_eq!(back.windows, own.windows, "{name}");
            assert_eq!(back.voi_tables, own.voi_tables, "{name}");
            assert_eq!(back.modality_transform, own.modality_transform, "{name}");
            assert_eq!(back.source.lossy, own.source.lossy, "{name}");
            assert_eq!(pixels(came), pixels(std::fs::read(path).unwrap()), "{name}");
        }
    }
}

#[test]
fn what_would_lose_something_is_refused_and_the_rest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let plain = |uid: &str| matches!(uid, EXPLICIT | IMPLICIT);
    let (node, served) = store(plain, 0);
    let text = folder.path().join("note.dcm");
    std::fs::write(&text, "no image at all, only a few words").unwrap();
    let files = [
        fixture("rgb_rle.dcm"),
        synthetic(folder.path(), "film.dcm", 3),
        text,
        folder.path().join("missing.dcm"),
        fixture("rgb_jpeg_ls.dcm"),
    ];
    let sent = sent(&node, &files);
    let done: Vec<bool> = sent.iter().map(|one| one.outcome.is_ok()).collect();
    assert_eq!(done, [false, true, false, false, false]);
    let said = sent[0].outcome.as_ref().unwrap_err().to_string();
    assert!(
        said.contains("color is not decoded without a loss"),
        "{said}"
    );
    assert_eq!(served.join().unwrap().len(), 1);
}

#[test]
fn the_answer_of_the_node_counts() {
    let folder = tempfile::tempdir().unwrap();
    let files = [synthetic(folder.path(), "film.dcm", 4)];
    let (node, served) = store(|_| true, 0xA700);
    let first = sent(&node, &files);
    let said = first[0].outcome.as_ref().unwrap_err().to_string();
    assert!(said.contains("A700 (out of resources)"), "{said}");
    served.join().unwrap();
    let (node, served) = store(|_| true, 0xB007);
    let second = sent(&node, &files);
    let warning = second[0].outcome.as_ref().unwrap().warning.clone();
    assert_eq!(warning.as_deref(), Some("stored with status B007"));
    served.join().unwrap();
}

#[test]
fn a_node_that_leaves_is_tried_once_more_and_no_further() {
    let folder = tempfile::tempdir().unwrap();
    let files = [5, 6, 7].map(|seed| synthetic(folder.path(), &format!("{seed}.dcm"), seed));
    let (node, served) = peer(|mut stream| {
        grant(&mut stream, |_| true);
        let first = message(&mut stream).unwrap();
        answer(&mut stream, &first, 0, None);
        // And gone, with nobody listening any more.
        message(&mut stream);
    });
    let sent = sent(&node, &files);
    let done: Vec<bool> = sent.iter().map(|one| one.outcome.is_ok()).collect();
    assert_eq!(done, [true, false, false]);
    let last = sent[2].outcome.as_ref().unwrap_err().to_string();
    assert!(last.contains("no connection"), "{last}");
    served.join().unwrap();
}

#[test]
fn without_identity_the_name_stays_here() {
    let (node, served) = store(|_| true, 0);
    let how = Sending {
        web: false,
        deidentify: Some(b"secret".to_vec()),
    };
    let file = [fixture("names.dcm")];
    let own = radiograph::read(&file[0], 0).unwrap();
    assert!(!own.identity.name.is_empty());
    let sent = send(&node, &Access::default(), &file, &how, &mut go_on).unwrap();
    assert_eq!(sent[0].path, file[0]);
    assert!(sent[0].outcome.is_ok());
    let came = served.join().unwrap().remove(0);
    let back = radiograph::open_bytes("came", came)
        .unwrap()
        .frame(0)
        .unwrap();
    assert!(back.identity.name.is_empty(), "the name went out");
    assert_eq!(back.pixels, own.pixels);
}
