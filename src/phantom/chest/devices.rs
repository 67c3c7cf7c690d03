//! What lies on and in the patient: leads, tubes, lines, a pacemaker.
//!
//! Drawn independent of findings, so that no device tells one. Separate because none of it is anatomy.

use super::person::Person;
use super::{ChestOptions, ChestView, Frame};
use crate::geometry::Point;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Node};
use crate::phantom::xray::{Material, Paths, Rotation, Vec3};

/// Whether there is any: most bedside films, few standing ones.
pub(super) fn present(seed: u64, options: &ChestOptions, person: &Person) -> bool {
    let likely = match person.view {
        ChestView::Pa => 0.15,
        ChestView::Ap => 0.75,
    };
    let drawn = Noise::new(seed, 150).chance(likely);
    options.devices.unwrap_or(drawn)
}

fn tube(
    frame: &Frame,
    paths: &mut Paths,
    points: &[Vec3],
    radius: f64,
    material: Material,
    factor: f32,
) {
    let nodes: Vec<Node> = shape::spline(points, false, 10)
        .iter()
        .map(|p| Node::new(frame.place(*p), radius))
        .collect();
    let tube = shape::tube(&frame.view, &nodes, 0.0).outer;
    paths.add(material, &tube, factor);
}

/// Puts devices into the paths.
pub(super) fn worn(seed: u64, person: &Person, frame: &Frame, airway: &[Point], paths: &mut Paths) {
    let mut chance = Noise::new(seed, 151);
    let bedside = person.view == ChestView::Ap;
    if chance.chance(0.8) {
        leads(person, frame, paths, &mut chance);
    }
    if bedside && chance.chance(0.4) {
        // Endotracheal tube down the airway, its tip above the carina.
        let tip = chance.range(0.74, 0.86);
        let keep = (airway.len() as f64 * tip) as usize;
        let line: Vec<Vec3> = airway[..keep.max(2).min(airway.len())]
            .iter()
            .step_by(3)
            .map(|p| {
                let mm = frame.middle_mm(p.x, p.y);
                Vec3::new(mm.x, mm.y, person.cavity_middle())
            })
            .collect();
        tube(frame, paths, &line, 4.4, Material::Pvc, 0.22);
        let stripe: Vec<Vec3> = line.iter().map(|p| *p + Vec3::new(3.2, 0.0, 0.0)).collect();
        tube(frame, paths, &stripe, 0.8, Material::Pvc, 3.0);
    }
    if bedside && chance.chance(0.4) {
        let sag = chance.range(-6.0, 6.0);
        let deep = person.cavity_middle() + 20.0;
        let line = [
            Vec3::new(-4.0, -120.0, deep),
            Vec3::new(2.0, 0.0, deep),
            Vec3::new(6.0 + sag, 120.0, deep),
            Vec3::new(14.0, 205.0, deep),
            Vec3::new(52.0, 250.0, deep),
        ];
        tube(frame, paths, &line, 2.0, Material::Pvc, 1.2);
    }
    if chance.chance(if bedside { 0.55 } else { 0.2 }) {
        let deep = person.cavity_middle();
        let neck = chance.range(-46.0, -30.0);
        let line = [
            Vec3::new(neck - 6.0, -95.0, deep - 40.0),
            Vec3::new(neck, -40.0, deep - 20.0),
            Vec3::new(-26.0, 18.0, deep),
            Vec3::new(-22.0, 60.0, deep),
            Vec3::new(-21.0, chance.range(88.0, 118.0), deep),
        ];
        tube(frame, paths, &line, 1.2, Material::Pvc, 1.6);
    }
    if chance.chance(0.10) {
        pacemaker(person, frame, paths, &mut chance);
    }
    if chance.chance(0.10) {
        for k in 0..6 {
            let at = Vec3::new(person.turned, 46.0 + 22.0 * f64::from(k), person.fat + 12.0);
            let ring: Vec<Vec3> = (0..9)
                .map(|i| {
                    let a = f64::from(i) * 0.785;
                    at + Vec3::new(8.0 * a.cos(), 5.0 * a.sin() + 0.8 * chance.normal(), 0.0)
                })
                .collect();
            tube(frame, paths, &ring, 0.5, Material::Steel, 1.0);
        }
    }
}

/// Electrodes with wires that leave the film.
fn leads(person: &Person, frame: &Frame, paths: &mut Paths, chance: &mut Noise) {
    let half = person.thorax_width / 2.0;
    let front = -4.0;
    let way = if chance.chance(0.5) { -1.0 } else { 1.0 };
    let exit = Vec3::new(way * (half + 90.0), chance.range(-60.0, 140.0), front);
    let pads = [
        (-0.72, chance.range(18.0, 50.0)),
        (0.74, chance.range(18.0, 50.0)),
        (0.85, chance.range(190.0, 240.0)),
        (-0.85, chance.range(190.0, 240.0)),
    ];
    let count = 2 + chance.index(3);
    for (x, y) in pads.iter().take(count) {
        let pad = Vec3::new(x * half + 8.0 * chance.normal(), *y, front);
        let middle =
            pad.lerp(exit, 0.5) + Vec3::new(14.0 * chance.normal(), 26.0 * chance.normal(), 0.0);
        let near = pad.lerp(exit, 0.2) + Vec3::new(6.0 * chance.normal(), 16.0, 0.0);
        tube(
            frame,
            paths,
            &[pad, near, middle, exit],
            1.0,
            Material::Steel,
            0.10,
        );
        let stud = shape::ellipsoid(
            &frame.view,
            frame.place(pad),
            Vec3::new(4.6, 4.6, 1.6),
            &Rotation::IDENTITY,
        );
        paths.add(Material::Steel, &stud, 0.30);
        let disk = shape::ellipsoid(
            &frame.view,
            frame.place(pad),
            Vec3::new(15.0, 15.0, 1.0),
            &Rotation::IDENTITY,
        );
        paths.add(Material::Pvc, &disk, 0.5);
    }
}

fn pacemaker(person: &Person, frame: &Frame, paths: &mut Paths, chance: &mut Noise) {
    let at = Vec3::new(
        person.thorax_width * 0.33,
        chance.range(42.0, 62.0),
        person.fat * 0.6,
    );
    let case = shape::ellipsoid(
        &frame.view,
        frame.place(at),
        Vec3::new(22.0, 19.0, 4.0),
        &Rotation::about(2, chance.range(-30.0, 30.0)),
    );
    paths.add(Material::Titanium, &case, 0.25);
    let deep = person.cavity_middle() - 15.0;
    let line = [
        at + Vec3::new(-16.0, -14.0, 0.0),
        Vec3::new(48.0, 22.0, deep),
        Vec3::new(0.0, 42.0, deep),
        Vec3::new(-24.0, 90.0, deep),
        Vec3::new(-20.0, 165.0, deep),
        Vec3::new(34.0, person.lung_height[1] - 4.0, deep - 20.0),
    ];
    tube(frame, paths, &line, 0.9, Material::Steel, 0.35);
}
