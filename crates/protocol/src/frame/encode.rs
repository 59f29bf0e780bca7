//! Frames to bytes. Never fails: what is longer than its limit is cut.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Assign, Encoded, Extension, Extensions, FrameNumber, Hello, InputSize, LENGTH_BYTES, MAGIC, MAX_EXTENSION_BYTES,
    MAX_LABEL_NAME, MAX_LABELS, MAX_MODELS, MAX_NAME, MAX_SENTENCE, MAX_TOKEN, ManagerFrame, WorkerFrame,
};
use crate::id::{Attempt, ImageId};
use crate::result::{Answer, Failure};

impl WorkerFrame {
    /// The frame's bytes.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        match self {
            Self::Hello(hello) => small(FrameNumber::Hello, |body| put_hello(body, hello)),
            Self::Result { image, attempt, answer, extensions } => small(FrameNumber::Result, |body| {
                put_delivery(body, *image, *attempt);
                put_answer(body, answer);
                put_extensions(body, extensions);
            }),
            Self::Failed { image, attempt, failure } => small(FrameNumber::Failed, |body| {
                put_delivery(body, *image, *attempt);
                put_failure(body, failure);
            }),
            Self::Progress { image, attempt, stage } => small(FrameNumber::Progress, |body| {
                put_delivery(body, *image, *attempt);
                body.put_u8(*stage as u8);
            }),
            Self::Ping { nonce } => small(FrameNumber::Ping, |body| body.put_u64(*nonce)),
            Self::Pong { nonce } => small(FrameNumber::Pong, |body| body.put_u64(*nonce)),
            Self::Goodbye => small(FrameNumber::Goodbye, |_| {}),
        }
    }
}

impl ManagerFrame {
    /// The frame's bytes. The payload of an Assign is not copied.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        match self {
            Self::Welcome(welcome) => small(FrameNumber::Welcome, |body| {
                body.put_u16(welcome.version);
                body.put_slice(&welcome.books.0);
                body.put_u32(milliseconds(welcome.heartbeat));
                body.put_u32(milliseconds(welcome.silence));
            }),
            Self::Refused(refusal) => small(FrameNumber::Refused, |body| {
                body.put_u16(refusal.code as u16);
                put_long_text(body, &refusal.sentence, MAX_SENTENCE);
            }),
            Self::Assign(assign) => encode_assign(assign),
            Self::Cancel { image, attempt } => small(FrameNumber::Cancel, |body| put_delivery(body, *image, *attempt)),
            Self::ResultAck { image, attempt } => {
                small(FrameNumber::ResultAck, |body| put_delivery(body, *image, *attempt))
            }
            Self::Drain => small(FrameNumber::Drain, |_| {}),
            Self::Move { to } => small(FrameNumber::Move, |body| body.put_u8(to.0)),
            Self::Ping { nonce } => small(FrameNumber::Ping, |body| body.put_u64(*nonce)),
            Self::Pong { nonce } => small(FrameNumber::Pong, |body| body.put_u64(*nonce)),
            Self::Goodbye => small(FrameNumber::Goodbye, |_| {}),
        }
    }
}

/// Bit 0 of an Assign's flags.
pub(super) const FLAG_RESEND: u8 = 1;

/// Bit 0 of a Hello's flags.
pub(super) const FLAG_MOVES: u8 = 1;

/// The bit of an extension's kind that marks it critical.
pub(super) const CRITICAL: u16 = 0x8000;

fn encode_assign(assign: &Assign) -> Encoded {
    framed(FrameNumber::Assign, assign.payload.clone(), |body| {
        put_delivery(body, assign.image, assign.attempt);
        body.put_slice(&assign.model.0);
        body.put_u32(milliseconds(assign.deadline));
        body.put_u8(if assign.resend { FLAG_RESEND } else { 0 });
        put_extensions(body, &assign.extensions);
    })
}

fn small(number: FrameNumber, fill: impl FnOnce(&mut BytesMut)) -> Encoded {
    framed(number, Bytes::new(), fill)
}

/// A frame whose body is what `fill` writes, and then the payload, which the length field counts too.
fn framed(number: FrameNumber, payload: Bytes, fill: impl FnOnce(&mut BytesMut)) -> Encoded {
    let mut head = BytesMut::with_capacity(64);
    head.put_slice(&[0; LENGTH_BYTES]);
    head.put_u8(number as u8);
    fill(&mut head);
    let length = length_field(head.len() - LENGTH_BYTES + payload.len());
    head[..LENGTH_BYTES].copy_from_slice(&length);
    Encoded { head: head.freeze(), payload }
}

fn length_field(counted: usize) -> [u8; LENGTH_BYTES] {
    u32::try_from(counted).unwrap_or(u32::MAX).to_be_bytes()
}

fn put_hello(body: &mut BytesMut, hello: &Hello) {
    body.put_slice(&MAGIC);
    body.put_u16(hello.versions.min);
    body.put_u16(hello.versions.max);
    body.put_slice(&hello.instance.0);
    body.put_u32(hello.slots);
    body.put_u32(hello.window);
    put_short_text(body, &hello.name, MAX_NAME);
    put_short_text(body, &hello.software, MAX_NAME);
    put_short_text(body, hello.token.as_deref().unwrap_or_default(), MAX_TOKEN);
    let models = &hello.models[..hello.models.len().min(MAX_MODELS)];
    body.put_u8(u8::try_from(models.len()).unwrap_or(u8::MAX));
    for model in models {
        body.put_slice(&model.digest.0);
        body.put_u8(u8::from(model.verified));
        put_short_text(body, &model.name, MAX_NAME);
        put_long_text(body, model.notice.as_deref().unwrap_or_default(), MAX_SENTENCE);
    }
    // Added to version 1, one after the other: what is not told ends the Hello.
    if hello.moves || models.iter().any(|model| model.input.is_some()) {
        models.iter().for_each(|model| put_input_size(body, model.input));
    }
    if hello.moves {
        body.put_u8(FLAG_MOVES);
    }
}

fn put_input_size(body: &mut BytesMut, input: Option<InputSize>) {
    let (kind, side) = match input {
        None => (0, 0),
        Some(InputSize::Squashed(side)) => (1, side),
        Some(InputSize::ShorterSide(side)) => (2, side),
    };
    body.put_u8(kind);
    body.put_u16(side);
}

fn put_delivery(body: &mut BytesMut, image: ImageId, attempt: Attempt) {
    body.put_u64(image.0);
    body.put_u32(attempt.0);
}

fn put_answer(body: &mut BytesMut, answer: &Answer) {
    let timing = &answer.timing;
    for part in [timing.receive, timing.queue, timing.decode, timing.inference] {
        body.put_u32(microseconds(part));
    }
    let labels = &answer.labels[..answer.labels.len().min(MAX_LABELS)];
    body.put_u8(u8::try_from(labels.len()).unwrap_or(u8::MAX));
    for label in labels {
        body.put_u32(label.index);
        body.put_f32(label.probability);
        put_short_text(body, &label.name, MAX_LABEL_NAME);
    }
}

fn put_failure(body: &mut BytesMut, failure: &Failure) {
    body.put_u16(failure.code as u16);
    put_long_text(body, &failure.message, MAX_SENTENCE);
}

/// The block's length, then kind (with the critical bit), length and value of each entry, as many as fit.
fn put_extensions(body: &mut BytesMut, extensions: &Extensions) {
    let mut block = BytesMut::new();
    for Extension { kind, critical, value } in &extensions.0 {
        if block.len() + 4 + value.len() > MAX_EXTENSION_BYTES {
            break;
        }
        block.put_u16((kind & Extension::MAX_KIND) | if *critical { CRITICAL } else { 0 });
        block.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        block.put_slice(value);
    }
    body.put_u16(u16::try_from(block.len()).unwrap_or(u16::MAX));
    body.put_slice(&block);
}

/// A byte of length, then UTF-8. `limit` is at most 255.
fn put_short_text(body: &mut BytesMut, text: &str, limit: usize) {
    let text = &text[..text.floor_char_boundary(limit)];
    body.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
    body.put_slice(text.as_bytes());
}

/// Two bytes of length, then UTF-8. `limit` is at most 65,535.
fn put_long_text(body: &mut BytesMut, text: &str, limit: usize) {
    let text = &text[..text.floor_char_boundary(limit)];
    body.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    body.put_slice(text.as_bytes());
}

/// At most 49 days: longer ones are cut to that.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// At most 71 minutes: longer ones are cut to that.
fn microseconds(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
