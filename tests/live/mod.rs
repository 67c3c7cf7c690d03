//! Drawing live: what is reused, warm starts, students, second passes, canvases that grow, veils.

#[cfg(feature = "window")]
mod answers;
mod compare;
mod engine;
mod frame;
#[cfg(feature = "window")]
mod machine;
mod refine;
#[cfg(feature = "window")]
mod window;

#[cfg(feature = "window")]
pub(crate) use machine::basis;
