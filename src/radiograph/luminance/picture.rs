//! An image as it is shown: grey through its own window, or the colors of its file.
//!
//! Separate because thumbnails, previews and the display view must all agree with the canvas, and nothing is measured
//! on any of them.

use super::Rgb;
use crate::grid::Grid;
use crate::radiograph::{Photometric, Radiograph};

/// A picture of 8 bits a channel; black is 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    /// Grey.
    Grey(Grid<u8>),
    /// Red, green and blue.
    Color(Rgb),
}

impl Picture {
    /// The whole image: its colors, or its grey through the window that it opens with.
    pub fn of(image: &Radiograph) -> Self {
        if let Some(color) = image.color() {
            return Self::Color((**color).clone());
        }
        let grey = image.grey(&image.initial_window());
        Self::Grey(grey.map(|grey| (grey * 255.0).round() as u8))
    }

    /// The image at most `most` pixels a side, four samples a cell: enough against moiré, and as quick for any size.
    pub fn reduced(image: &Radiograph, most: usize) -> Self {
        let (width, height) = (image.width(), image.height());
        let step = width.max(height).div_ceil(most.max(1)).max(1);
        let size = ((width / step).max(1), (height / step).max(1));
        let (near, far) = (step / 4, 3 * step / 4);
        let places = |x: usize, y: usize| {
            [(near, near), (far, near), (near, far), (far, far)].map(|(dx, dy)| {
                (
                    (x * step + dx).min(width.saturating_sub(1)),
                    (y * step + dy).min(height.saturating_sub(1)),
                )
            })
        };
        if let Some(color) = image.color() {
            return Self::Color(Grid::from_fn(size.0, size.1, |x, y| {
                let places = places(x, y);
                [0, 1, 2].map(|channel| {
                    let four =
                        places.map(|(x, y)| color.get(x, y).map_or(0, |c| u16::from(c[channel])));
                    ((four.iter().sum::<u16>() + 2) / 4) as u8
                })
            }));
        }
        let window = image.initial_window();
        let inverted = image.photometric == Photometric::Monochrome1;
        Self::Grey(Grid::from_fn(size.0, size.1, |x, y| {
            let four = places(x, y).map(|(x, y)| {
                let grey = image.modality_value(x, y).map_or(0.0, |v| window.grey(v));
                if inverted { 1.0 - grey } else { grey }
            });
            (four.iter().sum::<f64>() * 255.0 / 4.0).round() as u8
        }))
    }

    /// Columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Grey(grid) => grid.width(),
            Self::Color(grid) => grid.width(),
        }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        match self {
            Self::Grey(grid) => grid.height(),
            Self::Color(grid) => grid.height(),
        }
    }

    /// Its values row by row: one a pixel, or red, green and blue.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Grey(grid) => grid.cells(),
            Self::Color(grid) => grid.cells().as_flattened(),
        }
    }
}
