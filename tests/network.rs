//! Networks: gradients reach every weight, fresh control changes nothing, sizes, model folders.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use radcanvas::geometry::Point;
use radcanvas::grid::Grid;
use radcanvas::landmarks::{Hip, HipLandmarks, Side};
use radcanvas::network::autoencoder::{self, Autoencoder, latent_mask};
use radcanvas::network::condition::{Condition, Moment, Names};
use radcanvas::network::control::{self, Adapter, AdapterConfig, Branch, HINT_PLANES};
use radcanvas::network::denoiser::{self, Denoiser, assemble};
use radcanvas::network::folder::{self, Card, ModelError, Task};
use radcanvas::network::hips::points::{Calibration, joined_prediction, mirrored, predictions};
use radcanvas::network::hips::{self, HipNetwork};
use radcanvas::network::ops::with_library_kernels;
use radcanvas::network::reader::{self, LOGITS, Reader, saliency};
use radcanvas::network::stages;
use radcanvas::network::weights::Weights;
use radcanvas::noise::Noise;

fn random(shape: &[usize], seed: u64) -> Tensor {
    let values = Noise::new(seed, 7).normals(shape.iter().product());
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Zero-started layers are moved first, so that no path is closed.
fn open_every_path(weights: &Weights) {
    for (i, (_, variable)) in weights.variables().into_iter().enumerate() {
        let noise = (random(variable.dims(), i as u64) * 0.1).unwrap();
        variable
            .set(&(variable.as_tensor() + noise).unwrap())
            .unwrap();
    }
}

fn check_gradients(name: &str, weights: &Weights, output: &Tensor) {
    let gradients = output
        .sqr()
        .unwrap()
        .mean_all()
        .unwrap()
        .backward()
        .unwrap();
    for (weight, variable) in weights.variables() {
        let gradient = gradients.get(variable.as_tensor());
        let gradient = gradient.unwrap_or_else(|| panic!("{name}: no gradient for {weight}"));
        let most = numbers(gradient)
            .iter()
            .fold(0.0_f32, |m, g| m.max(g.abs()));
        assert!(
            most > 0.0 && most.is_finite(),
            "{name}: gradient of {weight} is {most}"
        );
    }
}

fn conditions() -> (Vec<Condition>, Vec<Moment>) {
    let hip = |x: f64| Hip {
        center: Point::new(x, 0.5),
        radius: 0.08,
        rim: Point::new(x, 0.4),
    };
    let known = Condition {
        kind: Some(1),
        age_decades: Some(3.4),
        sex: Some(0),
        findings: vec![(2, true), (5, false)],
        geometry: Some(HipLandmarks {
            left: hip(0.7),
            right: hip(0.3),
            pixel_spacing_mm: None,
        }),
    };
    let moment = Moment {
        t: 0.3,
        step: 0.25,
        guidance: 2.0,
    };
    (
        vec![known, Condition::default()],
        vec![moment, Moment::plain(0.8)],
    )
}

#[test]
fn loss_reaches_every_weight() {
    let image = random(&[2, 1, 64, 64], 1);
    let weights = Weights::new(1);
    let config = autoencoder::Config::tiny();
    let net = Autoencoder::new(&weights.builder(), &config).unwrap();
    open_every_path(&weights);
    let z = net.encode(&image).unwrap();
    let both = (net.decode(&z).unwrap() + net.decode_preview(&z).unwrap()).unwrap();
    check_gradients("autoencoder", &weights, &both);

    let weights = Weights::new(2);
    let net = Reader::new(&weights.builder(), &reader::Config::tiny()).unwrap();
    open_every_path(&weights);
    check_gradients("reader", &weights, &net.forward(&image).unwrap().logits);

    let weights = Weights::new(3);
    let net = HipNetwork::new(&weights.builder(), &hips::Config::tiny()).unwrap();
    open_every_path(&weights);
    check_gradients("hips", &weights, &net.forward(&image).unwrap());
}

#[test]
fn loss_reaches_every_weight_of_the_generator() {
    let config = denoiser::Config::tiny();
    let (conditions, moments) = conditions();
    let (z, hint) = (
        random(&[2, 4, 16, 16], 1),
        random(&[2, HINT_PLANES, 16, 16], 2),
    );
    let input = assemble(&z, None).unwrap();

    let weights = Weights::new(4);
    let vb = weights.builder();
    let net = Denoiser::new(&vb.pp("denoiser"), &config).unwrap();
    let adapter = AdapterConfig::tiny().fitting(&config);
    let adapter = Adapter::new(&vb.pp("adapter"), &adapter).unwrap();
    open_every_path(&weights);
    let c = net.embed(&conditions, &moments).unwrap();
    let injections = adapter.forward(&hint).unwrap();
    let v = net.forward(&input, &c, Some(&injections), None).unwrap();
    check_gradients("generator", &weights, &v);

    let branch_weights = Weights::new(5);
    let branch = Branch::new(&branch_weights.builder(), &config).unwrap();
    open_every_path(&branch_weights);
    let residuals = branch.forward(&input, &c, &hint, 1.0).unwrap();
    let v = net.forward(&input, &c, None, Some(&residuals)).unwrap();
    check_gradients("branch", &branch_weights, &v);
}

#[test]
fn fresh_control_changes_nothing() {
    let config = denoiser::Config::tiny();
    let weights = Weights::new(6);
    let net = Denoiser::new(&weights.builder(), &config).unwrap();
    open_every_path(&weights);
    let (conditions, moments) = conditions();
    let c = net.embed(&conditions, &moments).unwrap();
    let hint = random(&[2, HINT_PLANES, 16, 16], 2);
    let input = assemble(&random(&[2, 4, 16, 16], 1), None).unwrap();
    let plain = numbers(&net.forward(&input, &c, None, None).unwrap());
    let fresh = Weights::new(7);
    let adapter = AdapterConfig::tiny().fitting(&config);
    let adapter = Adapter::new(&fresh.builder(), &adapter).unwrap();
    let injections = adapter.forward(&hint).unwrap();
    let adapted = net.forward(&input, &c, Some(&injections), None).unwrap();
    assert_eq!(plain, numbers(&adapted), "adapter");
    let fresh = Weights::new(8);
    let branch = Branch::new(&fresh.builder(), &config).unwrap();
    let residuals = branch.forward(&input, &c, &hint, 1.0).unwrap();
    let branched = net.forward(&input, &c, None, Some(&residuals)).unwrap();
    assert_eq!(plain, numbers(&branched), "branch");
    open_every_path(&fresh);
    let residuals = branch.forward(&input, &c, &hint, 1.0).unwrap();
    let branched = net.forward(&input, &c, None, Some(&residuals)).unwrap();
    assert_ne!(plain, numbers(&branched), "a moved branch");
    let residuals = branch.forward(&input, &c, &hint, 0.0).unwrap();
    let branched = net.forward(&input, &c, None, Some(&residuals)).unwrap();
    assert_eq!(plain, numbers(&branched), "a branch of weight 0");
}

#[test]
fn fresh_step_and_guidance_embeddings_change_nothing() {
    let net = Denoiser::new(&Weights::new(9).builder(), &denoiser::Config::tiny()).unwrap();
    let condition = [Condition::default()];
    let moment = Moment {
        t: 0.4,
        step: 0.5,
        guidance: 3.0,
    };
    let with = net.embed(&condition, &[moment]).unwrap();
    let without = net.embed(&condition, &[Moment::plain(0.4)]).unwrap();
    assert_eq!(numbers(&with), numbers(&without));
}

/// As on a GPU: half precision, the tensor library's kernels, f32 in and out.
#[test]
fn networks_run_in_half_precision_with_library_kernels() {
    let config = denoiser::Config::tiny();
    let weights = Weights::new(11);
    let net = Denoiser::new(&weights.builder(), &config).unwrap();
    for (_, variable) in weights.variables() {
        let moved = (variable.as_tensor() + 0.02).unwrap();
        variable.set(&moved).unwrap();
    }
    let x = Noise::new(12, 0).normals(config.inputs() * 64);
    let x = Tensor::from_vec(x, (1, config.inputs(), 8, 8), &Device::Cpu).unwrap();
    let run = |net: &Denoiser| {
        let c = net
            .embed(&[Condition::default()], &[Moment::plain(0.3)])
            .unwrap();
        net.forward(&x, &c, None, None).unwrap()
    };
    let exact = numbers(&run(&net));
    let half = weights.tensors().into_iter().collect();
    let vb = VarBuilder::from_tensors(half, DType::F16, &Device::Cpu);
    let rough = with_library_kernels(|| {
        let net = Denoiser::new(&vb, &config).unwrap();
        run(&net)
    });
    assert_eq!(rough.dtype(), DType::F32);
    let scale = exact.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    assert!(scale > 0.1);
    for (a, b) in numbers(&rough).iter().zip(&exact) {
        assert!((a - b).abs() <= 0.02 * scale, "{a} {b}");
    }
}

#[test]
fn stages_give_the_gradients_of_the_whole() {
    let mut config = denoiser::Config::tiny();
    config.blocks = [2, 1, 2];
    let weights = Weights::new(10);
    let net = Denoiser::new(&weights.builder(), &config).unwrap();
    // Layers that start at zero would hide what lies before them.
    for (name, variable) in weights.variables() {
        let moved = (variable.as_tensor() + 0.05).unwrap();
        variable.set(&moved).unwrap();
        assert!(!name.is_empty());
    }
    let draw = |seed: u64, shape: &[usize]| {
        let count = shape.iter().product();
        let values = Noise::new(seed, 0).normals(count);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let begin: Vec<Var> = [
        draw(1, &[2, config.inputs(), 8, 8]),
        draw(2, &[2, config.embedding]),
        draw(3, &[2, config.widths[0], 8, 8]),
        draw(4, &[2, config.widths[0], 4, 4]),
        draw(5, &[2, config.widths[1], 2, 2]),
    ]
    .iter()
    .map(|t| Var::from_tensor(t).unwrap())
    .collect();
    let tensors: Vec<Tensor> = begin.iter().map(|v| v.as_tensor().clone()).collect();
    let target = draw(6, &[2, config.latent, 8, 8]);
    let loss = |y: &Tensor| (y - &target)?.sqr()?.mean_all();
    let whole = net
        .forward(&tensors[0], &tensors[1], Some(&tensors[2..]), None)
        .and_then(|y| loss(&y))
        .unwrap();
    let expected = whole.backward().unwrap();
    let staged = stages::backward(&tensors, &net.stages(), |state| loss(&state[0])).unwrap();
    assert_eq!(numbers(&staged.loss), numbers(&whole));
    let close = |what: &str, a: &Tensor, b: &Tensor| {
        let scale = numbers(b).iter().fold(1e-3_f32, |m, v| m.max(v.abs()));
        for (a, b) in numbers(a).iter().zip(numbers(b)) {
            assert!((a - b).abs() <= 1e-5 * scale, "{what}: {a} and {b}");
        }
    };
    for (name, variable) in weights.variables() {
        if !name.starts_with("embedding.") {
            let (a, b) = (staged.gradients.get(&variable), expected.get(&variable));
            close(&name, a.expect(&name), b.unwrap());
        }
    }
    for ((variable, found), n) in begin.iter().zip(&staged.by_begin).zip(0..) {
        close(
            &format!("state {n}"),
            found.as_ref().unwrap(),
            expected.get(variable).unwrap(),
        );
    }
}

#[test]
fn full_sizes_have_the_planned_number_of_weights() {
    let check = |name: &str, weights: &Weights, millions: f64| {
        let found = weights.count() as f64 / 1e6;
        let share = (found - millions).abs() / millions;
        assert!(
            share < 0.06,
            "{name}: {found:.3} million, planned {millions}"
        );
    };
    let weights = Weights::new(1);
    Autoencoder::new(&weights.builder(), &autoencoder::Config::default()).unwrap();
    check("autoencoder", &weights, 0.73 + 1.87 + 0.15);
    let weights = Weights::new(1);
    HipNetwork::new(&weights.builder(), &hips::Config::default()).unwrap();
    check("hips", &weights, 1.84);
    let weights = Weights::new(1);
    Reader::new(&weights.builder(), &reader::Config::default()).unwrap();
    check("reader", &weights, 1.70);
    let weights = Weights::new(1);
    Adapter::new(&weights.builder(), &AdapterConfig::default()).unwrap();
    check("adapter", &weights, 1.25);
    let weights = Weights::new(1);
    Denoiser::new(&weights.builder(), &denoiser::Config::default()).unwrap();
    check("denoiser", &weights, 12.49);
}

#[test]
fn the_true_velocity_leads_to_the_picture_in_one_step() {
    let (z, e) = (random(&[1, 4, 4, 4], 1), random(&[1, 4, 4, 4], 2));
    let t = 0.7;
    let noisy = ((&z * (1.0 - t)).unwrap() + (&e * t).unwrap()).unwrap();
    let back = (noisy - ((&e - &z).unwrap() * t).unwrap()).unwrap();
    for (a, b) in numbers(&back).iter().zip(numbers(&z)) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn weights_depend_on_seed_and_name_alone() {
    let config = reader::Config::tiny();
    let [a, b, c] = [1, 1, 2].map(|seed| {
        let weights = Weights::new(seed);
        Reader::new(&weights.builder(), &config).unwrap();
        numbers(&weights.tensors()["block3.entry.weight"])
    });
    assert_eq!(a, b);
    assert_ne!(a, c);
}

#[test]
fn hints_hold_every_pixel_and_the_points() {
    let sketch = Grid::from_fn(64, 32, |x, y| if x == 13 && y == 9 { 1.0 } else { 0.0 });
    let hip = |x: f64| Hip {
        center: Point::new(x, 12.0),
        radius: 6.0,
        rim: Point::new(x, 4.0),
    };
    let landmarks = HipLandmarks {
        left: hip(44.0),
        right: hip(20.0),
        pixel_spacing_mm: None,
    };
    let plain = control::hint(&sketch, None).unwrap();
    assert_eq!(plain.dims(), [1, HINT_PLANES, 4, 8]);
    let values: Vec<Vec<Vec<f32>>> = plain.squeeze(0).unwrap().to_vec3().unwrap();
    // Pixel (13, 9) is pixel (5, 1) of cell (1, 1).
    assert_eq!(values[8 + 5][1][1], 1.0);
    let sum: f32 = values.iter().flatten().flatten().sum();
    assert_eq!(sum, 1.0, "nothing but the pixel");
    let pointed = control::hint(&sketch, Some(&landmarks)).unwrap();
    let values: Vec<Vec<Vec<f32>>> = pointed.squeeze(0).unwrap().to_vec3().unwrap();
    // Both cells' centres lie half a pixel left of and above a head's centre.
    let expected = 1.0 - 0.5_f32.sqrt() / 6.0;
    for (plane, column) in [(64, 5), (65, 2)] {
        let found = values[plane][1][column];
        assert!((found - expected).abs() < 1e-5, "plane {plane}: {found}");
    }
    assert_eq!(values[69][3][7], 1.0, "presence");
}

#[test]
fn latent_masks_grow_by_one_cell() {
    let mut painted = Grid::filled(64, 64, 0_u8);
    painted[(24, 31)] = 255;
    let mask: Vec<Vec<f32>> = latent_mask(&painted)
        .unwrap()
        .squeeze(0)
        .unwrap()
        .squeeze(0)
        .unwrap()
        .to_vec2()
        .unwrap();
    for (y, row) in mask.iter().enumerate() {
        for (x, value) in row.iter().enumerate() {
            let near = (2..=4).contains(&x) && (2..=4).contains(&y);
            assert_eq!(*value, if near { 1.0 } else { 0.0 }, "{x} {y}");
        }
    }
}

#[test]
fn saliency_has_one_finite_map_a_block() {
    let weights = Weights::new(3);
    let places = Reader::new(&weights.builder(), &reader::Config::tiny()).unwrap();
    let maps = saliency(&places, &random(&[1, 1, 64, 96], 4)).unwrap();
    assert!(maps.iter().flat_map(Grid::cells).all(|v| v.is_finite()));
    let config = reader::Config {
        places: false,
        ..reader::Config::tiny()
    };
    let weights = Weights::new(3);
    let net = Reader::new(&weights.builder(), &config).unwrap();
    let maps = saliency(&net, &random(&[1, 1, 64, 96], 4)).unwrap();
    let sizes: Vec<_> = maps.iter().map(Grid::size).collect();
    assert_eq!(sizes, [(48, 32), (24, 16), (12, 8), (6, 4), (3, 2)]);
    for map in &maps {
        assert!(map.cells().iter().all(|v| v.is_finite() && *v >= 0.0));
    }
    assert!(maps.iter().any(|map| map.cells().iter().any(|v| *v > 0.0)));
    // Of the last block, Grad-CAM of a logit is the head's row times the channels: a closed form.
    let image = random(&[1, 1, 64, 96], 4);
    let maps = reader::saliency_of(&net, &image, 0).unwrap();
    let read = net.forward(&image).unwrap();
    let head = numbers(&weights.tensors()["head.weight"].narrow(0, 0, 1).unwrap());
    let last: Vec<Vec<f32>> = read.blocks[4]
        .squeeze(0)
        .unwrap()
        .flatten_from(1)
        .unwrap()
        .to_vec2()
        .unwrap();
    for (i, value) in maps[4].cells().iter().enumerate() {
        let sum: f32 = head
            .iter()
            .zip(&last)
            .map(|(w, row)| w / 6.0 * row[i])
            .sum();
        assert!(
            (value - sum.max(0.0)).abs() < 1e-5,
            "cell {i}: {value} {sum}"
        );
    }
    assert_eq!(read.logits.dims(), [1, LOGITS]);
}

#[test]
fn a_reader_told_of_places_knows_left_from_right() {
    let weights = Weights::new(5);
    let net = Reader::new(&weights.builder(), &reader::Config::tiny()).unwrap();
    let flat = Tensor::zeros((1, 1, 64, 64), DType::F32, &Device::Cpu).unwrap();
    let read = net.forward(&flat).unwrap();
    // A constant picture has no left and right of its own: what differs over a row comes from the places.
    let row: Vec<f32> =
        numbers(&read.blocks[0].narrow(1, 0, 1).unwrap())[16 * 32..17 * 32].to_vec();
    let (left, right) = (row[8], row[24]);
    assert!((left - right).abs() > 1e-4, "{left} {right}");
    assert_eq!(read.features.dims(), [1, 16]);
}

#[test]
fn maps_become_points() {
    // A sharp peak at cell (20, 12) for every point; log-radius ln 5 cells everywhere.
    let (w, h) = (32, 32);
    let values: Vec<f32> = (0..8 * w * h)
        .map(|i| match (i / (w * h), i % (w * h)) {
            (0..=3, cell) if cell == 12 * w + 20 => 30.0,
            (4 | 5, _) => 5.0_f32.ln(),
            _ => 0.0,
        })
        .collect();
    let maps = Tensor::from_vec(values, (1, 8, h, w), &Device::Cpu).unwrap();
    let read = predictions(&maps, &Calibration::default()).unwrap();
    for point in &read[0].points {
        assert!(
            point.at.distance(Point::new(81.5, 49.5)) < 0.01,
            "{:?}",
            point.at
        );
        assert!(
            (point.sigma() - 4.0 * 0.29).abs() < 0.05,
            "{}",
            point.sigma()
        );
    }
    assert!((read[0].radii[0] - 20.0).abs() < 1e-3);
    // The mirror image of the same maps, with sides swapped, is the same answer.
    let mirror = mirrored(&maps).unwrap();
    let order = Tensor::new(&[2_u32, 3, 0, 1, 5, 4, 7, 6], &Device::Cpu).unwrap();
    let mirror = mirror.index_select(&order, 1).unwrap();
    let both = Tensor::cat(&[&maps, &mirror], 0).unwrap();
    let joined = joined_prediction(&both, &Calibration::default()).unwrap();
    for (a, b) in joined.points.iter().zip(&read[0].points) {
        assert!(a.at.distance(b.at) < 1e-6);
        assert!((a.sigma() - b.sigma()).abs() < 1e-6);
    }
}

fn saved(path: &Path) -> BTreeMap<String, Tensor> {
    let weights = Weights::new(1);
    let config = reader::Config::tiny();
    Reader::new(&weights.builder(), &config).unwrap();
    let card = Card {
        name: "test".to_owned(),
        task: Task::Reader,
        domain: "nothing".to_owned(),
        architecture: "reader-1".to_owned(),
        configuration: serde_json::to_value(&config).unwrap(),
        native_size: [64, 64],
        spacing_mm: None,
        hint: String::new(),
        licence: "CC0-1.0".to_owned(),
        training: "none".to_owned(),
        measured: BTreeMap::new(),
        files: BTreeMap::new(),
        latent: None,
        calibration: None,
        names: Some(Names::default()),
        student: None,
        needs: BTreeMap::new(),
    };
    folder::save(path, card, &weights.tensors()).unwrap();
    weights.tensors()
}

#[test]
fn a_saved_model_loads_with_the_same_weights() {
    let place = tempfile::tempdir().unwrap();
    let tensors = saved(place.path());
    let opened = folder::check(place.path()).unwrap();
    let loaded = opened.tensors().unwrap();
    assert_eq!(loaded.len(), tensors.len());
    for (name, tensor) in &tensors {
        let half = tensor
            .to_dtype(DType::F16)
            .unwrap()
            .to_dtype(DType::F32)
            .unwrap();
        assert_eq!(numbers(&loaded[name]), numbers(&half), "{name}");
    }
    assert_eq!(
        folder::list(place.path().parent().unwrap())
            .iter()
            .filter(|(p, m)| p == place.path() && m.is_ok())
            .count(),
        1
    );
}

#[test]
fn damaged_models_are_refused_by_name() {
    type Damage = fn(&Path);
    type Expected = fn(&ModelError) -> bool;
    let weights = |p: &Path| p.join(folder::WEIGHTS);
    assert!(weights(Path::new("x")).ends_with("weights.safetensors"));
    let cases: [(&str, Damage, Expected); 6] = [
        (
            "no card",
            |p| std::fs::remove_file(p.join(folder::CARD)).unwrap(),
            |e| matches!(e, ModelError::Missing { .. }),
        ),
        (
            "no weights",
            |p| std::fs::remove_file(p.join(folder::WEIGHTS)).unwrap(),
            |e| matches!(e, ModelError::Missing { path } if path.ends_with(folder::WEIGHTS)),
        ),
        (
            "one byte changed",
            |p| {
                let file = p.join(folder::WEIGHTS);
                let mut bytes = std::fs::read(&file).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                std::fs::write(&file, bytes).unwrap();
            },
            |e| matches!(e, ModelError::Hash { .. }),
        ),
        (
            "card is not JSON",
            |p| std::fs::write(p.join(folder::CARD), "{").unwrap(),
            |e| matches!(e, ModelError::Card { .. }),
        ),
        (
            "a tensor is missing",
            |p| rewrite(p, |t| drop(t.remove("head.bias"))),
            |e| matches!(e, ModelError::Tensor { tensor, .. } if tensor == "head.bias"),
        ),
        (
            "a tensor too many",
            |p| rewrite(p, |t| drop(t.insert("extra".to_owned(), random(&[2], 1)))),
            |e| matches!(e, ModelError::Unknown { names, .. } if names == "extra"),
        ),
    ];
    for (what, damage, expected) in cases {
        let place = tempfile::tempdir().unwrap();
        saved(place.path());
        damage(place.path());
        let error = folder::check(place.path()).unwrap_err();
        assert!(expected(&error), "{what}: {error}");
    }
}

/// Saves the model again with other tensors and a right hash.
fn rewrite(path: &Path, change: impl FnOnce(&mut BTreeMap<String, Tensor>)) {
    let opened = folder::ModelFolder::open(path).unwrap();
    let mut tensors: BTreeMap<_, _> = opened.tensors().unwrap().into_iter().collect();
    change(&mut tensors);
    folder::save(path, opened.card, &tensors).unwrap();
}

#[test]
fn a_model_is_whole_wherever_its_saving_ends() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    saved(path);
    let first = folder::ModelFolder::open(path).unwrap();
    let weights = path.join(folder::WEIGHTS);
    let kept = path.join("weights.before.safetensors");
    let old = std::fs::read(&weights).unwrap();
    let value = |folder: &folder::ModelFolder| numbers(&folder.tensors().unwrap()["head.bias"]);
    let next = |seed| {
        rewrite(path, |tensors| {
            let like = tensors["head.bias"].dims().to_vec();
            drop(tensors.insert("head.bias".to_owned(), random(&like, seed)));
        });
    };
    let was = value(&first);
    next(3);
    assert_eq!(
        std::fs::read_dir(path).unwrap().count(),
        2,
        "nothing is left over"
    );
    let second = folder::ModelFolder::open(path).unwrap();
    assert_ne!(value(&second), was);
    // Ended between weights and card: the card that is there has its weights.
    std::fs::write(&kept, old).unwrap();
    first.save_card().unwrap();
    let found = folder::check(path).unwrap();
    assert_eq!((found.hash(), value(&found)), (first.hash(), was));
    // Ended so twice, then saved whole.
    std::fs::write(&weights, b"half").unwrap();
    assert!(folder::check(path).is_ok());
    next(4);
    assert!(folder::check(path).is_ok() && !kept.exists());
    std::fs::write(&weights, b"half").unwrap();
    assert!(folder::check(path).is_err());
}

#[test]
fn cut_off_and_wrongly_typed_files_are_refused() {
    let tensors = BTreeMap::from([("a".to_owned(), random(&[4], 1))]);
    let whole = safetensors::serialize(&tensors, None).unwrap();
    let path = Path::new("w.safetensors");
    assert_eq!(folder::tensors_in(path, &whole).unwrap().len(), 1);
    for length in [0, 4, whole.len() / 2, whole.len() - 1] {
        let error = folder::tensors_in(path, &whole[..length]).unwrap_err();
        assert!(
            matches!(error, ModelError::Damaged { .. }),
            "{length}: {error}"
        );
    }
    let integers = BTreeMap::from([("a".to_owned(), Tensor::new(&[1_u32], &Device::Cpu).unwrap())]);
    let content = safetensors::serialize(&integers, None).unwrap();
    let error = folder::tensors_in(path, &content).unwrap_err();
    assert!(matches!(error, ModelError::Type { .. }), "{error}");
}

#[test]
fn every_bundled_model_loads_whole_and_all_fit_in_sixty_megabytes() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
    let mut bytes = 0;
    let mut tasks = Vec::new();
    for (path, opened) in folder::list(&models) {
        opened.unwrap();
        let checked = folder::check(&path).unwrap();
        tasks.push(checked.card.task.name());
        for name in checked.card.files.keys() {
            bytes += std::fs::metadata(path.join(name)).unwrap().len();
        }
    }
    tasks.sort_unstable();
    assert_eq!(
        tasks,
        [
            "autoencoder",
            "autoencoder",
            "diffusion",
            "diffusion",
            "diffusion",
            "hip-detail",
            "hips",
            "reader",
            "refiner"
        ]
    );
    assert!(bytes < 60_000_000, "{bytes} bytes");
}

/// Maps that are certain of one cell each: `(column, row)` of centre and rim.
fn certain(cells: usize, center: (usize, usize), rim: (usize, usize)) -> Tensor {
    let mut maps = vec![0.0_f32; 8 * cells * cells];
    for (map, (x, y)) in [center, rim, center, rim].into_iter().enumerate() {
        maps[map * cells * cells + y * cells + x] = 60.0;
    }
    maps[4 * cells * cells..5 * cells * cells].fill(2.0_f32.ln());
    Tensor::from_vec(maps, (1, 8, cells, cells), &Device::Cpu).unwrap()
}

#[test]
fn the_second_look_gives_points_of_the_image() {
    use radcanvas::network::hips::detail::{Look, joined, square};
    let hip = |x: f64, rim: f64| Hip {
        center: Point::new(x, 100.0),
        radius: 10.0,
        rim: Point::new(rim, 90.0),
    };
    let found = HipLandmarks {
        left: hip(200.0, 210.0),
        right: hip(100.0, 90.0),
        pixel_spacing_mm: None,
    };
    let (center, length) = square(&found, Side::Left, 0.5);
    assert_eq!((center, length), (Point::new(205.0, 95.0), 50.0));
    // One cell is 4 pixels of the look; a look of 32 pixels over 64 image pixels: a cell is 8 of them.
    let looks = [
        Look::new(Side::Left, Point::new(200.0, 100.0), 64.0, 32),
        Look::new(Side::Right, Point::new(100.0, 100.0), 64.0, 32),
    ];
    let maps = certain(8, (4, 4), (6, 2));
    let maps = Tensor::cat(&[&maps, &maps], 0).unwrap();
    let read = joined(&maps, &looks, &Calibration::default()).unwrap();
    let near = |p: Point, x: f64, y: f64| assert!(p.distance(Point::new(x, y)) < 1e-6, "{p:?}");
    // Cell 4 is centred on pixel 17.5 of 0 to 31, 2 beyond the middle; the right hip is seen mirrored.
    near(read.points[0].at, 204.0, 104.0);
    near(read.points[1].at, 220.0, 88.0);
    near(read.points[2].at, 96.0, 104.0);
    near(read.points[3].at, 80.0, 88.0);
    for radius in read.radii {
        assert!((radius - 16.0).abs() < 1e-4, "{radius}");
    }
    let one_sided = joined(&maps, &[looks[0], looks[0]], &Calibration::default());
    assert!(one_sided.is_err(), "a hip that was not looked at");
}
