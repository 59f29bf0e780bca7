//! Pixels from a process that can do nothing else: thumbnails for people, smaller forms and cropped squares for models.
//!
//! Neither a manager nor a worker decodes a stranger's pixels in its own process. It starts a child, which calls [`confine`] and then
//! serves what it is asked. If a stranger's file were ever to take a decoder over, it would find no file, no socket and no other
//! process within reach.
//!
//! What is said, all numbers big-endian:
//!
//! ```text
//! greeting: a reply of kind 2; what follows is what could not be taken from the child, a sentence a line
//! request:  4 bytes  length of the file
//!           1 byte   what is wanted: 0 a thumbnail; 1 the file squashed, 2 brought to a shorter side; 3 and 4 as 1 and 2, as pixels
//!           4 bytes  0: the longest side in pixels; 1, 3: the width; 2, 4: the shorter side
//!           4 bytes  1, 3: the height; otherwise 0
//!           4 bytes  3, 4: the side of the square that is cut from the centre; otherwise 0
//!           8 bytes  largest number of pixels that may be decoded
//!           the file
//! reply:    1 byte   0: what was wanted follows; 1: a refusal follows
//!           4 bytes  length of what follows
//!           a JPEG, or rows of R, G, B; or the error's code, a line feed and its text
//! ```
//!
//! A child greets once, when it is confined. Then requests are answered in their order. End of input ends the child. What a child was at
//! when it ended has no picture, and another child is started.
//!
//! It is carried in one of two ways. [`serve()`] takes all of it from a pipe and gives it to another: a manager's children. [`serve_in`]
//! has files and what is made of them in memory that both processes share, and the rest on one socket: a worker's children, which
//! [`Decoders`] starts. There every copy counts.

#[cfg(target_os = "linux")]
mod area;
mod confinement;
#[cfg_attr(not(target_os = "linux"), path = "confined/decoder/elsewhere.rs")]
mod decoder;
mod reply;
mod request;
mod serve;

#[cfg(target_os = "linux")]
pub use self::area::{Area, Channel};
pub use self::confinement::{ConfinementSettings, confine};
pub use self::decoder::{Decoder, DecoderError, DecoderSettings, Decoders};
pub use self::reply::{MAX_REPLY_BYTES, REPLY_HEAD_BYTES, Refusal, Reply, ReplyHead, greeting};
pub use self::request::{MAX_FILE_BYTES, REQUEST_HEAD_BYTES, RequestHead, Wanted};
pub use self::serve::{serve, serve_in};

/// After so many pictures a child is replaced: whatever has come over it sees no more of other people's than these.
pub const PICTURES_A_PROCESS: u32 = 1000;

fn within(length: u32, limit: u32) -> std::io::Result<()> {
    if length > limit {
        let text = format!("{length} bytes where at most {limit} may be");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
    }
    Ok(())
}
