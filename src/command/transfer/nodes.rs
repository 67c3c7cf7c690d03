//! `nodes list|add|remove|echo`: which nodes there are, and whether they answer.
//!
//! Separate as every subcommand is; a node is checked by [`crate::transfer::Node::check`].

use std::process::ExitCode;

use serde_json::json;

use super::{List, access};
use crate::command::progress::Bar;
use crate::command::{Common, say, say_json};
use crate::job::Error;
use crate::transfer::{self, Node};

/// `nodes`.
#[derive(Clone, Debug, clap::Subcommand)]
pub(in crate::command) enum NodesCommand {
    /// The nodes that were added.
    List(Listing),
    /// Adds a node.
    Add(Box<Add>),
    /// Forgets a node.
    Remove(Named),
    /// Asks a node whether it is there.
    Echo(Named),
}

/// Options of `nodes list`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::command) struct Listing {
    #[command(flatten)]
    list: List,
}

/// Options of `nodes remove` and `nodes echo`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::command) struct Named {
    /// Name of the node.
    name: String,
    #[command(flatten)]
    list: List,
}

/// Options of `nodes add`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::command) struct Add {
    /// A name for it: letters, digits, '-', '_' and '.'.
    name: String,
    /// Host name or address, for DICOM messages.
    #[arg(long, default_value = "")]
    host: String,
    /// Port for DICOM messages.
    #[arg(long)]
    port: Option<u16>,
    /// Its AE title.
    #[arg(long, default_value = "")]
    title: String,
    /// Our AE title towards it.
    #[arg(long, default_value = "RADCANVAS")]
    own_title: String,
    /// Port to listen on while it sends to us (C-MOVE); without it C-GET is used.
    #[arg(long)]
    listen: Option<u16>,
    /// Root of its `DICOMweb` service: `https://host/dicom-web`.
    #[arg(long)]
    web: Option<String>,
    /// User of the `DICOMweb` service; the password comes in `RADCANVAS_NODE_PASSWORD`.
    #[arg(long)]
    user: Option<String>,
    /// Seconds that a connection may take.
    #[arg(long, default_value_t = Node::default().connect_seconds)]
    connect_seconds: u64,
    /// Seconds for which nothing may come or go.
    #[arg(long, default_value_t = Node::default().quiet_seconds)]
    quiet_seconds: u64,
    /// Seconds that a transfer may take in all.
    #[arg(long, default_value_t = Node::default().whole_seconds)]
    whole_seconds: u64,
    /// Replace a node of this name.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    list: List,
}

/// Lists, adds, forgets or tries nodes.
pub(in crate::command) fn run(what: &NodesCommand, common: &Common) -> Result<ExitCode, Error> {
    match what {
        NodesCommand::List(options) => list(&options.list, common)?,
        NodesCommand::Add(options) => add(options, common)?,
        NodesCommand::Remove(options) => {
            let mut nodes = options.list.load()?;
            nodes.remove(&options.name)?;
            nodes.save(&options.list.place()?)?;
            done(common, &options.name, "removed");
        }
        NodesCommand::Echo(options) => {
            let node = options.list.node(&options.name)?;
            let mut bar = Bar::new(common);
            let echo = transfer::echo(&node, &access(), &mut |p| bar.show(&p));
            bar.clear();
            let echo = echo?;
            if common.json {
                say_json(&json!({
                    "name": node.name, "by": echo.by, "milliseconds": echo.milliseconds,
                }));
            } else {
                say(&format!(
                    "{} answers ({}, {} ms)",
                    node.name, echo.by, echo.milliseconds
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn done(common: &Common, name: &str, what: &str) {
    if common.json {
        say_json(&json!({ "name": name, what: true }));
    } else {
        say(&format!("{name} {what}"));
    }
}

fn list(list: &List, common: &Common) -> Result<(), Error> {
    let nodes = list.load()?.nodes;
    if common.json {
        say_json(&json!(nodes));
        return Ok(());
    }
    if nodes.is_empty() {
        say("no node is configured; `radcanvas nodes add` adds one");
    }
    for node in &nodes {
        let dicom = node
            .port
            .map(|port| format!("{}@{}:{port}", node.title, node.host));
        let ways = [dicom, node.web.clone()];
        let ways: Vec<String> = ways.into_iter().flatten().collect();
        say(&format!("{}: {}", node.name, ways.join(", ")));
    }
    Ok(())
}

fn add(options: &Add, common: &Common) -> Result<(), Error> {
    let node = Node {
        name: options.name.clone(),
        host: options.host.clone(),
        port: options.port,
        title: options.title.clone(),
        own_title: options.own_title.clone(),
        listen: options.listen,
        web: options.web.clone(),
        user: options.user.clone(),
        connect_seconds: options.connect_seconds,
        quiet_seconds: options.quiet_seconds,
        whole_seconds: options.whole_seconds,
    };
    let mut nodes = options.list.load()?;
    nodes.put(node, options.force)?;
    nodes.save(&options.list.place()?)?;
    done(common, &options.name, "added");
    Ok(())
}
