//! Peers that do not keep to the protocol of DICOM messages: a clear error, soon, whatever they do.

use std::io::Write as _;
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use radcanvas::job::ErrorKind;
use radcanvas::noise::Noise;
use radcanvas::radiograph::exchange::write_attributes;
use radcanvas::transfer::{Access, Query, Wanted, echo, find, take_in};

use super::go_on;
use super::peer::{answer, drain, grant, message, node, peer, receive, send};

/// What the error of an echo says, which must come in time.
fn said(script: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let (mut node, served) = peer(script);
    node.quiet_seconds = 1;
    let started = Instant::now();
    let error = echo(&node, &Access::default(), &mut go_on).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10), "{error}");
    assert_eq!(error.kind, ErrorKind::Failed, "{error}");
    assert!(!error.remedy.is_empty(), "{error}");
    drop(served);
    error.to_string()
}

#[test]
fn rubbish_is_named() {
    let text = said(|mut stream| {
        receive(&mut stream);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
        drain(&mut stream);
    });
    assert!(text.contains("not DICOM"), "{text}");
}

#[test]
fn a_unit_of_four_gigabytes_is_refused_by_its_head() {
    for kind in [2_u8, 4] {
        let text = said(move |mut stream| {
            receive(&mut stream);
            stream.write_all(&[kind, 0, 0xFF, 0xFF, 0xFF, 0xFF]).ok();
            drain(&mut stream);
        });
        assert!(text.contains("4294967295 bytes"), "{text}");
    }
}

#[test]
fn a_connection_that_ends_in_a_unit_is_named() {
    let text = said(|mut stream| {
        receive(&mut stream);
        stream.write_all(&[2, 0, 0, 0, 1, 0, 0, 1]).ok();
    });
    assert!(text.contains("closed the connection"), "{text}");
    let text = said(drop);
    assert!(text.contains("clos") || text.contains("broke"), "{text}");
}

#[test]
fn silence_and_trickling_end_in_time() {
    let text = said(|mut stream| {
        drain(&mut stream);
    });
    assert!(text.contains("did not answer for 1 s"), "{text}");
    let text = said(|mut stream| {
        for byte in [2, 0, 0, 0, 1, 0].into_iter().chain(std::iter::repeat(0)) {
            std::thread::sleep(Duration::from_millis(100));
            if stream.write_all(&[byte]).is_err() {
                break;
            }
        }
    });
    assert!(text.contains("did not answer for 1 s"), "{text}");
}

#[test]
fn stopping_does_not_wait_for_the_peer() {
    let (mut node, served) = peer(|mut stream| {
        drain(&mut stream);
    });
    node.quiet_seconds = 60;
    let started = Instant::now();
    let mut asked = 0;
    let error = echo(&node, &Access::default(), &mut |_| {
        asked += 1;
        if asked < 4 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    assert_eq!(error.unwrap_err().kind, ErrorKind::Stopped);
    assert!(started.elapsed() < Duration::from_secs(10));
    served.join().unwrap();
}

#[test]
fn nobody_there_is_named() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = echo(&node(port), &Access::default(), &mut go_on).unwrap_err();
    assert!(
        error.to_string().contains("no connection to 127.0.0.1"),
        "{error}"
    );
}

#[test]
fn units_of_noise_never_break_anything() {
    for seed in 0..60_u64 {
        let (node, served) = peer(move |mut stream| {
            receive(&mut stream);
            let mut noise = Noise::new(seed, 0);
            let kind = [2, 2, 4, 6, 7][seed as usize % 5];
            let length = if kind > 4 { 4 } else { 70 + noise.index(256) };
            let mut unit = vec![kind, 0, 0, 0, (length >> 8) as u8, length as u8];
            unit.extend((0..length).map(|_| noise.bits() as u8));
            // Some hold items as a granted association does, their lengths at random.
            if length > 70 && seed % 2 == 0 {
                unit[74] = [0x10, 0x21, 0x50][seed as usize % 3];
                unit[76] = 0;
            }
            stream.write_all(&unit).ok();
        });
        let error = echo(&node, &Access::default(), &mut go_on).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{seed}");
        served.join().unwrap();
    }
}

#[test]
fn a_list_without_end_is_cut() {
    let (node, served) = peer(|mut stream| {
        grant(&mut stream, |_| true);
        let asked = message(&mut stream).unwrap();
        let data = write_attributes(&[(0x0020_000D, "1.2.3".into())], true);
        for _ in 0..20_000 {
            answer(&mut stream, &asked, 0xFF00, Some(&data));
        }
    });
    let found = find(
        &node,
        &Access::default(),
        &Query::default(),
        false,
        &mut go_on,
    );
    let text = found.unwrap_err().to_string();
    assert!(text.contains("more than 10000 matches"), "{text}");
    served.join().unwrap();
}

#[test]
fn answers_that_break_the_rules_are_refused() {
    type Script = fn(&mut TcpStream, u8);
    let scripts: [(&str, Script); 5] = [
        ("protocol", |stream, _| {
            // A context that was never granted.
            send_part(stream, 99, PDataValueType::Command, &[0; 12], true);
        }),
        ("protocol", |stream, context| {
            // A data set before any command.
            send_part(stream, context, PDataValueType::Data, &[0; 12], true);
        }),
        ("protocol", |stream, context| {
            // A command that never ends.
            for _ in 0..100 {
                send_part(stream, context, PDataValueType::Command, &[0; 4000], false);
            }
        }),
        ("protocol", |stream, context| {
            // A command cut short.
            let cut = [0, 0, 0, 9, 0xFF, 0xFF, 0, 0, 1];
            send_part(stream, context, PDataValueType::Command, &cut, true);
        }),
        ("broke off", |stream, _| {
            let source = dicom_ul::pdu::AbortRQSource::ServiceUser;
            send(stream, &Pdu::AbortRQ { source });
        }),
    ];
    for (number, (words, script)) in scripts.into_iter().enumerate() {
        let (node, served) = peer(move |mut stream| {
            grant(&mut stream, |_| true);
            let asked = message(&mut stream).unwrap();
            script(&mut stream, asked.context);
            drain(&mut stream);
        });
        let error = echo(&node, &Access::default(), &mut go_on).unwrap_err();
        assert!(error.to_string().contains(words), "{number}: {error}");
        served.join().unwrap();
    }
}

fn send_part(
    stream: &mut TcpStream,
    context: u8,
    value_type: PDataValueType,
    data: &[u8],
    is_last: bool,
) {
    let value = PDataValue {
        presentation_context_id: context,
        value_type,
        is_last,
        data: data.to_vec(),
    };
    send(stream, &Pdu::PData { data: vec![value] });
}

#[test]
fn units_of_noise_never_break_the_one_that_is_sent_to() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let wanted = Wanted {
        study: "1.2.3".to_owned(),
        series: None,
        out: folder.path().join("out"),
        most_bytes: 1 << 20,
    };
    let mut own = node(port);
    own.quiet_seconds = 2;
    for seed in 0..60_u64 {
        let mut noise = Noise::new(seed, 1);
        let length = 68 + noise.index(300);
        let mut unit = vec![1, 0, 0, 0, (length >> 8) as u8, length as u8, 0, 1, 0, 0];
        // Some ask for the right titles, and for contexts of noise.
        unit.extend(format!("{:16}{:16}", "RADCANVAS", "PEER").into_bytes());
        unit.extend([0; 32]);
        unit.extend((68..length).map(|_| noise.bits() as u8));
        if length > 76 && seed % 2 == 0 {
            unit[74] = [0x10, 0x20, 0x50][seed as usize % 3];
            unit[76] = 0;
        }
        let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (stream, _) = listener.accept().unwrap();
        peer.write_all(&unit).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let error = take_in(&own, &wanted, stream, &mut go_on).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{seed}");
    }
    assert_eq!(std::fs::read_dir(&wanted.out).unwrap().count(), 0);
}
