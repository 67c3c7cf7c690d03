//! D-score: how diverse a set of images is in the eyes of a classifier (seed paper 000, Eq. 7).
//!
//! `D = 2/(N(N−1)) Σ_{i<j} (1/C) Σ_c ω(A_c^i, A_c^j)` with saliency maps `A_c` of `C` blocks and a Wasserstein
//! distance ω: sliced over space (the headline) or of the values alone. Kept up to date image by image, so that the
//! tray's number follows every result.

use super::wasserstein::{
    Slices, distance_of_sorted, normalized_mass, sorted_values, sum_of_differences,
};
use crate::grid::Grid;

/// The ground distance between two maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DScoreMode {
    /// Sliced W1 of mass-normalised maps: where the reader looks.
    Sliced,
    /// W1 of the values, each map divided by its maximum: how the reader's attention is spread, not where.
    Values,
}

/// Why a set of maps cannot be scored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DScoreError {
    /// An image with another number of blocks.
    #[error("an image has {found} saliency maps, the others {expected}")]
    Blocks {
        /// Maps of this image.
        found: usize,
        /// Maps of the others.
        expected: usize,
    },
    /// A map of another size.
    #[error("block {block}: a map is {found:?}, the others {expected:?}")]
    Size {
        /// The block, from 0.
        block: usize,
        /// `(width, height)` of this map.
        found: (usize, usize),
        /// `(width, height)` of the others.
        expected: (usize, usize),
    },
    /// A map without a pixel.
    #[error("block {block}: the map is empty")]
    Empty {
        /// The block, from 0.
        block: usize,
    },
}

#[derive(Clone, Debug)]
struct Block {
    size: (usize, usize),
    slices: Option<Slices>,
    maps: Vec<Vec<f32>>,
}

impl Block {
    fn distance(&self, a: &[f32], b: &[f32]) -> f64 {
        match &self.slices {
            Some(slices) => slices.distance(a, b),
            None => distance_of_sorted(a, b),
        }
    }
}

/// The diversity of a growing and shrinking set of images.
#[derive(Clone, Debug)]
pub struct DScore {
    mode: DScoreMode,
    blocks: Vec<Block>,
    count: usize,
    pair_sum: f64,
    blank_maps: usize,
}

impl DScore {
    /// An empty set.
    pub fn new(mode: DScoreMode) -> Self {
        Self {
            mode,
            blocks: Vec::new(),
            count: 0,
            pair_sum: 0.0,
            blank_maps: 0,
        }
    }

    /// The ground distance.
    pub fn mode(&self) -> DScoreMode {
        self.mode
    }

    /// Images in the set.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Saliency maps an image.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Maps that were zero everywhere and were taken as uniform.
    pub fn blank_maps(&self) -> usize {
        self.blank_maps
    }

    /// D of the set; `None` for fewer than two images.
    pub fn value(&self) -> Option<f64> {
        (self.count >= 2).then(|| {
            let pairs = self.count as f64 * (self.count as f64 - 1.0) / 2.0;
            (self.pair_sum / pairs).max(0.0)
        })
    }

    fn prepare(&self, maps: &[Grid<f32>]) -> Result<(Vec<Vec<f32>>, usize), DScoreError> {
        if self.count > 0 && maps.len() != self.blocks.len() {
            return Err(DScoreError::Blocks {
                found: maps.len(),
                expected: self.blocks.len(),
            });
        }
        let mut blank = 0;
        let mut vectors = Vec::with_capacity(maps.len());
        for (block, map) in maps.iter().enumerate() {
            if map.is_empty() {
                return Err(DScoreError::Empty { block });
            }
            if let Some(known) = self.blocks.get(block)
                && self.count > 0
                && known.size != map.size()
            {
                return Err(DScoreError::Size {
                    block,
                    found: map.size(),
                    expected: known.size,
                });
            }
            vectors.push(match self.mode {
                DScoreMode::Sliced => {
                    let (mass, was_blank) = normalized_mass(map);
                    blank += usize::from(was_blank);
                    mass
                }
                DScoreMode::Values => sorted_values(map),
            });
        }
        Ok((vectors, blank))
    }

    /// Mean over blocks of the distances from `vectors` to every image of the set, summed, skipping image `except`.
    fn sum_to_all(&self, vectors: &[Vec<f32>], except: Option<usize>) -> f64 {
        let mut sum = 0.0;
        for (block, vector) in self.blocks.iter().zip(vectors) {
            for (n, other) in block.maps.iter().enumerate() {
                if Some(n) != except {
                    sum += block.distance(vector, other);
                }
            }
        }
        sum / self.blocks.len().max(1) as f64
    }

    fn set_blocks(&mut self, maps: &[Grid<f32>]) {
        if self.count > 0 {
            return;
        }
        self.blocks = maps
            .iter()
            .map(|map| Block {
                size: map.size(),
                slices: (self.mode == DScoreMode::Sliced)
                    .then(|| Slices::new(map.width(), map.height())),
                maps: Vec::new(),
            })
            .collect();
    }

    /// Adds an image by its maps; returns its mean distance to the images that were there.
    pub fn push(&mut self, maps: &[Grid<f32>]) -> Result<Option<f64>, DScoreError> {
        let (vectors, blank) = self.prepare(maps)?;
        self.set_blocks(maps);
        let sum = self.sum_to_all(&vectors, None);
        for (block, vector) in self.blocks.iter_mut().zip(vectors) {
            block.maps.push(vector);
        }
        self.pair_sum += sum;
        self.blank_maps += blank;
        self.count += 1;
        Ok((self.count > 1).then(|| sum / (self.count - 1) as f64))
    }

    /// Removes image `index`; nothing happens when there is none.
    pub fn remove(&mut self, index: usize) {
        if index >= self.count {
            return;
        }
        let vectors: Vec<Vec<f32>> = self
            .blocks
            .iter_mut()
            .map(|block| block.maps.remove(index))
            .collect();
        self.count -= 1;
        self.pair_sum -= self.sum_to_all(&vectors, None);
        if self.count < 2 {
            self.pair_sum = 0.0;
        }
    }

    /// Mean distance of image `index` to the others; `None` when there is none other.
    pub fn contribution(&self, index: usize) -> Option<f64> {
        if index >= self.count || self.count < 2 {
            return None;
        }
        let vectors: Vec<Vec<f32>> = self.blocks.iter().map(|b| b.maps[index].clone()).collect();
        Some(self.sum_to_all(&vectors, Some(index)) / (self.count - 1) as f64)
    }

    /// Scores a whole set at once, in `O(N log N)` a coordinate; `images[n]` holds the maps of image `n`.
    pub fn of(mode: DScoreMode, images: &[Vec<Grid<f32>>]) -> Result<Self, DScoreError> {
        let mut score = Self::new(mode);
        for maps in images {
            let (vectors, blank) = score.prepare(maps)?;
            score.set_blocks(maps);
            for (block, vector) in score.blocks.iter_mut().zip(vectors) {
                block.maps.push(vector);
            }
            score.blank_maps += blank;
            score.count += 1;
        }
        let sums = score.blocks.iter().map(|block| {
            if let Some(slices) = &block.slices {
                slices.sum_over_pairs(&block.maps)
            } else {
                let cells = block.size.0 * block.size.1;
                let column = |i: usize| {
                    let mut values: Vec<f64> =
                        block.maps.iter().map(|map| f64::from(map[i])).collect();
                    sum_of_differences(&mut values)
                };
                (0..cells).map(column).sum::<f64>() / cells as f64
            }
        });
        score.pair_sum = sums.sum::<f64>() / score.blocks.len().max(1) as f64;
        Ok(score)
    }
}
