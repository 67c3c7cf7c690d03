//! Data sets from cohorts and phantoms, losses, trainer, checkpoints.
