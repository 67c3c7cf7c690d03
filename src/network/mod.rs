//! Networks: layers with weights, one constructor for training and inference.

pub mod ops;
