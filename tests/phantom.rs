//! Phantoms: physics, truth, determinism.
