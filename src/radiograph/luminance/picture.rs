//! An image as it is shown: grey through its own window, or the colors of its file.
//!
//! Separate because thumbnails, previews and the display view must all agree with the canvas, and nothing is measured
//! on any of them.

use super::{Rgb, luminance};
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
    ///
    /// Its cells are square where the pixels of the image are not: it has the shape that was photographed.
    pub fn reduced(image: &Radiograph, most: usize) -> Self {
        let cells = Cells::of(image, most);
        if let Some(color) = image.color() {
            return Self::Color(Grid::from_fn(cells.columns, cells.rows, |x, y| {
                let places = cells.places(x, y);
                [0, 1, 2].map(|channel| {
                    let four =
                        places.map(|(x, y)| color.get(x, y).map_or(0, |c| u16::from(c[channel])));
                    ((four.iter().sum::<u16>() + 2) / 4) as u8
                })
            }));
        }
        let window = image.initial_window();
        let inverted = image.photometric == Photometric::Monochrome1;
        Self::Grey(Grid::from_fn(cells.columns, cells.rows, |x, y| {
            let four = cells.places(x, y).map(|(x, y)| {
                let grey = image.modality_value(x, y).map_or(0.0, |v| window.grey(v));
                if inverted { 1.0 - grey } else { grey }
            });
            (four.iter().sum::<f64>() * 255.0 / 4.0).round() as u8
        }))
    }

    /// Its grey, or the luminance of its colors.
    pub fn grey(self) -> Grid<u8> {
        match self {
            Self::Grey(grid) => grid,
            Self::Color(grid) => grid.map(|[red, green, blue]| luminance(*red, *green, *blue)),
        }
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

/// The cells of a reduced picture: square on the film, each of so many pixels of the image.
struct Cells {
    columns: usize,
    rows: usize,
    /// Pixels a cell, across and down.
    size: [f64; 2],
    /// Columns and rows of the image.
    image: (usize, usize),
}

impl Cells {
    fn of(image: &Radiograph, most: usize) -> Self {
        let (width, height) = (image.width(), image.height());
        let ratio = image.pixel_ratio();
        // Counted in the shorter side of a pixel, so that nothing is lost of a small image.
        let side = if ratio >= 1.0 {
            [1.0, ratio]
        } else {
            [1.0 / ratio, 1.0]
        };
        let (across, down) = (width as f64 * side[0], height as f64 * side[1]);
        let step = (across.max(down) / most.max(1) as f64).ceil().max(1.0);
        Self {
            columns: ((across / step) as usize).max(1),
            rows: ((down / step) as usize).max(1),
            size: [step / side[0], step / side[1]],
            image: (width, height),
        }
    }

    /// Four pixels in a cell, a quarter from its edges.
    fn places(&self, x: usize, y: usize) -> [(usize, usize); 4] {
        let place = |cell: usize, share: f64, size: f64, most: usize| {
            let at = ((cell as f64 + share) * size + 1.0e-9).floor() as usize;
            at.min(most.saturating_sub(1))
        };
        let (width, height) = self.image;
        let [left, right] = [0.25, 0.75].map(|share| place(x, share, self.size[0], width));
        let [top, bottom] = [0.25, 0.75].map(|share| place(y, share, self.size[1], height));
        [(left, top), (right, top), (left, bottom), (right, bottom)]
    }
}
