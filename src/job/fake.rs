//! `Fake`: an engine without weights, for tests of everything on this side of the seam.
//!
//! It makes plain images that obey the contract (native depth, mark, nothing changed outside the ring), counts its
//! steps, can be slow, fail and panic.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Engine, Error, ErrorKind, GivenNoise, HipReading, Made, Measurement, Mode, Observe, Order,
    Outcome, Product, Progress, Reading, Request, Seam,
};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::landmarks::{Hip, HipLandmarks};
use crate::noise::Noise;
use crate::radiograph::{Pixels, Radiograph, SyntheticMark};

/// Seed at which the fake panics.
pub const PANIC_SEED: u64 = 0xDEAD;
/// Seed at which the fake fails.
pub const FAIL_SEED: u64 = 0xFA11;
/// Seed at which the fake makes images whose femoral heads cannot be found.
pub const HEADLESS_SEED: u64 = 0x4EAD;

/// An engine that makes plain images.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    /// How long one step takes.
    pub step: Duration,
}

impl Engine for Fake {
    fn carry_out(&mut self, order: &Order, observe: &mut Observe<'_>) -> Result<Product, Error> {
        match order {
            Order::Generate(request) => self.generate(request, observe).map(Product::Outcome),
            Order::Measure(Measurement::Hips { radiograph, .. }) => {
                Ok(Product::Reading(Reading::Hips(hips(radiograph, true))))
            }
            Order::Measure(Measurement::Saliency { radiograph, .. }) => {
                Ok(Product::Reading(Reading::Saliency(vec![
                    radiograph.grey(&radiograph.initial_window()),
                ])))
            }
            Order::Measure(Measurement::Kind { .. }) => {
                let sure = [("hip", 0.9), ("chest", 0.1)];
                let sure = sure.map(|(kind, share)| (kind.to_owned(), share));
                Ok(Product::Reading(Reading::Kind(sure.to_vec())))
            }
            Order::Train(_) | Order::Study(_) => Err(Error::new(
                ErrorKind::Failed,
                "the fake engine neither trains nor studies",
            )),
        }
    }
}

impl Fake {
    fn generate(&self, request: &Request, observe: &mut Observe<'_>) -> Result<Outcome, Error> {
        assert!(request.seed != PANIC_SEED, "asked to panic");
        if request.seed == FAIL_SEED {
            return Err(Error::new(ErrorKind::Model, "asked to fail").remedy("use another seed"));
        }
        for step in 1..=request.steps {
            // A slow engine is what the tests of cancelling need.
            std::thread::sleep(self.step);
            let progress = Progress {
                stage: "denoising".to_owned(),
                step,
                steps: request.steps,
                seconds_left: None,
                preview: None,
                value: None,
            };
            if observe(progress).is_break() {
                return Err(Error::stopped());
            }
        }
        let images = (0..request.count as u64)
            .map(|n| made(request, request.first_image + n))
            .collect();
        Ok(Outcome {
            request: Arc::new(request.clone()),
            images,
            seconds: self.step.as_secs_f64() * request.steps as f64,
        })
    }
}

fn made(request: &Request, image_number: u64) -> Made {
    let [width, height] = request.size.unwrap_or([64, 64]);
    let blank = || Radiograph::from_pixels(Pixels::U16(Grid::filled(width, height, 1000)));
    let source = request.source.clone().unwrap_or_else(|| Arc::new(blank()));
    let size = (source.width(), source.height());
    let changed = match (&request.mask, request.mode) {
        (Some(mask), Mode::Inpaint) if mask.size() == size => mask.clone(),
        (Some(mask), Mode::Outpaint) if mask.size() == size => mask.map(|m| 255 - m),
        _ => Grid::filled(size.0, size.1, 255),
    };
    let mut noise = Noise::new(request.seed, image_number);
    let (low, high) = source.pixels.range();
    let values = source.pixels.to_f32();
    let values = Grid::from_fn(size.0, size.1, |x, y| {
        if changed[(x, y)] > 0 {
            noise.range(low, high.max(low + 1.0)) as f32
        } else {
            values[(x, y)]
        }
    });
    let mut radiograph = (*source).clone();
    radiograph.replace_pixels(source.pixels.like(&values));
    radiograph.synthetic = Some(SyntheticMark {
        evidence: "made by this program".to_owned(),
        contribution: format!("fake engine, seed {}", request.seed),
    });
    let outside = source
        .pixels
        .count_different_where(&radiograph.pixels, |x, y| changed[(x, y)] == 0);
    let all = source.pixels.count_different(&radiograph.pixels);
    Made {
        image_number,
        changed_outside_ring: outside.unwrap_or(0),
        changed_inside: all.unwrap_or(0),
        seam: (request.mode != Mode::Sketch).then(|| Seam {
            gain: Some(1.0),
            offset: Some(0.0),
            jump: Some(1.0),
            noise_ratio: Some(1.0),
            ..Seam::default()
        }),
        hint_distance_px: request.hint.as_ref().map(|_| 1.0),
        hips: Some(hips(&radiograph, request.seed != HEADLESS_SEED)),
        saliency: vec![radiograph.grey(&radiograph.initial_window())],
        findings: vec![("effusion".to_owned(), noise.uniform())],
        decoder_tile_px: None,
        latent: request.preview.then(|| {
            let latent = GivenNoise {
                shape: [1, 1, 1],
                values: vec![request.seed as f32],
            };
            (changed.bounds(), latent)
        }),
        changed,
        radiograph: Arc::new(radiograph),
    }
}

fn hips(radiograph: &Radiograph, found: bool) -> HipReading {
    let (w, h) = (radiograph.width() as f64, radiograph.height() as f64);
    let hip = |x: f64, rim: f64| Hip {
        center: Point::new(w * x, h * 0.5),
        radius: w * 0.05,
        rim: Point::new(w * rim, h * 0.44),
    };
    HipReading {
        landmarks: HipLandmarks {
            left: hip(0.7, 0.72),
            right: hip(0.3, 0.28),
            pixel_spacing_mm: None,
        },
        left_interval_degrees: [100.0, 110.0],
        right_interval_degrees: [101.0, 111.0],
        point_sigma_px: [w * if found { 0.001 } else { 0.05 }; 4],
        warnings: Vec::new(),
    }
}
