//! Protocol data units on a TCP connection, each wait with an end (PS3.8 section 9.3).
//!
//! Separate because the other side is not trusted: a unit is refused by its first six bytes, before room is made for
//! it, and a connection on which nothing comes, or too slowly, is given up.

use std::io::{ErrorKind as Io, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use dicom_ul::pdu::{AbortRQSource, MAXIMUM_PDU_SIZE, Pdu, read_pdu, write_pdu};

use crate::job::Error;
use crate::transfer::watch::Watch;
use crate::transfer::{SLICE, failed};

/// Variable field of a P-DATA-TF unit that we take, bytes; told to the other side.
pub(super) const MOST_PDU: u32 = 128 << 10;
/// A-ASSOCIATE of 128 contexts with twenty transfer syntaxes each has less.
const MOST_ASSOCIATE: u32 = 512 << 10;
/// The others are fixed and short.
const MOST_OTHER: u32 = 64;

/// One connection.
pub(super) struct Wire {
    stream: TcpStream,
    quiet: Duration,
}

impl Wire {
    /// Over a connection on which nothing may be quiet for longer than `quiet`.
    pub(super) fn new(stream: TcpStream, quiet: Duration) -> Result<Self, Error> {
        let set = stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_read_timeout(Some(SLICE)))
            .and_then(|()| stream.set_write_timeout(Some(SLICE)))
            .and_then(|()| stream.set_nodelay(true));
        set.map_err(|error| failed(format!("the connection cannot be used ({error})")))?;
        Ok(Self { stream, quiet })
    }

    /// Our address on this connection, and that of the other side.
    pub(super) fn ends(&self) -> Result<(IpAddr, IpAddr), Error> {
        let ends = self.stream.local_addr().and_then(|own| {
            let peer = self.stream.peer_addr()?;
            Ok((own.ip(), peer.ip()))
        });
        ends.map_err(|error| broken(&error))
    }

    fn too_quiet(&self) -> Error {
        failed(format!(
            "the other node did not answer for {} s",
            self.quiet.as_secs_f64()
        ))
        .remedy("check that the port is that of DICOM messages, and try again")
    }

    /// Sends one unit.
    pub(super) fn send(&mut self, pdu: &Pdu, watch: &mut Watch<'_>) -> Result<(), Error> {
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, pdu)
            .map_err(|error| failed(format!("the message cannot be written ({error})")))?;
        let mut left = bytes.as_slice();
        let mut moved = Instant::now();
        while !left.is_empty() {
            watch.check()?;
            match self.stream.write(left) {
                Ok(0) => return Err(closed()),
                Ok(written) => {
                    left = left.get(written..).unwrap_or(&[]);
                    moved = Instant::now();
                }
                Err(error) if is_wait(&error) => {
                    if moved.elapsed() >= self.quiet {
                        return Err(self.too_quiet());
                    }
                }
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(())
    }

    /// Waits until something comes; silence does not count while `busy`.
    pub(super) fn wait(&self, busy: impl Fn() -> bool, watch: &mut Watch<'_>) -> Result<(), Error> {
        let mut since = Instant::now();
        loop {
            watch.check()?;
            if busy() {
                since = Instant::now();
            }
            match self.stream.peek(&mut [0]) {
                // The end of the connection is found when it is read.
                Ok(_) => return Ok(()),
                Err(error) if is_wait(&error) => {
                    if since.elapsed() >= self.quiet {
                        return Err(self.too_quiet());
                    }
                }
                Err(error) => return Err(broken(&error)),
            }
        }
    }

    /// The next unit.
    pub(super) fn receive(&mut self, watch: &mut Watch<'_>) -> Result<Pdu, Error> {
        let started = Instant::now();
        let mut bytes = vec![0; 6];
        self.fill(&mut bytes, started, watch)?;
        let (kind, length) = (
            bytes[0],
            u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
        );
        let most = match kind {
            1 | 2 => MOST_ASSOCIATE,
            4 => MOST_PDU,
            3 | 5..=7 => MOST_OTHER,
            _ => {
                return Err(
                    failed("the other side answers with something that is not DICOM")
                        .remedy("check host and port"),
                );
            }
        };
        if length > most {
            return Err(failed(format!(
                "the other node announces a unit of {length} bytes; at most {most} are taken"
            ))
            .remedy("tell who runs it: it does not keep to the length that it was told"));
        }
        bytes.resize(6 + length as usize, 0);
        let body = bytes.get_mut(6..).unwrap_or(&mut []);
        self.fill(body, started, watch)?;
        let parsed = catch_unwind(AssertUnwindSafe(|| {
            read_pdu(bytes.as_slice(), MAXIMUM_PDU_SIZE, true)
        }));
        let wrong = || failed("the other node sent a damaged unit of the protocol");
        match parsed {
            Ok(Ok(Some(pdu))) => Ok(pdu),
            _ => Err(wrong().remedy("tell who runs it")),
        }
    }

    fn fill(
        &mut self,
        mut place: &mut [u8],
        started: Instant,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        while !place.is_empty() {
            watch.check()?;
            // A unit that trickles in is as bad as none.
            if started.elapsed() >= self.quiet {
                return Err(self.too_quiet());
            }
            match self.stream.read(place) {
                Ok(0) => return Err(closed()),
                Ok(read) => place = place.get_mut(read..).unwrap_or(&mut []),
                Err(error) if is_wait(&error) => {}
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(())
    }

    /// Breaks off: the other side is told, if it listens, and the connection closed.
    pub(super) fn abort(&mut self) {
        let mut bytes = Vec::new();
        let pdu = Pdu::AbortRQ {
            source: AbortRQSource::ServiceUser,
        };
        if write_pdu(&mut bytes, &pdu).is_ok() {
            // Whether it arrives does not matter any more.
            self.stream.write_all(&bytes).ok();
        }
        self.close();
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        // Fails only where it is closed already.
        self.stream.shutdown(Shutdown::Both).ok();
    }
}

fn is_wait(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        Io::WouldBlock | Io::TimedOut | Io::Interrupted
    )
}

fn closed() -> Error {
    failed("the other node closed the connection before it was done")
        .remedy("check its AE title and whether it knows this program's, then try again")
}

fn broken(error: &std::io::Error) -> Error {
    failed(format!("the connection broke ({error})")).remedy("check the network and try again")
}
