//! Models in the layout of diffusers: folders of text encoder, denoiser, autoencoder and scheduler.
//!
//! Separate from the networks, which know nothing of folders, and from synthesis, which knows nothing of files.

mod coder;
pub mod convert;
mod dressed;
mod files;
mod folder;
mod load;
mod lora;
mod need;
mod reader;
mod tokenizer;

pub use coder::Coder;
pub use folder::{PeerFolder, PeerTask, add_reference, list_peers};
pub use load::{
    Checked, PeerControl, Pipeline, Shape, check_peer, load_peer_control, load_pipeline, need_of,
    words,
};
pub use need::{Need, gigabytes};
pub use reader::TextReader;
pub use tokenizer::ClipTokenizer;
