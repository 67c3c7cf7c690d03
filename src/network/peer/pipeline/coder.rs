//! The autoencoder of a pipeline, of which the half that reads pictures is in memory only while it reads.
//!
//! Separate for the reason that the text encoder is: what is known is encoded once a request, or never, and the weights
//! would lie beside the denoiser's all the while.

use super::dressed::Dressed;
use crate::network::device::Place;
use crate::network::folder::{ModelError, Store as _};
use crate::network::peer::diffusion::{AutoencoderConfig, AutoencoderKl, Decoder, Encoder};
use crate::network::peer::scope::Scope;

/// Pictures to latents and back.
#[derive(Debug)]
pub struct Coder {
    weights: Dressed,
    config: AutoencoderConfig,
    place: Place,
    /// Latents to pictures.
    pub decoder: Decoder,
    /// What latents are multiplied by for the denoiser.
    pub scaling_factor: f64,
}

impl Coder {
    /// An error where the weights are not those of this autoencoder, in either half.
    pub(super) fn new(
        weights: Dressed,
        config: AutoencoderConfig,
        place: &Place,
    ) -> Result<Self, ModelError> {
        // Of the whole, names, shapes and types are known without reading.
        let names = weights.clone().hollow();
        names.build(&Place::default(), |scope| {
            AutoencoderKl::new(scope, &config)
        })?;
        let decoder = half(&weights, place, |scope| Decoder::new(scope, &config))?;
        Ok(Self {
            scaling_factor: config.scaling_factor,
            weights,
            config,
            place: place.clone(),
            decoder,
        })
    }

    /// Reads the half from pictures to latents, which goes with the one who asked for it.
    pub fn encoder(&self) -> Result<Encoder, ModelError> {
        half(&self.weights, &self.place, |scope| {
            Encoder::new(scope, &self.config)
        })
    }

    /// Numbers in the weights of the two halves, encoder and decoder.
    pub(super) fn counts(weights: &Dressed) -> [u64; 2] {
        let mut counts = [0, 0];
        for name in weights.names() {
            let shape = weights.shape(&name);
            let encodes = name.starts_with("encoder.") || name.starts_with("quant_conv.");
            counts[usize::from(!encodes)] += shape.map_or(0, |shape| shape.elem_count() as u64);
        }
        counts
    }
}

/// One half of the network; the tensors of the other are known and not read.
fn half<N>(
    weights: &Dressed,
    place: &Place,
    network: impl FnOnce(&Scope<'_>) -> candle_core::Result<N>,
) -> Result<N, ModelError> {
    let names = weights.names();
    weights.clone().build(place, |scope| {
        names.iter().try_for_each(|name| scope.ignore(name))?;
        network(scope)
    })
}
