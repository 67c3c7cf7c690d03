//! A file that is dropped on an open image: masks that belong to it go onto the mask canvas, all else is opened.
//!
//! Separate because only this looks at a file before it is known whether the open case stays.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::App;
use crate::app::session::{Stage, Weight};
use crate::document::{Edit, Layer, Mark, Operation, Shape};
use crate::geometry::PixelRect;
use crate::job::Task;
use crate::radiograph::write::Segment;
use crate::radiograph::{Radiograph, masks_of};

/// A dropped file that is looked at.
pub(crate) struct Dropped {
    path: PathBuf,
    /// The image that was open then.
    image: Arc<Radiograph>,
    task: Task<Option<Vec<Segment>>>,
}

impl App {
    /// Takes a dropped file: onto the open image where it holds its masks.
    pub(super) fn dropped(&mut self, path: PathBuf) {
        let image = match &self.session.stage {
            Stage::Open(open) if !path.is_dir() => Arc::clone(&open.document().original),
            _ => {
                self.open_path(path);
                return;
            }
        };
        let (file, about) = (path.clone(), Arc::clone(&image));
        let task = Task::start("dropped file", self.wake(), move || {
            masks_of(&file, &about).map_err(crate::job::Error::from)
        });
        self.tasks.dropped = Some(Dropped { path, image, task });
    }

    /// Collects what was found in a dropped file.
    pub(super) fn poll_dropped(&mut self) {
        let Some(result) = self.tasks.dropped.as_ref().and_then(|d| d.task.poll()) else {
            return;
        };
        let Some(dropped) = self.tasks.dropped.take() else {
            return;
        };
        match result {
            Ok(Some(masks)) => self.take_masks(&masks, &dropped.image),
            // What cannot be read says so when it is opened.
            Ok(None) => self.open_path(dropped.path),
            Err(error) => self.session.say(Weight::Wrong, error),
        }
    }

    fn take_masks(&mut self, masks: &[Segment], about: &Arc<Radiograph>) {
        let open = self.session.open();
        // Another image may have been opened meanwhile.
        let Some(open) = open.filter(|open| Arc::ptr_eq(&open.document().original, about)) else {
            return;
        };
        let image = open.document().image();
        let size = (image.width(), image.height());
        if masks.iter().any(|segment| segment.mask.size() != size) {
            let text = "The canvas was extended: these masks lie on the image as it was opened";
            self.session.say(Weight::Wrong, text);
            return;
        }
        let mut labels = Vec::new();
        for segment in masks {
            let Some(bounds) = crate::document::mask::bounds(&segment.mask) else {
                continue;
            };
            labels.push(segment.label.clone());
            self.edit(Edit::AddMark(Arc::new(region(segment, bounds))), false);
        }
        let text = match labels.as_slice() {
            [] => "These masks are empty".to_owned(),
            [one] => format!("Mask taken from the file: {one}"),
            more => format!(
                "{} masks taken from the file: {}",
                more.len(),
                more.join(", ")
            ),
        };
        self.session.say(Weight::Done, text);
    }
}

fn region(segment: &Segment, bounds: PixelRect) -> Mark {
    Mark {
        layer: Layer::Mask,
        operation: Operation::Paint,
        shape: Shape::Region {
            inside: segment.mask.crop(bounds, 0),
            bounds,
        },
    }
}
