//! Radcanvas: draw on medical images and get new ones.
//!
//! This is the map of the program: its layers, its invariants and the way of one stroke.
//!
//! # Layers
//!
//! One folder each; an arrow means "may use". `tests/tidy.rs` reads the `use` lines and keeps this true.
//!
//! ```text
//! main ──► command, app, engine                     parse, choose window or subcommand
//! app ──► transfer, job, document, cohort, measure, radiograph  [egui, eframe, wgpu, rfd: only here]
//! command ──► everything but app                                [clap, indicatif, anyhow: only here]
//! engine ──► study ──► training, synthesis ──► network          [candle: only in these]
//! transfer ──► job, radiograph                                  [dicom-ul, ureq: only here]
//! synthesis, training ──► job, cohort, phantom, document, measure, radiograph
//! job ──► document, measure                                     [channels, and threads, but those that watch a decoder or a connection]
//! cohort, document ──► radiograph                               pure data
//! radiograph                                                    [dicom crates, image, png: only here]
//! phantom, measure                                              pure functions
//! grid, geometry, landmarks, noise, signal, encoding, bundle, whole   the ground; everything may use it
//! ```
//!
//! The cargo feature `window` (on by default) carries `app`; without it the same program is small and headless.
//!
//! # Invariants
//!
//! 1. The document never waits for the worker, and the window never waits for a disk, a codec or a model.
//! 2. Only `app/logic.rs` mutates the document; panels are functions of borrowed state that push actions.
//! 3. A [`job::Request`] is complete: no globals, no clock, no path to weights beyond a name and a hash.
//! 4. Same request, same seed, same device kind: same outcome, whatever the batch size.
//!    Noise comes from [`noise`], keyed by seed and image number.
//! 5. Pixels outside the declared ring are copied, never blended; the count of changed pixels (0) is shown,
//!    and accepting is refused otherwise. A ring of 0 is possible.
//! 6. Window and level is a view. Data stays at native depth; a composite is quantised once, rounded.
//! 7. Measurements are pure functions of points and spacing, in image space, with units in their names;
//!    a number that cannot be computed is absent, never NaN.
//! 8. Synthetic never passes as real: the mark survives every save, export and re-open.
//! 9. No patient identity in logs, settings, names of thumbnails, fixtures or screenshots. Nothing goes over
//!    a network but by [`transfer`], to nodes that a person configured, and there are none before.
//! 10. The mask that will be used is the mask that is drawn: one crop transform for image, mask and every hint.
//!
//! # One stroke, from hand to number
//!
//! The canvas maps the pointer once to image space and shows the draft in the same frame. Release pushes an action;
//! the logic applies it as a [`document::Edit`], which goes to the journal and moves the revision on. In live mode a
//! newer revision becomes a [`job::Request`]: strokes are rasterised into hint and mask and everything else is frozen.
//! The [`job`] worker hands it to the engine, which crops, encodes, denoises, decodes, draws again finer and composites
//! at native depth, and is stopped within one step when the request is stale. Previews come first, by a few-step
//! student where there is one, from the last answer's latent after a small edit; when the hand rests the same state is
//! asked for in full. The outcome comes back as an event; the panels draw the D-score of the tray and the Norberg angles
//! of the image shown, with the revision they belong to.

pub mod bundle;
pub mod cohort;
pub mod command;
pub mod document;
pub mod encoding;
pub mod engine;
pub mod geometry;
pub mod grid;
pub mod job;
pub mod landmarks;
pub mod measure;
pub mod network;
pub mod noise;
pub mod phantom;
pub mod radiograph;
pub mod signal;
pub mod study;
pub mod synthesis;
pub mod training;
pub mod transfer;
pub mod whole;

#[cfg(feature = "window")]
pub mod app;
