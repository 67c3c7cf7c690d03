//! Other programs of the network in the window: which there are, what they have, and what is sent to them.
//!
//! Separate because nothing else needs it, and it is off until a person adds a node. The panel looks at [`View`] and
//! asks by [`Ask`]; what is asked is carried out on a thread of its own, and can be stopped.

pub(crate) mod panel;
mod work;

use std::path::PathBuf;

use crate::app::action::ExportKind;
use crate::app::files::Open;
use crate::document::{Document, Layer};
use crate::transfer::{Match, Node, Query};

pub(crate) use work::Running;

/// The parts of the panel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// Looking for studies and fetching them.
    #[default]
    Find,
    /// Sending the image that is open.
    Send,
    /// Address and names of a node.
    Settings,
}

/// What is typed about a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What the person calls it.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port for DICOM messages.
    pub port: String,
    /// Its AE title.
    pub title: String,
    /// Our AE title.
    pub own_title: String,
    /// Port to listen on during C-MOVE.
    pub listen: String,
    /// DICOMweb address.
    pub web: String,
    /// User of DICOMweb.
    pub user: String,
}

impl Draft {
    /// What is known of a node.
    pub fn of(node: &Node) -> Self {
        let port = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
        Self {
            name: node.name.clone(),
            host: node.host.clone(),
            port: port(node.port),
            title: node.title.clone(),
            own_title: node.own_title.clone(),
            listen: port(node.listen),
            web: node.web.clone().unwrap_or_default(),
            user: node.user.clone().unwrap_or_default(),
        }
    }

    /// The node that was typed; its time limits are those of `before`.
    ///
    /// # Errors
    /// What is wrong, for a person.
    pub fn node(&self, before: &Node) -> Result<Node, String> {
        let text = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let port = |text: &String, what: &str| match text.trim() {
            "" => Ok(None),
            digits => digits
                .parse::<u16>()
                .map(Some)
                .map_err(|_| format!("{what} is a number from 1 to 65535")),
        };
        let node = Node {
            name: self.name.trim().to_owned(),
            host: self.host.trim().to_owned(),
            port: port(&self.port, "the port")?,
            title: self.title.trim().to_owned(),
            own_title: self.own_title.trim().to_owned(),
            listen: port(&self.listen, "the port to listen on")?,
            web: text(&self.web),
            user: text(&self.user),
            ..before.clone()
        };
        node.check().map_err(|error| error.to_string())?;
        Ok(node)
    }
}

/// What a person has chosen and typed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Name of the chosen node; absent while a new one is typed.
    pub chosen: Option<String>,
    /// Which part is shown.
    pub page: Page,
    /// What is typed about the node.
    pub draft: Draft,
    /// Password of the user: never written down.
    pub password: String,
    /// What is looked for.
    pub query: Query,
    /// Which objects go along with the image; absent: all that there is something for.
    pub along: [Option<bool>; 3],
    /// Send without identity.
    pub deidentify: bool,
    /// By DICOMweb where the node has both.
    pub web: bool,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Form(hidden)")
    }
}

/// What can go along with an image, and how it is called.
pub(crate) const ALONG: [(ExportKind, &str); 3] = [
    (ExportKind::Report, "Measurements (Comprehensive SR)"),
    (
        ExportKind::Presentation,
        "View and marks (presentation state)",
    ),
    (ExportKind::Segmentation, "Painted mask (Segmentation)"),
];

/// Why such an object cannot go along; `None` where there is something to send.
pub(crate) fn nothing_for(kind: ExportKind, open: &Open) -> Option<&'static str> {
    let document = open.document();
    match kind {
        ExportKind::Report if !is_measured(document) => Some("nothing is measured"),
        ExportKind::Segmentation if document.marks_of(Layer::Mask).next().is_none() => {
            Some("nothing is painted")
        }
        _ => None,
    }
}

fn is_measured(document: &Document) -> bool {
    !document.figures.is_empty() || document.landmarks.is_some()
}

/// Whether such an object goes along: as was chosen, else where something was made. An image is always looked at in
/// some way, so a view alone is sent only to who asks for it.
pub(crate) fn goes_along(kind: ExportKind, wanted: Option<bool>, open: &Open) -> bool {
    let by_itself = kind != ExportKind::Presentation || is_measured(open.document());
    nothing_for(kind, open).is_none() && wanted.unwrap_or(by_itself)
}

impl Form {
    /// What goes along with the image that is open.
    pub(crate) fn objects(&self, open: &Open) -> Vec<ExportKind> {
        let chosen = ALONG.iter().zip(self.along);
        let chosen = chosen.filter(|((kind, _), wanted)| goes_along(*kind, *wanted, open));
        chosen.map(|((kind, _), _)| *kind).collect()
    }
}

/// Something asked of the panel.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Opens the panel.
    Show,
    /// Takes what was chosen or typed.
    Change(Box<Form>),
    /// Keeps what is typed about the node.
    Save,
    /// Forgets the chosen node.
    Remove,
    /// Asks the chosen node whether it is there.
    Test,
    /// Looks for studies.
    Search,
    /// Fetches the study of this UID.
    Fetch(String),
    /// Sends the image that is open.
    Send,
    /// Stops what is under way.
    Stop,
}

/// What the panel shows.
#[derive(Default)]
pub struct View {
    /// Nodes that there are.
    pub nodes: Vec<Node>,
    /// What a person has chosen and typed.
    pub form: Form,
    /// What was found.
    pub found: Vec<Match>,
    /// What is under way: in words, and how far in 0–1 where that is known.
    pub busy: Option<(String, Option<f32>)>,
    /// How the last thing ended: well or not, and in words.
    pub said: Option<(bool, String)>,
    /// Where the list is kept; absent: the panel cannot be used.
    pub(crate) place: Option<PathBuf>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "View({} nodes)", self.nodes.len())
    }
}

impl View {
    /// The chosen node.
    pub fn node(&self) -> Option<&Node> {
        let chosen = self.form.chosen.as_ref()?;
        self.nodes.iter().find(|node| node.name == *chosen)
    }

    /// Chooses a node by name, or a new one.
    fn choose(&mut self, name: Option<&str>) {
        let node = self
            .nodes
            .iter()
            .find(|node| Some(node.name.as_str()) == name);
        self.form.chosen = node.map(|node| node.name.clone());
        self.form.draft = Draft::of(node.unwrap_or(&Node::default()));
        self.form.password.clear();
        self.found.clear();
        if node.is_none() {
            self.form.page = Page::Settings;
        }
    }
}
