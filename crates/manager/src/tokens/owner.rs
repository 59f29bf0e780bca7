//! The token of the data folder's owner: made at the first start, kept in clear, because who can read that folder can read
//! every picture in it anyway.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Its file in the data folder, readable by who owns the folder only.
pub(crate) const FILE: &str = "token";
/// Where it is written before it is whole.
const UNFINISHED: &str = "token.new";

/// The token of this data folder; made where there is none yet.
pub(super) fn token(folder: &Path) -> io::Result<String> {
    let file = folder.join(FILE);
    match fs::read_to_string(&file) {
        Ok(token) if token.trim().is_empty() => fs::remove_file(&file)?,
        Ok(token) if token.trim().bytes().all(may_travel) => return Ok(token.trim().to_owned()),
        Ok(_) => return Err(io::Error::other("it has other characters than letters, digits, '.', '_', '~' and '-'")),
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

/// What means itself in an address, a cookie and a header.
fn may_travel(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._~-".contains(&byte)
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

    #[test]
    fn a_token_that_somebody_wrote_is_taken_if_it_can_travel() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "of_16~or-more.letters\n").unwrap();
        assert_eq!(token(folder.path()).unwrap(), "of_16~or-more.letters");
        for bad in ["two words", "a;b", "a\"b", "a\nb", "é"] {
            fs::write(folder.path().join(FILE), bad).unwrap();
            assert!(token(folder.path()).is_err(), "{bad}");
        }
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
