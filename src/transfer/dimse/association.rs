//! Associations: what both sides agree on before the first message (PS3.8 section 7.1, PS3.7 Annex D).
//!
//! Separate because asking for one and granting one end in the same thing: contexts by which messages go.

use std::net::TcpStream;

use dicom_ul::pdu::{
    AssociationAC, AssociationRJ, AssociationRJResult, AssociationRJServiceUserReason,
    AssociationRJSource, AssociationRQ, Pdu, PresentationContextProposed,
    PresentationContextResult, PresentationContextResultReason, RequestorRoles, UserVariableItem,
};

use super::wire::{MOST_PDU, Wire};
use crate::job::Error;
use crate::radiograph::exchange::{EXPLICIT, IMPLICIT};
use crate::transfer::watch::Watch;
use crate::transfer::{Node, failed, reach};

/// DICOM Application Context Name (PS3.7 A.2.1).
const APPLICATION: &str = "1.2.840.10008.3.1.1.1";
const IMPLEMENTATION: &str = "2.25.302478391206185719640953829518406713";
/// Contexts have odd numbers from 1 to 255.
pub(super) const MOST_CONTEXTS: usize = 128;

/// One kind of object or service that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) class: String,
    pub(super) syntaxes: Vec<String>,
    /// We take objects of this class over this association (C-GET).
    pub(super) provide: bool,
}

impl Proposal {
    /// A service, or uncompressed objects.
    pub(super) fn plain(class: &str) -> Self {
        Self {
            class: class.to_owned(),
            syntaxes: vec![EXPLICIT.to_owned(), IMPLICIT.to_owned()],
            provide: false,
        }
    }
}

/// What was agreed on for one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) id: u8,
    pub(super) class: String,
    pub(super) syntax: String,
}

impl Context {
    /// Whether data sets name their representations.
    pub(super) fn explicit(&self) -> bool {
        self.syntax != IMPLICIT
    }
}

/// An agreed association.
pub(super) struct Association {
    pub(super) wire: Wire,
    pub(super) contexts: Vec<Context>,
    /// Bytes of a unit that the other side takes.
    pub(super) most_sent: usize,
    last_message: u16,
    released: bool,
}

impl Drop for Association {
    fn drop(&mut self) {
        if !self.released {
            self.wire.abort();
        }
    }
}

impl Association {
    /// Connects to a node and asks for `proposals`.
    ///
    /// # Errors
    /// It cannot be reached, refuses, or takes none of them.
    pub(super) fn request(
        node: &Node,
        proposals: &[Proposal],
        watch: &mut Watch<'_>,
    ) -> Result<Self, Error> {
        let (host, port) = node.dicom()?;
        let addresses = reach::addresses(host, port, node.connect(), watch)?;
        let stream = reach::connect(&addresses, node.connect(), watch)?;
        let mut wire = Wire::new(stream, node.quiet())?;
        wire.send(&asked(node, proposals), watch)?;
        let accepted = match wire.receive(watch)? {
            Pdu::AssociationAC(accepted) => accepted,
            Pdu::AssociationRJ(rejected) => return Err(refused(node, &rejected)),
            Pdu::AbortRQ { .. } => return Err(broke_off()),
            _ => return Err(unexpected()),
        };
        let contexts: Vec<Context> = accepted
            .presentation_contexts
            .iter()
            .filter(|result| result.reason == PresentationContextResultReason::Acceptance)
            .filter_map(|result| {
                let index = usize::from(result.id).checked_sub(1)? / 2;
                let proposal = proposals.get(index).filter(|_| result.id % 2 == 1)?;
                // What was not proposed cannot be chosen.
                let known = proposal.syntaxes.contains(&result.transfer_syntax);
                known.then(|| Context {
                    id: result.id,
                    class: proposal.class.clone(),
                    syntax: result.transfer_syntax.clone(),
                })
            })
            .collect();
        if contexts.is_empty() {
            wire.abort();
            return Err(failed("the other node takes nothing of what was offered")
                .remedy("ask who runs it which services it has"));
        }
        Ok(Self::over(wire, contexts, &accepted.user_variables))
    }

    fn over(wire: Wire, contexts: Vec<Context>, variables: &[UserVariableItem]) -> Self {
        let told = variables.iter().find_map(|item| match item {
            UserVariableItem::MaxLength(most) => Some(*most),
            _ => None,
        });
        let most = match told.unwrap_or(0) {
            0 => MOST_PDU,
            // Shorter units than this would be all headers.
            most => most.clamp(1024, MOST_PDU),
        };
        Self {
            wire,
            contexts,
            most_sent: most as usize,
            last_message: 0,
            released: false,
        }
    }

    /// Grants an association to a peer that connected, if `choose` takes its titles; objects are taken in the first
    /// transfer syntax that it offers and `syntax` takes.
    pub(super) fn grant(
        stream: TcpStream,
        node: &Node,
        takes: impl Fn(&str, &str) -> bool,
        watch: &mut Watch<'_>,
    ) -> Result<Self, Error> {
        let mut wire = Wire::new(stream, node.quiet())?;
        let Pdu::AssociationRQ(asked) = wire.receive(watch)? else {
            wire.abort();
            return Err(unexpected());
        };
        let title = |known: &str, told: &str| known.trim() == told.trim();
        let reason = if !title(&node.own_title, &asked.called_ae_title) {
            Some(AssociationRJServiceUserReason::CalledAETitleNotRecognized)
        } else if !title(&node.title, &asked.calling_ae_title) {
            Some(AssociationRJServiceUserReason::CallingAETitleNotRecognized)
        } else if asked.application_context_name.trim_end_matches('\0') != APPLICATION {
            Some(AssociationRJServiceUserReason::ApplicationContextNameNotSupported)
        } else {
            None
        };
        if let Some(reason) = reason {
            let rejected = Pdu::AssociationRJ(AssociationRJ {
                result: AssociationRJResult::Permanent,
                source: AssociationRJSource::ServiceUser(reason),
            });
            wire.send(&rejected, watch)?;
            wire.close();
            return Err(failed("an association with other AE titles was refused"));
        }
        let mut contexts = Vec::new();
        let results = asked.presentation_contexts.iter().take(MOST_CONTEXTS);
        let results = results
            .map(|proposed| {
                let class = uid(&proposed.abstract_syntax);
                let mut offered = proposed.transfer_syntaxes.iter().map(|s| uid(s));
                let chosen = offered.find(|syntax| takes(class, syntax));
                if let Some(syntax) = chosen {
                    contexts.push(Context {
                        id: proposed.id,
                        class: class.to_owned(),
                        syntax: syntax.to_owned(),
                    });
                }
                PresentationContextResult {
                    id: proposed.id,
                    reason: if chosen.is_some() {
                        PresentationContextResultReason::Acceptance
                    } else {
                        PresentationContextResultReason::TransferSyntaxesNotSupported
                    },
                    transfer_syntax: chosen.unwrap_or(IMPLICIT).to_owned(),
                }
            })
            .collect();
        let granted = Pdu::AssociationAC(AssociationAC {
            protocol_version: 1,
            application_context_name: APPLICATION.to_owned(),
            called_ae_title: asked.called_ae_title.clone(),
            calling_ae_title: asked.calling_ae_title.clone(),
            presentation_contexts: results,
            user_variables: variables(),
        });
        wire.send(&granted, watch)?;
        Ok(Self::over(wire, contexts, &asked.user_variables))
    }

    /// The context of a class, in whichever transfer syntax was agreed on.
    pub(super) fn context(&self, class: &str) -> Result<Context, Error> {
        let found = self.contexts.iter().find(|context| context.class == class);
        found.cloned().ok_or_else(|| {
            failed("the other node does not have this service").remedy("ask who runs it")
        })
    }

    /// The number of the next message.
    pub(super) fn next_message(&mut self) -> u16 {
        self.last_message = self.last_message.wrapping_add(1);
        self.last_message
    }

    /// Ends it in good order; whether the other side agrees does not matter any more.
    pub(super) fn release(mut self, watch: &mut Watch<'_>) {
        let asked = self.wire.send(&Pdu::ReleaseRQ, watch);
        if asked.is_ok() && matches!(self.wire.receive(watch), Ok(Pdu::ReleaseRP)) {
            self.released = true;
            self.wire.close();
        }
    }

    /// Agrees to the end that the other side asked for.
    pub(super) fn agree_to_end(&mut self, watch: &mut Watch<'_>) {
        // The other side may have left without waiting.
        self.wire.send(&Pdu::ReleaseRP, watch).ok();
        self.released = true;
        self.wire.close();
    }
}

/// A UID without the zero that some pad it with.
fn uid(text: &str) -> &str {
    text.trim_end_matches(['\0', ' '])
}

fn variables() -> Vec<UserVariableItem> {
    vec![
        UserVariableItem::MaxLength(MOST_PDU),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION.to_owned()),
        UserVariableItem::ImplementationVersionName("RADCANVAS".to_owned()),
    ]
}

fn asked(node: &Node, proposals: &[Proposal]) -> Pdu {
    let mut user_variables = variables();
    let mut provided: Vec<&str> = Vec::new();
    for proposal in proposals.iter().filter(|proposal| proposal.provide) {
        if !provided.contains(&proposal.class.as_str()) {
            provided.push(&proposal.class);
            let roles = RequestorRoles {
                scu: false,
                scp: true,
            };
            let class = proposal.class.clone();
            user_variables.push(UserVariableItem::ScuScpRoleSelectionSubItem(class, roles));
        }
    }
    let contexts = proposals
        .iter()
        .take(MOST_CONTEXTS)
        .zip((1..=255).step_by(2));
    Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: node.own_title.trim().to_owned(),
        called_ae_title: node.title.trim().to_owned(),
        application_context_name: APPLICATION.to_owned(),
        presentation_contexts: contexts
            .map(|(proposal, id)| PresentationContextProposed {
                id,
                abstract_syntax: proposal.class.clone(),
                transfer_syntaxes: proposal.syntaxes.clone(),
            })
            .collect(),
        user_variables,
    })
}

fn refused(node: &Node, rejected: &AssociationRJ) -> Error {
    let remedy = match &rejected.source {
        AssociationRJSource::ServiceUser(
            AssociationRJServiceUserReason::CalledAETitleNotRecognized,
        ) => format!(
            "it does not call itself '{}': check the AE title",
            node.title
        ),
        AssociationRJSource::ServiceUser(
            AssociationRJServiceUserReason::CallingAETitleNotRecognized,
        ) => format!(
            "who runs it must let in the AE title '{}' of this program",
            node.own_title
        ),
        _ => "try again later, or ask who runs it".to_owned(),
    };
    failed(format!("the other node refused ({})", rejected.source)).remedy(remedy)
}

pub(super) fn broke_off() -> Error {
    failed("the other node broke off").remedy("try again; if it stays so, ask who runs it")
}

pub(super) fn unexpected() -> Error {
    failed("the other node does not keep to the protocol").remedy("tell who runs it")
}
