//! `generate sketch|inpaint|outpaint|sample`: images, masks and a record each; `--request` runs a manifest.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::norberg::{points_for, read_points};
use super::progress::Bar;
use super::prompted::{self, Asked};
use super::{Common, carry_out, engine_over, report, say, say_json};
use crate::document::{Document, Edit, Layer, Mark, Operation, Shape};
use crate::engine::LocalEngine;
use crate::grid::Grid;
use crate::job::record::{self, Record};
use crate::job::{
    Attributes, Error, ErrorKind, GivenNoise, Mode, ModelReference, Order, Outcome, Product,
    Request, Sampler, Sex,
};
use crate::radiograph::{self, Margins};

/// What is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ModeChoice {
    /// A whole image from a sketch.
    Sketch,
    /// The painted part is renewed.
    Inpaint,
    /// The painted part is kept, the rest renewed.
    Outpaint,
    /// A whole image from attributes alone.
    Sample,
}

/// Options of `generate`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Generate {
    /// What to generate; not needed with `--request`.
    mode: Option<ModeChoice>,
    /// Name of the model, or a model folder; the first bundled one if absent.
    #[arg(long)]
    model: Option<String>,
    /// The image to work on.
    #[arg(long)]
    image: Option<PathBuf>,
    /// White lines on black, of the image's size.
    #[arg(long)]
    hint: Option<PathBuf>,
    /// Hip points that the image shall show: one object, or a phantom's `landmarks.json` with the image's name.
    #[arg(long)]
    landmarks: Option<PathBuf>,
    /// Leaves images as the first pass made them instead of drawing them again, finer.
    #[arg(long)]
    no_refiner: bool,
    /// White where painted, of the image's size.
    #[arg(long)]
    mask: Option<PathBuf>,
    /// Seed of the noise.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Images to make.
    #[arg(long, default_value_t = 1)]
    count: usize,
    /// Denoising steps; 8 if absent, 20 for models that read text.
    #[arg(long)]
    steps: Option<usize>,
    /// `ddim` or `ddpm`; models that read text also `euler`, `euler-a`, `dpm++`, `unipc`, `lcm` and `pndm`, their own if absent.
    #[arg(long)]
    sampler: Option<String>,
    /// 0 keeps the image, 1 starts from noise.
    #[arg(long, default_value_t = 1.0)]
    strength: f64,
    /// Classifier-free guidance; 1 = none. 1.5 if absent, 7.5 for models that read text.
    #[arg(long)]
    guidance: Option<f64>,
    /// Effect of the hint.
    #[arg(long, default_value_t = 1.0)]
    control_weight: f64,
    /// A ControlNet branch by name, instead of the model's own adapter.
    #[arg(long)]
    control_model: Option<String>,
    /// How far outside the mask pixels may change.
    #[arg(long, default_value_t = 12.0)]
    ring_px: f64,
    /// Pixels of room added at the edges and painted as part of the mask: inpainting fills them.
    #[arg(long, num_args = 4, value_names = ["LEFT", "TOP", "RIGHT", "BOTTOM"])]
    extend: Option<Vec<usize>>,
    /// Passes: 2 = a mask larger than the model is gone over once more in a tighter crop.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    passes: u8,
    /// Initial noise instead of the seed's: a safetensors file with one f32 tensor `[N,C,H,W]`; models that read text
    /// also take `[steps + 1,C,h,w]` an image, the noise of every step behind the initial one.
    #[arg(long)]
    noise: Option<PathBuf>,
    #[command(flatten)]
    text: prompted::Options,
    /// `hip`, `chest`, …
    #[arg(long, default_value = "")]
    kind: String,
    /// Age in years.
    #[arg(long)]
    age: Option<f64>,
    /// `M`, `F` or `O`.
    #[arg(long)]
    sex: Option<String>,
    /// A finding that is present; `no-NAME` = absent. May be repeated.
    #[arg(long)]
    finding: Vec<String>,
    /// Width and height of an image made from nothing.
    #[arg(long, num_args = 2, value_names = ["WIDTH", "HEIGHT"])]
    size: Option<Vec<usize>>,
    /// A manifest: one request a line (JSON).
    #[arg(long)]
    request: Option<PathBuf>,
    /// Only every n-th request from the i-th on, as `i/n`, i from 0.
    #[arg(long)]
    shard: Option<String>,
    /// Folder for images, masks and records.
    #[arg(long)]
    out: PathBuf,
    /// Replace what is there.
    #[arg(long)]
    force: bool,
    /// Folder of model folders to use before the bundled ones.
    #[arg(long)]
    models: Option<PathBuf>,
}

/// Generates; a request that fails is reported, the others are done.
pub(super) fn run(options: &Generate, common: &Common) -> Result<ExitCode, Error> {
    let mut folders: Vec<PathBuf> = options.models.iter().cloned().collect();
    let requests = if let Some(manifest) = &options.request {
        manifest_requests(manifest, options.shard.as_deref())?
    } else {
        let known: Vec<PathBuf> = folders
            .iter()
            .cloned()
            .chain(crate::bundle::model_folders())
            .collect();
        let control = options.control_model.as_deref();
        let asked = options.text.read(
            options.model.as_deref(),
            &known,
            options.sampler.as_deref(),
            control.map(|name| (name, options.control_weight)),
        )?;
        folders.splice(0..0, asked.folders.iter().cloned());
        vec![(0, single_request(options, asked)?)]
    };
    let mut engine = engine_over(folders, common);
    let several = options.request.is_some();
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for (number, request) in requests {
        let folder = if several {
            options.out.join(format!("{number:06}"))
        } else {
            options.out.clone()
        };
        match one(&request, &folder, options, common, &mut engine) {
            Ok(mut made) => rows.append(&mut made),
            Err(error) if !several => return Err(error),
            Err(error) => {
                let error = Error::new(error.kind, format!("request {number}: {error}"));
                report(&error);
                failures.push(error.to_string());
            }
        }
    }
    if common.json {
        say_json(&json!({ "outcomes": rows, "failed": failures }));
    } else {
        for row in &rows {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            say(&format!(
                "{}  seed {}  {} pixels changed outside the ring  {:.2} s",
                text("image"),
                row["seed"],
                row["changed_outside_ring"],
                row["seconds"].as_f64().unwrap_or_default()
            ));
        }
    }
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// The requests of a manifest with their line numbers, those of the shard only.
fn manifest_requests(path: &Path, shard: Option<&str>) -> Result<Vec<(usize, Request)>, Error> {
    let (index, shards) = match shard {
        None => (0, 1),
        Some(text) => text
            .split_once('/')
            .and_then(|(i, n)| Some((i.parse::<usize>().ok()?, n.parse::<usize>().ok()?)))
            .filter(|(i, n)| i < n)
            .ok_or_else(|| {
                Error::new(ErrorKind::Usage, format!("{text} is no shard"))
                    .remedy("give i/n with i from 0 to n − 1")
            })?,
    };
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::new(
            ErrorKind::Input,
            format!("the manifest cannot be read ({e})"),
        )
        .at(path)
    })?;
    let mut requests = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || number % shards != index {
            continue;
        }
        let request = serde_json::from_str(line).map_err(|e| {
            let what = format!("line {} of the manifest is no request ({e})", number + 1);
            Error::new(ErrorKind::Input, what).at(path)
        })?;
        requests.push((number, request));
    }
    Ok(requests)
}

/// What the images shall show.
fn attributes(options: &Generate) -> Result<Attributes, Error> {
    let sex = match options.sex.as_deref() {
        None => None,
        Some("M" | "m") => Some(Sex::Male),
        Some("F" | "f") => Some(Sex::Female),
        Some("O" | "o") => Some(Sex::Other),
        Some(other) => {
            let what = format!("{other} is no sex");
            return Err(Error::new(ErrorKind::Usage, what).remedy("use M, F or O"));
        }
    };
    let mut attributes = Attributes {
        kind: options.kind.clone(),
        age_years: options.age,
        sex,
        ..Attributes::default()
    };
    for finding in &options.finding {
        let (name, present) = match finding.strip_prefix("no-") {
            Some(name) => (name, false),
            None => (finding.as_str(), true),
        };
        attributes.findings.insert(name.to_owned(), present);
    }
    Ok(attributes)
}

fn single_request(options: &Generate, asked: Asked) -> Result<Request, Error> {
    let usage = |what: String| Error::new(ErrorKind::Usage, what);
    let mode = match options.mode {
        Some(ModeChoice::Sketch) => Mode::Sketch,
        Some(ModeChoice::Inpaint) => Mode::Inpaint,
        Some(ModeChoice::Outpaint) => Mode::Outpaint,
        Some(ModeChoice::Sample) => Mode::Sample,
        None => {
            return Err(usage("neither a mode nor --request is given".to_owned())
                .remedy("say sketch, inpaint, outpaint or sample"));
        }
    };
    let mut request = Request::new(mode, ModelReference::default());
    request.model.name = asked.model.unwrap_or_default();
    let reads_text = asked.prompted.is_some();
    request.prompted = asked.prompted;
    if let Some(path) = &options.image {
        request.source = Some(Arc::new(radiograph::read(path, 0)?));
    }
    request.hint = options.hint.as_deref().map(raster).transpose()?;
    request.mask = options.mask.as_deref().map(raster).transpose()?;
    if let Some(path) = &options.landmarks {
        let film = options.image.as_ref().or(options.hint.as_ref());
        let points = read_points(path)?;
        request.landmarks = Some(points_for(film.unwrap_or(path), &points)?);
    }
    if options.no_refiner {
        request.refiner = None;
    }
    request.seed = options.seed;
    request.count = options.count;
    request.steps = options.steps.unwrap_or(if reads_text { 20 } else { 8 });
    request.sampler = match options.sampler.as_deref() {
        None | Some("ddim") => Sampler::Ddim,
        Some("ddpm") => Sampler::Ddpm,
        // The prompted part holds it.
        Some(_) if reads_text => Sampler::Ddim,
        Some(other) => {
            return Err(
                usage(format!("{other} is no sampler of this model")).remedy("use ddim or ddpm")
            );
        }
    };
    request.strength = options.strength;
    request.guidance = options
        .guidance
        .unwrap_or(if reads_text { 7.5 } else { 1.5 });
    request.control.weight = options.control_weight;
    let own_control = options.control_model.as_ref().filter(|_| !reads_text);
    request.control_model = own_control.map(ModelReference::named);
    request.ring.px = options.ring_px;
    request.attributes = attributes(options)?;
    if let Some([width, height]) = options.size.as_deref() {
        request.size = Some([*width, *height]);
    }
    if request.source.is_none() && request.hint.is_none() && request.size.is_none() {
        // An image made from nothing is as large as what it follows.
        let mut uses = request.prompted.iter().flat_map(|asked| &asked.controls);
        let hint = uses.find_map(|control| control.hint.as_ref());
        request.size = hint.map(|hint| [hint.width(), hint.height()]);
    }
    request.noise = options.noise.as_deref().map(given_noise).transpose()?;
    request.passes = usize::from(options.passes);
    if let Some(edges) = options.extend.as_deref() {
        extend(&mut request, edges)?;
    }
    let hinted = request.prompted.as_ref().is_some_and(|asked| {
        !asked.controls.is_empty() && asked.controls.iter().all(|control| control.hint.is_some())
    });
    let drawn = request.hint.is_some() || request.landmarks.is_some() || hinted;
    if mode == Mode::Sketch && !drawn {
        return Err(usage("a sketch needs --hint".to_owned())
            .remedy("give white lines on black, or hip points with --landmarks"));
    }
    Ok(request)
}

/// Gives the image room at its edges: lines and mask move with it, and the room is part of the mask.
fn extend(request: &mut Request, edges: &[usize]) -> Result<(), Error> {
    let usage = |what: String| Error::new(ErrorKind::Usage, what);
    let (Some(source), &[left, top, right, bottom]) = (&request.source, edges) else {
        return Err(usage("there is no image to extend".to_owned()).remedy("give --image"));
    };
    if request.mode != Mode::Inpaint {
        return Err(
            usage("only inpainting fills the room of --extend".to_owned())
                .remedy("say `generate inpaint`"),
        );
    }
    let size = (source.width(), source.height());
    let mut document = Document::new(Arc::clone(source));
    for raster in [&request.hint, &request.mask].into_iter().flatten() {
        if raster.size() != size {
            let what = "hint and mask must be of the size of the image before it is extended";
            return Err(usage(what.to_owned()).remedy("draw them on the image itself"));
        }
    }
    let layers = [
        (Layer::Sketch, request.hint.take()),
        (Layer::Mask, request.mask.take()),
    ];
    let mut edits: Vec<Edit> = layers
        .into_iter()
        .filter_map(|(layer, raster)| {
            let inside = raster?;
            let shape = Shape::Region {
                bounds: inside.bounds(),
                inside,
            };
            let operation = Operation::Paint;
            Some(Edit::AddMark(Arc::new(Mark {
                layer,
                operation,
                shape,
            })))
        })
        .collect();
    edits.push(Edit::Extend(Margins {
        left,
        top,
        right,
        bottom,
    }));
    for edit in &edits {
        document
            .apply(edit)
            .map_err(|error| usage(error.to_string()))?;
    }
    request.source = Some(Arc::clone(document.image()));
    request.hint = document.hint();
    request.mask = document.mask();
    Ok(())
}

/// The one tensor of a file of noise.
fn given_noise(path: &Path) -> Result<GivenNoise, Error> {
    let refuse = |what: String| Error::new(ErrorKind::Input, what).at(path);
    let bytes = std::fs::read(path).map_err(|e| refuse(format!("cannot be read ({e})")))?;
    let file = safetensors::SafeTensors::deserialize(&bytes)
        .map_err(|e| refuse(format!("is no safetensors file ({e})")))?;
    let tensors = file.tensors();
    let [(name, view)] = tensors.as_slice() else {
        return Err(refuse(format!("holds {} tensors, not one", tensors.len())));
    };
    let (safetensors::Dtype::F32, &[_, channels, rows, columns]) = (view.dtype(), view.shape())
    else {
        return Err(refuse(format!("{name} is not an f32 tensor [N,C,H,W]")));
    };
    let quads = view.data().chunks_exact(4);
    Ok(GivenNoise {
        shape: [channels, rows, columns],
        values: quads
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
    })
}

/// A raster of lines or a mask: anything brighter than mid-grey is set.
pub(super) fn raster(path: &Path) -> Result<Grid<u8>, Error> {
    let image = radiograph::read(path, 0)?;
    let grey = image.grey(&image.initial_window());
    Ok(grey.map(|v| if *v > 0.5 { 255 } else { 0 }))
}

fn one(
    request: &Request,
    folder: &Path,
    options: &Generate,
    common: &Common,
    engine: &mut LocalEngine,
) -> Result<Vec<Value>, Error> {
    if let Some(done) = record::finished(folder, request)
        && !options.force
    {
        return Ok(done);
    }
    let mut bar = Bar::new(common);
    let product = carry_out(engine, &Order::Generate(request.clone()), &mut |p| {
        bar.show(&p)
    });
    bar.clear();
    match product? {
        Product::Outcome(outcome) => write_outcome(&outcome, folder, options),
        _ => Err(Error::new(
            ErrorKind::Failed,
            "the engine answered something else",
        )),
    }
}

/// Writes the latent of an image as `NNNN/latents.safetensors`.
fn write_latent(
    latent: &GivenNoise,
    folder: &Path,
    image_number: u64,
    force: bool,
) -> Result<PathBuf, Error> {
    let folder = folder.join(format!("{image_number:04}"));
    let path = folder.join("latents.safetensors");
    let failed = |what: String| Error::new(ErrorKind::Failed, what).at(&path);
    std::fs::create_dir_all(&folder).map_err(|e| failed(format!("cannot be made ({e})")))?;
    let bytes: Vec<u8> = latent.values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let shape = std::iter::once(1).chain(latent.shape).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &bytes)
        .map_err(|e| failed(e.to_string()))?;
    let content =
        safetensors::serialize([("latents", view)], None).map_err(|e| failed(e.to_string()))?;
    radiograph::write::write_whole(&path, &content, force).map_err(|e| {
        Error::new(ErrorKind::Usage, e.to_string()).remedy("give another --out, or --force")
    })?;
    Ok(path)
}

/// Writes every image with its mask and record; returns the rows of the answer.
fn write_outcome(
    outcome: &Outcome,
    folder: &Path,
    options: &Generate,
) -> Result<Vec<Value>, Error> {
    let each = outcome.seconds / outcome.images.len().max(1) as f64;
    outcome
        .images
        .iter()
        .map(|made| {
            let record = Record::of(&outcome.request, made, each);
            let latent = made.latent.as_ref().filter(|_| options.text.latents);
            let latents = latent
                .map(|(_, latent)| write_latent(latent, folder, made.image_number, options.force))
                .transpose()?;
            let paths = record::write(folder, &record, made, options.force)?;
            Ok(json!({
                "latents": latents,
                "image": paths.image, "mask": paths.mask, "record": paths.record,
                "seed": outcome.request.seed, "image_number": made.image_number,
                "changed_outside_ring": made.changed_outside_ring,
                "seconds": each,
            }))
        })
        .collect()
}
