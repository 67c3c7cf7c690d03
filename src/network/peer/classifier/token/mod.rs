//! Classifiers after transformers: `ConvNeXt` and vision transformers.

pub mod convnext;
pub mod relative;
pub mod vit;

use candle_core::Result;

use super::{Classifier, Config};
use crate::network::peer::scope::Scope;

/// Any of this folder.
pub(super) fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Option<Classifier>> {
    for family in [convnext::build, vit::build, relative::build] {
        if let Some(found) = family(scope, config, name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
