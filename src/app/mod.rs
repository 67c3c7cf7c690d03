//! Everything with a screen.

pub mod canvas;
