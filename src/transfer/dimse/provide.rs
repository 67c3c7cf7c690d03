//! Taking objects in: C-STORE as the one who is sent to (PS3.4 Annex B).
//!
//! Separate because here others connect to this program: only while a C-MOVE runs, only from the node that it was
//! asked of, and only by the AE titles that were agreed on with it.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Scope;
use std::time::Duration;

use super::VERIFICATION;
use super::association::{Association, unexpected};
use super::message::{Command, ECHO, INSTANCE, Incoming, Message, STORE};
use crate::job::{Error, ErrorKind};
use crate::radiograph::exchange::{TAKEN, is_stored_class, is_uid, part_ten};
use crate::transfer::inbox::{Inbox, Refusal};
use crate::transfer::watch::Watch;
use crate::transfer::{Node, SLICE, failed};

/// A node opens one association for a study, rarely a few.
const MOST_AT_ONCE: usize = 4;

/// Listens while a transfer runs.
pub(super) struct Provider<'a> {
    pub(super) node: &'a Node,
    pub(super) inbox: &'a Inbox,
    /// The only address that may connect.
    pub(super) peer: IpAddr,
    pub(super) stop: AtomicBool,
    open: AtomicUsize,
    left: Duration,
}

impl<'a> Provider<'a> {
    pub(super) fn new(node: &'a Node, inbox: &'a Inbox, peer: IpAddr, left: Duration) -> Self {
        Self {
            node,
            inbox,
            peer: peer.to_canonical(),
            stop: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            left,
        }
    }

    /// Whether anybody is connected.
    pub(super) fn is_busy(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0
    }

    /// Serves who connects until told to stop.
    pub(super) fn listen<'s>(&'s self, scope: &'s Scope<'s, '_>, listener: &TcpListener) {
        while !self.stop.load(Ordering::Acquire) {
            match listener.accept() {
                Ok((stream, address)) => {
                    let known = address.ip().to_canonical() == self.peer;
                    let room = self.open.load(Ordering::Acquire) < MOST_AT_ONCE;
                    // Who was not asked gets no answer.
                    if !known || !room {
                        continue;
                    }
                    self.open.fetch_add(1, Ordering::AcqRel);
                    let serve = move || {
                        self.serve(stream);
                        self.open.fetch_sub(1, Ordering::AcqRel);
                    };
                    let started = std::thread::Builder::new()
                        .name("objects in".to_owned())
                        .spawn_scoped(scope, serve);
                    if started.is_err() {
                        self.open.fetch_sub(1, Ordering::AcqRel);
                    }
                }
                // Nobody is there, or who was has gone again.
                Err(_) => std::thread::sleep(SLICE),
            }
        }
    }

    fn serve(&self, stream: TcpStream) {
        let mut observe = |_| {
            if self.stop.load(Ordering::Acquire) {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        };
        let mut watch = Watch::new(&mut observe, "receiving", self.left);
        if let Err(error) = talk(stream, self.node, self.inbox, &mut watch)
            && error.kind != ErrorKind::Stopped
        {
            self.inbox.fail(&error.what);
        }
    }
}

/// Serves one association over a connection that the node made, until it is released.
pub(in crate::transfer) fn talk(
    stream: TcpStream,
    node: &Node,
    inbox: &Inbox,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    let takes = |class: &str, syntax: &str| {
        (is_stored_class(class) || class == VERIFICATION) && TAKEN.contains(&syntax)
    };
    let mut association = Association::grant(stream, node, takes, watch)?;
    loop {
        match association.receive(inbox.room(), watch)? {
            Incoming::Release => {
                association.agree_to_end(watch);
                return Ok(());
            }
            Incoming::Message(message) => match message.field() {
                STORE => store(&mut association, message, inbox, watch)?,
                ECHO => {
                    let answer = Command::answer_to(&message.command, 0);
                    association.send(message.context, &answer, None, watch)?;
                }
                _ => return Err(unexpected()),
            },
        }
    }
}

/// Takes one object into the inbox, and answers.
pub(super) fn store(
    association: &mut Association,
    message: Message,
    inbox: &Inbox,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    let context = association
        .contexts
        .iter()
        .find(|context| context.id == message.context);
    let Some(context) = context.cloned() else {
        return Err(unexpected());
    };
    let instance = message.command.text(INSTANCE);
    let data = message.data.unwrap_or_default();
    if !is_uid(&instance) || !is_stored_class(&context.class) {
        return Err(failed(
            "the other node sent something that is no stored object",
        ));
    }
    let file = part_ten(&context.class, &instance, &context.syntax, &data);
    drop(data);
    let status = match inbox.take(file, Some((&context.class, &instance))) {
        Ok(()) => 0,
        Err(Refusal::NoRoom) => 0xA700,
        Err(Refusal::Damaged) => 0xC000,
        Err(Refusal::NotAskedFor) => 0x0124,
    };
    let answer = Command::answer_to(&message.command, status).with(INSTANCE, instance.as_str());
    association.send(context.id, &answer, None, watch)
}
