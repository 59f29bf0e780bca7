//! Tokens: who is let in, and as what. What is kept of one is in the data folder, so that they can be made and revoked while a
//! manager runs on it; `docs/decisions/0025-tokens-and-roles.md` says why.

mod entry;
mod folder;
mod owner;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

pub use self::{
    entry::{Entry, Role, State},
    folder::{Created, Kept, NewToken, TokenError, create, list, revoke},
};
pub(crate) use self::{
    entry::{Grant, Refused},
    folder::{FOLDER, copy},
    owner::FILE as OWNER_FILE,
};

/// When a token is checked, the folder is read if it says that something has changed in it; and after so long in any case, because
/// its clock may be too coarse to tell two changes apart.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Random bytes of a token: 128 bits.
const TOKEN_BYTES: usize = 16;

/// The tokens of a data folder. Clones share what was last seen there.
#[derive(Clone)]
pub(crate) struct Tokens {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    owner: String,
    /// The owner's has every role: one entry for what a person does, one for what a worker does.
    owners: [Entry; 2],
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    entries: Vec<Entry>,
    looked: Option<Instant>,
    /// When the folder had last changed by then; `None`: it was not there.
    changed: Option<SystemTime>,
}

impl Tokens {
    /// Reads the tokens of this data folder, and makes the owner's where there is none yet.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let owner = owner::token(folder)?;
        let owners = [Role::Operator, Role::Worker].map(|role| Entry::of_owner(&owner, role));
        let shared = Shared { folder: folder.to_owned(), owner, owners, seen: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The owner's token, in clear: what is printed at the start.
    pub(crate) fn owner(&self) -> &str {
        &self.shared.owner
    }

    /// Lets in who gives a token, for what `wanted` may do; or says why not. A change of the folder counts within a second. What is behind a dot is
    /// the fingerprint of the manager's key, and not a part of it.
    pub(crate) fn admit(&self, given: &str, wanted: Role) -> Result<Grant, Refused> {
        let given = given.split_once('.').map_or(given, |(secret, _)| secret);
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.look(&self.shared.folder, Instant::now());
        entry::decide(self.shared.owners.iter().chain(&seen.entries), given, wanted, SystemTime::now())
    }
}

/// Says nothing of any token.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

impl Seen {
    /// A folder that cannot be read leaves what was seen before: who was let in is not put out by a disk's bad moment.
    fn look(&mut self, folder: &Path, now: Instant) {
        let changed = fs::metadata(folder.join(FOLDER)).and_then(|folder| folder.modified()).ok();
        let was_just_now = self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_EVERY);
        if was_just_now && changed == self.changed {
            return;
        }
        self.changed = changed;
        let first = self.looked.replace(now).is_none();
        match list(folder) {
            Ok(Kept { entries, unreadable }) => {
                self.entries = entries;
                for why in unreadable.iter().filter(|_| first) {
                    tracing::warn!("a token cannot be read, and lets nobody in: {why}");
                }
            }
            Err(error) => tracing::warn!(%error, "the tokens cannot be read; those that were read before still count"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_has_every_role_and_a_token_that_is_made_or_revoked_counts_when_it_is_next_checked() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(folder.path()).unwrap();
        for role in [Role::Worker, Role::Uploader, Role::Operator] {
            assert!(tokens.admit(tokens.owner(), role).is_ok(), "{role:?}");
        }
        let wanted = NewToken { role: Role::Uploader, name: String::new(), expires_in: None };
        let Created { secret, entry } = create(folder.path(), wanted, SystemTime::now()).unwrap();
        let (mut seen, now) = (Seen::default(), Instant::now());
        let mut look = |at: Instant| {
            seen.look(folder.path(), at);
            entry::decide(&seen.entries, &secret, Role::Uploader, SystemTime::now())
        };
        assert!(look(now).is_ok());
        let file = folder.path().join(FOLDER).join(format!("{}.json", entry.id));
        let kept = fs::read_to_string(&file).unwrap();
        fs::write(&file, kept.replace("\"revoked\":null", "\"revoked\":1")).unwrap();
        assert!(look(now + LOOK_EVERY / 2).is_ok(), "the folder does not say that a file was written over");
        assert!(matches!(look(now + LOOK_EVERY), Err(Refused::Revoked(_))));
        fs::write(&file, kept).unwrap();
        fs::File::open(folder.path().join(FOLDER)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(look(now + 2 * LOOK_EVERY).is_ok());
        revoke(folder.path(), &entry.id, SystemTime::now()).unwrap();
        assert!(matches!(look(now + 2 * LOOK_EVERY), Err(Refused::Revoked(_))), "that it has another file, it says");
        assert!(LOOK_EVERY < Duration::from_secs(1), "within a second, it is promised");
    }

    #[test]
    fn no_token_is_in_debug_output() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(folder.path()).unwrap();
        assert!(!format!("{tokens:?}").contains(tokens.owner()));
    }
}
