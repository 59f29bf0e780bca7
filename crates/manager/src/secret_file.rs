//! Small files of the data folder that only its owner may read: whole or not there, and there to stay.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, chown},
    path::Path,
};

/// What is in the file; made where there is none, or nothing in it.
pub(crate) fn read_or_make(file: &Path, make: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
    match fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let made = make()?;
    write(file, made.trim())?;
    Ok(made.trim().to_owned())
}

/// Writes it anew, aside first, under a name that no other writer of the same file has. Half of a secret would be one too, and easily guessed;
/// another one after a power cut would turn away all who have this.
pub(crate) fn write(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let unfinished = file.with_added_extension(format!("{}.new", random::<5>()?));
    let written = (|| {
        let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        made.write_all(format!("{text}\n").as_bytes())?;
        made.sync_all()?;
        give_to_owner_of(folder, &unfinished)?;
        fs::rename(&unfinished, file)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// An administrator writes for a manager that runs as a user of its own, which has to read it.
pub(crate) fn give_to_owner_of(folder: &Path, made: &Path) -> io::Result<()> {
    let (wanted, is) = (fs::metadata(folder)?, fs::metadata(made)?);
    if wanted.uid() == is.uid() { Ok(()) } else { chown(made, Some(wanted.uid()), Some(wanted.gid())) }
}

/// So many random bytes, as letters and digits.
pub(crate) fn random<const BYTES: usize>() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(format!("failed to draw random bytes: {error}")))?;
    Ok(bs58::encode(bytes).into_string())
}
