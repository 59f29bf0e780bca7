//! What a worker says of an image: an answer, or why there is none.

use std::time::Duration;

/// One of the top-k classes of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The class's position in the model's output.
    pub index: u32,
    /// The class's name, from the model's label file.
    pub name: String,
    /// Probability in 0..=1.
    pub probability: f32,
}

/// Where a worker's time went for one image, by the worker's own clock. Clocks of two machines are never subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerTiming {
    /// From the first byte of the assignment to its last.
    pub receive: Duration,
    /// From there until a slot took it.
    pub queue: Duration,
    /// File bytes to the model's input tensor.
    pub decode: Duration,
    /// The model's run.
    pub inference: Duration,
}

/// A recognised image.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Most probable first.
    pub labels: Vec<Label>,
    /// Where the worker's time went.
    pub timing: WorkerTiming,
}

/// Why a worker has no answer for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure, which decides what becomes of the image.
    pub code: FailureCode,
    /// For a person to read; at most a few hundred bytes.
    pub message: String,
}

/// The kinds of failure, with their frozen numbers on the wire. 1..=63 are faults of the image: no other worker would do
/// better, the image has failed. 64..=127 are announced by a worker about itself: the image goes to another worker and
/// nothing is held against it. 128 and above are held against the image ([`FailureCode::blames_the_image`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum FailureCode {
    /// No bytes.
    Empty = 1,
    /// The bytes are of no image format.
    NotAnImage = 2,
    /// An image format that is not decoded (HEIC, AVIF, SVG, PDF, ...).
    UnsupportedFormat = 3,
    /// The data ends before the last row.
    Truncated = 4,
    /// More pixels than the limit.
    TooManyPixels = 5,
    /// The data contradicts itself.
    Damaged = 6,
    /// The worker does not hold the model that was asked for.
    ModelMissing = 64,
    /// The model's run failed, or there is no decoder.
    InferenceFailed = 65,
    /// The worker has no room; its credit was exceeded.
    Busy = 66,
    /// The worker is going away.
    ShuttingDown = 67,
    /// The deadline had passed before the work began.
    Expired = 68,
    /// The fault injection of an experiment said so.
    Injected = 69,
    /// A resend without a body asked after an image that the worker does not have.
    Unknown = 70,
    /// The assignment carries a critical extension that the worker does not understand.
    NotUnderstood = 71,
    /// Recognising this image made the worker's own code panic, or its decoder ended or took too long while it was at it.
    Crashed = 128,
}

impl FailureCode {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Empty,
        Self::NotAnImage,
        Self::UnsupportedFormat,
        Self::Truncated,
        Self::TooManyPixels,
        Self::Damaged,
        Self::ModelMissing,
        Self::InferenceFailed,
        Self::Busy,
        Self::ShuttingDown,
        Self::Expired,
        Self::Injected,
        Self::Unknown,
        Self::NotUnderstood,
        Self::Crashed,
    ];

    /// The kind that has this number on the wire.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| *code as u16 == number)
    }

    /// Whether no worker could recognise the image.
    #[must_use]
    pub fn is_final(self) -> bool {
        (self as u16) < 64
    }

    /// Whether the worker says it of itself: another worker may well do better.
    #[must_use]
    pub fn is_announced(self) -> bool {
        !self.is_final() && !self.blames_the_image()
    }

    /// Whether the failure counts against the image (see the promise on poisonous images in `docs/protocol.md`).
    #[must_use]
    pub fn blames_the_image(self) -> bool {
        (self as u16) >= 128
    }
}
