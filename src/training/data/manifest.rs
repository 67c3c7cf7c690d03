//! What a table says about the images beside it: kind, age, sex and findings.
//!
//! Separate from reading the images, because the same columns stand in the `manifest.csv` that `radcanvas phantom`
//! writes and in a person's own list of films.

use std::collections::BTreeMap;
use std::path::Path;

use super::Facts;
use crate::job::{Error, ErrorKind};

/// Findings that a column may be named after: whatever any phantom can show.
fn is_finding(name: &str) -> bool {
    super::PHANTOM_KINDS.iter().any(|kind| {
        crate::phantom::findings_of(kind).is_some_and(|findings| findings.contains(&name))
    })
}

/// The rows of a manifest by their `file`, in the order of the table.
///
/// Columns: `file` (required), `kind`, `age_years`, `sex` (F, M or O), and any finding with 1 present, 0 absent. Empty
/// cells are unknown; other columns are passed over. Errors name the row.
pub(super) fn rows(path: &Path) -> Result<Vec<(String, Facts)>, Error> {
    let wrong = |what: String| Error::new(ErrorKind::Input, what).at(path);
    let mut table = csv::Reader::from_path(path).map_err(|e| wrong(e.to_string()))?;
    let header = table.headers().map_err(|e| wrong(e.to_string()))?.clone();
    let mut all = Vec::new();
    for (number, row) in table.records().enumerate() {
        let row = row.map_err(|e| wrong(e.to_string()))?;
        let cell = |name: &str| {
            let at = header.iter().position(|column| column.trim() == name)?;
            row.get(at).map(str::trim).filter(|text| !text.is_empty())
        };
        let bad = |column: &str, text: &str| {
            wrong(format!("row {}: {column} cannot be {text:?}", number + 2))
        };
        let file = cell("file").ok_or_else(|| {
            wrong(format!("row {} has no `file`", number + 2))
                .remedy("name the image in a column `file`, relative to the table")
        })?;
        let age_years = match cell("age_years") {
            Some(text) => {
                let age = text
                    .parse()
                    .ok()
                    .filter(|age: &f64| age.is_finite() && *age >= 0.0);
                Some(age.ok_or_else(|| bad("age_years", text))?)
            }
            None => None,
        };
        let sex = match cell("sex").map(str::to_uppercase) {
            None => None,
            Some(text) => Some(match text.as_str() {
                "F" => 0,
                "M" => 1,
                "O" => 2,
                _ => return Err(bad("sex", &text).remedy("write F, M, O or nothing")),
            }),
        };
        let mut findings = Vec::new();
        for name in header.iter().map(str::trim).filter(|name| is_finding(name)) {
            match cell(name) {
                Some("1") => findings.push((name.to_owned(), true)),
                Some("0") => findings.push((name.to_owned(), false)),
                Some(text) => return Err(bad(name, text).remedy("write 1, 0 or nothing")),
                None => {}
            }
        }
        let facts = Facts {
            kind: cell("kind").unwrap_or_default().to_owned(),
            age_years,
            sex,
            findings,
            ..Facts::default()
        };
        all.push((file.to_owned(), facts));
    }
    Ok(all)
}

/// The rows of `manifest.csv` in a folder by file name; none when there is no such file.
pub(super) fn beside(folder: &Path) -> Result<BTreeMap<String, Facts>, Error> {
    let path = folder.join("manifest.csv");
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    Ok(rows(&path)?.into_iter().collect())
}
