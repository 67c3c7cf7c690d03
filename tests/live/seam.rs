//! Where patch and film meet: what the window clips, what cannot be compared, grain in bands and in the ring.

use std::ops::ControlFlow;
use std::sync::Arc;

use radcanvas::grid::Grid;
use radcanvas::job::record::hash_of;
use radcanvas::job::{ErrorKind, Made, Mode, ModelReference, Product, Request, Seam};
use radcanvas::measure::seam::{band_ratios, fit, moments, noise_ratio};
use radcanvas::network::folder::ModelFolder;
use radcanvas::noise::Noise;
use radcanvas::radiograph::{DisplayWindow, ModalityTransform, Pixels, Radiograph};
use radcanvas::signal::atrous::{Response, smoother};
use radcanvas::signal::blur::sampled_gaussian;
use radcanvas::synthesis::Readers;
use radcanvas::synthesis::composite::{Composite, Film, blend, compose};
use radcanvas::synthesis::frame::Frame;

use super::engine::{Bench, film, models, pixels, sketch};

fn disc(side: usize, at: (f64, f64), radius: f64) -> Grid<u8> {
    Grid::from_fn(side, side, |x, y| {
        let away = (x as f64 - at.0).hypot(y as f64 - at.1);
        if away < radius { 255 } else { 0 }
    })
}

fn inpaint(source: Radiograph, window: (f64, f64), mask: Grid<u8>) -> Request {
    let mut request = Request::new(Mode::Inpaint, ModelReference::default());
    request.source = Some(Arc::new(source));
    request.window = Some(DisplayWindow::from_range(window.0, window.1));
    request.mask = Some(mask);
    request
}

/// What a model makes that paints exactly what it was shown.
fn faithful(request: &Request) -> Made {
    let source = request.source.as_ref().unwrap();
    let frame = Frame::new(request, source.width()).unwrap();
    let grey = frame.grey(source);
    frame
        .finish(&Readers::default(), request, 0, &grey)
        .unwrap()
}

/// Mean of the modality values in the middle of the mask.
fn middle(made: &Made, at: (f64, f64)) -> f64 {
    let image = &made.radiograph;
    let side = image.width();
    let inside = disc(side, at, 12.0).map(|m| *m > 0);
    let (mean, _) = moments(&image.pixels.to_f32(), &inside).unwrap();
    image.modality_transform.apply(mean)
}

/// A head of 200 px: brain of 30 HU, skull at the right.
fn head(skull_from: usize) -> Radiograph {
    let mut noise = Noise::new(5, 0);
    let values = Grid::from_fn(200, 200, |x, y| {
        let hu = if x >= skull_from {
            900
        } else {
            26 + (x + y) as i32 % 9
        };
        (1024 + hu + noise.index(3) as i32 - 1) as u16
    });
    let mut source = Radiograph::from_pixels(Pixels::U16(values));
    source.modality_transform = ModalityTransform::Linear {
        slope: 1.0,
        intercept: -1024.0,
    };
    source
}

#[test]
fn skull_beyond_the_window_does_not_brighten_the_brain() {
    let at = (100.0, 100.0);
    let mut request = inpaint(head(160), (0.0, 80.0), disc(200, at, 44.0));
    let made = faithful(&request);
    let seam = made.seam.unwrap();
    assert!((seam.gain.unwrap() - 1.0).abs() < 0.02, "{seam:?}");
    assert!(!seam.clamped && seam.beyond_window == Some(0.0), "{seam:?}");
    assert!(
        (middle(&made, at) - 30.0).abs() < 2.0,
        "{}",
        middle(&made, at)
    );
    assert_eq!(made.changed_outside_ring, 0);
    // As it was, and as records of then still have it.
    request.composite = 0;
    assert!(middle(&faithful(&request), at) > 60.0);
    // The offset is held by the window's range, not by that of bone and air.
    request.composite = 1;
    let frame = Frame::new(&request, 200).unwrap();
    let far = frame
        .grey(request.source.as_ref().unwrap())
        .map(|v| v + 0.5);
    let made = frame
        .finish(&Readers::default(), &request, 0, &far)
        .unwrap();
    assert!(made.seam.unwrap().clamped);
    assert!((middle(&made, at) - 50.0).abs() < 3.0, "a quarter of 80 HU");
    // Bone in the mask does not come back: said.
    let over = inpaint(head(120), (0.0, 80.0), disc(200, at, 44.0));
    let beyond = faithful(&over).seam.unwrap().beyond_window.unwrap();
    assert!((0.1..0.5).contains(&beyond), "{beyond}");
}

#[test]
fn a_narrow_window_and_padding_leave_a_film_as_it_is() {
    let mut noise = Noise::new(6, 0);
    let values = Grid::from_fn(200, 200, |x, y| {
        // Air at the left, as bright as padding can be at the top.
        if y < 60 {
            1600
        } else if x < 54 {
            30
        } else {
            (1560 + (x + 2 * y) % 60 + noise.index(9)) as u16
        }
    });
    let mut source = Radiograph::from_pixels(Pixels::U16(values));
    source.padding = Some((1600.0, 1600.0));
    let at = (105.0, 115.0);
    let request = inpaint(source, (1500.0, 1700.0), disc(200, at, 40.0));
    let frame = Frame::new(&request, 200).unwrap();
    // A model does not paint padding.
    let mut grey = frame.grey(request.source.as_ref().unwrap());
    for y in 0..60 {
        grey.row_mut(y).fill(0.05);
    }
    let made = frame
        .finish(&Readers::default(), &request, 0, &grey)
        .unwrap();
    let seam = made.seam.unwrap();
    assert!((seam.gain.unwrap() - 1.0).abs() < 0.02, "{seam:?}");
    assert!(
        seam.offset.unwrap().abs() < 40.0 && !seam.clamped,
        "{seam:?}"
    );
    let source = request.source.as_ref().unwrap();
    let inside = disc(200, at, 12.0).map(|m| *m > 0);
    let mean = |pixels: &Pixels| moments(&pixels.to_f32(), &inside).unwrap().0;
    assert!((mean(&made.radiograph.pixels) - mean(&source.pixels)).abs() < 4.0);
}

#[test]
fn where_nothing_is_clipped_the_match_is_that_of_before() {
    let mut request = inpaint(
        (*film(90, 90)).clone(),
        (-1000.0, 9000.0),
        disc(90, (40.0, 45.0), 20.0),
    );
    let frame = Frame::new(&request, 90).unwrap();
    let grey = frame.grey(request.source.as_ref().unwrap());
    let grey = grey.map(|v| 0.93 * v + 0.01);
    let mut seam = |composite| {
        request.composite = composite;
        let made = frame.finish(&Readers::default(), &request, 0, &grey);
        made.unwrap().seam.unwrap()
    };
    let (now, then) = (seam(1), seam(0));
    assert_eq!(
        (now.gain, now.offset, now.clamped),
        (then.gain, then.offset, then.clamped)
    );
    assert!(now.gain.is_some() && !now.clamped, "{now:?}");
}

#[test]
fn a_number_that_cannot_be_had_is_absent() {
    // All that lies near the mask is bone.
    let request = inpaint(head(40), (0.0, 80.0), disc(200, (120.0, 100.0), 30.0));
    let seam = faithful(&request).seam.unwrap();
    assert_eq!((seam.gain, seam.offset, seam.clamped), (None, None, false));
    assert_eq!((seam.noise_ratio, seam.ring_noise_ratio), (None, None));
    let text = serde_json::to_value(seam).unwrap();
    assert!(text["gain"].is_null() && text["noise_ratio"].is_null());
    assert_eq!(serde_json::from_value::<Seam>(text).unwrap(), seam);
    // As records had it before.
    let old = r#"{"gain":1.02,"offset":-3.5,"jump":1.1,"noise_ratio":0.9}"#;
    let old: Seam = serde_json::from_str(old).unwrap();
    assert_eq!(
        (old.gain, old.jump, old.beyond_window),
        (Some(1.02), Some(1.1), None)
    );
}

#[test]
fn detail_that_a_patch_lacks_is_no_contrast_of_its_tones() {
    let mut noise = Noise::new(12, 0);
    let tones = Grid::from_fn(96, 96, |x, y| {
        (1000.0 + 3.0 * x as f64 + 40.0 * (y as f64 / 9.0).sin()) as f32
    });
    let film = tones.map(|tone| 1.1 * tone - 50.0 + 90.0 * noise.normal() as f32);
    let source = Pixels::F32(film.clone());
    let outside = tones.map(|_| true);
    let found = fit(&tones, &film, &outside, 2000.0).unwrap();
    assert!(
        (found.gain - 1.1).abs() < 0.05 && !found.clamped,
        "{found:?}"
    );
    // Up to composite 2 it was the ratio of the deviations.
    let plan = blend(&disc(96, (48.0, 48.0), 20.0), 2.0, tones.bounds());
    let gain = |composite| {
        let film = Film {
            composite,
            ..Film::from(&source)
        };
        compose(film, &tones, &plan, 1, 0).seam.gain.unwrap()
    };
    assert!((gain(3) - 1.1).abs() < 0.08, "{}", gain(3));
    assert!(gain(2) > 1.2, "{}", gain(2));
}

#[test]
fn bands_add_up_and_noise_is_shaped_as_asked() {
    let mut noise = Noise::new(8, 0);
    let image = Grid::from_vec(256, 256, noise.normals(256 * 256)).unwrap();
    let response = Response::new(4, 0.0);
    // A blur makes the finest band less sharp.
    let sharpness = [0.0, 0.5, 1.0, 2.0].map(|blur| Response::new(1, blur).sharpness());
    assert!(sharpness.is_sorted_by(|a, b| a > b), "{sharpness:?}");
    let white = response.amplitudes(&[1.0, 0.0, 0.0, 0.0]);
    assert!((response.power(&white, 0) - 1.0).abs() < 0.2, "{white:?}");
    let mut left = image.clone();
    let mut sum = Grid::filled(256, 256, 0.0_f32);
    for k in 0..4 {
        let next = smoother(&left, k);
        let mut square = 0.0;
        for ((sum, a), b) in sum
            .cells_mut()
            .iter_mut()
            .zip(left.cells())
            .zip(next.cells())
        {
            *sum += a - b;
            square += f64::from(a - b).powi(2) / 65536.0;
        }
        let power = response.power(&[1.0; 4], k);
        // Of all bands at once, white noise is what is left when the coarsest are gone: the band's own power nearly.
        assert!(
            square < 1.3 * power && square > 0.6 * power,
            "{k}: {square} {power}"
        );
        left = next;
    }
    for ((sum, left), image) in sum.cells().iter().zip(left.cells()).zip(image.cells()) {
        assert!((sum + left - image).abs() < 1e-5);
    }
}

/// A film of even grain whose power lies at `blur` pixels, and a patch without any, put into it.
fn grainy(blur: f64, ring: f64) -> (Composite, Grid<bool>, Grid<bool>, Grid<bool>) {
    let mut noise = Noise::new(9, 0);
    let white = Grid::from_vec(256, 256, noise.normals(256 * 256)).unwrap();
    let grain = sampled_gaussian(&white, blur.max(0.01));
    let scale = 40.0 * (1.0 + 2.0 * blur) as f32;
    let source = Pixels::U16(grain.map(|v| (4000.0 + scale * v).round().max(0.0) as u16));
    let mask = disc(256, (128.0, 128.0), 60.0);
    let plan = blend(&mask, ring, source.to_f32().bounds());
    let patch = Grid::filled(256, 256, 4000.0_f32);
    let made = compose(&source, &patch, &plan, 3, 0);
    assert_eq!(made.changed_outside_ring, 0);
    let again = compose(&source, &patch, &plan, 3, 0);
    assert_eq!(hash_of(&again.pixels), hash_of(&made.pixels));
    let inside = plan.share.map(|s| *s >= 1.0);
    let meeting = plan.share.map(|s| (0.3..0.7).contains(s));
    let outside = plan.share.map(|s| *s == 0.0);
    (made, inside, meeting, outside)
}

#[test]
fn grain_is_matched_in_every_band() {
    for blur in [0.0, 0.8, 1.2] {
        let (made, inside, _, outside) = grainy(blur, 6.0);
        let ratios = band_ratios(&made.pixels.to_f32(), &inside, &outside);
        for (k, ratio) in ratios.iter().enumerate() {
            let ratio = ratio.unwrap();
            // The coarsest squares are few: their medians scatter. At the finest, blurred grain has next to nothing.
            let most = match k {
                0 if blur > 0.0 => 2.5,
                3 => 2.2,
                _ => 1.5,
            };
            assert!(
                ratio > 1.0 / most && ratio < most,
                "blur {blur}: {ratios:?}"
            );
        }
        assert!(made.seam.noise_bands[1].is_some());
    }
}

#[test]
fn vessels_of_a_small_part_that_is_kept_are_no_grain_of_the_film() {
    let mut noise = Noise::new(11, 0);
    let kept = disc(256, (128.0, 128.0), 40.0);
    let value = |x: usize, y: usize| {
        let vessels = ((x as f64 * 1.3).sin() + (y as f64 * 1.1).sin()) * 150.0;
        let own = if kept[(x, y)] > 0 { vessels } else { 0.0 };
        (4000.0 + own + 12.0 * noise.normal()) as u16
    };
    let mut values = Grid::from_fn(256, 256, value);
    // Room that was added to the film has no grain, and takes none from it.
    values.cells_mut()[..256 * 100].fill(4000);
    let source = Pixels::U16(values);
    let plan = blend(&kept.map(|k| 255 - k), 4.0, source.to_f32().bounds());
    let patch = Grid::filled(256, 256, 4000.0_f32);
    let made = compose(&source, &patch, &plan, 3, 0).pixels.to_f32();
    let renewed = plan.share.map(|s| *s >= 1.0);
    let film = Grid::from_fn(256, 256, |x, y| y > 180 && renewed[(x, y)]);
    let deviation = |image: &Grid<f32>| moments(image, &film).unwrap().1;
    let (was, is) = (deviation(&source.to_f32()), deviation(&made));
    assert!((11.0..13.0).contains(&was), "{was}");
    assert!(is > 0.6 * was && is < 1.7 * was, "{is} of {was}");
}

#[test]
fn grain_keeps_its_power_half_way_through_the_ring() {
    for blur in [0.0, 1.0] {
        let (made, _, meeting, outside) = grainy(blur, 20.0);
        let ratio = noise_ratio(&made.pixels.to_f32(), &meeting, &outside).unwrap();
        let most = if blur > 0.0 { 1.6 } else { 1.2 };
        assert!((0.85..most).contains(&ratio), "blur {blur}: {ratio}");
        let told = made.seam.ring_noise_ratio.unwrap();
        assert!((told - ratio).abs() < 0.25, "{told} {ratio}");
    }
    // A patch that is the film itself: both grains are one, and square roots would double it.
    let source = film(120, 120).pixels.clone();
    let mask = disc(120, (60.0, 60.0), 25.0);
    let plan = blend(&mask, 12.0, source.to_f32().bounds());
    let made = compose(&source, &source.to_f32(), &plan, 1, 0);
    let ratio = made.seam.ring_noise_ratio.unwrap();
    assert!((0.7..1.4).contains(&ratio), "{ratio}");
}

#[test]
fn an_edge_through_the_ring_is_no_grain() {
    let mut noise = Noise::new(10, 0);
    let value = |x: usize, noise: &mut Noise| {
        let bone = if x > 60 { 900.0 } else { 0.0 };
        1000.0 + bone + 8.0 * noise.normal()
    };
    let source = Grid::from_fn(128, 128, |x, _| value(x, &mut noise) as u16);
    let source = Pixels::U16(source);
    let patch = Grid::from_fn(128, 128, |x, _| value(x, &mut noise) as f32);
    let plan = blend(&disc(128, (64.0, 64.0), 28.0), 14.0, patch.bounds());
    let made = compose(&source, &patch, &plan, 2, 0);
    let result = made.pixels.to_f32();
    let share = &plan.share;
    for y in 0..128 {
        for x in 0..128 {
            if (0.01..0.99).contains(&share[(x, y)]) {
                let expected = if x > 60 { 1900.0 } else { 1000.0 };
                let off = (result[(x, y)] - expected).abs();
                assert!(off < 75.0, "{x} {y}: {off}");
            }
        }
    }
}

#[test]
fn records_of_before_are_put_together_as_then() {
    let mut noise = Noise::new(11, 0);
    let source = Grid::from_fn(80, 80, |x, y| {
        (900 + 4 * x + 3 * y + noise.index(12)) as u16
    });
    let source = Pixels::U16(source);
    // Grainier than the film, so that no new grain is drawn: logarithms differ between systems.
    let patch = source.to_f32();
    let patch = patch.map(|v| 0.9 * v + 60.0 + noise.index(90) as f32);
    let plan = blend(&disc(80, (38.0, 42.0), 18.0), 5.0, patch.bounds());
    let film = Film {
        composite: 0,
        ..Film::from(&source)
    };
    let then = compose(film, &patch, &plan, 4, 1);
    assert_eq!(
        hash_of(&then.pixels),
        "0290a4eb7ee85947668ac5c378e6992012d2f2e1603b7ffdf6320890294489e4"
    );
    let now = compose(&source, &patch, &plan, 4, 1);
    assert_ne!(hash_of(&now.pixels), hash_of(&then.pixels));
    // A request without the field is one of then.
    let mut value = serde_json::to_value(sketch()).unwrap();
    assert!(value.as_object_mut().unwrap().remove("composite").is_some());
    let old: Request = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(old.composite, 0);
    assert_eq!(serde_json::to_value(&old).unwrap(), value);
}

#[test]
fn what_is_renewed_begins_at_the_tone_of_its_surroundings() {
    let begun = |context: &str, composite: u32| {
        let folder = tempfile::tempdir().unwrap();
        models(folder.path(), false);
        let mut model = ModelFolder::open(&folder.path().join("diffusion")).unwrap();
        model.card.configuration["context"] = context.into();
        model.save_card().unwrap();
        let mut request = inpaint(
            (*film(64, 64)).clone(),
            (0.0, 3000.0),
            disc(64, (28.0, 28.0), 3.0),
        );
        request.ring.px = 1.0;
        "hip".clone_into(&mut request.attributes.kind);
        (request.steps, request.preview, request.composite) = (4, true, composite);
        let made = Bench::over(folder).ask(&request).images.remove(0);
        made.latent.unwrap().1.values
    };
    // With a smooth continuation the walk begins in it, with grey or in records of then at noise alone.
    assert!(begun("filled", 3) != begun("filled", 2));
    assert!(begun("grey", 3) == begun("grey", 2));
}

#[test]
fn a_large_part_is_gone_over_twice_in_squares() {
    let mut bench = Bench::new(false);
    let mut request = sketch();
    request.mode = Mode::Outpaint;
    request.source = Some(film(300, 200));
    request.hint = None;
    request.mask = Some(Grid::from_fn(300, 200, |x, y| {
        if (100..190).contains(&x) && (60..150).contains(&y) {
            255
        } else {
            0
        }
    }));
    request.steps = 5;
    let mut seen = Vec::new();
    let product = bench.asked(&request, &mut |progress| {
        seen.push((progress.step, progress.steps));
        ControlFlow::Continue(())
    });
    let Ok(Product::Outcome(outcome)) = product else {
        panic!("no image");
    };
    // What comes before the plan is known counts no steps.
    let all = seen.last().map_or(0, |(_, of)| *of);
    seen.retain(|(_, of)| *of == all);
    assert!(all > 5, "{all} steps");
    let squares = (all - 5) / 2;
    assert!(
        (2..=9).contains(&squares) && all == 5 + 2 * squares,
        "{all} steps"
    );
    assert!(seen.is_sorted(), "{seen:?}");
    // Asked between steps too: each number comes at least once.
    let mut steps: Vec<usize> = seen.iter().map(|(step, _)| *step).collect();
    steps.dedup();
    assert_eq!(steps, (0..=all).collect::<Vec<_>>());
    let twice = &outcome.images[0];
    assert_eq!(twice.changed_outside_ring, 0);
    assert!(twice.seam.unwrap().jump.is_some());
    let again = bench.ask(&outcome.request);
    assert_eq!(pixels(&again.images[0]), pixels(twice), "to the last bit");
    // It is stopped before any square's step.
    for stop in [5, 6, all - 1] {
        let mut over = false;
        let product = bench.asked(&request, &mut |progress| {
            assert!(!over, "asked again");
            over = progress.steps == all && progress.step == stop;
            if over {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(product.unwrap_err().kind, ErrorKind::Stopped);
        assert!(over);
    }
    // A record of before has one pass here.
    request.composite = 0;
    let mut steps = 0;
    let order = bench.asked(&request, &mut |progress| {
        steps = progress.steps;
        ControlFlow::Continue(())
    });
    assert!(order.is_ok() && steps == 5, "{steps}");
    request.composite = 99;
    let refused = bench.asked(&request, &mut |_| ControlFlow::Continue(()));
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Usage);
}
