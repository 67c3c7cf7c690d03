//! The conventions that a compiler does not check: layers, sizes, docs.

use std::fs;
use std::path::{Path, PathBuf};

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The layer of a file: its folder, or the name of a file at the top.
fn layer(name: &str) -> &str {
    let first = name.split('/').next().unwrap_or(name);
    first.strip_suffix(".rs").unwrap_or(first)
}

const GROUND: &[&str] = &[
    "grid",
    "geometry",
    "landmarks",
    "noise",
    "signal",
    "encoding",
    "bundle",
    "whole",
];

/// What each layer may use beside itself and the ground.
const MAY_USE: &[(&str, &[&str])] = &[
    ("radiograph", &[]),
    ("phantom", &[]),
    ("measure", &[]),
    ("cohort", &["radiograph"]),
    ("document", &["radiograph"]),
    ("job", &["document", "measure", "radiograph"]),
    ("network", &[]),
    ("transfer", &["job", "radiograph"]),
    (
        "synthesis",
        &[
            "job",
            "cohort",
            "phantom",
            "document",
            "measure",
            "radiograph",
            "network",
        ],
    ),
    (
        "training",
        &[
            "job",
            "cohort",
            "phantom",
            "document",
            "measure",
            "radiograph",
            "network",
            "synthesis",
        ],
    ),
    (
        "study",
        &[
            "training",
            "synthesis",
            "network",
            "job",
            "cohort",
            "phantom",
            "document",
            "measure",
            "radiograph",
        ],
    ),
    (
        "engine",
        &[
            "study",
            "training",
            "synthesis",
            "network",
            "job",
            "cohort",
            "phantom",
            "document",
            "measure",
            "radiograph",
        ],
    ),
    (
        "app",
        &[
            "transfer",
            "job",
            "document",
            "cohort",
            "measure",
            "radiograph",
        ],
    ),
    (
        "command",
        &[
            "transfer",
            "engine",
            "study",
            "training",
            "synthesis",
            "network",
            "job",
            "cohort",
            "phantom",
            "document",
            "measure",
            "radiograph",
        ],
    ),
];

/// Crates that only some layers may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("dicom_core", &["radiograph"]),
    ("dicom_dictionary_std", &["radiograph"]),
    ("dicom_encoding", &["radiograph"]),
    ("dicom_object", &["radiograph"]),
    ("dicom_pixeldata", &["radiograph"]),
    ("dicom_transfer_syntax_registry", &["radiograph"]),
    ("dicom_ul", &["transfer"]),
    ("ureq", &["transfer"]),
    ("TcpStream", &["transfer"]),
    ("TcpListener", &["transfer"]),
    ("image::", &["radiograph"]),
    ("png::", &["radiograph"]),
    (
        "candle_",
        &["network", "synthesis", "training", "study", "engine"],
    ),
    ("clap::", &["command"]),
    ("indicatif::", &["command"]),
    ("anyhow::", &["command"]),
    ("egui", &["app"]),
    ("eframe::", &["app"]),
    ("wgpu::", &["app"]),
    ("rfd::", &["app"]),
    ("crossbeam_channel::", &["job"]),
    // The decoding process is watched by a thread that may have to end it; connections come and names are looked up
    // while something else waits; who ends processes at random must wait.
    ("std::thread", &["job", "radiograph", "transfer", "command"]),
];

#[test]
fn layers_use_only_what_they_may() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let own = layer(&name);
        if matches!(own, "lib" | "main") {
            continue;
        }
        let allowed = MAY_USE.iter().find(|(layer, _)| *layer == own);
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            for part in code.split("crate::").skip(1) {
                let used: String = part
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let known = MAY_USE.iter().any(|(layer, _)| *layer == used);
                let fine = used == own
                    || GROUND.contains(&used.as_str())
                    || allowed.is_some_and(|(_, may)| may.contains(&used.as_str()));
                if (known || GROUND.contains(&used.as_str())) && !fine {
                    wrong.push(format!("{name}:{}: {own} may not use {used}", number + 1));
                }
            }
            for (krate, layers) in ONLY_IN {
                let named = code.match_indices(krate).any(|(at, _)| {
                    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                });
                if named && !layers.contains(&own) {
                    wrong.push(format!(
                        "{name}:{}: {krate} belongs to {layers:?}",
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the tensor library computes slowly, or without a gradient and without a word; ours stand in `network/ops`.
const OURS_INSTEAD: &[&str] = &[
    ".conv1d(",
    ".conv2d(",
    ".conv_transpose1d(",
    ".conv_transpose2d(",
    ".upsample_nearest1d(",
    ".upsample_nearest2d(",
    ".upsample_bilinear2d(",
    ".interpolate2d(",
    ".avg_pool2d(",
    ".max_pool2d(",
    ".avg_pool2d_with_stride(",
    ".max_pool2d_with_stride(",
    ".gelu()",
    ".gelu_erf()",
    ".silu()",
    "candle_nn::ops",
    "candle_nn::Conv",
    "candle_nn::conv",
    "candle_nn::Linear",
    "candle_nn::linear",
    "candle_nn::GroupNorm",
    "candle_nn::group_norm",
    "candle_nn::LayerNorm",
    "candle_nn::layer_norm",
    "candle_nn::BatchNorm",
    "candle_nn::batch_norm",
    "candle_nn::Activation",
    "softmax_last_dim",
    "rms_norm",
    "sdpa",
];

/// Files that multiply matrices by the tensor library: to see whether a GPU answers, and to compare times.
const MULTIPLY: &[&str] = &["network/device.rs", "network/speed/mod.rs"];

#[test]
fn networks_compute_with_our_operations() {
    let mut wrong = Vec::new();
    let mut fallbacks = 0;
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            let products = code.contains(".matmul(") && !name.starts_with("network/ops/");
            if products && !MULTIPLY.contains(&name.as_str()) {
                wrong.push(format!("{name}:{}: .matmul(", number + 1));
            }
            for slow in OURS_INSTEAD.iter().filter(|slow| code.contains(**slow)) {
                // Where they are put together for GPUs.
                if name.starts_with("network/ops/") {
                    fallbacks += 1;
                } else {
                    wrong.push(format!("{name}:{}: {slow}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(fallbacks > 0, "the names of the library have changed");
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    let mut folders = std::collections::BTreeMap::<String, usize>::new();
    for (name, text) in sources() {
        let lines = text.lines().count();
        if lines > 500 {
            wrong.push(format!("{name}: {lines} lines, at most 500"));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{name}: no `//!` at its start"));
        }
        for word in ["TODO", "FIXME", "XXX"] {
            if text.contains(word) {
                wrong.push(format!("{name}: {word}"));
            }
        }
        if let Some((folder, _)) = name.rsplit_once('/') {
            *folders.entry(folder.to_owned()).or_default() += 1;
        }
    }
    for (folder, count) in folders {
        // One file a subcommand: the command line has more of them than a layer has concepts.
        let most = if folder == "command" { 24 } else { 10 };
        if count > most {
            wrong.push(format!("{folder}: {count} files, at most {most}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
