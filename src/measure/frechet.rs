//! The Fréchet distance between two clouds of features: how far generated images lie from real ones.
//!
//! Of two normal distributions, `|μ₁ − μ₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½)` (Dowson and Landau 1982; on features of a
//! network: Heusel et al. 2017, equation 6). It grows with the number of features and shrinks with the number of
//! images, so that only distances of equally many images can be compared.

/// Mean and covariance of a cloud of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Cloud {
    mean: Vec<f64>,
    /// Rows of the covariance, one after another.
    covariance: Vec<f64>,
}

impl Cloud {
    /// Of at least two rows of equal length with finite numbers only; else `None`.
    pub fn of(rows: &[Vec<f32>]) -> Option<Self> {
        let n = rows.first()?.len();
        let usable = |row: &Vec<f32>| row.len() == n && row.iter().all(|v| v.is_finite());
        if rows.len() < 2 || n == 0 || !rows.iter().all(usable) {
            return None;
        }
        let mut mean = vec![0.0; n];
        for row in rows {
            for (sum, v) in mean.iter_mut().zip(row) {
                *sum += f64::from(*v) / rows.len() as f64;
            }
        }
        let mut covariance = vec![0.0; n * n];
        let freedom = (rows.len() - 1) as f64;
        for row in rows {
            let off: Vec<f64> = row
                .iter()
                .zip(&mean)
                .map(|(v, m)| f64::from(*v) - m)
                .collect();
            for (line, a) in covariance.chunks_mut(n).zip(&off) {
                for (cell, b) in line.iter_mut().zip(&off) {
                    *cell += a * b / freedom;
                }
            }
        }
        Some(Self { mean, covariance })
    }

    fn trace(&self) -> f64 {
        self.covariance.iter().step_by(self.mean.len() + 1).sum()
    }
}

/// The squared Fréchet distance, ≥ 0; `None` for clouds of different features.
pub fn distance(a: &Cloud, b: &Cloud) -> Option<f64> {
    let n = a.mean.len();
    if b.mean.len() != n {
        return None;
    }
    let apart: f64 = a
        .mean
        .iter()
        .zip(&b.mean)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    // tr (C₁ C₂)^½ = tr (R C₂ R)^½ with R = C₁^½, and that product is symmetric.
    let (values, vectors) = eigen(a.covariance.clone(), n);
    let mut root = vec![0.0; n * n];
    for (k, value) in values.iter().enumerate() {
        let size = value.max(0.0).sqrt();
        for i in 0..n {
            let left = size * vectors[i * n + k];
            for j in 0..n {
                root[i * n + j] += left * vectors[j * n + k];
            }
        }
    }
    let middle = product(&product(&root, &b.covariance, n), &root, n);
    let (values, _) = eigen(middle, n);
    let common: f64 = values.iter().map(|v| v.max(0.0).sqrt()).sum();
    let distance = apart + a.trace() + b.trace() - 2.0 * common;
    distance.is_finite().then_some(distance.max(0.0))
}

fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for (line, row) in out.chunks_mut(n).zip(a.chunks(n)) {
        for (factor, other) in row.iter().zip(b.chunks(n)) {
            for (cell, v) in line.iter_mut().zip(other) {
                *cell += factor * v;
            }
        }
    }
    out
}

/// Eigenvalues and eigenvectors (columns) of a symmetric matrix by Jacobi's cyclic rotations.
fn eigen(mut matrix: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    for cell in vectors.iter_mut().step_by(n + 1) {
        *cell = 1.0;
    }
    let size: f64 = matrix.iter().map(|v| v * v).sum();
    for _ in 0..60 {
        let diagonal: f64 = matrix.iter().step_by(n + 1).map(|v| v * v).sum();
        let all: f64 = matrix.iter().map(|v| v * v).sum();
        if all - diagonal <= 1e-15 * size {
            break;
        }
        for first in 0..n {
            for second in first + 1..n {
                rotate(&mut matrix, &mut vectors, n, [first, second]);
            }
        }
    }
    (matrix.iter().step_by(n + 1).copied().collect(), vectors)
}

/// One rotation in the plane of two axes that brings their off-diagonal element to 0.
fn rotate(matrix: &mut [f64], vectors: &mut [f64], n: usize, [first, second]: [usize; 2]) {
    let off = matrix[first * n + second];
    if off == 0.0 {
        return;
    }
    let ratio = (matrix[second * n + second] - matrix[first * n + first]) / (2.0 * off);
    let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turn = |cells: &mut [f64], at: usize, to: usize| {
        let (x, y) = (cells[at], cells[to]);
        cells[at] = cosine * x - sine * y;
        cells[to] = sine * x + cosine * y;
    };
    for i in 0..n {
        turn(matrix, i * n + first, i * n + second);
    }
    for i in 0..n {
        turn(matrix, first * n + i, second * n + i);
        turn(vectors, i * n + first, i * n + second);
    }
}
