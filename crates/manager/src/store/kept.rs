//! Reading the bytes of images that the books have, each against its digest.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::books::Place;
use super::folder::Layout;
use super::pack::{PackFiles, read_at};
use super::row::ImageRow;

/// Where the bytes are.
pub(super) struct Kept {
    packs: Arc<PackFiles>,
    large: PathBuf,
}

impl Kept {
    /// For whoever only looks, beside the manager.
    pub(super) fn new(layout: &Layout) -> Self {
        Self::with(Arc::new(PackFiles::for_reading(layout.packs())), layout.large())
    }

    /// For the store.
    pub(super) fn with(packs: Arc<PackFiles>, large: PathBuf) -> Self {
        Self { packs, large }
    }

    /// The bytes of an image that has some, or what is wrong with them.
    pub(super) fn read(&self, row: &ImageRow, place: Place) -> Result<Vec<u8>, String> {
        let read = match place {
            Place::Nowhere => return Err("its bytes are not kept".to_owned()),
            Place::Pack(span) => self.packs.read(span),
            Place::Own => File::open(self.large.join(row.id.to_string())).and_then(|file| read_at(&file, 0, row.bytes)),
        };
        match read {
            Ok(bytes) if row.sha256 == Some(Sha256::digest(&bytes).into()) => Ok(bytes),
            Ok(bytes) if (bytes.len() as u64) < row.bytes => {
                Err(format!("only {} of {} bytes are there", bytes.len(), row.bytes))
            }
            Ok(_) => Err("its bytes are not those that were uploaded".to_owned()),
            Err(error) => Err(format!("its bytes cannot be read: {error}")),
        }
    }
}
