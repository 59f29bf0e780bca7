//! The files of the simulated world: each is unlike all others, and says what recognising it does to a worker.

use bytes::Bytes;
use manyeyes_protocol::result::{Answer, Failure, FailureCode, Label, WorkerTiming};

/// Which file it is. An answer names it, so that one that belongs to another image is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(pub(crate) u64);

/// What a file does to who recognises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It is recognised.
    Sound,
    /// It is no whole image: nobody can.
    Bad,
    /// It crashes the process.
    Poison,
    /// Its slot never comes back.
    Tar,
}

impl Token {
    /// Written into the token, so that it needs no table.
    pub(crate) fn new(number: u64, nature: Nature) -> Self {
        let nature = match nature {
            Nature::Sound => 0,
            Nature::Bad => 1,
            Nature::Poison => 2,
            Nature::Tar => 3,
        };
        Self(number << 2 | nature)
    }

    pub(crate) fn nature(self) -> Nature {
        match self.0 & 3 {
            0 => Nature::Sound,
            1 => Nature::Bad,
            2 => Nature::Poison,
            _ => Nature::Tar,
        }
    }

    /// The file, as long as that; at least the token.
    pub(crate) fn file(self, bytes: usize) -> Bytes {
        let mut file = vec![0; bytes.max(8)];
        file[..8].copy_from_slice(&self.0.to_be_bytes());
        file.into()
    }

    /// The token that is in a file.
    pub(crate) fn of(file: &[u8]) -> Option<Self> {
        file.first_chunk().map(|bytes| Self(u64::from_be_bytes(*bytes)))
    }

    /// What its label is called.
    pub(crate) fn label(self) -> String {
        format!("token {}", self.0)
    }

    /// What comes of recognising it, where anything does.
    pub(crate) fn outcome(self, timing: WorkerTiming) -> Result<Answer, Failure> {
        if self.nature() == Nature::Bad {
            return Err(Failure { code: FailureCode::Damaged, message: "it contradicts itself".to_owned() });
        }
        let label = Label { index: 1, name: self.label(), probability: 1.0 };
        Ok(Answer { labels: vec![label], timing })
    }
}
