//! Reaching a host: its addresses, and a connection to one of them, each within its time.
//!
//! Separate because the system looks up names without a limit, so that this happens on a thread that may be left.

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::watch::Watch;
use super::{SLICE, failed};
use crate::job::Error;

/// The addresses of a host.
pub(super) fn addresses(
    host: &str,
    port: u16,
    most: Duration,
    watch: &mut Watch<'_>,
) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, answer) = mpsc::sync_channel(1);
    let name = host.to_owned();
    std::thread::Builder::new()
        .name("host name".to_owned())
        .spawn(move || {
            let found = (name.as_str(), port).to_socket_addrs();
            // Nobody waits any more when it took too long.
            sender.send(found.map(Iterator::collect)).ok();
        })
        .map_err(|error| failed(format!("no thread could be started ({error})")))?;
    let unknown = |why: String| {
        failed(format!("the host {host} is not known here ({why})"))
            .remedy("check its name, or give its address in numbers")
    };
    let until = Instant::now() + most;
    loop {
        watch.check()?;
        match answer.recv_timeout(SLICE) {
            Ok(Ok(addresses)) => {
                let addresses: Vec<SocketAddr> = addresses;
                return if addresses.is_empty() {
                    Err(unknown("it has no address".to_owned()))
                } else {
                    Ok(addresses)
                };
            }
            Ok(Err(error)) => return Err(unknown(error.to_string())),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(unknown("nobody answered".to_owned()));
            }
            Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() >= until => {
                return Err(unknown(format!(
                    "no answer within {} s",
                    most.as_secs_f64()
                )));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
    }
}

/// A connection to the first address that answers.
pub(super) fn connect(
    addresses: &[SocketAddr],
    most: Duration,
    watch: &mut Watch<'_>,
) -> Result<TcpStream, Error> {
    let until = Instant::now() + most;
    let mut refusal = "it has no address".to_owned();
    for address in addresses {
        watch.check()?;
        let left = until
            .saturating_duration_since(Instant::now())
            .min(watch.left())
            .max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => refusal = error.to_string(),
        }
    }
    let shown = addresses.first().map(ToString::to_string);
    Err(failed(format!(
        "no connection to {} ({refusal})",
        shown.unwrap_or_default()
    ))
    .remedy("check host and port, and whether the other program runs"))
}
