//! Inception v3 (Szegedy et al. 2016): torchvision's classifier, and the variant that FID is defined with.
//!
//! The variant (pytorch-fid, after the TensorFlow graph of 2015) leaves zeros of the padding out of averages and pools
//! the last branch by maximum; names and shapes are the same.

use candle_core::{Result, Tensor};

use super::mixed::{Basic, Renormalize};
use crate::network::ops;
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{Chain, Concat, Layer as _, Step, Taps, linear, window};
use crate::network::peer::scope::Scope;

const BASIC: Basic = Basic { epsilon: 1e-3 };
const ONE: Taps = Taps::square(1);
const THREE: Taps = Taps::square(3).pad(1);
const HALF: Taps = Taps::square(3).stride(2);
const ROW: Taps = Taps::new(1, 7).same();
const COLUMN: Taps = Taps::new(7, 1).same();

/// How the pooled branches pool.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Torchvision,
    Fid,
}

impl Style {
    fn average(self) -> Step {
        Step::AveragePool(window(3, 1, 1, false), self == Self::Torchvision)
    }

    fn last(self) -> Step {
        match self {
            Self::Torchvision => self.average(),
            Self::Fid => Step::MaxPool(window(3, 1, 1, false)),
        }
    }
}

/// A chain of convolutions `{name}` or `{name}_1`, `{name}_2`, … with the channels between them.
fn way(scope: &Scope<'_>, name: &str, widths: &[usize], taps: &[Taps]) -> Result<Chain> {
    let taps_of_one = taps.len() == 1;
    let mut chain = Chain::new();
    for (i, (channels, taps)) in widths.windows(2).zip(taps).enumerate() {
        let place = if taps_of_one {
            scope.at(name)
        } else {
            scope.at(format!("{name}_{}", i + 1))
        };
        chain.push(BASIC.conv(&place, [channels[0], channels[1]], *taps)?);
    }
    Ok(chain)
}

fn pooled(scope: &Scope<'_>, step: Step, channels: [usize; 2]) -> Result<Chain> {
    let conv = BASIC.conv(&scope.at("branch_pool"), channels, ONE)?;
    Ok(Chain::new().then(step).then(conv))
}

fn block_a(scope: &Scope<'_>, style: Style, input: usize, pool: usize) -> Result<Concat> {
    Ok(Concat(vec![
        way(scope, "branch1x1", &[input, 64], &[ONE])?,
        way(
            scope,
            "branch5x5",
            &[input, 48, 64],
            &[ONE, Taps::square(5).pad(2)],
        )?,
        way(
            scope,
            "branch3x3dbl",
            &[input, 64, 96, 96],
            &[ONE, THREE, THREE],
        )?,
        pooled(scope, style.average(), [input, pool])?,
    ]))
}

fn block_b(scope: &Scope<'_>, input: usize) -> Result<Concat> {
    Ok(Concat(vec![
        way(scope, "branch3x3", &[input, 384], &[HALF])?,
        way(
            scope,
            "branch3x3dbl",
            &[input, 64, 96, 96],
            &[ONE, THREE, HALF],
        )?,
        Chain::new().then(Step::MaxPool(window(3, 2, 0, false))),
    ]))
}

fn block_c(scope: &Scope<'_>, style: Style, inner: usize) -> Result<Concat> {
    let (input, c) = (768, inner);
    let long = [ONE, COLUMN, ROW, COLUMN, ROW];
    Ok(Concat(vec![
        way(scope, "branch1x1", &[input, 192], &[ONE])?,
        way(scope, "branch7x7", &[input, c, c, 192], &[ONE, ROW, COLUMN])?,
        way(scope, "branch7x7dbl", &[input, c, c, c, c, 192], &long)?,
        pooled(scope, style.average(), [input, 192])?,
    ]))
}

fn block_d(scope: &Scope<'_>) -> Result<Concat> {
    let long = [ONE, ROW, COLUMN, HALF];
    Ok(Concat(vec![
        way(scope, "branch3x3", &[768, 192, 320], &[ONE, HALF])?,
        way(scope, "branch7x7x3", &[768, 192, 192, 192, 192], &long)?,
        Chain::new().then(Step::MaxPool(window(3, 2, 0, false))),
    ]))
}

fn block_e(scope: &Scope<'_>, pool: Step, input: usize) -> Result<Concat> {
    let fork = |name: &str| -> Result<Concat> {
        let one = |suffix: &str, taps: Taps| -> Result<Chain> {
            let place = scope.at(format!("{name}{suffix}"));
            Ok(Chain::new().then(BASIC.conv(&place, [384, 384], taps)?))
        };
        Ok(Concat(vec![
            one("a", Taps::new(1, 3).same())?,
            one("b", Taps::new(3, 1).same())?,
        ]))
    };
    let conv =
        |name: &str, channels: [usize; 2], taps: Taps| BASIC.conv(&scope.at(name), channels, taps);
    Ok(Concat(vec![
        way(scope, "branch1x1", &[input, 320], &[ONE])?,
        Chain::new()
            .then(conv("branch3x3_1", [input, 384], ONE)?)
            .then(fork("branch3x3_2")?),
        Chain::new()
            .then(conv("branch3x3dbl_1", [input, 448], ONE)?)
            .then(conv("branch3x3dbl_2", [448, 384], THREE)?)
            .then(fork("branch3x3dbl_3")?),
        pooled(scope, pool, [input, 192])?,
    ]))
}

/// Everything up to the last maps `[B,2048,h,w]`, in the four stages of pytorch-fid.
fn stages(scope: &Scope<'_>, style: Style) -> Result<Vec<Chain>> {
    let pool = Step::MaxPool(window(3, 2, 0, false));
    let conv =
        |name: &str, channels: [usize; 2], taps: Taps| BASIC.conv(&scope.at(name), channels, taps);
    let at = |name: &str| scope.at(name);
    let c = |name: &str, inner: usize| block_c(&scope.at(name), style, inner);
    Ok(vec![
        Chain::new()
            .then(conv("Conv2d_1a_3x3", [3, 32], HALF)?)
            .then(conv("Conv2d_2a_3x3", [32, 32], Taps::square(3))?)
            .then(conv("Conv2d_2b_3x3", [32, 64], THREE)?)
            .then(pool),
        Chain::new()
            .then(conv("Conv2d_3b_1x1", [64, 80], ONE)?)
            .then(conv("Conv2d_4a_3x3", [80, 192], Taps::square(3))?)
            .then(pool),
        Chain::new()
            .then(block_a(&at("Mixed_5b"), style, 192, 32)?)
            .then(block_a(&at("Mixed_5c"), style, 256, 64)?)
            .then(block_a(&at("Mixed_5d"), style, 288, 64)?)
            .then(block_b(&at("Mixed_6a"), 288)?)
            .then(c("Mixed_6b", 128)?)
            .then(c("Mixed_6c", 160)?)
            .then(c("Mixed_6d", 160)?)
            .then(c("Mixed_6e", 192)?),
        Chain::new()
            .then(block_d(&at("Mixed_7a"))?)
            .then(block_e(&at("Mixed_7b"), style.average(), 1280)?)
            .then(block_e(&at("Mixed_7c"), style.last(), 2048)?),
    ])
}

/// `inception_v3`; its side output, which only training uses, is read and checked if it is there.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    if name != "inception_v3" {
        return Ok(None);
    }
    let side = scope.at("AuxLogits");
    if side.has("fc.weight") {
        BASIC.conv(&side.at("conv0"), [768, 128], ONE)?;
        BASIC.conv(&side.at("conv1"), [128, 768], Taps::square(5))?;
        linear(&side.at("fc"), [768, config.num_classes], true)?;
    }
    let mut all = stages(scope, Style::Torchvision)?;
    if config.transform_input {
        all.insert(0, Chain::new().then(Renormalize));
    }
    let head = Chain::new().then(Step::GlobalMean).then(linear(
        &scope.at("fc"),
        [2048, config.num_classes],
        true,
    )?);
    Ok(Some(Classifier::new(all, head)))
}

/// The features that FID compares, in pytorch-fid's layout.
#[derive(Debug)]
pub struct InceptionFid {
    stages: Vec<Chain>,
}

impl InceptionFid {
    /// Builds it under `scope`; the classifier of 1008 classes in the file is checked and not used.
    pub fn new(scope: &Scope<'_>) -> Result<Self> {
        if scope.has("fc.weight") {
            linear(&scope.at("fc"), [2048, 1008], true)?;
        }
        Ok(Self {
            stages: stages(scope, Style::Fid)?,
        })
    }

    /// `image [B,3,H,W]` in 0..1 to features `[B,2048]`: resized to 299×299, scaled to -1..1, means of the last maps.
    pub fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let resized = ops::resize_bilinear(image, 299, 299)?;
        let x = resized.affine(2.0, -1.0)?;
        let maps = self
            .stages
            .iter()
            .try_fold(x, |x, stage| stage.forward(&x))?;
        Step::GlobalMean.forward(&maps)
    }
}
