//! Edits, history, rasters, journal and project folders.
