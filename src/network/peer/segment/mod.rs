//! Segmenters.

mod segformer;

pub use segformer::{Config as SegformerConfig, Segformer};
