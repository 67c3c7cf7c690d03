//! C-GET and C-MOVE: fetching a study or a series (PS3.4 Annex C, Study Root).
//!
//! Separate because both ask the same and differ in the connection by which objects come: that of the question, or one
//! that the node makes to this program.

use std::net::TcpListener;
use std::sync::atomic::Ordering;

use super::association::{Association, Context, Proposal, unexpected};
use super::message::{
    ANSWER, COMPLETED, Command, DESTINATION, FAILED, GET, Incoming, MOVE, Message, PENDING,
    PRIORITY, REMAINING, STORE, outcome,
};
use super::provide::{Provider, store};
use crate::job::{Error, ErrorKind};
use crate::radiograph::exchange::{TAKEN, Value, fetched_classes, write_attributes};
use crate::transfer::inbox::Inbox;
use crate::transfer::query::{LEVEL, SERIES, STUDY};
use crate::transfer::watch::Watch;
use crate::transfer::{Node, Wanted, failed};

const STUDY_ROOT_MOVE: &str = "1.2.840.10008.5.1.4.1.2.2.2";
const STUDY_ROOT_GET: &str = "1.2.840.10008.5.1.4.1.2.2.3";
/// An answer may list what failed.
const MOST_ANSWER: usize = 16 << 20;

fn identifier(wanted: &Wanted, context: &Context) -> Vec<u8> {
    let mut keys: Vec<(u32, Value)> = vec![(STUDY, wanted.study.as_str().into())];
    let level = match &wanted.series {
        Some(series) => {
            keys.push((SERIES, series.as_str().into()));
            "SERIES"
        }
        None => "STUDY",
    };
    keys.push((LEVEL, level.into()));
    write_attributes(&keys, context.explicit())
}

/// Takes note of an answer; `true` when it was the last one.
fn noted(
    answer: &Message,
    service: &str,
    inbox: &Inbox,
    watch: &mut Watch<'_>,
) -> Result<bool, Error> {
    let count = |tag| answer.command.number(tag).unwrap_or(0) as usize;
    if PENDING.contains(&answer.status()) {
        let all = count(COMPLETED) + count(FAILED) + count(REMAINING);
        watch.at(inbox.objects().min(all), all)?;
        return Ok(false);
    }
    // Done, though some objects did not come (PS3.4 C.4.2.1.5).
    if answer.status() == 0xB000 || (answer.status() == 0 && count(FAILED) > 0) {
        // What was refused here has been said already.
        let unsaid = count(FAILED).saturating_sub(inbox.failures());
        if unsaid > 0 {
            inbox.fail(&format!("the node could not send {unsaid} objects"));
        }
        return Ok(true);
    }
    outcome(answer, service)?;
    Ok(true)
}

/// Fetches over the association by which it asks.
pub(in crate::transfer) fn get(
    node: &Node,
    wanted: &Wanted,
    inbox: &Inbox,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    let mut proposals = vec![Proposal::plain(STUDY_ROOT_GET)];
    proposals.extend(fetched_classes().map(|class| Proposal {
        class,
        syntaxes: TAKEN.iter().map(|syntax| (*syntax).to_owned()).collect(),
        provide: true,
    }));
    let mut association = Association::request(node, &proposals, watch)?;
    let context = association.context(STUDY_ROOT_GET).map_err(|error| {
        error.remedy("it has no C-GET: give it a port to send to (listen), and use C-MOVE")
    })?;
    let request =
        Command::request(GET, association.next_message(), STUDY_ROOT_GET, true).with(PRIORITY, 0);
    let keys = identifier(wanted, &context);
    association.send(context.id, &request, Some(&keys), watch)?;
    loop {
        let most = inbox.room().max(MOST_ANSWER);
        let Incoming::Message(message) = association.receive(most, watch)? else {
            return Err(unexpected());
        };
        if message.field() == STORE {
            store(&mut association, message, inbox, watch)?;
        } else if message.field() != GET | ANSWER {
            return Err(unexpected());
        } else if noted(&message, "C-GET", inbox, watch)? {
            association.release(watch);
            return Ok(());
        }
    }
}

/// Has the node send to this program, which listens as long as this takes.
pub(in crate::transfer) fn move_here(
    node: &Node,
    wanted: &Wanted,
    inbox: &Inbox,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    let Some(port) = node.listen else {
        let what = format!("the node {} has no port to send back to", node.name);
        return Err(Error::new(ErrorKind::Usage, what)
            .remedy("give the node a port to listen on, and tell who runs it"));
    };
    let mut association = Association::request(node, &[Proposal::plain(STUDY_ROOT_MOVE)], watch)?;
    let context = association.context(STUDY_ROOT_MOVE)?;
    let (own, peer) = association.wire.ends()?;
    // Only the way to this node is listened on.
    let listener = TcpListener::bind((own, port)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let listener = listener.map_err(|error| {
        failed(format!("port {port} cannot be listened on ({error})"))
            .remedy("choose another port, and tell who runs the node")
    })?;
    let request = Command::request(MOVE, association.next_message(), STUDY_ROOT_MOVE, true)
        .with(PRIORITY, 0)
        .with(DESTINATION, node.own_title.trim());
    let keys = identifier(wanted, &context);
    let provider = Provider::new(node, inbox, peer, watch.left());
    std::thread::scope(|scope| {
        let listening = std::thread::Builder::new()
            .name("listening".to_owned())
            .spawn_scoped(scope, || provider.listen(scope, &listener));
        let result = match listening {
            Ok(_) => {
                let asked = association.send(context.id, &request, Some(&keys), watch);
                asked.and_then(|()| answers(&mut association, &provider, watch))
            }
            Err(error) => Err(failed(format!("no thread could be started ({error})"))),
        };
        provider.stop.store(true, Ordering::Release);
        result
    })?;
    association.release(watch);
    Ok(())
}

/// Waits for the last answer; while objects come, the node may be silent on this association.
fn answers(
    association: &mut Association,
    provider: &Provider<'_>,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    let inbox = provider.inbox;
    loop {
        let nothing_came = inbox.objects() == 0;
        let waited = association.wire.wait(|| provider.is_busy(), watch);
        let answer = waited.and_then(|()| association.answer(MOST_ANSWER, watch));
        let answer = answer.map_err(|error| {
            if nothing_came && error.kind != ErrorKind::Stopped {
                error.remedy("check that the node knows this program's AE title, address and port")
            } else {
                error
            }
        })?;
        if noted(&answer, "C-MOVE", inbox, watch)? {
            return Ok(());
        }
    }
}
