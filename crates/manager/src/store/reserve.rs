//! Space on the disk that is set aside. Given up when the disk is full, it lets results be recorded and images be
//! deleted; until it can be set aside again, nothing new is taken in.

use std::fs::{self, File};
use std::path::PathBuf;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// A file that is allocated and never written.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// Not held yet: what an earlier run has set aside is given up, so that the books can be opened on a full disk.
    pub(super) fn new(path: PathBuf, bytes: u64) -> Self {
        let mut reserve = Self { path, bytes, held: true };
        reserve.release();
        reserve
    }

    /// Sets the space aside where it is not, and says whether it is. A file system that cannot allocate ahead has no
    /// reserve: there a full disk takes results and deletions only once something else has made room.
    pub(super) fn hold(&mut self) -> bool {
        if !self.held {
            match self.allocate() {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.held = true,
                Err(error) => {
                    tracing::debug!(%error, "no space to set aside");
                    let _ = fs::remove_file(&self.path);
                }
            }
        }
        self.held
    }

    /// Gives the space up; says whether it was held.
    pub(super) fn release(&mut self) -> bool {
        // Not there is as good as removed, and anything else shows as a disk that is still full.
        let _ = fs::remove_file(&self.path);
        std::mem::replace(&mut self.held, false)
    }

    fn allocate(&self) -> Result<(), Errno> {
        let file = File::create(&self.path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        // A length of zero is refused.
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.bytes.max(1))
    }
}
