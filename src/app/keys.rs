//! Commands by name, with their keys: one table for menus, tooltips, the sheet of keys and the palette.
//!
//! Separate because a key, a menu entry and a palette line are the same promise; all keys can be changed, a key that
//! is bound twice is refused, and no letter is taken while a text field has the focus.

use std::collections::BTreeMap;

use egui::{Key, KeyboardShortcut, Modifiers};

use super::action::{Action, ExportKind, FrameChange};
use super::canvas::{Tool, VeilKind};
use super::logic::grid::{Layout, Link};
use super::session::Workspace;
use crate::document::{Edit, Layer};
use crate::geometry::FigureKind;

/// A command that a key, a menu or the palette can give.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its name in the settings; never changes.
    pub id: &'static str,
    /// What a person reads.
    pub title: &'static str,
    /// Section of the sheet of keys.
    pub group: &'static str,
    /// Its key as written, `Ctrl+Shift+Z`; empty = none.
    pub default: &'static str,
    /// What it asks for.
    pub action: fn() -> Action,
}

/// Shorthand for a line of the table.
const fn command(
    group: &'static str,
    id: &'static str,
    title: &'static str,
    default: &'static str,
    action: fn() -> Action,
) -> Command {
    Command {
        id,
        title,
        group,
        default,
        action,
    }
}

/// All commands, in the order in which they are listed.
pub const COMMANDS: &[Command] = &[
    command("Tools", "brush", "Brush", "B", || Action::Tool(Tool::Brush)),
    command("Tools", "pen", "Pen", "P", || Action::Tool(Tool::Pen)),
    command("Tools", "eraser", "Eraser", "E", || {
        Action::Tool(Tool::Eraser)
    }),
    command("Tools", "lasso", "Lasso", "L", || Action::Tool(Tool::Lasso)),
    command("Tools", "rectangle", "Rectangle", "R", || {
        Action::Tool(Tool::Rectangle)
    }),
    command("Tools", "fill", "Fill", "G", || Action::Tool(Tool::Fill)),
    command("Tools", "hips", "Hip points", "H", || {
        Action::Tool(Tool::Hips)
    }),
    command("Measure", "length", "Length", "M", || {
        Action::Tool(Tool::Measure(FigureKind::Length))
    }),
    command("Measure", "angle", "Angle", "A", || {
        Action::Tool(Tool::Measure(FigureKind::Angle))
    }),
    command("Measure", "cobb", "Cobb angle", "Shift+A", || {
        Action::Tool(Tool::Measure(FigureKind::Cobb))
    }),
    command("Measure", "circle", "Circle by three points", "C", || {
        Action::Tool(Tool::Measure(FigureKind::Circle))
    }),
    command("Measure", "region", "Region, rectangle", "Shift+R", || {
        Action::Tool(Tool::Measure(FigureKind::Rectangle))
    }),
    command("Measure", "oval", "Region, ellipse", "Shift+E", || {
        Action::Tool(Tool::Measure(FigureKind::Ellipse))
    }),
    command("Measure", "freehand", "Region, freehand", "Shift+L", || {
        Action::Tool(Tool::Measure(FigureKind::Freehand))
    }),
    command(
        "Measure",
        "clear-measures",
        "Clear measurements",
        "",
        || Action::Edit(Box::new(Edit::ClearFigures)),
    ),
    command("Tools", "select", "Select", "V", || {
        Action::Tool(Tool::Select)
    }),
    command("Tools", "bounds", "Canvas bounds", "K", || {
        Action::Tool(Tool::Bounds)
    }),
    command("Tools", "finer", "Finer line", "[", || {
        Action::Size(1.0 / 1.25)
    }),
    command("Tools", "wider", "Wider line", "]", || Action::Size(1.25)),
    command("Tools", "swap", "Swap paint and erase", "X", || {
        Action::SwapErase
    }),
    command("View", "draw", "Draw workspace", "F1", || {
        Action::Workspace(Workspace::Draw)
    }),
    command("View", "hips-workspace", "Hips workspace", "F2", || {
        Action::Workspace(Workspace::Hips)
    }),
    command("View", "view-workspace", "View workspace", "F3", || {
        Action::Workspace(Workspace::View)
    }),
    command("View", "one", "One image", "Ctrl+1", || {
        Action::Layout(Layout::One)
    }),
    command("View", "two", "Two images side by side", "Ctrl+2", || {
        Action::Layout(Layout::Two)
    }),
    command("View", "four", "Four images", "Ctrl+4", || {
        Action::Layout(Layout::Four)
    }),
    command("View", "link-place", "Zoom and pan together", "", || {
        Action::Link(Link::Place)
    }),
    command("View", "link-window", "Windows together", "", || {
        Action::Link(Link::Window)
    }),
    command("View", "link-slice", "Slices together", "", || {
        Action::Link(Link::Slice)
    }),
    command("View", "fit", "Fit the image", "F", || Action::Fit),
    command("View", "one-to-one", "One to one", "1", || Action::OneToOne),
    command("View", "invert", "Invert", "I", || Action::Invert),
    command("View", "rotate", "Rotate", ".", || Action::Rotate),
    command("View", "flip", "Flip", ",", || Action::Flip),
    command("View", "loupe", "Loupe", "Z", || Action::Loupe),
    command("View", "overlays", "Overlays", "O", || Action::Overlays),
    command("View", "before-after", "Before and after", "Tab", || {
        Action::BeforeAfter
    }),
    command(
        "View",
        "difference",
        "Difference from the image",
        "D",
        || Action::Veil(VeilKind::Difference),
    ),
    command("View", "spread", "Spread over the seeds", "S", || {
        Action::Veil(VeilKind::Spread)
    }),
    command("View", "next-frame", "Next frame", "PageDown", || {
        Action::Frame(FrameChange::Step(1))
    }),
    command("View", "previous-frame", "Previous frame", "PageUp", || {
        Action::Frame(FrameChange::Step(-1))
    }),
    command("View", "first-frame", "First frame", "Home", || {
        Action::Frame(FrameChange::To(0))
    }),
    command("View", "last-frame", "Last frame", "End", || {
        Action::Frame(FrameChange::To(usize::MAX))
    }),
    command(
        "View",
        "next-series",
        "Next series",
        "Ctrl+PageDown",
        || Action::Frame(FrameChange::Series(1)),
    ),
    command(
        "View",
        "previous-series",
        "Previous series",
        "Ctrl+PageUp",
        || Action::Frame(FrameChange::Series(-1)),
    ),
    command("View", "series", "List of series", "", || {
        Action::SeriesList
    }),
    command("View", "window", "The image's own window", "Alt+0", || {
        Action::ResetWindow
    }),
    command("View", "preset-1", "Window preset 1", "Alt+1", || {
        Action::Preset(0)
    }),
    command("View", "preset-2", "Window preset 2", "Alt+2", || {
        Action::Preset(1)
    }),
    command("View", "preset-3", "Window preset 3", "Alt+3", || {
        Action::Preset(2)
    }),
    command("View", "preset-4", "Window preset 4", "Alt+4", || {
        Action::Preset(3)
    }),
    command("View", "preset-5", "Window preset 5", "Alt+5", || {
        Action::Preset(4)
    }),
    command(
        "View",
        "identity",
        "Hide or show identity",
        "Ctrl+H",
        || Action::Identity,
    ),
    command("View", "pacs", "PACS mouse buttons", "", || {
        Action::PacsButtons
    }),
    command("View", "full-screen", "Full screen", "F11", || {
        Action::FullScreen
    }),
    command("View", "layout", "Reset the layout", "", || {
        Action::ResetLayout
    }),
    command("Work", "generate", "Generate", "Ctrl+Enter", || {
        Action::Generate
    }),
    command("Work", "seed", "New seed", "N", || Action::NewSeed),
    command("Work", "accept", "Accept the result", "Y", || {
        Action::Accept(None)
    }),
    command("Work", "reject", "Reject the result", "Delete", || {
        Action::Reject(None)
    }),
    command(
        "Work",
        "bring-back",
        "Take back the last rejected",
        "Shift+Delete",
        || Action::BringBack(None),
    ),
    command("Work", "variations", "More like the result", "J", || {
        Action::Variations(None)
    }),
    command(
        "Work",
        "settings",
        "Take the settings of the result",
        "U",
        || Action::TakeSettings(None),
    ),
    command("Work", "cancel", "Cancel", "Escape", || Action::Cancel),
    command("Work", "find-hips", "Find hip points", "", || {
        Action::FindHips
    }),
    command("Work", "place-hips", "Place hip points by hand", "", || {
        Action::PlaceHips
    }),
    command("Edit", "undo", "Undo", "Ctrl+Z", || Action::Undo),
    command("Edit", "redo", "Redo", "Ctrl+Shift+Z", || Action::Redo),
    command("Edit", "clear-sketch", "Clear the sketch", "", || {
        Action::Clear(Layer::Sketch)
    }),
    command("Edit", "clear-mask", "Clear the mask", "", || {
        Action::Clear(Layer::Mask)
    }),
    command("File", "open", "Open…", "Ctrl+O", || Action::OpenDialog),
    command("File", "save", "Save project", "Ctrl+S", || Action::Save),
    command("File", "export-png", "Export PNG…", "", || {
        Action::Export(ExportKind::Png16)
    }),
    command("File", "export-dicom", "Export DICOM…", "", || {
        Action::Export(ExportKind::Dicom)
    }),
    command("File", "export-tiff", "Export TIFF…", "", || {
        Action::Export(ExportKind::Tiff)
    }),
    command("File", "export-nifti", "Export NIfTI…", "", || {
        Action::Export(ExportKind::Nifti)
    }),
    command(
        "File",
        "export-seg",
        "Export the mask as DICOM Segmentation…",
        "",
        || Action::Export(ExportKind::Segmentation),
    ),
    command(
        "File",
        "export-sr",
        "Export measurements as DICOM SR…",
        "",
        || Action::Export(ExportKind::Report),
    ),
    command(
        "File",
        "export-pr",
        "Export the view as presentation state…",
        "",
        || Action::Export(ExportKind::Presentation),
    ),
    command(
        "File",
        "export-coco",
        "Export the mask as COCO…",
        "",
        || Action::Export(ExportKind::Coco),
    ),
    command(
        "File",
        "export-csv",
        "Export measurements as CSV…",
        "",
        || Action::Export(ExportKind::Csv),
    ),
    command("File", "export-mask", "Export the mask…", "", || {
        Action::Export(ExportKind::Mask)
    }),
    command("File", "export-record", "Export the record…", "", || {
        Action::Export(ExportKind::Record)
    }),
    command("File", "nodes", "Send and fetch…", "", || {
        Action::Nodes(Box::new(super::nodes::Ask::Show))
    }),
    command(
        "File",
        "export-nameless",
        "Exports without identity",
        "",
        || Action::ExportIdentity,
    ),
    command(
        "File",
        "export-blank",
        "Mask black in exports without identity",
        "",
        || Action::ExportBlank,
    ),
    command("File", "close", "Close the case", "Ctrl+W", || {
        Action::CloseCase
    }),
    command("File", "quit", "Quit", "Ctrl+Q", || Action::Quit),
    command("Help", "palette", "Command palette", "Ctrl+K", || {
        Action::Palette
    }),
    command("Help", "keys", "Keys", "?", || Action::Keys),
    command("Help", "demo", "Reset the demo", "F5", || Action::ResetDemo),
    command(
        "Help",
        "leave-demo",
        "Leave the demo",
        "Ctrl+Shift+Q",
        || Action::LeaveDemo,
    ),
];

/// The command of a name.
pub fn find(id: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.id == id)
}

/// Which command each shortcut gives.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    bound: Vec<(&'static str, KeyboardShortcut)>,
}

impl Keys {
    /// The defaults with the changes of a person; a change that cannot be read leaves the default.
    pub fn new(changed: &BTreeMap<String, String>) -> Self {
        let mut bound: Vec<_> = COMMANDS
            .iter()
            .filter_map(|command| {
                let text = changed
                    .get(command.id)
                    .map_or(command.default, String::as_str);
                let shortcut = parse(text).or_else(|| {
                    if text.is_empty() {
                        None
                    } else {
                        parse(command.default)
                    }
                });
                Some((command.id, shortcut?))
            })
            .collect();
        // More modifiers first: Ctrl+Shift+Z must not be eaten by Ctrl+Z.
        bound.sort_by_key(|(_, shortcut)| {
            let m = shortcut.modifiers;
            std::cmp::Reverse(u8::from(m.command) + u8::from(m.shift) + u8::from(m.alt))
        });
        Self { bound }
    }

    /// The shortcut of a command, as written; empty when it has none.
    pub fn label(&self, id: &str) -> String {
        self.bound
            .iter()
            .find(|(bound, _)| *bound == id)
            .map(|(_, shortcut)| write(*shortcut))
            .unwrap_or_default()
    }

    /// Another command that has this shortcut already.
    pub fn conflict(&self, id: &str, shortcut: &str) -> Option<&'static Command> {
        let wanted = parse(shortcut)?;
        self.bound
            .iter()
            .find(|(bound, taken)| *bound != id && *taken == wanted)
            .and_then(|(bound, _)| find(bound))
    }

    /// The actions whose keys were pressed; the keys are taken out of the input.
    ///
    /// While `typing`, only shortcuts with Ctrl or a function key count, and Enter, Escape and Tab are the field's.
    pub fn take(&self, ctx: &egui::Context, typing: bool) -> Vec<Action> {
        ctx.input_mut(|input| {
            let mut actions = Vec::new();
            for (id, shortcut) in &self.bound {
                // Tab moves the focus; where it means something else the window takes it before egui does.
                let tab = shortcut.logical_key == Key::Tab && shortcut.modifiers.is_none();
                if tab || (typing && !counts_while_typing(*shortcut)) {
                    continue;
                }
                if consume(input, *shortcut)
                    && let Some(command) = find(id)
                {
                    actions.push((command.action)());
                }
            }
            actions
        })
    }
}

fn counts_while_typing(shortcut: KeyboardShortcut) -> bool {
    let editing = matches!(
        shortcut.logical_key,
        Key::Z | Key::Y | Key::A | Key::W | Key::H | Key::K | Key::Backspace | Key::Delete
    );
    let function = shortcut.logical_key.name().starts_with('F')
        && shortcut.logical_key.name().len() > 1
        && shortcut.modifiers.is_none();
    (shortcut.modifiers.command && !editing) || function
}

/// Takes one press out of the input. Signs such as `?` and `[` need Shift on some layouts, so Shift is free there.
fn consume(input: &mut egui::InputState, shortcut: KeyboardShortcut) -> bool {
    let sign = shortcut.logical_key.name().len() > 1
        && shortcut.logical_key.symbol_or_name().chars().count() == 1
        && !shortcut
            .logical_key
            .symbol_or_name()
            .chars()
            .all(char::is_alphanumeric);
    let mut taken = false;
    input.events.retain(|event| {
        let hit = matches!(event, egui::Event::Key { key, pressed: true, repeat, modifiers, .. }
            if *key == shortcut.logical_key
                && (!repeat || matches!(key, Key::OpenBracket | Key::CloseBracket | Key::PageDown | Key::PageUp | Key::Z))
                && modifiers.alt == shortcut.modifiers.alt
                && modifiers.command == shortcut.modifiers.command
                && (sign || modifiers.shift == shortcut.modifiers.shift));
        taken |= hit;
        !hit
    });
    taken
}

/// Reads a shortcut as written: `Ctrl+Shift+Z`, `[`, `F5`.
pub fn parse(text: &str) -> Option<KeyboardShortcut> {
    let mut modifiers = Modifiers::NONE;
    let mut rest = text;
    while let Some((first, other)) = rest.split_once('+') {
        if other.is_empty() {
            break;
        }
        modifiers = modifiers.plus(match first {
            "Ctrl" | "Cmd" => Modifiers::COMMAND,
            "Shift" => Modifiers::SHIFT,
            "Alt" => Modifiers::ALT,
            _ => return None,
        });
        rest = other;
    }
    Key::from_name(rest).map(|key| KeyboardShortcut::new(modifiers, key))
}

/// Writes a shortcut as a person reads it.
pub fn write(shortcut: KeyboardShortcut) -> String {
    let mut text = String::new();
    for (held, name) in [
        (shortcut.modifiers.command, "Ctrl+"),
        (shortcut.modifiers.shift, "Shift+"),
        (shortcut.modifiers.alt, "Alt+"),
    ] {
        if held {
            text.push_str(name);
        }
    }
    text.push_str(match shortcut.logical_key {
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::Questionmark => "?",
        Key::Period => ".",
        Key::Comma => ",",
        Key::Escape => "Esc",
        key => key.name(),
    });
    text
}
