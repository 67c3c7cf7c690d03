//! Where the bundled assets and the person's own folders are.
//!
//! Ground, because the window, the commands and the engine must all find the same models and cases.

use std::path::PathBuf;

/// Names a folder of assets that is used before any other.
pub const ASSETS_VARIABLE: &str = "RADCANVAS_ASSETS";

/// The folder of bundled assets: beside the program, installed, or in the sources it was built from.
pub fn assets() -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(|p| p.parent());
    let candidates = [
        std::env::var_os(ASSETS_VARIABLE).map(PathBuf::from),
        beside.map(|folder| folder.join("assets")),
        beside.map(|folder| folder.join("../share/radcanvas")),
        beside.map(|folder| folder.join("../Resources/assets")),
        Some(PathBuf::from("assets")),
        Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets")),
    ];
    candidates
        .into_iter()
        .flatten()
        .find(|folder| folder.join("models").is_dir())
}

/// The person's own folder of the program: settings, unsaved work, added models. Not created here.
pub fn own_folder() -> Option<PathBuf> {
    dirs::data_dir().map(|folder| folder.join("radcanvas"))
}

/// Folders in which model folders lie, the person's own first.
pub fn model_folders() -> Vec<PathBuf> {
    own_folder()
        .into_iter()
        .chain(assets())
        .map(|folder| folder.join("models"))
        .filter(|folder| folder.is_dir())
        .collect()
}

/// A path in the person's documents folder (else the home folder) that is free: `name`, `name 2`, …
pub fn free_document(name: &str) -> Option<PathBuf> {
    let folder = dirs::document_dir()
        .filter(|folder| folder.is_dir())
        .or_else(dirs::home_dir)?;
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    (1..1000)
        .map(|n| match n {
            1 => folder.join(name),
            n => folder.join(format!("{stem} {n}.{ending}")),
        })
        .find(|path| !path.exists())
}
