//! C-FIND: asking a node what it has (PS3.4 Annex C, Study Root).
//!
//! Separate because one question has many answers, of which each is untrusted and their number too.

use super::association::{Association, Proposal};
use super::message::{Command, FIND, PENDING, PRIORITY, outcome};
use crate::job::Error;
use crate::radiograph::exchange::{Attributes, Value, write_attributes};
use crate::transfer::query::{CHARSET, LEVEL, MOST_MATCHES};
use crate::transfer::watch::Watch;
use crate::transfer::{Match, Node, Query, failed};

/// Study Root Query/Retrieve Information Model, FIND.
const STUDY_ROOT: &str = "1.2.840.10008.5.1.4.1.2.2.1";
/// An answer is a short list of texts.
const MOST_ANSWER: usize = 1 << 20;

/// The matches of a query.
pub(in crate::transfer) fn find(
    node: &Node,
    query: &Query,
    watch: &mut Watch<'_>,
) -> Result<Vec<Match>, Error> {
    let mut association = Association::request(node, &[Proposal::plain(STUDY_ROOT)], watch)?;
    let context = association.context(STUDY_ROOT)?;
    let command =
        Command::request(FIND, association.next_message(), STUDY_ROOT, true).with(PRIORITY, 0);
    let mut keys: Vec<(u32, Value)> = vec![(LEVEL, query.level_name().into())];
    let keys_asked = query.keys();
    if keys_asked.iter().any(|(_, text)| !text.is_ascii()) {
        keys.push((CHARSET, "ISO_IR 192".into()));
    }
    keys.extend(keys_asked.iter().map(|(tag, text)| (*tag, (*text).into())));
    let identifier = write_attributes(&keys, context.explicit());
    association.send(context.id, &command, Some(&identifier), watch)?;
    let mut found = Vec::new();
    loop {
        let answer = association.answer(MOST_ANSWER, watch)?;
        if !PENDING.contains(&answer.status()) {
            outcome(&answer, "C-FIND")?;
            association.release(watch);
            return Ok(found);
        }
        let data = answer.data.unwrap_or_default();
        let attributes = Attributes::read(data, context.explicit())
            .map_err(|problem| failed(format!("an answer of the node is damaged: {problem}")))?;
        found.push(Match::of(query.level, &|tag| attributes.text(tag)));
        watch.at(found.len(), 0)?;
        if found.len() >= MOST_MATCHES {
            return Err(
                failed(format!("the node has more than {MOST_MATCHES} matches"))
                    .remedy("narrow the search by date, patient or modality"),
            );
        }
    }
}
