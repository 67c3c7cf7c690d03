//! Messages: a command, and a data set where there is one (PS3.7 section 6.3, Annex E; PS3.8 Annex E).
//!
//! Separate because every service is an exchange of these.

use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};

use super::association::{Association, broke_off, unexpected};
use crate::job::Error;
use crate::radiograph::exchange::{Attributes, Value, write_attributes};
use crate::transfer::failed;
use crate::transfer::watch::Watch;

pub(super) const STORE: u16 = 0x0001;
pub(super) const GET: u16 = 0x0010;
pub(super) const FIND: u16 = 0x0020;
pub(super) const MOVE: u16 = 0x0021;
pub(super) const ECHO: u16 = 0x0030;
/// Set in the answer to a command.
pub(super) const ANSWER: u16 = 0x8000;

pub(super) const CLASS: u32 = 0x0000_0002;
pub(super) const FIELD: u32 = 0x0000_0100;
pub(super) const MESSAGE: u32 = 0x0000_0110;
pub(super) const RESPONDED: u32 = 0x0000_0120;
pub(super) const DESTINATION: u32 = 0x0000_0600;
pub(super) const PRIORITY: u32 = 0x0000_0700;
pub(super) const DATA: u32 = 0x0000_0800;
pub(super) const STATUS: u32 = 0x0000_0900;
const COMMENT: u32 = 0x0000_0902;
pub(super) const INSTANCE: u32 = 0x0000_1000;
pub(super) const REMAINING: u32 = 0x0000_1020;
pub(super) const COMPLETED: u32 = 0x0000_1021;
pub(super) const FAILED: u32 = 0x0000_1022;

/// No data set follows.
const NO_DATA: u16 = 0x0101;
/// A data set follows.
const WITH_DATA: u16 = 0x0001;
/// A longer command is hostile, bytes.
const MOST_COMMAND: usize = 64 << 10;

pub(super) const PENDING: [u32; 2] = [0xFF00, 0xFF01];

/// The elements of a command.
pub(super) struct Command(pub(super) Vec<(u32, Value)>);

impl Command {
    /// A request about a SOP class.
    pub(super) fn request(field: u16, message: u16, class: &str, data: bool) -> Self {
        Self(vec![
            (CLASS, class.into()),
            (FIELD, field.into()),
            (MESSAGE, message.into()),
            (DATA, if data { WITH_DATA } else { NO_DATA }.into()),
        ])
    }

    /// With one more element.
    pub(super) fn with(mut self, tag: u32, value: impl Into<Value>) -> Self {
        self.0.push((tag, value.into()));
        self
    }

    /// The answer to a request.
    pub(super) fn answer_to(request: &Attributes, status: u16) -> Self {
        let number = |tag| request.number(tag).unwrap_or(0) as u16;
        Self(vec![
            (CLASS, request.text(CLASS).as_str().into()),
            (FIELD, (number(FIELD) | ANSWER).into()),
            (RESPONDED, number(MESSAGE).into()),
            (DATA, NO_DATA.into()),
            (STATUS, status.into()),
        ])
    }

    /// Implicit VR Little Endian, its length first (PS3.7 6.3.1).
    fn bytes(&self) -> Vec<u8> {
        let elements = write_attributes(&self.0, false);
        let mut bytes = vec![0, 0, 0, 0, 4, 0, 0, 0];
        bytes.extend((elements.len() as u32).to_le_bytes());
        bytes.extend(elements);
        bytes
    }
}

/// A message that came.
pub(super) struct Message {
    pub(super) context: u8,
    pub(super) command: Attributes,
    pub(super) data: Option<Vec<u8>>,
}

impl Message {
    pub(super) fn field(&self) -> u16 {
        self.command.number(FIELD).unwrap_or(0) as u16
    }

    /// The status of an answer; one that is missing is a failure.
    pub(super) fn status(&self) -> u32 {
        self.command.number(STATUS).unwrap_or(0xFFFF)
    }
}

/// What came next.
pub(super) enum Incoming {
    Message(Message),
    /// The other side wants to end the association.
    Release,
}

impl Association {
    /// Sends a message.
    pub(super) fn send(
        &mut self,
        context: u8,
        command: &Command,
        data: Option<&[u8]>,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        self.send_part(context, &PDataValueType::Command, &command.bytes(), watch)?;
        match data {
            Some(data) => self.send_part(context, &PDataValueType::Data, data, watch),
            None => Ok(()),
        }
    }

    fn send_part(
        &mut self,
        context: u8,
        value_type: &PDataValueType,
        bytes: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        // Six bytes of each unit are the head of its one value.
        let each = (self.most_sent.saturating_sub(6) & !1).max(2);
        let count = bytes.len().div_ceil(each).max(1);
        for number in 0..count {
            let end = bytes.len().min((number + 1) * each);
            let value = PDataValue {
                presentation_context_id: context,
                value_type: value_type.clone(),
                is_last: number + 1 == count,
                data: bytes.get(number * each..end).unwrap_or(&[]).to_vec(),
            };
            self.wire.send(&Pdu::PData { data: vec![value] }, watch)?;
        }
        Ok(())
    }

    /// The next message, with a data set of at most `most_data` bytes.
    pub(super) fn receive(
        &mut self,
        most_data: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Incoming, Error> {
        let mut command = Vec::new();
        let mut parsed: Option<Message> = None;
        let mut data: Vec<u8> = Vec::new();
        loop {
            let values = match self.wire.receive(watch)? {
                Pdu::PData { data } => data,
                Pdu::ReleaseRQ if command.is_empty() && parsed.is_none() => {
                    return Ok(Incoming::Release);
                }
                Pdu::AbortRQ { .. } => return Err(broke_off()),
                _ => return Err(unexpected()),
            };
            for value in values {
                let context = value.presentation_context_id;
                if !self.contexts.iter().any(|known| known.id == context) {
                    return Err(unexpected());
                }
                match (&value.value_type, &mut parsed) {
                    (PDataValueType::Command, None) => {
                        command.extend(value.data);
                        if command.len() > MOST_COMMAND {
                            return Err(unexpected());
                        }
                        if value.is_last {
                            let command = Attributes::read(std::mem::take(&mut command), false)
                                .map_err(|_| unexpected())?;
                            let message = Message {
                                context,
                                command,
                                data: None,
                            };
                            if message.command.number(DATA) == Some(u32::from(NO_DATA)) {
                                return Ok(Incoming::Message(message));
                            }
                            parsed = Some(message);
                        }
                    }
                    (PDataValueType::Data, Some(message)) if message.context == context => {
                        if data.len() + value.data.len() > most_data {
                            return Err(failed(format!(
                                "the other node sends more than {most_data} bytes in one object"
                            ))
                            .remedy("allow more bytes for this transfer"));
                        }
                        data.extend(value.data);
                        if value.is_last {
                            message.data = Some(std::mem::take(&mut data));
                        }
                    }
                    _ => return Err(unexpected()),
                }
            }
            if parsed
                .as_ref()
                .is_some_and(|message| message.data.is_some())
                && let Some(message) = parsed
            {
                return Ok(Incoming::Message(message));
            }
        }
    }

    /// The next message, which must be the answer to what was asked last.
    pub(super) fn answer(
        &mut self,
        most_data: usize,
        watch: &mut Watch<'_>,
    ) -> Result<Message, Error> {
        match self.receive(most_data, watch)? {
            Incoming::Message(message) if message.field() & ANSWER != 0 => Ok(message),
            _ => Err(unexpected()),
        }
    }
}

/// What an answer says beside its status, if it is plain text.
pub(super) fn comment(answer: &Message) -> String {
    let text = answer.command.text(COMMENT);
    let plain: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
    if plain.is_empty() {
        plain
    } else {
        format!(": {plain}")
    }
}

/// Whether a request was carried out.
pub(super) fn outcome(answer: &Message, service: &str) -> Result<(), Error> {
    match answer.status() {
        0 => Ok(()),
        status => Err(failed(format!(
            "{service} failed with status {status:04X} ({}){}",
            meaning(status),
            comment(answer)
        ))
        .remedy("ask who runs the node")),
    }
}

/// What a status means (PS3.7 Annex C; PS3.4 B.2.3, C.4).
pub(super) const fn meaning(status: u32) -> &'static str {
    match status {
        0x0110 => "processing failure",
        0x0112 => "no such object",
        0x0117 | 0x0119 => "the object contradicts the message",
        0x0122 => "this kind of object is not taken",
        0x0124 => "not allowed",
        0x0210..=0x0212 => "the message is not understood",
        0xA700..=0xA7FF => "out of resources",
        0xA801 => "it does not know where to send: this program's AE title is unknown to it",
        0xA900..=0xA9FF => "the data set does not fit its class",
        0xC000..=0xCFFF => "it cannot be understood",
        0xFE00 => "cancelled",
        _ => "refused",
    }
}
