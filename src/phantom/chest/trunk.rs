//! Trunk, lungs, mediastinum, heart and diaphragm as depths along each ray.
//!
//! All of them overlap along the beam, so they are intervals of depth a pixel rather than separate solids: what is
//! neither lung nor gas is tissue. Separate because truth masks of lungs and heart come from the same intervals.

use super::person::Person;
use super::{ChestView, Frame};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::{Vec3, shape};

/// Depths in cm and masks on the fine grid.
pub(super) struct Trunk {
    /// Everything within the skin.
    pub(super) body: Grid<f32>,
    /// Fat under the skin.
    pub(super) fat: Grid<f32>,
    /// Aerated lung, both sides.
    pub(super) lung: Grid<f32>,
    /// 1 right, 2 left lung field as a reader would outline it, 0 elsewhere.
    pub(super) field: Grid<u8>,
    /// Distance to the chest wall, mm, positive inside; for what follows the pleura.
    pub(super) wall: Grid<f32>,
    /// Closed outline of the heart, pixels.
    pub(super) heart: Vec<Point>,
    /// Heart mask.
    pub(super) heart_mask: Grid<u8>,
    /// Domes, right and left: pixels from lateral to medial.
    pub(super) domes: [Vec<Point>; 2],
}

/// Height of the upper face of the diaphragm at `x` (mm) on a side (0 right, 1 left).
pub(super) fn dome_y(person: &Person, side: usize, x: f64) -> f64 {
    let across = if side == 0 { -x } else { x };
    let (wide, _) = person.cavity(person.lung_height[side]);
    let middle = wide * 0.52;
    let off = (across - middle) / (wide - middle);
    let fall = if off > 0.0 { 40.0 } else { 15.0 };
    person.lung_height[side] + fall * (1.0 - (1.0 - (0.95 * off).powi(2)).max(0.02).sqrt()) * 1.2
}

/// Outline of the heart in mm around the midline, clockwise from the right upper border.
fn heart_points(person: &Person, shape: &mut Noise) -> Vec<Vec3> {
    let width = person.ratio * person.inner_width();
    let right = width * shape.range(0.30, 0.36);
    let left = width - right;
    let floor = f64::midpoint(person.lung_height[0], person.lung_height[1]) + 12.0;
    let top = floor - (125.0 + 0.3 * (width - 125.0)) * shape.range(0.95, 1.05);
    let tall = floor - top;
    let shift = person.spine_x(150.0) + person.turned;
    let flat = shape.range(0.66, 0.76);
    [
        (-0.62, 0.0),
        (-0.78, 0.22),
        (-0.97, 0.46),
        (-1.0, 0.66),
        (-0.88, 0.9),
        (-0.4, 1.04),
        (0.3, 1.1),
        (0.80, 1.05),
        (0.985, 0.93),
        (0.985, 0.80),
        (flat + 0.12, 0.56),
        (0.56, 0.28),
        (0.42, 0.1),
        (0.30, -0.05),
        (-0.3, -0.1),
    ]
    .iter()
    .map(|&(x, y): &(f64, f64)| {
        let reach = if x < 0.0 { right } else { left };
        Vec3::new(shift + x * reach, top + y * tall, 0.0)
    })
    .collect()
}

/// Outline of the mediastinum above and behind the heart, mm.
fn mediastinum_points(person: &Person, shape: &mut Noise) -> Vec<Vec3> {
    let knob = person.knob.clamp(20.0, 46.0);
    let floor = person.lung_height[0] + 60.0;
    let wide = if person.view == ChestView::Ap {
        1.15
    } else {
        1.0
    };
    let right = wide * shape.range(24.0, 31.0);
    let lean = 0.5 * person.turned;
    let trunk = shape.range(29.0, 38.0);
    [
        (-16.0, -120.0),
        (-20.0, -40.0),
        (-right * 0.86, 0.0),
        (-right, 40.0),
        (-right + 1.0, 80.0),
        (-right + 4.0, 108.0),
        (-17.0, 146.0),
        (-15.0, floor),
        (20.0, floor),
        (22.0, 160.0),
        (trunk + 3.0, 122.0),
        (trunk, 104.0),
        (knob * 0.9, 88.0),
        (knob + 5.0, 72.0),
        (knob + 2.0, 57.0),
        (25.0, 42.0),
        (22.0, 10.0),
        (19.0, -40.0),
        (15.0, -120.0),
    ]
    .iter()
    .map(|&(x, y): &(f64, f64)| {
        let x = if x < 0.0 || y < 30.0 { x } else { x * wide };
        Vec3::new(x + lean + 0.5 * person.spine_x(y), y, 0.0)
    })
    .collect()
}

/// Half-width and depth of the skin at a height.
fn skin(person: &Person, y: f64) -> (f64, f64) {
    let (cavity, _) = person.cavity(y.max(60.0));
    let chest = cavity + person.muscle + person.fat + 6.0;
    let shoulder = chest
        + if person.view == ChestView::Ap {
            46.0
        } else {
            34.0
        };
    let rise = ((y + 62.0) / 46.0).clamp(0.0, 1.0);
    let rise = rise * rise * (3.0 - 2.0 * rise);
    let slope = ((y + 110.0) / 60.0).clamp(0.0, 1.0) * 26.0;
    let fall = ((y - 40.0) / 150.0).clamp(0.0, 1.0);
    let fall = fall * fall * (3.0 - 2.0 * fall);
    let neck = 54.0 + slope;
    let wide = neck + (shoulder - neck) * rise;
    let wide = wide + (chest - wide) * fall * rise;
    let deep = 118.0 + (person.depth - 118.0) * ((y + 90.0) / 170.0).clamp(0.0, 1.0).powf(0.8);
    (wide, deep)
}

/// Closed line of the projected points of an outline in the plane of the middle depth.
fn projected(frame: &Frame, points: &[Vec3], closed: bool) -> Vec<Point> {
    shape::spline(points, closed, 5)
        .iter()
        .map(|p| frame.middle(p.x, p.y))
        .collect()
}

/// All intervals of one person.
pub(super) fn built(seed: u64, person: &Person, frame: &Frame) -> Trunk {
    let mut chance = Noise::new(seed, 110);
    let size = (frame.view.width, frame.view.height);
    let heart = projected(frame, &heart_points(person, &mut chance), true);
    let mediastinum = projected(frame, &mediastinum_points(person, &mut chance), true);
    let scale = frame.px_per_mm;
    let heart_field = shape::outline_distance(size, &heart, 36.0 * scale);
    let center_field = shape::outline_distance(size, &mediastinum, 26.0 * scale);
    let heart_deep = shape::plate(&heart_field, scale, 104.0, 36.0, 0.0).outer;
    let center_deep = shape::plate(&center_field, scale, 0.86 * person.ribs[6].1, 24.0, 0.0).outer;
    let mut trunk = Trunk {
        body: Grid::filled(size.0, size.1, 0.0),
        fat: Grid::filled(size.0, size.1, 0.0),
        lung: Grid::filled(size.0, size.1, 0.0),
        field: Grid::filled(size.0, size.1, 0),
        wall: Grid::filled(size.0, size.1, -1.0),
        heart,
        heart_mask: Grid::from_fn(size.0, size.1, |x, y| {
            u8::from(heart_field.at(x as i64, y as i64) > 0.0)
        }),
        domes: [0, 1].map(|side| {
            let (wide, _) = person.cavity(person.lung_height[side]);
            let sign = if side == 0 { -1.0 } else { 1.0 };
            (0..24)
                .map(|i| {
                    let x = sign * (wide * 0.93 - f64::from(i) / 23.0 * (wide * 0.93 - 45.0));
                    frame.middle(x, dome_y(person, side, x))
                })
                .collect()
        }),
    };
    for y in 0..size.1 {
        let y_mm = frame.middle_mm(0.0, y as f64).y;
        let row = Row {
            y: y_mm,
            skin: skin(person, y_mm),
            cavity: person.cavity(y_mm),
            lean: 0.4 * person.spine_x(y_mm),
        };
        for x in 0..size.0 {
            let x_mm = frame.middle_mm(x as f64, y as f64).x;
            let at = (x as i64, y as i64);
            let removed = center_deep.at(at.0, at.1).max(heart_deep.at(at.0, at.1)) * 10.0;
            let inside = heart_field.at(at.0, at.1) > 0.0 || center_field.at(at.0, at.1) > 0.0;
            row.fill(person, &mut trunk, (x, y), x_mm, removed, inside);
        }
    }
    trunk
}

struct Row {
    y: f64,
    skin: (f64, f64),
    cavity: (f64, f64),
    lean: f64,
}

impl Row {
    fn fill(
        &self,
        person: &Person,
        trunk: &mut Trunk,
        at: (usize, usize),
        x: f64,
        removed_mm: f32,
        central: bool,
    ) {
        let oval = |u: f64, n: f64| (1.0 - u.abs().min(1.0).powf(n)).max(0.0).sqrt();
        let (wide, deep) = self.skin;
        if x.abs() >= wide {
            return;
        }
        let body = deep * oval(x / wide, 2.6);
        let fat = person.fat.min(wide * 0.3);
        let lean = ((deep - 2.0 * fat) * oval(x / (wide - fat), 2.6)).max(0.0);
        trunk.body[at] = (body / 10.0) as f32;
        trunk.fat[at] = ((body - lean) / 10.0) as f32;
        let side = usize::from(x > self.lean);
        let (half, depth) = self.cavity;
        let across = (x - self.lean).abs();
        // The cupola: a rounded top around the middle of each apex.
        let top = 0.5 + ((across - 47.0) / 40.0).powi(2) * 26.0;
        let wall = (half - across).min((self.y - top) * 0.9);
        trunk.wall[at] = wall as f32;
        if wall <= 0.0 {
            return;
        }
        let rounded = 1.0 - (1.0 - ((self.y - top) / 34.0).clamp(0.0, 1.0)).powi(2);
        let cavity = depth * oval(across / half, 2.5) * rounded.sqrt();
        let below = self.y - dome_y(person, side, x);
        let liver = if below > 0.0 {
            depth * (0.10 + 0.9 * (below / 58.0).sqrt())
        } else {
            0.0
        };
        let lung = (cavity - liver.max(f64::from(removed_mm))).max(0.0);
        trunk.lung[at] = (lung / 10.0) as f32;
        if below < 0.0 && !central {
            trunk.field[at] = side as u8 + 1;
        }
    }
}
