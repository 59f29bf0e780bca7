//! What a child says. It is read by the parent, which believes nothing of it but that it is bytes.

use std::io::{self, ErrorKind};

use super::within;
use crate::PictureError;

/// Bytes of a reply before what was wanted, or the refusal.
pub const REPLY_HEAD_BYTES: usize = 5;

/// Largest reply that a parent has to take: a thumbnail is a hundred times smaller, and a smaller form of most photos too.
pub const MAX_REPLY_BYTES: u32 = 16 << 20;

/// Bytes of a sentence, a refusal's or a greeting's: what is longer is cut.
pub(super) const MAX_TEXT_BYTES: usize = 1024;

/// What was wanted, or why it is not to be had.
pub type Reply = Result<Vec<u8>, Refusal>;

/// Why there is no picture of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// As [`PictureError::code`] says; `too_large` where it would be too large, `not_smaller` where it would be no smaller than the
    /// file.
    pub code: String,
    /// The error's text.
    pub message: String,
}

impl Refusal {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = format!("{}\n{}", self.code, self.message);
        body.truncate(body.floor_char_boundary(MAX_TEXT_BYTES));
        body.into_bytes()
    }

    /// What [`Refusal::encode`] wrote. It goes to logs, terminals and pages: what is no character to be seen becomes a space.
    pub(super) fn decode(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(MAX_TEXT_BYTES)]);
        let (code, message) = text.split_once('\n').unwrap_or((&text, ""));
        Self { code: printable(code), message: printable(message) }
    }
}

impl From<PictureError> for Refusal {
    fn from(error: PictureError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

/// What a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Wanted = 0,
    Refusal = 1,
    Greeting = 2,
}

/// The first bytes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyHead {
    pub(super) kind: Kind,
    /// Bytes that follow, at most [`MAX_REPLY_BYTES`].
    pub body_bytes: u32,
}

impl ReplyHead {
    pub(super) fn encode(self) -> [u8; REPLY_HEAD_BYTES] {
        let [a, b, c, d] = self.body_bytes.to_be_bytes();
        [self.kind as u8, a, b, c, d]
    }

    /// What a child's reply begins with. Fails on anything that no child of ours writes.
    pub fn decode(head: [u8; REPLY_HEAD_BYTES]) -> io::Result<Self> {
        let [kind, length @ ..] = head;
        let kind = match kind {
            0 => Kind::Wanted,
            1 => Kind::Refusal,
            2 => Kind::Greeting,
            _ => return Err(io::Error::new(ErrorKind::InvalidData, "a reply of an unknown kind")),
        };
        let body_bytes = u32::from_be_bytes(length);
        within(body_bytes, MAX_REPLY_BYTES)?;
        Ok(Self { kind, body_bytes })
    }

    /// The whole reply to a request, from the bytes that followed its head. Fails on a greeting.
    pub fn reply(self, body: Vec<u8>) -> io::Result<Reply> {
        match self.kind {
            Kind::Wanted => Ok(Ok(body)),
            Kind::Refusal => Ok(Err(Refusal::decode(&body))),
            Kind::Greeting => Err(io::Error::new(ErrorKind::InvalidData, "a greeting where a reply should be")),
        }
    }

    /// What could not be taken from the child that greets with these bytes behind its head. Fails on what is no greeting.
    pub fn greeted(self, body: &[u8]) -> io::Result<Vec<String>> {
        match self.kind {
            Kind::Greeting => {
                let text = String::from_utf8_lossy(&body[..body.len().min(MAX_TEXT_BYTES)]);
                Ok(text.lines().map(printable).collect())
            }
            Kind::Wanted | Kind::Refusal => {
                Err(io::Error::new(ErrorKind::InvalidData, "a reply where a greeting should be"))
            }
        }
    }
}

/// What a child says first: what [`confine`](super::confine) could not take from it.
pub fn greeting(missing: &[String]) -> Vec<u8> {
    let mut text = missing.join("\n");
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    let body_bytes = u32::try_from(text.len()).expect("it was cut");
    [&ReplyHead { kind: Kind::Greeting, body_bytes }.encode()[..], text.as_bytes()].concat()
}

fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
