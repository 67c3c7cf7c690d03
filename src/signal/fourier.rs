//! A small complex Fourier transform: random fields with a given spectrum, spectra of films.
//!
//! Radix 2 only: every caller chooses its own tile, so no other length is needed.

/// In-place complex FFT of an `n × n` image, row-major, `n` a power of two; both slices hold `n²` values.
pub fn transform_2d(re: &mut [f32], im: &mut [f32], n: usize) {
    for _ in 0..2 {
        for y in 0..n {
            transform(&mut re[y * n..(y + 1) * n], &mut im[y * n..(y + 1) * n]);
        }
        for y in 0..n {
            for x in 0..y {
                re.swap(y * n + x, x * n + y);
                im.swap(y * n + x, x * n + y);
            }
        }
    }
}

/// In-place complex FFT of a power-of-two length (radix 2, decimation in time).
pub fn transform(re: &mut [f32], im: &mut [f32]) {
    let n = re.len();
    let bits = n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            re.swap(i, j);
            im.swap(i, j);
        }
    }
    let mut half = 1;
    while half < n {
        for k in 0..half {
            let (s, c) = (std::f32::consts::PI * k as f32 / half as f32).sin_cos();
            let mut i = k;
            while i < n {
                let j = i + half;
                let (x, y) = (c * re[j] - s * im[j], c * im[j] + s * re[j]);
                (re[j], im[j]) = (re[i] - x, im[i] - y);
                (re[i], im[i]) = (re[i] + x, im[i] + y);
                i += 2 * half;
            }
        }
        half *= 2;
    }
}
