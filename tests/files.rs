//! Files that are not single DICOM images, written by `tests/fixtures/files/make.py` with other programs: volumes,
//! archives, a medium, overlays, odd bits and names. And what is hostile among them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use radcanvas::radiograph::{
    self, FileKind, ModalityTransform, Pixels, ReadProblem, SpacingSource, series,
};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files")
}

fn expected() -> Value {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let rows = value.as_array().unwrap().iter();
    rows.flat_map(|row| row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()))
        .collect()
}

fn floats(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|v| v.as_f64().unwrap()).collect()
}

fn values(pixels: &Pixels) -> Vec<f64> {
    pixels
        .to_f32()
        .cells()
        .iter()
        .map(|v| f64::from(*v))
        .collect()
}

#[test]
fn slices_of_volumes_lie_as_a_radiologist_expects_them() {
    let expected = expected();
    let mut seen = 0;
    for (name, told) in expected.as_object().unwrap() {
        let Some(slices) = told["slices"].as_array() else {
            continue;
        };
        let file = radiograph::open(folder().join(name)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(file.frames(), slices.len(), "{name}");
        for (number, slice) in slices.iter().enumerate() {
            let image = file.frame(number).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(values(&image.pixels), numbers(slice), "{name} {number}");
            let spacing = image.spacing.unwrap();
            let wanted = [spacing.row_mm, spacing.column_mm].map(|mm| (mm * 1e6).round() / 1e6);
            assert_eq!(wanted.to_vec(), floats(&told["spacing_mm"]), "{name}");
            if file.kind() != FileKind::Dicom {
                assert_eq!(spacing.source, SpacingSource::FileResolution, "{name}");
            }
            if let Some(scale) = told.get("scale") {
                let (slope, intercept) = (scale[0].as_f64().unwrap(), scale[1].as_f64().unwrap());
                let linear = ModalityTransform::Linear { slope, intercept };
                assert_eq!(image.modality_transform, linear, "{name}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn archives_and_media_are_series_in_the_order_of_their_positions() {
    let expected = expected();
    for name in ["series.zip", "medium/DICOMDIR", "medium"] {
        let told = &expected[if name == "medium" {
            "medium/DICOMDIR"
        } else {
            name
        }];
        let path = folder().join(name);
        let listing = series::list(&path).unwrap();
        assert_eq!(
            listing.series.len() as u64,
            told["series"].as_u64().unwrap(),
            "{name}"
        );
        assert_eq!(
            listing.refused.len() as u64,
            told["refused"].as_u64().unwrap(),
            "{name}"
        );
        let stack = radiograph::open(&path).unwrap();
        let order: Vec<f64> = (0..stack.frames())
            .map(|n| values(&stack.frame(n).unwrap().pixels)[0])
            .collect();
        assert_eq!(order, floats(&told["order"]), "{name}");
        assert_eq!(stack.frame(1).unwrap().frame, 1);
        assert!(stack.frame(stack.frames()).is_err());
        // Every member can be opened by its own path.
        for member in listing.series.iter().flat_map(|s| &s.members) {
            assert_eq!(radiograph::open(&member.path).unwrap().frames(), 1);
        }
    }
}

#[test]
fn overlays_lie_beside_the_pixels() {
    let expected = expected();
    let image = radiograph::read(folder().join("overlays.dcm"), 0).unwrap();
    let planes = expected["overlays.dcm"]["planes"].as_array().unwrap();
    assert_eq!(image.overlays.len(), planes.len());
    for (overlay, plane) in image.overlays.iter().zip(planes) {
        assert_eq!(
            values(&overlay.ink),
            numbers(plane),
            "{:04X}",
            overlay.group
        );
    }
    assert_eq!(image.overlays[0].label, "a label");
    assert!(image.overlays[1].region && !image.overlays[0].region);
    assert!(values(&image.pixels).iter().all(|v| *v == 5.0));
}

#[test]
fn names_are_read_in_every_character_set() {
    let expected = expected();
    // An image of one pixel, put behind the character set and the name.
    let mut pixel = Vec::new();
    for (tag, vr, value) in [
        ([0x28, 0, 0x02, 0], b"US", vec![1, 0]),
        ([0x28, 0, 0x04, 0], b"CS", b"MONOCHROME2 ".to_vec()),
        ([0x28, 0, 0x10, 0], b"US", vec![1, 0]),
        ([0x28, 0, 0x11, 0], b"US", vec![1, 0]),
        ([0x28, 0, 0x00, 1], b"US", vec![8, 0]),
    ] {
        pixel.extend(tag);
        pixel.extend(vr);
        pixel.extend((value.len() as u16).to_le_bytes());
        pixel.extend(value);
    }
    pixel.extend([0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 2, 0, 0, 0, 7, 0]);
    let names = expected["names"].as_object().unwrap();
    assert!(names.len() >= 13);
    for (which, told) in names {
        let hex = told["bytes"].as_str().unwrap();
        let mut bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
            .collect();
        bytes.extend(&pixel);
        let image = radiograph::open_bytes(which, bytes)
            .unwrap()
            .frame(0)
            .unwrap();
        assert_eq!(
            image.identity.name,
            told["name"].as_str().unwrap(),
            "{which}"
        );
    }
}

fn problem(bytes: Vec<u8>) -> ReadProblem {
    let opened = radiograph::open_bytes("file", bytes).and_then(|file| file.frame(0));
    opened.expect_err("read as an image").problem
}

#[test]
fn what_grows_without_end_is_refused() {
    // Zeros without end: refused by their ratio before they are more than the decoder may take.
    let zeros = vec![0_u8; (1 << 26) + (1 << 24)];
    let packed = miniz_oxide::deflate::compress_to_vec(&zeros, 9);
    let mut bomb = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3];
    bomb.extend(&packed);
    assert!(packed.len() < 1 << 17, "{}", packed.len());
    assert!(matches!(problem(bomb), ReadProblem::TooLarge(_)));
    // A header of a volume that would need 2^60 bytes.
    let mut nifti = std::fs::read(folder().join("short.nii")).unwrap();
    for axis in 1..8 {
        nifti[40 + axis * 2..42 + axis * 2].copy_from_slice(&30_000_i16.to_le_bytes());
    }
    nifti[40] = 7;
    assert!(matches!(problem(nifti), ReadProblem::Damaged(_)));
    let nrrd =
        b"NRRD0004\ntype: short\ndimension: 3\nsizes: 99999 99999 99999\nencoding: raw\n\n12"
            .to_vec();
    assert!(matches!(
        problem(nrrd),
        ReadProblem::TooLarge(_) | ReadProblem::Damaged(_)
    ));
    let elsewhere =
        b"NRRD0004\ntype: short\nsizes: 1 1\nencoding: raw\ndata file: /etc/passwd\n\n12".to_vec();
    assert!(matches!(problem(elsewhere), ReadProblem::Unsupported(_)));
    // Sequences a hundred thousand deep.
    let mut deep = std::fs::read(folder().join("packed_12.dcm")).unwrap();
    for _ in 0..100_000 {
        deep.extend([
            0x28, 0, 0x10, 0x91, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
        ]);
        deep.extend([0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    assert!(matches!(problem(deep), ReadProblem::Damaged(_)));
}

#[test]
fn names_in_archives_and_media_lead_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret.dcm");
    std::fs::copy(self::folder().join("packed_12.dcm"), &secret).unwrap();
    let medium = folder.path().join("medium");
    std::fs::create_dir(&medium).unwrap();
    // The records of the fixture, with a name that leads out of the folder.
    let mut directory = std::fs::read(self::folder().join("medium/DICOMDIR")).unwrap();
    let name = b"PT000000\\ST000000\\SE000000\\IM000000";
    let at = directory
        .windows(name.len())
        .position(|part| part == name)
        .unwrap();
    let out = b"..\\secret.dcm";
    directory[at..at + name.len()].fill(b' ');
    directory[at..at + out.len()].copy_from_slice(out);
    std::fs::write(medium.join("DICOMDIR"), directory).unwrap();
    let listing = series::list(medium.join("DICOMDIR")).unwrap();
    assert!(
        listing.series.is_empty() && listing.refused.is_empty(),
        "{listing:?}"
    );
    // Members named after files outside are left out, those files even more so.
    for name in [&b"../b.dcm"[..], b"/t/b.dcm", b"C:/b.dcm"] {
        let mut zip = std::fs::read(self::folder().join("series.zip")).unwrap();
        while let Some(at) = zip.windows(8).position(|part| part == b"ct/b.dcm") {
            zip[at..at + 8].copy_from_slice(name);
        }
        let path = folder.path().join("a.zip");
        std::fs::write(&path, zip).unwrap();
        let listing = series::list(&path).unwrap();
        let frames: usize = listing.series.iter().map(series::Series::frames).sum();
        assert_eq!((frames, listing.refused.len()), (3, 1));
    }
}

fn radcanvas(arguments: &[&str]) -> Value {
    let run = Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap();
    serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&run.stderr)))
}

#[test]
fn the_time_of_a_file_is_told_in_four_ways() {
    let jpeg = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom/jpeg_2000.dcm");
    let path = jpeg.to_str().unwrap();
    let told = radcanvas(&["bench", "dicom", "--repeat", "1", "--preview", "10", path]);
    let figures = told["figures"].as_array().unwrap();
    let names: Vec<String> = [
        "apart",
        "here",
        "first picture",
        "next picture",
        "all frames",
    ]
    .map(|kind| format!("{kind} {path}"))
    .to_vec();
    let found: Vec<&str> = figures.iter().filter_map(|f| f["name"].as_str()).collect();
    assert_eq!(found, names);
    let seconds = |f: &Value| f["value"].as_f64().is_some_and(|s| s > 0.0 && s < 60.0);
    assert!(figures.iter().all(seconds), "{told}");
}

#[test]
fn the_decoding_process_gives_the_same_as_this_one() {
    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("slice.tif");
    for (name, frame) in [("turned.nii", 2), ("series.zip", 1), ("overlays.dcm", 0)] {
        let path = folder().join(name);
        let number = frame.to_string();
        let told = radcanvas(&[
            "convert",
            path.to_str().unwrap(),
            target.to_str().unwrap(),
            "--force",
            "--frame",
            &number,
        ]);
        let here = radiograph::read(&path, frame).unwrap();
        assert_eq!(told["width"], here.width());
        let there = radiograph::read(&target, 0).unwrap();
        assert_eq!(values(&here.pixels), values(&there.pixels), "{name}");
    }
    let rows = radcanvas(&["inspect", folder().to_str().unwrap()]);
    assert!(
        rows.as_array()
            .unwrap()
            .iter()
            .filter(|row| row["error"].is_null())
            .count()
            >= 18,
        "{rows}"
    );
}

#[test]
fn a_file_that_ends_its_decoder_is_refused_and_the_next_is_read() {
    let out = tempfile::tempdir().unwrap();
    // 32000 × 32000 pixels of 16 bits, run-length packed: 2 GB that the decoding process may not have.
    let bomb = out.path().join("a.dcm");
    let mut file = std::fs::File::create(&bomb).unwrap();
    let mut bytes = Vec::new();
    let mut element = |tag: [u8; 4], vr: &[u8; 2], value: &[u8]| {
        bytes.extend(tag);
        bytes.extend(vr);
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
    };
    element([2, 0, 0x10, 0], b"UI", b"1.2.840.10008.1.2.5\0");
    element([0x28, 0, 2, 0], b"US", &[1, 0]);
    element([0x28, 0, 4, 0], b"CS", b"MONOCHROME2 ");
    element([0x28, 0, 0x10, 0], b"US", &32_000_u16.to_le_bytes());
    element([0x28, 0, 0x11, 0], b"US", &32_000_u16.to_le_bytes());
    element([0x28, 0, 0, 1], b"US", &[16, 0]);
    let plane: Vec<u8> = [0x81, 0].repeat(32_000 * 32_000 / 128);
    let mut frame = vec![0_u8; 64];
    frame[0] = 2;
    frame[4] = 64;
    frame[8..12].copy_from_slice(&(64 + plane.len() as u32).to_le_bytes());
    bytes.extend([
        0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
    ]);
    bytes.extend([0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0]);
    bytes.extend((frame.len() as u32 + 2 * plane.len() as u32).to_le_bytes());
    file.write_all(&bytes).unwrap();
    for part in [&frame, &plane, &plane] {
        file.write_all(part).unwrap();
    }
    file.write_all(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0])
        .unwrap();
    drop(file);
    let good = folder().join("overlays.dcm");
    let rows = radcanvas(&[
        "inspect",
        bomb.to_str().unwrap(),
        good.to_str().unwrap(),
        "--threads",
        "1",
    ]);
    let said = rows[0]["error"].as_str().unwrap();
    assert!(said.contains("memory"), "{said}");
    assert_eq!(rows[1]["width"], 4, "{rows}");
}

#[test]
fn mutants_of_every_fixture_hurt_nobody() {
    for folder in ["tests/fixtures/dicom", "tests/fixtures/files"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let told = radcanvas(&["mutate", path.to_str().unwrap(), "--count", "900"]);
        assert_eq!(told["hangs_over_5_s"], 0, "{told}");
        assert_eq!(told["mutants"], 900);
        let kinds = told["kinds"].as_object().unwrap();
        assert_eq!(kinds.len(), 14, "{told}");
        // Run lengths make no more than 64 times as much of themselves, which is no bomb.
        let bombs = &kinds["a bomb that expands"];
        let images = bombs["image"].as_u64().unwrap_or(0);
        assert!(bombs["refused"].as_u64() > Some(4 * images), "{bombs}");
        let outcomes = told["outcomes"].as_object().unwrap();
        assert!(outcomes["refused"].as_u64() > Some(50), "{told}");
        assert!(outcomes["image"].as_u64() > Some(50), "{told}");
        assert!(
            told["memory_grown_mib"]
                .as_i64()
                .is_none_or(|mib| mib < 256),
            "{told}"
        );
    }
}

#[test]
fn pictures_cut_or_changed_anywhere_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let image = radiograph::read(self::folder().join("htj2k.dcm"), 0).unwrap();
    for name in ["a.png", "a.tif", "a.nii.gz", "a.dcm"] {
        radiograph::export(&folder.path().join(name), &image, &image.pixels, false).unwrap();
    }
    std::fs::copy(
        self::folder().join("series.zip"),
        folder.path().join("a.zip"),
    )
    .unwrap();
    let told = radcanvas(&["mutate", folder.path().to_str().unwrap(), "--count", "600"]);
    assert_eq!(told["hangs_over_5_s"], 0, "{told}");
    let outcomes = told["outcomes"].as_object().unwrap();
    assert!(
        outcomes
            .keys()
            .all(|class| class == "image" || class == "refused"),
        "{told}"
    );
    // An archive is opened by its path, so its mutants are files.
    let whole = std::fs::read(folder.path().join("a.zip")).unwrap();
    let path = folder.path().join("b.zip");
    for number in 0..whole.len() / 7 {
        let mut worse = whole.clone();
        worse[number * 7] ^= 1 << (number % 8);
        std::fs::write(&path, &worse).unwrap();
        // Whatever it says, it says it.
        drop(series::list(&path));
    }
}

#[test]
fn exports_are_read_back_and_identities_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.dcm");
    std::fs::copy(self::folder().join("overlays.dcm"), &source).unwrap();
    let before = radiograph::read(&source, 0).unwrap();
    assert_eq!(before.identity.name, "PHANTOM^RAMP");
    let out = folder.path().join("out.dcm");
    let told = radcanvas(&[
        "deidentify",
        source.to_str().unwrap(),
        out.to_str().unwrap(),
    ]);
    let removed: Vec<&str> = told["removed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t.as_str().unwrap())
        .collect();
    for tag in [
        "(0010,0010)",
        "(0010,0020)",
        "(0008,0018)",
        "(0020,000D)",
        "(0008,0020)",
        "(6000,3000)",
    ] {
        assert!(removed.contains(&tag), "{tag}: {removed:?}");
    }
    let after = radiograph::read(&out, 0).unwrap();
    assert_eq!(values(&after.pixels), values(&before.pixels));
    assert_eq!(
        (after.identity.name.as_str(), after.overlays.len()),
        ("", 0)
    );
    assert_ne!(after.source.sop_instance, before.source.sop_instance);
    let bytes = std::fs::read(&out).unwrap();
    for secret in ["PHANTOM", "2.25.3.1", "20200101"] {
        let found = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "{secret}");
    }
}

/// A progressive JPEG of a few bytes a scan and very many scans: two megabytes that take a minute.
fn endless_jpeg() -> Vec<u8> {
    let segment = |marker: u8, body: &[u8]| {
        let mut bytes = vec![0xFF, marker];
        bytes.extend((body.len() as u16 + 2).to_be_bytes());
        bytes.extend(body);
        bytes
    };
    let table = |class: u8, symbol: u8| {
        let mut body = vec![class, 1];
        body.extend([0; 15]);
        body.push(symbol);
        segment(0xC4, &body)
    };
    let mut bytes = vec![0xFF, 0xD8];
    bytes.extend(segment(0xDB, &[&[0_u8][..], &[1; 64]].concat()));
    bytes.extend(segment(0xC2, &[8, 0x1F, 0x40, 0x1F, 0x40, 1, 1, 0x11, 0]));
    bytes.extend(table(0x00, 0x00));
    // One code: a run of blocks without any coefficient, as long as they come.
    bytes.extend(table(0x10, 0xE0));
    bytes.extend(segment(0xDA, &[1, 1, 0, 0, 0, 0]));
    bytes.extend(vec![0; 125_000]);
    let mut scan = segment(0xDA, &[1, 1, 0, 1, 63, 0]);
    let bits: String = "011111111111111".repeat(31) + "1111111";
    for eight in bits.as_bytes().chunks_exact(8) {
        let byte = eight.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        scan.push(byte);
        if byte == 0xFF {
            scan.push(0);
        }
    }
    bytes.extend(scan.repeat(20_000));
    bytes.extend([0xFF, 0xD9]);
    bytes
}

#[test]
fn a_file_that_takes_too_long_is_refused_and_the_next_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("slow.jpg");
    std::fs::write(&slow, endless_jpeg()).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args(["inspect", "--json", "--threads", "1"])
        .args([&slow, &self::folder().join("overlays.dcm")])
        .env("RADCANVAS_DECODE_SECONDS", "1")
        .output()
        .unwrap();
    let rows: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert!(
        rows[0]["error"]
            .as_str()
            .unwrap()
            .contains("longer than 1 s of processor time"),
        "{rows}"
    );
    assert_eq!(rows[1]["width"], 4, "{rows}");
}

/// The process that `parent` started, once there is one.
#[cfg(target_os = "linux")]
fn child_of(parent: u32) -> u32 {
    let task = format!("/proc/{parent}/task");
    for _ in 0..2000 {
        let tasks = std::fs::read_dir(&task).into_iter().flatten().flatten();
        for thread in tasks {
            let list = std::fs::read_to_string(thread.path().join("children"));
            let list = list.unwrap_or_default();
            if let Some(child) = list.split_whitespace().next() {
                return child.parse().unwrap();
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("no decoding process was started");
}

/// A decoder that gets no time for a while is not at fault; one that sleeps for good is ended.
#[cfg(target_os = "linux")]
#[test]
fn waiting_for_the_processor_is_not_counted_and_sleeping_for_ever_is() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("slow.jpg");
    std::fs::write(&slow, endless_jpeg()).unwrap();
    for (pause, told) in [
        (Some(2), "longer than 1 s of processor time"),
        (None, "did nothing for longer than 4 s"),
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_radcanvas"))
            .args(["inspect", "--json", "--threads", "1"])
            .arg(&slow)
            .env("RADCANVAS_DECODE_SECONDS", "1")
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let child = child_of(run.id());
        let signal = |name: &str| {
            let child = child.to_string();
            let sent = Command::new("kill").args([name, &child]).status();
            assert!(sent.unwrap().success(), "{name}");
        };
        signal("-STOP");
        if let Some(seconds) = pause {
            // Longer than it may take, all of it without the processor.
            std::thread::sleep(std::time::Duration::from_secs(seconds));
            signal("-CONT");
        }
        let output = run.wait_with_output().unwrap();
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = rows[0]["error"].as_str().unwrap_or_default();
        assert!(error.contains(told), "{rows}");
    }
}
