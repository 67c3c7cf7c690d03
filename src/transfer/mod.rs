//! Send and fetch: other nodes of a network, by DICOM messages (PS3.7, PS3.8) and by DICOMweb (PS3.18).
//!
//! The only layer that opens a connection, and nothing here does so by itself: there is no node until a person
//! configures one. What comes in is scanned with the care that files get, lands under names of numbers, and only when
//! it is what was asked for. Every wait has an end: for the connection, for the next byte, and in all.

mod dimse;
mod inbox;
mod node;
mod query;
mod reach;
mod send;
mod watch;
mod web;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::job::{Error, ErrorKind, Observe};
use inbox::Inbox;
use watch::Watch;

pub use node::{Access, MOST_SECONDS, Node, Nodes};
pub use query::{Level, Match, Query};
pub use send::{Delivered, Sending, Sent, send};

/// By which way objects travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// DICOM messages; fetching by C-GET, over the connection that was made.
    Get,
    /// DICOM messages; fetching by C-MOVE, over connections that the node makes to this program.
    Move,
    /// DICOMweb: STOW-RS, QIDO-RS, WADO-RS.
    Web,
}

/// An error of the network: exit code 1.
fn failed(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Failed, what)
}

/// What a node said when it was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Echo {
    /// Milliseconds from the first packet to the end.
    pub milliseconds: u64,
    /// What was tried: `C-ECHO`, `QIDO-RS`.
    pub by: String,
}

/// Tries a node: C-ECHO, or a search for one study by DICOMweb where it has only that.
///
/// # Errors
/// The node cannot be reached, refuses, or answers with something else.
pub fn echo(node: &Node, access: &Access, observe: &mut Observe<'_>) -> Result<Echo, Error> {
    let most = node.connect() + node.quiet() * 2;
    let mut watch = Watch::new(observe, "testing", most);
    let started = std::time::Instant::now();
    let by = if node.port.is_some() {
        dimse::echo(node, &mut watch)?;
        "C-ECHO"
    } else {
        web::echo(node, access, &mut watch)?;
        "QIDO-RS"
    };
    Ok(Echo {
        milliseconds: started.elapsed().as_millis() as u64,
        by: by.to_owned(),
    })
}

/// Looks for studies, series or images.
///
/// # Errors
/// The node cannot be reached or refuses; [`ErrorKind::Usage`] where the query is not possible.
pub fn find(
    node: &Node,
    access: &Access,
    query: &Query,
    web: bool,
    observe: &mut Observe<'_>,
) -> Result<Vec<Match>, Error> {
    query.check()?;
    let mut watch = Watch::new(observe, "searching", node.whole());
    if web || node.port.is_none() {
        web::find(node, access, query, &mut watch)
    } else {
        dimse::find(node, query, &mut watch)
    }
}

/// What is fetched, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID; all of the study if absent.
    pub series: Option<String>,
    /// The folder for files named 0001.dcm and so on.
    pub out: PathBuf,
    /// Most bytes in all; what comes beyond is refused.
    pub most_bytes: u64,
}

/// What came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// New files.
    pub files: Vec<PathBuf>,
    /// Objects that were in the folder already.
    pub already_there: usize,
    /// Why objects were refused, or what the node could not send; empty when all is well.
    pub failures: Vec<String>,
}

/// Fetches a study or a series into a folder; what is there already is not written again.
///
/// # Errors
/// The node cannot be reached or refuses. What came before an error stays, each file whole.
pub fn fetch(
    node: &Node,
    access: &Access,
    wanted: &Wanted,
    way: Option<Way>,
    observe: &mut Observe<'_>,
) -> Result<Fetched, Error> {
    let mut watch = Watch::new(observe, "fetching", node.whole());
    let inbox = inbox_of(wanted)?;
    match way.unwrap_or_else(|| node.way()) {
        Way::Get => dimse::get(node, wanted, &inbox, &mut watch)?,
        Way::Move => dimse::move_here(node, wanted, &inbox, &mut watch)?,
        Way::Web => web::fetch(node, access, wanted, &inbox, &mut watch)?,
    }
    let fetched = inbox.into_fetched();
    let nothing =
        fetched.files.is_empty() && fetched.already_there == 0 && fetched.failures.is_empty();
    if nothing {
        return Err(
            failed("the node sent nothing: it has no such study or series")
                .remedy("look with `find` what it has"),
        );
    }
    Ok(fetched)
}

/// Takes in what a node sends over one connection that it made to this program: what [`fetch`] by C-MOVE does with
/// each of them.
///
/// # Errors
/// The node does not keep to the protocol, or falls silent. What came before an error stays, each file whole.
pub fn take_in(
    node: &Node,
    wanted: &Wanted,
    stream: TcpStream,
    observe: &mut Observe<'_>,
) -> Result<Fetched, Error> {
    let mut watch = Watch::new(observe, "receiving", node.whole());
    let inbox = inbox_of(wanted)?;
    dimse::talk(stream, node, &inbox, &mut watch)?;
    Ok(inbox.into_fetched())
}

/// An inbox for what is named by UIDs.
fn inbox_of(wanted: &Wanted) -> Result<Inbox, Error> {
    let usable = crate::radiograph::exchange::is_uid;
    if !usable(&wanted.study) || wanted.series.as_deref().is_some_and(|uid| !usable(uid)) {
        let what = "the study or series is named by something that is no UID";
        return Err(Error::new(ErrorKind::Usage, what)
            .remedy("give the UID that `find` shows, digits and dots only"));
    }
    Inbox::new(wanted)
}

/// The default for [`Wanted::most_bytes`]: 8 GiB.
pub const MOST_BYTES: u64 = 8 << 30;

/// One object has at most so many bytes; it is held in memory while it is scanned.
const MOST_OBJECT: usize = 1 << 30;

/// How often a wait looks up: whether to stop, and whether it has lasted too long.
const SLICE: Duration = Duration::from_millis(50);

/// The folder of a path, for messages.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
