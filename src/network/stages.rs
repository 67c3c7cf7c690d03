//! Gradients of a network in stages: only what lies between the stages is kept, everything else is computed twice.
//!
//! Separate because any network that can say its stages can be trained so, and the arithmetic of the layers is not
//! concerned (Chen et al. 2016, "Training deep nets with sublinear memory cost": one segment a stage).

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

/// One part of a forward pass: a state of several tensors to the next one.
pub type Stage<'a> = Box<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + 'a>;

/// A loss with its gradients.
#[derive(Debug)]
pub struct Staged {
    /// The loss, a scalar without a graph.
    pub loss: Tensor,
    /// Gradients by the variables that the stages used.
    pub gradients: GradStore,
    /// Gradients by the tensors of the first state; absent where the loss does not depend on one.
    pub by_begin: Vec<Option<Tensor>>,
}

/// Loss and gradients of `loss(last stage(… first stage(begin)))`, with one stage's graph in memory at a time.
///
/// A stage is called twice and must give the same values both times.
pub fn backward(
    begin: &[Tensor],
    stages: &[Stage<'_>],
    loss: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Staged> {
    let cut = |state: &[Tensor]| state.iter().map(Tensor::detach).collect::<Vec<_>>();
    let mut states = vec![cut(begin)];
    for stage in stages {
        let state = stage(states.last().map_or(&[], Vec::as_slice))?;
        states.push(cut(&state));
    }
    let leaves = leaves_of(&states.pop().unwrap_or_default())?;
    let total = loss(&tensors_of(&leaves))?;
    let mut gradients = total.backward()?;
    let mut wanted = take(&mut gradients, &leaves);
    for (stage, state) in stages.iter().zip(states).rev() {
        let leaves = leaves_of(&state)?;
        let outputs = stage(&tensors_of(&leaves))?;
        // The gradient of Σ output · wanted is what the chain rule asks of this stage.
        let mut sum: Option<Tensor> = None;
        for (output, wanted) in outputs.iter().zip(&wanted) {
            let Some(wanted) = wanted else { continue };
            let part = (output * wanted)?.sum_all()?;
            sum = Some(match sum {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
        let Some(sum) = sum else {
            wanted = vec![None; leaves.len()];
            continue;
        };
        let mut here = sum.backward()?;
        wanted = take(&mut here, &leaves);
        gradients.extend(here)?;
    }
    Ok(Staged {
        loss: total.detach(),
        gradients,
        by_begin: wanted,
    })
}

fn leaves_of(state: &[Tensor]) -> Result<Vec<Var>> {
    state.iter().map(Var::from_tensor).collect()
}

fn tensors_of(leaves: &[Var]) -> Vec<Tensor> {
    leaves.iter().map(|leaf| leaf.as_tensor().clone()).collect()
}

fn take(store: &mut GradStore, leaves: &[Var]) -> Vec<Option<Tensor>> {
    leaves.iter().map(|leaf| store.remove(leaf)).collect()
}
