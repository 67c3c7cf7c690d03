//! A pickle read as data: its instructions fill a table of values, and none is carried out.
//!
//! Separate from what the values mean. Written here because a file may come from anyone: what calls more than the
//! description of data is refused where it stands, and time and memory grow with the length of the text alone. The
//! instructions are those of Python's `pickletools` up to protocol 5.

use std::collections::HashMap;
use std::io::{BufRead, Read as _};

use super::values::{Fault, Id, Value, Values, damaged};

/// The most values a pickle may make, the most that wait on its stack, and the most it may remember.
const MOST: usize = 1 << 21;

/// Callables that only describe data.
const PLAIN: [&str; 23] = [
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
    "torch.device",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.Counter",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "_codecs.encode",
    "builtins.set",
    "__builtin__.set",
    "argparse.Namespace",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.WindowsPath",
    "pathlib.PureWindowsPath",
    "datetime.datetime",
];

/// Settings of training programs.
const SETTINGS: [&str; 4] = [
    "pytorch_lightning.",
    "lightning.pytorch.",
    "lightning_fabric.utilities.",
    "lightning.fabric.utilities.",
];

fn refused<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Refused(what.into()))
}

/// Reads one pickle up to its end, at most `left` bytes, which are counted down: its values, and the one it is.
pub(super) fn read(from: &mut dyn BufRead, left: &mut u64) -> Result<(Values, Id), Fault> {
    let mut program = Program {
        from,
        left,
        values: Values::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    let root = program.run()?;
    Ok((program.values, root))
}

struct Program<'a> {
    from: &'a mut dyn BufRead,
    left: &'a mut u64,
    values: Values,
    stack: Vec<Id>,
    /// Where the stack stood at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Program<'_> {
    fn run(&mut self) -> Result<Id, Fault> {
        loop {
            let [code] = self.bytes()?;
            if code == b'.' {
                return self.pop();
            }
            let known = self.makes(code)? || self.moves(code)? || self.gathers(code)?;
            if !known && !self.names(code)? {
                return damaged(format!("its pickle has no instruction {code:#04x}"));
            }
        }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.spend(N as u64)?;
        match self.from.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(_) => damaged("its pickle is cut off"),
        }
    }

    fn spend(&mut self, count: u64) -> Result<(), Fault> {
        match self.left.checked_sub(count) {
            Some(left) => {
                *self.left = left;
                Ok(())
            }
            None => damaged("its description is too long, or cut off"),
        }
    }

    fn long(&mut self, count: u64) -> Result<Vec<u8>, Fault> {
        self.spend(count)?;
        let mut bytes = Vec::new();
        let read = (&mut *self.from).take(count).read_to_end(&mut bytes);
        match read {
            Ok(found) if found as u64 == count => Ok(bytes),
            _ => damaged("its pickle is cut off"),
        }
    }

    /// A length of `N` bytes, and as many bytes.
    fn counted<const N: usize>(&mut self) -> Result<Vec<u8>, Fault> {
        let mut count = [0; 8];
        count[..N].copy_from_slice(&self.bytes::<N>()?);
        self.long(u64::from_le_bytes(count))
    }

    fn line(&mut self) -> Result<String, Fault> {
        let mut line = Vec::new();
        loop {
            let [byte] = self.bytes()?;
            if byte == b'\n' {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            line.push(byte);
        }
    }

    fn add(&mut self, value: Value) -> Result<(), Fault> {
        if self.values.all().len() >= MOST {
            return damaged("its pickle makes too many values");
        }
        let id = self.values.add(value);
        self.push(id)
    }

    fn push(&mut self, id: Id) -> Result<(), Fault> {
        if self.stack.len() >= MOST {
            return damaged("its pickle lays too much aside");
        }
        self.stack.push(id);
        Ok(())
    }

    /// The uppermost value above the last mark.
    fn top(&self) -> Result<Id, Fault> {
        match self.stack.last() {
            Some(id) if self.marks.last() != Some(&self.stack.len()) => Ok(*id),
            _ => damaged("its pickle takes what it has not laid aside"),
        }
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// All above the last mark, which goes too.
    fn since_mark(&mut self) -> Result<Vec<Id>, Fault> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => damaged("its pickle has no mark to go back to"),
        }
    }

    fn remember(&mut self, key: u64) -> Result<(), Fault> {
        if self.memo.len() >= MOST {
            return damaged("its pickle remembers too much");
        }
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), Fault> {
        match self.memo.get(&key) {
            Some(&id) => self.push(id),
            None => damaged("its pickle recalls what it has not remembered"),
        }
    }

    fn key(&mut self) -> Result<u64, Fault> {
        let line = self.line()?;
        match line.trim().parse() {
            Ok(key) => Ok(key),
            Err(_) => damaged(format!("its pickle recalls {line:?}")),
        }
    }

    /// Instructions that make one value of what follows them.
    fn makes(&mut self, code: u8) -> Result<bool, Fault> {
        let value = match code {
            b'N' | 0x88 | 0x89 => Value::Other,
            b'F' => {
                self.line()?;
                Value::Other
            }
            b'G' => {
                self.bytes::<8>()?;
                Value::Other
            }
            b'I' | b'L' => {
                let line = self.line()?;
                match line.trim_end_matches('L').parse() {
                    Ok(number) => Value::Number(number),
                    Err(_) => return damaged(format!("its pickle has the number {line:?}")),
                }
            }
            b'J' => Value::Number(i32::from_le_bytes(self.bytes()?).into()),
            b'K' => Value::Number(self.bytes::<1>()?[0].into()),
            b'M' => Value::Number(u16::from_le_bytes(self.bytes()?).into()),
            0x8a => Value::number_of(&self.counted::<1>()?),
            0x8b => Value::number_of(&self.counted::<4>()?),
            b'S' => Value::text_of(self.line()?.trim_matches(['\'', '"']).as_bytes()),
            b'V' => Value::text_of(self.line()?.as_bytes()),
            b'U' | 0x8c => Value::text_of(&self.counted::<1>()?),
            b'T' | b'X' => Value::text_of(&self.counted::<4>()?),
            0x8d => Value::text_of(&self.counted::<8>()?),
            b'C' => {
                self.counted::<1>()?;
                Value::Other
            }
            b'B' => {
                self.counted::<4>()?;
                Value::Other
            }
            0x8e | 0x96 => {
                self.counted::<8>()?;
                Value::Other
            }
            b']' | b')' | 0x8f => Value::Row(Vec::new()),
            b'}' => Value::Table(Vec::new()),
            _ => return Ok(false),
        };
        self.add(value).map(|()| true)
    }

    /// Instructions about the stack and what is remembered.
    fn moves(&mut self, code: u8) -> Result<bool, Fault> {
        match code {
            0x80 => self.bytes::<1>().map(drop)?,
            0x95 => self.bytes::<8>().map(drop)?,
            b'(' => {
                if self.marks.len() >= MOST {
                    return damaged("its pickle lays too much aside");
                }
                self.marks.push(self.stack.len());
            }
            b'0' if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
            }
            b'0' => self.pop().map(drop)?,
            b'1' => self.since_mark().map(drop)?,
            b'2' => {
                let top = self.top()?;
                self.push(top)?;
            }
            b'g' => {
                let key = self.key()?;
                self.recall(key)?;
            }
            b'h' => {
                let [key] = self.bytes()?;
                self.recall(key.into())?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.bytes()?);
                self.recall(key.into())?;
            }
            b'p' => {
                let key = self.key()?;
                self.remember(key)?;
            }
            b'q' => {
                let [key] = self.bytes()?;
                self.remember(key.into())?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.bytes()?);
                self.remember(key.into())?;
            }
            0x94 => self.remember(self.memo.len() as u64)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Instructions that put values into others.
    fn gathers(&mut self, code: u8) -> Result<bool, Fault> {
        match code {
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.extend(&items)?;
            }
            b'l' | b't' | 0x91 => {
                let items = self.since_mark()?;
                self.add(Value::Row(items))?;
            }
            0x85..=0x87 => {
                let mut items = vec![self.pop()?];
                for _ in 0x85..code {
                    items.insert(0, self.pop()?);
                }
                self.add(Value::Row(items))?;
            }
            b'd' => {
                let items = self.since_mark()?;
                self.add(Value::Table(Vec::new()))?;
                self.set(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn top_value(&mut self) -> Result<&mut Value, Fault> {
        let top = self.top()?;
        match self.values.get_mut(top) {
            Some(value) => Ok(value),
            None => damaged("its pickle is about nothing"),
        }
    }

    fn extend(&mut self, items: &[Id]) -> Result<(), Fault> {
        match self.top_value()? {
            Value::Row(row) => row.extend(items),
            // A list of a kind of its own: what is in it has been looked at.
            Value::Made { .. } => {}
            _ => return damaged("its pickle adds to what is no list"),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), Fault> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return damaged("its pickle has a key without a value");
        }
        match self.top_value()? {
            Value::Table(table) => table.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Value::Made { .. } => {}
            _ => return damaged("its pickle sets a key of what is no dictionary"),
        }
        Ok(())
    }

    /// Instructions that name things, and those that would call them.
    fn names(&mut self, code: u8) -> Result<bool, Fault> {
        match code {
            b'c' => {
                let name = format!("{}.{}", self.line()?, self.line()?);
                self.add(Value::Named(name))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let both = (self.values.text(module), self.values.text(name));
                let (Some(module), Some(name)) = both else {
                    return damaged("its pickle names what has no name");
                };
                let name = format!("{module}.{name}");
                self.add(Value::Named(name))?;
            }
            b'R' | 0x81 => {
                let (of, by) = (self.pop()?, self.pop()?);
                self.call(by, of)?;
            }
            0x92 => {
                self.pop()?;
                let (of, by) = (self.pop()?, self.pop()?);
                self.call(by, of)?;
            }
            b'i' => {
                let name = format!("{}.{}", self.line()?, self.line()?);
                return refused(format!("it calls {name}"));
            }
            b'o' => {
                let items = self.since_mark()?;
                let name = items.first().map(|id| self.values.get(*id).clone());
                let Some(Value::Named(name)) = name else {
                    return damaged("its pickle calls what has no name");
                };
                return refused(format!("it calls {name}"));
            }
            b'b' => {
                self.pop()?;
                match self.top_value()? {
                    // What `nn.Module.state_dict` keeps about versions, and fields of settings.
                    Value::Table(_) | Value::Made { .. } | Value::Row(_) => {}
                    Value::Named(name) => return refused(format!("it changes {name}")),
                    _ => return damaged("its pickle changes what has no state"),
                }
            }
            b'P' => {
                let line = self.line()?;
                self.add(Value::Text(line))?;
                let id = self.pop()?;
                self.add(Value::Outside(id))?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.add(Value::Outside(id))?;
            }
            0x82..=0x84 => return refused("it calls what is registered with Python by number"),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn call(&mut self, by: Id, of: Id) -> Result<(), Fault> {
        let Value::Named(name) = self.values.get(by) else {
            return refused("it calls what it has made itself");
        };
        let plain = PLAIN.contains(&name.as_str());
        if !plain && !SETTINGS.iter().any(|start| name.starts_with(start)) {
            return refused(format!("it calls {name}"));
        }
        let name = name.clone();
        match name.as_str() {
            "collections.OrderedDict" => {
                let pairs = self.pairs(of)?;
                self.add(Value::Table(pairs))
            }
            "collections.defaultdict" => self.add(Value::Table(Vec::new())),
            _ => self.add(Value::Made { by: name, of }),
        }
    }

    /// Arguments of an ordered dictionary: none, or as Python 2 has it a list of pairs.
    fn pairs(&self, of: Id) -> Result<Vec<(Id, Id)>, Fault> {
        let values = &self.values;
        match values.row(of) {
            None | Some([]) => Ok(Vec::new()),
            Some([list]) => {
                let list = values.row(*list).unwrap_or_default();
                let pair = |id: &Id| match values.row(*id) {
                    Some(&[key, value]) => Ok((key, value)),
                    _ => damaged("its pickle has a dictionary of what are no pairs"),
                };
                list.iter().map(pair).collect()
            }
            Some(_) => damaged("its pickle has a dictionary of what are no pairs"),
        }
    }
}
