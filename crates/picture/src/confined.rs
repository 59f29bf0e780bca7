//! Smaller pictures from a process that can do nothing else: thumbnails for people, and smaller forms for models.
//!
//! The manager never decodes pixels in its own process. It starts a child, which calls [`confine`] and then [`serve`] on
//! its standard input and output. If a stranger's file were ever to take a decoder over, it would find no file, no
//! socket and no other process within reach.
//!
//! What is said, all numbers big-endian:
//!
//! ```text
//! request:  4 bytes  length of the file
//!           1 byte   what is wanted: 0 a thumbnail, 1 the file squashed, 2 the file brought to a shorter side
//!           4 bytes  0: the longest side in pixels; 1: the width; 2: the shorter side
//!           4 bytes  1: the height; otherwise 0
//!           8 bytes  largest number of pixels that may be decoded
//!           the file
//! reply:    1 byte   0: a JPEG follows; 1: a refusal follows
//!           4 bytes  length of what follows
//!           the JPEG, or the error's code, a line feed and its text
//! ```
//!
//! Requests are answered in their order. End of input ends the child; a child that ends is started again, and what it was
//! working on when it ended has no smaller picture. The parent's side of the pipe, with its time limit, belongs to the parent.

mod confinement;

use std::io::{self, ErrorKind, Read, Write};

use crate::{Fit, Limits, PictureError, smaller, thumbnail};

pub use self::confinement::{ConfinementSettings, confine};

/// Bytes of a request before the file.
pub const REQUEST_HEAD_BYTES: usize = 21;

/// Bytes of a reply before the JPEG or the refusal.
pub const REPLY_HEAD_BYTES: usize = 5;

/// Largest file that a child takes: far beyond the uploads' default limit, and still a bound for its memory.
pub const MAX_FILE_BYTES: u32 = 256 << 20;

/// Largest reply that a parent has to take: a thumbnail is a hundred times smaller, and a smaller form of most photos too.
pub const MAX_REPLY_BYTES: u32 = 16 << 20;

/// What is asked, without the file, which follows it on the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead {
    /// Length of the file, at most [`MAX_FILE_BYTES`].
    pub file_bytes: u32,
    /// What is to be made of it.
    pub wanted: Wanted,
    /// What decoding may cost.
    pub limits: Limits,
}

/// What is to be made of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A [`thumbnail`](crate::thumbnail()) whose longer side has at most so many pixels.
    Thumbnail(u32),
    /// Its [`smaller`](crate::smaller()) form.
    Smaller(Fit),
}

impl RequestHead {
    /// The bytes on the pipe.
    pub fn encode(&self) -> [u8; REQUEST_HEAD_BYTES] {
        let (kind, first, second) = match self.wanted {
            Wanted::Thumbnail(longest_side) => (0, longest_side, 0),
            Wanted::Smaller(Fit::Squash { width, height }) => (1, width, height),
            Wanted::Smaller(Fit::ShorterSide(side)) => (2, side, 0),
        };
        let mut head = [0; REQUEST_HEAD_BYTES];
        head[..4].copy_from_slice(&self.file_bytes.to_be_bytes());
        head[4] = kind;
        head[5..9].copy_from_slice(&first.to_be_bytes());
        head[9..13].copy_from_slice(&second.to_be_bytes());
        head[13..].copy_from_slice(&self.limits.max_pixels.to_be_bytes());
        head
    }

    /// What [`RequestHead::encode`] wrote. Fails on a file over [`MAX_FILE_BYTES`], and on what is not known to be wanted.
    pub fn decode(head: [u8; REQUEST_HEAD_BYTES]) -> io::Result<Self> {
        let [a, b, c, d, kind, e, f, g, h, i, j, k, l, max_pixels @ ..] = head;
        let (first, second) = (u32::from_be_bytes([e, f, g, h]), u32::from_be_bytes([i, j, k, l]));
        let wanted = match kind {
            0 => Wanted::Thumbnail(first),
            1 => Wanted::Smaller(Fit::Squash { width: first.max(1), height: second.max(1) }),
            2 => Wanted::Smaller(Fit::ShorterSide(first.max(1))),
            _ => return Err(io::Error::new(ErrorKind::InvalidData, "a request of an unknown kind")),
        };
        let head = Self {
            file_bytes: u32::from_be_bytes([a, b, c, d]),
            wanted,
            limits: Limits { max_pixels: u64::from_be_bytes(max_pixels) },
        };
        within(head.file_bytes, MAX_FILE_BYTES)?;
        Ok(head)
    }
}

/// The smaller picture, or why there is none.
pub type Reply = Result<Vec<u8>, Refusal>;

/// Why there is no smaller picture of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// As [`PictureError::code`] says; `too_large` where it would be too large, `not_smaller` where it would be no smaller than the
    /// file.
    pub code: String,
    /// The error's text.
    pub message: String,
}

/// The first bytes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyHead {
    is_picture: bool,
    /// Bytes that follow, at most [`MAX_REPLY_BYTES`].
    pub body_bytes: u32,
}

impl ReplyHead {
    /// What a child's reply begins with. Fails on anything that [`serve`] does not write.
    pub fn decode(head: [u8; REPLY_HEAD_BYTES]) -> io::Result<Self> {
        let [kind, length @ ..] = head;
        let body_bytes = u32::from_be_bytes(length);
        within(body_bytes, MAX_REPLY_BYTES)?;
        match kind {
            0 | 1 => Ok(Self { is_picture: kind == 0, body_bytes }),
            _ => Err(io::Error::new(ErrorKind::InvalidData, "a reply of an unknown kind")),
        }
    }

    /// The whole reply, from the bytes that followed its head.
    pub fn reply(self, body: Vec<u8>) -> Reply {
        if self.is_picture {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body);
        let (code, message) = text.split_once('\n').unwrap_or((&text, ""));
        Err(Refusal { code: code.to_owned(), message: message.to_owned() })
    }
}

/// Answers requests until the input ends. An error is the parent's fault or its end: the child has nothing left to do.
pub fn serve(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    while let Some(head) = read_head(&mut input)? {
        let mut file = vec![0; head.file_bytes as usize];
        input.read_exact(&mut file)?;
        let (kind, body) = match make(&file, head.wanted, &head.limits) {
            Ok(Some(jpeg)) if jpeg.len() <= MAX_REPLY_BYTES as usize => (0, jpeg),
            Ok(Some(_)) => (1, b"too_large\nthe picture is too large".to_vec()),
            Ok(None) => (1, b"not_smaller\nthe picture would be no smaller than the file".to_vec()),
            Err(error) => (1, format!("{}\n{error}", error.code()).into_bytes()),
        };
        let length = u32::try_from(body.len()).expect("a reply is within its limit");
        output.write_all(&[&[kind][..], &length.to_be_bytes(), &body].concat())?;
        output.flush()?;
    }
    Ok(())
}

fn make(file: &[u8], wanted: Wanted, limits: &Limits) -> Result<Option<Vec<u8>>, PictureError> {
    match wanted {
        Wanted::Thumbnail(longest_side) => thumbnail(file, longest_side, limits).map(Some),
        Wanted::Smaller(fit) => smaller(file, fit, limits),
    }
}

/// `None` where the input ends between two requests.
fn read_head(input: &mut impl Read) -> io::Result<Option<RequestHead>> {
    let mut head = [0; REQUEST_HEAD_BYTES];
    if input.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    input.read_exact(&mut head[1..])?;
    RequestHead::decode(head).map(Some)
}

fn within(length: u32, limit: u32) -> io::Result<()> {
    if length > limit {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("{length} bytes where at most {limit} may be")));
    }
    Ok(())
}
