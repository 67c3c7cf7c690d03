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

/// The orders of an earlier run with their files, oldest first; unreadable ones are set aside.
///
/// A file stays until its order is done: who is killed while starting has lost nothing.
pub(super) fn recover(folder: &Path) -> Vec<(PathBuf, Order)> {
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
            Some(order) => orders.push((path, order)),
            None => {
                std::fs::rename(&path, path.with_extension("unreadable")).ok();
            }
        }
    }
    orders
}

impl Spool {
    /// Over `folder`, where these orders lie already.
    pub(super) fn new(folder: PathBuf, written: HashMap<JobId, PathBuf>) -> Self {
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse().ok();
        Self {
            next: written.values().filter_map(number).max().unwrap_or(0),
            folder,
            written,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Mode, ModelReference, Request};

    fn order(seed: u64) -> Order {
        let mut request = Request::new(Mode::Sketch, ModelReference::default());
        request.seed = seed;
        Order::Generate(request)
    }

    fn seeds(orders: &[(PathBuf, Order)]) -> Vec<u64> {
        let seed = |order: &Order| match order {
            Order::Generate(request) => Some(request.seed),
            _ => None,
        };
        orders.iter().filter_map(|(_, order)| seed(order)).collect()
    }

    #[test]
    fn orders_stay_on_the_disk_until_they_are_done() {
        let folder = tempfile::tempdir().unwrap();
        let waiting: Vec<(JobId, Order)> = (1..=3).map(|n| (JobId(n), order(n))).collect();
        let mut first = Spool::new(folder.path().to_owned(), HashMap::new());
        first.write(&waiting);
        first.remove(JobId(1));
        std::fs::write(folder.path().join("000000000009.json"), b"{").unwrap();
        // Killed now, and again and again while it starts: the same two orders each time.
        for _ in 0..2 {
            assert_eq!(seeds(&recover(folder.path())), [2, 3]);
        }
        let found = recover(folder.path());
        let written = (1..)
            .map(JobId)
            .zip(found.into_iter().map(|(path, _)| path));
        let mut second = Spool::new(folder.path().to_owned(), written.collect());
        let waiting: Vec<(JobId, Order)> = (1..=3).map(|n| (JobId(n), order(n + 1))).collect();
        second.write(&waiting);
        second.remove(JobId(1));
        assert_eq!(seeds(&recover(folder.path())), [3, 4]);
    }
}
