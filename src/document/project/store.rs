//! Rasters by content hash, and edits whose rasters are replaced by their hashes.
//!
//! A journal line stays short however large an accepted image is, and equal rasters are stored once. Values are raw
//! and little endian: lossless, and quick to write.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ProjectError;
use crate::document::{Accepted, Document, Edit, Layer, Mark, Note, Operation, Shape};
use crate::geometry::{Figure, PixelRect};
use crate::grid::Grid;
use crate::landmarks::HipLandmarks;
use crate::radiograph::{Pixels, Radiograph, Rgb};
use crate::whole;

/// The folder of rasters of a project; may be cloned and used on another thread.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// An edit whose rasters lie in the store: what is left is a quick line.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) edit: Edit,
    pub(super) stored: StoredEdit,
}

/// A raster: its hash, depth and size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredPixels {
    hash: String,
    depth: String,
    width: usize,
    height: usize,
}

/// A radiograph: its facts with empty pixels, and the pixels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredRadiograph {
    facts: Box<Radiograph>,
    pixels: StoredPixels,
    /// The colors of a color file, three columns a pixel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    color: Option<StoredPixels>,
}

/// An accepted result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredAccepted {
    radiograph: StoredRadiograph,
    changed: StoredPixels,
    landmarks: Option<HipLandmarks>,
    record: serde_json::Value,
}

/// A mark.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredMark {
    /// Vectors, as they are.
    Plain(Arc<Mark>),
    /// A filled region.
    Region {
        layer: Layer,
        operation: Operation,
        bounds: PixelRect,
        inside: StoredPixels,
    },
}

/// An edit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredEdit {
    /// An edit without a raster, as it is.
    Plain(Edit),
    /// [`Edit::AddMark`].
    Mark(StoredMark),
    /// [`Edit::Accept`].
    Accept(Box<StoredAccepted>),
}

/// A document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredDocument {
    original: StoredRadiograph,
    marks: Vec<StoredMark>,
    landmarks: Option<HipLandmarks>,
    #[serde(default)]
    figures: Vec<Arc<Figure>>,
    notes: Vec<Note>,
    accepted: Vec<StoredAccepted>,
}

/// Lower-case hexadecimal SHA-256.
pub(super) fn sha256(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let digest = hasher.finalize();
    digest.iter().fold(String::new(), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
        text
    })
}

/// Writes a file whole or not at all, in the place of one that is there.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ProjectError> {
    whole::write(path, bytes, true).map_err(ProjectError::io("write", path))
}

impl Store {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Writes the rasters of an edit, flushed to the disk: the slow part of accepting, for any thread.
    pub fn prepare(&self, edit: Edit) -> Result<Prepared, ProjectError> {
        let stored = match &edit {
            Edit::AddMark(mark) => StoredEdit::Mark(self.put_mark(mark)?),
            Edit::Accept(accepted) => StoredEdit::Accept(Box::new(self.put_accepted(accepted)?)),
            other => StoredEdit::Plain(other.clone()),
        };
        Ok(Prepared { edit, stored })
    }

    pub(super) fn load(&self, stored: StoredEdit) -> Result<Edit, ProjectError> {
        Ok(match stored {
            StoredEdit::Plain(edit) => edit,
            StoredEdit::Mark(mark) => Edit::AddMark(self.get_mark(mark)?),
            StoredEdit::Accept(accepted) => Edit::Accept(self.get_accepted(*accepted)?),
        })
    }

    pub(super) fn put_document(&self, document: &Document) -> Result<StoredDocument, ProjectError> {
        let marks = document.marks.iter().map(|mark| self.put_mark(mark));
        let accepted = document.accepted.iter().map(|a| self.put_accepted(a));
        Ok(StoredDocument {
            original: self.put_radiograph(&document.original)?,
            marks: marks.collect::<Result<_, _>>()?,
            landmarks: document.landmarks,
            figures: document.figures.clone(),
            notes: document.notes.clone(),
            accepted: accepted.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn get_document(&self, stored: StoredDocument) -> Result<Document, ProjectError> {
        let marks = stored.marks.into_iter().map(|mark| self.get_mark(mark));
        let accepted = stored.accepted.into_iter().map(|a| self.get_accepted(a));
        Ok(Document {
            original: Arc::new(self.get_radiograph(stored.original)?),
            marks: marks.collect::<Result<_, _>>()?,
            landmarks: stored.landmarks,
            figures: stored.figures,
            notes: stored.notes,
            accepted: accepted.collect::<Result<_, _>>()?,
        })
    }

    fn put_mark(&self, mark: &Arc<Mark>) -> Result<StoredMark, ProjectError> {
        let Shape::Region { bounds, inside } = &mark.shape else {
            return Ok(StoredMark::Plain(Arc::clone(mark)));
        };
        Ok(StoredMark::Region {
            layer: mark.layer,
            operation: mark.operation,
            bounds: *bounds,
            inside: self.put_grid(inside)?,
        })
    }

    fn get_mark(&self, stored: StoredMark) -> Result<Arc<Mark>, ProjectError> {
        Ok(match stored {
            StoredMark::Plain(mark) => mark,
            StoredMark::Region {
                layer,
                operation,
                bounds,
                inside,
            } => Arc::new(Mark {
                layer,
                operation,
                shape: Shape::Region {
                    bounds,
                    inside: self.get_grid(&inside)?,
                },
            }),
        })
    }

    fn put_accepted(&self, accepted: &Accepted) -> Result<StoredAccepted, ProjectError> {
        Ok(StoredAccepted {
            radiograph: self.put_radiograph(&accepted.radiograph)?,
            changed: self.put_grid(&accepted.changed)?,
            landmarks: accepted.landmarks,
            record: accepted.record.clone(),
        })
    }

    fn get_accepted(&self, stored: StoredAccepted) -> Result<Arc<Accepted>, ProjectError> {
        Ok(Arc::new(Accepted {
            radiograph: Arc::new(self.get_radiograph(stored.radiograph)?),
            changed: self.get_grid(&stored.changed)?,
            landmarks: stored.landmarks,
            record: stored.record,
        }))
    }

    fn put_radiograph(&self, radiograph: &Radiograph) -> Result<StoredRadiograph, ProjectError> {
        let mut facts = Box::new(radiograph.clone());
        facts.replace_pixels(Pixels::U8(Grid::default()));
        let color = radiograph.color().map(|color| self.put_colors(color));
        Ok(StoredRadiograph {
            pixels: self.put_pixels(&radiograph.pixels)?,
            color: color.transpose()?,
            facts,
        })
    }

    fn get_radiograph(&self, stored: StoredRadiograph) -> Result<Radiograph, ProjectError> {
        let pixels = self.get_pixels(&stored.pixels)?;
        let mut radiograph = *stored.facts;
        radiograph.replace_pixels(pixels);
        let color = stored.color.map(|stored| self.get_colors(&stored));
        Ok(radiograph.with_color(color.transpose()?.map(Arc::new)))
    }

    fn put_colors(&self, color: &Rgb) -> Result<StoredPixels, ProjectError> {
        let samples = color.cells().as_flattened().to_vec();
        let grid = Grid::from_vec(color.width() * 3, color.height(), samples);
        self.put_grid(&grid.unwrap_or_default())
    }

    fn get_colors(&self, stored: &StoredPixels) -> Result<Rgb, ProjectError> {
        let samples = self.get_grid(stored)?;
        let cells = samples.cells().as_chunks::<3>().0.to_vec();
        let grid = Grid::from_vec(samples.width() / 3, samples.height(), cells);
        grid.ok_or_else(|| self.unfit(stored))
    }

    fn put_grid(&self, grid: &Grid<u8>) -> Result<StoredPixels, ProjectError> {
        self.put_pixels(&Pixels::U8(grid.clone()))
    }

    fn get_grid(&self, stored: &StoredPixels) -> Result<Grid<u8>, ProjectError> {
        match self.get_pixels(stored)? {
            Pixels::U8(grid) => Ok(grid),
            _ => Err(self.unfit(stored)),
        }
    }

    fn put_pixels(&self, pixels: &Pixels) -> Result<StoredPixels, ProjectError> {
        let bytes = pixels.le_bytes();
        let hash = sha256(&[&bytes]);
        let path = self.folder.join(&hash);
        // Files get their name only when they are whole, so one of the right length is the raster.
        let there = fs::metadata(&path).is_ok_and(|facts| facts.len() == bytes.len() as u64);
        if !there {
            write_whole(&path, &bytes)?;
        }
        Ok(StoredPixels {
            hash,
            depth: pixels.depth_name().to_owned(),
            width: pixels.width(),
            height: pixels.height(),
        })
    }

    fn get_pixels(&self, stored: &StoredPixels) -> Result<Pixels, ProjectError> {
        // A hash becomes a file name: nothing but a hash may.
        let is_hash = stored.hash.len() == 64 && stored.hash.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hash {
            return Err(ProjectError::damaged(
                "a raster has no valid hash",
                &self.folder,
            ));
        }
        let path = self.folder.join(&stored.hash);
        let bytes = fs::read(&path).map_err(ProjectError::io("read", &path))?;
        if sha256(&[&bytes]) != stored.hash {
            return Err(ProjectError::damaged(
                "this raster was changed or cut",
                &path,
            ));
        }
        Pixels::from_le_bytes(&stored.depth, stored.width, stored.height, &bytes)
            .ok_or_else(|| self.unfit(stored))
    }

    fn unfit(&self, stored: &StoredPixels) -> ProjectError {
        let path = self.folder.join(&stored.hash);
        ProjectError::damaged("this raster does not fit its size or depth", &path)
    }
}
