//! Classifiers after transformers: `ConvNeXt`, vision transformers, Swin and `MaxViT`.

pub mod convnext;
pub mod maxvit;
pub mod relative;
pub mod swin;
pub mod vit;

use candle_core::Result;

use super::{Classifier, Config};
use crate::network::peer::scope::Scope;

/// Any of this folder.
pub(super) fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Option<Classifier>> {
    let families = [
        convnext::build,
        vit::build,
        relative::build,
        swin::build,
        maxvit::build,
    ];
    for family in families {
        if let Some(found) = family(scope, config, name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
