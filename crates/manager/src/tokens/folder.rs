//! The tokens in the data folder: one file for each, written whole or not at all. So no lock is needed: a manager reads while
//! others make and revoke, and two that are made at the same time are two files.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::TOKEN_BYTES;
use super::entry::{Entry, Role, State};
use crate::secret_file;

/// Where they lie in the data folder.
pub(crate) const FOLDER: &str = "tokens";
/// What an entry's file ends with; before it is its id.
const ENDING: &str = ".json";
/// The most that are kept. Beyond it the one that ended first makes room; where none has ended, no more are made.
const MOST: usize = 1000;
/// No entry is longer. What is, is none.
const ENTRY_BYTES: u64 = 4096;
/// The longest name.
const NAME_CHARACTERS: usize = 64;
/// Random bytes of an id: it is no secret, and typed by people.
const ID_BYTES: usize = 5;

/// What a token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What it is for.
    pub role: Role,
    /// What to call it; may be empty.
    pub name: String,
    /// How long it lasts; `None`: until it is revoked.
    pub expires_in: Option<Duration>,
}

/// A token that was just made.
pub struct Created {
    /// The token itself: letters and digits. It is kept nowhere.
    pub secret: String,
    /// What is kept of it.
    pub entry: Entry,
}

/// What there is in a data folder.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// In the order in which they were made.
    pub entries: Vec<Entry>,
    /// Files that are none, each with the reason.
    pub unreadable: Vec<String>,
}

/// Why something could not be done to a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A slip in its path would make a token that lets nobody in.
    #[error("there is no data folder {}", .0.display())]
    NoFolder(PathBuf),
    /// By that id.
    #[error("there is no token {0}")]
    NoToken(String),
    /// It would not stand in a line of a list.
    #[error("a name has at most {NAME_CHARACTERS} characters, and none that cannot be seen")]
    Name,
    /// A thousand are.
    #[error("there are {MOST} tokens that have not ended, and no more can be kept: revoke some")]
    Full,
    /// The disk.
    #[error("failed to {0}")]
    Disk(String, #[source] io::Error),
}

/// Makes a token. It counts for a manager that runs on the folder within a second, and survives a power cut.
///
/// # Errors
/// [`TokenError::NoFolder`], [`TokenError::Name`], [`TokenError::Full`], [`TokenError::Disk`].
pub fn create(data: &Path, wanted: NewToken, now: SystemTime) -> Result<Created, TokenError> {
    let NewToken { role, name, expires_in } = wanted;
    if name.chars().count() > NAME_CHARACTERS || name.chars().any(char::is_control) {
        return Err(TokenError::Name);
    }
    let kept = list(data)?;
    if kept.entries.len() >= MOST {
        make_room(data, &kept.entries, now)?;
    }
    let drawn = |error| TokenError::Disk("make it".to_owned(), error);
    let id = secret_file::random::<ID_BYTES>().map_err(drawn)?;
    let secret = secret_file::random::<TOKEN_BYTES>().map_err(drawn)?;
    let entry = Entry::new(id, name, role, &secret, now, expires_in);
    write(data, &entry)?;
    Ok(Created { secret, entry })
}

/// The tokens of a data folder.
///
/// # Errors
/// [`TokenError::NoFolder`], [`TokenError::Disk`].
pub fn list(data: &Path) -> Result<Kept, TokenError> {
    let folder = data.join(FOLDER);
    let files = match fs::read_dir(&folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound && data.is_dir() => return Ok(Kept::default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(TokenError::NoFolder(data.to_owned())),
        Err(error) => return Err(failed("read", &folder)(error)),
    };
    let mut kept = Kept::default();
    for file in files {
        let file = file.map_err(failed("read", &folder))?;
        let name = file.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(ENDING)) else {
            continue;
        };
        match read(&file.path(), id) {
            Ok(entry) => kept.entries.push(entry),
            // It made room in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => kept.unreadable.push(format!("{}: {error}", file.path().display())),
        }
    }
    kept.entries.sort_by(|a, b| (a.made(), &a.id).cmp(&(b.made(), &b.id)));
    Ok(kept)
}

/// Ends a token, for good. It counts for a manager that runs on the folder within a second, and survives a power cut.
///
/// # Errors
/// [`TokenError::NoFolder`], [`TokenError::NoToken`], [`TokenError::Disk`].
pub fn revoke(data: &Path, id: &str, now: SystemTime) -> Result<Entry, TokenError> {
    let found = list(data)?.entries.into_iter().find(|entry| entry.id == id);
    let entry = found.ok_or_else(|| TokenError::NoToken(id.to_owned()))?.revoked(now);
    write(data, &entry)?;
    Ok(entry)
}

/// Writes the same tokens into another data folder, those that have ended too: there they are to stay ended.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), TokenError> {
    list(from)?.entries.iter().try_for_each(|entry| write(to, entry))
}

fn make_room(data: &Path, entries: &[Entry], now: SystemTime) -> Result<(), TokenError> {
    let ended = entries.iter().filter_map(|entry| match entry.state(now) {
        State::Expired(at) | State::Revoked(at) => Some((at, entry)),
        State::Valid => None,
    });
    let (_, first) = ended.min_by_key(|(at, _)| *at).ok_or(TokenError::Full)?;
    let file = file_of(data, &first.id);
    fs::remove_file(&file).map_err(failed("remove", &file))
}

fn read(file: &Path, id: &str) -> io::Result<Entry> {
    let mut text = String::new();
    File::open(file)?.take(ENTRY_BYTES).read_to_string(&mut text)?;
    let entry: Entry = serde_json::from_str(&text)?;
    // A copy under another name could not be revoked by what it is called.
    if entry.id == id { Ok(entry) } else { Err(io::Error::other("it is of another token")) }
}

/// Whole or not at all, and to stay.
fn write(data: &Path, entry: &Entry) -> Result<(), TokenError> {
    make_folder(data, &data.join(FOLDER))?;
    let (file, text) = (file_of(data, &entry.id), serde_json::to_string(entry).expect("an entry is JSON"));
    secret_file::write(&file, &text).map_err(failed("write", &file))
}

fn make_folder(data: &Path, folder: &Path) -> Result<(), TokenError> {
    let made = match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => secret_file::give_to_owner_of(data, folder).and_then(|()| File::open(data)?.sync_all()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    };
    made.map_err(failed("make", folder))
}

fn file_of(data: &Path, id: &str) -> PathBuf {
    data.join(FOLDER).join(format!("{id}{ENDING}"))
}

fn failed(what: &'static str, whom: &Path) -> impl Fn(io::Error) -> TokenError {
    move |error| TokenError::Disk(format!("{what} {}", whom.display()), error)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, thread};

    use super::*;
    use crate::tokens::entry::decide;

    fn wanted(name: &str) -> NewToken {
        NewToken { role: Role::Uploader, name: name.to_owned(), expires_in: None }
    }

    fn make(data: &Path, name: &str) -> Created {
        create(data, wanted(name), SystemTime::now()).unwrap()
    }

    #[test]
    fn a_token_is_kept_by_its_digest_only_and_read_by_its_owner_only() {
        let data = tempfile::tempdir().unwrap();
        let Created { secret, entry } = make(data.path(), "ada");
        assert!(secret.len() >= 20 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()), "128 bits, and no dot");
        let file = file_of(data.path(), &entry.id);
        assert!(!fs::read_to_string(&file).unwrap().contains(&secret));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&data.path().join(FOLDER))), (0o600, 0o700));
        let kept = list(data.path()).unwrap();
        assert_eq!(kept.entries, [entry]);
        assert!(decide(&kept.entries, &secret, Role::Uploader, SystemTime::now()).is_ok());
    }

    #[test]
    fn tokens_that_are_made_at_the_same_time_are_all_kept() {
        let data = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..5).for_each(|_| drop(make(data.path(), ""))));
            }
        });
        assert_eq!(list(data.path()).unwrap().entries.len(), 40);
        assert_eq!(fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 40, "nothing is left beside them");
    }

    #[test]
    fn a_token_is_revoked_by_its_id_once_and_an_id_of_none_is_told() {
        let data = tempfile::tempdir().unwrap();
        let (kept, ended) = (make(data.path(), "a"), make(data.path(), "b"));
        let now = SystemTime::now();
        let first = revoke(data.path(), &ended.entry.id, now).unwrap();
        let again = revoke(data.path(), &ended.entry.id, now + Duration::from_secs(60)).unwrap();
        assert_eq!(first, again, "it ended when it was first revoked");
        let entries = list(data.path()).unwrap().entries;
        assert!(decide(&entries, &ended.secret, Role::Uploader, now).is_err());
        assert!(decide(&entries, &kept.secret, Role::Uploader, now).is_ok());
        for none in ["nobody", "../token", ""] {
            assert!(matches!(revoke(data.path(), none, now), Err(TokenError::NoToken(_))), "{none}");
        }
    }

    #[test]
    fn what_is_no_entry_lets_nobody_in_is_named_and_costs_no_other_token() {
        let data = tempfile::tempdir().unwrap();
        let good = make(data.path(), "");
        let folder = data.path().join(FOLDER);
        fs::copy(file_of(data.path(), &good.entry.id), folder.join("copy.json")).unwrap();
        fs::write(folder.join("half.json"), "{\"id\":\"half\"").unwrap();
        fs::write(folder.join("long.json"), "x".repeat(1 << 20)).unwrap();
        fs::write(folder.join("3x.new"), "broken off").unwrap();
        let kept = list(data.path()).unwrap();
        assert_eq!(kept.entries, [good.entry]);
        let named = |what: &str| kept.unreadable.iter().any(|line| line.contains(what));
        assert!(
            kept.unreadable.len() == 3 && named("copy.json") && named("half.json") && named("long.json"),
            "{kept:?}"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_and_a_name_that_breaks_a_line_are_told() {
        let data = tempfile::tempdir().unwrap();
        let slip = data.path().join("slip");
        assert!(matches!(create(&slip, wanted(""), SystemTime::now()), Err(TokenError::NoFolder(_))));
        assert!(!slip.exists());
        for name in ["two\nlines", &"x".repeat(65)] {
            assert!(matches!(create(data.path(), wanted(name), SystemTime::now()), Err(TokenError::Name)), "{name}");
        }
        assert!(create(data.path(), wanted(&"é".repeat(64)), SystemTime::now()).is_ok());
    }

    #[test]
    fn the_token_that_ended_first_makes_room_and_one_that_has_not_never_does() {
        let data = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let entries: Vec<Entry> =
            (0..3).map(|n| Entry::new(n.to_string(), String::new(), Role::Worker, "t", now, None)).collect();
        assert!(matches!(make_room(data.path(), &entries, now), Err(TokenError::Full)));
        let at = |after: u64| now + Duration::from_secs(after);
        let entries = [entries[0].clone().revoked(at(9)), entries[1].clone().revoked(at(3)), entries[2].clone()];
        entries.iter().for_each(|entry| write(data.path(), entry).unwrap());
        make_room(data.path(), &entries, at(10)).unwrap();
        let left: Vec<String> = list(data.path()).unwrap().entries.into_iter().map(|entry| entry.id).collect();
        assert_eq!(left, ["0", "2"]);
    }
}
