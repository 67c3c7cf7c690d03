//! Commands by name, with their keys: one table for menus, tooltips, the sheet of keys and the palette.
//!
//! Separate because a key, a menu entry and a palette line are the same promise; all keys can be changed, a key that
//! is bound twice is refused, and no letter is taken while a text field has the focus.

mod bound;

pub use bound::{HELD, Keys, Taken, parse, write};

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

/// The palette has two keys; its second entry is not listed in itself.
pub const SECOND_PALETTE: &str = "palette-too";

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
    command("Tools", "tip", "Round or square brush", "", || {
        Action::SwapTip
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
    command("View", "link-zoom", "Zoom together", "", || {
        Action::Link(Link::Zoom)
    }),
    command("View", "link-pan", "Pan together", "", || {
        Action::Link(Link::Pan)
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
    command(
        "View",
        "planes",
        "Overlay planes of the file",
        "Shift+O",
        || Action::Planes,
    ),
    command(
        "View",
        "planes-identity",
        "All overlay planes go with identity",
        "",
        || Action::PlanesIdentity,
    ),
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
    command("View", "auto-window", "Auto window", "Alt+A", || {
        Action::AutoWindow
    }),
    command("View", "full-range", "Full range", "Alt+F", || {
        Action::FullRange
    }),
    command("View", "preset-1", "Window 1 of the list", "Alt+1", || {
        Action::Preset(0)
    }),
    command("View", "preset-2", "Window 2 of the list", "Alt+2", || {
        Action::Preset(1)
    }),
    command("View", "preset-3", "Window 3 of the list", "Alt+3", || {
        Action::Preset(2)
    }),
    command("View", "preset-4", "Window 4 of the list", "Alt+4", || {
        Action::Preset(3)
    }),
    command("View", "preset-5", "Window 5 of the list", "Alt+5", || {
        Action::Preset(4)
    }),
    command("View", "preset-6", "Window 6 of the list", "Alt+6", || {
        Action::Preset(5)
    }),
    command("View", "preset-7", "Window 7 of the list", "Alt+7", || {
        Action::Preset(6)
    }),
    command("View", "preset-8", "Window 8 of the list", "Alt+8", || {
        Action::Preset(7)
    }),
    command("View", "preset-9", "Window 9 of the list", "Alt+9", || {
        Action::Preset(8)
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
    command(
        "File",
        "open-folder",
        "Open folder…",
        "Ctrl+Shift+O",
        || Action::OpenFolder,
    ),
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
    command(
        "Help",
        SECOND_PALETTE,
        "Command palette, another key",
        "Ctrl+Shift+P",
        || Action::Palette,
    ),
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
