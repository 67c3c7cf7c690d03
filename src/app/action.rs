//! Actions: everything a person can ask of the window, as plain values.
//!
//! Separate because menus, keys, the palette, panels and the demo all push the same values, and only the logic
//! carries them out: a panel can be tested by what it pushes.

use std::path::PathBuf;

use crate::document::{Edit, Layer};
use crate::job::JobId;

use super::canvas::{CanvasEvent, Tool, ToolOptions, Under, VeilKind};
pub use super::logic::grid::{Layout, Link};
use super::session::{Recipe, ResultId, SortBy, Workspace};

/// The form of an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// The image as it stands, 16-bit PNG.
    Png16,
    /// The image as it stands, TIFF at its own depth.
    Tiff,
    /// The image as it stands, one slice.
    Nifti,
    /// The image as it stands, DICOM secondary capture.
    Dicom,
    /// The mask as DICOM Segmentation.
    Segmentation,
    /// Everything that was measured, DICOM Comprehensive SR.
    Report,
    /// Window and measurements, DICOM presentation state.
    Presentation,
    /// The mask as COCO JSON.
    Coco,
    /// Measurements, else hip points, else the mask, one row a number.
    Csv,
    /// The mask that will be used, 8-bit PNG.
    Mask,
    /// `record.json` of the last accepted result.
    Record,
}

impl ExportKind {
    /// All of them, in the order of the menu.
    pub const ALL: [Self; 11] = [
        Self::Png16,
        Self::Tiff,
        Self::Nifti,
        Self::Dicom,
        Self::Segmentation,
        Self::Report,
        Self::Presentation,
        Self::Coco,
        Self::Csv,
        Self::Mask,
        Self::Record,
    ];

    /// File ending, without the dot.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Png16 | Self::Mask => "png",
            Self::Tiff => "tif",
            Self::Nifti => "nii.gz",
            Self::Dicom | Self::Segmentation | Self::Report | Self::Presentation => "dcm",
            Self::Coco | Self::Record => "json",
            Self::Csv => "csv",
        }
    }

    /// What is put behind the name of the case, so that two exports do not meet.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Png16 | Self::Tiff | Self::Nifti | Self::Dicom => "",
            Self::Segmentation => "-segmentation",
            Self::Report => "-measurements",
            Self::Presentation => "-view",
            Self::Coco => "-coco",
            Self::Csv => "-table",
            Self::Mask => "-mask",
            Self::Record => "-record",
        }
    }

    /// What a menu calls it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Png16 => "Image as PNG…",
            Self::Tiff => "Image as TIFF…",
            Self::Nifti => "Image as NIfTI…",
            Self::Dicom => "Image as DICOM…",
            Self::Segmentation => "Mask as DICOM Segmentation…",
            Self::Report => "Measurements as DICOM SR…",
            Self::Presentation => "View as DICOM presentation state…",
            Self::Coco => "Mask as COCO…",
            Self::Csv => "Measurements as CSV…",
            Self::Mask => "Mask as PNG…",
            Self::Record => "Record as JSON…",
        }
    }

    /// Whether the file refers to a DICOM image and needs one.
    pub const fn refers(self) -> bool {
        matches!(self, Self::Segmentation | Self::Report | Self::Presentation)
    }
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Theme {
    /// The default.
    #[default]
    Dark,
    /// For bright rooms and for paper.
    Light,
}

/// Which frame of a file, or which image of a folder, is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameChange {
    /// So many on, negative = back; held at the ends.
    Step(isize),
    /// This one, from 0; the last when there are fewer.
    To(usize),
    /// The first of another series, so many on, negative = back.
    Series(isize),
    /// The first of this series, from 0.
    ToSeries(usize),
}

/// One thing the user asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Asks for a file.
    OpenDialog,
    /// Asks for a folder.
    OpenFolder,
    /// Opens a file or a folder.
    Open(PathBuf),
    /// Takes a dropped file: masks onto the open image, all else is opened.
    Dropped(PathBuf),
    /// Opens several files and folders as the series they hold.
    OpenAll(Vec<PathBuf>),
    /// Opens the bundled case of this number.
    OpenCase(usize),
    /// Back to the empty state.
    CloseCase,
    /// Takes unsaved work of an earlier session up again.
    Restore(PathBuf),
    /// Throws unsaved work of an earlier session away.
    Discard(PathBuf),
    /// Forgets the list of recent files.
    ClearRecent,
    /// Saves the project folder.
    Save,
    /// Writes one file.
    Export(ExportKind),
    /// Sends to or fetches from other programs of the network.
    Nodes(Box<super::nodes::Ask>),
    /// Exports go without identity, or with it.
    ExportIdentity,
    /// Makes the painted mask black in exports without identity, or leaves it.
    ExportBlank,
    /// Ends the program.
    Quit,

    /// Changes the document.
    Edit(Box<Edit>),
    /// Takes the last edit back.
    Undo,
    /// Does it again.
    Redo,
    /// Removes all marks of a layer.
    Clear(Layer),

    /// Takes a tool.
    Tool(Tool),
    /// Makes the tool's line wider or finer by this factor.
    Size(f64),
    /// Swaps painting and erasing.
    SwapErase,
    /// A square brush in the place of the round one, and back.
    SwapTip,
    /// Changes how the tools draw: range of values, tolerance of the fill.
    ToolOptions(Box<ToolOptions>),

    /// Shows a workspace.
    Workspace(Workspace),
    /// Shows so many images side by side.
    Layout(Layout),
    /// Lets views go together, or each for itself.
    Link(Link),
    /// The pointer is at a point of an image beside the case, or has left it; number from 0, image pixels.
    Probe(usize, Option<Under>),
    /// Exchanges an image beside the case, number from 0, with the one on the stage.
    ToStage(usize),
    /// The length of this number in millimetres, as a person knows it: all of the image is measured by it.
    Calibrate(usize, f64),
    /// The length that is typed to calibrate with, mm.
    KnownLength(f64),
    /// Keys and the list of series act on this image, 0 = the open case.
    ActiveCell(usize),
    /// Fits the image.
    Fit,
    /// One image pixel to one screen pixel.
    OneToOne,
    /// Inverts the display.
    Invert,
    /// Turns the display by a quarter.
    Rotate,
    /// Mirrors the display.
    Flip,
    /// The image's own window.
    ResetWindow,
    /// Another frame of the file.
    Frame(FrameChange),
    /// A window of the list: the image's own displays and VOI LUTs, then the presets of its modality.
    Preset(usize),
    /// From the 0.1 to the 99.9 percentile of the values.
    AutoWindow,
    /// From the smallest to the largest value.
    FullRange,
    /// Magnifies what lies under the pointer, or not.
    Loupe,
    /// Shows or hides strokes, masks and points.
    Overlays,
    /// Shows or hides the overlay planes of the file.
    Planes,
    /// Hides all overlay planes but regions of interest with identity, or only those that call themselves words.
    PlanesIdentity,
    /// Shows the image before and after, and back.
    BeforeAfter,
    /// Hides or shows who the image is of.
    Identity,
    /// Left button windows instead of drawing, as in a PACS viewer.
    PacsButtons,
    /// Shows or hides the list of series.
    SeriesList,
    /// Folds the series of the study of this number, from 0, away in the list, or shows them again.
    FoldStudy(usize),
    /// Whole screen and back.
    FullScreen,
    /// Light or dark.
    Theme(Theme),
    /// Panels back to where they were.
    ResetLayout,

    /// Changes what is asked for besides what is drawn.
    Recipe(Box<Recipe>),
    /// Asks for a model folder and adds it.
    AddModel,
    /// Asks for a LoRA file and adds it to the model that is chosen.
    AddLora,
    /// Makes images from what is drawn.
    Generate,
    /// A new seed.
    NewSeed,
    /// Makes more like a result, by other seeds; absent = like the one that is shown.
    Variations(Option<ResultId>),
    /// Takes all settings of a result, and what was drawn and painted for it; absent = of the one that is shown, else of
    /// the one that was accepted last.
    TakeSettings(Option<ResultId>),
    /// Lays a difference or a spread over the result, or takes it away again.
    Veil(VeilKind),
    /// The kind that was guessed is right.
    ConfirmKind,
    /// Moves the before/after slider.
    Split(f32),
    /// Live mode on or off.
    Live(bool),
    /// Reads hip points with the network.
    FindHips,
    /// Puts hip points in the middle of the image, to be dragged.
    PlaceHips,
    /// Shows a result on the canvas, or none.
    Show(Option<ResultId>),
    /// Makes a result part of the document; absent = the one that is shown.
    Accept(Option<ResultId>),
    /// Drops a result; absent = the one that is shown.
    Reject(Option<ResultId>),
    /// Takes a rejected result up again; absent = the last one.
    BringBack(Option<ResultId>),
    /// Puts the results of the tray in this order; true = the other way round.
    SortTray(SortBy, bool),
    /// Cancels the stroke, else closes what is open, else stops the job.
    Cancel,
    /// Stops one job.
    CancelJob(JobId),

    /// Opens the command palette.
    Palette,
    /// What is typed in the palette, and the chosen line.
    PaletteTyped(String, usize),
    /// A canvas of this layer says what happened.
    Canvas(Layer, Box<CanvasEvent>),
    /// Opens the sheet of keys.
    Keys,
    /// Opens or closes the list of notices.
    Notices,
    /// Forgets the notices.
    ClearNotices,
    /// Closes whatever is open above the window.
    Close,
    /// Binds a command to a shortcut; absent = waits for the key to be pressed.
    Bind(&'static str, Option<String>),
    /// Takes the shortcut of a command away.
    Unbind(&'static str),
    /// All shortcuts as they were at first.
    DefaultKeys,
    /// Puts a first-start hint away.
    DismissHint(&'static str),
    /// Puts text on the clipboard.
    Copy(String),
    /// Brings the demo back to its beginning.
    ResetDemo,
    /// Ends the program where [`Action::Quit`] is refused: in the demo.
    LeaveDemo,
}
