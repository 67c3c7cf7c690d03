//! Web servers that do not keep to the rules: a clear error, soon, and nothing kept that was not asked for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use radcanvas::job::{Error, ErrorKind};
use radcanvas::transfer::{Access, Fetched, Node, Query, Wanted, Way, echo, fetch, find};

use super::{go_on, synthetic};

const STUDY: &str = "1.2.3.4";

/// A service that answers one request, whose lines it returns.
fn service(
    script: impl FnOnce(&mut TcpStream) + Send + 'static,
) -> (Node, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let named = std::thread::Builder::new().name("service".to_owned());
    let served = named.spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let lines = reader.lines().map_while(Result::ok);
        let lines = lines.take_while(|line| !line.is_empty()).collect();
        script(&mut stream);
        lines
    });
    let served = served.unwrap();
    let node = Node {
        name: "web".to_owned(),
        web: Some(format!("http://127.0.0.1:{port}/dicom-web/")),
        connect_seconds: 5,
        quiet_seconds: 5,
        whole_seconds: 20,
        ..Node::default()
    };
    (node, served)
}

fn answered(text: impl Into<Vec<u8>>) -> Result<Vec<radcanvas::transfer::Match>, Error> {
    let text = text.into();
    let (node, served) = service(move |stream| {
        stream.write_all(&text).ok();
    });
    let started = Instant::now();
    let found = find(
        &node,
        &Access::default(),
        &Query::default(),
        true,
        &mut go_on,
    );
    assert!(started.elapsed() < Duration::from_secs(10));
    served.join().unwrap();
    found
}

fn fetched(folder: &Path, study: &str, body: Vec<u8>, most: u64) -> Result<Fetched, Error> {
    let (node, served) = service(move |stream| {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: multipart/related; \
                    type=\"application/dicom\"; boundary=\"cut here\"\r\n\r\n";
        stream.write_all(head.as_bytes()).ok();
        stream.write_all(&body).ok();
    });
    let wanted = Wanted {
        study: study.to_owned(),
        series: None,
        out: folder.to_owned(),
        most_bytes: most,
    };
    let fetched = fetch(
        &node,
        &Access::default(),
        &wanted,
        Some(Way::Web),
        &mut go_on,
    );
    served.join().unwrap();
    fetched
}

#[test]
fn answers_that_are_no_lists_are_named() {
    for (words, text) in [
        ("cannot be used", "no HTTP at all\r\n\r\n"),
        (
            "no list",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ),
        (
            "no list",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\": [1]",
        ),
        (
            "broke off",
            "HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n[]",
        ),
        (
            "status 302",
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
        ),
        ("status 401", "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let error = answered(text).unwrap_err();
        assert!(error.what.contains(words), "{words}: {error}");
        assert!(!error.remedy.is_empty(), "{error}");
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        nested.len()
    );
    let error = answered(head + &nested).unwrap_err();
    assert!(error.what.contains("no list"), "{error}");
    let odd = r#"[{"0020000D": 7, "00100010": {"Value": {"a": 1}}}, 5, null]"#;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", odd.len());
    let found = answered(head + odd).unwrap();
    assert_eq!(found.len(), 3);
    assert!(
        found
            .iter()
            .all(|one| one.study.is_empty() && one.patient.is_empty())
    );
    assert!(
        answered("HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn silence_ends_in_time_and_stopping_sooner() {
    let (mut node, served) = service(|stream| {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
    });
    node.quiet_seconds = 1;
    let started = Instant::now();
    let error = echo(&node, &Access::default(), &mut go_on).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10), "{error}");
    assert!(error.what.contains("cannot be used"), "{error}");
    served.join().unwrap();
    let (mut node, served) = service(|stream| {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
    });
    node.quiet_seconds = 15;
    let started = Instant::now();
    let error = echo(&node, &Access::default(), &mut |_| {
        if started.elapsed() > Duration::from_millis(200) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(error.unwrap_err().kind, ErrorKind::Stopped);
    assert!(started.elapsed() < Duration::from_secs(10));
    served.join().unwrap();
}

#[test]
fn only_what_was_asked_for_is_kept_under_names_of_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let own = synthetic(folder.path(), "own.dcm", 1);
    let other = synthetic(folder.path(), "other.dcm", 2);
    let read = |path| std::fs::read(path).unwrap();
    let study = radcanvas::radiograph::exchange::names_of(&own)
        .unwrap()
        .study;
    let part = |head: &str, content: &[u8]| {
        let mut part = format!("--cut here\r\n{head}\r\n\r\n").into_bytes();
        part.extend_from_slice(content);
        part.extend_from_slice(b"\r\n");
        part
    };
    let named = "Content-Type: application/dicom\r\nContent-Location: ../../../etc/passwd";
    let whole = read(&own);
    let mut body = b"before the first part\r\n".to_vec();
    body.extend(part(named, &whole));
    body.extend(part("Content-Type: application/dicom", &read(&other)));
    body.extend(part(
        "Content-Type: application/dicom",
        &whole[..whole.len() / 2],
    ));
    body.extend(part("Content-Type: text/plain", b"no image"));
    body.extend(part(named, &whole));
    body.extend_from_slice(b"--cut here--\r\n");
    let out = folder.path().join("out");
    let fetched = fetched(&out, &study, body, 1 << 30).unwrap();
    assert_eq!(fetched.files, [out.join("0001.dcm")]);
    assert_eq!(fetched.already_there, 1);
    assert_eq!(fetched.failures.len(), 3, "{:?}", fetched.failures);
    let names = std::fs::read_dir(&out).unwrap().count();
    assert_eq!(names, 1);
    // The data set is that of the file, byte for byte.
    let kept = read(&fetched.files[0]);
    assert!(kept.ends_with(&whole[whole.len() - 2000..]));
}

#[test]
fn bodies_without_end_and_too_large_ones_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let mut endless = b"--cut here\r\n\r\n".to_vec();
    endless.extend(vec![b'\r'; 4 << 20]);
    let error = fetched(out, STUDY, endless.clone(), 1 << 20).unwrap_err();
    assert!(error.what.contains("more than 1048576 bytes"), "{error}");
    let error = fetched(out, STUDY, endless, 1 << 30).unwrap_err();
    assert!(error.what.contains("middle of an object"), "{error}");
    let head = [b"--cut here\r\n".to_vec(), vec![b'a'; 1 << 20]].concat();
    let error = fetched(out, STUDY, head, 1 << 30).unwrap_err();
    assert!(error.what.contains("has no end"), "{error}");
    let error = fetched(out, STUDY, b"--cut here--\r\n".to_vec(), 1 << 30).unwrap_err();
    assert!(error.what.contains("sent nothing"), "{error}");
    assert_eq!(std::fs::read_dir(out).unwrap().count(), 0);
}

#[test]
fn a_password_goes_only_where_nobody_reads_it() {
    let access = Access {
        password: Some("open sesame".to_owned()),
    };
    let (mut node, served) = service(|stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
            .ok();
    });
    node.user = Some("reader".to_owned());
    echo(&node, &access, &mut go_on).unwrap();
    let lines = served.join().unwrap();
    assert!(
        lines[0].starts_with("GET /dicom-web/studies?limit=1 "),
        "{lines:?}"
    );
    let sent = lines
        .iter()
        .any(|line| line.eq_ignore_ascii_case("authorization: Basic cmVhZGVyOm9wZW4gc2VzYW1l"));
    assert!(sent, "{lines:?}");
    node.web = Some("http://192.0.2.1/dicom-web".to_owned());
    let error = echo(&node, &access, &mut go_on).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.what.contains("not sent over http"), "{error}");
    assert!(!format!("{access:?} {error:?}").contains("sesame"));
}
