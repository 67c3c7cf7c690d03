//! DICOM messages over associations (PS3.7, PS3.8): C-ECHO, C-STORE, C-FIND, C-GET, C-MOVE.
//!
//! Separate because it is one of two languages that nodes speak. The units on the wire are written and read by
//! `dicom-ul`; when to wait, how much to take and what to do with it is decided here.

mod association;
mod find;
mod message;
mod provide;
mod retrieve;
mod store;
mod wire;

use super::Node;
use super::watch::Watch;
use crate::job::Error;
use association::{Association, Proposal};
use message::{Command, outcome};

pub(super) use find::find;
pub(super) use provide::talk;
pub(super) use retrieve::{get, move_here};
pub(super) use store::{MOST_KINDS, Store};

/// Verification (PS3.4 Annex A).
const VERIFICATION: &str = "1.2.840.10008.1.1";

/// Asks a node whether it is there.
pub(super) fn echo(node: &Node, watch: &mut Watch<'_>) -> Result<(), Error> {
    let proposals = [Proposal::plain(VERIFICATION)];
    let mut association = Association::request(node, &proposals, watch)?;
    let context = association.context(VERIFICATION)?;
    let request = Command::request(
        message::ECHO,
        association.next_message(),
        VERIFICATION,
        false,
    );
    association.send(context.id, &request, None, watch)?;
    let answer = association.answer(0, watch)?;
    outcome(&answer, "C-ECHO")?;
    association.release(watch);
    Ok(())
}
