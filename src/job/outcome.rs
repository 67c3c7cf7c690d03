//! An outcome: what a request became.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{GivenNoise, Request};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::landmarks::HipLandmarks;
use crate::radiograph::{ModalityTransform, Radiograph};

/// Hip points read by a network, and how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HipReading {
    /// Points in pixels of the image.
    pub landmarks: HipLandmarks,
    /// 90 % interval of the left Norberg angle, degrees.
    pub left_interval_degrees: [f64; 2],
    /// 90 % interval of the right Norberg angle, degrees.
    pub right_interval_degrees: [f64; 2],
    /// Standard deviation of each point in pixels: left centre, left rim, right centre, right rim.
    pub point_sigma_px: [f64; 4],
    /// What to be careful about, for a person.
    pub warnings: Vec<String>,
}

/// The largest standard deviation of a point that was found, as a share of the radius of its femoral head.
///
/// A rim point lies about one radius from its center, so a tenth of it is six degrees of the angle. Drawn films stay below
/// 0.04; images made from half a sketch, where one of the heads is not there, have 0.15 and more.
const FOUND_SHARE: f64 = 0.1;

impl HipReading {
    /// Whether both heads and both rims were found; where they were not, there is no angle to be told.
    pub fn is_found(&self) -> bool {
        let HipLandmarks { left, right, .. } = &self.landmarks;
        let radii = [left.radius, left.radius, right.radius, right.radius];
        let shares = self.point_sigma_px.iter().zip(radii);
        // Written so that what is no number counts as not found.
        shares
            .map(|(sigma, radius)| sigma / radius)
            .all(|share| share <= FOUND_SHARE)
    }
}

/// How well the patch meets its surroundings; what could not be measured is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seam {
    /// Factor put on the patch, fitted on outside pixels inside the window, clamped; that of all passes together.
    /// Absent where too few of those pixels lie near the mask: nothing was matched then.
    pub gain: Option<f64>,
    /// Offset put on the patch, stored values; absent through a Modality LUT of two passes, too, where no one offset is
    /// theirs.
    pub offset: Option<f64>,
    /// Mean gradient across the seam over that beside it; 1 = invisible.
    pub jump: Option<f64>,
    /// High-pass noise power of the patch over that of its surroundings; 1 = alike.
    pub noise_ratio: Option<f64>,
    /// The same for means over 1, 2, 4 and 8 pixels a side: coarser and coarser grain.
    #[serde(default)]
    pub noise_bands: [Option<f64>; 4],
    /// The same half-way through the ring, where patch and film mix.
    #[serde(default)]
    pub ring_noise_ratio: Option<f64>,
    /// The share of the renewed part, 0–1, where the film lies beyond the window: the model never saw those values and
    /// none of them comes back. Absent without a window and in older records.
    #[serde(default)]
    pub beyond_window: Option<f64>,
    /// Whether gain or offset would have had to be larger than is allowed: the patch does not belong there.
    #[serde(default)]
    pub clamped: bool,
}

impl Seam {
    /// The offset in the unit of an image, `+3.1 HU`; in stored values where the image has none, or a table instead of
    /// one slope (PS3.3 C.11.1); a dash where there is none.
    pub fn offset_text(&self, image: &Radiograph) -> String {
        let Some(offset) = self.offset else {
            return "–".to_owned();
        };
        match image.modality_transform {
            ModalityTransform::Linear { slope, .. } if !image.modality_unit.is_empty() => {
                format!("{:+.1} {}", slope * offset, image.modality_unit)
            }
            _ => format!("{offset:+.1}"),
        }
    }
}

/// One generated image with its numbers.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its number: with the seed, the name of its noise.
    pub image_number: u64,
    /// The composite at native depth, marked synthetic.
    pub radiograph: Arc<Radiograph>,
    /// 255 where pixels were allowed to change: the mask grown by the ring; everywhere for whole images.
    pub changed: Grid<u8>,
    /// Pixels outside `changed` that differ from the source; must be 0.
    pub changed_outside_ring: usize,
    /// Pixels inside `changed` that differ from the source.
    pub changed_inside: usize,
    /// Seam numbers, in- and outpainting only.
    pub seam: Option<Seam>,
    /// Median distance of the drawn lines to the nearest edge of the result, pixels of the image; sketches only.
    pub hint_distance_px: Option<f64>,
    /// Hip points of the result, hip films only.
    pub hips: Option<HipReading>,
    /// Saliency maps of the reader's blocks, for the D-score; empty for previews and without a reader.
    pub saliency: Vec<Grid<f32>>,
    /// The reader's opinion: findings with probability.
    pub findings: Vec<(String, f64)>,
    /// Side in pixels of the tiles that the model decoded the image in; absent where it did so in one piece.
    pub decoder_tile_px: Option<usize>,
    /// What the walk ended in and the square of the image it shows: of previews for the warm start of the next one, and
    /// of models that read text, whose latents may be kept.
    pub latent: Option<(PixelRect, GivenNoise)>,
}

/// What a request became.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The request, with the hash of the model that was used.
    pub request: Arc<Request>,
    /// The images, in order of their number.
    pub images: Vec<Made>,
    /// Wall-clock time of the generation.
    pub seconds: f64,
}
