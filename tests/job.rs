//! The seam: lanes, cancelling, panics.
