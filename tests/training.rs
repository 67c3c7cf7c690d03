//! Training: optimiser, checkpoints, resuming.
