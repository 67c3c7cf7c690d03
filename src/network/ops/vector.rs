//! Elementary functions in plain arithmetic without branches, and the macro that compiles loops over them for every
//! vector width.
//!
//! Separate because every pass over memory in this folder is built from these. No fused multiply-add is used here, so
//! the same bits come out at every vector width.

/// Defines a function whose body is compiled for each instruction set and chosen at run time.
macro_rules! vectorized {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn wide($($arg: $type),*) $(-> $result)? {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn middle($($arg: $type),*) $(-> $result)? {
                    body($($arg),*)
                }
                if is_x86_feature_detected!("avx512f") {
                    #[expect(unsafe_code, reason = "a call into code for a detected instruction set")]
                    // SAFETY: AVX-512F has just been detected.
                    return unsafe { wide($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    #[expect(unsafe_code, reason = "a call into code for a detected instruction set")]
                    // SAFETY: AVX2 has just been detected.
                    return unsafe { middle($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(crate) use vectorized;

/// Lanes of the partial sums: the widest vector twice, so that additions need not wait for each other.
pub(crate) const LANES: usize = 32;
/// Elements whose sum is kept in f32; sums of these are added in f64.
pub(crate) const SUM_BLOCK: usize = 4096;

/// `e^x` within 1.5e-7 of its value for -87.3 to 88; 0 below, NaN for NaN, at most `e^88` above.
///
/// Range reduction by `n ln 2` in two parts and the Taylor polynomial of degree 7 (compare Cody & Waite 1980).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Comparisons written so that NaN passes through.
    let low = x < -87.3;
    let t = if x < -87.3 { -87.3 } else { x };
    let t = if t > 88.0 { 88.0 } else { t };
    let shifted = t * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = t - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    let power = shifted
        .to_bits()
        .wrapping_sub(MAGIC.to_bits())
        .wrapping_add(127)
        << 23;
    let value = p * f32::from_bits(power);
    if low { 0.0 } else { value }
}

/// The logistic function.
#[expect(clippy::inline_always, reason = "vectorizes only inside its loop")]
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `x σ(x)`.
#[expect(clippy::inline_always, reason = "vectorizes only inside its loop")]
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// The derivative of [`silu`].
#[expect(clippy::inline_always, reason = "vectorizes only inside its loop")]
#[inline(always)]
pub(crate) fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

/// The error function within 4e-7 of its value, relatively: a rational fit of `erf(x)/x` in `x²` on ±3.925.
#[expect(clippy::inline_always, reason = "vectorizes only inside its loop")]
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let x = if x < -3.925 { -3.925 } else { x };
    let x = if x > 3.925 { 3.925 } else { x };
    let t = x * x;
    let p = 2.046_014_5e-6;
    let p = p * t + 2.848_449e-4;
    let p = p * t + 3.772_616_2e-3;
    let p = p * t + 5.276_950_5e-2;
    let p = p * t + 0.190_595_31;
    let p = p * t + std::f32::consts::FRAC_2_SQRT_PI;
    let q = 3.804_771e-5;
    let q = q * t + 1.163_873_6e-3;
    let q = q * t + 1.498_333_2e-2;
    let q = q * t + 0.114_183_37;
    let q = q * t + 0.502_243_4;
    let q = q * t + 1.0;
    x * p / q
}

vectorized! {
    /// The sum, in a fixed order: partial sums by lane, blocks in f64.
    pub(crate) fn sum(values: &[f32]) -> f64 {
        let mut total = 0.0;
        for block in values.chunks(SUM_BLOCK) {
            let mut parts = [0.0_f32; LANES];
            let chunks = block.chunks_exact(LANES);
            let rest: f32 = chunks.remainder().iter().sum();
            for chunk in chunks {
                for (part, value) in parts.iter_mut().zip(chunk) {
                    *part += value;
                }
            }
            total += f64::from(fold(parts) + rest);
        }
        total
    }
}

vectorized! {
    /// The sum of `(x - shift)²`, in a fixed order.
    pub(crate) fn sum_of_squares(values: &[f32], shift: f32) -> f64 {
        let mut total = 0.0;
        for block in values.chunks(SUM_BLOCK) {
            let mut parts = [0.0_f32; LANES];
            let chunks = block.chunks_exact(LANES);
            let rest: f32 = chunks
                .remainder()
                .iter()
                .map(|v| (v - shift) * (v - shift))
                .sum();
            for chunk in chunks {
                for (part, value) in parts.iter_mut().zip(chunk) {
                    let centered = value - shift;
                    *part += centered * centered;
                }
            }
            total += f64::from(fold(parts) + rest);
        }
        total
    }
}

vectorized! {
    /// The sum of `a b`, in a fixed order.
    pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
        let mut total = 0.0;
        for (a, b) in a.chunks(SUM_BLOCK).zip(b.chunks(SUM_BLOCK)) {
            let mut parts = [0.0_f32; LANES];
            let (ac, bc) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
            let rest: f32 = ac
                .remainder()
                .iter()
                .zip(bc.remainder())
                .map(|(a, b)| a * b)
                .sum();
            for (a, b) in ac.zip(bc) {
                for ((part, a), b) in parts.iter_mut().zip(a).zip(b) {
                    *part += a * b;
                }
            }
            total += f64::from(fold(parts) + rest);
        }
        total
    }
}

/// Adds lanes as a tree.
#[expect(clippy::inline_always, reason = "part of vector loops")]
#[inline(always)]
pub(crate) fn fold(mut parts: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            parts[i] += parts[i + half];
        }
        half /= 2;
    }
    parts[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, f: impl Fn(f32) -> f32, expected: impl Fn(f64) -> f64, tolerance: f64) {
        for i in -8700..=8700 {
            let x = i as f32 * 0.01;
            let (got, expected) = (f64::from(f(x)), expected(f64::from(x)));
            let off = (got - expected).abs();
            assert!(
                off <= tolerance * expected.abs() + 1e-37,
                "{name}({x}) is {got}, expected {expected}"
            );
        }
    }

    #[test]
    fn functions_are_close() {
        check("exp", exp, f64::exp, 3e-7);
        check("sigmoid", sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 4e-7);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(1e9).is_finite());
        // Reference values of erf, Abramowitz & Stegun table 7.1.
        for (x, expected) in [
            (0.0, 0.0),
            (0.1, 0.112_462_916),
            (0.5, 0.520_499_878),
            (1.0, 0.842_700_793),
            (2.0, 0.995_322_265),
            (3.0, 0.999_977_910),
            (9.0, 1.0),
        ] {
            assert!((f64::from(erf(x)) - expected).abs() < 4e-7, "erf({x})");
            assert!((f64::from(erf(-x)) + expected).abs() < 4e-7, "erf(-{x})");
        }
    }

    #[test]
    fn sums_are_exact_where_f32_is() {
        let values: Vec<f32> = (0..10_001).map(|i| (i % 7) as f32).collect();
        let expected: f64 = values.iter().map(|&v| f64::from(v)).sum();
        assert_eq!(sum(&values), expected);
        let squares: f64 = values.iter().map(|&v| f64::from(v - 1.0).powi(2)).sum();
        assert_eq!(sum_of_squares(&values, 1.0), squares);
        let products: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
        assert_eq!(dot(&values, &values), products);
    }
}
