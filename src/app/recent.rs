//! Files opened last, and what tells them apart while their names are hidden: kind, size, when, a small picture.
//!
//! Separate from the settings, which only keep the list: what of an image may be kept beside its name is decided here.
//! Nothing of it tells who an image is of, and the picture is too coarse to read a name that is burnt into the pixels.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::panel;
use crate::grid::Grid;
use crate::radiograph::write::date_and_time;
use crate::radiograph::{FileKind, Picture, Radiograph};

/// Pixels a side of a picture, at most.
pub const SIDE: usize = 40;
/// At least so many pixels of the image, across and down, are one of its picture: letters become too small to be read.
const COARSEST: usize = 8;

/// A file opened last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Recent {
    /// Where it lies.
    pub path: PathBuf,
    /// When it was opened, seconds since 1970; 0 where that was not kept.
    pub opened: u64,
    /// What was seen of it.
    pub seen: Option<Glimpse>,
}

/// What of an image tells it apart without telling who it is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Glimpse {
    /// Modality, or the form of a file that has none: `CT`, `PNG`.
    pub modality: String,
    /// `hip`, `chest`, … or empty.
    pub kind: String,
    /// Columns and rows.
    pub size: (usize, usize),
    /// Images that were opened together, ≥ 1.
    pub images: usize,
    /// Whether any pixel is synthetic.
    pub synthetic: bool,
    /// A picture of it; absent of a small image, whose words could still be read.
    pub picture: Option<Small>,
}

/// A picture of at most [`SIDE`] pixels a side, grey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Small(#[serde(with = "crate::encoding::grid_u8")] pub Grid<u8>);

/// The forms in which a file opened last is written: its path alone is that of earlier versions.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Path(PathBuf),
    Seen {
        path: PathBuf,
        #[serde(default)]
        opened: u64,
        #[serde(default)]
        seen: Option<Glimpse>,
    },
}

impl From<Written> for Recent {
    fn from(written: Written) -> Self {
        match written {
            Written::Path(path) => Self {
                path,
                opened: 0,
                seen: None,
            },
            Written::Seen { path, opened, seen } => Self {
                path,
                opened,
                // Whatever lies in the file, no more is shown than is ever written.
                seen: seen.map(Glimpse::checked),
            },
        }
    }
}

impl Recent {
    /// A file that was opened now.
    pub fn now(path: PathBuf, seen: Option<Glimpse>) -> Self {
        Self {
            path,
            opened: now(),
            seen,
        }
    }

    /// When it was opened, as a person reads it at the moment `now`, seconds since 1970; empty where it is not known.
    ///
    /// Minutes and hours for a day, then the date (UTC).
    pub fn when(&self, now: u64) -> String {
        if self.opened == 0 {
            return String::new();
        }
        match now.saturating_sub(self.opened) {
            0..60 => "just now".to_owned(),
            seconds @ 60..3600 => format!("{} min ago", seconds / 60),
            seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
            _ => {
                let time = UNIX_EPOCH.checked_add(Duration::from_secs(self.opened));
                let date = time.map(|time| date_and_time(time).0);
                date.and_then(|date| panel::date(&date)).unwrap_or_default()
            }
        }
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl Glimpse {
    /// What there is to see of an image that was opened with others, `images` in all; `kind` is `hip`, `chest`, ….
    pub fn of(image: &Radiograph, kind: &str, images: usize) -> Self {
        let form = match image.source.kind {
            FileKind::Dicom => "DICOM",
            FileKind::Png => "PNG",
            FileKind::Tiff => "TIFF",
            FileKind::Jpeg => "JPEG",
            FileKind::Nifti => "NIfTI",
            FileKind::Nrrd => "NRRD",
            FileKind::Memory => "Image",
        };
        let modality = match image.modality.as_str() {
            "" | "OT" => form,
            // A code of two letters is a modality; anything else could be anything.
            known if known.len() == 2 && known.bytes().all(|b| b.is_ascii_uppercase()) => known,
            _ => form,
        };
        Self {
            modality: modality.to_owned(),
            kind: kind.to_owned(),
            size: (image.width(), image.height()),
            images: images.max(1),
            synthetic: image.synthetic.is_some(),
            picture: small(image),
        }
    }

    fn checked(mut self) -> Self {
        self.picture = self.picture.filter(|Small(grid)| {
            let (width, height) = grid.size();
            (1..=SIDE).contains(&width) && (1..=SIDE).contains(&height)
        });
        self
    }

    /// Kind and size as a person reads them: `DX · chest · 2048 × 2500 · 2 images`.
    pub fn words(&self) -> String {
        let (width, height) = self.size;
        let mut words = vec![self.modality.clone()];
        words.extend((!self.kind.is_empty()).then(|| self.kind.clone()));
        words.push(format!("{width} × {height}"));
        words.extend((self.images > 1).then(|| format!("{} images", self.images)));
        words.extend(self.synthetic.then(|| "synthetic".to_owned()));
        words.join(" · ")
    }
}

fn small(image: &Radiograph) -> Option<Small> {
    if image.width().min(image.height()) < COARSEST
        || image.width().max(image.height()) < COARSEST * SIDE
    {
        return None;
    }
    Some(Small(Picture::reduced(image, SIDE).grey()))
}

/// The picture of a file opened last on the GPU, made once.
pub(crate) fn texture(ctx: &egui::Context, recent: &Recent) -> Option<egui::TextureHandle> {
    let Small(grid) = recent.seen.as_ref()?.picture.as_ref()?;
    let id = egui::Id::unique("recent picture").with((&recent.path, recent.opened));
    let known = ctx.data(|data| data.get_temp::<egui::TextureHandle>(id));
    Some(known.unwrap_or_else(|| {
        let texture = super::texture(ctx, &Picture::Grey(grid.clone()));
        ctx.data_mut(|data| data.insert_temp(id, texture.clone()));
        texture
    }))
}
