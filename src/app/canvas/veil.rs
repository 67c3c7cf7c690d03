//! A veil: a signed difference or a spread as transparent colour over the image, with its scale and its numbers.
//!
//! Separate from the picture below because it is no pixel of it: it can be lifted, and it says what it means.

use egui::{Align2, Color32, Pos2, Rect, TextureHandle, vec2};

use super::drawing::Sheet;
use super::palette;
use crate::geometry::PixelRect;

/// What a veil shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VeilKind {
    /// Result minus image, signed, on a symmetric scale.
    Difference,
    /// Standard deviation over results that differ in their seed alone: what the model made up.
    Spread,
}

/// A veil ready to be laid over an image.
#[derive(Clone)]
pub struct Veil {
    /// What it shows.
    pub kind: VeilKind,
    /// Its colours.
    pub texture: TextureHandle,
    /// Pixels of the image that it covers.
    pub region: PixelRect,
    /// Value at the end of the scale, > 0; a difference goes from minus it to it, a spread from 0 to it.
    pub scale: f64,
    /// Title and numbers, a line each.
    pub lines: Vec<String>,
}

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Veil({:?}, {:?})", self.kind, self.region)
    }
}

/// The colour of a value, −1…1 of the scale; beyond it the colour stays.
pub fn color_of(kind: VeilKind, value: f32) -> Color32 {
    let strength = value.abs().clamp(0.0, 1.0);
    let [red, green, blue] = match kind {
        VeilKind::Difference if value < 0.0 => [0x56, 0xB4, 0xE9],
        VeilKind::Difference => [0xE6, 0x9F, 0x00],
        VeilKind::Spread => [0xCC, 0x79, 0xA7],
    };
    // Small values stay clear, so that the image below can be read.
    let alpha = (215.0 * strength.sqrt() * strength.clamp(0.15, 1.0)) as u8;
    Color32::from_rgba_unmultiplied(red, green, blue, alpha)
}

impl Sheet<'_> {
    /// Lays a veil over the image to the right of `from_x`, and its scale at the bottom.
    pub(super) fn veil(&self, veil: &Veil, from_x: f32) {
        self.veil_colors(veil, from_x);
        self.scale(veil);
    }

    /// The colors of a veil alone, to the right of `from_x`.
    pub(super) fn veil_colors(&self, veil: &Veil, from_x: f32) {
        let part = self
            .rect
            .with_min_x(from_x.clamp(self.rect.left(), self.rect.right()));
        let mesh = self.textured(veil.texture.id(), veil.region);
        let part = part.intersect(self.painter.clip_rect());
        self.painter.with_clip_rect(part).add(mesh);
    }

    fn scale(&self, veil: &Veil) {
        let width = 180.0_f32.min(self.rect.width() - 40.0);
        let lines = veil.lines.len() as f32;
        let bar = Rect::from_center_size(
            Pos2::new(self.rect.center().x, self.rect.bottom() - 26.0),
            vec2(width, 10.0),
        );
        let back = Rect::from_min_max(
            bar.min - vec2(14.0, 10.0 + 16.0 * lines),
            bar.max + vec2(14.0, 20.0),
        );
        self.painter.rect_filled(back, 4.0, palette::HALO);
        let steps = 48;
        for step in 0..steps {
            let share = (step as f32 + 0.5) / steps as f32;
            let value = match veil.kind {
                VeilKind::Difference => 2.0 * share - 1.0,
                VeilKind::Spread => share,
            };
            let x = bar.left() + width * step as f32 / steps as f32;
            let cell = Rect::from_min_size(
                Pos2::new(x, bar.top()),
                vec2(width / steps as f32 + 0.5, bar.height()),
            );
            self.painter
                .rect_filled(cell, 0.0, color_of(veil.kind, value));
        }
        let end = number(veil.scale);
        let start = match veil.kind {
            VeilKind::Difference => format!("−{end}"),
            VeilKind::Spread => "0".to_owned(),
        };
        let below = bar.bottom() + 3.0;
        self.text(
            Pos2::new(bar.left(), below),
            Align2::LEFT_TOP,
            &start,
            11.0,
            palette::TEXT,
        );
        let plus = match veil.kind {
            VeilKind::Difference => format!("+{end}"),
            VeilKind::Spread => end,
        };
        self.text(
            Pos2::new(bar.right(), below),
            Align2::RIGHT_TOP,
            &plus,
            11.0,
            palette::TEXT,
        );
        for (n, line) in veil.lines.iter().enumerate() {
            let y = back.top() + 4.0 + 16.0 * n as f32;
            let at = Pos2::new(back.center().x, y);
            self.text(at, Align2::CENTER_TOP, line, 12.0, palette::TEXT);
        }
    }
}

/// A number with as many digits as are worth reading.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || size == 0.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}
