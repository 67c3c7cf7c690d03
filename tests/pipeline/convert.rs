//! `models convert`: names against diffusers' own conversion, and whole checkpoints.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use radcanvas::network::folder::ModelError;
use radcanvas::network::peer::pipeline::convert::{Counts, control, convert, renamed};
use radcanvas::network::peer::pipeline::{PeerFolder, PeerTask, check_peer};
use radcanvas::network::speed::values;

use super::fixtures;

/// Part, original name, new name and shape of every tensor of narrow Stable Diffusion 1.x and its ControlNet.
fn names() -> Vec<(String, String, String, Vec<usize>)> {
    let bytes = std::fs::read(fixtures().join("names.z")).unwrap();
    let text = miniz_oxide::inflate::decompress_to_vec_zlib(&bytes).unwrap();
    let text = String::from_utf8(text).unwrap();
    let dims = |text: &str| text.split('x').map(|n| n.parse().unwrap()).collect();
    text.lines()
        .map(|line| {
            let parts: Vec<&str> = line.split(' ').collect();
            let [part, was, is, shape] = parts[..] else {
                panic!("{line}")
            };
            (part.to_owned(), was.to_owned(), is.to_owned(), dims(shape))
        })
        .collect()
}

const COUNTS: Counts = Counts {
    layers: 2,
    levels: 4,
    last_hint: 14,
};

#[test]
fn names_are_those_of_diffusers() {
    let names = names();
    assert!(names.len() > 1200);
    for (part, was, is, _) in &names {
        let found = match was.strip_prefix("control_model.") {
            Some(rest) => control(rest, COUNTS).map(|name| ("control", name)),
            None => renamed(was, COUNTS),
        };
        assert_eq!(found, Some((part.as_str(), is.clone())), "{was}");
    }
}

/// A text as a pickle has it.
fn text(text: &str) -> Vec<u8> {
    let length = (text.len() as u32).to_le_bytes();
    [b"X".as_slice(), &length, text.as_bytes()].concat()
}

/// A name, and the tensor `_rebuild_tensor_v2(("storage", class, key, "cpu", count), 0, shape, strides, False, {})`.
fn item(name: &str, class: &str, key: usize, [shape, strides]: [&[usize]; 2]) -> Vec<u8> {
    let number = |number: usize| [b"J".as_slice(), &(number as i32).to_le_bytes()].concat();
    let row = |row: &[usize]| {
        let numbers: Vec<u8> = row.iter().flat_map(|n| number(*n)).collect();
        [b"(".as_slice(), &numbers, b"t"].concat()
    };
    [
        text(name).as_slice(),
        b"ctorch._utils\n_rebuild_tensor_v2\n((",
        &text("storage"),
        format!("ctorch\n{class}\n").as_bytes(),
        &text(&key.to_string()),
        &text("cpu"),
        &number(shape.iter().product()),
        b"tQK\x00",
        &row(shape),
        &row(strides),
        b"\x89ccollections\nOrderedDict\n)RtR",
    ]
    .concat()
}

/// What PyTorch writes of tensors under `state_dict`: a pickle of protocol 2, and the bytes of each storage.
///
/// With a hole there is one tensor more, of so many numbers, without its bytes.
fn pickled(all: &HashMap<String, Tensor>, hole: usize) -> (Vec<u8>, Vec<(usize, Vec<u8>)>) {
    let mut pickle = [b"\x80\x02}(".as_slice(), &text("state_dict"), b"}("].concat();
    let mut storages = Vec::new();
    for (i, (name, tensor)) in all.iter().enumerate() {
        let tensor = tensor.flatten_all().unwrap();
        let (class, bytes): (&str, Vec<u8>) = if tensor.dtype() == DType::F16 {
            let values: Vec<half::f16> = tensor.to_vec1().unwrap();
            let bytes = values.iter().flat_map(|v| v.to_le_bytes());
            ("HalfStorage", bytes.collect())
        } else {
            let values: Vec<i64> = tensor.to_vec1().unwrap();
            let bytes = values.iter().flat_map(|v| v.to_le_bytes());
            ("LongStorage", bytes.collect())
        };
        let own = &all[name];
        pickle.extend(item(name, class, i, [own.dims(), own.stride()]));
        storages.push((tensor.elem_count(), bytes));
    }
    if hole > 0 {
        let key = storages.len();
        pickle.extend(item("model_ema.all", "FloatStorage", key, [&[hole], &[1]]));
        storages.push((hole, Vec::new()));
    }
    pickle.extend(b"uu.");
    (pickle, storages)
}

/// As PyTorch since 1.6 saves.
fn zipped(path: &Path, all: &HashMap<String, Tensor>) {
    let (pickle, storages) = pickled(all, 0);
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let plain =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("archive/data.pkl", plain).unwrap();
    zip.write_all(&pickle).unwrap();
    for (i, (_, bytes)) in storages.iter().enumerate() {
        zip.start_file(format!("archive/data/{i}"), plain).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// As PyTorch before 1.6 saved.
fn flat(path: &Path, all: &HashMap<String, Tensor>) {
    flat_with(path, all, 0);
}

/// The same with a hole at its end, which takes no room on the disk.
fn flat_with(path: &Path, all: &HashMap<String, Tensor>, hole: usize) {
    let (pickle, storages) = pickled(all, hole);
    let head: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let mut bytes = [head, &pickle, b"\x80\x02]("].concat();
    for i in 0..storages.len() {
        let key = i.to_string();
        bytes.extend([b'U', key.len() as u8]);
        bytes.extend(key.as_bytes());
    }
    bytes.extend(b"e.");
    for (count, storage) in storages {
        bytes.extend((count as i64).to_le_bytes());
        bytes.extend(storage);
    }
    let length = bytes.len() as u64;
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length + 4 * hole as u64).unwrap();
}

#[test]
fn pickled_checkpoints_become_the_same_folders() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let parts = ["unet", "vae", "text_encoder"];
    let ids = Tensor::ones((1, 77), DType::I64, &Device::Cpu).unwrap();
    let more = [("model_ema.decay", ids)];
    checkpoint(&path("sd.safetensors"), &parts, &more);
    checkpoint(&path("control.safetensors"), &["control"], &[]);
    for (name, ending) in [("sd", "ckpt"), ("control", "pth")] {
        let plain = path(&format!("{name}.safetensors"));
        let all = candle_core::safetensors::load(&plain, &Device::Cpu).unwrap();
        let wanted = convert(&plain, &path(name), None).unwrap();
        for (layout, write) in [("zip", zipped as fn(&Path, &_)), ("flat", flat)] {
            let input = path(&format!("{name} {layout}.{ending}"));
            write(&input, &all);
            let out = path(&format!("{name} {layout}"));
            let made = convert(&input, &out, None).unwrap();
            assert_eq!((made.task, made.tensors), (wanted.task, wanted.tensors));
            assert_eq!(made.left_out, wanted.left_out);
            let hashes = |path: &Path| PeerFolder::open(path).and_then(|f| f.hashes());
            if name == "control" {
                assert_eq!(hashes(&out).unwrap().len(), 2);
            }
            let weights = if name == "sd" { "unet/" } else { "" };
            let file = format!("{weights}diffusion_pytorch_model.safetensors");
            let [a, b] = [&out, &path(name)].map(|folder| {
                candle_core::safetensors::load(folder.join(&file), &Device::Cpu).unwrap()
            });
            assert_eq!(a.len(), b.len());
            for (name, tensor) in &a {
                let bits =
                    |t: &Tensor| -> Vec<half::f16> { t.flatten_all().unwrap().to_vec1().unwrap() };
                assert!(bits(tensor) == bits(&b[name]), "{name}");
            }
            // Cut off: nothing is made.
            let whole = std::fs::read(&input).unwrap();
            std::fs::write(&input, &whole[..whole.len() / 2]).unwrap();
            let error = convert(&input, &path("out"), None).unwrap_err();
            assert!(matches!(error, ModelError::Damaged { .. }), "{error}");
            assert!(!path("out").exists());
        }
    }
}

/// Two gigabytes of averages of training that no picture depends on, and that take no room on the disk.
#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_is_never_in_memory_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("control.pth");
    let plain = folder.path().join("control.safetensors");
    checkpoint(&plain, &["control"], &[]);
    let all = candle_core::safetensors::load(&plain, &Device::Cpu).unwrap();
    flat_with(&input, &all, 1 << 29);
    let out = folder.path().join("out");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args(["models", "convert", "--quiet"])
        .arg(&input)
        .arg(&out)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let code = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
        most = most.max(kilobytes.unwrap_or(0));
        if let Some(code) = child.try_wait().unwrap() {
            break code;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    assert!(code.success() && out.join("config.json").is_file());
    assert!(most > 1000, "nothing was measured");
    assert!(most < 500_000, "{most} kB for a file of 2 GB");
}

/// A checkpoint with the tensors of some parts, and more beside them.
fn checkpoint(path: &Path, parts: &[&str], more: &[(&str, Tensor)]) {
    let mut all: HashMap<String, Tensor> = HashMap::new();
    for (part, was, _, shape) in names() {
        if parts.contains(&part.as_str()) {
            let numbers = values(shape.iter().product(), was.len() as u64);
            let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap();
            all.insert(was, tensor.to_dtype(DType::F16).unwrap());
        }
    }
    for (name, tensor) in more {
        all.insert((*name).to_owned(), tensor.clone());
    }
    candle_core::safetensors::save(&all, path).unwrap();
}

#[test]
fn checkpoints_become_folders_that_load() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (
        folder.path().join("sd.safetensors"),
        folder.path().join("sd"),
    );
    let numbers = Tensor::ones(5, DType::F32, &Device::Cpu).unwrap();
    let ids = Tensor::ones((1, 77), DType::I64, &Device::Cpu).unwrap();
    let more = [
        (
            "model_ema.diffusion_modelinput_blocks00weight",
            numbers.clone(),
        ),
        ("betas", numbers.clone()),
        (
            "cond_stage_model.transformer.text_model.embeddings.position_ids",
            ids,
        ),
    ];
    checkpoint(&input, &["unet", "vae", "text_encoder"], &more);
    let words = fixtures().join("tiny/tokenizer");
    let made = convert(&input, &out, Some(&words)).unwrap();
    assert_eq!(
        (made.task, made.left_out, made.tokenizer),
        ("diffusers", 3, true)
    );
    let found = PeerFolder::open(&out).unwrap();
    assert_eq!(found.task, PeerTask::Pipeline);
    // The tokenizer of the tests has a word more or less than this text encoder has rows.
    let checked = check_peer(&found).unwrap();
    assert_eq!(checked.shape.unwrap().size, 512);
    // Values and halves are kept.
    let unet = candle_core::safetensors::load(
        out.join("unet/diffusion_pytorch_model.safetensors"),
        &Device::Cpu,
    )
    .unwrap();
    let (_, was, is, shape) = names().swap_remove(40);
    let moved = &unet[&is];
    assert_eq!(
        (moved.dtype(), moved.dims()),
        (DType::F16, shape.as_slice())
    );
    let first: f32 = moved
        .flatten_all()
        .unwrap()
        .get(0)
        .unwrap()
        .to_dtype(DType::F32)
        .unwrap()
        .to_scalar()
        .unwrap();
    assert!((first - values(1, was.len() as u64)[0]).abs() < 1e-3);
    // Made once; not over what is there.
    let again = convert(&input, &out, None).unwrap_err();
    assert!(matches!(again, ModelError::Inputs { .. }), "{again}");
}

#[test]
fn control_checkpoints_become_folders_with_or_without_their_model() {
    let folder = tempfile::tempdir().unwrap();
    for (name, parts) in [("a", vec!["control"]), ("b", vec!["control", "unet"])] {
        let input = folder.path().join(format!("{name}.safetensors"));
        let out = folder.path().join(name);
        checkpoint(&input, &parts, &[]);
        let made = convert(&input, &out, None).unwrap();
        assert_eq!(made.task, "diffusers-control");
        let found = PeerFolder::open(&out).unwrap();
        check_peer(&found).unwrap();
    }
}

#[test]
fn other_files_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let one = Tensor::ones(5, DType::F32, &Device::Cpu).unwrap();
    checkpoint(&path("part.safetensors"), &["unet"], &[]);
    checkpoint(
        &path("more.safetensors"),
        &["control"],
        &[("control_model.extra.weight", one.clone())],
    );
    checkpoint(
        &path("two.safetensors"),
        &[],
        &[("cond_stage_model.model.ln_final.bias", one.clone())],
    );
    checkpoint(&path("other.safetensors"), &[], &[("conv1.weight", one)]);
    let code = fixtures().join("../peer/files/code.pth");
    for (input, word) in [
        (path("part.safetensors"), "first_stage_model"),
        (path("more.safetensors"), "control_model.extra.weight"),
        (path("two.safetensors"), "Stable Diffusion 2"),
        (
            path("other.safetensors"),
            "no checkpoint of Stable Diffusion 1",
        ),
        (code, "posix.system"),
        (path("none.ckpt"), "missing"),
    ] {
        let error = convert(&input, &path("out"), None).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(!path("out").exists());
    }
    let left = std::fs::read_dir(folder.path()).unwrap();
    let hidden = left.filter(|e| {
        let name = e.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert_eq!(hidden.count(), 0);
}

/// A limit on the size of files stands in for the full disk: the configuration fits, the weights do not.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_half_folder() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("control.safetensors");
    checkpoint(&input, &["control"], &[]);
    let done = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_radcanvas"))
        .args(["models", "convert", "--quiet"])
        .arg(&input)
        .arg(folder.path().join("out"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success(), "{said}");
    assert!(
        said.contains("diffusion_pytorch_model.safetensors was not written")
            && said.contains("make room"),
        "{said}"
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [input]);
}
