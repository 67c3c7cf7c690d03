//! JPEG-LS with several components, in any interleave mode (ITU-T T.87, Annexes A to C).
//!
//! Separate, and our own, because the decoder for one component refuses these.

use super::jpeg::Header;
use crate::radiograph::error::ReadProblem;

/// Run length order (T.87 A.2.1).
const ORDER: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

fn damaged(why: &str) -> ReadProblem {
    ReadProblem::Damaged(format!("JPEG-LS: {why}"))
}

/// Bits of a scan: the byte after 0xFF carries seven.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u32,
    count: u32,
    after_ff: bool,
    past_end: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> u32 {
        if self.count == 0 {
            let byte = match self.bytes.get(self.at) {
                Some(byte) if !(self.after_ff && *byte >= 0x80) => {
                    self.at += 1;
                    *byte
                }
                _ => {
                    self.past_end += 1;
                    0
                }
            };
            self.count = if self.after_ff { 7 } else { 8 };
            self.after_ff = byte == 0xFF;
            self.held = u32::from(byte);
        }
        self.count -= 1;
        self.held >> self.count & 1
    }

    fn bits(&mut self, count: u32) -> i32 {
        (0..count).fold(0, |value, _| value << 1 | self.bit() as i32)
    }

    /// Limited-length Golomb code (A.5.3).
    fn golomb(&mut self, k: u32, limit: u32, escape_bits: u32) -> i32 {
        let mut zeros = 0;
        let most = limit.saturating_sub(escape_bits + 1);
        while zeros < most && self.bit() == 0 {
            zeros += 1;
        }
        if zeros < most {
            (zeros as i32) << k | self.bits(k)
        } else {
            // The one that ends the longest run of zeros.
            self.bit();
            self.bits(escape_bits) + 1
        }
    }
}

/// Preset coding parameters (C.2.4.1.1).
#[derive(Clone, Copy)]
struct Presets {
    most: i32,
    thresholds: [i32; 3],
    reset: i32,
}

impl Presets {
    /// The defaults for samples up to `most` with error bound `near`.
    fn new(most: i32, near: i32) -> Self {
        let bounded = |value: i32, low: i32| {
            if value > most || value < low {
                low
            } else {
                value
            }
        };
        let raw = if most >= 128 {
            let factor = (most.min(4095) + 128) / 256;
            [
                factor + 2 + 3 * near,
                factor * 4 + 3 + 5 * near,
                factor * 17 + 4 + 7 * near,
            ]
        } else {
            let factor = 256 / (most + 1);
            [
                (3 / factor + 3 * near).max(2),
                (7 / factor + 5 * near).max(3),
                (21 / factor + 7 * near).max(4),
            ]
        };
        let first = bounded(raw[0], near + 1);
        let second = bounded(raw[1], first);
        Self {
            most,
            thresholds: [first, second, bounded(raw[2], second)],
            reset: 64,
        }
    }
}

/// Statistics of one context (A.2.1).
#[derive(Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

/// The state of one scan.
struct Scan<'a> {
    bits: Bits<'a>,
    presets: Presets,
    near: i32,
    range: i32,
    escape_bits: u32,
    limit: u32,
    contexts: Vec<Context>,
}

impl<'a> Scan<'a> {
    fn new(bytes: &'a [u8], presets: Presets, near: i32) -> Self {
        let range = (presets.most + 2 * near) / (2 * near + 1) + 1;
        let log = |value: i32| 32 - (value - 1).max(0).leading_zeros();
        let depth = log(presets.most + 1).max(2);
        let start = Context {
            a: ((range + 32) / 64).max(2),
            b: 0,
            c: 0,
            n: 1,
        };
        Self {
            bits: Bits {
                bytes,
                at: 0,
                held: 0,
                count: 0,
                after_ff: false,
                past_end: 0,
            },
            presets,
            near,
            range,
            escape_bits: log(range),
            limit: 2 * (depth + depth.max(8)),
            // 365 regular ones, two for the ends of runs.
            contexts: vec![start; 367],
        }
    }

    fn quantized(&self, gradient: i32) -> i32 {
        let size = gradient.abs();
        let level = if size <= self.near {
            0
        } else {
            1 + self
                .presets
                .thresholds
                .iter()
                .filter(|t| size >= **t)
                .count() as i32
        };
        level * gradient.signum()
    }

    /// Prediction plus error, wrapped into the range (A.4.5).
    fn restored(&self, prediction: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = prediction + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if value > self.presets.most + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.presets.most)
    }

    /// A sample outside runs; `[a, b, c, d]` are left, above, above left, above right.
    fn regular(&mut self, [a, b, c, d]: [i32; 4]) -> i32 {
        let q = 81 * self.quantized(d - b) + 9 * self.quantized(b - c) + self.quantized(c - a);
        let sign = if q < 0 { -1 } else { 1 };
        let at = q.unsigned_abs() as usize;
        let mut context = self.contexts[at];
        let median = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let prediction = (median + sign * context.c).clamp(0, self.presets.most);
        let k = golomb_order(context.n, context.a);
        let mapped = self.bits.golomb(k, self.limit, self.escape_bits);
        let flipped = self.near == 0 && k == 0 && 2 * context.b <= -context.n;
        let error = match (flipped, mapped & 1) {
            (true, 1) => (mapped - 1) / 2,
            (true, _) => -(mapped / 2) - 1,
            (false, 0) => mapped / 2,
            (false, _) => -((mapped + 1) / 2),
        };
        context.b += error * (2 * self.near + 1);
        context.a += error.abs();
        if context.n == self.presets.reset {
            context.a >>= 1;
            context.b >>= 1;
            context.n >>= 1;
        }
        context.n += 1;
        if context.b <= -context.n {
            context.b = (context.b + context.n).max(1 - context.n);
            context.c = (context.c - 1).max(-128);
        } else if context.b > 0 {
            context.b = (context.b - context.n).min(0);
            context.c = (context.c + 1).min(127);
        }
        self.contexts[at] = context;
        self.restored(prediction, sign * error)
    }

    /// The sample that ends a run (A.7.2); `b` of its context counts negative errors.
    fn run_end(&mut self, left: i32, above: i32, same: bool, run_index: usize) -> i32 {
        let kind = i32::from(same);
        let at = 365 + usize::from(same);
        let mut context = self.contexts[at];
        let prediction = if same { left } else { above };
        let sign = if !same && left > above { -1 } else { 1 };
        let k = golomb_order(context.n, context.a + kind * (context.n >> 1));
        let limit = self.limit.saturating_sub(ORDER[run_index] + 1);
        let mapped = self.bits.golomb(k, limit, self.escape_bits);
        let odd = (mapped + kind) & 1;
        let size = (mapped + kind + odd) / 2;
        let mostly_negative = k != 0 || 2 * context.b >= context.n;
        let error = if mostly_negative == (odd == 1) {
            -size
        } else {
            size
        };
        context.b += i32::from(error < 0);
        context.a += (mapped + 1 - kind) >> 1;
        if context.n == self.presets.reset {
            context.a >>= 1;
            context.b >>= 1;
            context.n >>= 1;
        }
        context.n += 1;
        self.contexts[at] = context;
        self.restored(prediction, sign * error)
    }

    /// How many samples of a run come before its end or the end of the line (A.7.1).
    fn run_length(&mut self, left: usize, run_index: &mut usize) -> usize {
        let mut length = 0;
        while self.bits.bit() == 1 {
            let step = 1_usize << ORDER[*run_index];
            if length + step > left {
                return left;
            }
            length += step;
            *run_index = (*run_index + 1).min(31);
            if length == left {
                return left;
            }
        }
        let rest = self.bits.bits(ORDER[*run_index]) as usize;
        (length + rest).min(left)
    }

    /// Decodes one line of `lines.len()` components that share each pixel (one, unless interleaved by sample).
    ///
    /// A line has a cell before and one behind its samples.
    fn line(&mut self, before: &[Vec<i32>], lines: &mut [Vec<i32>], run_index: &mut usize) {
        let width = lines[0].len() - 2;
        let together = lines.len() > 1;
        for (line, above) in lines.iter_mut().zip(before) {
            line[0] = above[1];
        }
        let mut x = 1;
        while x <= width {
            let around =
                |line: &[i32], above: &[i32]| [line[x - 1], above[x], above[x - 1], above[x + 1]];
            let flat = lines.iter().zip(before).all(|(line, above)| {
                let [a, b, c, d] = around(line, above);
                [d - b, b - c, c - a].iter().all(|g| g.abs() <= self.near)
            });
            if !flat {
                for (line, above) in lines.iter_mut().zip(before) {
                    line[x] = self.regular([line[x - 1], above[x], above[x - 1], above[x + 1]]);
                }
                x += 1;
                continue;
            }
            let run = self.run_length(width + 1 - x, run_index);
            for line in lines.iter_mut() {
                let value = line[x - 1];
                line[x..x + run].fill(value);
            }
            x += run;
            if x > width {
                break;
            }
            for (line, above) in lines.iter_mut().zip(before) {
                let (left, top) = (line[x - 1], above[x]);
                let same = !together && (left - top).abs() <= self.near;
                line[x] = self.run_end(left, top, same, *run_index);
            }
            *run_index = run_index.saturating_sub(1);
            x += 1;
        }
        for line in lines {
            line[width + 1] = line[width];
        }
    }
}

fn golomb_order(n: i32, a: i32) -> u32 {
    let mut k = 0;
    while k < 24 && i64::from(n) << k < i64::from(a) {
        k += 1;
    }
    k
}

/// The samples of all components, a plane each.
pub(super) fn decode(stream: &[u8], header: &Header) -> Result<Vec<u16>, ReadProblem> {
    let area = header.width * header.height;
    let mut planes = vec![0_u16; area * header.components];
    let mut written: Option<[i32; 5]> = None;
    let mut next_plane = 0;
    let mut at = 2;
    while next_plane < header.components {
        let (Some(0xFF), Some(&marker)) = (stream.get(at), stream.get(at + 1)) else {
            at += 1;
            if at >= stream.len() {
                return Err(damaged("a scan is missing"));
            }
            continue;
        };
        if !matches!(marker, 0xC0..=0xFE) || marker == 0xD8 {
            at += 1;
            continue;
        }
        let length = match stream.get(at + 2..at + 4) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => return Err(damaged("a scan is missing")),
        };
        let body = stream
            .get(at + 4..at + 2 + length)
            .ok_or_else(|| damaged("a segment ends early"))?;
        at += 2 + length;
        match marker {
            0xF8 if body.first() == Some(&1) => {
                let word = |i: usize| match body.get(1 + i * 2..3 + i * 2) {
                    Some(&[high, low]) => i32::from(u16::from_be_bytes([high, low])),
                    _ => 0,
                };
                written = Some([word(0), word(1), word(2), word(3), word(4)]);
            }
            0xDA => {
                let scan = ScanHeader::new(body, header.components - next_plane)?;
                let presets = scan.presets(header, written);
                let coded = stream.get(at..).unwrap_or(&[]);
                let room = &mut planes[next_plane * area..(next_plane + scan.components) * area];
                at += scan.decode(coded, presets, header, room)?;
                next_plane += scan.components;
            }
            _ => {}
        }
    }
    Ok(planes)
}

/// Components, error bound and interleave mode of one scan (C.2.3).
struct ScanHeader {
    components: usize,
    near: i32,
    by_sample: bool,
}

impl ScanHeader {
    fn new(body: &[u8], left: usize) -> Result<Self, ReadProblem> {
        let components = body.first().map_or(0, |count| usize::from(*count));
        let (Some(&near), Some(&interleave)) =
            (body.get(1 + components * 2), body.get(2 + components * 2))
        else {
            return Err(damaged("the scan header ends early"));
        };
        if components == 0 || components > left || interleave > 2 {
            return Err(damaged("the scan header contradicts the frame header"));
        }
        Ok(Self {
            components,
            near: i32::from(near),
            by_sample: interleave == 2,
        })
    }

    fn presets(&self, header: &Header, written: Option<[i32; 5]>) -> Presets {
        let most = match written {
            Some([most, ..]) if most > 0 => most,
            _ => (1 << header.precision) - 1,
        };
        let mut presets = Presets::new(most, self.near);
        if let Some([_, first, second, third, reset]) = written {
            for (own, given) in presets.thresholds.iter_mut().zip([first, second, third]) {
                if given > 0 {
                    *own = given;
                }
            }
            if reset > 0 {
                presets.reset = reset;
            }
        }
        presets
    }

    /// Fills the planes of the scan; how many bytes it took.
    fn decode(
        &self,
        coded: &[u8],
        presets: Presets,
        header: &Header,
        planes: &mut [u16],
    ) -> Result<usize, ReadProblem> {
        let (width, area) = (header.width, header.width * header.height);
        let mut scan = Scan::new(coded, presets, self.near);
        let mut before = vec![vec![0; width + 2]; self.components];
        let mut lines = before.clone();
        let mut run_indices = vec![0_usize; self.components];
        for y in 0..header.height {
            if self.by_sample {
                scan.line(&before, &mut lines, &mut run_indices[0]);
            } else {
                for (index, run_index) in run_indices.iter_mut().enumerate() {
                    let one = index..=index;
                    scan.line(&before[one.clone()], &mut lines[one], run_index);
                }
            }
            if scan.bits.past_end > 16 {
                return Err(damaged("the coded data ends early"));
            }
            for (index, line) in lines.iter().enumerate() {
                let start = index * area + y * width;
                let row = &mut planes[start..start + width];
                for (cell, value) in row.iter_mut().zip(&line[1..]) {
                    *cell = *value as u16;
                }
            }
            std::mem::swap(&mut before, &mut lines);
        }
        Ok(scan.bits.at)
    }
}
