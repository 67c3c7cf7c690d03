//! What no other test damages: the answers of the decoding process, and what the window remembers.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use radcanvas::noise::Noise;
use radcanvas::radiograph::{self, ReadProblem};

const FOLDER: &str = "RADCANVAS_TEST_LIAR_FOLDER";

/// A few of the changes that any damage makes.
fn worse(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut worse = bytes.to_vec();
    for _ in 0..=noise.index(3) {
        let at = noise.index(worse.len().max(1)).min(worse.len());
        let end = (at + 1 + noise.index(8)).min(worse.len());
        match noise.index(5) {
            0 if at < worse.len() => worse[at] ^= 1 << noise.index(8),
            1 => worse.truncate(at),
            2 => worse[at..end].fill([0, 0xFF, b'9', b'['][noise.index(4)]),
            3 => {
                worse.drain(at..end);
            }
            _ => {
                let again = worse[at..end].to_vec();
                worse.splice(at..at, again);
            }
        }
    }
    worse
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/dicom")
        .join(name)
}

/// What the decoding process says to one request after the other about one file, as it goes over the pipe.
fn answers(file: &[u8], asks: &[&str]) -> Vec<u8> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .arg("decode")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    for (number, ask) in asks.iter().enumerate() {
        let first = number == 0;
        let attached = if first { "File" } else { "Nothing" };
        let header = format!(r#"{{"key":1,"ask":{ask},"attached":"{attached}"}}"#);
        let bytes = if first { file } else { &[] };
        for part in [header.as_bytes(), bytes] {
            to.write_all(&(part.len() as u64).to_le_bytes()).unwrap();
            to.write_all(part).unwrap();
        }
    }
    drop(to);
    child.wait_with_output().unwrap().stdout
}

/// The program with a decoder that lies: does nothing unless the test below started it.
#[test]
fn asks_a_liar() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    radiograph::decode_apart(folder.join("liar"), 15);
    let file = std::fs::read(fixture("rgb.dcm")).unwrap();
    let truth = answers(&file, &[r#""Look""#, r#"{"Frame":0}"#]);
    let wanted = radiograph::open_here(fixture("rgb.dcm"))
        .and_then(|file| file.frame(0))
        .unwrap();
    let mut noise = Noise::new(3, 0);
    let (mut refused, mut read) = (0, 0);
    for number in 0..300 {
        let said = if number == 0 {
            truth.clone()
        } else {
            worse(&truth, &mut noise)
        };
        std::fs::write(folder.join("said"), said).unwrap();
        let begun = Instant::now();
        let image = radiograph::open_bytes("file", file.clone()).and_then(|file| file.frame(0));
        assert!(begun.elapsed() < Duration::from_secs(10), "{number}");
        match image {
            Ok(image) => {
                // It may lie about the values; never about how many there are.
                let cells = image.pixels.to_f32().cells().len();
                assert_eq!(cells, image.width() * image.height(), "{number}");
                if number == 0 {
                    assert_eq!(image.pixels, wanted.pixels);
                }
                read += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                let stopped = matches!(error.problem, ReadProblem::Stopped(_));
                refused += usize::from(stopped);
            }
        }
        radiograph::end_idle();
    }
    assert!(refused > 100 && read > 4, "{refused} and {read}");
}

/// A program in the place of the decoding one: it says whatever lies in a file, and reads what it is told.
#[cfg(unix)]
#[test]
fn a_decoding_process_that_lies_is_refused_and_nothing_breaks() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let liar = folder.path().join("liar");
    let said = folder.path().join("said");
    let script = format!(
        "#!/bin/sh\ncat '{}'\nexec cat > /dev/null\n",
        said.display()
    );
    std::fs::write(&liar, script).unwrap();
    std::fs::set_permissions(&liar, std::fs::Permissions::from_mode(0o755)).unwrap();
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::asks_a_liar", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() && told.contains("1 passed"),
        "{told}{errors}"
    );
}

#[cfg(feature = "window")]
#[test]
fn damaged_settings_never_break_the_start() {
    use radcanvas::app::settings::Settings;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.json");
    let mut settings = Settings::default();
    settings.remember(PathBuf::from("a film.dcm"), None);
    settings.keys.insert("undo".to_owned(), "Ctrl+Z".to_owned());
    settings.layout =
        Some(serde_json::json!({ "root": 1, "tiles": { "1": { "Pane": "Canvas" } } }));
    settings.save(&file).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let (mut kept, mut back) = (0, 0);
    for number in 0..3000 {
        let mut noise = Noise::new(number, 7);
        std::fs::write(&file, worse(&whole, &mut noise)).unwrap();
        let (settings, warning) = Settings::load(Some(&file));
        assert!((0.5..=1000.0).contains(&settings.pen_px));
        assert!((0.5..=1000.0).contains(&settings.brush_px));
        assert!(settings.recent.len() <= 8);
        match warning {
            Some(why) => {
                assert!(why.contains("Settings could not be read"), "{why}");
                assert_eq!(settings, Settings::default());
                back += 1;
            }
            None => kept += 1,
        }
    }
    assert!(kept > 100 && back > 100, "{kept} and {back}");
    // Deeper than any layout, and longer than any stack.
    for text in ["[".repeat(200_000), "{\"layout\":".repeat(200_000)] {
        assert!(Settings::parse(&text).1.is_some());
    }
}
