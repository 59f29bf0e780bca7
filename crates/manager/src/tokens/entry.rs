//! What is kept of a token, and the decision whom it lets in: a plain function of what is kept, what is given, and the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::results::hex;

/// The last second that is told as a date, of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;
/// What the owner's entries are called.
const OWNER: &str = "owner";

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Joins as a worker. It may do nothing that a person does.
    Worker,
    /// Makes batches, uploads to them, and has their images run again.
    Uploader,
    /// All that a person may do: beside that sees the workers, and deletes.
    Operator,
}

impl Role {
    /// Whether who has this may do what `wanted` may.
    fn includes(self, wanted: Self) -> bool {
        self == wanted || (self == Self::Operator && wanted == Self::Uploader)
    }

    /// Whose it is, in a sentence.
    fn whose(self) -> &'static str {
        match self {
            Self::Worker => "a worker's",
            Self::Uploader => "an uploader's",
            Self::Operator => "an operator's",
        }
    }
}

/// What is kept of a token: all but the token. Times are seconds of Unix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// By which it is revoked.
    pub id: String,
    /// What its maker called it; may be empty.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Hex SHA-256 of the token. A token is 128 random bits, so nobody finds one by trying: a slow hash, which is for what
    /// people think up, would only make each check slow.
    pub(super) sha256: String,
    made: u64,
    expires: Option<u64>,
    revoked: Option<u64>,
}

/// Whether a token lets anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Valid,
    /// Not since then.
    Expired(SystemTime),
    /// Not since then.
    Revoked(SystemTime),
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The token's id, for the log.
    pub(crate) id: String,
    /// What it is for; the owner's is whatever is wanted.
    pub(crate) role: Role,
    /// Until when.
    pub(crate) expires: Option<SystemTime>,
}

/// Why somebody was not let in. Only who gives a token that is known is told more than that it is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the token is not one of this manager's")]
    Unknown,
    #[error("this token expired on {}", httpdate::fmt_http_date(*.0))]
    Expired(SystemTime),
    #[error("this token was revoked on {}", httpdate::fmt_http_date(*.0))]
    Revoked(SystemTime),
    #[error("this token is {}, and {} is needed for this", .has.whose(), .wanted.whose())]
    Role { has: Role, wanted: Role },
}

impl Entry {
    /// Of a token that is made now.
    pub(super) fn new(
        id: String,
        name: String,
        role: Role,
        token: &str,
        now: SystemTime,
        lasts: Option<Duration>,
    ) -> Self {
        let expires = lasts.map(|lasts| seconds(now).saturating_add(lasts.as_secs()));
        Self { id, name, role, sha256: digest(token), made: seconds(now), expires, revoked: None }
    }

    /// The owner's, in one of its roles.
    pub(super) fn of_owner(token: &str, role: Role) -> Self {
        Self::new(OWNER.to_owned(), OWNER.to_owned(), role, token, UNIX_EPOCH, None)
    }

    /// When it was made.
    #[must_use]
    pub fn made(&self) -> SystemTime {
        time(self.made)
    }

    /// When it ends, if it does by itself.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires.map(time)
    }

    /// Whether it lets anybody in at `now`.
    #[must_use]
    pub fn state(&self, now: SystemTime) -> State {
        match (self.revoked.map(time), self.expires()) {
            (Some(revoked), _) => State::Revoked(revoked),
            (None, Some(expires)) if expires <= now => State::Expired(expires),
            (None, _) => State::Valid,
        }
    }

    /// The same, revoked now; what was revoked before stays so since then.
    pub(super) fn revoked(mut self, now: SystemTime) -> Self {
        self.revoked = self.revoked.or(Some(seconds(now)));
        self
    }
}

/// Whether who gives a token may do what `wanted` may. All entries are compared, whichever it is, and each in a time that
/// does not tell where it differs.
pub(super) fn decide<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    given: &str,
    wanted: Role,
    now: SystemTime,
) -> Result<Grant, Refused> {
    let digest = digest(given);
    let mut found: Option<&Entry> = None;
    for entry in entries {
        let is_it = bool::from(entry.sha256.as_bytes().ct_eq(digest.as_bytes()));
        if is_it && (found.is_none() || entry.role.includes(wanted)) {
            found = Some(entry);
        }
    }
    let entry = found.ok_or(Refused::Unknown)?;
    match entry.state(now) {
        State::Expired(at) => Err(Refused::Expired(at)),
        State::Revoked(at) => Err(Refused::Revoked(at)),
        State::Valid if !entry.role.includes(wanted) => Err(Refused::Role { has: entry.role, wanted }),
        State::Valid => Ok(Grant { id: entry.id.clone(), role: entry.role, expires: entry.expires() }),
    }
}

fn digest(token: &str) -> String {
    hex(&Sha256::digest(token))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: SystemTime = UNIX_EPOCH;

    fn entry(token: &str, role: Role, lasts: Option<u64>) -> Entry {
        Entry::new("id".to_owned(), String::new(), role, token, MADE, lasts.map(Duration::from_secs))
    }

    fn after(seconds: u64) -> SystemTime {
        MADE + Duration::from_secs(seconds)
    }

    #[test]
    fn a_role_may_what_is_its_own_and_an_operator_what_an_uploader_may_too() {
        use Role::{Operator, Uploader, Worker};
        let may = |has, wanted| decide(&[entry("t", has, None)], "t", wanted, MADE).is_ok();
        let allowed: Vec<(Role, Role)> = [Worker, Uploader, Operator]
            .into_iter()
            .flat_map(|has| [Worker, Uploader, Operator].map(|wanted| (has, wanted)))
            .filter(|&(has, wanted)| may(has, wanted))
            .collect();
        assert_eq!(allowed, [(Worker, Worker), (Uploader, Uploader), (Operator, Uploader), (Operator, Operator)]);
        let refused = decide(&[entry("t", Worker, None)], "t", Operator, MADE).unwrap_err();
        assert_eq!(refused.to_string(), "this token is a worker's, and an operator's is needed for this");
    }

    #[test]
    fn a_token_lasts_until_the_second_when_it_expires_and_says_which() {
        let entries = [entry("t", Role::Uploader, Some(60))];
        assert!(decide(&entries, "t", Role::Uploader, after(59)).is_ok());
        let refused = decide(&entries, "t", Role::Uploader, after(60)).unwrap_err();
        assert_eq!(refused.to_string(), "this token expired on Thu, 01 Jan 1970 00:01:00 GMT");
    }

    #[test]
    fn a_revoked_token_says_so_and_since_when_also_when_it_would_have_expired() {
        let entries = [entry("t", Role::Uploader, Some(60)).revoked(after(10)).revoked(after(20))];
        let refused = decide(&entries, "t", Role::Uploader, after(100)).unwrap_err();
        assert_eq!(refused.to_string(), "this token was revoked on Thu, 01 Jan 1970 00:00:10 GMT");
    }

    /// Who guesses is told the same of a token that never was, whatever there is beside it.
    #[test]
    fn an_unknown_token_is_told_nothing() {
        let entries = [entry("t", Role::Worker, Some(1)), entry("u", Role::Operator, None).revoked(MADE)];
        for given in ["", "T", "tt", "t ", "\u{0}"] {
            assert_eq!(decide(&entries, given, Role::Operator, after(100)), Err(Refused::Unknown), "{given:?}");
        }
        assert_eq!(decide(&[], "t", Role::Worker, MADE), Err(Refused::Unknown));
    }

    #[test]
    fn an_end_beyond_all_dates_is_one_and_not_a_panic() {
        let entries = [entry("t", Role::Uploader, Some(u64::MAX)).revoked(SystemTime::now())];
        assert!(entries[0].expires().is_some_and(|end| httpdate::fmt_http_date(end).contains("9999")));
    }
}
