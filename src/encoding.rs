//! Rasters inside JSON: deflate, then base64.
//!
//! Separate because requests, records and journals all carry rasters as plain data and must agree on the form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::grid::Grid;

/// A limit on what one packed raster may unpack to: 4 GiB would be a bomb, a large film is 64 MiB.
const LIMIT: usize = 1 << 30;

/// Deflated and base64-coded bytes.
pub fn pack(bytes: &[u8]) -> String {
    STANDARD.encode(miniz_oxide::deflate::compress_to_vec_zlib(bytes, 4))
}

/// Bytes in lower-case hexadecimal: how hashes are written.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// The inverse of [`pack`]; `None` when the text is not one of its results or unpacks to more than 1 GiB.
pub fn unpack(text: &str) -> Option<Vec<u8>> {
    let deflated = STANDARD.decode(text).ok()?;
    miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&deflated, LIMIT).ok()
}

/// Serde form of `Grid<u8>` as `{width, height, values}` with packed values: `#[serde(with = "…")]`.
pub mod grid_u8 {
    use super::{Deserialize, Grid, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Packed {
        width: usize,
        height: usize,
        values: String,
    }

    /// Writes the packed form.
    pub fn serialize<S: serde::Serializer>(
        grid: &Grid<u8>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Packed {
            width: grid.width(),
            height: grid.height(),
            values: super::pack(grid.cells()),
        }
        .serialize(serializer)
    }

    /// Reads the packed form.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Grid<u8>, D::Error> {
        use serde::de::Error as _;
        let packed = Packed::deserialize(deserializer)?;
        let values = super::unpack(&packed.values)
            .ok_or_else(|| D::Error::custom("raster is not valid packed data"))?;
        Grid::from_vec(packed.width, packed.height, values)
            .ok_or_else(|| D::Error::custom("raster does not fit its size"))
    }
}

/// Serde form of `Option<Grid<u8>>`, packed like [`grid_u8`].
pub mod optional_grid_u8 {
    use super::{Deserialize, Grid, Serialize, grid_u8};

    #[derive(Serialize, Deserialize)]
    struct Packed(#[serde(with = "grid_u8")] Grid<u8>);

    /// Writes the packed form or null.
    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub fn serialize<S: serde::Serializer>(
        grid: &Option<Grid<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        grid.clone().map(Packed).serialize(serializer)
    }

    /// Reads the packed form or null.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Grid<u8>>, D::Error> {
        Ok(Option::<Packed>::deserialize(deserializer)?.map(|packed| packed.0))
    }
}

/// Serde form of two [`Grid<u8>`] or none, each as in [`grid_u8`].
pub mod optional_grids_u8 {
    use super::{Deserialize, Grid, Serialize, grid_u8};

    #[derive(Serialize, Deserialize)]
    struct Packed(#[serde(with = "grid_u8")] Grid<u8>);

    /// Writes the packed forms or null.
    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub fn serialize<S: serde::Serializer>(
        grids: &Option<[Grid<u8>; 2]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        grids
            .clone()
            .map(|grids| grids.map(Packed))
            .serialize(serializer)
    }

    /// Reads the packed forms or null.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<[Grid<u8>; 2]>, D::Error> {
        let packed = Option::<[Packed; 2]>::deserialize(deserializer)?;
        Ok(packed.map(|grids| grids.map(|packed| packed.0)))
    }
}

/// Serde form of a list of f32: deflated little-endian bytes, base64.
pub mod floats {
    use super::{Deserialize, Serialize};

    /// Writes the packed form.
    pub fn serialize<S: serde::Serializer>(
        values: &[f32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        super::pack(&bytes).serialize(serializer)
    }

    /// Reads the packed form.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f32>, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(deserializer)?;
        let bytes = super::unpack(&text)
            .filter(|bytes| bytes.len().is_multiple_of(4))
            .ok_or_else(|| D::Error::custom("the numbers are not valid packed data"))?;
        let quads = bytes.chunks_exact(4);
        Ok(quads
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect())
    }
}
