//! Lossless JPEG, Huffman coded (ITU-T T.81, process 14): the whole image in one scan, nothing subsampled.
//!
//! Separate, and our own, because such films are the largest that a hospital keeps, and a decoder made for it takes a
//! fraction of the time of a general one. What is rarer, and whatever is damaged, is left to the general decoder, which
//! also says what is wrong.

/// Bits of a code that are looked up at once; longer codes are rare.
const FAST: u32 = 10;

/// A Huffman table of difference categories, 0 to 16 (T.81 table H.2).
struct Table {
    /// By the next bits: length of the code and category; length 0 for longer codes and for none.
    fast: Vec<(u8, u8)>,
    /// Smallest code of each length 1–16, left-aligned in 16 bits, and where its values begin.
    first: [(u32, usize); 17],
    counts: [usize; 17],
    values: Vec<u8>,
}

impl Table {
    fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        if values.iter().any(|category| *category > 16) {
            return None;
        }
        let mut table = Self {
            fast: vec![(0, 0); 1 << FAST],
            first: [(0, 0); 17],
            counts: [0; 17],
            values: values.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0);
        for (length, count) in (1_u32..).zip(counts) {
            let count = usize::from(*count);
            let slot = length as usize;
            table.first[slot] = (code << (16 - length), index);
            table.counts[slot] = count;
            for category in values.get(index..index + count)? {
                if length <= FAST {
                    let from = (code << (FAST - length)) as usize;
                    let to = from + (1 << (FAST - length));
                    table
                        .fast
                        .get_mut(from..to)?
                        .fill((length as u8, *category));
                }
                code += 1;
            }
            // More codes than the length has.
            if code > 1 << length {
                return None;
            }
            index += count;
            code <<= 1;
        }
        Some(table)
    }

    /// Length of the code that 16 bits begin with, and its category.
    fn long(&self, bits: u32) -> Option<(u8, u8)> {
        (1..=16).find_map(|length| {
            let (first, index) = self.first[length];
            let behind = (bits.checked_sub(first)? >> (16 - length)) as usize;
            let value = (behind < self.counts[length]).then(|| self.values[index + behind])?;
            Some((length as u8, value))
        })
    }
}

/// Bits of the entropy-coded segment, stuffing removed; zeros behind its end.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the highest on.
    held: u64,
    count: u32,
    /// How many of them lie behind the end.
    padding: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            held: 0,
            count: 0,
            padding: 0,
        }
    }

    /// Holds more than 32 bits from now on.
    #[inline]
    fn fill(&mut self) {
        if let Some(eight) = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<8>())
        {
            let word = u64::from_be_bytes(*eight);
            // A byte of 255 in it: a zero byte in its inverse.
            let stuffed =
                (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
            if stuffed == 0 {
                // Bits of a byte that does not fit wholly are the same when it is taken the next time.
                self.held |= word >> self.count;
                let taken = (64 - self.count) / 8;
                self.at += taken as usize;
                self.count += taken * 8;
                return;
            }
        }
        while self.count <= 56 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xFF), Some(0)) => {
                    self.at += 2;
                    0xFF
                }
                (Some(0xFF) | None, _) => {
                    self.padding += 8;
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    #[inline]
    fn take(&mut self, bits: u32) {
        self.held <<= bits;
        self.count -= bits;
    }

    /// One difference from its prediction (T.81 H.1.2.2); `None` for a code that there is not.
    #[inline]
    fn difference(&mut self, table: &Table) -> Option<i32> {
        if self.count < 32 {
            self.fill();
        }
        let (mut length, mut category) = table.fast[(self.held >> (64 - FAST)) as usize];
        if length == 0 {
            (length, category) = table.long((self.held >> 48) as u32)?;
        }
        self.take(u32::from(length));
        let size = u32::from(category);
        match size {
            0 => Some(0),
            16 => Some(1 << 15),
            _ => {
                let value = (self.held >> (64 - size)) as i32;
                self.take(size);
                let half = 1 << (size - 1);
                Some(if value < half {
                    value - 2 * half + 1
                } else {
                    value
                })
            }
        }
    }

    /// Whether more was taken than there is.
    fn is_past_end(&self) -> bool {
        self.count < self.padding
    }

    /// Goes behind the restart marker that must come next.
    fn restart(&mut self) -> Option<()> {
        let marker = self.bytes.get(self.at..self.at + 2)?;
        if marker[0] != 0xFF || !(0xD0..=0xD7).contains(&marker[1]) {
            return None;
        }
        *self = Self {
            at: self.at + 2,
            ..Self::new(self.bytes)
        };
        Some(())
    }
}

/// What the marker segments before the scan say.
#[derive(Default)]
struct Stream {
    tables: [Option<Table>; 4],
    precision: u32,
    width: usize,
    height: usize,
    components: Vec<u8>,
    /// Samples of each component between two restart markers; 0 = none.
    restart_every: usize,
}

/// The samples row by row, those of a pixel side by side; `None` where another decoder must look.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<u16>> {
    let mut stream = Stream::default();
    let mut at = 2;
    loop {
        let &[0xFF, marker] = bytes.get(at..)?.first_chunk::<2>()? else {
            return None;
        };
        if marker == 0xFF {
            at += 1;
            continue;
        }
        let length = usize::from(u16::from_be_bytes(*bytes.get(at + 2..)?.first_chunk()?));
        let body = bytes.get(at + 4..at + 2 + length)?;
        at += 2 + length;
        match marker {
            0xC4 => stream.read_tables(body)?,
            0xDD => {
                stream.restart_every = usize::from(u16::from_be_bytes(*body.first_chunk()?));
            }
            0xC3 => stream.read_frame(body)?,
            0xDA => return stream.scan(body, bytes.get(at..)?),
            // Comments and what applications add.
            0xE0..=0xEF | 0xFE => {}
            _ => return None,
        }
    }
}

impl Stream {
    fn read_tables(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = rest.split_at_checked(total)?;
            *self.tables.get_mut(usize::from(head))? = Some(Table::new(counts, values)?);
            body = rest;
        }
        Some(())
    }

    fn read_frame(&mut self, body: &[u8]) -> Option<()> {
        let (&[precision, h1, h0, w1, w0, count], parts) = body.split_first_chunk::<6>()?;
        self.precision = u32::from(precision);
        self.height = usize::from(u16::from_be_bytes([h1, h0]));
        self.width = usize::from(u16::from_be_bytes([w1, w0]));
        let parts = parts.as_chunks::<3>().0.get(..usize::from(count))?;
        // Sampling factors of one: every pixel has all components.
        let whole = parts.iter().all(|part| part[1] == 0x11);
        self.components = parts.iter().map(|part| part[0]).collect();
        let usable = whole && (2..=16).contains(&precision) && self.width > 0 && self.height > 0;
        usable.then_some(())
    }

    fn scan(&self, header: &[u8], coded: &[u8]) -> Option<Vec<u16>> {
        let (&count, rest) = header.split_first()?;
        let (parts, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let &[predictor, _, last] = rest.first_chunk::<3>()?;
        let parts = parts.as_chunks::<2>().0;
        let named = parts.iter().map(|part| part[0]);
        let in_order = named.eq(self.components.iter().copied());
        let whole_lines = self.restart_every.is_multiple_of(self.width.max(1));
        let shift = u32::from(last & 15);
        if !in_order || !whole_lines || shift >= self.precision {
            return None;
        }
        let tables: Vec<&Table> = parts
            .iter()
            .map(|part| self.tables.get(usize::from(part[1] >> 4))?.as_ref())
            .collect::<Option<_>>()?;
        let mut samples = match tables[..] {
            [one] => self.lines(predictor, shift, [one], coded),
            [a, b, c] => self.lines(predictor, shift, [a, b, c], coded),
            _ => None,
        }?;
        if shift > 0 {
            for sample in &mut samples {
                *sample <<= shift;
            }
        }
        Some(samples)
    }

    /// The predictor of T.81 table H.1, chosen once for all pixels.
    fn lines<const N: usize>(
        &self,
        predictor: u8,
        shift: u32,
        tables: [&Table; N],
        coded: &[u8],
    ) -> Option<Vec<u16>> {
        let start = 1 << (self.precision - shift - 1);
        match predictor {
            1 => self.decoded(start, tables, coded, |left, _, _| left),
            2 => self.decoded(start, tables, coded, |_, above, _| above),
            3 => self.decoded(start, tables, coded, |_, _, corner| corner),
            4 => self.decoded(start, tables, coded, |left, above, corner| {
                left + above - corner
            }),
            5 => self.decoded(start, tables, coded, |left, above, corner| {
                left + ((above - corner) >> 1)
            }),
            6 => self.decoded(start, tables, coded, |left, above, corner| {
                above + ((left - corner) >> 1)
            }),
            7 => self.decoded(start, tables, coded, |left, above, _| (left + above) >> 1),
            _ => None,
        }
    }

    fn decoded<const N: usize>(
        &self,
        start: i32,
        tables: [&Table; N],
        coded: &[u8],
        predict: impl Fn(i32, i32, i32) -> i32,
    ) -> Option<Vec<u16>> {
        let line = self.width * N;
        let mut samples: Vec<u16> = Vec::new();
        samples.try_reserve_exact(line * self.height).ok()?;
        samples.resize(line * self.height, 0);
        let mut bits = Bits::new(coded);
        let lines_between = self.restart_every / self.width;
        for y in 0..self.height {
            let begins = y == 0 || lines_between > 0 && y.is_multiple_of(lines_between);
            if y > 0 && begins {
                bits.restart()?;
            }
            let (done, rest) = samples.split_at_mut(y * line);
            let row = rest.get_mut(..line)?;
            if begins {
                let mut before = [start; N];
                for pixel in row.as_chunks_mut::<N>().0 {
                    for ((sample, before), table) in pixel.iter_mut().zip(&mut before).zip(tables) {
                        // Modulo 65536 (T.81 H.1.2.1).
                        *sample = (*before + bits.difference(table)?) as u16;
                        *before = i32::from(*sample);
                    }
                }
            } else {
                let above = &done[done.len() - line..];
                let mut corner = [0; N];
                let mut left = [0; N];
                let pixels = row.as_chunks_mut::<N>().0.iter_mut();
                for (x, (pixel, above)) in pixels.zip(above.as_chunks::<N>().0).enumerate() {
                    for c in 0..N {
                        let up = i32::from(above[c]);
                        let prediction = if x == 0 {
                            up
                        } else {
                            predict(left[c], up, corner[c])
                        };
                        let sample = (prediction + bits.difference(tables[c])?) as u16;
                        pixel[c] = sample;
                        (left[c], corner[c]) = (i32::from(sample), up);
                    }
                }
            }
            if bits.is_past_end() {
                return None;
            }
        }
        Some(samples)
    }
}
