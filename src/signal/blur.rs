//! Gaussian blur by box passes, area averages and bilinear enlargement.
//!
//! Separate because scatter, unsharp bands, textures and overlays all need the same few filters; the borders repeat.

use crate::grid::Grid;

/// Gaussian blur of standard deviation `sigma` pixels: three box passes above 1.2 px, an exact kernel below.
pub fn gaussian(image: &Grid<f32>, sigma: f64) -> Grid<f32> {
    if sigma < 0.05 || image.is_empty() {
        return image.clone();
    }
    if sigma < 1.2 {
        return sampled_gaussian(image, sigma);
    }
    let mut out = image.clone();
    // Three boxes of (fractional) half-width h have variance h² + h + … ≈ 3((2h+1)² − 1)/12.
    let half = ((4.0 * sigma * sigma + 1.0).sqrt() - 1.0) / 2.0;
    for _ in 0..2 {
        rows(&mut out, |row, new| {
            boxed_row(row, half, new);
            let mut second = new.to_vec();
            boxed_row(new, half, &mut second);
            boxed_row(&second, half, new);
        });
        out = transposed(&out);
    }
    out
}

/// Gaussian blur with the sampled kernel out to 3.5 deviations, exact at any `sigma` and slower when it is large.
pub fn sampled_gaussian(image: &Grid<f32>, sigma: f64) -> Grid<f32> {
    let reach = (3.5 * sigma).ceil() as i64;
    let mut kernel: Vec<f32> = (-reach..=reach)
        .map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp() as f32)
        .collect();
    let sum: f32 = kernel.iter().sum();
    for k in &mut kernel {
        *k /= sum;
    }
    let mut out = image.clone();
    for _ in 0..2 {
        rows(&mut out, |row, new| convolve(row, &kernel, new));
        out = transposed(&out);
    }
    out
}

/// Mean over squares of `2·half + 1` pixels a side; the border repeats.
pub fn boxed(image: &Grid<f32>, half: usize) -> Grid<f32> {
    let mut out = image.clone();
    for _ in 0..2 {
        rows(&mut out, |row, new| boxed_row(row, half as f64, new));
        out = transposed(&out);
    }
    out
}

fn rows(image: &mut Grid<f32>, mut f: impl FnMut(&[f32], &mut [f32])) {
    let mut new = vec![0.0; image.width()];
    for y in 0..image.height() {
        f(image.row(y), &mut new);
        image.row_mut(y).copy_from_slice(&new);
    }
}

fn convolve(row: &[f32], kernel: &[f32], new: &mut [f32]) {
    let reach = (kernel.len() / 2) as i64;
    let last = row.len() as i64 - 1;
    for (x, out) in new.iter_mut().enumerate() {
        *out = kernel
            .iter()
            .enumerate()
            .map(|(k, w)| w * row[(x as i64 + k as i64 - reach).clamp(0, last) as usize])
            .sum();
    }
}

/// A running mean over `2·half + 1` cells; the two end cells count by the fraction of `half`.
fn boxed_row(row: &[f32], half: f64, new: &mut [f32]) {
    let whole = half.floor() as i64;
    let part = (half - half.floor()) as f32;
    let last = row.len() as i64 - 1;
    let at = |i: i64| row[i.clamp(0, last) as usize];
    let scale = 1.0 / (2.0 * half as f32 + 1.0);
    let mut sum: f64 = (-whole..=whole).map(|i| f64::from(at(i))).sum();
    for (x, out) in new.iter_mut().enumerate() {
        let x = x as i64;
        let ends = at(x - whole - 1) + at(x + whole + 1);
        *out = (sum as f32 + part * ends) * scale;
        sum += f64::from(at(x + whole + 1)) - f64::from(at(x - whole));
    }
}

/// Rows and columns exchanged.
pub fn transposed(image: &Grid<f32>) -> Grid<f32> {
    Grid::from_fn(image.height(), image.width(), |x, y| image[(y, x)])
}

/// Mean over blocks of `factor × factor`; a ragged border averages what there is.
pub fn area_average(image: &Grid<f32>, factor: usize) -> Grid<f32> {
    let factor = factor.max(1);
    if factor == 1 {
        return image.clone();
    }
    let (w, h) = image.size();
    Grid::from_fn(w.div_ceil(factor), h.div_ceil(factor), |x, y| {
        let (x1, y1) = (((x + 1) * factor).min(w), ((y + 1) * factor).min(h));
        let mut sum = 0.0;
        for j in y * factor..y1 {
            sum += image.row(j)[x * factor..x1].iter().sum::<f32>();
        }
        sum / ((x1 - x * factor) * (y1 - y * factor)) as f32
    })
}

/// The value between pixel centres; the border repeats.
pub fn bilinear(image: &Grid<f32>, x: f64, y: f64) -> f32 {
    let (w, h) = image.size();
    if w == 0 || h == 0 {
        return 0.0;
    }
    let x = x.clamp(0.0, (w - 1) as f64);
    let y = y.clamp(0.0, (h - 1) as f64);
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
    let (fx, fy) = ((x - x0 as f64) as f32, (y - y0 as f64) as f32);
    let (a, b) = (image.row(y0), image.row(y1));
    let top = a[x0] + (a[x1] - a[x0]) * fx;
    let low = b[x0] + (b[x1] - b[x0]) * fx;
    top + (low - top) * fy
}

/// The value between pixel centres; outside is black.
pub fn bilinear_on_black<T: Copy + Into<f32>>(image: &Grid<T>, x: f64, y: f64) -> f32 {
    let (width, height) = image.size();
    let cells = image.cells();
    let at = |x: i64, y: i64| -> f32 {
        if x >= 0 && y >= 0 && (x as usize) < width && (y as usize) < height {
            cells[y as usize * width + x as usize].into()
        } else {
            0.0
        }
    };
    let (left, top) = (x.floor(), y.floor());
    let (a, b) = ((x - left) as f32, (y - top) as f32);
    let (left, top) = (left as i64, top as i64);
    let upper = at(left, top) * (1.0 - a) + at(left + 1, top) * a;
    let lower = at(left, top + 1) * (1.0 - a) + at(left + 1, top + 1) * a;
    upper * (1.0 - b) + lower * b
}

/// Enlarged by `factor` to `width × height`, pixel areas aligned.
pub fn enlarged(image: &Grid<f32>, factor: usize, width: usize, height: usize) -> Grid<f32> {
    let f = factor.max(1) as f64;
    Grid::from_fn(width, height, |x, y| {
        bilinear(
            image,
            (x as f64 + 0.5) / f - 0.5,
            (y as f64 + 0.5) / f - 0.5,
        )
    })
}
