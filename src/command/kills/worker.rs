//! What is killed: draws, accepts, saves and exports, and tells each step when it is done.
//!
//! Separate because it runs in a process of its own, and both processes must agree on what step `n` is.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::{exports, failed};
use crate::document::{
    Accepted, Document, Edit, Layer, Mark, Operation, Project, Shape, StrokePoint, Tip,
};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::job::Error;
use crate::noise::Noise;
use crate::radiograph::write::{SecondaryCapture, write_dicom};
use crate::radiograph::{self, Pixels, Radiograph, SyntheticMark};

/// Columns and rows of the image that is worked on.
const SIZE: (usize, usize) = (96, 80);

/// What the worker can be at, by the byte that it writes before it begins.
const ACTIVITIES: &[(u8, &str)] = &[
    (b'd', "drawing"),
    (b'a', "accepting"),
    (b's', "saving the project"),
    (b'e', "exporting"),
    (b't', "telling"),
];

/// The folder of one project and everything beside it.
pub(super) struct Work {
    folder: PathBuf,
    /// The image that is worked on, read from a DICOM file so that objects can refer to it.
    pub(super) image: Arc<Radiograph>,
}

impl Work {
    /// Makes the folder, the image and the project.
    pub(super) fn create(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder.join("out")).map_err(|error| failed(folder, &error))?;
        let values = Grid::from_fn(SIZE.0, SIZE.1, |x, y| (x * 400 + y * 37) as u16);
        let image = Radiograph::from_pixels(Pixels::U16(values));
        let facts = SecondaryCapture::default();
        write_dicom(&folder.join("source.dcm"), &image, &facts, true)
            .map_err(|error| failed(folder, &error))?;
        let work = Self::open(folder)?;
        Project::create(&work.project(), work.beginning())
            .map_err(|error| failed(folder, &error))?;
        Ok(work)
    }

    fn open(folder: &Path) -> Result<Self, Error> {
        Ok(Self {
            folder: folder.to_owned(),
            image: Arc::new(radiograph::read(folder.join("source.dcm"), 0)?),
        })
    }

    /// The document before the first step.
    pub(super) fn beginning(&self) -> Document {
        Document::new(Arc::clone(&self.image))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn project(&self) -> PathBuf {
        self.folder.join("project")
    }

    pub(super) fn saved(&self) -> PathBuf {
        self.folder.join("saved.radcanvas")
    }

    pub(super) fn out(&self, name: &str) -> PathBuf {
        self.folder.join("out").join(name)
    }

    fn length(&self, name: &str) -> usize {
        fs::metadata(self.folder.join(name)).map_or(0, |facts| facts.len() as usize)
    }

    /// Steps that were told.
    pub(super) fn told(&self) -> usize {
        self.length("told")
    }

    /// How many activities the worker has begun; [`Self::tell`] forgets them.
    pub(super) fn activities(&self) -> usize {
        self.length("doing")
    }

    /// What the worker was at.
    pub(super) fn activity(&self) -> &'static str {
        let bytes = fs::read(self.folder.join("doing")).unwrap_or_default();
        let last = bytes.last().copied().unwrap_or_default();
        let known = ACTIVITIES.iter().find(|(byte, _)| *byte == last);
        known.map_or("nothing", |(_, name)| *name)
    }

    /// Sets what was told to what is there, before the next worker begins.
    pub(super) fn tell(&self, steps: usize) -> Result<(), Error> {
        let write = |name: &str, bytes: &[u8]| {
            let path = self.folder.join(name);
            fs::write(&path, bytes).map_err(|error| failed(&path, &error))
        };
        write("doing", &[])?;
        write("told", &vec![b'.'; steps])
    }

    fn appended(&self, name: &str) -> Result<File, Error> {
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).open(&path);
        file.map_err(|error| failed(&path, &error))
    }
}

/// Works in `folder` until somebody ends it.
pub(super) fn work(folder: &Path, seed: u64) -> Result<(), Error> {
    let work = Work::open(folder)?;
    let lost = |error: &dyn std::fmt::Display| failed(folder, error);
    let (mut project, _) = Project::open(&work.project()).map_err(|e| lost(&e))?;
    let (mut told, mut doing) = (work.appended("told")?, work.appended("doing")?);
    let mut steps = project.history().revision() as usize;
    let mut chance = Noise::new(seed, 1_000_000 + steps as u64);
    let parent = own_parent();
    // Whoever should end this may have ended before.
    while own_parent() == parent {
        let mut note = |byte: u8| doing.write_all(&[byte]).map_err(|e| lost(&e));
        match chance.index(80) {
            0..=5 => {
                note(b'e')?;
                exports::write(&work, project.document(), chance.index(1000), &mut chance)?;
            }
            6 => {
                note(b's')?;
                Project::save_as(&work.project(), &work.saved()).map_err(|e| lost(&e))?;
            }
            _ => {
                let edit = edit_of(seed, steps, &work);
                note(if matches!(edit, Edit::Accept(_)) {
                    b'a'
                } else {
                    b'd'
                })?;
                // As the window does: pixels first, then one line.
                let prepared = project.store().prepare(edit).map_err(|e| lost(&e))?;
                project.apply_prepared(prepared).map_err(|e| lost(&e))?;
                steps += 1;
                note(b't')?;
                told.write_all(b".").map_err(|e| lost(&e))?;
            }
        }
    }
    Ok(())
}

/// The process that started this one, where the system tells.
fn own_parent() -> Option<String> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may hold anything: state, parent.
    let after = text.rsplit_once(')')?.1;
    after.split_whitespace().nth(1).map(str::to_owned)
}

/// Step `number`: a stroke, or now and then an accepted result.
pub(super) fn edit_of(seed: u64, number: usize, work: &Work) -> Edit {
    let mut noise = Noise::new(seed, number as u64);
    if noise.chance(0.06) {
        return accepted(&mut noise, number, work);
    }
    let points = (0..2 + noise.index(120))
        .map(|_| StrokePoint {
            at: Point::new(noise.range(0.0, 96.0), noise.range(0.0, 80.0)),
            pressure: 1.0,
        })
        .collect();
    Edit::AddMark(Arc::new(Mark {
        layer: if noise.chance(0.5) {
            Layer::Sketch
        } else {
            Layer::Mask
        },
        operation: Operation::Paint,
        shape: Shape::Stroke {
            points,
            width: 3.0,
            smooth: true,
            tip: Tip::Round,
        },
    }))
}

fn accepted(noise: &mut Noise, number: usize, work: &Work) -> Edit {
    let shift = noise.index(30_000) as u16;
    let mut radiograph = (*work.image).clone();
    radiograph.pixels = Pixels::U16(Grid::from_fn(SIZE.0, SIZE.1, |x, y| {
        shift.wrapping_add((x * y) as u16)
    }));
    radiograph.synthetic = Some(SyntheticMark {
        evidence: "made by this program".to_owned(),
        contribution: format!("step {number}"),
    });
    Edit::Accept(Arc::new(Accepted {
        radiograph: Arc::new(radiograph),
        changed: Grid::filled(SIZE.0, SIZE.1, 255),
        landmarks: None,
        record: json!({ "step": number }),
    }))
}
