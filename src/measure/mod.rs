//! Measurements: pure functions of points, maps and spacing, in image space, with units in their names.

pub mod norberg;
