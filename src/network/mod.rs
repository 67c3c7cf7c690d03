//! Networks: layers with weights, one constructor for training and inference.
//!
//! Every network is a serde configuration (`Default` is the full size, `tiny()` the size of a test) and a struct built
//! from a `VarBuilder`. Training builds it over [`weights::Weights`], inference over the tensors of a
//! [`folder::ModelFolder`]; nothing else differs.

pub mod autoencoder;
pub mod condition;
pub mod control;
pub mod denoiser;
pub mod device;
pub mod folder;
pub mod hips;
pub mod layers;
pub mod ops;
pub mod peer;
pub mod reader;
pub mod speed;
pub mod stages;
pub mod weights;
