//! C-STORE: sending objects (PS3.4 Annex B).
//!
//! Separate because a node chooses which transfer syntaxes it takes, and an object goes as it is where it may.

use super::association::{Association, Context, MOST_CONTEXTS, Proposal};
use super::message::{Command, INSTANCE, PRIORITY, STORE, comment, outcome};
use crate::job::{Error, ErrorKind};
use crate::radiograph::exchange::{EXPLICIT, IMPLICIT, Instance};
use crate::transfer::Node;
use crate::transfer::send::Delivered;
use crate::transfer::watch::Watch;

/// Kinds of objects that one association carries: each may need two contexts.
pub(in crate::transfer) const MOST_KINDS: usize = MOST_CONTEXTS / 2;

/// An open way to a node.
pub(in crate::transfer) struct Store {
    association: Association,
}

impl Store {
    /// Opens it for objects of these kinds: SOP class and transfer syntax each.
    pub(in crate::transfer) fn open(
        node: &Node,
        kinds: &[(String, String)],
        watch: &mut Watch<'_>,
    ) -> Result<Self, Error> {
        let mut proposals: Vec<Proposal> = Vec::new();
        for (class, syntax) in kinds {
            // The file's own is asked for apart, so that a node cannot prefer another one.
            if !matches!(syntax.as_str(), EXPLICIT | IMPLICIT) {
                let own = Proposal {
                    syntaxes: vec![syntax.clone()],
                    ..Proposal::plain(class)
                };
                proposals.push(own);
            }
            let plain = Proposal::plain(class);
            if !proposals.contains(&plain) {
                proposals.push(plain);
            }
        }
        let association = Association::request(node, &proposals, watch)?;
        Ok(Self { association })
    }

    /// Sends one object; an error of kind `Input` or of the node's answer leaves the way open.
    pub(in crate::transfer) fn put(
        &mut self,
        object: &Instance,
        watch: &mut Watch<'_>,
    ) -> Result<Result<Delivered, Error>, Error> {
        let (context, data) = match self.form(object) {
            Ok(form) => form,
            Err(error) => return Ok(Err(error)),
        };
        let association = &mut self.association;
        let number = association.next_message();
        let command = Command::request(STORE, number, &object.class, true)
            .with(PRIORITY, 0)
            .with(INSTANCE, object.instance.as_str());
        let bytes = match (&data, object.as_it_is()) {
            (Some(recoded), _) => recoded.as_slice(),
            (None, Some(own)) => own,
            (None, None) => &[],
        };
        association.send(context.id, &command, Some(bytes), watch)?;
        let answer = association.answer(0, watch)?;
        let delivered = Delivered {
            recoded: data.is_some().then(|| context.syntax.clone()),
            warning: None,
        };
        // Stored, though elements were coerced or dropped (PS3.4 B.2.3).
        let with_warning = matches!(answer.status(), 0x0001 | 0xB000..=0xBFFF);
        if with_warning {
            let status = answer.status();
            let warning = format!("stored with status {status:04X}{}", comment(&answer));
            return Ok(Ok(Delivered {
                warning: Some(warning),
                ..delivered
            }));
        }
        Ok(outcome(&answer, "C-STORE").map(|()| delivered))
    }

    /// Ends it in good order.
    pub(in crate::transfer) fn close(self, watch: &mut Watch<'_>) {
        self.association.release(watch);
    }

    /// By which context an object goes, and its data set where it must be written anew.
    fn form(&self, object: &Instance) -> Result<(Context, Option<Vec<u8>>), Error> {
        let of_class = || {
            self.association
                .contexts
                .iter()
                .filter(|context| context.class == object.class)
        };
        let own = of_class().find(|context| context.syntax == object.syntax);
        if let Some(context) = own
            && object.as_it_is().is_some()
        {
            return Ok((context.clone(), None));
        }
        let plain = of_class().find(|context| context.syntax == EXPLICIT);
        let plain = plain.or_else(|| of_class().find(|context| context.syntax == IMPLICIT));
        let Some(context) = plain else {
            return Err(Error::new(
                ErrorKind::Failed,
                "the other node does not take this kind of object",
            )
            .remedy("ask who runs it to allow it"));
        };
        let data = object.recoded(context.explicit())?;
        Ok((context.clone(), Some(data)))
    }
}
