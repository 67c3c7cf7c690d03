//! The decoding process: one request after the other until the pipe closes.
//!
//! Separate because it runs in another process than everything else, with nothing to lose.

use std::io::{BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::limits;
use super::wire::{self, Ask, Attached, Reply, Request};
use crate::grid::Grid;
use crate::radiograph::error::ReadProblem;
use crate::radiograph::open::content::{self, Content, Found};
use crate::radiograph::open::inspect;
use crate::radiograph::{Picture, Pixels, Rgb};

/// Answers requests from `input` on `output` until it closes, each within `most_seconds` of processor time.
///
/// Where the system can, it ends this process when an answer takes more.
///
/// # Errors
/// The pipe broke: the program that asked is gone.
pub fn serve(input: impl Read, output: impl Write, most_seconds: u64) -> std::io::Result<()> {
    let (mut input, mut output) = (BufReader::new(input), output);
    limits::set(0);
    let mut held: Option<(u64, Content)> = None;
    while let Some((request, length)) = wire::receive::<Request>(&mut input)? {
        let bytes = wire::exactly(&mut input, length)?;
        limits::allow_seconds(most_seconds);
        let answer = catch_unwind(AssertUnwindSafe(|| answer(request, bytes, &mut held)));
        let (reply, payload) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(problem)) => (Reply::Refused(problem), Payload::Nothing),
            Err(_) => {
                let why = "the reader broke off on this data".to_owned();
                (Reply::Refused(ReadProblem::Damaged(why)), Payload::Nothing)
            }
        };
        match &payload {
            Payload::Nothing => wire::send(&mut output, &reply, &[])?,
            Payload::Bytes(bytes) => wire::send(&mut output, &reply, &[bytes])?,
            Payload::Image(pixels, color) => {
                let color = color.as_ref().map_or(&[][..], |color| color.cells());
                let pieces = [&*pixels.le_bytes(), color.as_flattened()];
                wire::send(&mut output, &reply, &pieces)?;
            }
        }
    }
    Ok(())
}

/// What follows a reply.
enum Payload {
    Nothing,
    Bytes(Vec<u8>),
    /// Sent from where it lies.
    Image(Pixels, Option<Arc<Rgb>>),
}

type Answer = Result<(Reply, Payload), ReadProblem>;

fn answer(request: Request, bytes: Vec<u8>, held: &mut Option<(u64, Content)>) -> Answer {
    if request.attached != Attached::Nothing {
        // What was held goes first: both together may be more than there is.
        *held = None;
        let found = if request.attached == Attached::Path {
            let path = wire::path_of(&bytes);
            limits::set(std::fs::metadata(&path).map_or(0, |meta| meta.len()));
            content::find(&path).map_err(|error| error.problem)?
        } else {
            limits::set(bytes.len() as u64);
            Found::Image(Content::of(bytes)?)
        };
        match found {
            Found::Image(content) => *held = Some((request.key, content)),
            Found::Collection(paths) => {
                let names = paths.iter().flat_map(|path| {
                    let mut name = wire::path_bytes(path);
                    name.retain(|byte| *byte != 0);
                    name.push(0);
                    name
                });
                return Ok((Reply::Collection, Payload::Bytes(names.collect())));
            }
        }
    }
    let Some((_, content)) = held.as_ref().filter(|(key, _)| *key == request.key) else {
        return Err(ReadProblem::Stopped("it holds another file".to_owned()));
    };
    match request.ask {
        Ask::Look => Ok((Reply::Image(Box::new(content.facts())), Payload::Nothing)),
        Ask::Inspect => {
            let inspection = Box::new(inspect::of_content(content));
            Ok((Reply::Inspection(inspection), Payload::Nothing))
        }
        Ask::Preview(frame, least) => Ok(match content.preview(frame, least) {
            Some(preview) => {
                let picture = &preview.picture;
                let reply = Reply::Preview {
                    width: picture.width(),
                    height: picture.height(),
                    colored: matches!(picture, Picture::Color(_)),
                    size: preview.size,
                    pixel_ratio: preview.pixel_ratio,
                    synthetic: preview.synthetic,
                };
                (reply, Payload::Bytes(picture.bytes().to_vec()))
            }
            None => (Reply::NoPreview, Payload::Nothing),
        }),
        Ask::Frame(frame) => {
            let mut facts = content.frame(frame)?;
            let nothing = Pixels::U8(Grid::filled(1, 1, 0));
            let pixels = std::mem::replace(&mut facts.pixels, nothing);
            let color = facts.color.take();
            let reply = Reply::Frame {
                facts: Box::new(facts),
                depth: pixels.depth_name().to_owned(),
                width: pixels.width(),
                height: pixels.height(),
                colored: color.is_some(),
            };
            Ok((reply, Payload::Image(pixels, color)))
        }
    }
}
