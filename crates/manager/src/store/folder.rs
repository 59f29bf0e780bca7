//! The data folder: who may use it, what lies where in it, and how its directory entries are made durable.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::StoreError;
use crate::{identity, tokens};

/// Where what lies in a data folder, whoever uses it.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

/// A data folder that this process alone uses, for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    layout: Layout,
    /// Held, not read: the lock ends with the process, however it ends.
    _lock: File,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The SQLite file.
    pub(super) fn books(&self) -> PathBuf {
        self.root.join("books.sqlite")
    }

    /// Packs of small images, `NUMBER`.
    pub(super) fn packs(&self) -> PathBuf {
        self.root.join("packs")
    }

    /// Large images, `IMAGE`.
    pub(super) fn large(&self) -> PathBuf {
        self.root.join("large")
    }

    /// Uploads under way. Emptied at start.
    pub(super) fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// Space set aside.
    pub(super) fn reserve(&self) -> PathBuf {
        self.root.join("reserve")
    }

    /// The owner's token, see [`crate::tokens`].
    pub(super) fn token(&self) -> PathBuf {
        self.root.join(tokens::OWNER_FILE)
    }

    /// What is kept of all other tokens, a file for each.
    pub(super) fn tokens(&self) -> PathBuf {
        self.root.join(tokens::FOLDER)
    }

    /// The key by which workers know the manager, see [`crate::identity`].
    pub(super) fn key(&self) -> PathBuf {
        self.root.join(identity::FILE)
    }

    /// The data folder itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

impl Folder {
    pub(super) fn open(root: &Path) -> Result<Self, StoreError> {
        let not_writable = |error: io::Error| {
            if error.kind() == io::ErrorKind::StorageFull {
                return StoreError::NoSpace;
            }
            StoreError::NotWritable { folder: root.to_owned(), reason: error.to_string() }
        };
        let made = root.ancestors().take_while(|folder| !named(folder).exists()).count();
        fs::create_dir_all(root).map_err(not_writable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))
            .map_err(not_writable)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            if error == rustix::io::Errno::WOULDBLOCK {
                StoreError::InUse(root.to_owned())
            } else {
                StoreError::Disk(format!("lock {}: {error}", root.display()))
            }
        })?;
        let layout = Layout::new(root);
        for part in [layout.packs(), layout.large(), layout.spool()] {
            fs::create_dir_all(&part).map_err(not_writable)?;
        }
        sync_folder(root)?;
        // The data folder's own entry, and those of the folders that were made for it.
        for above in root.ancestors().skip(1).take(made.max(1)).map(named) {
            match sync_folder(above) {
                // A folder that may be passed and not read was there before: its entries are as old.
                Err(_) if File::open(above).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) => {}
                synced => synced?,
            }
        }
        Ok(Self { layout, _lock: lock })
    }

    /// Where what lies in it.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }
}

/// The folder above `data` is the one where the program runs.
fn named(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Makes the creation, renaming and removal of files in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| StoreError::io("sync the folder", folder, &error))
}

/// Removes the files of a folder that `keep` does not want, by name. What is no plain number in a folder of ours is
/// none of ours and stays.
pub(super) fn remove_orphans(
    folder: &Path,
    mut keep: impl FnMut(u64) -> Result<bool, StoreError>,
) -> Result<u64, StoreError> {
    let failed = |error: io::Error| StoreError::io("clean", folder, &error);
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()) else {
            continue;
        };
        if !keep(number)? {
            fs::remove_file(entry.path()).map_err(failed)?;
            removed += 1;
        }
    }
    Ok(removed)
}
