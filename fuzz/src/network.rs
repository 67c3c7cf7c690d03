//! What another program of the network sends: DICOM messages and DICOMweb answers, over a connection on this machine.
//!
//! The first byte chooses what is asked; the rest is what the other side says, all of it at once and whatever it was
//! asked. Both sides are threads of this process, so that the counters see both.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use radcanvas::job::Progress;
use radcanvas::transfer::{
    Access, Fetched, Level, Node, Query, Sending, Wanted, Way, echo, fetch, find, send, take_in,
};

use crate::{folder, put};

/// The study that is fetched; the seeds hold an object of it.
pub const STUDY: &str = "1.2.3";
/// What a fetch may bring, bytes.
const MOST_BYTES: u64 = 1 << 20;

/// The other side: says to whoever connects what it is to say now.
struct Peer {
    port: u16,
    script: Arc<Mutex<Vec<u8>>>,
}

thread_local! {
    static PEER: Peer = Peer::start();
}

fn in_background(work: impl FnOnce() + Send + 'static) {
    let named = std::thread::Builder::new().name("peer".to_owned());
    named.spawn(work).expect("a thread");
}

/// Says all of it, and hears the other side out.
fn serve(mut stream: TcpStream, script: &[u8]) {
    // Who listens may have heard enough and gone.
    stream.write_all(script).ok();
    stream.shutdown(Shutdown::Write).ok();
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok();
    let mut rest = [0; 4096];
    while stream.read(&mut rest).is_ok_and(|read| read > 0) {}
}

impl Peer {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on this machine");
        let port = listener.local_addr().expect("an address").port();
        let script = Arc::new(Mutex::new(Vec::new()));
        let current = Arc::clone(&script);
        in_background(move || {
            // One question may take several connections.
            for stream in listener.incoming().flatten() {
                let said: Vec<u8> = current.lock().expect("no panic while it is held").clone();
                in_background(move || serve(stream, &said));
            }
        });
        Self { port, script }
    }
}

/// Runs `ask` against a node that says `bytes`.
fn against(bytes: &[u8], ask: impl FnOnce(&Node)) {
    PEER.with(|peer| {
        *peer.script.lock().expect("no panic while it is held") = bytes.to_vec();
        ask(&Node {
            name: "fuzz".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: Some(peer.port),
            title: "PEER".to_owned(),
            web: Some(format!("http://127.0.0.1:{}/dicom-web", peer.port)),
            connect_seconds: 10,
            quiet_seconds: 10,
            whole_seconds: 20,
            ..Node::default()
        });
    });
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn wanted() -> Wanted {
    Wanted {
        study: STUDY.to_owned(),
        series: None,
        out: folder().join("inbox"),
        most_bytes: MOST_BYTES,
    }
}

/// What came lies in the inbox under a number, is a file that can be read again, and goes.
fn received(fetched: Result<Fetched, radcanvas::job::Error>) {
    for path in fetched.iter().flat_map(|fetched| &fetched.files) {
        let inside = path.parent() == Some(&folder().join("inbox"));
        assert!(inside, "a file outside its folder: {}", path.display());
        let names = radcanvas::radiograph::exchange::names_of(path);
        assert!(
            names.is_some_and(|names| names.study == STUDY),
            "another study"
        );
    }
    // What came before an error stays too.
    std::fs::remove_dir_all(folder().join("inbox")).ok();
}

/// An object to send.
fn object() -> PathBuf {
    put("object.dcm", &written::file())
}

/// C-ECHO, C-FIND, C-GET, C-STORE and what a C-MOVE brings.
pub fn messages(bytes: &[u8]) {
    let Some((what, said)) = bytes.split_first() else {
        return;
    };
    let access = Access::default();
    against(said, |node| match what % 5 {
        0 => {
            echo(node, &access, &mut go_on).ok();
        }
        1 => {
            find(node, &access, &Query::default(), false, &mut go_on).ok();
        }
        2 => received(fetch(node, &access, &wanted(), Some(Way::Get), &mut go_on)),
        3 => {
            let how = Sending::default();
            send(node, &access, &[object()], &how, &mut go_on).ok();
        }
        _ => {
            let address = ("127.0.0.1", node.port.unwrap_or_default());
            let stream = TcpStream::connect(address).expect("the other side");
            received(take_in(node, &wanted(), stream, &mut go_on));
        }
    });
}

/// QIDO-RS, WADO-RS and STOW-RS; most of what is said is the body of an answer whose head is right.
pub fn web(bytes: &[u8]) {
    let Some((what, said)) = bytes.split_first() else {
        return;
    };
    let head = match what % 6 {
        0 => "HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n",
        1 => {
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/related; type=\"application/dicom\"; boundary=cut\r\n"
        }
        2 => "HTTP/1.1 200 OK\r\n",
        3 => "HTTP/1.1 409 Conflict\r\n",
        _ => "",
    };
    let mut whole = head.as_bytes().to_vec();
    if !head.is_empty() {
        whole.extend(b"Connection: close\r\n\r\n");
    }
    whole.extend_from_slice(said);
    let access = Access::default();
    against(&whole, |node| match what % 6 {
        0 | 4 => {
            let query = Query {
                level: Level::Series,
                study: STUDY.to_owned(),
                ..Query::default()
            };
            find(node, &access, &query, true, &mut go_on).ok();
        }
        1 | 5 => received(fetch(node, &access, &wanted(), Some(Way::Web), &mut go_on)),
        _ => {
            let how = Sending {
                web: true,
                ..Sending::default()
            };
            send(node, &access, &[object()], &how, &mut go_on).ok();
        }
    });
}

/// Units and messages as a node would send them, for the corpus: by hand, since it must not need a node.
pub mod written {
    use super::STUDY;
    use radcanvas::radiograph::exchange::{EXPLICIT, Value, part_ten, write_attributes};

    const CLASS: &str = "1.2.840.10008.5.1.4.1.1.7";
    const INSTANCE: &str = "1.2.3.4";

    fn unit(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut unit = vec![kind, 0];
        unit.extend((body.len() as u32).to_be_bytes());
        unit.extend_from_slice(body);
        unit
    }

    fn item(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut item = vec![kind, 0];
        item.extend((body.len() as u16).to_be_bytes());
        item.extend_from_slice(body);
        item
    }

    /// Both sides' titles and the application, as they begin an association.
    fn beginning(called: &str, calling: &str) -> Vec<u8> {
        let mut body = vec![0, 1, 0, 0];
        body.extend(format!("{called:16}{calling:16}").as_bytes());
        body.extend([0; 32]);
        body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
        body
    }

    fn user() -> Vec<u8> {
        item(0x50, &item(0x51, &16_384_u32.to_be_bytes()))
    }

    /// Grants the first contexts, in Explicit VR Little Endian.
    pub fn granted(contexts: u8) -> Vec<u8> {
        let mut body = beginning("PEER", "RADCANVAS");
        for number in 0..contexts {
            let mut context = vec![number * 2 + 1, 0, 0, 0];
            context.extend(item(0x40, EXPLICIT.as_bytes()));
            body.extend(item(0x21, &context));
        }
        body.extend(user());
        unit(2, &body)
    }

    /// Asks to store Secondary Captures.
    pub fn asked() -> Vec<u8> {
        let mut body = beginning("RADCANVAS", "PEER");
        let mut context = vec![1, 0, 0, 0];
        context.extend(item(0x30, CLASS.as_bytes()));
        context.extend(item(0x40, EXPLICIT.as_bytes()));
        body.extend(item(0x20, &context));
        body.extend(user());
        unit(1, &body)
    }

    fn value(context: u8, head: u8, data: &[u8]) -> Vec<u8> {
        let mut value = (data.len() as u32 + 2).to_be_bytes().to_vec();
        value.extend([context, head]);
        value.extend_from_slice(data);
        unit(4, &value)
    }

    /// A message: a command in one unit, and a data set in another.
    pub fn message(context: u8, elements: &[(u32, Value)], data: Option<&[u8]>) -> Vec<u8> {
        let mut all = elements.to_vec();
        let follows: u16 = if data.is_some() { 1 } else { 0x0101 };
        all.push((0x0000_0800, follows.into()));
        let mut units = value(context, 3, &write_attributes(&all, false));
        if let Some(data) = data {
            units.extend(value(context, 2, data));
        }
        units
    }

    /// The answer to a command.
    pub fn answer(context: u8, field: u16, status: u16, data: Option<&[u8]>) -> Vec<u8> {
        let elements: [(u32, Value); 3] = [
            (0x0000_0100, (field | 0x8000).into()),
            (0x0000_0120, 1_u16.into()),
            (0x0000_0900, status.into()),
        ];
        message(context, &elements, data)
    }

    /// A C-STORE request with its object.
    pub fn stored(context: u8) -> Vec<u8> {
        let elements: [(u32, Value); 4] = [
            (0x0000_0002, CLASS.into()),
            (0x0000_0100, 1_u16.into()),
            (0x0000_0110, 1_u16.into()),
            (0x0000_1000, INSTANCE.into()),
        ];
        message(context, &elements, Some(&data_set()))
    }

    /// Release asked for, and agreed to.
    pub fn end() -> Vec<u8> {
        [unit(5, &[0; 4]), unit(6, &[0; 4])].concat()
    }

    fn data_set() -> Vec<u8> {
        let elements: [(u32, Value); 5] = [
            (0x0008_0016, CLASS.into()),
            (0x0008_0018, INSTANCE.into()),
            (0x0010_0010, "PHANTOM".into()),
            (0x0020_000D, STUDY.into()),
            (0x0020_000E, "1.2.3.1".into()),
        ];
        write_attributes(&elements, true)
    }

    /// The same object as a file.
    pub fn file() -> Vec<u8> {
        part_ten(CLASS, INSTANCE, EXPLICIT, &data_set())
    }

    /// What a search finds.
    pub fn found() -> Vec<u8> {
        let elements: [(u32, Value); 5] = [
            (0x0008_0052, "STUDY".into()),
            (0x0008_0005, "ISO_IR 100".into()),
            (0x0010_0010, "PH\u{c4}NTOM^A".into()),
            (0x0020_000D, STUDY.into()),
            (0x0020_1208, "12".into()),
        ];
        write_attributes(&elements, true)
    }
}
