//! Small data sets: commands, queries and their answers.
//!
//! Separate because they are lists of texts and numbers with no file around them.

use crate::radiograph::dicom::dataset::{self, Elements, Encoding};
use crate::radiograph::dicom::values::{Kind, View};
use crate::radiograph::dicom::written::{padded, standard_representation, written};
use crate::radiograph::error::ReadProblem;

/// A data set that was received.
pub struct Attributes {
    bytes: Vec<u8>,
    elements: Elements,
}

impl std::fmt::Debug for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attributes({} elements)", self.elements.list.len())
    }
}

impl Attributes {
    /// Reads a little-endian data set, with or without explicit representations.
    ///
    /// # Errors
    /// It is cut short, or nests too deep.
    pub fn read(bytes: Vec<u8>, explicit: bool) -> Result<Self, ReadProblem> {
        let encoding = if explicit {
            Encoding::EXPLICIT
        } else {
            Encoding::IMPLICIT
        };
        let elements = dataset::elements(&bytes, 0, bytes.len(), encoding, false, 0)?;
        match &elements.broken {
            Some(broken) => Err(ReadProblem::Damaged(broken.clone())),
            None => Ok(Self { bytes, elements }),
        }
    }

    fn view(&self) -> View<'_> {
        View {
            bytes: &self.bytes,
            elements: &self.elements,
        }
    }

    /// Text without its padding, in the data set's character set; empty when absent.
    pub fn text(&self, tag: u32) -> String {
        let charsets = self.view().texts(0x0008_0005);
        self.view().free_text(tag, &charsets)
    }

    /// A number written as US or as text.
    pub fn number(&self, tag: u32) -> Option<u32> {
        let kind = if standard_representation(tag) == *b"US" {
            Kind::Short
        } else {
            Kind::Text
        };
        self.view().count(tag, kind).map(|number| number as u32)
    }
}

/// A value of a small data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text; empty asks for the attribute in a query.
    Text(String),
    /// US.
    Number(u16),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number)
    }
}

/// A little-endian data set; the order of `list` does not matter.
pub fn write_attributes(list: &[(u32, Value)], explicit: bool) -> Vec<u8> {
    let encoding = if explicit {
        Encoding::EXPLICIT
    } else {
        Encoding::IMPLICIT
    };
    let mut sorted: Vec<_> = list.iter().collect();
    sorted.sort_by_key(|(tag, _)| *tag);
    let elements = sorted.into_iter().flat_map(|(tag, value)| {
        let vr = standard_representation(*tag);
        let bytes = match value {
            Value::Text(text) => padded(text, vr),
            Value::Number(number) => number.to_le_bytes().to_vec(),
        };
        written(*tag, vr, bytes, encoding)
    });
    elements.collect()
}
