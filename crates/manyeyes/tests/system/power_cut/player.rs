//! Does to the model of a disk what a recorded manager did to a real one.

use std::collections::{BTreeMap, HashMap};

use super::disk::{Change, Disk, Node, Syncing};
use super::trace::Event;

/// The model, and what of the recording is under way in it.
pub(crate) struct Player<'a> {
    root: &'a str,
    without: &'a dyn Fn(&str) -> bool,
    pub(crate) disk: Disk,
    syncing: HashMap<usize, Syncing>,
    /// How far each file was written by writes that name no place.
    written: BTreeMap<String, usize>,
}

impl<'a> Player<'a> {
    pub(crate) fn new(root: &'a str, without: &'a dyn Fn(&str) -> bool) -> Self {
        Self { root, without, disk: Disk::new(), syncing: HashMap::new(), written: BTreeMap::new() }
    }

    /// Whether there is a data folder to lose: before, nothing was promised.
    pub(crate) fn has_begun(&self) -> bool {
        self.node("/data").is_some()
    }

    pub(crate) fn would_become_safe(&self, event: &Event) -> bool {
        matches!(event, Event::SyncEnded { sync } if self.syncing.contains_key(sync))
    }

    pub(crate) fn play(&mut self, event: &Event) {
        match event {
            Event::Opened { path, make, empty } => {
                let path = self.inner(path);
                if *make && self.node(&path).is_none() {
                    let (folder, name) = self.entry(&path);
                    self.disk.make_file(folder, &name);
                }
                if *empty {
                    self.change(&path, Change::Length(0));
                }
                self.written.remove(&path);
            }
            Event::FolderMade { path } => {
                let (folder, name) = self.entry(&self.inner(path));
                self.disk.make_folder(folder, &name);
            }
            Event::Renamed { from, to } => {
                let (from, to) = (self.entry(&self.inner(from)), self.entry(&self.inner(to)));
                self.disk.rename((from.0, &from.1), (to.0, &to.1));
            }
            Event::Removed { path } => {
                let (folder, name) = self.entry(&self.inner(path));
                self.disk.remove(folder, &name);
            }
            Event::Written { path, at, bytes } => {
                let path = self.inner(path);
                let at = at.unwrap_or_else(|| {
                    let behind = self.written.entry(path.clone()).or_default();
                    *behind += bytes.len();
                    *behind - bytes.len()
                });
                self.change(&path, Change::Write { at, bytes: bytes.clone() });
            }
            Event::Cut { path, length } => self.change(&self.inner(path), Change::Length(*length)),
            Event::Punched { path, at, bytes } => {
                self.change(&self.inner(path), Change::Punch { at: *at, bytes: *bytes });
            }
            Event::SyncBegan { path, sync } => {
                let path = self.inner(path);
                if !(self.without)(&path)
                    && let Some(node) = self.node(&path)
                {
                    self.syncing.insert(*sync, self.disk.begin_sync(node));
                }
            }
            Event::SyncEnded { sync } => {
                if let Some(syncing) = self.syncing.remove(sync) {
                    self.disk.end_sync(&syncing);
                }
            }
            Event::Sent { .. } | Event::Received { .. } => {}
        }
    }

    /// The reserve's bytes and SQLite's index of its log are never read after a crash.
    fn change(&mut self, path: &str, change: Change) {
        if path.ends_with("/reserve") || path.ends_with("-shm") || path.ends_with(" (deleted)") {
            return;
        }
        let node = self.node(path).unwrap_or_else(|| panic!("{path} is written and was never made"));
        self.disk.change(node, change);
    }

    fn inner(&self, path: &str) -> String {
        path.strip_prefix(self.root).expect("a path of ours").to_owned()
    }

    fn node(&self, path: &str) -> Option<Node> {
        path.split('/').skip(1).try_fold(Disk::ROOT, |folder, name| self.disk.find(folder, name))
    }

    fn entry(&self, path: &str) -> (Node, String) {
        let (folder, name) = path.rsplit_once('/').expect("an inner path has a slash");
        (self.node(folder).expect("its folder is there"), name.to_owned())
    }
}
