//! Measurements: pure functions of points, maps and spacing, in image space, with units in their names.

pub mod compare;
pub mod dscore;
pub mod edges;
pub mod frechet;
pub mod norberg;
pub mod realism;
pub mod seam;
pub mod wasserstein;
