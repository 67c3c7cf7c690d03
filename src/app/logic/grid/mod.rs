//! The View workspace: one, two or four images side by side, and what of their views goes together.
//!
//! Separate because the first image is the open case, which can be drawn on, and the others are only looked at.

mod follow;

use std::sync::Arc;

use crate::app::App;
use crate::app::action::FrameChange;
use crate::app::canvas::{Under, View};
use crate::app::session::{Session, Weight, Workspace};
use crate::job::Task;
use crate::radiograph::series::nearest;
use crate::radiograph::{ImageFile, Radiograph};

use super::frames::{Place, Stack};
pub(crate) use follow::{Places, Windows, follow, windows};

/// How many images are side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// One.
    #[default]
    One,
    /// Two in a row.
    Two,
    /// Two rows of two.
    Four,
}

impl Layout {
    /// Images shown.
    pub const fn cells(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// What goes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Zoom and pan, both at once.
    Place,
    /// Zoom.
    Zoom,
    /// Pan.
    Pan,
    /// Window and inversion.
    Window,
    /// The slice: by its position in the patient where that is known, else by as many steps.
    Slice,
}

/// An image beside the open case.
#[derive(Default)]
pub struct Cell {
    /// Where it is from; absent = the case before anything was made of it.
    pub place: Option<Place>,
    /// The image; absent while it is read for the first time.
    pub image: Option<Arc<Radiograph>>,
    /// Another image was asked for than the one that is still shown.
    pub stale: bool,
    /// Why there is none.
    pub unreadable: Option<String>,
}

impl Cell {
    /// Whether it shows the case before anything was made of it.
    pub fn is_before(&self) -> bool {
        self.place.is_none() && self.image.is_some()
    }

    /// Another image in this place; the old one stays in sight until the new one is there.
    fn turn_to(&mut self, place: Place) {
        self.place = Some(place);
        self.unreadable = None;
        self.stale = true;
    }
}

/// What is side by side.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each thing that goes together is a switch of its own"
)]
pub struct Beside {
    /// How many.
    pub layout: Layout,
    /// Whether zooms go together.
    pub link_zoom: bool,
    /// Whether pans go together.
    pub link_pan: bool,
    /// Whether windows go together.
    pub link_window: bool,
    /// Whether slices go together.
    pub link_slice: bool,
    /// The image that keys and the list of series act on; 0 = the open case.
    pub active: usize,
    /// The images beside the open case: numbers 1 to 3.
    pub cells: [Cell; 3],
    /// How those are looked at.
    pub views: [View; 3],
}

impl Default for Beside {
    fn default() -> Self {
        Self {
            layout: Layout::One,
            link_zoom: true,
            link_pan: true,
            link_window: true,
            link_slice: true,
            active: 0,
            cells: Default::default(),
            views: Default::default(),
        }
    }
}

impl Beside {
    /// Lets something go together, or no longer.
    pub(super) const fn switch(&mut self, link: Link) {
        match link {
            Link::Place => {
                let both = self.link_zoom && self.link_pan;
                (self.link_zoom, self.link_pan) = (!both, !both);
            }
            Link::Zoom => self.link_zoom = !self.link_zoom,
            Link::Pan => self.link_pan = !self.link_pan,
            Link::Window => self.link_window = !self.link_window,
            Link::Slice => self.link_slice = !self.link_slice,
        }
    }

    /// What of a view's place goes together.
    pub(crate) const fn places(&self) -> Places {
        Places {
            zoom: self.link_zoom,
            pan: self.link_pan,
        }
    }

    /// The number of the image beside the case that keys act on, from 0; `None` for the case itself.
    fn active_cell(&self) -> Option<usize> {
        (self.active < self.layout.cells())
            .then(|| self.active.checked_sub(1))
            .flatten()
    }
}

impl Session {
    /// The image that keys act on, and the view of it.
    pub(super) fn active(&mut self) -> Option<(Arc<Radiograph>, &mut View)> {
        let cell = match self.workspace {
            Workspace::View => self.beside.active_cell(),
            _ => None,
        };
        if let Some(cell) = cell {
            let image = self.beside.cells.get(cell)?.image.clone()?;
            return Some((image, self.beside.views.get_mut(cell)?));
        }
        let image = Arc::clone(self.open()?.document().image());
        Some((image, &mut self.view))
    }

    /// Lets the other views follow the one that keys changed; `before` is what that one was.
    pub(super) fn link_views(&mut self, before: &View) {
        if self.workspace != Workspace::View {
            return;
        }
        let active = self.beside.active_cell();
        let Some(case) = self.open().map(|open| Arc::clone(open.document().image())) else {
            return;
        };
        let (place, linked) = (self.beside.places(), self.beside.link_window);
        let (now, image) = match active {
            Some(cell) => (
                self.beside.views[cell].clone(),
                self.beside.cells[cell].image.clone(),
            ),
            None => (self.view.clone(), Some(Arc::clone(&case))),
        };
        let Some(image) = image else {
            return;
        };
        if active.is_some() {
            let how = windows(&image, &case, linked);
            follow(before, &now, &mut self.view, place, how);
        }
        for (index, cell) in self.beside.cells.iter().enumerate() {
            if let Some(other) = cell.image.as_ref().filter(|_| active != Some(index)) {
                let how = windows(&image, other, linked);
                follow(before, &now, &mut self.beside.views[index], place, how);
            }
        }
    }
}

impl App {
    /// Shows so many images side by side.
    pub(super) fn lay_out(&mut self, layout: Layout) {
        let session = &mut self.session;
        session.workspace = Workspace::View;
        session.beside.layout = layout;
        if session.beside.active >= layout.cells() {
            session.beside.active = 0;
        }
        self.fill_cells();
    }

    /// Begins to read what the images beside the case should show; called again until all are there.
    pub(super) fn fill_cells(&mut self) {
        let Some(open) = self.session.open() else {
            return;
        };
        let original = Arc::clone(&open.document().original);
        let frame = original.frame;
        let shown = self.session.layout_cells();
        for number in 1..shown {
            let stack = self.session.stack.as_ref();
            let cell = &self.session.beside.cells[number - 1];
            if (cell.image.is_some() && !cell.stale) || cell.unreadable.is_some() {
                continue;
            }
            let linked = self.session.beside.link_slice;
            let place = cell.place.or_else(|| {
                let first = stack?.beside(frame, number)?;
                let level = linked.then(|| stack?.level_with((stack?.shown(), frame), first.0));
                Some(level.flatten().map_or(first, |frame| (first.0, frame)))
            });
            let file = place.and_then(|(series, _)| stack?.shared(series));
            let (Some(place), Some(file)) = (place, file) else {
                // There is nothing else: the image as it was, beside the image as it stands.
                self.put_cell(number - 1, &original);
                continue;
            };
            self.session.beside.cells[number - 1].place = Some(place);
            if self.tasks.cell.is_none() {
                let task = Task::start("beside", self.wake(), move || {
                    file.frame(place.1).map_err(crate::job::Error::from)
                });
                self.tasks.cell = Some((number - 1, place, task));
            }
        }
    }

    fn put_cell(&mut self, cell: usize, image: &Arc<Radiograph>) {
        let session = &mut self.session;
        let case = session
            .open()
            .map(|open| Arc::clone(open.document().image()));
        session.beside.cells[cell].stale = false;
        let before = session.beside.cells[cell].image.replace(Arc::clone(image));
        let places = session.beside.places();
        let view = &mut session.beside.views[cell];
        let alike = before.is_some_and(|before| {
            (before.width(), before.height()) == (image.width(), image.height())
                && windows(&before, image, true) != Windows::Apart
        });
        if !alike {
            *view = View::of(image);
            if let Some(case) = case {
                let now = &session.view;
                // A window of another scale says nothing about an image that was just opened.
                let how = match windows(&case, image, session.beside.link_window) {
                    Windows::Same => Windows::Same,
                    Windows::Apart | Windows::Alike => Windows::Apart,
                };
                follow(now, now, view, places, how);
            }
        }
    }

    /// Lets images of the case as it was follow the case.
    fn follow_original(&mut self) {
        let Some(open) = self.session.open() else {
            return;
        };
        let original = Arc::clone(&open.document().original);
        for number in 0..self.session.beside.cells.len() {
            let cell = &self.session.beside.cells[number];
            let old = (cell.image.as_ref()).is_some_and(|image| !Arc::ptr_eq(image, &original));
            if old && cell.is_before() {
                self.put_cell(number, &original);
            }
        }
    }

    /// Collects an image that was read.
    pub(super) fn poll_cells(&mut self) {
        self.follow_original();
        let Some((cell, place, result)) = self
            .tasks
            .cell
            .as_ref()
            .and_then(|(cell, place, task)| Some((*cell, *place, task.poll()?)))
        else {
            return;
        };
        self.tasks.cell = None;
        if self.session.beside.cells[cell].place == Some(place) {
            match result {
                Ok(image) => self.put_cell(cell, &Arc::new(image)),
                Err(error) => {
                    let held = &mut self.session.beside.cells[cell];
                    held.image = None;
                    held.unreadable = Some(error.words());
                }
            }
        }
        self.fill_cells();
    }

    /// Another image in the place that keys act on; `false` when that is the open case.
    pub(super) fn change_cell(&mut self, change: FrameChange) -> bool {
        let session = &mut self.session;
        if session.workspace != Workspace::View {
            return false;
        }
        let Some(cell) = session.beside.active_cell() else {
            return false;
        };
        let Some(stack) = &session.stack else {
            session.say(Weight::Note, "There is no other image");
            return true;
        };
        let held = &session.beside.cells[cell];
        let before = held.place.unwrap_or((stack.shown(), 0));
        let next = stack.after(before, change);
        if held.place != Some(next) || held.image.is_none() {
            session.beside.cells[cell].turn_to(next);
            self.fill_cells();
            self.link_slices(Some(cell), before, next);
        }
        true
    }

    /// Exchanges an image beside the case with the one on the stage, where it can be drawn on and measured.
    pub(super) fn bring_to_stage(&mut self, cell: usize) {
        let session = &mut self.session;
        let (Some(held), Some(stack)) = (session.beside.cells.get_mut(cell), &mut session.stack)
        else {
            session.say(Weight::Note, "It is the first image: measure there");
            return;
        };
        let Some(place) = held.place.filter(|place| *place != stack.wanted()) else {
            session.say(Weight::Note, "It is the first image: measure there");
            return;
        };
        held.turn_to(stack.want(place));
        session.beside.active = 0;
        session.say(
            Weight::Note,
            "This image is the first one now: only there it can be measured and drawn on",
        );
        self.follow_stack();
        self.fill_cells();
    }

    /// Lets the other images follow the one whose slice changed; `from` is its number beside the case.
    pub(super) fn link_slices(&mut self, from: Option<usize>, before: Place, now: Place) {
        let session = &mut self.session;
        let together = session.workspace == Workspace::View && session.beside.link_slice;
        // Another series is a choice for one place alone.
        if !together || before.0 != now.0 || before.1 == now.1 {
            return;
        }
        let beside = session.beside.layout.cells() - 1;
        let Some(stack) = &mut session.stack else {
            return;
        };
        for number in (0..beside).filter(|number| from != Some(*number)) {
            let cell = &mut session.beside.cells[number];
            let Some(place) = cell.place else { continue };
            let next = stack.following(before, now, place);
            if next != place {
                cell.turn_to(next);
            }
        }
        if from.is_some() {
            stack.follow(before, now);
            self.follow_stack();
        }
        self.fill_cells();
    }

    /// Forgets the images beside a case that is left.
    pub(super) fn clear_cells(&mut self) {
        self.tasks.cell = None;
        self.session.beside.cells = Default::default();
        self.session.beside.active = 0;
    }
}

impl Session {
    /// Takes in where the pointer is on an image beside the case.
    pub(super) fn probe_beside(&mut self, cell: usize, under: Option<Under>) {
        let from = cell + 1;
        if under.is_some() || self.probed == from {
            (self.probe, self.probed) = (under, from);
        }
    }

    /// The image that the pointer is on.
    pub(crate) fn probed_image(&self) -> Option<&Arc<Radiograph>> {
        match self.probed.checked_sub(1) {
            Some(cell) => self.beside.cells.get(cell)?.image.as_ref(),
            None => Some(self.open()?.document().image()),
        }
    }

    /// Images side by side, the case among them.
    pub(crate) fn layout_cells(&self) -> usize {
        match self.workspace {
            Workspace::View => self.beside.layout.cells(),
            _ => 1,
        }
    }
}

impl Stack {
    /// What is shown beside frame `frame`: the series after the one on the stage, else the frames after it.
    fn beside(&self, frame: usize, number: usize) -> Option<Place> {
        let series = self.series().len();
        if series > 1 {
            return Some(((self.shown() + number) % series, 0));
        }
        let frames = self.frames();
        (frames > 1).then(|| (0, (frame + number) % frames))
    }

    /// The frame of series `other` that lies level with a frame of another series, where both are known to.
    fn level_with(&self, (series, frame): Place, other: usize) -> Option<usize> {
        if series == other {
            // The same series is shown twice to see different slices of it.
            return None;
        }
        let from = self.file(series)?.places().into_iter().nth(frame)??;
        nearest(from, self.file(other)?.places())
    }

    /// Where `place` goes when another image of the workspace goes from `before` to `now`.
    pub(super) fn following(&self, before: Place, now: Place, place: Place) -> Place {
        let frames = self.file(place.0).map_or(1, ImageFile::frames);
        if frames < 2 {
            return place;
        }
        let frame = self.level_with(now, place.0).unwrap_or_else(|| {
            let step = now.1 as isize - before.1 as isize;
            place.1.saturating_add_signed(step).min(frames - 1)
        });
        (place.0, frame)
    }
}
