//! Soft tissue: trunk, rump and thighs, fat between muscles, skin folds, faeces and gas.
//!
//! What fills the film around the bones; separate because none of it bears truth.

use super::Scene;
use super::femur::Femur;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Node};
use crate::phantom::xray::{Material, Patch, Paths, Rotation, Vec3};

/// Lays the soft tissue into `paths`.
pub(crate) fn fill(scene: &Scene, femurs: &[Femur; 2], paths: &mut Paths, seed: u64) {
    let mut noise = Noise::new(seed, 50);
    let d = scene.dog.distance;
    let fatness = noise.range(0.08, 0.35);
    let girth = noise.range(0.9, 1.12);
    let skin = (0.025 + 0.05 * fatness) * d;
    let solid = |inset: f64, noise: &mut Noise| -> Patch {
        let part = |x: f64, y: f64, z: f64, a: f64, b: f64, c: f64, tilt: f64| {
            shape::ellipsoid(
                &scene.view,
                scene.place(x, y, z),
                Vec3::new(a * d - inset, b * d - inset, c * d - inset),
                &Rotation::about(2, scene.turn + tilt),
            )
        };
        let mut body = part(0.0, -1.35, 0.0, 1.05 * girth, 1.5, 0.52 * girth, 0.0);
        body = body.union(
            &part(0.0, -0.35, -0.02, 0.98 * girth, 1.05, 0.48 * girth, 0.0),
            2.0,
        );
        for (index, femur) in femurs.iter().enumerate() {
            let side = scene.joints[index].lateral;
            let hip = scene.place(side * 0.60, 0.0, 0.0);
            let own = noise.range(0.94, 1.06) * girth;
            let length = (femur.stifle - hip).length();
            let knee = hip
                + femur.distal * (length * 0.95)
                + (femur.stifle - hip - femur.distal * length) * 0.6;
            let nodes = [
                Node::new(scene.place(side * 0.50, -0.80, 0.0), 0.34 * d * own - inset),
                Node::new(scene.place(side * 0.56, -0.35, 0.0), 0.43 * d * own - inset),
                Node::new(hip + femur.distal * (0.12 * length), 0.49 * d * own - inset),
                Node::new(hip.lerp(knee, 0.4), 0.44 * d * own - inset),
                Node::new(hip.lerp(knee, 0.75), 0.33 * d * own - inset),
                Node::new(knee, 0.26 * d * own - inset),
                Node::new(knee + femur.distal * (0.8 * d), 0.19 * d * own - inset),
            ];
            body = body.union(
                &shape::tube(&scene.view, &nodes, 0.0).outer.scaled(0.92),
                2.5,
            );
        }
        body
    };
    let mut twin = noise.clone();
    let outer = solid(0.0, &mut noise);
    let inner = solid(skin, &mut twin);
    let fat_share = (0.35 * fatness) as f32;
    let origin = scene.pose.origin;
    let k = scene.px_per_mm();
    let base = scene.view.project(origin).point;
    // Muscle is not even: broad swells of a few percent.
    let swell = |x: usize, y: usize| {
        let (mx, my) = ((x as f64 - base.x) / k, (y as f64 - base.y) / k);
        1.0 + 0.02 * scene.cloud.at(mx * 0.5 + 31.0, my * 0.5)
            + 0.012 * scene.cloud.at(mx * 1.7, my * 1.7 + 57.0)
    };
    paths.add(Material::Adipose, &outer.without(&inner), 1.0);
    paths.add(Material::Adipose, &inner, fat_share);
    let muscle = inner.mapped(|x, y, v| v * swell(x, y) * (1.0 - fat_share));
    paths.add(Material::Soft, &muscle, 1.0);
    planes(scene, femurs, paths, &mut noise, fatness);
    bowel(scene, paths, &mut noise);
    folds(scene, paths, &mut noise);
}

/// Sheets of fat between muscles, seen nearly edge-on.
fn planes(scene: &Scene, femurs: &[Femur; 2], paths: &mut Paths, noise: &mut Noise, fatness: f64) {
    let d = scene.dog.distance;
    for (index, femur) in femurs.iter().enumerate() {
        let side = scene.joints[index].lateral;
        let across = Vec3::new(femur.distal.y, -femur.distal.x, 0.0) * side;
        let hip = scene.place(side * 0.62, 0.0, 0.0);
        for _ in 0..5 {
            let off = noise.range(-0.42, 0.42);
            let start = noise.range(0.15, 0.6);
            let span = noise.range(0.4, 1.0);
            let bow = noise.range(-0.10, 0.10);
            let points: Vec<Vec3> = (0..5)
                .map(|i| {
                    let t = f64::from(i) / 4.0;
                    hip + femur.distal * ((start + span * t) * d)
                        + across * ((off * (1.0 - 0.45 * t) + bow * (3.0 * t).sin()) * d)
                })
                .collect();
            sheet(
                scene,
                paths,
                &points,
                d * noise.range(0.008, 0.022),
                1.6 + 4.0 * fatness,
            );
        }
        // The edge of the gluteals, from the wing to the trochanter.
        for _ in 0..3 {
            let x = noise.range(0.55, 0.85);
            let points = [
                scene.place(side * (x - 0.02), -1.0, -0.1),
                scene.place(side * (x + 0.04), -0.6, -0.1),
                scene.place(side * (x + noise.range(-0.08, 0.08)), -0.15, -0.1),
            ];
            sheet(
                scene,
                paths,
                &points,
                d * noise.range(0.01, 0.02),
                1.6 + 4.0 * fatness,
            );
        }
    }
}

fn sheet(scene: &Scene, paths: &mut Paths, points: &[Vec3], radius: f64, deep: f64) {
    let line = shape::spline(points, false, 6);
    let last = line.len().max(2) as f64 - 1.0;
    let nodes: Vec<Node> = line
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let fade = (std::f64::consts::PI * i as f64 / last).sin().max(0.02);
            Node::new(*p, radius * fade)
        })
        .collect();
    let patch = shape::tube(&scene.view, &nodes, 0.0)
        .outer
        .scaled(deep as f32);
    paths.replace(Material::Soft, Material::Adipose, &patch);
}

/// Colon and rectum with mottled faeces, and gas.
fn bowel(scene: &Scene, paths: &mut Paths, noise: &mut Noise) {
    let d = scene.dog.distance;
    let radius = noise.range(0.10, 0.19);
    let drift = noise.gauss(0.0, 0.05);
    let fill = noise.range(0.0, 1.0);
    let line: Vec<Node> = (0..14)
        .map(|i| {
            let t = f64::from(i) / 13.0;
            let r = radius * (0.8 + 0.35 * noise.uniform()) * (1.0 - 0.45 * t);
            let x = drift * (1.0 - t) + 0.03 * (4.0 * t + drift * 40.0).sin();
            Node::new(scene.place(x, -1.9 + 2.0 * t, -0.12), r * d)
        })
        .collect();
    let tube = shape::tube(&scene.view, &line, 0.0).outer;
    let k = scene.px_per_mm();
    let mottle = tube.clone().mapped(|x, y, v| {
        let (mx, my) = (x as f64 / k, y as f64 / k);
        let n =
            scene.trabeculae.at(mx * 0.35, my * 0.35) + 0.8 * scene.cloud.at(mx * 1.5, my * 1.5);
        v * (0.10 * fill as f32 * n - 0.08)
    });
    paths.add(Material::Soft, &mottle, 1.0);
    for _ in 0..noise.index(9) {
        let t = noise.uniform();
        let at = scene.place(
            drift * (1.0 - t) + noise.range(-0.6, 0.6) * radius,
            -1.9 + 1.9 * t,
            -0.1,
        );
        let size = d * noise.range(0.015, 0.06);
        let bubble = shape::ellipsoid(
            &scene.view,
            at,
            Vec3::new(size, size * noise.range(0.7, 2.2), 0.8 * size),
            &Rotation::about(2, noise.range(-40.0, 40.0)),
        );
        paths.add(Material::Soft, &bubble, -0.9);
    }
    if scene.dog.male && noise.chance(0.7) {
        // Sheath and penis lie over the midline, the bone in them bright.
        let x = noise.gauss(0.0, 0.05);
        let sheath = [
            Node::new(scene.place(x, -1.5, 0.55), 0.11 * d),
            Node::new(scene.place(x, -0.6, 0.55), 0.12 * d),
            Node::new(scene.place(0.3 * x, 0.1, 0.4), 0.09 * d),
        ];
        let sheath = shape::tube(&scene.view, &sheath, 0.0).outer;
        paths.add(Material::Soft, &sheath, 0.5);
        let bone = [
            Node::new(scene.place(x, -1.55, 0.55), 0.012 * d),
            Node::new(scene.place(x, -0.75, 0.55), 0.034 * d),
        ];
        let bone = shape::tube(&scene.view, &bone, 0.0).outer;
        paths.add(Material::Cortical, &bone, 0.35);
    }
}

/// Skin folds: one sharp edge, one gentle.
fn folds(scene: &Scene, paths: &mut Paths, noise: &mut Noise) {
    let d = scene.dog.distance;
    for side in [-1.0, 1.0] {
        if noise.chance(0.5) {
            continue;
        }
        let y = noise.range(-0.9, -0.2);
        let points = [
            scene.place(side * 0.95, y, 0.2),
            scene.place(side * 0.75, y + 0.25, 0.2),
            scene.place(side * 0.5, y + noise.range(0.2, 0.6), 0.2),
        ];
        let nodes: Vec<Node> = shape::spline(&points, false, 8)
            .into_iter()
            .map(|p| Node::new(p, 0.09 * d))
            .collect();
        let fold = shape::tube(&scene.view, &nodes, 0.0).outer;
        paths.add(Material::Soft, &fold, noise.range(0.08, 0.22) as f32);
    }
}
