//! The token that opens a manager which listens beyond loopback: made at the first start, kept in the data folder.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Its file in the data folder, readable by its owner only.
pub(crate) const FILE: &str = "token";
/// Where it is written before it is whole.
const UNFINISHED: &str = "token.new";

/// The token of this data folder; made where there is none yet.
pub(crate) fn token(folder: &Path) -> io::Result<String> {
    let file = folder.join(FILE);
    match fs::read_to_string(&file) {
        Ok(token) if !token.trim().is_empty() => return Ok(token.trim().to_owned()),
        Ok(_) => fs::remove_file(&file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let token = bs58::encode(random).into_string();
    // It is there whole or not at all, and to stay: half of it would be a token too, and easily guessed; another one after a
    // power cut would turn away every worker that has this.
    let unfinished = folder.join(UNFINISHED);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    made.write_all(format!("{token}\n").as_bytes())?;
    made.sync_all()?;
    fs::rename(&unfinished, &file)?;
    File::open(folder)?.sync_all()?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_token_stays_the_same_and_is_its_owner_s_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = token(folder.path()).unwrap();
        assert!(first.len() >= 20);
        assert_eq!(token(folder.path()).unwrap(), first);
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// The power went while it was written: what is left aside is not the token, and in nobody's way.
    #[test]
    fn a_token_that_was_never_whole_is_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(UNFINISHED), "3x").unwrap();
        let made = token(folder.path()).unwrap();
        assert!(made.len() >= 20);
        assert_eq!(token(folder.path()).unwrap(), made);
        assert!(!folder.path().join(UNFINISHED).exists());
    }
}
