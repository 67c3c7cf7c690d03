//! DICOMweb (PS3.18): STOW-RS, QIDO-RS and WADO-RS.
//!
//! Separate because it is the other language that nodes speak: HTTP, JSON and multipart bodies.

mod exchange;
mod multipart;
mod tell;

use super::inbox::Inbox;
use super::query::{MOST_MATCHES, SERIES, STUDY};
use super::send::Delivered;
use super::watch::Watch;
use super::{Access, Level, Match, Node, Query, Wanted, failed};
use crate::job::Error;
use crate::radiograph::exchange::{EXPLICIT, Instance};
use exchange::{Ask, Response, ask};
use multipart::Parts;

const JSON: &str = "application/dicom+json";
const DICOM_PARTS: &str = "multipart/related; type=\"application/dicom\"";
/// Longer lists and answers are not read, bytes.
const MOST_TEXT: usize = 64 << 20;

/// Asks a node whether it is there.
pub(super) fn echo(node: &Node, access: &Access, watch: &mut Watch<'_>) -> Result<(), Error> {
    let mut response = ask(node, access, Ask::get("/studies?limit=1", JSON), watch)?;
    list(&mut response, watch).map(|_| ())
}

/// The matches of a query.
pub(super) fn find(
    node: &Node,
    access: &Access,
    query: &Query,
    watch: &mut Watch<'_>,
) -> Result<Vec<Match>, Error> {
    let path = match query.level {
        Level::Study => "/studies".to_owned(),
        Level::Series => format!("/studies/{}/series", query.study),
        Level::Image => format!("/studies/{}/series/{}/instances", query.study, query.series),
    };
    let mut terms = vec![format!("limit={}", MOST_MATCHES + 1)];
    for (tag, text) in query.keys() {
        // What the path names is not asked for twice.
        let named = query.level != Level::Study && tag == STUDY
            || query.level == Level::Image && tag == SERIES;
        if text.is_empty() {
            terms.push(format!("includefield={tag:08X}"));
        } else if !named {
            terms.push(format!("{tag:08X}={}", escaped(text)));
        }
    }
    let path = format!("{path}?{}", terms.join("&"));
    let mut response = ask(node, access, Ask::get(&path, JSON), watch)?;
    let found = list(&mut response, watch)?;
    if found.len() > MOST_MATCHES {
        return Err(
            failed(format!("the node has more than {MOST_MATCHES} matches"))
                .remedy("narrow the search by date, patient or modality"),
        );
    }
    let matches = found.iter().map(|item| {
        let mut one = Match::of(query.level, &|tag| tell::text(item, tag));
        // A node need not repeat what the path says.
        if one.study.is_empty() {
            one.study.clone_from(&query.study);
        }
        if one.series.is_empty() && query.level == Level::Image {
            one.series.clone_from(&query.series);
        }
        one
    });
    Ok(matches.collect())
}

/// The objects of a JSON answer.
fn list(response: &mut Response, watch: &mut Watch<'_>) -> Result<Vec<serde_json::Value>, Error> {
    match response.status {
        200 => {}
        204 => return Ok(Vec::new()),
        status => return Err(refused(status)),
    }
    let text = response.text(MOST_TEXT, watch)?;
    serde_json::from_slice(&text).map_err(|_| {
        failed("the answer of the node is no list in DICOM JSON")
            .remedy("check the DICOMweb address")
    })
}

/// Sends one object. The outer error is that of the way to the node, the inner one its answer.
pub(super) fn store(
    node: &Node,
    access: &Access,
    object: &Instance,
    watch: &mut Watch<'_>,
) -> Result<Result<Delivered, Error>, Error> {
    let recoded = |syntax: Option<&str>| Delivered {
        recoded: syntax.map(str::to_owned),
        warning: None,
    };
    if let Some(own) = object.as_it_is() {
        let file = object.file_with(own, &object.syntax);
        match posted(node, access, &file, watch)? {
            tell::Stored::No(reason) if tell::is_about_syntax(reason) => {}
            answer => return Ok(delivered(answer, recoded(None))),
        }
    }
    let data = match object.recoded(true) {
        Ok(data) => data,
        Err(error) => return Ok(Err(error.into())),
    };
    let file = object.file_with(&data, EXPLICIT);
    drop(data);
    let answer = posted(node, access, &file, watch)?;
    Ok(delivered(answer, recoded(Some(EXPLICIT))))
}

fn delivered(answer: tell::Stored, delivered: Delivered) -> Result<Delivered, Error> {
    match answer {
        tell::Stored::Yes(warning) => Ok(Delivered {
            warning,
            ..delivered
        }),
        tell::Stored::No(reason) => Err(failed(format!(
            "the node did not store it (reason {reason:04X})"
        ))
        .remedy("ask who runs the node")),
    }
}

fn posted(
    node: &Node,
    access: &Access,
    file: &[u8],
    watch: &mut Watch<'_>,
) -> Result<tell::Stored, Error> {
    let boundary = multipart::boundary();
    let body = multipart::one_part(&boundary, "application/dicom", file);
    let kind = format!("{DICOM_PARTS}; boundary={boundary}");
    let mut response = ask(
        node,
        access,
        Ask::post("/studies", JSON, &kind, body),
        watch,
    )?;
    // 409: none of it was stored, and the answer says why.
    if !matches!(response.status, 200 | 202 | 409) {
        return Err(refused(response.status));
    }
    let text = response.text(MOST_TEXT, watch)?;
    tell::stored(response.status, &text)
}

/// Fetches a study or a series.
pub(super) fn fetch(
    node: &Node,
    access: &Access,
    wanted: &Wanted,
    inbox: &Inbox,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    let mut path = format!("/studies/{}", wanted.study);
    if let Some(series) = &wanted.series {
        path = format!("{path}/series/{series}");
    }
    // As they are stored: nothing is decoded on the way.
    let accept = format!("{DICOM_PARTS}; transfer-syntax=*");
    let response = ask(node, access, Ask::get(&path, &accept), watch)?;
    match response.status {
        200 | 206 => {}
        404 => return Ok(()),
        status => return Err(refused(status)),
    }
    let boundary = multipart::boundary_of(&response.kind).ok_or_else(|| {
        failed("the node answers with something that holds no DICOM objects")
            .remedy("check the DICOMweb address")
    })?;
    let mut parts = Parts::new(response, &boundary);
    while let Some(part) = parts.next(inbox.room(), watch)? {
        // Why it was refused is in the inbox.
        inbox.take(part, None).ok();
        watch.at(inbox.objects(), 0)?;
    }
    Ok(())
}

fn refused(status: u16) -> Error {
    let remedy = match status {
        300..=399 => "it points elsewhere: give the address that it points to",
        401 | 403 => "give the node a user, and the password in RADCANVAS_NODE_PASSWORD",
        404 => "check the DICOMweb address",
        413 => "it takes no object of this size: ask who runs it",
        _ => "try again, or ask who runs it",
    };
    failed(format!("the node answers with HTTP status {status}")).remedy(remedy)
}

/// Percent-encoding of everything that is not unreserved (RFC 3986 2.3).
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'*') {
            out.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            write!(out, "%{byte:02X}").ok();
        }
    }
    out
}
