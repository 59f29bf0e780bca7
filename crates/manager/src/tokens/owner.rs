//! The token of the data folder's owner: made at the first start, kept in clear, because who can read that folder can read
//! every picture in it anyway.

use std::{io, path::Path};

use super::TOKEN_BYTES;
use crate::secret_file;

/// Its file in the data folder, readable by who owns the folder only.
pub(crate) const FILE: &str = "token";

/// The token of this data folder; made where there is none yet.
pub(super) fn token(folder: &Path) -> io::Result<String> {
    let token = secret_file::read_or_make(&folder.join(FILE), secret_file::random::<TOKEN_BYTES>)?;
    if token.bytes().all(may_travel) {
        Ok(token)
    } else {
        Err(io::Error::other("it has other characters than letters, digits, '_', '~' and '-'"))
    }
}

/// What means itself in an address, a cookie and a header. Not a dot: behind one a worker's token has the fingerprint of the manager's key.
fn may_travel(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_~-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

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
        fs::write(folder.path().join(FILE), "of_16~or-more-letters\n").unwrap();
        assert_eq!(token(folder.path()).unwrap(), "of_16~or-more-letters");
        for bad in ["two.halves", "two words", "a;b", "a\"b", "a\nb", "é"] {
            fs::write(folder.path().join(FILE), bad).unwrap();
            assert!(token(folder.path()).is_err(), "{bad}");
        }
    }

    /// The power went while it was written: what is left aside is not the token, and in nobody's way.
    #[test]
    fn a_token_that_was_never_whole_is_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        for left in ["token.new", "token.3xK.new"] {
            fs::write(folder.path().join(left), "3x").unwrap();
        }
        let made = token(folder.path()).unwrap();
        assert!(made.len() >= 20);
        assert_eq!(token(folder.path()).unwrap(), made);
    }
}
