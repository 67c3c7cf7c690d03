//! A node for tests, written unit by unit so that it can break every rule.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, PDataValue, PDataValueType, Pdu, PresentationContextResult,
    PresentationContextResultReason, UserVariableItem, read_pdu, write_pdu,
};
use radcanvas::radiograph::exchange::{Attributes, IMPLICIT, Value, write_attributes};
use radcanvas::transfer::Node;

/// A node on this machine that serves one connection by `script`.
pub(super) fn peer<T: Send + 'static>(
    script: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (Node, JoinHandle<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let named = std::thread::Builder::new().name("peer".to_owned());
    let served = named.spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        drop(listener);
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        script(stream)
    });
    let served = served.unwrap();
    (node(port), served)
}

/// Reads until the other side has gone.
pub(super) fn drain(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).ok();
}

/// A node on this machine with short waits.
pub(super) fn node(port: u16) -> Node {
    Node {
        name: "test".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        title: "PEER".to_owned(),
        connect_seconds: 5,
        quiet_seconds: 5,
        whole_seconds: 20,
        ..Node::default()
    }
}

/// The next unit.
pub(super) fn receive(stream: &mut TcpStream) -> Option<Pdu> {
    let mut bytes = vec![0; 6];
    stream.read_exact(&mut bytes).ok()?;
    let length = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]) as usize;
    bytes.resize(6 + length, 0);
    stream.read_exact(&mut bytes[6..]).ok()?;
    read_pdu(bytes.as_slice(), 1 << 24, false).ok()?
}

/// Sends a unit; who listens may have gone.
pub(super) fn send(stream: &mut TcpStream, pdu: &Pdu) {
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, pdu).unwrap();
    stream.write_all(&bytes).ok();
}

/// Grants every context that offers a transfer syntax that `takes` it.
pub(super) fn grant(stream: &mut TcpStream, takes: impl Fn(&str) -> bool) -> AssociationRQ {
    let Some(Pdu::AssociationRQ(asked)) = receive(stream) else {
        panic!("no association was asked for");
    };
    let contexts = asked.presentation_contexts.iter().map(|context| {
        let chosen = context.transfer_syntaxes.iter().find(|uid| takes(uid));
        PresentationContextResult {
            id: context.id,
            reason: if chosen.is_some() {
                PresentationContextResultReason::Acceptance
            } else {
                PresentationContextResultReason::TransferSyntaxesNotSupported
            },
            transfer_syntax: chosen.map_or(IMPLICIT, String::as_str).to_owned(),
        }
    });
    let granted = Pdu::AssociationAC(AssociationAC {
        protocol_version: 1,
        application_context_name: asked.application_context_name.clone(),
        called_ae_title: asked.called_ae_title.clone(),
        calling_ae_title: asked.calling_ae_title.clone(),
        presentation_contexts: contexts.collect(),
        user_variables: vec![UserVariableItem::MaxLength(16384)],
    });
    send(stream, &granted);
    asked
}

/// A message as it came.
pub(super) struct Message {
    pub(super) context: u8,
    pub(super) command: Attributes,
    pub(super) data: Vec<u8>,
}

/// The next message; `None` when the association ends.
pub(super) fn message(stream: &mut TcpStream) -> Option<Message> {
    let (mut command, mut data) = (Vec::new(), Vec::new());
    let (mut context, mut wants_data) = (0, true);
    loop {
        let values = match receive(stream)? {
            Pdu::PData { data } => data,
            Pdu::ReleaseRQ => {
                send(stream, &Pdu::ReleaseRP);
                return None;
            }
            _ => return None,
        };
        for value in values {
            context = value.presentation_context_id;
            if value.value_type == PDataValueType::Command {
                command.extend(value.data);
                if value.is_last {
                    let read = Attributes::read(command.clone(), false).unwrap();
                    wants_data = read.number(0x0000_0800) != Some(0x0101);
                }
            } else {
                data.extend(value.data);
                wants_data &= !value.is_last;
            }
        }
        if !wants_data {
            let command = Attributes::read(command, false).unwrap();
            return Some(Message {
                context,
                command,
                data,
            });
        }
    }
}

/// Sends a command, and a data set in one piece where there is one.
pub(super) fn say(
    stream: &mut TcpStream,
    context: u8,
    elements: &[(u32, Value)],
    data: Option<&[u8]>,
) {
    let mut all = elements.to_vec();
    let follows: u16 = if data.is_some() { 1 } else { 0x0101 };
    all.push((0x0000_0800, follows.into()));
    let value = |value_type, data: &[u8]| PDataValue {
        presentation_context_id: context,
        value_type,
        is_last: true,
        data: data.to_vec(),
    };
    let command = value(PDataValueType::Command, &write_attributes(&all, false));
    send(
        stream,
        &Pdu::PData {
            data: vec![command],
        },
    );
    if let Some(data) = data {
        let data = value(PDataValueType::Data, data);
        send(stream, &Pdu::PData { data: vec![data] });
    }
}

/// Answers a message with a status.
pub(super) fn answer(stream: &mut TcpStream, to: &Message, status: u16, data: Option<&[u8]>) {
    let number = |tag| to.command.number(tag).unwrap() as u16;
    let elements: [(u32, Value); 3] = [
        (0x0000_0100, (number(0x0000_0100) | 0x8000).into()),
        (0x0000_0120, number(0x0000_0110).into()),
        (0x0000_0900, status.into()),
    ];
    say(stream, to.context, &elements, data);
}
