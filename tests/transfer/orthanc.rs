//! The whole way against Orthanc: a synthetic image and its report are sent, found and fetched, by messages and by
//! DICOMweb. Skipped where Orthanc is not installed, unless `RADCANVAS_REQUIRE_ORTHANC=1`.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use radcanvas::geometry::Point;
use radcanvas::landmarks::{Hip, HipLandmarks};
use radcanvas::radiograph;
use radcanvas::radiograph::exchange::{Instance, names_of};
use radcanvas::radiograph::write::{HipReport, MeasuredAngle, Object, write_object};
use radcanvas::transfer::{
    Access, Level, Node, Query, Sending, Wanted, Way, echo, fetch, find, send,
};
use serde_json::json;

use super::{go_on, synthetic};

const PLUGINS: [&str; 2] = [
    "/usr/share/orthanc/plugins/libOrthancDicomWeb.so",
    "/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so",
];

/// A running Orthanc with a store of its own, ended with the test.
struct Orthanc {
    child: Child,
    node: Node,
    _store: tempfile::TempDir,
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// `None` where it is not installed, and that is allowed.
fn start() -> Option<Orthanc> {
    let required = std::env::var("RADCANVAS_REQUIRE_ORTHANC").is_ok_and(|value| value == "1");
    let plugin = PLUGINS.into_iter().find(|path| Path::new(path).exists());
    let store = tempfile::tempdir().unwrap();
    let [http, dicom, listen] = free_ports();
    let settings = json!({
        "Name": "test", "StorageDirectory": store.path(), "IndexDirectory": store.path(),
        "Plugins": plugin.as_slice(), "HttpServerEnabled": true, "HttpPort": http,
        "RemoteAccessAllowed": false, "AuthenticationEnabled": true,
        "RegisteredUsers": {"reader": "open sesame"},
        "DicomServerEnabled": true, "DicomAet": "ORTHANC", "DicomPort": dicom, "DicomCheckCalledAet": true,
        "DicomAlwaysAllowStore": true, "DicomAlwaysAllowEcho": true,
        "DicomAlwaysAllowFind": true, "DicomAlwaysAllowGet": true,
        "DicomModalities": {"test": ["RADCANVAS", "127.0.0.1", listen]},
        "DicomWeb": {"Enable": true, "Root": "/dicom-web/"},
    });
    let path = store.path().join("orthanc.json");
    std::fs::write(&path, settings.to_string()).unwrap();
    let places = ["Orthanc", "/usr/sbin/Orthanc", "/usr/local/sbin/Orthanc"];
    let started = plugin.and_then(|_| {
        places.into_iter().find_map(|program| {
            let mut command = Command::new(program);
            command
                .arg(&path)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.spawn().ok()
        })
    });
    let Some(child) = started else {
        assert!(
            !required,
            "Orthanc and its DICOMweb plugin must be installed here"
        );
        eprintln!("skipped: Orthanc or its DICOMweb plugin is not installed");
        return None;
    };
    let node = Node {
        name: "orthanc".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: Some(dicom),
        title: "ORTHANC".to_owned(),
        listen: Some(listen),
        web: Some(format!("http://127.0.0.1:{http}/dicom-web")),
        user: Some("reader".to_owned()),
        whole_seconds: 60,
        ..Node::default()
    };
    let orthanc = Orthanc {
        child,
        node,
        _store: store,
    };
    let begun = Instant::now();
    while [http, dicom]
        .iter()
        .any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err())
    {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "Orthanc did not start"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(orthanc)
}

/// A synthetic film and the report of its angles.
fn film_and_report(folder: &Path) -> [PathBuf; 2] {
    let film = synthetic(folder, "film.dcm", 77);
    let image = radiograph::read(&film, 0).unwrap();
    let hip = |x| Hip {
        center: Point::new(x, 20.0),
        radius: 4.0,
        rim: Point::new(x + 1.0, 14.0),
    };
    let angle = Some(MeasuredAngle {
        degrees: 101.5,
        interval_degrees: None,
    });
    let report = HipReport {
        landmarks: HipLandmarks {
            left: hip(30.0),
            right: hip(10.0),
            pixel_spacing_mm: None,
        },
        left: angle,
        right: angle,
        algorithm: None,
        person: "Reader^A".to_owned(),
    };
    let path = folder.join("report.dcm");
    write_object(&path, &image, &Object::Report(&report), false).unwrap();
    [film, path]
}

#[test]
fn an_image_and_its_report_are_sent_found_and_fetched() {
    let Some(orthanc) = start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let node = &orthanc.node;
    let access = Access {
        password: Some("open sesame".to_owned()),
    };
    assert_eq!(echo(node, &access, &mut go_on).unwrap().by, "C-ECHO");
    let web_only = Node {
        port: None,
        ..node.clone()
    };
    assert_eq!(echo(&web_only, &access, &mut go_on).unwrap().by, "QIDO-RS");
    let locked = echo(&web_only, &Access::default(), &mut go_on).unwrap_err();
    assert!(locked.what.contains("401"), "{locked}");
    let stranger = Node {
        title: "ELSEWHERE".to_owned(),
        ..node.clone()
    };
    let refused = echo(&stranger, &access, &mut go_on).unwrap_err();
    assert!(refused.remedy.contains("'ELSEWHERE'"), "{refused}");

    // The same two objects, once by messages and once more, as others, by the web.
    for web in [false, true] {
        let place = folder.path().join(format!("web-{web}"));
        std::fs::create_dir(&place).unwrap();
        let files = film_and_report(&place);
        let names = files.each_ref().map(|path| names_of(path).unwrap());
        assert_eq!(names[0].study, names[1].study);
        let how = Sending {
            web,
            deidentify: None,
        };
        let sent = send(node, &access, &files, &how, &mut go_on).unwrap();
        for one in &sent {
            let delivered = one.outcome.as_ref().unwrap();
            assert!(delivered.recoded.is_none() && delivered.warning.is_none());
        }
        for web in [false, true] {
            let ask = |query: &Query| find(node, &access, query, web, &mut go_on).unwrap();
            let studies = ask(&Query {
                study: names[0].study.clone(),
                ..Query::default()
            });
            assert_eq!(studies.len(), 1, "web {web}");
            assert_eq!(studies[0].study, names[0].study);
            assert_eq!(studies[0].images, Some(2));
            let series = ask(&Query {
                level: Level::Series,
                study: names[0].study.clone(),
                ..Query::default()
            });
            let mut found: Vec<_> = series.iter().map(|one| one.series.clone()).collect();
            let mut known: Vec<_> = names.iter().map(|one| one.series.clone()).collect();
            found.sort();
            known.sort();
            assert_eq!(found, known);
            let images = ask(&Query {
                level: Level::Image,
                study: names[0].study.clone(),
                series: names[0].series.clone(),
                ..Query::default()
            });
            assert_eq!(images[0].instance, names[0].instance);
            let nothing = ask(&Query {
                patient: "NOBODY^*".to_owned(),
                ..Query::default()
            });
            assert!(nothing.is_empty());
        }
        for way in [Way::Get, Way::Move, Way::Web] {
            let out = place.join(format!("{way:?}"));
            let wanted = Wanted {
                study: names[0].study.clone(),
                series: None,
                out: out.clone(),
                most_bytes: 1 << 30,
            };
            let fetched = fetch(node, &access, &wanted, Some(way), &mut go_on).unwrap();
            assert_eq!(fetched.files.len(), 2, "{way:?}");
            assert!(
                fetched.failures.is_empty(),
                "{way:?}: {:?}",
                fetched.failures
            );
            for (path, own) in files.iter().zip(&names) {
                let same = fetched
                    .files
                    .iter()
                    .find(|file| names_of(file).unwrap().instance == own.instance)
                    .unwrap();
                let data = |path: &Path| {
                    let object = Instance::read(path).unwrap();
                    // The node may write lengths of sequences in its own way.
                    object.recoded(true).unwrap()
                };
                assert!(data(same) == data(path), "{way:?}");
            }
            let film = fetched
                .files
                .iter()
                .find_map(|path| radiograph::read(path, 0).ok());
            assert!(film.unwrap().synthetic.is_some(), "the mark came back");
            // Once more: everything is there already.
            let again = fetch(node, &access, &wanted, Some(way), &mut go_on).unwrap();
            assert!(
                again.files.is_empty() && again.already_there == 2,
                "{way:?}"
            );
            let series = Wanted {
                series: Some(names[1].series.clone()),
                out: place.join(format!("{way:?}-series")),
                ..wanted
            };
            let fetched = fetch(node, &access, &series, Some(way), &mut go_on).unwrap();
            let came: Vec<_> = fetched
                .files
                .iter()
                .map(|f| names_of(f).unwrap().instance)
                .collect();
            assert_eq!(came, [names[1].instance.clone()], "{way:?}");
        }
    }
    let unknown = Wanted {
        study: "1.2.3.4.5".to_owned(),
        series: None,
        out: folder.path().join("none"),
        most_bytes: 1 << 30,
    };
    for way in [Way::Get, Way::Move, Way::Web] {
        let error = fetch(node, &access, &unknown, Some(way), &mut go_on).unwrap_err();
        assert!(!error.remedy.is_empty(), "{way:?}: {error}");
    }
    send_without_identity(node, &access, folder.path());
}

/// De-identified, film and report are found under no name, still of one study, still marked.
fn send_without_identity(node: &Node, access: &Access, folder: &Path) {
    let place = folder.join("private");
    std::fs::create_dir(&place).unwrap();
    let files = film_and_report(&place);
    let own = names_of(&files[0]).unwrap();
    let how = Sending {
        web: false,
        deidentify: Some(b"a secret of this run".to_vec()),
    };
    let sent = send(node, access, &files, &how, &mut go_on).unwrap();
    assert!(sent.iter().all(|one| one.outcome.is_ok()));
    let ask = |query: &Query| find(node, access, query, false, &mut go_on).unwrap();
    let original = ask(&Query {
        study: own.study.clone(),
        ..Query::default()
    });
    assert!(original.is_empty(), "the original went out");
    let all = ask(&Query::default());
    let clean: Vec<_> = all
        .iter()
        .filter(|one| one.patient_id == "REMOVED" || one.patient.is_empty())
        .collect();
    assert!(
        clean.iter().any(|one| one.images == Some(2)),
        "{} studies",
        all.len()
    );
}
