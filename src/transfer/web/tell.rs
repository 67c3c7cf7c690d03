//! What DICOM JSON says (PS3.18 Annex F), and the answer to a store (PS3.18 10.5.3).
//!
//! Separate because the same few shapes come in lists and in answers, and none of them can be trusted to be there.

use serde_json::Value;

use crate::job::Error;
use crate::transfer::failed;

/// The value of an attribute as text: several joined by backslashes; empty when absent.
pub(super) fn text(object: &Value, tag: u32) -> String {
    let values = object[format!("{tag:08X}")]["Value"].as_array();
    let texts = values.into_iter().flatten().map(|value| match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        // A name of a person has up to three forms.
        Value::Object(_) => value["Alphabetic"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    });
    texts.collect::<Vec<_>>().join("\\")
}

/// Whether an object was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Stored, perhaps with a remark.
    Yes(Option<String>),
    /// Not stored, and the failure reason; 0 where none is told.
    No(u32),
}

/// Failure reasons that another transfer syntax may help against (PS3.18 Table 10.5.3-2, PS3.7 C).
pub(super) const fn is_about_syntax(reason: u32) -> bool {
    matches!(reason, 0xC122 | 0x0122)
}

/// Reads the answer to a store of one object.
pub(super) fn stored(status: u16, body: &[u8]) -> Result<Stored, Error> {
    let Ok(said) = serde_json::from_slice::<Value>(body) else {
        // Some nodes answer in XML or not at all; then the status must do.
        return match status {
            200 => Ok(Stored::Yes(None)),
            _ => Err(failed(format!(
                "the node answers with HTTP status {status} and does not say which objects it stored"
            ))
            .remedy("ask who runs the node")),
        };
    };
    let said = said.get(0).unwrap_or(&said);
    let first = |tag: u32| said[format!("{tag:08X}")]["Value"].get(0);
    if let Some(refused) = first(0x0008_1198) {
        return Ok(Stored::No(text(refused, 0x0008_1197).parse().unwrap_or(0)));
    }
    let kept = first(0x0008_1199);
    if kept.is_none() && status != 200 {
        return Ok(Stored::No(0));
    }
    let reason = kept.map(|item| text(item, 0x0008_1196)).unwrap_or_default();
    let warning = reason.parse::<u32>().ok().filter(|reason| *reason != 0);
    Ok(Stored::Yes(
        warning.map(|reason| format!("stored with reason {reason:04X}")),
    ))
}
