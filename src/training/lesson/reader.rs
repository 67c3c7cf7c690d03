//! The reader's lesson: kind, age, sex and findings of a picture.
//!
//! Separate because its labels have holes: an unknown label has weight 0, not the value 0.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Result as Tensors, Tensor};

use super::{Taught, card, fixed, scalar};
use crate::grid::Grid;
use crate::job::Error;
use crate::network::condition::{Condition, DECADES, KINDS};
use crate::network::device::Place;
use crate::network::folder::{Card, Task};
use crate::network::reader::{Config, FIRST_AGE, FIRST_FINDING, LOGITS, Reader, SEX};
use crate::network::weights::Weights;
use crate::noise::Noise;
use crate::training::data::augment::{Amount, View, views};
use crate::training::data::{DataSet, Facts, image_tensor, indices};
use crate::training::loss::{binary, cross_entropy};
use crate::training::recipe::Recipe;
use crate::training::tensors;
use crate::training::trainer::Loss;

struct ReaderLesson {
    out: PathBuf,
    recipe: Recipe,
    data: DataSet,
    config: Config,
    weights: Weights,
    network: Reader,
}

/// Images with what is known of them.
struct Batch {
    images: Tensor,
    conditions: Vec<Condition>,
    places: Vec<Facts>,
}

/// Builds the network and its lesson.
pub(super) fn begin(
    out: &Path,
    recipe: &Recipe,
    data: DataSet,
    place: &Place,
) -> Result<impl Taught + use<>, Error> {
    let config: Config = recipe.network()?;
    let weights = Weights::on(recipe.seed, &place.device);
    let network = Reader::new(&weights.builder(), &config).map_err(|e| tensors(&e))?;
    Ok(ReaderLesson {
        out: out.to_owned(),
        recipe: recipe.clone(),
        data,
        config,
        weights,
        network,
    })
}

/// Targets and weights of all logits but the kinds, `LOGITS` each; and the kind, if known.
fn targets(condition: &Condition) -> ([f32; LOGITS], [f32; LOGITS], Option<usize>) {
    let (mut target, mut weight) = ([0.0; LOGITS], [0.0; LOGITS]);
    if let Some(age) = condition.age_decades {
        for k in 0..DECADES {
            // "At least k": k = 0 always holds and carries nothing.
            target[FIRST_AGE + k] = if age >= k as f64 { 1.0 } else { 0.0 };
            weight[FIRST_AGE + k] = 0.3;
        }
    }
    if let Some(sex @ 0..2) = condition.sex {
        target[SEX] = sex as f32;
        weight[SEX] = 1.0;
    }
    for (finding, present) in &condition.findings {
        target[FIRST_FINDING + finding] = if *present { 1.0 } else { 0.0 };
        weight[FIRST_FINDING + finding] = 1.0;
    }
    (target, weight, condition.kind)
}

impl ReaderLesson {
    fn views(&self, step: usize) -> Tensors<Batch> {
        let mut noise = Noise::new(self.recipe.seed, step as u64);
        let chosen = indices(&mut noise, self.data.training().len(), self.recipe.batch);
        let examples: Vec<_> = chosen
            .iter()
            .enumerate()
            .map(|(i, n)| (&self.data.examples[*n], i as u64))
            .collect();
        let amount = Amount {
            mirror: 0.0,
            ..Amount::STRONG
        };
        let seen = views(&examples, self.recipe.seed ^ ((step as u64) << 20), &amount);
        let conditions: Vec<Condition> =
            seen.iter().map(|v| self.data.condition(&v.facts)).collect();
        let places: Vec<Facts> = seen.iter().map(|v| v.facts.clone()).collect();
        let images: Vec<Grid<f32>> = seen.into_iter().map(|View { image, .. }| image).collect();
        Ok(Batch {
            images: image_tensor(&images)?,
            conditions,
            places,
        })
    }

    /// How well the cells `maps [B,FINDINGS,h,w]` tell where the findings are.
    ///
    /// Every known finding counts the same: where it is absent all cells, where it is present half for the cells of its
    /// boxes and half for the others, those beside a box left out. Present without a box says nothing of cells.
    fn cells(&self, maps: &Tensor, seen: &[Facts]) -> Tensors<Tensor> {
        let (batch, findings, rows, columns) = maps.dims4()?;
        let area = rows * columns;
        let mut target = vec![0.0_f32; batch * findings * area];
        let mut weight = target.clone();
        for (b, facts) in seen.iter().enumerate() {
            for (name, present) in &facts.findings {
                let Some(place) = self.data.names.finding(name) else {
                    continue;
                };
                let range = (b * findings + place) * area..;
                let (target, weight) = (
                    &mut target[range.clone()][..area],
                    &mut weight[range][..area],
                );
                if !present {
                    weight.fill(1.0 / area as f32);
                    continue;
                }
                let cell = (
                    self.data.size as f64 / columns as f64,
                    self.data.size as f64 / rows as f64,
                );
                let boxes = facts.places.iter().filter(|(of, _)| of == name);
                // How near each cell is to a box: 2 in one, 1 beside one.
                let mut near = vec![0_usize; area];
                for (_, [low, high]) in boxes {
                    let inside = |at: f64, low: f64, high: f64, room: f64| {
                        at + 1.0 + room > low && at - room < high
                    };
                    for (i, near) in near.iter_mut().enumerate() {
                        let (x, y) = ((i % columns) as f64, (i / columns) as f64);
                        let covers = |room: f64| {
                            inside(x, low.x / cell.0, high.x / cell.0, room)
                                && inside(y, low.y / cell.1, high.y / cell.1, room)
                        };
                        *near = (*near).max(usize::from(covers(1.0)) + usize::from(covers(0.0)));
                    }
                }
                let hits = near.iter().filter(|n| **n == 2).count();
                let misses = near.iter().filter(|n| **n == 0).count();
                if hits == 0 {
                    continue;
                }
                for (near, (target, weight)) in near.iter().zip(target.iter_mut().zip(weight)) {
                    match near {
                        2 => (*target, *weight) = (1.0, 0.5 / hits as f32),
                        0 => *weight = 0.5 / misses as f32,
                        _ => {}
                    }
                }
            }
        }
        let shape = maps.dims();
        let target = Tensor::from_vec(target, shape, maps.device())?;
        let weight = Tensor::from_vec(weight, shape, maps.device())?;
        binary(maps, &target, &weight)
    }

    fn judged(logits: &Tensor, found: Option<Tensor>, conditions: &[Condition]) -> Tensors<Loss> {
        let batch = conditions.len();
        let (mut target, mut weight) = (Vec::new(), Vec::new());
        let mut kinds = vec![0.0_f32; batch * KINDS];
        let mut known = vec![0.0_f32; batch];
        for (i, condition) in conditions.iter().enumerate() {
            let (t, w, kind) = targets(condition);
            target.extend(t);
            weight.extend(w);
            if let Some(kind) = kind.filter(|kind| *kind < KINDS) {
                kinds[i * KINDS + kind] = 1.0;
                known[i] = 1.0;
            }
        }
        let shape = (batch, LOGITS);
        let device = logits.device();
        let target = Tensor::from_vec(target, shape, device)?;
        let weight = Tensor::from_vec(weight, shape, device)?;
        let labels = binary(logits, &target, &weight)?;
        let kinds = Tensor::from_vec(kinds, (batch, 1, KINDS), device)?;
        let known = Tensor::from_vec(known, (batch, 1), device)?;
        let kind = cross_entropy(&logits.narrow(1, 0, KINDS)?.unsqueeze(1)?, &kinds, &known)?;
        let mut parts = vec![("labels", scalar(&labels)?), ("kind", scalar(&kind)?)];
        let mut total = (labels + (kind * 0.3)?)?;
        if let Some(found) = found {
            parts.push(("cells", scalar(&found)?));
            total = (total + found)?;
        }
        Ok(Loss {
            gradients: None,
            parts,
            total,
        })
    }

    /// Logits and truth of the images held out.
    fn held_out(&self, averages: &BTreeMap<String, Tensor>) -> Tensors<Vec<(Vec<f32>, Condition)>> {
        let network = Reader::new(&fixed(averages), &self.config)?;
        self.data
            .held()
            .map(|n| {
                let example = &self.data.examples[n];
                let seen = views(&[(example, 0)], 0, &Amount::NONE);
                let images: Vec<Grid<f32>> = seen.into_iter().map(|v| v.image).collect();
                let read = network.forward(&image_tensor(&images)?)?;
                let logits = read.logits.flatten_all()?.to_vec1()?;
                Ok((logits, self.data.condition(&example.facts)))
            })
            .collect()
    }
}

/// Area under the ROC curve of scores with a truth each; `None` without both truths.
pub fn auroc(mut scored: Vec<(f32, bool)>) -> Option<f64> {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scored.iter().filter(|(_, truth)| *truth).count();
    let negatives = scored.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let mut ranks = 0.0;
    let mut start = 0;
    while start < scored.len() {
        let equal = scored[start..]
            .iter()
            .take_while(|s| s.0 == scored[start].0);
        let end = start + equal.count();
        let rank = (start + end + 1) as f64 / 2.0;
        let hits = scored[start..end]
            .iter()
            .filter(|(_, truth)| *truth)
            .count();
        ranks += rank * hits as f64;
        start = end;
    }
    let (p, n) = (positives as f64, negatives as f64);
    Some((ranks - p * (p + 1.0) / 2.0) / (p * n))
}

impl Taught for ReaderLesson {
    type Batch = Batch;

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn batch(&self, step: usize) -> Tensors<Batch> {
        self.views(step)
    }

    fn loss(&self, batch: Batch, _step: usize, _done: f64) -> Tensors<Loss> {
        let read = self.network.forward(&batch.images)?;
        let found = match &read.maps {
            Some(maps) => Some(self.cells(maps, &batch.places)?),
            None => None,
        };
        Self::judged(&read.logits, found, &batch.conditions)
    }

    fn card(&self, _averages: &BTreeMap<String, Tensor>) -> Result<Card, Error> {
        let (out, recipe, data) = (&self.out, &self.recipe, &self.data);
        let architecture = match (self.config.maps > 0, self.config.places) {
            (true, _) => "reader-3",
            (false, true) => "reader-2",
            (false, false) => "reader-1",
        };
        let mut card = card(Task::Reader, architecture, &self.config, out, recipe, data);
        card.names = Some(self.data.names.clone());
        Ok(card)
    }

    fn measure(&self, averages: &BTreeMap<String, Tensor>, card: &mut Card) -> Result<(), Error> {
        let read = self.held_out(averages).map_err(|e| tensors(&e))?;
        for (place, name) in self.data.names.findings.iter().enumerate() {
            // A finding that several kinds share is as good as on the kind where it is told worst: kinds themselves are
            // told apart easily, and would lend it their own area.
            let areas = (0..self.data.names.kinds.len()).filter_map(|kind| {
                let of_kind = read.iter().filter(|(_, truth)| truth.kind == Some(kind));
                let scored = of_kind.filter_map(|(logits, truth)| {
                    let (_, present) = truth.findings.iter().find(|(n, _)| *n == place)?;
                    Some((logits[FIRST_FINDING + place], *present))
                });
                auroc(scored.collect())
            });
            if let Some(area) = areas.min_by(f64::total_cmp) {
                card.measured.insert(format!("held_out_auroc_{name}"), area);
            }
        }
        let sexes = read
            .iter()
            .filter_map(|(logits, truth)| Some((logits[SEX], truth.sex? == 1)));
        if let Some(area) = auroc(sexes.collect()) {
            card.measured.insert("held_out_auroc_sex".to_owned(), area);
        }
        let right = read.iter().filter(|(logits, truth)| {
            let best = (0..KINDS).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
            best == truth.kind
        });
        if !read.is_empty() {
            let share = right.count() as f64 / read.len() as f64;
            card.measured
                .insert("held_out_kind_accuracy".to_owned(), share);
        }
        Ok(())
    }
}
