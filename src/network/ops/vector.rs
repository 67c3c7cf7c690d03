//! Elementary functions in plain arithmetic without branches, and the macro that compiles loops over them for every
//! vector width.
//!
//! Separate because every pass over memory in this folder is built from these. The same bits come out at every vector
//! width; only processors without fused multiply-add (x86 before 2013) round differently.

/// Defines a function whose body is compiled for each instruction set and chosen at run time; within it `FUSED` says
/// whether a multiplication and an addition are one instruction.
macro_rules! vectorized {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body<const FUSED: bool>($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,fma")]
                fn wide($($arg: $type),*) $(-> $result)? {
                    body::<true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn middle($($arg: $type),*) $(-> $result)? {
                    body::<true>($($arg),*)
                }
                let fused = is_x86_feature_detected!("fma");
                if fused && is_x86_feature_detected!("avx512f") {
                    #[expect(unsafe_code, reason = "a call into code for a detected instruction set")]
                    // SAFETY: AVX-512F and FMA have just been detected.
                    return unsafe { wide($($arg),*) };
                }
                if fused && is_x86_feature_detected!("avx2") {
                    #[expect(unsafe_code, reason = "a call into code for a detected instruction set")]
                    // SAFETY: AVX2 and FMA have just been detected.
                    return unsafe { middle($($arg),*) };
                }
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(crate) use vectorized;

/// Lanes of the partial sums: the widest vector twice, so that additions need not wait for each other.
pub(crate) const LANES: usize = 32;
/// Elements whose sum is kept in f32; sums of these are added in f64.
pub(crate) const SUM_BLOCK: usize = 4096;

/// `a b + c`, rounded once where the processor can.
#[expect(clippy::inline_always, reason = "vectorizes only inside its loop")]
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` within 1.5e-7 of its value for -87.3 to 88; 0 below, NaN for NaN, at most `e^88` above.
///
/// Range reduction by `n ln 2` in two parts and the Taylor polynomial of degree 7 (compare Cody & Waite 1980).
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Comparisons written so that NaN passes through.
    let low = x < -87.3;
    let t = if x < -87.3 { -87.3 } else { x };
    let t = if t > 88.0 { 88.0 } else { t };
    let shifted = multiply_add::<FUSED>(t, std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = multiply_add::<FUSED>(n, -LN2_HIGH, t);
    let r = multiply_add::<FUSED>(n, -LN2_LOW, r);
    let p = 1.0 / 5040.0;
    let p = multiply_add::<FUSED>(p, r, 1.0 / 720.0);
    let p = multiply_add::<FUSED>(p, r, 1.0 / 120.0);
    let p = multiply_add::<FUSED>(p, r, 1.0 / 24.0);
    let p = multiply_add::<FUSED>(p, r, 1.0 / 6.0);
    let p = multiply_add::<FUSED>(p, r, 0.5);
    let p = multiply_add::<FUSED>(p, r, 1.0);
    let p = multiply_add::<FUSED>(p, r, 1.0);
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
pub(crate) fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FUSED>(-x))
}

/// `x σ(x)`.
#[expect(clippy::inline_always, reason = "vectorizes only inside its loop")]
#[inline(always)]
pub(crate) fn silu<const FUSED: bool>(x: f32) -> f32 {
    x * sigmoid::<FUSED>(x)
}

/// The derivative of [`silu`].
#[expect(clippy::inline_always, reason = "vectorizes only inside its loop")]
#[inline(always)]
pub(crate) fn silu_slope<const FUSED: bool>(x: f32) -> f32 {
    let s = sigmoid::<FUSED>(x);
    s * (1.0 + x * (1.0 - s))
}

/// The error function within 4e-7 of its value, relatively: a rational fit of `erf(x)/x` in `x²` on ±3.925.
#[expect(clippy::inline_always, reason = "vectorizes only inside its loop")]
#[inline(always)]
pub(crate) fn erf<const FUSED: bool>(x: f32) -> f32 {
    let x = if x < -3.925 { -3.925 } else { x };
    let x = if x > 3.925 { 3.925 } else { x };
    let t = x * x;
    let p = 2.046_014_5e-6;
    let p = multiply_add::<FUSED>(p, t, 2.848_449e-4);
    let p = multiply_add::<FUSED>(p, t, 3.772_616_2e-3);
    let p = multiply_add::<FUSED>(p, t, 5.276_950_5e-2);
    let p = multiply_add::<FUSED>(p, t, 0.190_595_31);
    let p = multiply_add::<FUSED>(p, t, std::f32::consts::FRAC_2_SQRT_PI);
    let q = 3.804_771e-5;
    let q = multiply_add::<FUSED>(q, t, 1.163_873_6e-3);
    let q = multiply_add::<FUSED>(q, t, 1.498_333_2e-2);
    let q = multiply_add::<FUSED>(q, t, 0.114_183_37);
    let q = multiply_add::<FUSED>(q, t, 0.502_243_4);
    let q = multiply_add::<FUSED>(q, t, 1.0);
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
    /// The sums of `x - shift` and of `(x - shift)²` in one pass, in a fixed order.
    pub(crate) fn centered_sums(values: &[f32], shift: f32) -> (f64, f64) {
        let (mut total, mut squares) = (0.0, 0.0);
        for block in values.chunks(SUM_BLOCK) {
            let (mut firsts, mut seconds) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            let chunks = block.chunks_exact(LANES);
            let (mut rest, mut rest_squares) = (0.0_f32, 0.0_f32);
            for value in chunks.remainder() {
                let centered = value - shift;
                rest += centered;
                rest_squares = multiply_add::<FUSED>(centered, centered, rest_squares);
            }
            for chunk in chunks {
                for ((first, second), value) in firsts.iter_mut().zip(&mut seconds).zip(chunk) {
                    let centered = value - shift;
                    *first += centered;
                    *second = multiply_add::<FUSED>(centered, centered, *second);
                }
            }
            total += f64::from(fold(firsts) + rest);
            squares += f64::from(fold(seconds) + rest_squares);
        }
        (total, squares)
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
        check("exp without fusing", exp::<false>, f64::exp, 3e-7);
        check("exp", exp::<true>, f64::exp, 3e-7);
        check(
            "sigmoid",
            sigmoid::<true>,
            |x| 1.0 / (1.0 + (-x).exp()),
            4e-7,
        );
        assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<true>(0.0), 1.0);
        assert!(exp::<true>(f32::NAN).is_nan());
        assert!(exp::<true>(1e9).is_finite());
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
            assert!(
                (f64::from(erf::<true>(x)) - expected).abs() < 4e-7,
                "erf({x})"
            );
            assert!(
                (f64::from(erf::<true>(-x)) + expected).abs() < 4e-7,
                "erf(-{x})"
            );
        }
    }

    #[test]
    fn sums_are_exact_where_f32_is() {
        let values: Vec<f32> = (0..10_001).map(|i| (i % 7) as f32).collect();
        let expected: f64 = values.iter().map(|&v| f64::from(v)).sum();
        assert_eq!(sum(&values), expected);
        let squares: f64 = values.iter().map(|&v| f64::from(v - 1.0).powi(2)).sum();
        assert_eq!(sum_of_squares(&values, 1.0), squares);
        let centered = expected - values.len() as f64;
        assert_eq!(centered_sums(&values, 1.0), (centered, squares));
        let products: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
        assert_eq!(dot(&values, &values), products);
    }
}
