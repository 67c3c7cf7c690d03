//! Headless commands: one file a subcommand, thin; the command line is a contract that others call.
//!
//! Every command reports on standard output (text, or one JSON document with `--json`), progress goes to standard
//! error, and only to a terminal. Exit codes: 0 done, 1 some items failed, 2 usage, 3 input, 4 model, 5 stopped.

pub mod bench;
mod convert;
mod decode;
mod deidentify;
mod export;
mod generate;
mod inspect;
mod kills;
mod measure;
pub mod models;
mod mutate;
mod norberg;
mod peers;
mod phantom;
pub mod progress;
mod prompted;
mod reproduce;
pub mod train;
mod transfer;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::engine::LocalEngine;
use crate::job::{Engine as _, Error, ErrorKind, Observe, Order, Product};
use crate::network::device::Wanted;
use crate::radiograph;

/// Draw on medical images and get new ones; without a command, the window.
#[derive(Debug, Parser)]
#[command(
    name = "radcanvas",
    version,
    about,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
    /// Images to open in the window.
    files: Vec<PathBuf>,
    /// The bundled cases and models, fully offline, for a stand at a conference; Ctrl+Shift+Q ends it.
    #[arg(long)]
    demo: bool,
}

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// One JSON document on standard output and nothing else there.
    #[arg(long, global = true)]
    pub json: bool,
    /// Where networks run.
    #[arg(long, global = true, value_enum, default_value_t = DeviceChoice::Auto)]
    pub device: DeviceChoice,
    /// Threads for networks and phantoms; all cores if absent.
    #[arg(long, global = true)]
    pub threads: Option<usize>,
    /// No progress.
    #[arg(long, global = true)]
    pub quiet: bool,
}

/// Where networks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceChoice {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// An Apple GPU.
    Metal,
    /// The best there is: a GPU that the program was built for and that answers, else the processor.
    Auto,
}

impl From<DeviceChoice> for Wanted {
    fn from(choice: DeviceChoice) -> Self {
        match choice {
            DeviceChoice::Cpu => Self::Processor,
            DeviceChoice::Cuda => Self::Cuda,
            DeviceChoice::Metal => Self::Metal,
            DeviceChoice::Auto => Self::Best,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure this machine.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// What the reader understood of each file.
    Inspect(inspect::Inspect),
    /// One frame into another file format.
    Convert(convert::Convert),
    /// Masks, hips or the view of an image as a file of their own.
    Export(export::Export),
    /// A DICOM file without what tells who it is.
    Deidentify(deidentify::Deidentify),
    /// Both hips of ventrodorsal films.
    Norberg(norberg::Norberg),
    /// Images from sketches, masks and attributes.
    Generate(Box<generate::Generate>),
    /// Makes the image of a record again and compares it.
    Reproduce(reproduce::Reproduce),
    /// Numbers about images.
    #[command(subcommand)]
    Measure(measure::Measure),
    /// Analytic radiographs with their truth.
    Phantom(phantom::PhantomArguments),
    /// Train a network.
    Train(train::Train),
    /// Models: what is there, and whether it loads.
    #[command(subcommand)]
    Models(models::Models),
    /// Other programs of the network: which there are, and whether they answer.
    #[command(subcommand)]
    Nodes(transfer::NodesCommand),
    /// DICOM files to a node.
    Send(transfer::Send),
    /// What a node has.
    Find(transfer::Find),
    /// A study or a series of a node into a folder.
    Fetch(transfer::Fetch),
    /// Answers another instance of this program.
    #[command(hide = true)]
    Decode,
    /// Ends this program by force while it works, and looks at what is left.
    #[command(hide = true)]
    Kills(kills::Kills),
    /// Damages image files and opens them.
    #[command(hide = true)]
    Mutate(mutate::Mutate),
}

/// What the window is opened with.
#[derive(Clone, Debug, Default)]
pub struct WindowOptions {
    /// Files to open.
    pub files: Vec<PathBuf>,
    /// The demo for a conference.
    pub demo: bool,
    /// Where networks run.
    pub device: Wanted,
}

/// Parses the arguments and runs a subcommand, or opens the window through `open_window`.
///
/// `canvas` measures the canvas, which this layer does not know.
pub fn run(
    open_window: impl FnOnce(WindowOptions) -> Result<(), Error>,
    window: bench::WindowFigures,
) -> ExitCode {
    let arguments = Arguments::parse();
    let decodes = matches!(arguments.command, Some(Command::Decode));
    if !decodes && let Some(program) = decode::own_program() {
        radiograph::decode_apart(program, decode::most_seconds());
    }
    // Every thread takes address space, which the decoding process has little of.
    let threads = if decodes {
        Some(1)
    } else {
        arguments.common.threads
    };
    if let Some(threads) = threads {
        // Fails only where a pool stands already, and none does yet.
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .ok();
    }
    if arguments.command.is_none() {
        radiograph::start_ahead();
    }
    let result = match &arguments.command {
        None => open_window(WindowOptions {
            files: arguments.files.clone(),
            demo: arguments.demo,
            device: arguments.common.device.into(),
        })
        .map(|()| ExitCode::SUCCESS),
        Some(command) => dispatch(command, &arguments.common, window),
    };
    result.unwrap_or_else(|error| {
        report(&error);
        exit_code(error.kind)
    })
}

fn dispatch(
    command: &Command,
    common: &Common,
    window: bench::WindowFigures,
) -> Result<ExitCode, Error> {
    match command {
        Command::Inspect(options) => inspect::run(options, common),
        Command::Convert(options) => convert::run(options, common),
        Command::Export(options) => export::run(options, common),
        Command::Deidentify(options) => deidentify::run(options, common),
        Command::Norberg(options) => norberg::run(options, common),
        Command::Generate(options) => generate::run(options, common),
        Command::Reproduce(options) => reproduce::run(options, common),
        Command::Measure(measure) => measure::run(measure, common),
        Command::Bench(what) => bench::run(what, common, window),
        Command::Phantom(options) => phantom::run(options, common),
        Command::Train(options) => train::run(options, common),
        Command::Models(what) => models::run(what, common),
        Command::Nodes(what) => transfer::nodes(what, common),
        Command::Send(options) => transfer::send(options, common),
        Command::Find(options) => transfer::find(options, common),
        Command::Fetch(options) => transfer::fetch(options, common),
        Command::Decode => decode::run(),
        Command::Kills(options) => kills::run(options, common),
        Command::Mutate(options) => mutate::run(options, common),
    }
}

/// The exit code of the contract for a class of error.
pub fn exit_code(kind: ErrorKind) -> ExitCode {
    ExitCode::from(match kind {
        ErrorKind::Failed => 1,
        ErrorKind::Usage => 2,
        ErrorKind::Input => 3,
        ErrorKind::Model => 4,
        ErrorKind::Stopped => 5,
    })
}

/// Says an error on standard error.
pub fn report(error: &Error) {
    use std::io::Write as _;
    // Nothing can be done when standard error itself is gone.
    writeln!(std::io::stderr(), "radcanvas: {error}").ok();
}

/// Writes one line to standard output; a closed pipe is not an error of ours.
pub fn say(line: &str) {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}").ok();
}

/// Writes one JSON document to standard output.
pub fn say_json(value: &serde_json::Value) {
    say(&value.to_string());
}

/// The engine of a command: over a folder of model folders first, then the person's own and the bundled ones.
fn engine_of(models: Option<&std::path::Path>, common: &Common) -> LocalEngine {
    LocalEngine::over(folders_of(models), common.device.into())
}

/// Where a command looks for models, in order.
fn folders_of(models: Option<&std::path::Path>) -> Vec<PathBuf> {
    let first = models.map(std::path::Path::to_owned);
    first
        .into_iter()
        .chain(crate::bundle::model_folders())
        .collect()
}

/// The engine over several folders first; each holds models, or is one of the diffusers layout itself.
fn engine_over(first: Vec<PathBuf>, common: &Common) -> LocalEngine {
    let folders = first.into_iter().chain(crate::bundle::model_folders());
    LocalEngine::over(folders.collect(), common.device.into())
}

/// Carries an order out, and says on standard error what the engine wants a person to know.
fn carry_out(
    engine: &mut LocalEngine,
    order: &Order,
    observe: &mut Observe<'_>,
) -> Result<Product, Error> {
    let result = engine.carry_out(order, observe);
    for notice in engine.notices() {
        warn(&notice);
    }
    result
}

/// Says something on standard error that is no error.
fn warn(notice: &str) {
    use std::io::Write as _;
    // Nothing can be done when standard error itself is gone.
    writeln!(std::io::stderr(), "radcanvas: {notice}").ok();
}
