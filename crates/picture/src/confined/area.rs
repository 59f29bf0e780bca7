//! Memory that a child shares with its parent, and the socket beside it: the child's end of both.
//!
//! The memory is a file without a name, sealed so that nobody can make it shorter or longer. A child has it as its standard output, the
//! socket as its standard input: so neither has to be handed over in any way that another child might see.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};
use std::slice;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What keeps the memory's length as it is.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// New memory of so many bytes, to be shared. What is never written to takes no room.
pub(super) fn shared(bytes: u64) -> io::Result<File> {
    let file = File::from(memfd_create("manyeyes-decoder", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.set_len(bytes)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file)
}

/// The memory that this process shares with its parent, mapped.
pub struct Area {
    start: NonNull<u8>,
    bytes: usize,
}

impl Area {
    /// Maps what the parent gave as standard output. To be called before [`confine`](super::confine), which forbids it.
    ///
    /// # Errors
    /// It is no such memory: this process was not started by a parent that shares any.
    pub fn of_standard_output() -> io::Result<Self> {
        Self::map(io::stdout())
    }

    fn map(memory: impl AsFd) -> io::Result<Self> {
        let seals = fcntl_get_seals(&memory).unwrap_or(SealFlags::empty());
        let bytes = usize::try_from(fstat(&memory)?.st_size).unwrap_or(0);
        if !seals.contains(SEALS) || bytes == 0 {
            return Err(io::Error::new(ErrorKind::InvalidInput, "standard output is no memory that is shared"));
        }
        let (readable, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        #[expect(unsafe_code, reason = "no safe face of a mapping can know who else writes to it")]
        // SAFETY: the system chooses where, so no other memory is touched.
        let start = unsafe { mmap(ptr::null_mut(), bytes, readable, shared, memory, 0) }?;
        let start = NonNull::new(start.cast()).expect("the system maps nothing at null of itself");
        Ok(Self { start, bytes })
    }
}

impl Deref for Area {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        #[expect(unsafe_code, reason = "a mapping is a slice only by what its parties keep to")]
        // SAFETY: it is mapped for as long as this lives, and sealed, so that it reaches to its end. The one other that writes to it is
        // the parent, which does so only between a reply and its next request, while nothing here borrows it.
        unsafe {
            slice::from_raw_parts(self.start.as_ptr(), self.bytes)
        }
    }
}

impl DerefMut for Area {
    fn deref_mut(&mut self) -> &mut [u8] {
        #[expect(unsafe_code, reason = "a mapping is a slice only by what its parties keep to")]
        // SAFETY: as for `deref`.
        unsafe {
            slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes)
        }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the counterpart of the mapping")]
        // SAFETY: it was mapped so, and nothing borrows it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// The socket that a child has as its standard input: requests come in by it, and replies go out.
#[derive(Debug)]
pub struct Channel;

impl Read for Channel {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(io::stdin(), into)?)
    }
}

impl Write for Channel {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stdin(), from)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn what_one_side_writes_the_other_reads_and_neither_can_change_its_length() {
        let file = shared(1 << 20).expect("memory");
        let mut area = Area::map(&file).expect("mapped");
        file.write_all_at(b"file", 7).expect("written");
        assert_eq!(area[7..11], *b"file");
        area[..6].copy_from_slice(b"pixels");
        let mut read = [0; 6];
        file.read_exact_at(&mut read, 0).expect("read");
        assert_eq!(read, *b"pixels");
        assert!(file.set_len(10).is_err() && file.set_len(2 << 20).is_err());
    }

    #[test]
    fn a_file_that_somebody_could_make_shorter_is_not_mapped() {
        let file = File::from(memfd_create("unsealed", MemfdFlags::ALLOW_SEALING).expect("memory"));
        file.set_len(4096).expect("room");
        assert!(Area::map(&file).is_err());
        let (reader, _writer) = io::pipe().expect("a pipe");
        assert!(Area::map(reader).is_err());
    }
}
