//! Training images with everything known about them, from phantoms or from folders.
//!
//! Separate from the lessons, which ask for an example by number and never for a file. All images of a run are kept in
//! memory as bytes at the size of training: 64 KiB each at 256².

pub mod augment;
mod batch;
mod cache;
mod drawing;
mod files;
mod manifest;
mod phantoms;
mod shapes;
mod views;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::recipe::Recipe;
use crate::encoding::hex;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::job::{DataSource, Error, ErrorKind, Observe, TrainingPlan};
use crate::landmarks::HipLandmarks;
use crate::network::condition::{Condition, FINDINGS, KINDS, Names};

pub use batch::{condition_of, image_tensor, indices};
pub use drawing::{mask_of, said_of_mask, sketch_at, sketch_of};
pub use phantoms::{KINDS as PHANTOM_KINDS, phantom_example};
pub use views::{CLOSE, WHOLE, fixed_view};

/// What is known about one image beside its pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Kind by name; empty when unknown.
    pub kind: String,
    /// Age in years.
    pub age_years: Option<f64>,
    /// 0 female, 1 male, 2 other.
    pub sex: Option<usize>,
    /// Findings by name: present or absent.
    pub findings: Vec<(String, bool)>,
    /// Hip points, pixels of the training image.
    pub landmarks: Option<HipLandmarks>,
    /// Lines of the anatomy, pixels of the training image; the flag says whether the line is closed.
    pub outlines: Vec<(Vec<Point>, bool)>,
    /// Where findings are: name, and the corners of a box in pixels of the training image, least and largest.
    #[serde(default)]
    pub places: Vec<(String, [Point; 2])>,
    /// Millimetres a pixel of the training image.
    pub spacing_mm: Option<f64>,
}

/// One training image.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Grey, 0 black, of the size of training.
    pub image: Grid<u8>,
    /// What is known about it.
    pub facts: Facts,
}

/// All images of a run; the last ones are kept out of training.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// Width and height as networks see them; the images may be larger.
    pub size: usize,
    /// Images in a fixed order.
    pub examples: Vec<Example>,
    /// How many at the end are held out.
    pub held_out: usize,
    /// Names of kinds and findings in them.
    pub names: Names,
    /// What they are, for a person: `700 hip, 700 chest phantoms`.
    pub description: String,
}

impl DataSet {
    /// A data set of these images.
    pub fn new(
        examples: Vec<Example>,
        recipe: &Recipe,
        description: String,
    ) -> Result<Self, Error> {
        if examples.is_empty() {
            return Err(Error::new(
                ErrorKind::Input,
                "there is no image to train on",
            ));
        }
        let names = names_in(&examples)?;
        Ok(Self {
            size: recipe.size,
            held_out: recipe.held_out.min(examples.len() / 4),
            examples,
            names,
            description,
        })
    }

    /// SHA-256 over the pixels and facts of all images in their order, hexadecimal.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for Example { image, facts } in &self.examples {
            hasher.update(image.cells());
            // Facts are numbers, words and lists: they always have a text.
            hasher.update(serde_json::to_vec(facts).unwrap_or_default());
        }
        hex(&hasher.finalize())
    }

    /// Numbers of the images trained on.
    pub fn training(&self) -> Range<usize> {
        0..self.examples.len() - self.held_out
    }

    /// Numbers of the images kept out.
    pub fn held(&self) -> Range<usize> {
        self.examples.len() - self.held_out..self.examples.len()
    }

    /// What a picture of example `index` shows, all known fields filled.
    pub fn condition(&self, facts: &Facts) -> Condition {
        condition_of(facts, &self.names, self.size)
    }
}

fn names_in(examples: &[Example]) -> Result<Names, Error> {
    let mut kinds = std::collections::BTreeSet::new();
    let mut findings = std::collections::BTreeSet::new();
    for example in examples {
        if !example.facts.kind.is_empty() {
            kinds.insert(example.facts.kind.clone());
        }
        findings.extend(example.facts.findings.iter().map(|(name, _)| name.clone()));
    }
    for (what, count, most) in [
        ("kinds of image", kinds.len(), KINDS),
        ("findings", findings.len(), FINDINGS),
    ] {
        if count > most {
            return Err(Error::new(
                ErrorKind::Input,
                format!("the images have {count} {what}, a network holds {most}"),
            )
            .remedy("train on fewer kinds at once"));
        }
    }
    // A dog's life in ten places, as a person's in ten decades.
    let years = |kind: &String| if kind.starts_with("hip") { 1.5 } else { 10.0 };
    Ok(Names {
        years_per_decade: kinds.iter().map(years).collect(),
        kinds: kinds.into_iter().collect(),
        findings: findings.into_iter().collect(),
    })
}

/// The images of a plan, from its phantoms (kept on disk between runs) or its folder.
pub fn load(
    plan: &TrainingPlan,
    recipe: &Recipe,
    observe: &mut Observe<'_>,
) -> Result<DataSet, Error> {
    match &plan.data {
        DataSource::Phantoms { kinds, seed, count } => {
            let folder = Recipe::beside(&recipe.cache, &plan.out, "cache");
            let wanted = phantoms::Wanted {
                seed: *seed,
                count: *count,
                size: recipe.film_size(),
                independent: recipe.independent,
            };
            let examples = phantoms::examples(kinds, &wanted, &folder, observe)?;
            let description = format!("{} {} phantoms", examples.len(), kinds.join(" and "));
            DataSet::new(examples, recipe, description)
        }
        DataSource::Folder(path) => {
            let examples = files::examples(path, recipe.film_size(), observe)?;
            let description = format!("{} images of a folder", examples.len());
            DataSet::new(examples, recipe, description)
        }
    }
}
