//! DICOMDIR: the files of a medium (PS3.3 Annex F, PS3.10 section 8).
//!
//! Separate because its references are claims of an untrusted file: they are given as names to look for, never as paths.

use super::file::DicomFile;

const RECORDS: u32 = 0x0004_1220;

/// Referenced File ID (0004,1500) of every record in use, in file order: names of folders and of the file itself.
pub(in crate::radiograph) fn referenced(file: &DicomFile) -> Vec<Vec<String>> {
    let view = file.view();
    view.items(RECORDS)
        .iter()
        .map(|record| view.of(record))
        .filter(|record| record.raw(0x0004_1410) != Some(&[0, 0]))
        .map(|record| record.texts(0x0004_1500))
        .filter(|names| !names.is_empty())
        .collect()
}

/// Whether the file is a DICOMDIR: by its class, or by its records.
pub(in crate::radiograph) fn is_directory(file: &DicomFile) -> bool {
    file.meta_class.as_deref() == Some("1.2.840.10008.1.3.10")
        || file.elements.find(RECORDS).is_some()
}
