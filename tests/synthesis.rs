//! Generation and compositing.
