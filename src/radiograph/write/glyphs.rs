//! A 5 × 7 letter for each letter of the visible mark: enough to write it into an overlay plane.

/// Rows of a letter, five bits each, leftmost bit highest; blank for what is not needed.
fn rows(letter: char) -> [u8; 7] {
    match letter {
        'A' => [14, 17, 17, 31, 17, 17, 17],
        'C' => [14, 17, 16, 16, 16, 17, 14],
        'D' => [30, 17, 17, 17, 17, 17, 30],
        'E' => [31, 16, 16, 30, 16, 16, 31],
        'F' => [31, 16, 16, 30, 16, 16, 16],
        'G' => [14, 17, 16, 23, 17, 17, 15],
        'H' => [17, 17, 17, 31, 17, 17, 17],
        'I' => [14, 4, 4, 4, 4, 4, 14],
        'N' => [17, 25, 21, 19, 17, 17, 17],
        'O' => [14, 17, 17, 17, 17, 17, 14],
        'R' => [30, 17, 17, 30, 20, 18, 17],
        'S' => [15, 16, 16, 14, 1, 1, 30],
        'T' => [31, 4, 4, 4, 4, 4, 4],
        'Y' => [17, 17, 10, 4, 4, 4, 4],
        '-' => [0, 0, 0, 31, 0, 0, 0],
        _ => [0; 7],
    }
}

/// The visible mark.
pub(in crate::radiograph) const MARK: &str = "SYNTHETIC - NOT FOR DIAGNOSIS";

/// The mark's pixels in the lower left corner of a `width × height` image: `true` = ink.
///
/// As large as a fortieth of the image's height where it fits, at least one pixel a dot.
pub(super) fn mark_bitmap(width: usize, height: usize) -> Vec<bool> {
    let mut ink = vec![false; width * height];
    let columns = MARK.len() * 6;
    let scale = (height / 280).min(width / columns.max(1)).max(1);
    let top = height.saturating_sub(9 * scale);
    for (n, letter) in MARK.chars().enumerate() {
        for (row, bits) in rows(letter).into_iter().enumerate() {
            for column in (0..5).filter(|c| bits >> (4 - c) & 1 == 1) {
                for dot in 0..scale * scale {
                    let x = (n * 6 + column + 2) * scale + dot % scale;
                    let y = top + row * scale + dot / scale;
                    if x < width && y < height {
                        ink[y * width + x] = true;
                    }
                }
            }
        }
    }
    ink
}
