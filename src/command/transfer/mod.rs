//! `nodes`, `send`, `find`, `fetch`: other programs of the network, by [`crate::transfer`].
//!
//! Separate because these four share the list of nodes and how a node is opened; each is thin.

mod fetch;
mod find;
mod nodes;
mod send;

use std::path::PathBuf;

use crate::job::{Error, ErrorKind};
use crate::transfer::{Access, Node, Nodes};

pub(super) use fetch::Fetch;
pub(super) use find::Find;
pub(super) use nodes::NodesCommand;
pub(super) use send::Send;

pub(super) use fetch::run as fetch;
pub(super) use find::run as find;
pub(super) use nodes::run as nodes;
pub(super) use send::run as send;

/// Holds the password of a node's user.
const PASSWORD: &str = "RADCANVAS_NODE_PASSWORD";

/// Where the nodes are kept.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct List {
    /// The list of nodes; `nodes.json` in the program's own folder if absent.
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
}

impl List {
    fn place(&self) -> Result<PathBuf, Error> {
        self.nodes.clone().or_else(Nodes::place).ok_or_else(|| {
            Error::new(
                ErrorKind::Usage,
                "this person has no folder for the list of nodes",
            )
            .remedy("give --nodes")
        })
    }

    fn load(&self) -> Result<Nodes, Error> {
        Nodes::load(&self.place()?)
    }

    fn node(&self, name: &str) -> Result<Node, Error> {
        self.load()?.get(name).cloned()
    }
}

fn access() -> Access {
    Access {
        password: std::env::var(PASSWORD).ok(),
    }
}
