//! Writing grey PNG files: 8 and 16 bit, to a temporary file that is renamed when complete.
//!
//! Separate from the reader because writing knows no DICOM and must never leave half a file.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use crate::grid::Grid;

/// Writes 8-bit grey. Errors are those of the file system or the encoder.
pub fn write_png_u8(path: &Path, image: &Grid<u8>) -> std::io::Result<()> {
    write(path, image.size(), png::BitDepth::Eight, image.cells())
}

/// Writes 16-bit grey, values as they are. Errors are those of the file system or the encoder.
pub fn write_png_u16(path: &Path, image: &Grid<u16>) -> std::io::Result<()> {
    let bytes: Vec<u8> = image.cells().iter().flat_map(|v| v.to_be_bytes()).collect();
    write(path, image.size(), png::BitDepth::Sixteen, &bytes)
}

fn write(
    path: &Path,
    (width, height): (usize, usize),
    depth: png::BitDepth,
    bytes: &[u8],
) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .suffix(".part")
        .tempfile_in(folder)?;
    {
        let mut out = BufWriter::new(file.as_file_mut());
        let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(depth);
        let mut writer = encoder.write_header().map_err(std::io::Error::other)?;
        writer
            .write_image_data(bytes)
            .map_err(std::io::Error::other)?;
        writer.finish().map_err(std::io::Error::other)?;
        out.flush()?;
    }
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}
