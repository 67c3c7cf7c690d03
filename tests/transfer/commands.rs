//! `nodes`, `send`, `find` and `fetch` as a person types them: exit codes and documents of the contract.

use std::process::{Command, Output};

use serde_json::Value;

use super::peer::{answer, grant, message, peer};
use super::synthetic;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args(arguments)
        .output()
        .unwrap()
}

fn answered(code: i32, arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"))
}

fn refused(code: i32, words: &str, arguments: &[&str]) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(words), "{words:?} is missing in: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

#[test]
fn nodes_are_added_listed_tried_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("nodes.json");
    let list = ["--nodes", list.to_str().unwrap()];
    let with = |arguments: &[&'static str]| -> Vec<String> {
        arguments
            .iter()
            .chain(&list)
            .map(|s| (*s).to_owned())
            .collect()
    };
    let listed = with(&["nodes", "list"]);
    assert_eq!(answered(0, &texts(&listed)), serde_json::json!([]));
    refused(
        2,
        "no node is called 'pacs'",
        &texts(&with(&["find", "pacs"])),
    );
    refused(
        2,
        "has no address",
        &texts(&with(&["nodes", "add", "pacs"])),
    );
    let add = with(&[
        "nodes",
        "add",
        "pacs",
        "--host",
        "127.0.0.1",
        "--port",
        "1",
        "--title",
        "PACS",
    ]);
    assert_eq!(answered(0, &texts(&add))["added"], true);
    refused(2, "is called 'pacs' already", &texts(&add));
    let nodes = answered(0, &texts(&listed));
    assert_eq!(nodes[0]["title"], "PACS");
    assert_eq!(nodes[0]["quiet_seconds"], 30);
    refused(
        1,
        "no connection to 127.0.0.1:1",
        &texts(&with(&["nodes", "echo", "pacs"])),
    );
    refused(
        2,
        "no UID",
        &texts(&with(&["fetch", "pacs", "--study", "x", "--out", "never"])),
    );
    assert_eq!(
        answered(0, &texts(&with(&["nodes", "remove", "pacs"])))["removed"],
        true
    );
    assert_eq!(answered(0, &texts(&listed)), serde_json::json!([]));
}

#[test]
fn files_that_fail_are_named_and_the_others_go() {
    let folder = tempfile::tempdir().unwrap();
    let film = synthetic(folder.path(), "film.dcm", 1);
    let missing = folder.path().join("missing.dcm");
    let list = folder.path().join("nodes.json");
    let (node, served) = peer(|mut stream| {
        grant(&mut stream, |_| true);
        while let Some(came) = message(&mut stream) {
            answer(&mut stream, &came, 0, None);
        }
    });
    let port = node.port.unwrap().to_string();
    let list = list.to_str().unwrap();
    answered(
        0,
        &[
            "nodes",
            "add",
            "pacs",
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--title",
            "PEER",
            "--nodes",
            list,
        ],
    );
    let (film, missing) = (film.to_str().unwrap(), missing.to_str().unwrap());
    let document = answered(1, &["send", "pacs", film, missing, "--nodes", list]);
    assert_eq!(document["sent"], 1);
    assert_eq!(document["failed"], 1);
    assert_eq!(document["files"][0]["sent"], true);
    let error = document["files"][1]["error"].as_str().unwrap();
    assert!(error.contains("cannot open"), "{error}");
    served.join().unwrap();
}
