//! Networks of other programs, with their names and their numbers.
//!
//! Published weights load as they are: a configuration and a file of the peer become a network here, every tensor of
//! the file accounted for. The networks compute through [`crate::network::ops`], so they can be trained too. Separate
//! from the project's own networks, which are free to change; these are fixed by their peers.

pub mod classifier;
pub mod diffusion;
mod forward;
pub mod inpaint;
mod kind;
pub mod layers;
mod listed;
pub mod medfusion;
pub mod perceptual;
pub mod pipeline;
pub mod scope;
pub mod segment;
pub mod source;
pub mod text;
pub mod translate;

pub use forward::{Files, Report, forward_files};
pub use kind::{Inputs, Network, Outputs, build};
pub use listed::{ARCHITECTURES, Architecture, architectures_help};
