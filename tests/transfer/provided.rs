//! C-MOVE and C-GET with a node of a test: what it sends that was not asked for does not land.

use std::net::{TcpListener, TcpStream};
use std::path::Path;

use dicom_ul::association::ClientAssociationOptions;
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use radcanvas::job::{Error, ErrorKind};
use radcanvas::radiograph::exchange::{Attributes, EXPLICIT, Instance, Value, write_attributes};
use radcanvas::transfer::{Access, Fetched, Node, Wanted, Way, fetch};

use super::peer::{answer, grant, message, peer, say};
use super::{go_on, synthetic};

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn wanted(object: &Instance, out: &Path) -> Wanted {
    Wanted {
        study: object.study(),
        series: None,
        out: out.to_owned(),
        most_bytes: 1 << 20,
    }
}

/// Sends objects to a listener as `title`; the statuses of the answers, or why there was no association.
fn push(port: u16, title: &str, objects: &[Instance]) -> Result<Vec<u32>, String> {
    let mut association = ClientAssociationOptions::new()
        .calling_ae_title(title)
        .called_ae_title("RADCANVAS")
        .with_presentation_context(objects[0].class.clone(), vec![EXPLICIT.to_owned()])
        .establish(("127.0.0.1", port))
        .map_err(|error| error.to_string())?;
    let mut statuses = Vec::new();
    for object in objects {
        let command = write_attributes(
            &[
                (0x0000_0002, object.class.as_str().into()),
                (0x0000_0100, 1_u16.into()),
                (0x0000_0110, 1_u16.into()),
                (0x0000_0700, 0_u16.into()),
                (0x0000_0800, 1_u16.into()),
                (0x0000_1000, object.instance.as_str().into()),
            ],
            false,
        );
        for (value_type, data) in [
            (PDataValueType::Command, command.as_slice()),
            (PDataValueType::Data, object.as_it_is().unwrap()),
        ] {
            let value = PDataValue {
                presentation_context_id: 1,
                value_type,
                is_last: true,
                data: data.to_vec(),
            };
            association
                .send(&Pdu::PData { data: vec![value] })
                .map_err(|error| error.to_string())?;
        }
        let Pdu::PData { data } = association.receive().map_err(|error| error.to_string())? else {
            return Err("no data".to_owned());
        };
        let command = Attributes::read(data[0].data.clone(), false);
        statuses.push(command.unwrap().number(0x0000_0900).unwrap());
    }
    association.release().ok();
    Ok(statuses)
}

/// Fetches by C-MOVE from a node that runs `script` once it was asked.
fn moved<T: Send + 'static>(
    wanted: &Wanted,
    script: impl FnOnce(u16) -> T + Send + 'static,
) -> (Result<Fetched, Error>, T) {
    let port = free_port();
    let (node, served) = peer(move |mut stream| {
        grant(&mut stream, |_| true);
        let asked = message(&mut stream).unwrap();
        assert_eq!(asked.command.text(0x0000_0600), "RADCANVAS");
        let pushed = script(port);
        answer(&mut stream, &asked, 0, None);
        message(&mut stream);
        pushed
    });
    let node = Node {
        listen: Some(port),
        quiet_seconds: 3,
        ..node
    };
    let fetched = fetch(&node, &Access::default(), wanted, None, &mut go_on);
    (fetched, served.join().unwrap())
}

#[test]
fn what_was_asked_for_lands_and_other_studies_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let read =
        |seed| Instance::read(&synthetic(folder.path(), &format!("{seed}.dcm"), seed)).unwrap();
    let (own, other) = (read(1), read(2));
    let wanted = wanted(&own, &folder.path().join("out"));
    let (fetched, statuses) = moved(&wanted, move |port| push(port, "PEER", &[own, other]));
    let fetched = fetched.unwrap();
    assert_eq!(statuses.unwrap(), [0, 0x0124]);
    assert_eq!(fetched.files.len(), 1);
    assert!(
        fetched.failures[0].contains("not asked for"),
        "{:?}",
        fetched.failures
    );
}

#[test]
fn strangers_are_not_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let own = Instance::read(&synthetic(folder.path(), "1.dcm", 1)).unwrap();
    let wanted = wanted(&own, &folder.path().join("out"));
    let (fetched, statuses) = moved(&wanted, move |port| push(port, "STRANGER", &[own]));
    let refused = statuses.unwrap_err();
    assert!(refused.contains("calling AE title"), "{refused}");
    let fetched = fetched.unwrap();
    assert!(fetched.files.is_empty());
    assert!(
        fetched.failures[0].contains("AE titles"),
        "{:?}",
        fetched.failures
    );
}

#[test]
fn more_than_there_is_room_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let own = Instance::read(&synthetic(folder.path(), "1.dcm", 1)).unwrap();
    let mut wanted = wanted(&own, &folder.path().join("out"));
    wanted.most_bytes = 1000;
    let (fetched, statuses) = moved(&wanted, move |port| push(port, "PEER", &[own]));
    assert!(statuses.is_err());
    let fetched = fetched.unwrap();
    assert!(fetched.files.is_empty());
    assert!(
        fetched.failures[0].contains("more than 1000 bytes"),
        "{:?}",
        fetched.failures
    );
}

#[test]
fn rubbish_at_the_listening_port_does_not_stop_the_transfer() {
    let folder = tempfile::tempdir().unwrap();
    let own = Instance::read(&synthetic(folder.path(), "1.dcm", 1)).unwrap();
    let wanted = wanted(&own, &folder.path().join("out"));
    let (fetched, statuses) = moved(&wanted, move |port| {
        use std::io::Write as _;
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").ok();
            open.push(stream);
        }
        push(port, "PEER", &[own])
    });
    assert_eq!(statuses.unwrap(), [0]);
    assert_eq!(fetched.unwrap().files.len(), 1);
}

#[test]
fn a_node_without_the_way_back_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let own = Instance::read(&synthetic(folder.path(), "1.dcm", 1)).unwrap();
    let wanted = wanted(&own, &folder.path().join("out"));
    let (node, served) = peer(|mut stream| {
        grant(&mut stream, |_| true);
        let asked = message(&mut stream).unwrap();
        answer(&mut stream, &asked, 0xA801, None);
        message(&mut stream);
    });
    let unlisted = fetch(
        &node,
        &Access::default(),
        &wanted,
        Some(Way::Move),
        &mut go_on,
    );
    assert_eq!(unlisted.unwrap_err().kind, ErrorKind::Usage);
    let node = Node {
        listen: Some(free_port()),
        ..node
    };
    let error = fetch(&node, &Access::default(), &wanted, None, &mut go_on).unwrap_err();
    assert!(error.what.contains("AE title is unknown to it"), "{error}");
    served.join().unwrap();
}

#[test]
fn by_get_an_object_comes_over_the_same_connection_and_lies_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let own = Instance::read(&synthetic(folder.path(), "1.dcm", 1)).unwrap();
    let wanted = wanted(&own, &folder.path().join("out"));
    let (node, served) = peer(move |mut stream| {
        let asked = grant(&mut stream, |_| true);
        let get = message(&mut stream).unwrap();
        let contexts = &asked.presentation_contexts;
        let context = contexts
            .iter()
            .find(|c| c.abstract_syntax == own.class)
            .unwrap();
        let mut statuses = Vec::new();
        // The second time it says that it is another object than it is; the third time it is cut short.
        let data = own.as_it_is().unwrap();
        for (instance, data) in [
            (own.instance.as_str(), data),
            ("1.2.3", data),
            (own.instance.as_str(), &data[..data.len() - 100]),
        ] {
            let elements: [(u32, Value); 4] = [
                (0x0000_0002, own.class.as_str().into()),
                (0x0000_0100, 1_u16.into()),
                (0x0000_0110, 7_u16.into()),
                (0x0000_1000, instance.into()),
            ];
            say(&mut stream, context.id, &elements, Some(data));
            let answered = message(&mut stream).unwrap();
            statuses.push(answered.command.number(0x0000_0900).unwrap());
        }
        answer(&mut stream, &get, 0xB000, None);
        message(&mut stream);
        statuses
    });
    let fetched = fetch(
        &node,
        &Access::default(),
        &wanted,
        Some(Way::Get),
        &mut go_on,
    )
    .unwrap();
    assert_eq!(served.join().unwrap(), [0, 0xC000, 0xC000]);
    assert_eq!(fetched.files.len(), 1);
    assert_eq!(fetched.failures.len(), 2, "{:?}", fetched.failures);
}

#[test]
fn a_folder_that_is_gone_is_told_to_the_node_and_to_the_person() {
    let folder = tempfile::tempdir().unwrap();
    let own = Instance::read(&synthetic(folder.path(), "1.dcm", 1)).unwrap();
    let out = folder.path().join("out");
    let wanted = wanted(&own, &out);
    // A file in the place of the folder: no rights are needed for that, and none help against it.
    let gone = out.clone();
    let (fetched, statuses) = moved(&wanted, move |port| {
        std::fs::remove_dir(&gone).unwrap();
        std::fs::write(&gone, b"a file").unwrap();
        push(port, "PEER", &[own])
    });
    assert_eq!(statuses.unwrap(), [0xA700]);
    let fetched = fetched.unwrap();
    assert!(fetched.files.is_empty());
    let why = &fetched.failures[0];
    assert!(
        why.contains("rights of the folder") && why.contains(out.to_str().unwrap()),
        "{why}"
    );
    assert_eq!(std::fs::read(&out).unwrap(), b"a file");
}
