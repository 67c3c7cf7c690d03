//! Power cuts and full disks: processes that are ended, or refused, in the middle of a write.

use super::*;
use radcanvas::document::Project;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "RADCANVAS_TEST_KILL_FOLDER";

/// The painter: does nothing unless the test at the end started it.
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

/// The program kills itself: while it draws, accepts, saves and exports, by the code that the window uses.
#[test]
fn a_kill_loses_at_most_the_step_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args([
            "kills", "--count", "15", "--seed", "5", "--json", "--folder",
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}{errors}");
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(found["kills"], 15);
    assert_eq!(found["faults"], serde_json::json!([]));
    assert!(found["steps"].as_u64().unwrap() > 0, "{found}");
    assert!(found["exports_looked_at"].as_u64().unwrap() > 0, "{found}");
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
