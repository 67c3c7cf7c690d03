//! Series: which files belong together, and in which order (PS3.3 C.7.3.1, C.7.6.2).
//!
//! Separate because a folder, a ZIP archive and a DICOMDIR are all lists of files. Names that come out of a file are
//! looked up among what is there; no path is ever made from them.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ReadError;
use super::open::content::Facts;
use super::{FileKind, apart};

/// More files than this in one folder tree are not listed.
const MOST_FILES: usize = 100_000;
/// Deeper folders than this are not searched.
const MOST_DEEP: usize = 12;

/// Where an image belongs; what is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Study Instance UID (0020,000D).
    pub study: Option<String>,
    /// Series Instance UID (0020,000E).
    pub series: Option<String>,
    /// Series Description (0008,103E).
    pub description: String,
    /// Modality (0008,0060).
    pub modality: String,
    /// Frame of Reference UID (0020,0052): what positions are measured in.
    pub frame_of_reference: Option<String>,
    /// Series Number (0020,0011).
    pub series_number: Option<i64>,
    /// Instance Number (0020,0013).
    pub instance_number: Option<i64>,
    /// Image Position (Patient) (0020,0032), mm, of the first frame.
    pub position_mm: Option<[f64; 3]>,
    /// Image Orientation (Patient) (0020,0037): unit vectors of rows and columns.
    pub directions: Option<[f64; 6]>,
    /// Frame, from 0, and frames of its own file, where it was read as one of a stack.
    #[serde(default)]
    pub own_frame: Option<(usize, usize)>,
}

impl Place {
    /// The product of its two directions.
    fn cross(&self) -> Option<[f64; 3]> {
        let [a, b, c, d, e, f] = self.directions?;
        Some([b * f - c * e, c * d - a * f, a * e - b * d])
    }

    /// The unit normal of its plane; `None` where its directions are missing or of no use.
    fn normal(&self) -> Option<[f64; 3]> {
        let [x, y, z] = self.cross()?;
        let length = (x * x + y * y + z * z).sqrt();
        (length.is_finite() && length > 0.5).then(|| [x / length, y / length, z / length])
    }

    /// How far along the normal of its plane the image lies, mm.
    pub fn depth_mm(&self) -> Option<f64> {
        let [u, v, w] = self.cross()?;
        let [x, y, z] = self.position_mm?;
        let depth = x * u + y * v + z * w;
        depth.is_finite().then_some(depth)
    }
}

/// What stands over the series of a study in a list: it tells who and when, is hidden with identity and never logged.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// Patient Name (0010,0010); may be empty.
    pub patient: String,
    /// Study Date (0008,0020), as written; may be empty.
    pub date: String,
    /// Study Time (0008,0030), as written; may be empty.
    pub time: String,
    /// Study Description (0008,1030); may be empty.
    pub description: String,
}

impl std::fmt::Debug for Heading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Heading(hidden)")
    }
}

/// Planes whose normals differ by more than this are not parallel: cosine of 5°.
const PARALLEL: f64 = 0.996_2;

/// Which of `places` lies nearest to the plane of `from`, along its normal (PS3.3 C.7.6.2.1.1).
///
/// `None` where that is not known: a position or orientation is missing, the frames of reference are not the same, or
/// the planes are not parallel to within 5°.
pub fn nearest<'a>(
    from: &Place,
    places: impl IntoIterator<Item = Option<&'a Place>>,
) -> Option<usize> {
    let frame = from.frame_of_reference.as_ref()?;
    let normal = from.normal()?;
    let depth = |place: &Place| {
        let [x, y, z] = place.position_mm?;
        let depth = x * normal[0] + y * normal[1] + z * normal[2];
        depth.is_finite().then_some(depth)
    };
    let wanted = depth(from)?;
    let mut best: Option<(usize, f64)> = None;
    for (index, place) in places.into_iter().enumerate() {
        let place = place?;
        let other = place.normal()?;
        let cosine: f64 = normal.iter().zip(other).map(|(a, b)| a * b).sum();
        if place.frame_of_reference.as_ref() != Some(frame) || cosine.abs() < PARALLEL {
            return None;
        }
        let away = (depth(place)? - wanted).abs();
        if best.is_none_or(|(_, least)| away < least) {
            best = Some((index, away));
        }
    }
    best.map(|(index, _)| index)
}

/// One file of a series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// Where it can be opened; inside an archive the archive's path goes before its name.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileKind,
    /// Frames, ≥ 1.
    pub frames: usize,
    /// Where it belongs.
    pub place: Place,
    /// What stands over its study.
    #[serde(skip)]
    pub heading: Heading,
}

/// The files of one series, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Its files: along the normal where all lie in parallel planes, else by instance number, else by name.
    pub members: Vec<Member>,
}

impl Series {
    /// Frames of all its files.
    pub fn frames(&self) -> usize {
        self.members.iter().map(|member| member.frames).sum()
    }
}

/// What a folder, a ZIP archive, a DICOMDIR or a single file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// Series by study, the newest study first, then by number and name; files without a series stand each for itself,
    /// those without a study behind all others.
    pub series: Vec<Series>,
    /// Files that were refused; of what is not an image at all nothing is said.
    pub refused: Vec<ReadError>,
}

/// Lists the images under `path`: a folder, a ZIP archive, a DICOMDIR or one file.
///
/// # Errors
/// [`ReadError`] when `path` itself cannot be read; refusals of single files are part of the answer.
pub fn list(path: impl AsRef<Path>) -> Result<Listing, ReadError> {
    let path = path.as_ref();
    let paths = match members(path)? {
        Some(paths) => paths,
        None => vec![path.to_owned()],
    };
    Ok(listed(paths, Listing::default()))
}

/// Lists the images of several paths as if they lay in one folder: what belongs to one series becomes one.
///
/// A path that cannot be read is among the refusals.
pub fn list_all(paths: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    let mut files = Vec::new();
    for path in paths {
        match members(path) {
            Ok(Some(inside)) => files.extend(inside),
            Ok(None) => files.push(path.clone()),
            Err(error) => listing.refused.push(error),
        }
    }
    let mut known = HashSet::new();
    files.retain(|file| known.insert(file.clone()));
    listed(files, listing)
}

fn listed(paths: Vec<PathBuf>, mut listing: Listing) -> Listing {
    let mut found = Vec::new();
    for path in paths {
        match apart::facts(&path) {
            Ok(Facts {
                kind,
                frames,
                place,
                heading,
            }) => found.push(Member {
                path,
                kind,
                frames,
                place,
                heading,
            }),
            Err(error) => listing.refused.push(error),
        }
    }
    listing.series = ordered(found);
    listing
}

/// The files of a folder, a ZIP archive or a DICOMDIR; `None` for a file that is no collection.
pub(super) fn members(path: &Path) -> Result<Option<Vec<PathBuf>>, ReadError> {
    if path.is_dir() {
        let mut files = Vec::new();
        walk(path, 0, &mut files);
        return Ok(Some(files));
    }
    apart::members(path)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        // Links are not followed: they may lead out of the folder, or in a circle.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() && depth < MOST_DEEP {
            walk(&entry.path(), depth + 1, files);
        } else if kind.is_file() && files.len() < MOST_FILES && entry.file_name() != "DICOMDIR" {
            files.push(entry.path());
        }
    }
}

/// The files beside a DICOMDIR that its records name; what is not there, or not below its folder, is left out.
pub(super) fn on_medium(directory: &Path, references: &[Vec<String>]) -> Vec<PathBuf> {
    let root = match directory.parent() {
        Some(root) if !root.as_os_str().is_empty() => root,
        _ => Path::new("."),
    };
    let mut folders = HashMap::new();
    let mut seen = HashSet::new();
    references
        .iter()
        .take(MOST_FILES)
        .filter_map(|names| {
            let mut at = root.to_owned();
            for name in names {
                let entries = folders.entry(at.clone()).or_insert_with(|| entries(&at));
                at = at.join(entries.get(&name.to_ascii_lowercase())?);
            }
            (at.is_file() && seen.insert(at.clone())).then_some(at)
        })
        .collect()
}

/// The entries of a folder by their names in lower case, as file systems of media differ; links are left out.
fn entries(folder: &Path) -> HashMap<String, OsString> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    found
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()))
        .filter_map(|entry| {
            let own = entry.file_name();
            let name = own.to_str()?.to_ascii_lowercase();
            // ISO 9660 writes the version, and a dot where there is no ending.
            let name = name.trim_end_matches(";1").trim_end_matches('.').to_owned();
            Some((name, own))
        })
        .collect()
}

/// Files to series, each in order.
fn ordered(members: Vec<Member>) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    let mut known = HashMap::new();
    for member in members {
        let own = member.place.series.clone();
        let place = own.as_ref().and_then(|uid| known.get(uid)).copied();
        if let Some(found) = place.and_then(|index: usize| series.get_mut(index)) {
            found.members.push(member);
            continue;
        }
        if let Some(uid) = own {
            known.insert(uid, series.len());
        }
        series.push(Series {
            members: vec![member],
        });
    }
    for one in &mut series {
        sort(&mut one.members);
    }
    by_study(&mut series);
    series
}

/// The newest study first, what belongs to none last; within a study by number, then by name.
fn by_study(series: &mut [Series]) {
    // One series of a study may lack what another one tells: the latest moment that any of them names counts for all.
    let mut moments: HashMap<String, (String, String)> = HashMap::new();
    for member in series.iter().filter_map(|one| one.members.first()) {
        if let Some(study) = &member.place.study {
            let own = (member.heading.date.clone(), member.heading.time.clone());
            let known = moments.entry(study.clone()).or_default();
            if own > *known {
                *known = own;
            }
        }
    }
    series.sort_by_cached_key(|one| {
        one.members.first().map(|member| {
            let place = &member.place;
            let moment = place.study.as_ref().and_then(|study| moments.get(study));
            (
                place.study.is_none(),
                std::cmp::Reverse(moment.cloned()),
                place.study.clone(),
                place.series_number,
                member.path.clone(),
            )
        })
    });
}

/// Along the normal when the planes are parallel and no two lie in one; else by instance number, then by name.
fn sort(members: &mut [Member]) {
    let parallel =
        members.windows(2).all(
            |pair| match (pair[0].place.directions, pair[1].place.directions) {
                (Some(a), Some(b)) => a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1.0e-3),
                _ => false,
            },
        );
    let depths: Option<Vec<f64>> = members.iter().map(|m| m.place.depth_mm()).collect();
    let apart = depths.is_some_and(|mut depths| {
        depths.sort_by(f64::total_cmp);
        depths.windows(2).all(|pair| pair[1] - pair[0] > 1.0e-3)
    });
    if parallel && apart {
        let depth = |member: &Member| member.place.depth_mm().unwrap_or(0.0);
        members.sort_by(|a, b| depth(a).total_cmp(&depth(b)));
    } else {
        members.sort_by(|a, b| {
            let key = |m: &Member| m.place.instance_number.unwrap_or(i64::MAX);
            key(a).cmp(&key(b)).then_with(|| by_name(&a.path, &b.path))
        });
    }
}

/// Names with the numbers in them counted: `a2` before `a10`.
fn by_name(a: &Path, b: &Path) -> std::cmp::Ordering {
    let parts = |path: &Path| -> Vec<(String, u64)> {
        let text = path.to_string_lossy().into_owned();
        let mut parts = vec![(String::new(), 0_u64)];
        let mut in_number = false;
        for c in text.chars() {
            let digit = c.to_digit(10);
            if in_number && digit.is_none() {
                parts.push((String::new(), 0));
            }
            in_number = digit.is_some();
            if let Some(last) = parts.last_mut() {
                match digit {
                    Some(digit) => last.1 = last.1.saturating_mul(10).saturating_add(digit.into()),
                    None => last.0.push(c),
                }
            }
        }
        parts
    };
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}
