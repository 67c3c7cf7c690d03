//! Files from before PyTorch 1.6, put together instruction by instruction: as Python 2 wrote them, and as no one should.

use std::path::Path;

use candle_core::DType;
use radcanvas::network::folder::{ModelError, Store as _};
use radcanvas::network::peer::source::Source;

/// Number, version and machine.
const HEAD: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
/// Two numbers in the storage `a`, without and with their count.
const NUMBERS: [f32; 2] = [1.5, -2.0];
/// `("storage", FloatStorage, "a", "cpu", 2, None)`.
const STORAGE: &[u8] = b"(U\x07storagectorch\nFloatStorage\nU\x01aU\x03cpuK\x02NtQ";
/// `["a"]`.
const KEYS: &[u8] = b"\x80\x02](U\x01ae.";

fn stored(count: i64) -> Vec<u8> {
    let numbers = NUMBERS.iter().flat_map(|v| v.to_le_bytes());
    count.to_le_bytes().into_iter().chain(numbers).collect()
}

/// `_rebuild_tensor(storage, offset, (size,), (stride,))`.
fn tensor(offset: &[u8], size: &[u8], stride: &[u8]) -> Vec<u8> {
    let begin: &[u8] = b"ctorch._utils\n_rebuild_tensor\n(";
    [begin, STORAGE, offset, size, b"\x85", stride, b"\x85tR"].concat()
}

/// `OrderedDict([["weight", value]])`.
fn dictionary(value: &[u8]) -> Vec<u8> {
    let begin: &[u8] = b"\x80\x02ccollections\nOrderedDict\n](](U\x06weight";
    [begin, value, b"ee\x85R."].concat()
}

fn opened(bytes: &[u8]) -> Result<Source, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    std::fs::write(&path, bytes).unwrap();
    let source = Source::open(&path);
    if let Ok(source) = &source {
        for name in source.names() {
            source.read_as_is(&name)?;
        }
    }
    source
}

#[test]
fn what_python_2_wrote_is_read() {
    let object = dictionary(&tensor(b"K\x00", b"K\x02", b"K\x01"));
    let bytes = [HEAD, &object, KEYS, &stored(2)].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    std::fs::write(&path, bytes).unwrap();
    let source = Source::open(&path).unwrap();
    assert_eq!(source.names(), ["weight"]);
    let read = source.read("weight", DType::F32).unwrap();
    assert_eq!(read.to_vec1::<f32>().unwrap(), NUMBERS);
}

#[test]
fn wrong_counts_and_shapes_are_damage() {
    let plain = dictionary(&tensor(b"K\x00", b"K\x02", b"K\x01"));
    let large: &[u8] = b"\x8a\x06\x00\x00\x00\x00\x00\x01";
    let negative: &[u8] = b"J\xff\xff\xff\xff";
    let with = |object: &[u8], keys: &[u8], numbers: &[u8]| [HEAD, object, keys, numbers].concat();
    let of = |value: Vec<u8>| with(&dictionary(&value), KEYS, &stored(2));
    for (what, bytes) in [
        ("more than there is", with(&plain, KEYS, &stored(3))),
        ("less than was said", with(&plain, KEYS, &stored(1))),
        ("a negative count", with(&plain, KEYS, &stored(-1))),
        ("no numbers", with(&plain, KEYS, &[])),
        ("half of the numbers", with(&plain, KEYS, &stored(2)[..12])),
        ("no storage", with(&plain, b"\x80\x02].", &stored(2))),
        (
            "an unknown one",
            with(&plain, b"\x80\x02](U\x01be.", &stored(2)),
        ),
        (
            "one twice",
            with(
                &plain,
                b"\x80\x02](U\x01aU\x01ae.",
                &[stored(2), stored(2)].concat(),
            ),
        ),
        (
            "beyond the storage",
            of(tensor(b"K\x00", b"K\x03", b"K\x01")),
        ),
        ("an offset beyond", of(tensor(b"K\x01", b"K\x02", b"K\x01"))),
        ("a stride beyond", of(tensor(b"K\x00", b"K\x02", b"K\x02"))),
        ("a large size", of(tensor(b"K\x00", large, b"K\x00"))),
        ("a large stride", of(tensor(b"K\x00", b"K\x02", large))),
        (
            "a negative offset",
            of(tensor(negative, b"K\x02", b"K\x01")),
        ),
        ("a negative size", of(tensor(b"K\x00", negative, b"K\x01"))),
        ("no tensors", with(b"\x80\x02}.", KEYS, &stored(2))),
        ("no dictionary", with(b"\x80\x02N.", KEYS, &stored(2))),
        ("too many values", with(&vec![b']'; 3 << 20], KEYS, &[])),
        ("too many marks", with(&vec![b'('; 3 << 20], KEYS, &[])),
        (
            "too much laid aside",
            with(&[b"N".to_vec(), vec![b'2'; 3 << 20]].concat(), KEYS, &[]),
        ),
        ("a long text", with(b"\x80\x02X\xff\xff\xff\x7f", KEYS, &[])),
        (
            "an endless line",
            with(&[b"c".to_vec(), vec![b'x'; 1 << 20]].concat(), &[], &[]),
        ),
        ("nothing to take", with(b"\x80\x020", KEYS, &[])),
        ("taking below a mark", with(b"\x80\x02N(\x85.", KEYS, &[])),
        ("nothing to recall", with(b"\x80\x02h\x07.", KEYS, &[])),
        ("no instruction", with(b"\x80\x02\xff.", KEYS, &[])),
    ] {
        let error = opened(&bytes).unwrap_err();
        assert!(
            matches!(error, ModelError::Damaged { .. }),
            "{what}: {error}"
        );
    }
}

#[test]
fn whatever_is_cut_off_is_damage() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peer/files");
    for name in ["clip-legacy.pth", "clip-oldest.pth"] {
        let whole = std::fs::read(folder.join(name)).unwrap();
        opened(&whole).unwrap();
        let lengths = (0..whole.len()).step_by(67).chain([whole.len() - 1]);
        for length in lengths {
            let error = opened(&whole[..length]).unwrap_err();
            let cut = matches!(error, ModelError::Damaged { .. });
            assert!(cut, "{name} of {length} bytes: {error}");
        }
    }
}

#[test]
fn every_way_to_call_is_refused() {
    let arguments: &[u8] = b"U\x04true";
    let call = |before: &[u8], after: &[u8]| [before, arguments, after].concat();
    for (what, value) in [
        ("REDUCE", call(b"cposix\nsystem\n", b"\x85R")),
        ("NEWOBJ", call(b"cposix\nsystem\n", b"\x85\x81")),
        ("NEWOBJ_EX", call(b"cposix\nsystem\n", b"\x85}\x92")),
        ("INST", call(b"(", b"iposix\nsystem\n")),
        ("OBJ", call(b"(cposix\nsystem\n", b"o")),
        (
            "a name out of texts",
            call(b"U\x05posixU\x06system\x93", b"\x85R"),
        ),
        ("a class that is changed", b"cposix\nsystem\n}b".to_vec()),
        ("what is called by number", b"\x82\x07)R".to_vec()),
        ("what a call has made", b"ctorch\nSize\n)R)R".to_vec()),
        (
            "a call whose result is dropped",
            b"cposix\nsystem\n)R0N".to_vec(),
        ),
    ] {
        let bytes = [HEAD, &dictionary(&value), KEYS, &stored(2)].concat();
        let error = opened(&bytes).unwrap_err();
        assert!(matches!(error, ModelError::Code { .. }), "{what}: {error}");
    }
}
