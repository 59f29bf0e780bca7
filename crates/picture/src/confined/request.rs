//! What a child is asked.

use std::io::{self, ErrorKind};

use super::within;
use crate::{Fit, Limits};

/// Bytes of a request before the file.
pub const REQUEST_HEAD_BYTES: usize = 25;

/// Largest file that a child takes: far beyond the uploads' default limit, and still a bound for its memory.
pub const MAX_FILE_BYTES: u32 = 256 << 20;

/// What is asked, without the file.
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
    /// The pixels of a square from its centre, as [`decode_fitted`](crate::decode_fitted()) has them: 3 bytes each.
    Square {
        /// How the whole picture is resized.
        fit: Fit,
        /// The square's side.
        crop: u32,
    },
}

impl RequestHead {
    /// The bytes on the pipe.
    pub fn encode(&self) -> [u8; REQUEST_HEAD_BYTES] {
        let (kind, first, second, crop) = match self.wanted {
            Wanted::Thumbnail(longest_side) => (0, longest_side, 0, 0),
            Wanted::Smaller(Fit::Squash { width, height }) => (1, width, height, 0),
            Wanted::Smaller(Fit::ShorterSide(side)) => (2, side, 0, 0),
            Wanted::Square { fit: Fit::Squash { width, height }, crop } => (3, width, height, crop),
            Wanted::Square { fit: Fit::ShorterSide(side), crop } => (4, side, 0, crop),
        };
        let mut head = [0; REQUEST_HEAD_BYTES];
        head[..4].copy_from_slice(&self.file_bytes.to_be_bytes());
        head[4] = kind;
        head[5..9].copy_from_slice(&first.to_be_bytes());
        head[9..13].copy_from_slice(&second.to_be_bytes());
        head[13..17].copy_from_slice(&crop.to_be_bytes());
        head[17..].copy_from_slice(&self.limits.max_pixels.to_be_bytes());
        head
    }

    /// What [`RequestHead::encode`] wrote. Fails on a file over [`MAX_FILE_BYTES`], and on what is not known to be wanted.
    pub fn decode(head: [u8; REQUEST_HEAD_BYTES]) -> io::Result<Self> {
        let [a, b, c, d, kind, e, f, g, h, i, j, k, l, m, n, o, p, max_pixels @ ..] = head;
        let [first, second, crop] = [[e, f, g, h], [i, j, k, l], [m, n, o, p]].map(u32::from_be_bytes);
        let squash = Fit::Squash { width: first.max(1), height: second.max(1) };
        let shorter_side = Fit::ShorterSide(first.max(1));
        let wanted = match kind {
            0 => Wanted::Thumbnail(first),
            1 => Wanted::Smaller(squash),
            2 => Wanted::Smaller(shorter_side),
            3 => Wanted::Square { fit: squash, crop },
            4 => Wanted::Square { fit: shorter_side, crop },
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
