//! What a pickle holds, as a table.
//!
//! Separate from the instructions that fill it: values refer to each other by their places, so that what is named many
//! times is there once, and nothing is copied or followed without end.

/// Why a pickle is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is cut off, or says what cannot be.
    Damaged(String),
    /// It is more than data.
    Refused(String),
}

pub(super) fn damaged<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Damaged(what.into()))
}

/// The place of a value in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

/// What an instruction made.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A whole number of at most 128 bits.
    Number(i128),
    /// A text.
    Text(String),
    /// A class or a function that is named, and not called.
    Named(String),
    /// A list, a tuple or a set.
    Row(Vec<Id>),
    /// A dictionary, in its order.
    Table(Vec<(Id, Id)>),
    /// What would be made by calling something plain.
    Made {
        /// What is called.
        by: String,
        /// Its arguments.
        of: Id,
    },
    /// A reference to something outside of the pickle.
    Outside(Id),
    /// Anything else: nothing, truth, fractions, bytes.
    Other,
}

/// The values of a pickle.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<Value>);

impl Values {
    /// One more.
    pub(super) fn add(&mut self, value: Value) -> Id {
        let id = Id(self.0.len() as u32);
        self.0.push(value);
        id
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Value> {
        self.0.get_mut(id.0 as usize)
    }

    /// One of them.
    pub(super) fn get(&self, id: Id) -> &Value {
        self.0.get(id.0 as usize).unwrap_or(&Value::Other)
    }

    /// All of them, those too that nothing refers to any more.
    pub(super) fn all(&self) -> &[Value] {
        &self.0
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, id: Id) -> Option<i128> {
        match self.get(id) {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn row(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Row(row) => Some(row),
            _ => None,
        }
    }

    pub(super) fn table(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

impl Value {
    /// A text; what is no UTF-8 is replaced.
    pub(super) fn text_of(bytes: &[u8]) -> Self {
        Self::Text(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Little-endian in two's complement.
    pub(super) fn number_of(bytes: &[u8]) -> Self {
        if bytes.len() > 16 {
            return Self::Other;
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut all = [if negative { 0xff } else { 0 }; 16];
        all[..bytes.len()].copy_from_slice(bytes);
        Self::Number(i128::from_le_bytes(all))
    }
}
