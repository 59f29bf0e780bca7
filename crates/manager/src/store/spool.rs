//! Where an upload's bytes go while they stream in: small ones stay in memory until the group commit, large ones (and
//! all, when that memory is used up) go to a file of their own as they come.

use bytes::Bytes;

use super::StoreError;

/// The bytes of one upload while they arrive. Dropped, it removes what it has written.
pub struct Spool {}

/// The bytes of one upload, whole. Dropped without having been kept, it removes them.
#[derive(Debug)]
pub struct Spooled {}

impl Spool {
    /// Takes the next bytes of the upload.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Disk`]. The spool is of no use afterwards.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        unimplemented!()
    }

    /// The upload is whole. A large one is durable on return, except for its place in the books.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Disk`].
    pub async fn finish(self) -> Result<Spooled, StoreError> {
        unimplemented!()
    }
}

impl Spooled {
    /// The size of the file.
    #[must_use]
    pub fn len(&self) -> u64 {
        unimplemented!()
    }

    /// The digest of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        unimplemented!()
    }

    /// The file's beginning, at most `limit` bytes of it; for reading its header.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn head(&self, limit: usize) -> Result<Bytes, StoreError> {
        unimplemented!()
    }
}
