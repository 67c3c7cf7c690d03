//! Counter-based random numbers: the one source of chance in the project.
//!
//! Every number is a pure function of a key and a counter, so a result depends on neither the number of
//! threads, nor the batch an image stands in, nor what was drawn before
//! (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011: Philox 4×32-10).

/// A stream of random numbers, named by a seed and a stream number.
#[derive(Clone, Debug)]
pub struct Noise {
    key: [u32; 2],
    stream: u64,
    counter: u64,
    block: [u32; 4],
    used: usize,
}

/// Philox 4×32 with ten rounds.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let low = u64::from(counter[0]) * 0xD251_1F53;
        let high = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (high >> 32) as u32 ^ counter[1] ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ counter[3] ^ key[1],
            low as u32,
        ];
        key[0] = key[0].wrapping_add(0x9E37_79B9);
        key[1] = key[1].wrapping_add(0xBB67_AE85);
    }
    counter
}

impl Noise {
    /// The stream `stream` of the seed `seed`; different streams of one seed are independent.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            stream,
            counter: 0,
            block: [0; 4],
            used: 4,
        }
    }

    /// The next 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            let c = self.counter;
            let s = self.stream;
            self.block = philox(
                [c as u32, (c >> 32) as u32, s as u32, (s >> 32) as u32],
                self.key,
            );
            self.counter += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform in `[0, 1)`, 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        let high = u64::from(self.bits() >> 5);
        let low = u64::from(self.bits() >> 6);
        ((high << 26) | low) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// One of `0..n`; 0 when `n` is 0.
    pub fn index(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal (Box–Muller, cosine branch: one number a call, so a stream's position stays simple).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Normal with the given mean and standard deviation.
    pub fn gauss(&mut self, mean: f64, deviation: f64) -> f64 {
        mean + deviation * self.normal()
    }

    /// `n` standard normal numbers in f32: the initial noise of one image.
    pub fn normals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.normal() as f32).collect()
    }

    /// Shuffles a slice (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }
}
