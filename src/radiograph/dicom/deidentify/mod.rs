//! De-identification by the Basic Application Level Confidentiality Profile (PS3.15 Annex E), an animal's owner included.
//!
//! Separate, and on our own parser, because a file must be rewritten element by element as it is written: what is not
//! known to be harmless is not copied, and every sequence is entered. Pixels are not changed unless a person says where:
//! what is burned into them stays, and is said.

mod blank;
mod table;

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::dataset::{self, Elements, Encoding, tag_name};
use super::file;
use super::values::View;
use super::written::{head, header, item, padded, representation, written};
use crate::grid::Grid;
use crate::radiograph::error::ReadProblem;
use crate::radiograph::write::MARK;

const PIXEL_DATA: u32 = 0x7FE0_0010;
const CONTENT: u32 = 0x0040_A730;

/// A file without identity.
pub(in crate::radiograph) struct Deidentified {
    pub(in crate::radiograph) bytes: Vec<u8>,
    /// Tags that were removed, emptied or replaced, `(gggg,eeee)`, each once, in order.
    pub(in crate::radiograph) removed: Vec<String>,
    /// What a person must still look at.
    pub(in crate::radiograph) warnings: Vec<String>,
}

/// What is done with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Keep,
    Remove,
    Empty,
    Replace,
    Map,
}

fn action(tag: u32) -> Action {
    let group = tag >> 16;
    let listed = |table: &[u32]| table.binary_search(&tag).is_ok();
    if group % 2 == 1
        || matches!(group, 0x5000..=0x50FF | 0x6000..=0x60FF)
        || listed(&table::REMOVED)
    {
        Action::Remove
    } else if listed(&table::EMPTIED) {
        Action::Empty
    } else if listed(&table::REPLACED) {
        Action::Replace
    } else if listed(&table::MAPPED) {
        Action::Map
    } else {
        Action::Keep
    }
}

/// One run: UIDs are mapped by a secret of its own, so that nobody can try out what they were.
struct Run<'a> {
    salt: &'a [u8],
    removed: BTreeSet<u32>,
    /// Overlay groups that carry the mark of a synthetic image: they must stay.
    marks: Vec<u32>,
    /// The content tree is one of our own: numbers, codes and places, and no word of a person.
    own_content: bool,
    /// Inside that tree.
    inside: bool,
    /// Pixel Data to be written in the place of the file's.
    pixels: Option<Vec<u8>>,
}

/// Rewrites a file; `salt` is secret and the same for files whose references to each other must hold.
///
/// The content tree of a report goes, as the basic profile has it. With `own_content`, of a report that this program has
/// just made, it stays without its names: the Clean Structured Content Option (PS3.15 E.3.4). Where `blank` is not 0,
/// pixels are made black, and the file says that they show no name: the Clean Pixel Data Option (PS3.15 E.3.1).
pub(in crate::radiograph) fn deidentify(
    bytes: Vec<u8>,
    salt: &[u8],
    own_content: bool,
    blank: Option<&Grid<u8>>,
) -> Result<Deidentified, ReadProblem> {
    let file = file::parse(bytes)?;
    if let Some(broken) = &file.elements.broken {
        return Err(ReadProblem::Damaged(format!(
            "what lies behind the damage might tell who it is: {broken}"
        )));
    }
    let view = file.view();
    let encoding = file
        .elements
        .list
        .first()
        .map(|first| first.encoding)
        .ok_or_else(|| ReadProblem::NoImage("it has no element".to_owned()))?;
    let marks = (0..16_u32)
        .map(|n| 0x6000 + 2 * n)
        .filter(|group| view.text(group << 16 | 0x0022) == MARK)
        .collect();
    let mut run = Run {
        salt,
        removed: BTreeSet::new(),
        marks,
        own_content,
        inside: false,
        pixels: blank.map(|mask| blank::blanked(&file, mask)).transpose()?,
    };
    let mut elements = run.elements(view, 0)?;
    say_so(&mut elements, encoding, own_content, blank.is_some());
    elements.sort_by_key(|(tag, _)| *tag);
    let class = file.class().unwrap_or_default();
    let instance = run.mapped(&view.text(0x0008_0018));
    // A deflated data set is written plain.
    let syntax = match file.syntax.as_str() {
        "1.2.840.10008.1.2.1.99" => "1.2.840.10008.1.2.1",
        other => other,
    };
    let mut out = head(&class, &instance, syntax);
    for (_, bytes) in &elements {
        out.extend_from_slice(bytes);
    }
    let mut warnings = Vec::new();
    if blank.is_none() && view.text(0x0028_0301) != "NO" {
        warnings.push(
            "Burned In Annotation (0028,0301) is not NO: look whether the pixels show a name"
                .to_owned(),
        );
    }
    let removed = run.removed.iter().map(|tag| tag_name(*tag)).collect();
    let pixels = run.pixels.as_deref();
    checked(&file.bytes, &file.elements, &out, own_content, pixels)?;
    Ok(Deidentified {
        bytes: out,
        removed,
        warnings,
    })
}

/// Patient Identity Removed and by which method (C.12.1.1.9), and that times do not hold.
fn say_so(
    elements: &mut Vec<(u32, Vec<u8>)>,
    encoding: Encoding,
    own_content: bool,
    clean_pixels: bool,
) {
    let method = format!("PS3.15 {} Basic Profile, Radcanvas", table::EDITION);
    let text = |tag, vr: [u8; 2], text: &str| written(tag, vr, padded(text, vr), encoding);
    let code = |value: &str, meaning: &str| {
        let parts = [
            text(0x0008_0100, *b"SH", value),
            text(0x0008_0102, *b"SH", "DCM"),
            text(0x0008_0104, *b"LO", meaning),
        ];
        item(&parts.concat(), encoding)
    };
    let mut codes = code("113100", "Basic Application Confidentiality Profile");
    if clean_pixels {
        codes.extend(code("113101", "Clean Pixel Data Option"));
    }
    if own_content {
        codes.extend(code("113104", "Clean Structured Content Option"));
    }
    let mut said = vec![
        (0x0012_0062, text(0x0012_0062, *b"CS", "YES")),
        (0x0012_0063, text(0x0012_0063, *b"LO", &method)),
        (0x0012_0064, written(0x0012_0064, *b"SQ", codes, encoding)),
        (0x0028_0303, text(0x0028_0303, *b"CS", "REMOVED")),
    ];
    if clean_pixels {
        said.push((0x0028_0301, text(0x0028_0301, *b"CS", "NO")));
    }
    elements.retain(|(tag, _)| said.iter().all(|(own, _)| own != tag));
    elements.extend(said);
}

impl Run<'_> {
    /// The elements of a data set that stay, each as its tag and its bytes.
    fn elements(
        &mut self,
        view: View<'_>,
        depth: usize,
    ) -> Result<Vec<(u32, Vec<u8>)>, ReadProblem> {
        let mut kept = Vec::new();
        for element in &view.elements.list {
            let tag = element.tag;
            // Group lengths no longer hold, and padding behind the data set is nothing.
            if tag.trailing_zeros() >= 16 || tag == 0xFFFC_FFFC {
                continue;
            }
            let raw = view.bytes.get(element.start..element.end).unwrap_or(&[]);
            let vr = representation(element);
            let inside = self.inside || (self.own_content && tag == CONTENT);
            let mut action = match action(tag) {
                Action::Map => Action::Map,
                _ if inside => Action::Keep,
                action => action,
            };
            if depth == 0 && self.marks.contains(&(tag >> 16)) {
                action = Action::Keep;
            }
            // A name that the table does not know is a name all the same.
            if action == Action::Keep && vr == *b"PN" {
                action = if inside {
                    Action::Replace
                } else {
                    Action::Empty
                };
            }
            if matches!(action, Action::Remove | Action::Empty | Action::Replace) {
                self.removed.insert(tag);
            }
            let value = match action {
                Action::Remove => continue,
                Action::Empty => Vec::new(),
                Action::Replace => nothing_said(vr, raw.len()),
                Action::Map => {
                    self.removed.insert(tag);
                    let text: String = raw.iter().map(|byte| char::from(*byte)).collect();
                    let uids = text.split('\\').map(|uid| self.mapped(uid));
                    padded(&uids.collect::<Vec<_>>().join("\\"), *b"UI")
                }
                Action::Keep if depth == 0 && tag == PIXEL_DATA && self.pixels.is_some() => {
                    self.pixels.clone().unwrap_or_default()
                }
                Action::Keep if tag == PIXEL_DATA && element.undefined => {
                    let mut bytes = header(tag, *b"OB", u32::MAX, element.encoding);
                    bytes.extend_from_slice(raw);
                    kept.push((tag, bytes));
                    continue;
                }
                Action::Keep if vr == *b"SQ" || element.undefined => {
                    let outside = std::mem::replace(&mut self.inside, inside);
                    let mut items = Vec::new();
                    for inner in dataset::whole_items(view.bytes, element)? {
                        let inner = self.elements(view.of(&inner), depth + 1)?;
                        let bytes: Vec<u8> = inner.into_iter().flat_map(|(_, b)| b).collect();
                        items.extend(item(&bytes, element.encoding));
                    }
                    self.inside = outside;
                    kept.push((tag, written(tag, *b"SQ", items, element.encoding)));
                    continue;
                }
                Action::Keep => raw.to_vec(),
            };
            let vr = if element.vr == [0; 2] { vr } else { element.vr };
            kept.push((tag, written(tag, vr, value, element.encoding)));
        }
        Ok(kept)
    }

    /// Another UID for a UID; those of the standard itself stay.
    fn mapped(&self, uid: &str) -> String {
        let uid = uid.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        if uid.is_empty() || uid.starts_with("1.2.840.10008.") {
            return uid.to_owned();
        }
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(uid.as_bytes());
        let mut bits = [0_u8; 16];
        bits.copy_from_slice(&hash.finalize()[..16]);
        format!("2.25.{}", u128::from_be_bytes(bits))
    }
}

/// A valid value of a representation that says nothing.
fn nothing_said(vr: [u8; 2], length: usize) -> Vec<u8> {
    match &vr {
        b"SQ" => Vec::new(),
        b"DA" => b"19000101".to_vec(),
        b"TM" => b"000000".to_vec(),
        b"DT" => b"19000101000000".to_vec(),
        b"IS" | b"DS" => b"0 ".to_vec(),
        b"AS" => b"000Y".to_vec(),
        b"UI" => b"2.25.0".to_vec(),
        b"AE" | b"CS" | b"LO" | b"LT" | b"PN" | b"SH" | b"ST" | b"UC" | b"UT" => {
            b"REMOVED ".to_vec()
        }
        _ => vec![0; length],
    }
}

/// Reads what was written and looks for what must not be there, and for the pixels.
fn checked(
    bytes: &[u8],
    elements: &Elements,
    out: &[u8],
    own_content: bool,
    pixels: Option<&[u8]>,
) -> Result<(), ReadProblem> {
    let wrong = |what: String| ReadProblem::Damaged(format!("after rewriting, {what}"));
    let again = file::parse(out.to_vec())?;
    if let Some(broken) = &again.elements.broken {
        return Err(wrong(broken.clone()));
    }
    let view = again.view();
    if let Some(tag) = left_over(view, 0, own_content) {
        return Err(wrong(format!("{} was still there", tag_name(tag))));
    }
    for tag in [PIXEL_DATA, 0x7FE0_0008, 0x7FE0_0009] {
        let value = |bytes: &[u8], elements: &Elements| {
            let element = elements.find(tag)?;
            bytes.get(element.start..element.end).map(<[u8]>::to_vec)
        };
        let wanted = match pixels {
            Some(pixels) if tag == PIXEL_DATA => Some(pixels.to_vec()),
            _ => value(bytes, elements),
        };
        if wanted != value(&again.bytes, &again.elements) {
            return Err(wrong("the pixels were not those that stay".to_owned()));
        }
    }
    Ok(())
}

/// A tag that should have been removed; overlays that stay are those of the synthetic mark.
fn left_over(view: View<'_>, depth: usize, own_content: bool) -> Option<u32> {
    view.elements.list.iter().find_map(|element| {
        if own_content && element.tag == CONTENT {
            return None;
        }
        let group = element.tag >> 16;
        let mark = matches!(group, 0x6000..=0x60FF) && view.text(group << 16 | 0x0022) == MARK;
        if action(element.tag) == Action::Remove && !(mark && depth == 0) {
            return Some(element.tag);
        }
        let sequence =
            element.tag != PIXEL_DATA && (element.undefined || representation(element) == *b"SQ");
        let items = if sequence && depth < 16 {
            dataset::items(view.bytes, element)
        } else {
            Vec::new()
        };
        items
            .iter()
            .find_map(|item| left_over(view.of(item), depth + 1, own_content))
    })
}
