//! Sequential DCT JPEG of 12 bits, Huffman coded (ITU-T T.81, process 4), one component.
//!
//! Separate, and our own, because no decoder among the dependencies reads more than 8 bits of it.

use std::f64::consts::PI;

use crate::radiograph::error::ReadProblem;

/// A Huffman table as decoded by code length (T.81 Annex F.2.2.3).
#[derive(Clone, Default)]
struct Huffman {
    /// Largest code of each length 1–16, −1 when there is none.
    most: [i32; 17],
    /// Index of the first value of each length minus its smallest code.
    offset: [i32; 17],
    values: Vec<u8>,
}

impl Huffman {
    fn new(counts: &[u8], values: &[u8]) -> Self {
        let mut table = Self {
            most: [-1; 17],
            offset: [0; 17],
            values: values.to_vec(),
        };
        let (mut code, mut index) = (0_i32, 0_i32);
        for (length, count) in counts.iter().enumerate() {
            let count = i32::from(*count);
            table.offset[length + 1] = index - code;
            if count > 0 {
                code += count;
                index += count;
                table.most[length + 1] = code - 1;
            }
            code <<= 1;
        }
        table
    }
}

/// Bits of the entropy-coded segment, stuffing removed; zeros after its end.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u32,
    count: u32,
    past_end: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> u32 {
        if self.count == 0 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xFF), Some(0)) => {
                    self.at += 2;
                    0xFF
                }
                (Some(0xFF) | None, _) => {
                    self.past_end += 1;
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.held = u32::from(byte);
            self.count = 8;
        }
        self.count -= 1;
        self.held >> self.count & 1
    }

    /// A value of `size` bits, sign by its first bit (T.81 F.2.2.1).
    fn signed(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let value = (0..size).fold(0_i32, |value, _| value << 1 | self.bit() as i32);
        if value < 1 << (size - 1) {
            value - (1 << size) + 1
        } else {
            value
        }
    }

    fn symbol(&mut self, table: &Huffman) -> Option<u8> {
        let mut code = 0;
        for length in 1..=16 {
            code = code << 1 | self.bit() as i32;
            if code <= table.most[length] {
                let index = code + table.offset[length];
                return table.values.get(usize::try_from(index).ok()?).copied();
            }
        }
        None
    }

    /// Goes to the byte after the next restart marker.
    fn restart(&mut self) -> bool {
        self.count = 0;
        while let (Some(a), Some(b)) = (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
            if *a == 0xFF && (0xD0..=0xD7).contains(b) {
                self.at += 2;
                return true;
            }
            self.at += 1;
        }
        false
    }
}

/// Where the coefficients of the zigzag order belong (T.81 figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Tables and sizes gathered from the marker segments.
#[derive(Default)]
struct Stream {
    /// Four tables of 64 in zigzag order, one after the other.
    quantizers: Vec<u16>,
    direct: [Huffman; 4],
    alternating: [Huffman; 4],
    width: usize,
    height: usize,
    quantizer: usize,
    restart_every: usize,
}

fn damaged(why: &str) -> ReadProblem {
    ReadProblem::Damaged(format!("12-bit JPEG: {why}"))
}

/// The samples, row after row, 0–4095.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<u16>, ReadProblem> {
    let mut stream = Stream {
        quantizers: vec![1; 4 * 64],
        ..Stream::default()
    };
    let mut at = 2;
    loop {
        let (Some(0xFF), Some(&marker)) = (bytes.get(at), bytes.get(at + 1)) else {
            return Err(damaged("a marker is missing"));
        };
        if marker == 0xFF {
            at += 1;
            continue;
        }
        let length = match bytes.get(at + 2..at + 4) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => return Err(damaged("it ends before its scan")),
        };
        let body = bytes
            .get(at + 4..at + 2 + length)
            .ok_or_else(|| damaged("a segment ends early"))?;
        at += 2 + length;
        match marker {
            0xDB => stream.quantizer_tables(body)?,
            0xC4 => stream.huffman_tables(body)?,
            0xDD => {
                if let Some(&[high, low]) = body.first_chunk::<2>() {
                    stream.restart_every = usize::from(u16::from_be_bytes([high, low]));
                }
            }
            0xC0 | 0xC1 => stream.frame(body)?,
            0xDA => return stream.scan(body, bytes.get(at..).unwrap_or(&[])),
            _ => {}
        }
    }
}

impl Stream {
    fn quantizer_tables(&mut self, mut body: &[u8]) -> Result<(), ReadProblem> {
        while let Some((&head, rest)) = body.split_first() {
            let (wide, index) = (head >> 4 != 0, usize::from(head & 3));
            let size = if wide { 128 } else { 64 };
            let Some((values, rest)) = rest.split_at_checked(size) else {
                return Err(damaged("a quantization table ends early"));
            };
            for position in 0..64 {
                let value = if wide {
                    u16::from_be_bytes([values[position * 2], values[position * 2 + 1]])
                } else {
                    u16::from(values[position])
                };
                self.quantizers[index * 64 + position] = value;
            }
            body = rest;
        }
        Ok(())
    }

    fn huffman_tables(&mut self, mut body: &[u8]) -> Result<(), ReadProblem> {
        while let Some((&head, rest)) = body.split_first() {
            let early = || damaged("a Huffman table ends early");
            let (counts, rest) = rest.split_at_checked(16).ok_or_else(early)?;
            let total = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = rest.split_at_checked(total).ok_or_else(early)?;
            let table = Huffman::new(counts, values);
            let index = usize::from(head & 3);
            if head >> 4 == 0 {
                self.direct[index] = table;
            } else {
                self.alternating[index] = table;
            }
            body = rest;
        }
        Ok(())
    }

    fn frame(&mut self, body: &[u8]) -> Result<(), ReadProblem> {
        let Some(&[_, h1, h0, w1, w0, components, _, _, quantizer]) = body.first_chunk::<9>()
        else {
            return Err(damaged("the frame header ends early"));
        };
        if components != 1 {
            return Err(ReadProblem::Unsupported(
                "12-bit JPEG with more than one component".to_owned(),
            ));
        }
        self.height = usize::from(u16::from_be_bytes([h1, h0]));
        self.width = usize::from(u16::from_be_bytes([w1, w0]));
        self.quantizer = usize::from(quantizer & 3);
        Ok(())
    }

    fn scan(&self, header: &[u8], coded: &[u8]) -> Result<Vec<u16>, ReadProblem> {
        let tables = *header
            .get(2)
            .ok_or_else(|| damaged("the scan header ends early"))?;
        let direct = &self.direct[usize::from(tables >> 4 & 3)];
        let alternating = &self.alternating[usize::from(tables & 3)];
        let cosines = cosines();
        let mut bits = Bits {
            bytes: coded,
            at: 0,
            held: 0,
            count: 0,
            past_end: 0,
        };
        let mut pixels = vec![0_u16; self.width * self.height];
        let mut predicted = 0;
        let across = self.width.div_ceil(8);
        for block in 0..across * self.height.div_ceil(8) {
            if self.restart_every > 0 && block > 0 && block % self.restart_every == 0 {
                predicted = 0;
                if !bits.restart() {
                    return Err(damaged("a restart marker is missing"));
                }
            }
            let coefficients = self.block(&mut bits, direct, alternating, &mut predicted)?;
            if bits.past_end > 64 {
                return Err(damaged("the coded data ends early"));
            }
            let samples = inverse(&coefficients, &cosines);
            let (left, top) = (block % across * 8, block / across * 8);
            for (y, row) in samples.chunks_exact(8).enumerate().take(self.height - top) {
                let start = (top + y) * self.width + left;
                let count = 8.min(self.width - left);
                pixels[start..start + count].copy_from_slice(&row[..count]);
            }
        }
        Ok(pixels)
    }

    fn block(
        &self,
        bits: &mut Bits<'_>,
        direct: &Huffman,
        alternating: &Huffman,
        predicted: &mut i32,
    ) -> Result<[f64; 64], ReadProblem> {
        let bad = || damaged("a code is not in its table");
        let quantizer =
            |position: usize| f64::from(self.quantizers[self.quantizer * 64 + position]);
        let mut coefficients = [0.0; 64];
        let size = bits.symbol(direct).ok_or_else(bad)?;
        let difference = bits.signed(u32::from(size.min(16)));
        *predicted = predicted.wrapping_add(difference);
        coefficients[0] = f64::from(*predicted) * quantizer(0);
        let mut position = 1;
        while position < 64 {
            let symbol = bits.symbol(alternating).ok_or_else(bad)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run != 15 {
                    break;
                }
                position += 16;
                continue;
            }
            position += run;
            let value = bits.signed(size);
            let place = ZIGZAG.get(position).ok_or_else(bad)?;
            coefficients[*place] = f64::from(value) * quantizer(position);
            position += 1;
        }
        Ok(coefficients)
    }
}

/// `C(u)/2 · cos((2x + 1) u π / 16)` at `[x][u]`.
fn cosines() -> [[f64; 8]; 8] {
    let mut table = [[0.0; 8]; 8];
    for (x, row) in table.iter_mut().enumerate() {
        for (u, cell) in row.iter_mut().enumerate() {
            let scale = if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
            *cell = scale / 2.0 * ((2 * x + 1) as f64 * u as f64 * PI / 16.0).cos();
        }
    }
    table
}

/// The inverse DCT, shifted to 0–4095 (T.81 A.3.3).
fn inverse(coefficients: &[f64; 64], cosines: &[[f64; 8]; 8]) -> [u16; 64] {
    let mut rows = [0.0; 64];
    for v in 0..8 {
        for x in 0..8 {
            rows[v * 8 + x] = (0..8)
                .map(|u| coefficients[v * 8 + u] * cosines[x][u])
                .sum();
        }
    }
    let mut samples = [0; 64];
    for y in 0..8 {
        for x in 0..8 {
            let value: f64 = (0..8).map(|v| rows[v * 8 + x] * cosines[y][v]).sum();
            samples[y * 8 + x] = (value + 2048.0).round().clamp(0.0, 4095.0) as u16;
        }
    }
    samples
}
