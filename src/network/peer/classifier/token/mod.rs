//! Classifiers after transformers: `ConvNeXt` and vision transformers.

pub mod convnext;
pub mod vit;

use candle_core::Result;

use super::{Classifier, Config};
use crate::network::peer::scope::Scope;

/// Any of this folder.
pub(super) fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Option<Classifier>> {
    match convnext::build(scope, config, name)? {
        Some(found) => Ok(Some(found)),
        None => vit::build(scope, config, name),
    }
}
