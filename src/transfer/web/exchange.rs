//! One HTTP exchange: a request out, an answer in, watched all the while.
//!
//! Separate because the client blocks while it waits: it works on a thread of its own and hands over what comes, so
//! that stopping does not wait for it. It follows no redirect and uses no proxy: data goes where the person said.

use std::io::Read as _;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

use base64::Engine as _;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, http};

use crate::job::{Error, ErrorKind};
use crate::transfer::watch::Watch;
use crate::transfer::{Access, Node, SLICE, failed};

/// Bytes handed over at once.
const CHUNK: usize = 64 << 10;
/// Chunks that may wait to be taken.
const WAITING: usize = 8;

/// A request below the root of a service.
pub(super) struct Ask {
    path: String,
    accept: String,
    body: Option<(String, Vec<u8>)>,
}

impl Ask {
    pub(super) fn get(path: &str, accept: &str) -> Self {
        Self {
            path: path.to_owned(),
            accept: accept.to_owned(),
            body: None,
        }
    }

    pub(super) fn post(path: &str, accept: &str, kind: &str, body: Vec<u8>) -> Self {
        Self {
            body: Some((kind.to_owned(), body)),
            ..Self::get(path, accept)
        }
    }
}

enum Said {
    Head(u16, String),
    Chunk(Vec<u8>),
    End,
    Failed(Error),
}

/// An answer whose body may still be coming.
pub(super) struct Response {
    pub(super) status: u16,
    /// Content type.
    pub(super) kind: String,
    from: Receiver<Said>,
    ended: bool,
}

/// Sends a request and waits for the head of its answer.
pub(super) fn ask(
    node: &Node,
    access: &Access,
    ask: Ask,
    watch: &mut Watch<'_>,
) -> Result<Response, Error> {
    let address = format!("{}{}", node.web_root()?, ask.path);
    let authorization = authorization(node, access)?;
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("radcanvas/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .timeout_resolve(Some(node.connect()))
        .timeout_connect(Some(node.connect()))
        .timeout_recv_response(Some(node.quiet()))
        .timeout_per_read(Some(node.quiet()))
        .timeout_per_write(Some(node.quiet()))
        .timeout_global(Some(watch.left()))
        .tls_config(
            TlsConfig::builder()
                .root_certs(RootCerts::PlatformVerifier)
                .build(),
        )
        .build();
    let (to, from) = sync_channel(WAITING);
    std::thread::Builder::new()
        .name("web".to_owned())
        .spawn(move || {
            let agent = Agent::new_with_config(config);
            if let Err(error) = carry(&agent, &address, authorization, ask, &to) {
                // Nobody waits any more where the transfer was stopped.
                to.send(Said::Failed(error)).ok();
            }
        })
        .map_err(|error| failed(format!("no thread could be started ({error})")))?;
    let mut response = Response {
        status: 0,
        kind: String::new(),
        from,
        ended: false,
    };
    match response.next_said(watch)? {
        Said::Head(status, kind) => (response.status, response.kind) = (status, kind),
        _ => return Err(failed("the node did not answer")),
    }
    Ok(response)
}

/// Carries one exchange out, on its own thread.
fn carry(
    agent: &Agent,
    address: &str,
    authorization: Option<String>,
    ask: Ask,
    to: &SyncSender<Said>,
) -> Result<(), Error> {
    let method = if ask.body.is_some() { "POST" } else { "GET" };
    let mut request = http::Request::builder()
        .method(method)
        .uri(address)
        .header("Accept", ask.accept);
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    let wrong = |error: http::Error| {
        Error::new(
            ErrorKind::Usage,
            format!("the DICOMweb address cannot be used ({error})"),
        )
    };
    let answer = match ask.body {
        Some((kind, body)) => {
            let request = request.header("Content-Type", kind);
            agent.run(request.body(body).map_err(wrong)?)
        }
        None => agent.run(request.body(()).map_err(wrong)?),
    };
    let mut answer = answer.map_err(|error| unreachable(&error))?;
    let kind = answer.headers().get("Content-Type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let head = Said::Head(answer.status().as_u16(), kind.to_owned());
    if to.send(head).is_err() {
        return Ok(());
    }
    let mut body = answer.body_mut().with_config().limit(u64::MAX).reader();
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = body
            .read(&mut chunk)
            .map_err(|error| broke_off(&format!(" ({error})")))?;
        chunk.truncate(read);
        let said = if read == 0 {
            Said::End
        } else {
            Said::Chunk(chunk)
        };
        // Who waited is gone: then nothing more is read.
        if to.send(said).is_err() || read == 0 {
            return Ok(());
        }
    }
}

fn broke_off(why: &str) -> Error {
    failed(format!("the answer of the node broke off{why}"))
        .remedy("try again; if it stays so, ask who runs it")
}

fn unreachable(error: &ureq::Error) -> Error {
    let remedy = match error {
        ureq::Error::Timeout(_) => "check the DICOMweb address, or allow more time for this node",
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
            "its certificate is not trusted by this system: ask who runs it"
        }
        _ => "check the DICOMweb address, and whether the other program runs",
    };
    failed(format!("the DICOMweb service cannot be used ({error})")).remedy(remedy)
}

/// Basic authentication, never in the clear beyond this machine.
fn authorization(node: &Node, access: &Access) -> Result<Option<String>, Error> {
    let Some(user) = node.user.as_deref().filter(|user| !user.is_empty()) else {
        return Ok(None);
    };
    let root = node.web_root()?;
    let host = root.split("://").nth(1).unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let here = host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if !root.starts_with("https://") && !here {
        let what = "a password is not sent over http, where everybody on the way can read it";
        return Err(
            Error::new(ErrorKind::Usage, what).remedy("give the node an https address, or no user")
        );
    }
    let password = access.password.as_deref().unwrap_or_default();
    let pair = format!("{user}:{password}");
    let coded = base64::engine::general_purpose::STANDARD.encode(pair);
    Ok(Some(format!("Basic {coded}")))
}

impl Response {
    fn next_said(&mut self, watch: &mut Watch<'_>) -> Result<Said, Error> {
        loop {
            watch.check()?;
            match self.from.recv_timeout(SLICE) {
                Ok(Said::Failed(error)) => return Err(error),
                Ok(said) => return Ok(said),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(broke_off(""));
                }
            }
        }
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) fn next(&mut self, watch: &mut Watch<'_>) -> Result<Option<Vec<u8>>, Error> {
        if self.ended {
            return Ok(None);
        }
        if let Said::Chunk(chunk) = self.next_said(watch)? {
            return Ok(Some(chunk));
        }
        self.ended = true;
        Ok(None)
    }

    /// The whole body, of at most `most` bytes.
    pub(super) fn text(&mut self, most: usize, watch: &mut Watch<'_>) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        while let Some(chunk) = self.next(watch)? {
            if text.len() + chunk.len() > most {
                return Err(
                    failed(format!("the answer of the node has more than {most} bytes"))
                        .remedy("narrow the search"),
                );
            }
            text.extend(chunk);
        }
        Ok(text)
    }
}
