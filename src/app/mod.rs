//! Everything with a screen.
