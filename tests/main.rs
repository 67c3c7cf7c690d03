//! One integration binary: a module a theme, so that the program is linked once.

#[cfg(feature = "window")]
mod app;
#[cfg(feature = "window")]
mod app_canvas;
mod command;
mod document;
mod job;
mod measure;
mod network;
mod ops;
mod phantom;
mod phantom_chest;
mod radiograph;
mod synthesis;
mod tidy;
mod training;
