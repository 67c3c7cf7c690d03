//! Analytic phantoms: physics against closed forms, anatomy against its own truth.

#[path = "phantom/xray.rs"]
mod xray;

#[path = "phantom/hip.rs"]
mod hip;

#[path = "phantom/kinds.rs"]
mod kinds;

#[path = "phantom/realism.rs"]
mod realism;
