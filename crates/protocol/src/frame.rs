//! The frames: what they hold, their frozen numbers, and their limits. `docs/protocol.md` has every byte.
//!
//! On the wire a frame is a length (4 bytes, big-endian, counting what follows it), a number (1 byte) and a body. All
//! integers are big-endian. A number once given is never given again; a removed one stays in the list as removed.
//!
//! Encoding never fails: text that is too long is cut, counts that are too large are cut. Decoding trusts nothing:
//! every length is checked before it is used.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::id::{Attempt, BooksId, ImageId, InstanceId, ModelDigest};
use crate::result::{Answer, Failure};

/// The versions that this program speaks. Version 1 is the first.
pub const VERSIONS: VersionRange = VersionRange { min: 1, max: 1 };

/// The first bytes of a Hello's body, in every version: who speaks anything else to our port learns it at once.
pub const MAGIC: [u8; 4] = *b"MEYE";

/// The longest image file that an assignment may carry. Twice the default limit of an upload, so that the limit of
/// uploads can be raised without a new protocol.
pub const MAX_PAYLOAD: usize = 64 * 1024 * 1024;

/// The longest frame of any kind but Assign, counting number and body. The largest is a Result with [`MAX_LABELS`] of
/// the longest names, about 33 kB.
pub const MAX_SMALL_FRAME: usize = 64 * 1024;

/// The longest frame: an Assign with the longest payload and the longest extension block.
pub const MAX_FRAME: usize = ASSIGN_HEAD + MAX_EXTENSION_BYTES + MAX_PAYLOAD;

/// The longest name of a worker, of a model and of its software, in bytes: what fits in a table's column.
pub const MAX_NAME: usize = 64;

/// The longest token in bytes.
pub const MAX_TOKEN: usize = 255;

/// The longest sentence (a refusal, a notice, a failure's message) in bytes.
pub const MAX_SENTENCE: usize = 500;

/// The longest name of a class in bytes. ImageNet's longest is 121.
pub const MAX_LABEL_NAME: usize = 255;

/// The most labels in one answer. Five are asked for.
pub const MAX_LABELS: usize = 100;

/// The most models in one Hello.
pub const MAX_MODELS: usize = 16;

/// The most slots of a worker: more than the cores of any machine we know.
pub const MAX_SLOTS: u32 = 1_024;

/// The most images that a worker may offer to hold.
pub const MAX_WINDOW: u32 = 4_096;

/// The longest extension block of a frame in bytes.
pub const MAX_EXTENSION_BYTES: usize = 4_096;

/// The length field of every frame, in bytes.
const LENGTH_BYTES: usize = 4;

/// Assign before its extension block: number, image, attempt, model, deadline, flags, length of the extension block.
const ASSIGN_HEAD: usize = 1 + 8 + 4 + 32 + 4 + 1 + 2;

/// The frozen numbers of the frames. 1..=31 are said by workers, 33..=63 by managers, 64..=95 by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameNumber {
    /// [`WorkerFrame::Hello`]
    Hello = 1,
    /// [`WorkerFrame::Result`]
    Result = 2,
    /// [`WorkerFrame::Failed`]
    Failed = 3,
    /// [`WorkerFrame::Progress`]
    Progress = 4,
    /// [`ManagerFrame::Welcome`]
    Welcome = 33,
    /// [`ManagerFrame::Refused`]
    Refused = 34,
    /// [`ManagerFrame::Assign`]
    Assign = 35,
    /// [`ManagerFrame::Cancel`]
    Cancel = 36,
    /// [`ManagerFrame::ResultAck`]
    ResultAck = 37,
    /// [`ManagerFrame::Drain`]
    Drain = 38,
    /// [`ManagerFrame::Move`]
    Move = 39,
    /// Ping, either way.
    Ping = 64,
    /// Pong, either way.
    Pong = 65,
    /// Goodbye, either way.
    Goodbye = 66,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerFrame {
    /// The first frame of a connection.
    Hello(Hello),
    /// A recognised image. Said again after each reconnect until a ResultAck.
    Result {
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
        /// Labels and times.
        answer: Answer,
        /// What a later minor addition wants to say.
        extensions: Extensions,
    },
    /// An image without an answer.
    Failed {
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
        /// Why.
        failure: Failure,
    },
    /// How far an image has come.
    Progress {
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
        /// How far.
        stage: Stage,
    },
    /// Are you there?
    Ping {
        /// Comes back in the Pong.
        nonce: u64,
    },
    /// I am.
    Pong {
        /// The Ping's.
        nonce: u64,
    },
    /// The worker goes and does not come back. Nothing follows.
    Goodbye,
}

/// What a manager says.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagerFrame {
    /// The answer to a Hello.
    Welcome(Welcome),
    /// The other answer to a Hello. Nothing follows.
    Refused(Refusal),
    /// An image to recognise, or a question after one (`resend`).
    Assign(Assign),
    /// The answer is not wanted any more.
    Cancel {
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
    },
    /// The Result (or Failed) is safe: the worker need not say it again.
    ResultAck {
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
    },
    /// Finish what you have, then say Goodbye.
    Drain,
    /// Come by another transport. Said only to a worker whose Hello says that it [`moves`](Hello::moves).
    Move {
        /// Which.
        to: TransportNumber,
    },
    /// Are you there?
    Ping {
        /// Comes back in the Pong.
        nonce: u64,
    },
    /// I am.
    Pong {
        /// The Ping's.
        nonce: u64,
    },
    /// The manager goes for now: connect again later. Nothing follows.
    Goodbye,
}

/// Who a worker is and what it can do.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    /// The versions that it speaks.
    pub versions: VersionRange,
    /// Which run of a worker process it is.
    pub instance: InstanceId,
    /// How many images it recognises at a time.
    pub slots: u32,
    /// The most images that it will hold, running and queued.
    pub window: u32,
    /// What it calls itself.
    pub name: String,
    /// Program and version, for people.
    pub software: String,
    /// What it was told to say to be let in.
    pub token: Option<String>,
    /// The models that it holds.
    pub models: Vec<ModelDescription>,
    /// It may be asked to come by another transport.
    pub moves: bool,
}

/// A transport by its number on the wire. Which is which is known to those who carry frames, and to `docs/protocol.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportNumber(pub u8);

/// A range of protocol versions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest.
    pub min: u16,
    /// The newest.
    pub max: u16,
}

/// A model that a worker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelDescription {
    /// The SHA-256 of its ONNX file.
    pub digest: ModelDigest,
    /// As in the manifest, or the file's name.
    pub name: String,
    /// Whether the digest is one the manifest knows.
    pub verified: bool,
    /// Anything a person should know of it, in one sentence.
    pub notice: Option<String>,
    /// What it makes of a picture before it looks. `None`: not told, or not the picture is what it looks at but the file itself.
    pub input: Option<InputSize>,
}

/// The size to which a model brings a picture before it looks at it. Pixels beyond that are of no use to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputSize {
    /// Both sides have so many pixels, whatever that does to the proportions.
    Squashed(u16),
    /// The shorter side has so many pixels, and the proportions stay.
    ShorterSide(u16),
}

/// How far an image has come at the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// All its bytes are there; it waits for a slot.
    Received = 1,
    /// A slot has taken it.
    Started = 2,
}

/// The manager's yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The version that both shall speak from here on.
    pub version: u16,
    /// The books that image numbers are of.
    pub books: BooksId,
    /// How often a side that has nothing to say shall say that it is there. Whole milliseconds.
    pub heartbeat: Duration,
    /// After how long without a byte the other side counts as gone. Whole milliseconds.
    pub silence: Duration,
}

/// The manager's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For the program.
    pub code: RefusalCode,
    /// For a person: one sentence.
    pub sentence: String,
}

/// Why a manager will not have a worker, with frozen numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum RefusalCode {
    /// No version in common.
    Version = 1,
    /// The token is missing or wrong, or is none any more.
    Token = 2,
    /// The worker does not hold the model in use.
    Model = 3,
    /// The Hello makes no sense: no name, no slot.
    Hello = 4,
    /// It came in the clear, or encrypted, and the manager wants the other.
    Encryption = 5,
    /// As many connections as the manager takes.
    Full = 64,
    /// The manager is going down.
    ShuttingDown = 65,
}

impl RefusalCode {
    /// Whether trying again later may help. True of the numbers from 64 on.
    #[must_use]
    pub fn may_mend(self) -> bool {
        (self as u16) >= 64
    }
}

/// An image for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assign {
    /// Which image.
    pub image: ImageId,
    /// Which delivery of it.
    pub attempt: Attempt,
    /// The model that shall recognise it.
    pub model: ModelDigest,
    /// How long the worker may take from when a slot has begun. Whole milliseconds.
    pub deadline: Duration,
    /// This was said before, and comes without the bytes: what has become of it?
    pub resend: bool,
    /// What a later minor addition wants to say.
    pub extensions: Extensions,
    /// The image file's own bytes, or those of a smaller form of it. Empty when `resend`.
    pub payload: Bytes,
}

/// What was added to a frame after the protocol was frozen, as type, length and value. Whoever does not know an entry's
/// kind passes over it, unless it is marked critical.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions(pub Vec<Extension>);

/// One entry of [`Extensions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// What it is; at most [`Extension::MAX_KIND`]. None is defined in version 1.
    pub kind: u16,
    /// The frame must not be acted on by one who does not know the kind.
    pub critical: bool,
    /// As the kind says.
    pub value: Bytes,
}

impl Extension {
    /// The highest kind: the bit above it on the wire is the critical flag.
    pub const MAX_KIND: u16 = 0x7fff;
}

impl Extensions {
    /// The kind of the first critical entry that this program does not understand. It understands none yet.
    #[must_use]
    pub fn not_understood(&self) -> Option<u16> {
        self.0.iter().find(|entry| entry.critical).map(|entry| entry.kind)
    }
}

impl VersionRange {
    /// The newest version that is in both ranges.
    #[must_use]
    pub fn newest_common(self, other: Self) -> Option<u16> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}

/// Debug output must not carry the token into a log.
impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("versions", &self.versions)
            .field("instance", &self.instance)
            .field("slots", &self.slots)
            .field("window", &self.window)
            .field("name", &self.name)
            .field("software", &self.software)
            .field("token", &self.token.as_ref().map(|_| "hidden"))
            .field("models", &self.models)
            .field("moves", &self.moves)
            .finish()
    }
}

/// A frame ready to be written: `head`, then `payload`, which is the image's own buffer and is never copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Length, number and body, but for an assignment's payload.
    pub head: Bytes,
    /// An assignment's payload; otherwise empty.
    pub payload: Bytes,
}

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The length field claims more than the kind of frame may have.
    #[error("a frame of {length} bytes, the limit here is {limit}")]
    TooLong {
        /// Claimed.
        length: usize,
        /// Allowed.
        limit: usize,
    },
    /// No such frame, or not from this side.
    #[error("a frame of the unknown number {0}")]
    UnknownFrame(u8),
    /// The frame ends before its fields do.
    #[error("a frame that ends within its {0}")]
    Short(&'static str),
    /// The frame goes on after its last field.
    #[error("{0} bytes too many at a frame's end")]
    Trailing(usize),
    /// A field holds what it may not.
    #[error("a frame whose {0} is not valid")]
    Invalid(&'static str),
}

/// What a buffer begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum Split {
    /// A whole frame, taken from the buffer: its number and body, for `decode`.
    Frame(Bytes),
    /// The beginning of a frame that is so many bytes longer than what is there. Read at least one more.
    Missing(usize),
}

/// Takes one whole frame from the front of a buffer. The length field is checked against `limit` as soon as it is there,
/// so that a claim costs no memory.
///
/// # Errors
/// [`DecodeError::TooLong`], and [`DecodeError::Short`] for a frame without a number.
pub fn split_frame(buffer: &mut BytesMut, limit: usize) -> Result<Split, DecodeError> {
    let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else {
        return Ok(Split::Missing(LENGTH_BYTES - buffer.len()));
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length > limit {
        return Err(DecodeError::TooLong { length, limit });
    }
    if length == 0 {
        return Err(DecodeError::Short("number"));
    }
    let whole = LENGTH_BYTES + length;
    if buffer.len() < whole {
        return Ok(Split::Missing(whole - buffer.len()));
    }
    let frame = buffer.split_to(whole).freeze();
    Ok(Split::Frame(frame.slice(LENGTH_BYTES..)))
}
