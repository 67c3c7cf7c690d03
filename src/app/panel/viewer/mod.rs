//! What belongs to looking at images: measurements, the values a brush takes, the series that are open.

pub(crate) mod brush;
pub(crate) mod measures;
pub(crate) mod series;
