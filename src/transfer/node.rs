//! Nodes that a person configured, and the file in which they are kept. There are none before.
//!
//! Separate because the window and the command line share it. No password is kept: it is asked for, or comes in an
//! environment variable.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Way;
use crate::job::{Error, ErrorKind};
use crate::radiograph::write::write_whole;

/// Version of the written form; another one is not read.
const VERSION: u32 = 1;
/// A longer file is not ours.
const MOST_FILE: u64 = 1 << 20;
/// No wait may be longer, seconds.
pub const MOST_SECONDS: u64 = 86_400;

/// Another program on the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What the person calls it: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Host name or address, for DICOM messages.
    #[serde(default)]
    pub host: String,
    /// Port for DICOM messages; absent where the node has only DICOMweb.
    #[serde(default)]
    pub port: Option<u16>,
    /// Its AE title, at most 16 characters.
    #[serde(default)]
    pub title: String,
    /// Our AE title towards it.
    #[serde(default = "own_title")]
    pub own_title: String,
    /// Port on which we listen while a C-MOVE runs; absent: C-GET is used.
    #[serde(default)]
    pub listen: Option<u16>,
    /// Root of its DICOMweb service, `https://host/dicom-web`.
    #[serde(default)]
    pub web: Option<String>,
    /// User of the DICOMweb service.
    #[serde(default)]
    pub user: Option<String>,
    /// How long a connection may take, seconds.
    #[serde(default = "connect_seconds")]
    pub connect_seconds: u64,
    /// How long nothing may come or go, seconds.
    #[serde(default = "quiet_seconds")]
    pub quiet_seconds: u64,
    /// How long a transfer may take in all, seconds.
    #[serde(default = "whole_seconds")]
    pub whole_seconds: u64,
}

fn own_title() -> String {
    "RADCANVAS".to_owned()
}

const fn connect_seconds() -> u64 {
    10
}

const fn quiet_seconds() -> u64 {
    30
}

const fn whole_seconds() -> u64 {
    1800
}

impl Default for Node {
    fn default() -> Self {
        Self {
            name: String::new(),
            host: String::new(),
            port: None,
            title: String::new(),
            own_title: own_title(),
            listen: None,
            web: None,
            user: None,
            connect_seconds: connect_seconds(),
            quiet_seconds: quiet_seconds(),
            whole_seconds: whole_seconds(),
        }
    }
}

/// What opens a node's door and is never written down.
#[derive(Clone, Default)]
pub struct Access {
    /// Password of [`Node::user`].
    pub password: Option<String>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access(hidden)")
    }
}

fn usage(what: impl Into<String>, remedy: &str) -> Error {
    Error::new(ErrorKind::Usage, what).remedy(remedy)
}

impl Node {
    /// How long a connection may take.
    pub(super) const fn connect(&self) -> Duration {
        Duration::from_secs(self.connect_seconds)
    }

    /// How long nothing may come or go.
    pub(super) const fn quiet(&self) -> Duration {
        Duration::from_secs(self.quiet_seconds)
    }

    /// How long a transfer may take in all.
    pub(super) const fn whole(&self) -> Duration {
        Duration::from_secs(self.whole_seconds)
    }

    /// How objects are fetched where nothing else is asked for.
    pub fn way(&self) -> Way {
        match (self.port, self.listen) {
            (None, _) => Way::Web,
            (Some(_), Some(_)) => Way::Move,
            (Some(_), None) => Way::Get,
        }
    }

    /// The root of its DICOMweb service, without a slash at its end.
    pub(super) fn web_root(&self) -> Result<&str, Error> {
        let root = self.web.as_deref().map(|root| root.trim_end_matches('/'));
        root.filter(|root| !root.is_empty()).ok_or_else(|| {
            usage(
                format!("the node {} has no DICOMweb address", self.name),
                "give it the address of its DICOMweb service",
            )
        })
    }

    /// Where DICOM messages go.
    pub(super) fn dicom(&self) -> Result<(&str, u16), Error> {
        let port = self.port.ok_or_else(|| {
            usage(
                format!("the node {} has no port for DICOM messages", self.name),
                "give it a host, a port and an AE title, or use DICOMweb",
            )
        })?;
        Ok((&self.host, port))
    }

    /// Whether everything in it can be used.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`], with the field and what it may hold.
    pub fn check(&self) -> Result<(), Error> {
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(letter) {
            return Err(usage(
                "the name of a node has 1 to 64 letters, digits, '-', '_' or '.'",
                "choose another name",
            ));
        }
        if self.port.is_none() && self.web.is_none() {
            return Err(usage(
                format!("the node {} has no address", self.name),
                "give its host, port and AE title for DICOM messages, or its address of DICOMweb",
            ));
        }
        if self.port == Some(0) || self.listen == Some(0) {
            return Err(usage("0 is no port", "give a port from 1 to 65535"));
        }
        if self.port.is_some() {
            let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '@' | '\\');
            if self.host.is_empty() || self.host.len() > 253 || !self.host.chars().all(plain) {
                return Err(usage(
                    "the host is no name or address of a host",
                    "give it without a scheme, port or user: 10.0.0.5 or pacs.example",
                ));
            }
            check_title(&self.title, "AE title of the node")?;
            check_title(&self.own_title, "own AE title")?;
        }
        if let Some(web) = &self.web {
            check_web(web)?;
        }
        let seconds = [self.connect_seconds, self.quiet_seconds, self.whole_seconds];
        if seconds.iter().any(|s| !(1..=MOST_SECONDS).contains(s)) {
            return Err(usage(
                "a time limit is not between 1 s and a day",
                "give whole seconds, at most 86400",
            ));
        }
        Ok(())
    }
}

/// At most 16 characters of the default repertoire, neither backslash nor control characters (PS3.5 6.2, AE).
fn check_title(title: &str, what: &str) -> Result<(), Error> {
    let fine = |c: char| (' '..='~').contains(&c) && c != '\\';
    if title.trim().is_empty() || title.len() > 16 || !title.chars().all(fine) {
        return Err(usage(
            format!("the {what} has 1 to 16 plain characters"),
            "ask who runs the node for it",
        ));
    }
    Ok(())
}

fn check_web(web: &str) -> Result<(), Error> {
    let rest = web
        .strip_prefix("https://")
        .or_else(|| web.strip_prefix("http://"));
    let fine = rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or("");
        !host.is_empty()
            && !host.contains('@')
            && web.len() <= 1024
            && web
                .chars()
                .all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\'))
    });
    if fine {
        Ok(())
    } else {
        Err(usage(
            "the DICOMweb address is no http or https address of a service",
            "give its root without a user, a question mark or a hash: https://pacs.example/dicom-web",
        ))
    }
}

/// The nodes of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    version: u32,
    /// In the order in which they were added.
    pub nodes: Vec<Node>,
}

impl Nodes {
    /// Where they are kept: `nodes.json` in the person's own folder of the program.
    pub fn place() -> Option<PathBuf> {
        crate::bundle::own_folder().map(|folder| folder.join("nodes.json"))
    }

    /// Reads the file at `path`; one that is not there holds no node.
    ///
    /// # Errors
    /// It is not ours, or a node in it cannot be used.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let wrong = |why: String| {
            Error::new(
                ErrorKind::Input,
                format!("the list of nodes cannot be read ({why})"),
            )
            .at(path)
            .remedy("correct it, or move it away and add the nodes again")
        };
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Ok(meta) if meta.len() > MOST_FILE || !meta.is_file() => {
                return Err(wrong("it is no file of at most 1 MiB".to_owned()));
            }
            _ => {}
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let found: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if found.version != VERSION {
            return Err(wrong(format!(
                "it is of version {}, this program writes version {VERSION}",
                found.version
            )));
        }
        for node in &found.nodes {
            node.check().map_err(|error| wrong(error.what))?;
        }
        Ok(found)
    }

    /// Writes the file at `path`, whole or not at all.
    ///
    /// # Errors
    /// The disk refused.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let written = Self {
            version: VERSION,
            nodes: self.nodes.clone(),
        };
        let failed = |why: String| Error::new(ErrorKind::Failed, why).at(path);
        let text = serde_json::to_vec_pretty(&written).map_err(|e| failed(e.to_string()))?;
        write_whole(path, &text, true).map_err(|error| failed(error.to_string()))
    }

    /// The node of a name.
    ///
    /// # Errors
    /// There is none; the message lists those that there are.
    pub fn get(&self, name: &str) -> Result<&Node, Error> {
        let found = self.nodes.iter().find(|node| node.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            let remedy = if names.is_empty() {
                "none is configured: `radcanvas nodes add` adds one".to_owned()
            } else {
                format!("there are: {}", names.join(", "))
            };
            usage(format!("no node is called '{name}'"), &remedy)
        })
    }

    /// Adds a node, or replaces the one of its name.
    ///
    /// # Errors
    /// It cannot be used; or its name is taken and `replace` is not set.
    pub fn put(&mut self, node: Node, replace: bool) -> Result<(), Error> {
        node.check()?;
        match self.nodes.iter_mut().find(|known| known.name == node.name) {
            Some(known) if replace => *known = node,
            Some(_) => {
                return Err(usage(
                    format!("a node is called '{}' already", node.name),
                    "choose another name, or give --force to replace it",
                ));
            }
            None => self.nodes.push(node),
        }
        Ok(())
    }

    /// Forgets the node of a name.
    ///
    /// # Errors
    /// There is none.
    pub fn remove(&mut self, name: &str) -> Result<(), Error> {
        self.get(name)?;
        self.nodes.retain(|node| node.name != name);
        Ok(())
    }
}
