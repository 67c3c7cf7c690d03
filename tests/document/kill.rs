//! Power cuts: this test binary starts itself as a painter and kills it at random moments.

use super::*;
use radcanvas::document::Project;
use radcanvas::noise::Noise;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = "RADCANVAS_TEST_KILL_FOLDER";

/// The painter: does nothing unless the test below started it.
#[test]
fn painter() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let (mut project, _) = Project::open(&folder.join("project")).unwrap();
    let mut told = OpenOptions::new();
    let mut told = told
        .append(true)
        .create(true)
        .open(folder.join("told"))
        .unwrap();
    for i in 0..200_000 {
        let points: Vec<_> = (0..200)
            .map(|j| (f64::from(j), f64::from(i), 0.5))
            .collect();
        let count = project.document().marks.len();
        let stroke = add(line(&points, 3.0, true));
        if let Err(error) = project.apply(stroke.clone()) {
            assert_eq!(project.document().marks.len(), count);
            assert!(project.apply(stroke).is_err());
            fs::write(folder.join("refused"), error.to_string()).unwrap();
            return;
        }
        told.write_all(b".").unwrap();
    }
}

fn start(folder: &Path) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["--exact", "document::kill::painter", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

#[test]
fn a_kill_loses_at_most_the_stroke_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("project");
    drop(Project::create(&at, film()).unwrap());
    let told = folder.path().join("told");
    let strokes_told = || fs::metadata(&told).map_or(0, |facts| facts.len() as usize);
    let mut noise = Noise::new(5, 0);
    let mut before = 0;
    for round in 0..10 {
        let (marks_before, told_before) = (before, strokes_told());
        let mut child = start(folder.path()).unwrap();
        let patience = Instant::now();
        while strokes_told() == told_before {
            assert!(
                patience.elapsed() < Duration::from_secs(20),
                "the painter does not paint"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(noise.index(20_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let (project, repairs) = Project::open(&at).unwrap();
        before = project.document().marks.len();
        let (made, told) = (before - marks_before, strokes_told() - told_before);
        assert!(
            made == told || made == told + 1,
            "round {round}: {told} told, {made} there, {repairs:?}"
        );
        assert!(
            repairs.iter().all(|r| r.contains("cut in the middle")),
            "{repairs:?}"
        );
    }
}

/// A limit on the size of files stands in for a full disk: the write that meets it is cut in the middle.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("project");
    drop(Project::create(&at, film()).unwrap());
    let done = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 150; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "document::kill::painter", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
    let refused = fs::read_to_string(folder.path().join("refused")).unwrap();
    assert!(refused.contains("still in memory"), "{refused}");
    let told = fs::metadata(folder.path().join("told")).unwrap().len() as usize;
    let (mut project, repairs) = Project::open(&at).unwrap();
    assert_eq!(
        (project.document().marks.len(), repairs),
        (told, Vec::new())
    );
    project.apply(stroke(1.0)).unwrap();
}
