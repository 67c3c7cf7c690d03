//! Lossless JPEG: what a plain encoder writes comes back in every pixel, whatever the predictor and the depth.

use radcanvas::noise::Noise;
use radcanvas::radiograph::{Pixels, open_bytes};

/// What is encoded, and how.
#[derive(Clone, Copy, Debug)]
struct Way {
    size: (usize, usize),
    components: usize,
    precision: u32,
    predictor: u8,
    shift: u32,
    /// Lines between two restart markers, 0 = none.
    restart_lines: usize,
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, size: u32) {
        for at in (0..size).rev() {
            self.held = self.held << 1 | (value >> at & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.held as u8);
                if self.held == 0xFF {
                    self.bytes.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    fn pad(&mut self) {
        while self.count > 0 {
            self.put(1, 1);
        }
    }
}

/// Codes of the 17 categories, from 2 to 16 bits long, so that long ones are met too.
const COUNTS: [u8; 16] = [0, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2];

fn codes() -> Vec<(u32, u32)> {
    let (mut code, mut codes) = (0, Vec::new());
    for (length, count) in (1..).zip(COUNTS) {
        for _ in 0..count {
            codes.push((code, length));
            code += 1;
        }
        code <<= 1;
    }
    codes
}

/// T.81, process 14, straight from its text.
fn encoded(samples: &[u16], way: Way) -> Vec<u8> {
    let ((width, height), n) = (way.size, way.components);
    let mut file = vec![0xFF, 0xD8];
    let mut segment = |marker: u8, body: &[u8]| {
        file.extend([0xFF, marker]);
        file.extend((body.len() as u16 + 2).to_be_bytes());
        file.extend(body);
    };
    let mut frame = vec![way.precision as u8];
    frame.extend((height as u16).to_be_bytes());
    frame.extend((width as u16).to_be_bytes());
    frame.push(n as u8);
    let mut scan = vec![n as u8];
    for name in &b"RGB"[..n] {
        frame.extend([*name, 0x11, 0]);
        scan.extend([*name, 0]);
    }
    scan.extend([way.predictor, 0, way.shift as u8]);
    segment(0xC3, &frame);
    let mut table = vec![0];
    table.extend(COUNTS);
    table.extend(0..=16_u8);
    segment(0xC4, &table);
    let interval = (way.restart_lines * width) as u16;
    segment(0xDD, &interval.to_be_bytes());
    segment(0xDA, &scan);
    let codes = codes();
    let mut bits = Bits::default();
    let sample =
        |x: usize, y: usize, c: usize| i32::from(samples[(y * width + x) * n + c] >> way.shift);
    for y in 0..height {
        let begins = y == 0 || way.restart_lines > 0 && y % way.restart_lines == 0;
        if begins && y > 0 {
            bits.pad();
            let number = (y / way.restart_lines - 1) % 8;
            bits.bytes.extend([0xFF, 0xD0 + number as u8]);
        }
        for x in 0..width {
            for c in 0..n {
                let prediction = match (begins, x) {
                    (true, 0) => 1 << (way.precision - way.shift - 1),
                    (true, _) => sample(x - 1, y, c),
                    (false, 0) => sample(x, y - 1, c),
                    (false, _) => {
                        let left = sample(x - 1, y, c);
                        let above = sample(x, y - 1, c);
                        let corner = sample(x - 1, y - 1, c);
                        match way.predictor {
                            1 => left,
                            2 => above,
                            3 => corner,
                            4 => left + above - corner,
                            5 => left + ((above - corner) >> 1),
                            6 => above + ((left - corner) >> 1),
                            _ => (left + above) >> 1,
                        }
                    }
                };
                let apart = (sample(x, y, c) - prediction) & 0xFFFF;
                let apart = if apart > 32768 { apart - 65536 } else { apart };
                let category = 32 - apart.unsigned_abs().leading_zeros();
                let (code, length) = codes[category as usize];
                bits.put(code, length);
                if category < 16 {
                    let low = if apart < 0 { apart - 1 } else { apart };
                    bits.put(low as u32 & ((1 << category) - 1), category);
                }
            }
        }
    }
    bits.pad();
    file.extend(bits.bytes);
    file.extend([0xFF, 0xD9]);
    file
}

/// Noise where `wild`, which meets every category; else a slope with grain, as films are.
fn samples(way: Way, wild: bool, seed: u64) -> Vec<u16> {
    let mut noise = Noise::new(seed, 0);
    let most = f64::from((1_u32 << way.precision) - 1);
    let count = way.size.0 * way.size.1 * way.components;
    (0..count)
        .map(|at| {
            let value = if wild {
                noise.range(0.0, most + 1.0)
            } else {
                most * at as f64 / count as f64 + noise.range(-3.0, 3.0)
            };
            (value.clamp(0.0, most) as u16) >> way.shift << way.shift
        })
        .collect()
}

#[test]
fn every_predictor_and_depth_comes_back_in_every_pixel() {
    let mut number = 0;
    for predictor in 1..=7 {
        for (precision, shift) in [(8, 0), (10, 2), (12, 0), (16, 0)] {
            for restart_lines in [0, 1, 5] {
                number += 1;
                let way = Way {
                    size: (37, 23),
                    components: 1,
                    precision,
                    predictor,
                    shift,
                    restart_lines,
                };
                let samples = samples(way, number % 2 == 0, number);
                let file = open_bytes("a.jpg", encoded(&samples, way)).unwrap();
                let image = file.frame(0).unwrap();
                let found: Vec<u16> = match &image.pixels {
                    Pixels::U8(grid) => grid.cells().iter().map(|v| u16::from(*v)).collect(),
                    Pixels::U16(grid) => grid.cells().to_vec(),
                    other => panic!("{other:?}"),
                };
                assert_eq!(precision > 8, matches!(image.pixels, Pixels::U16(_)));
                assert!(found == samples, "{way:?}");
            }
        }
    }
}

#[test]
fn three_components_side_by_side_come_back_as_colors() {
    for predictor in [1, 4, 7] {
        let way = Way {
            size: (19, 12),
            components: 3,
            precision: 8,
            predictor,
            shift: 0,
            restart_lines: 4,
        };
        let samples = samples(way, true, 3);
        let file = open_bytes("a.jpg", encoded(&samples, way)).unwrap();
        let image = file.frame(0).unwrap();
        let color = image.color().unwrap();
        let found: Vec<u16> = color
            .cells()
            .as_flattened()
            .iter()
            .map(|v| u16::from(*v))
            .collect();
        assert_eq!(found, samples, "{predictor}");
    }
}

#[test]
fn a_stream_that_ends_early_or_skips_a_marker_is_no_image() {
    let way = Way {
        size: (37, 23),
        components: 1,
        precision: 12,
        predictor: 1,
        shift: 0,
        restart_lines: 5,
    };
    let samples = samples(way, true, 9);
    let whole = encoded(&samples, way);
    let cut = whole[..whole.len() / 2].to_vec();
    let mut skipped = whole.clone();
    let marker = skipped
        .windows(2)
        .position(|two| two == [0xFF, 0xD1])
        .unwrap();
    skipped.drain(marker..marker + 2);
    for damaged in [cut, skipped] {
        let read = open_bytes("a.jpg", damaged).and_then(|file| file.frame(0));
        let same = read.is_ok_and(|image| match image.pixels {
            Pixels::U16(grid) => grid.cells() == samples,
            _ => false,
        });
        assert!(!same);
    }
}
