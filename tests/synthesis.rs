//! Generation and compositing.

use radcanvas::geometry::{PixelRect, Point};
use radcanvas::grid::Grid;
use radcanvas::job::Sampler;
use radcanvas::landmarks::{Hip, HipLandmarks};
use radcanvas::noise::Noise;
use radcanvas::radiograph::{DisplayWindow, ModalityTransform, Photometric, Pixels, Radiograph};
use radcanvas::signal::resize::{resize, resize_lines};
use radcanvas::synthesis::composite::{blend, compose};
use radcanvas::synthesis::crop::CropTransform;
use radcanvas::synthesis::grey::GreyMap;
use radcanvas::synthesis::sampler::{grid, walk};

fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b} ± {tolerance}");
}

#[test]
fn resizing_keeps_constants_and_means() {
    let mut noise = Noise::new(1, 0);
    for (from, to) in [
        (7, 3),
        (3, 7),
        (256, 31),
        (31, 256),
        (10, 10),
        (1, 5),
        (5, 1),
    ] {
        let flat = Grid::filled(from, from, 0.37_f32);
        let resized = resize(&flat, to, to);
        assert!(
            resized.cells().iter().all(|v| (v - 0.37).abs() < 1e-5),
            "{from} to {to}"
        );
        if to < from {
            let rough = Grid::from_fn(from, from, |_, _| noise.uniform() as f32);
            let mean = |g: &Grid<f32>| g.cells().iter().sum::<f32>() / g.len() as f32;
            near(
                f64::from(mean(&resize(&rough, to, to))),
                f64::from(mean(&rough)),
                1e-4,
            );
        }
    }
}

#[test]
fn enlarging_keeps_a_ramp_and_does_not_shift_it() {
    let ramp = Grid::from_fn(8, 1, |x, _| x as f32);
    let large = resize(&ramp, 32, 1);
    // Centers: cell 16 of 32 lies at (16.5 · 8/32 − 0.5) = 3.625.
    near(f64::from(large[(16, 0)]), 3.625, 1e-5);
}

#[test]
fn a_thin_line_survives_shrinking() {
    let line = Grid::from_fn(1000, 1000, |x, _| if x == 517 { 255 } else { 0 });
    let small = resize_lines(&line, 64, 64);
    for y in 0..64 {
        assert_eq!(
            small.row(y).iter().filter(|v| **v == 1.0).count(),
            1,
            "row {y}"
        );
    }
}

#[test]
fn the_crop_is_one_transform_for_everything() {
    let mut noise = Noise::new(3, 0);
    for _ in 0..100 {
        let size = (noise.index(3000) + 20, noise.index(3000) + 20);
        let bounds = PixelRect::new(
            noise.index(size.0) as i64,
            noise.index(size.1) as i64,
            noise.index(size.0 / 3 + 1) + 1,
            noise.index(size.1 / 3 + 1) + 1,
        )
        .intersection(PixelRect::new(0, 0, size.0, size.1));
        let crop = CropTransform::around(size, bounds, 256);
        let region = crop.region;
        assert_eq!(region.width, region.height);
        assert_eq!(
            region.intersection(bounds),
            bounds,
            "{region:?} holds {bounds:?}"
        );
        let p = Point::new(noise.range(0.0, 256.0), noise.range(0.0, 256.0));
        let back = crop
            .model_from_image()
            .apply(crop.image_from_model().apply(p));
        near(back.distance(p), 0.0, 1e-9);
        // Where a hip point lands is where the pixels under it land.
        let hip = Hip {
            center: Point::new(30.0, 40.0),
            radius: 5.0,
            rim: Point::new(35.0, 30.0),
        };
        let points = HipLandmarks {
            left: hip,
            right: hip,
            pixel_spacing_mm: None,
        };
        let there = crop
            .landmarks_to_model(&points)
            .mapped(&crop.image_from_model());
        near(there.left.center.distance(hip.center), 0.0, 1e-9);
        near(there.left.radius, 5.0, 1e-9);
    }
}

#[test]
fn grey_maps_there_and_back() {
    let check = |photometric, slope: f64, intercept: f64, window: DisplayWindow| {
        let values: Vec<u16> = (0..4096).step_by(63).collect();
        let n = values.len();
        let mut film = Radiograph::from_pixels(Pixels::U16(Grid::from_vec(n, 1, values).unwrap()));
        film.photometric = photometric;
        film.modality_transform = ModalityTransform::Linear { slope, intercept };
        let map = GreyMap::new(&film, Some(&window)).unwrap();
        let stored = film.pixels.to_f32();
        let grey = map.grey(&stored);
        let back = map.stored(&grey);
        for i in 0..n {
            let (g, s, b) = (grey[(i, 0)], stored[(i, 0)], back[(i, 0)]);
            if g > 0.0 && g < 1.0 {
                assert!((s - b).abs() < 0.01, "{s} came back as {b}");
            }
        }
        // The same grey as the view's, up to LINEAR's half value.
        let view = film.grey(&window);
        for i in 0..n {
            near(f64::from(view[(i, 0)]), f64::from(grey[(i, 0)]), 1e-5);
        }
    };
    let window = |low: f64, high: f64| DisplayWindow::from_range(low, high);
    check(Photometric::Monochrome2, 1.0, 0.0, window(0.0, 4095.0));
    check(Photometric::Monochrome1, 1.0, 0.0, window(500.0, 3000.0));
    check(
        Photometric::Monochrome2,
        2.0,
        -1000.0,
        window(-500.0, 2000.0),
    );
    check(Photometric::Monochrome2, -1.0, 4095.0, window(0.0, 4095.0));
    let flat = Radiograph::from_pixels(Pixels::U8(Grid::filled(4, 4, 9)));
    let mut broken = flat.clone();
    broken.modality_transform = ModalityTransform::Linear {
        slope: 0.0,
        intercept: 0.0,
    };
    assert!(GreyMap::new(&broken, None).is_err());
    assert!(GreyMap::new(&flat, None).is_ok());
}

fn random_pixels(noise: &mut Noise, width: usize, height: usize) -> Pixels {
    match noise.index(4) {
        0 => Pixels::U8(Grid::from_fn(width, height, |_, _| noise.bits() as u8)),
        1 => Pixels::U16(Grid::from_fn(width, height, |_, _| noise.bits() as u16)),
        2 => Pixels::I16(Grid::from_fn(width, height, |_, _| noise.bits() as i16)),
        _ => Pixels::F32(Grid::from_fn(width, height, |_, _| {
            noise.range(-5.0, 5.0) as f32
        })),
    }
}

/// `RADCANVAS_COMPOSITES` masks instead of the suite's 300.
fn composites() -> u64 {
    let wanted = std::env::var("RADCANVAS_COMPOSITES");
    wanted.ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

#[test]
fn nothing_outside_the_ring_changes_whatever_the_mask_depth_crop_and_ring() {
    for case in 0..composites() {
        let mut noise = Noise::new(77, case);
        let (width, height) = (noise.index(90) + 1, noise.index(90) + 1);
        let source = random_pixels(&mut noise, width, height);
        let mut mask = Grid::filled(width, height, 0_u8);
        for _ in 0..=noise.index(4) {
            let (cx, cy) = (
                noise.range(0.0, width as f64),
                noise.range(0.0, height as f64),
            );
            let r = noise.range(0.5, 30.0);
            for y in 0..height {
                for x in 0..width {
                    if (x as f64 - cx).hypot(y as f64 - cy) < r {
                        mask[(x, y)] = 255;
                    }
                }
            }
        }
        let ring = if noise.chance(0.3) {
            0.0
        } else {
            noise.range(0.0, 20.0)
        };
        let model = [8, 32, 64][noise.index(3)];
        let bounds = radcanvas::document::mask::bounds(&mask).unwrap_or_default();
        let crop = CropTransform::around((width, height), bounds, model);
        let plan = blend(&mask, ring, crop.region);
        let patch = Grid::from_fn(plan.region.width, plan.region.height, |_, _| {
            noise.range(-1e5, 1e5) as f32
        });
        let made = compose(&source, &patch, &plan, case, 0);
        assert_eq!(made.changed_outside_ring, 0, "case {case}");
        assert_eq!(made.pixels.depth(), source.depth());
        // Said again without the composite's own book-keeping: farther than the ring, the bits are the source's.
        let reach = radcanvas::document::mask::distance_to(&mask);
        let far = source.count_different_where(&made.pixels, |x, y| {
            f64::from(reach[(x, y)]) > ring + 1.0 || (ring == 0.0 && mask[(x, y)] == 0)
        });
        assert_eq!(far, Some(0), "case {case}");
    }
}

#[test]
fn inside_the_mask_the_patch_counts_wholly() {
    let mask = Grid::from_fn(60, 60, |x, y| {
        if (20..40).contains(&x) && (20..40).contains(&y) {
            255
        } else {
            0
        }
    });
    let plan = blend(&mask, 5.0, PixelRect::new(0, 0, 60, 60));
    assert_eq!(plan.share[(30, 30)], 1.0);
    assert_eq!(plan.share[(20, 20)], 1.0);
    assert!(plan.share[(18, 30)] > 0.0 && plan.share[(18, 30)] < 1.0);
    assert_eq!(plan.share[(10, 30)], 0.0);
    let inward = blend(&mask, 0.0, PixelRect::new(0, 0, 60, 60));
    assert_eq!(inward.share[(30, 30)], 1.0);
    assert!(inward.share[(20, 30)] > 0.0 && inward.share[(20, 30)] < 0.2);
    assert_eq!(inward.share[(19, 30)], 0.0);
}

#[test]
fn a_composite_is_quantised_once_and_rounded() {
    let source = Pixels::U8(Grid::filled(40, 40, 100));
    let mask = Grid::filled(40, 40, 255_u8);
    let plan = blend(&mask, 0.0, PixelRect::new(0, 0, 40, 40));
    let patch = Grid::filled(40, 40, 120.6_f32);
    let made = compose(&source, &patch, &plan, 1, 0);
    assert_eq!(made.pixels.value(20, 20), Some(121.0));
}

#[test]
fn an_exact_velocity_leads_from_noise_to_the_image_in_one_step() {
    use candle_core::{Device, Tensor};
    let clean = Tensor::from_vec(Noise::new(4, 0).normals(64), (1, 4, 4, 4), &Device::Cpu).unwrap();
    let noise = Tensor::from_vec(Noise::new(4, 1).normals(64), (1, 4, 4, 4), &Device::Cpu).unwrap();
    for (steps, sampler) in [(1, Sampler::Ddim), (7, Sampler::Ddim), (5, Sampler::Ddpm)] {
        let answer = walk(
            noise.clone(),
            &noise,
            &grid(1.0, steps),
            sampler,
            None,
            // The velocity that leads to `clean` from wherever the walk is: (z − clean) / t.
            |z, step| (z - &clean)? / step.t,
            |step| {
                Tensor::from_vec(
                    Noise::new(9, step.index as u64).normals(64),
                    (1, 4, 4, 4),
                    &Device::Cpu,
                )
            },
        )
        .unwrap();
        let worst = (answer - &clean)
            .unwrap()
            .abs()
            .unwrap()
            .flatten_all()
            .unwrap();
        let worst: Vec<f32> = worst.to_vec1().unwrap();
        assert!(worst.iter().all(|v| *v < 1e-4), "{steps} steps");
    }
}

#[test]
fn the_time_grid_begins_where_asked_and_ends_clean() {
    for (start, steps) in [(1.0, 1), (1.0, 8), (0.4, 3)] {
        let steps = grid(start, steps);
        near(steps[0].t, start, 1e-12);
        near(steps[steps.len() - 1].next, 0.0, 0.0);
        assert!(steps.windows(2).all(|pair| pair[0].next == pair[1].t));
    }
}
