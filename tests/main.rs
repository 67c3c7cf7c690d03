//! One integration binary: a module a theme, so that the program is linked once.

#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "a test fails by panicking, and reads as one list of cases"
)]

#[cfg(feature = "window")]
mod app;
#[cfg(feature = "window")]
mod app_canvas;
#[cfg(feature = "window")]
mod app_demo;
#[cfg(feature = "window")]
mod app_prompted;
#[cfg(feature = "window")]
mod app_tray;
mod bits;
mod color;
mod command;
mod document;
mod exports;
mod figures;
mod files;
mod full_disk;
mod hostile;
mod job;
mod live;
mod masks;
mod measure;
mod network;
mod objects;
mod ops;
mod peer;
mod phantom;
mod phantom_chest;
mod pipeline;
mod radiograph;
mod resume;
mod schedules;
#[cfg(feature = "window")]
mod shown;
mod synthesis;
mod tidy;
mod training;
mod transfer;
#[cfg(feature = "window")]
mod viewer;
#[cfg(feature = "window")]
mod viewing;
