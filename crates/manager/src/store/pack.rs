//! Packs: files to which the bytes of many small images are appended, so that one `fdatasync` makes a whole group of
//! them durable. A pack has no format of its own: the books say which bytes of it are which image.
//!
//! Only the writer's thread appends, frees and removes; any thread may read through [`PackFiles`].

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FallocateFlags;

use super::StoreError;
use super::folder::sync_folder;

/// Open files of packs kept for reading. Two hundred packs of the default size are 50 GiB.
const OPEN_PACKS: usize = 200;

/// Where bytes are in the packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) pack: u32,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// A pack as the books know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PackFacts {
    /// Where the next image goes: what lies beyond is left over from a group that was never committed.
    pub(super) end: u64,
    /// Images in it that have not been removed.
    pub(super) live: u64,
}

/// Bytes given to the file system at a time. Photos of 3 MB, given whole, cost up to three times as much of the processor on a virtual machine whose
/// memory was not all used before (`docs/performance.md`).
const PIECE: usize = 256 << 10;

/// The writer's end.
pub(super) struct Packs {
    folder: PathBuf,
    roll_bytes: u64,
    files: Arc<PackFiles>,
    /// As of the last commit.
    committed: BTreeMap<u32, PackFacts>,
    /// The pack being appended to.
    current: Option<Current>,
    /// The highest number ever given in this run or in the books: no number is given twice.
    highest: u32,
    /// Packs that were left for the current one within this group, to be synced with it.
    rolled: Vec<Current>,
    /// A pack was made in this group: its directory entry is to be made durable.
    made: bool,
}

struct Current {
    number: u32,
    file: Arc<File>,
    end: u64,
    /// Written since the last sync.
    dirty: bool,
}

impl Packs {
    /// Takes the packs up as the books know them: cuts what lies beyond their ends and removes files they do not name.
    pub(super) fn open(
        files: Arc<PackFiles>,
        roll_bytes: u64,
        committed: BTreeMap<u32, PackFacts>,
    ) -> Result<Self, StoreError> {
        let folder = files.folder.clone();
        super::folder::remove_orphans(&folder, |number| {
            Ok(u32::try_from(number).is_ok_and(|number| committed.contains_key(&number)))
        })?;
        let highest = committed.last_key_value().map_or(0, |(number, _)| *number);
        let (current, rolled) = (None, Vec::new());
        let mut packs = Self { folder, roll_bytes, files, committed, current, highest, rolled, made: false };
        if let Some((&number, &facts)) = packs.committed.last_key_value() {
            packs.resume(number, facts)?;
        }
        Ok(packs)
    }

    fn resume(&mut self, number: u32, facts: PackFacts) -> Result<(), StoreError> {
        let path = self.folder.join(number.to_string());
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) => {
                // Its images are reported when they are read; new ones go to the next pack.
                tracing::error!(pack = %path.display(), %error, "a pack of the books cannot be opened");
                return Ok(());
            }
        };
        let length = file.metadata().map_err(|error| StoreError::io("look at", &path, &error))?.len();
        if length < facts.end {
            tracing::error!(pack = %path.display(), length, expected = facts.end, "a pack has lost its end");
            return Ok(());
        }
        file.set_len(facts.end).map_err(|error| StoreError::io("cut", &path, &error))?;
        self.current = Some(Current { number, file: Arc::new(file), end: facts.end, dirty: false });
        Ok(())
    }

    /// Appends; not durable before [`Packs::sync`], not part of the pack before [`Packs::committed`].
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<Span, StoreError> {
        if self.current.as_ref().is_some_and(|current| current.end > 0 && current.end >= self.roll_bytes) {
            self.rolled.extend(self.current.take());
        }
        let current = match &mut self.current {
            Some(current) => current,
            None => {
                let made = self.make()?;
                self.current.insert(made)
            }
        };
        let span = Span { pack: current.number, offset: current.end, bytes: bytes.len() as u64 };
        if let Err(error) = current.write(bytes) {
            let error = StoreError::io("write", &self.folder.join(current.number.to_string()), &error);
            // What was written of it would take the space that the books may need now.
            current.cut(current.end);
            if current.end == 0 {
                // Perhaps it is this file; the next attempt makes another.
                let _ = fs::remove_file(self.folder.join(current.number.to_string()));
                self.current = None;
            }
            return Err(error);
        }
        current.end += span.bytes;
        current.dirty = true;
        Ok(span)
    }

    /// Makes all that was appended durable. After an error the disk may have dropped any of it without saying so again
    /// at the next sync, so those packs are never appended to again.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        let outcome = self.sync_all();
        if outcome.is_err() {
            self.roll_back();
            self.leave();
        }
        outcome
    }

    /// Where each pack ends that this group has appended to.
    pub(super) fn ends(&self) -> impl Iterator<Item = (u32, u64)> {
        self.rolled
            .iter()
            .chain(&self.current)
            .map(|pack| (pack.number, pack.end))
            .filter(|(number, end)| self.committed.get(number).map_or(*end > 0, |facts| facts.end != *end))
    }

    /// The group's changes are in the books, with these facts. Removes packs in which nothing is left.
    pub(super) fn committed(&mut self, changed: impl IntoIterator<Item = (u32, PackFacts)>) {
        self.committed.extend(changed);
        self.rolled.clear();
        let current = self.current.as_ref().map(|current| current.number);
        let last = self.committed.last_key_value().map(|(number, _)| *number);
        let empty = self
            .committed
            .iter()
            .filter(|(number, facts)| facts.live == 0 && Some(**number) != current && Some(**number) != last);
        for number in empty.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.files.forget(number);
            match fs::remove_file(self.folder.join(number.to_string())) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(pack = number, %error, "an empty pack cannot be removed")
                }
            }
            self.committed.remove(&number);
        }
    }

    /// The group is not in the books: what it appended is no part of any pack.
    pub(super) fn roll_back(&mut self) {
        let end = |number| self.committed.get(&number).map_or(0, |facts| facts.end);
        // A pack left within the group is full or nearly so; nothing is appended to it any more.
        self.rolled.drain(..).for_each(|pack| pack.cut(end(pack.number)));
        if let Some(current) = &mut self.current {
            current.end = end(current.number);
            current.cut(current.end);
        }
    }

    /// Whether the group is in the books shows only at the next start: what it appended stays as it is, and nothing is
    /// ever appended behind it.
    pub(super) fn leave(&mut self) {
        self.current = None;
        self.rolled.clear();
    }

    pub(super) fn facts(&self, pack: u32) -> PackFacts {
        self.committed.get(&pack).copied().unwrap_or_default()
    }

    /// Gives the space of removed images back. Where the file system cannot, it comes back with the whole pack.
    pub(super) fn free(&self, span: Span) {
        if span.bytes == 0 || !self.committed.contains_key(&span.pack) {
            return;
        }
        let Ok(file) = self.files.get(span.pack) else {
            return;
        };
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if let Err(error) = rustix::fs::fallocate(&*file, flags, span.offset, span.bytes) {
            tracing::debug!(pack = span.pack, %error, "no hole can be punched");
        }
    }

    fn sync_all(&mut self) -> Result<(), StoreError> {
        for pack in self.rolled.iter_mut().chain(&mut self.current).filter(|pack| pack.dirty) {
            let path = self.folder.join(pack.number.to_string());
            pack.file.sync_data().map_err(|error| StoreError::io("sync", &path, &error))?;
            pack.dirty = false;
        }
        if self.made {
            sync_folder(&self.folder)?;
            self.made = false;
        }
        Ok(())
    }

    fn make(&mut self) -> Result<Current, StoreError> {
        self.highest += 1;
        let number = self.highest;
        let path = self.folder.join(number.to_string());
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
        let file = Arc::new(file.map_err(|error| StoreError::io("make", &path, &error))?);
        self.made = true;
        Ok(Current { number, file, end: 0, dirty: false })
    }
}

impl Current {
    /// Writes behind its end, which stays where it is.
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (self.end..)
            .step_by(PIECE)
            .zip(bytes.chunks(PIECE))
            .try_for_each(|(at, piece)| self.file.write_all_at(piece, at))
    }

    /// Gives the space beyond `end` back. Should it fail, later bytes are written over it, or it is cut at a start.
    fn cut(&self, end: u64) {
        let _ = self.file.set_len(end);
    }
}

/// The readers' end: open files by pack.
#[derive(Debug)]
pub(super) struct PackFiles {
    folder: PathBuf,
    /// Whether holes may be punched.
    writable: bool,
    open: Mutex<HashMap<u32, Arc<File>>>,
}

impl PackFiles {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, writable: true, open: Mutex::new(HashMap::new()) }
    }

    /// For whoever only looks.
    pub(super) fn for_reading(folder: PathBuf) -> Self {
        Self { writable: false, ..Self::new(folder) }
    }

    pub(super) fn read(&self, span: Span) -> io::Result<Vec<u8>> {
        read_at(&*self.get(span.pack)?, span.offset, span.bytes)
    }

    fn get(&self, pack: u32) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&pack) {
            return Ok(Arc::clone(file));
        }
        let path = self.folder.join(pack.to_string());
        let file = Arc::new(OpenOptions::new().read(true).write(self.writable).open(path)?);
        if open.len() >= OPEN_PACKS {
            open.clear();
        }
        open.insert(pack, Arc::clone(&file));
        Ok(file)
    }

    fn forget(&self, pack: u32) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&pack);
    }
}

/// As many bytes as the file has of those asked for: fewer when its end has been lost.
pub(super) fn read_at(file: &File, offset: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    let wanted = usize::try_from(bytes).map_err(io::Error::other)?;
    // A length out of damaged books must not become an allocation.
    let there = file.metadata()?.len().saturating_sub(offset);
    read.resize(wanted.min(usize::try_from(there).unwrap_or(wanted)), 0);
    file.read_exact_at(&mut read, offset)?;
    Ok(read)
}
