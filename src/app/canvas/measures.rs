//! Figures drawn to measure, on the canvas: what they look like, where a hand takes hold of them, how they grow.
//!
//! Separate because their numbers are computed once, when a figure changes, and only painted here.

use std::sync::Arc;

use egui::{Align2, Pos2, Rect, Shape, Stroke, Vec2, vec2};

use super::drawing::Sheet;
use super::palette;
use super::scene::Scene;
use super::view::point_of;
use crate::geometry::{Affine, Figure, FigureKind, Point};
use crate::radiograph::{Radiograph, Readings};

/// How near a point a press takes hold of it, screen points.
const GRIP: f64 = 9.0;
/// How near a line a press takes hold of the whole figure, screen points.
const LINE_GRIP: f64 = 5.0;
/// Parts in which a circle is drawn.
const STEPS: usize = 72;
/// A region larger than this, pixels, is measured when the hand lets go and not while it moves.
const MOST_LIVE: f64 = 1_048_576.0;

/// A figure with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What was drawn.
    pub figure: Arc<Figure>,
    /// Its numbers on the image.
    pub readings: Readings,
    /// The same for a person.
    pub lines: Vec<String>,
    /// The same region's numbers on the answer that lies over the image; absent without one.
    pub answer: Option<Readings>,
    /// Whether it is measured only when the hand lets go.
    pub waits: bool,
}

/// Which of the image and the answer over it are shown where a figure lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    /// The image, to the left of the slider.
    pub image: bool,
    /// The answer, to the right of it.
    pub answer: bool,
}

impl Measured {
    /// A figure under the hand: a large region is not measured while it moves.
    pub fn held(figure: Arc<Figure>, image: &Radiograph) -> Self {
        if !is_large(&figure) {
            return Self::new(figure, image);
        }
        Self {
            figure,
            readings: Readings::default(),
            lines: vec![ON_RELEASE.to_owned()],
            answer: None,
            waits: true,
        }
    }

    /// Measures a region on the answer too, or forgets what it was there.
    #[must_use]
    pub fn answered(mut self, answer: Option<&Radiograph>) -> Self {
        let region = self.figure.kind.is_region() && !self.waits;
        self.answer = answer
            .filter(|_| region)
            .map(|answer| answer.readings(&self.figure));
        self
    }

    /// The numbers of what is shown where it lies, for a person; where there are two images, with which is which.
    pub fn told(&self, shown: Sides) -> Vec<String> {
        let Some(answer) = &self.answer else {
            return self.lines.clone();
        };
        let mut lines = self.readings.drawn_lines();
        if shown.image {
            lines.extend(self.readings.value_lines("source"));
        }
        if shown.answer {
            lines.extend(answer.value_lines("synthetic"));
        }
        lines
    }

    /// Measures a figure; a large region takes as long as its pixels need.
    pub fn new(figure: Arc<Figure>, image: &Radiograph) -> Self {
        let readings = image.readings(&figure);
        let lines = readings.lines();
        Self {
            figure,
            readings,
            lines,
            answer: None,
            waits: false,
        }
    }
}

/// What stands in the place of numbers while a large region is dragged.
const ON_RELEASE: &str = "measured on release";

fn is_large(figure: &Figure) -> bool {
    figure.kind.is_region() && figure.area([1.0, 1.0]).unwrap_or(0.0) > MOST_LIVE
}

/// The part of a figure that a hand holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigurePart {
    /// The point of this index.
    Point(usize),
    /// All of it.
    Whole,
}

/// The figure under the pointer, the last drawn first: one of its points, else, where `lines` count too, its line.
pub fn figure_under(
    figures: &[Measured],
    scale: [f64; 2],
    screen_from_image: &Affine,
    pointer: Pos2,
    lines: bool,
) -> Option<(usize, FigurePart)> {
    let pointer = point_of(pointer);
    let on_screen = |point: &Point| screen_from_image.apply(*point);
    for (index, measured) in figures.iter().enumerate().rev() {
        let figure = &measured.figure;
        if figure.kind == FigureKind::Freehand {
            continue;
        }
        let near = figure
            .points
            .iter()
            .map(|point| on_screen(point).distance(pointer))
            .enumerate()
            .filter(|(_, away)| *away <= GRIP)
            .min_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((point, _)) = near {
            return Some((index, FigurePart::Point(point)));
        }
    }
    if !lines {
        return None;
    }
    let holds = |measured: &Measured| {
        measured.figure.lines(scale, STEPS).iter().any(|line| {
            line.windows(2).any(|ends| {
                distance_to_segment(pointer, on_screen(&ends[0]), on_screen(&ends[1])) <= LINE_GRIP
            })
        })
    };
    let index = figures.iter().rposition(holds)?;
    Some((index, FigurePart::Whole))
}

fn distance_to_segment(at: Point, a: Point, b: Point) -> f64 {
    let along = b - a;
    let square = along.dot(along);
    let t = if square > 0.0 {
        ((at - a).dot(along) / square).clamp(0.0, 1.0)
    } else {
        0.0
    };
    at.distance(a + along * t)
}

/// Adds what a press begins: a line with both ends at the pointer, or one point that follows it.
pub fn grow(drawn: &mut Option<Figure>, kind: FigureKind, at: Point) {
    let goes_on = |figure: &&mut Figure| {
        figure.kind == kind && kind.points().is_some_and(|all| figure.points.len() < all)
    };
    let Some(figure) = drawn.as_mut().filter(goes_on) else {
        *drawn = Some(Figure {
            kind,
            points: vec![at, at],
        });
        return;
    };
    // Cobb's second line begins where it is pressed.
    if kind == FigureKind::Cobb && figure.points.len() == 2 {
        figure.points.push(at);
    }
    figure.points.push(at);
}

/// Moves the end that follows the pointer; an outline by hand grows once it is `least_px` further on.
pub fn extend(figure: &mut Figure, to: Point, least_px: f64) {
    let Some(last) = figure.points.last_mut() else {
        return;
    };
    if figure.kind != FigureKind::Freehand {
        *last = to;
    } else if last.distance(to) >= least_px
        && figure.points.len() < crate::geometry::figure::MOST_POINTS
    {
        figure.points.push(to);
    }
}

/// Ends a press: the figure when it is whole. A press that did not move set one point, not two.
pub fn settle(drawn: &mut Option<Figure>, least_px: f64) -> Option<Figure> {
    let figure = drawn.as_mut()?;
    if figure.kind == FigureKind::Freehand {
        return drawn.take().filter(Figure::is_valid);
    }
    if let [.., before, last] = figure.points.as_slice()
        && before.distance(*last) < least_px
    {
        figure.points.pop();
    }
    figure.is_valid().then(|| drawn.take()).flatten()
}

/// The figure after one of its parts went from `from` to `to`.
#[must_use]
pub fn moved(figure: &Figure, part: FigurePart, from: Point, to: Point) -> Figure {
    let mut next = figure.clone();
    match part {
        FigurePart::Point(index) => {
            if let Some(point) = next.points.get_mut(index) {
                *point = *point + (to - from);
            }
        }
        FigurePart::Whole => {
            for point in &mut next.points {
                *point = *point + (to - from);
            }
        }
    }
    next
}

impl Sheet<'_> {
    /// A finished figure with its number and the numbers of what is shown there.
    pub(super) fn figure(
        &self,
        number: usize,
        measured: &Measured,
        scene: &Scene<'_>,
        split_x: f32,
    ) {
        let chosen = scene.chosen == Some(number);
        self.outline_of(&measured.figure, scene.image, chosen);
        let mut lines = measured.told(self.sides(&measured.figure, scene, split_x));
        if lines.is_empty() {
            lines.push("–".to_owned());
        }
        lines[0] = format!("{}: {}", number + 1, lines[0]);
        self.numbers(&measured.figure, &lines);
    }

    /// What is shown where a figure lies: by the side of the slider, on both sides where it crosses.
    fn sides(&self, figure: &Figure, scene: &Scene<'_>, split_x: f32) -> Sides {
        if scene.after.is_none() {
            return Sides {
                image: true,
                answer: false,
            };
        }
        let lines = figure.lines(scene.image.scale(), STEPS);
        let xs = lines.iter().flatten().map(|point| self.at(*point).x);
        let (left, right) = xs.fold((f32::INFINITY, f32::NEG_INFINITY), |(left, right), x| {
            (left.min(x), right.max(x))
        });
        let image = left < split_x && split_x > self.rect.left();
        let answer = right >= split_x && split_x < self.rect.right();
        Sides {
            // Of a figure out of sight, the side that the slider leaves.
            image: image || (!answer && split_x > self.rect.left()),
            answer: answer || (!image && split_x <= self.rect.left()),
        }
    }

    /// A figure that is being drawn.
    pub(super) fn growing_figure(&self, figure: &Figure, scene: &Scene<'_>, split_x: f32) {
        self.outline_of(figure, scene.image, true);
        let measured = Measured::held(Arc::new(figure.clone()), scene.image)
            .answered(scene.after.map(|after| &**after));
        let lines = measured.told(self.sides(figure, scene, split_x));
        self.numbers(figure, &lines);
    }

    /// A figure with its handles.
    fn outline_of(&self, figure: &Figure, image: &Radiograph, chosen: bool) {
        self.lines_of(figure, image, chosen);
        if figure.kind != FigureKind::Freehand {
            for point in &figure.points {
                let at = self.at(*point);
                let side = if chosen { 7.0 } else { 5.0 };
                let square = |side| Rect::from_center_size(at, Vec2::splat(side));
                self.painter
                    .rect_filled(square(side + 2.0), 0.0, palette::HALO);
                self.painter
                    .rect_filled(square(side), 0.0, palette::LANDMARK);
            }
        }
    }

    /// The lines of a figure alone.
    pub(super) fn lines_of(&self, figure: &Figure, image: &Radiograph, chosen: bool) {
        let width = if chosen { 2.5 } else { 1.5 };
        for line in figure.lines(image.scale(), STEPS) {
            let screen: Vec<Pos2> = line.iter().map(|p| self.at(*p)).collect();
            if figure.kind.is_region() {
                self.dashed(&screen, width);
            } else {
                self.line(&screen, width, palette::LANDMARK);
            }
        }
        if let (FigureKind::Angle, [a, vertex, b]) = (figure.kind, figure.points.as_slice()) {
            let radius = 0.3 * a.distance(*vertex).min(b.distance(*vertex));
            let arc = self.arc(*vertex, *a, *b, radius);
            self.line(&arc, 1.5, palette::LANDMARK);
        }
        if let Some((center, _)) = figure.circle(image.scale()) {
            let at = self.at(center);
            for arm in [vec2(4.0, 0.0), vec2(0.0, 4.0)] {
                self.line(&[at - arm, at + arm], 1.0, palette::LANDMARK);
            }
        }
    }

    /// A dashed line on a dark halo: regions are told from lines by more than their color.
    pub(super) fn dashed(&self, points: &[Pos2], width: f32) {
        let halo = Stroke::new(width + 2.0, palette::HALO);
        self.painter.add(Shape::line(points.to_vec(), halo));
        let stroke = Stroke::new(width, palette::LANDMARK);
        self.painter
            .extend(Shape::dashed_line(points, stroke, 7.0, 4.0));
    }

    /// Lines of text beside a figure, always inside the canvas.
    fn numbers(&self, figure: &Figure, lines: &[String]) {
        let anchor = match figure.kind {
            FigureKind::Angle => figure.points.get(1),
            FigureKind::Freehand => figure
                .points
                .iter()
                .max_by(|a, b| (a.x + a.y).total_cmp(&(b.x + b.y))),
            _ => figure.points.last(),
        };
        let Some(anchor) = anchor else {
            return;
        };
        let line_height = 17.0;
        let mut at = self.at(*anchor) + vec2(10.0, 4.0);
        let height = line_height * lines.len() as f32;
        let inner = self.rect.shrink(6.0);
        at.y =
            at.y.clamp(inner.top(), (inner.bottom() - height).max(inner.top()));
        for line in lines {
            let width = self.width_of(line, 13.0);
            let x =
                at.x.clamp(inner.left(), (inner.right() - width).max(inner.left()));
            let at_line = Pos2::new(x, at.y);
            self.text(at_line, Align2::LEFT_TOP, line, 13.0, palette::LANDMARK);
            at.y += line_height;
        }
    }
}
