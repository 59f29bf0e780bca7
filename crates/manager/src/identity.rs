//! The key by which workers know a manager: made at the first start, kept in the data folder.

use std::{fs, io, path::Path};

use manyeyes_link::{Fingerprint, Identity};

use crate::secret_file;

/// Its file in the data folder, readable by its owner only: a private key in PEM form.
pub(crate) const FILE: &str = "manager.key";

/// What workers know this data folder's manager by; `None` where none has run on it yet.
///
/// # Errors
/// The key's file cannot be read, or holds none.
pub fn fingerprint(folder: &Path) -> io::Result<Option<Fingerprint>> {
    match fs::read_to_string(folder.join(FILE)) {
        Ok(pem) => of_key(&pem).map(|identity| Some(identity.fingerprint())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The identity of this data folder's manager; made where there is none yet.
pub(crate) fn identity(folder: &Path) -> io::Result<Identity> {
    of_key(&secret_file::read_or_make(&folder.join(FILE), Identity::new_key)?)
}

fn of_key(pem: &str) -> io::Result<Identity> {
    Identity::of_key(pem).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_the_same_and_so_does_what_workers_know_it_by() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(fingerprint(folder.path()).unwrap(), None);
        let first = identity(folder.path()).unwrap().fingerprint();
        assert_eq!(fingerprint(folder.path()).unwrap(), Some(first));
        assert_eq!(identity(folder.path()).unwrap().fingerprint(), first);
        assert_ne!(identity(other.path()).unwrap().fingerprint(), first);
    }

    #[test]
    fn a_file_that_is_no_key_is_said_to_be_none_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "rubbish").unwrap();
        assert!(identity(folder.path()).unwrap_err().to_string().contains("no private key"));
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), "rubbish");
    }
}
