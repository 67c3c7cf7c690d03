//! Queued orders on disk, so that the queue survives a restart.
//!
//! One JSON file an order; an order that was running is queued again, since trainings
//! resume from their checkpoints and generations are idempotent.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::job::{JobId, Order};
use crate::whole;

/// The folder of queued orders.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    written: HashMap<JobId, PathBuf>,
    next: u64,
}

/// The orders of an earlier run, oldest first; their files are removed, unreadable ones set aside.
pub(super) fn recover(folder: &Path) -> Vec<Order> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    paths.sort();
    let mut orders = Vec::new();
    for path in paths {
        let read = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Order>(&bytes).ok());
        match read {
            Some(order) => {
                orders.push(order);
                std::fs::remove_file(&path).ok();
            }
            None => {
                std::fs::rename(&path, path.with_extension("unreadable")).ok();
            }
        }
    }
    orders
}

impl Spool {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            written: HashMap::new(),
            next: 0,
        }
    }

    /// Writes the waiting orders that are not on disk yet; a full disk costs the restart, not the order.
    pub(super) fn write(&mut self, waiting: &[(JobId, Order)]) {
        for (id, order) in waiting {
            if self.written.contains_key(id) || matches!(order, Order::Measure(_)) {
                continue;
            }
            self.next += 1;
            let path = self.folder.join(format!("{:012}.json", self.next));
            let saved = whole::make_folder_of(&path).is_ok()
                && serde_json::to_vec(order)
                    .is_ok_and(|bytes| whole::write(&path, &bytes, true).is_ok());
            if saved {
                self.written.insert(*id, path);
            }
        }
    }

    /// Forgets an order that is done, failed or cancelled.
    pub(super) fn remove(&mut self, id: JobId) {
        if let Some(path) = self.written.remove(&id) {
            std::fs::remove_file(path).ok();
        }
    }
}
