//! Small files of the data folder that only its owner may read: whole or not there, and there to stay.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// What is in the file; made where there is none, or nothing in it.
pub(crate) fn read_or_make(file: &Path, make: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
    match fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => fs::remove_file(file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let made = make()?;
    write(file, made.trim())?;
    Ok(made.trim().to_owned())
}

/// Half of a secret would be one too, and easily guessed; another one after a power cut would turn away all who have this.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let unfinished = file.with_added_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    made.write_all(format!("{text}\n").as_bytes())?;
    made.sync_all()?;
    fs::rename(&unfinished, file)?;
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
