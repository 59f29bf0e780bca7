//! Bytes to frames. Trusts nothing, allocates no more than the bytes that are there, never panics.

use std::time::Duration;

use bytes::{Buf, Bytes};

use super::encode::{CRITICAL, FLAG_MOVES, FLAG_RESEND};
use super::{
    Assign, DecodeError, Extension, Extensions, FrameNumber, Hello, InputSize, MAGIC, MAX_EXTENSION_BYTES,
    MAX_LABEL_NAME, MAX_LABELS, MAX_MODELS, MAX_NAME, MAX_PAYLOAD, MAX_SENTENCE, MAX_SMALL_FRAME, MAX_TOKEN,
    ManagerFrame, ModelDescription, Refusal, RefusalCode, Stage, TransportNumber, VersionRange, Welcome, WorkerFrame,
};
use crate::id::{Attempt, BooksId, ImageId, InstanceId, ModelDigest};
use crate::result::{Answer, Failure, FailureCode, Label, WorkerTiming};

impl WorkerFrame {
    /// Reads number and body, as `split_frame` returns them.
    ///
    /// # Errors
    /// When the bytes are no frame that a worker says.
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        let mut body = Body(frame);
        let frame = match body.u8("number")? {
            HELLO => return body.hello().map(Self::Hello),
            RESULT => {
                let (image, attempt) = body.delivery()?;
                Self::Result { image, attempt, answer: body.answer()?, extensions: body.extensions()? }
            }
            FAILED => {
                let (image, attempt) = body.delivery()?;
                Self::Failed { image, attempt, failure: body.failure()? }
            }
            PROGRESS => {
                let (image, attempt) = body.delivery()?;
                Self::Progress { image, attempt, stage: body.stage()? }
            }
            PING => Self::Ping { nonce: body.u64("nonce")? },
            PONG => Self::Pong { nonce: body.u64("nonce")? },
            GOODBYE => Self::Goodbye,
            unknown => return Err(DecodeError::UnknownFrame(unknown)),
        };
        body.end()?;
        Ok(frame)
    }
}

impl ManagerFrame {
    /// Reads number and body, as `split_frame` returns them. The payload of an Assign is a part of `frame`, not a copy.
    ///
    /// # Errors
    /// When the bytes are no frame that a manager says.
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        let length = frame.len();
        let mut body = Body(frame);
        let number = body.u8("number")?;
        if number != ASSIGN && length > MAX_SMALL_FRAME {
            return Err(DecodeError::TooLong { length, limit: MAX_SMALL_FRAME });
        }
        let frame = match number {
            WELCOME => return body.welcome().map(Self::Welcome),
            REFUSED => return body.refusal().map(Self::Refused),
            ASSIGN => return body.assign().map(Self::Assign),
            CANCEL => {
                let (image, attempt) = body.delivery()?;
                Self::Cancel { image, attempt }
            }
            RESULT_ACK => {
                let (image, attempt) = body.delivery()?;
                Self::ResultAck { image, attempt }
            }
            DRAIN => Self::Drain,
            MOVE => Self::Move { to: TransportNumber(body.u8("transport")?) },
            PING => Self::Ping { nonce: body.u64("nonce")? },
            PONG => Self::Pong { nonce: body.u64("nonce")? },
            GOODBYE => Self::Goodbye,
            unknown => return Err(DecodeError::UnknownFrame(unknown)),
        };
        body.end()?;
        Ok(frame)
    }
}

const HELLO: u8 = FrameNumber::Hello as u8;
const RESULT: u8 = FrameNumber::Result as u8;
const FAILED: u8 = FrameNumber::Failed as u8;
const PROGRESS: u8 = FrameNumber::Progress as u8;
const WELCOME: u8 = FrameNumber::Welcome as u8;
const REFUSED: u8 = FrameNumber::Refused as u8;
const ASSIGN: u8 = FrameNumber::Assign as u8;
const CANCEL: u8 = FrameNumber::Cancel as u8;
const RESULT_ACK: u8 = FrameNumber::ResultAck as u8;
const DRAIN: u8 = FrameNumber::Drain as u8;
const MOVE: u8 = FrameNumber::Move as u8;
const PING: u8 = FrameNumber::Ping as u8;
const PONG: u8 = FrameNumber::Pong as u8;
const GOODBYE: u8 = FrameNumber::Goodbye as u8;

/// An [`InputSize`]: kind, side.
const INPUT_SIZE_BYTES: usize = 1 + 2;

/// What is still to be read of a frame. The names given to its readers are those of the fields, for the error.
struct Body(Bytes);

impl Body {
    /// A later version may add fields at the end of a Hello: they are passed over, so that versions can be compared.
    fn hello(&mut self) -> Result<Hello, DecodeError> {
        if self.array::<4>("magic")? != MAGIC {
            return Err(DecodeError::Invalid("magic"));
        }
        let versions = VersionRange { min: self.u16("versions")?, max: self.u16("versions")? };
        if versions.min > versions.max {
            return Err(DecodeError::Invalid("versions"));
        }
        Ok(Hello {
            versions,
            instance: InstanceId(self.array("instance")?),
            slots: self.u32("slots")?,
            window: self.u32("window")?,
            name: self.short_text("name", MAX_NAME)?,
            software: self.short_text("software", MAX_NAME)?,
            token: none_if_empty(self.short_text("token", MAX_TOKEN)?),
            models: self.models()?,
            moves: self.0.first().is_some_and(|flags| flags & FLAG_MOVES != 0),
        })
    }

    fn models(&mut self) -> Result<Vec<ModelDescription>, DecodeError> {
        let count = usize::from(self.u8("models")?);
        if count > MAX_MODELS {
            return Err(DecodeError::Invalid("number of models"));
        }
        let described = (0..count).map(|_| {
            Ok(ModelDescription {
                digest: ModelDigest(self.array("model digest")?),
                verified: self.flag("model's verified")?,
                name: self.short_text("model name", MAX_NAME)?,
                notice: none_if_empty(self.long_text("model notice", MAX_SENTENCE)?),
                input: None,
            })
        });
        let mut models = described.collect::<Result<Vec<_>, _>>()?;
        self.input_sizes(&mut models)?;
        Ok(models)
    }

    /// Added later: the Hello of a worker that knows nothing of it ends before.
    fn input_sizes(&mut self, models: &mut [ModelDescription]) -> Result<(), DecodeError> {
        if self.0.len() >= models.len() * INPUT_SIZE_BYTES {
            for model in models {
                model.input = self.input_size()?;
            }
        }
        Ok(())
    }

    /// A kind that is not known is of a later worker, and as good as none.
    fn input_size(&mut self) -> Result<Option<InputSize>, DecodeError> {
        let (kind, side) = (self.u8("model input")?, self.u16("model input")?);
        Ok(match kind {
            1 if side > 0 => Some(InputSize::Squashed(side)),
            2 if side > 0 => Some(InputSize::ShorterSide(side)),
            _ => None,
        })
    }

    /// As with Hello, what a later version adds at the end is passed over.
    fn welcome(&mut self) -> Result<Welcome, DecodeError> {
        Ok(Welcome {
            version: self.u16("version")?,
            books: BooksId(self.array("books")?),
            heartbeat: self.milliseconds("heartbeat")?,
            silence: self.milliseconds("silence")?,
        })
    }

    /// As with Hello, what a later version adds at the end is passed over.
    fn refusal(&mut self) -> Result<Refusal, DecodeError> {
        let code = match self.u16("refusal code")? {
            1 => RefusalCode::Version,
            2 => RefusalCode::Token,
            3 => RefusalCode::Model,
            4 => RefusalCode::Hello,
            5 => RefusalCode::Encryption,
            64 => RefusalCode::Full,
            65 => RefusalCode::ShuttingDown,
            _ => return Err(DecodeError::Invalid("refusal code")),
        };
        Ok(Refusal { code, sentence: self.long_text("refusal", MAX_SENTENCE)? })
    }

    fn assign(mut self) -> Result<Assign, DecodeError> {
        let (image, attempt) = self.delivery()?;
        let model = ModelDigest(self.array("model digest")?);
        let deadline = self.milliseconds("deadline")?;
        let flags = self.u8("flags")?;
        if flags & !FLAG_RESEND != 0 {
            return Err(DecodeError::Invalid("flags"));
        }
        let resend = flags & FLAG_RESEND != 0;
        let extensions = self.extensions()?;
        let payload = self.0;
        if payload.len() > MAX_PAYLOAD {
            return Err(DecodeError::TooLong { length: payload.len(), limit: MAX_PAYLOAD });
        }
        if resend && !payload.is_empty() {
            return Err(DecodeError::Trailing(payload.len()));
        }
        Ok(Assign { image, attempt, model, deadline, resend, extensions, payload })
    }

    fn delivery(&mut self) -> Result<(ImageId, Attempt), DecodeError> {
        Ok((ImageId(self.u64("image")?), Attempt(self.u32("attempt")?)))
    }

    fn answer(&mut self) -> Result<Answer, DecodeError> {
        let timing = WorkerTiming {
            receive: self.microseconds("receive time")?,
            queue: self.microseconds("queue time")?,
            decode: self.microseconds("decode time")?,
            inference: self.microseconds("inference time")?,
        };
        let count = usize::from(self.u8("labels")?);
        if count > MAX_LABELS {
            return Err(DecodeError::Invalid("number of labels"));
        }
        let labels = (0..count).map(|_| self.label()).collect::<Result<_, _>>()?;
        Ok(Answer { labels, timing })
    }

    fn label(&mut self) -> Result<Label, DecodeError> {
        let index = self.u32("label index")?;
        let probability = f32::from_bits(self.u32("probability")?);
        if !(0.0..=1.0).contains(&probability) {
            return Err(DecodeError::Invalid("probability"));
        }
        Ok(Label { index, probability, name: self.short_text("label name", MAX_LABEL_NAME)? })
    }

    fn failure(&mut self) -> Result<Failure, DecodeError> {
        let code = FailureCode::from_number(self.u16("failure code")?).ok_or(DecodeError::Invalid("failure code"))?;
        Ok(Failure { code, message: self.long_text("failure message", MAX_SENTENCE)? })
    }

    fn stage(&mut self) -> Result<Stage, DecodeError> {
        match self.u8("stage")? {
            1 => Ok(Stage::Received),
            2 => Ok(Stage::Started),
            _ => Err(DecodeError::Invalid("stage")),
        }
    }

    fn extensions(&mut self) -> Result<Extensions, DecodeError> {
        let length = usize::from(self.u16("extensions")?);
        if length > MAX_EXTENSION_BYTES {
            return Err(DecodeError::TooLong { length, limit: MAX_EXTENSION_BYTES });
        }
        let mut block = Self(self.bytes("extensions", length)?);
        let mut entries = Vec::new();
        while !block.0.is_empty() {
            let kind = block.u16("extension's kind")?;
            let length = usize::from(block.u16("extension's length")?);
            entries.push(Extension {
                kind: kind & Extension::MAX_KIND,
                critical: kind & CRITICAL != 0,
                value: block.bytes("extension's value", length)?,
            });
        }
        Ok(Extensions(entries))
    }

    fn short_text(&mut self, field: &'static str, limit: usize) -> Result<String, DecodeError> {
        let length = usize::from(self.u8(field)?);
        self.text(field, length, limit)
    }

    fn long_text(&mut self, field: &'static str, limit: usize) -> Result<String, DecodeError> {
        let length = usize::from(self.u16(field)?);
        self.text(field, length, limit)
    }

    fn text(&mut self, field: &'static str, length: usize, limit: usize) -> Result<String, DecodeError> {
        if length > limit {
            return Err(DecodeError::TooLong { length, limit });
        }
        let bytes = self.bytes(field, length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::Invalid(field))
    }

    fn milliseconds(&mut self, field: &'static str) -> Result<Duration, DecodeError> {
        Ok(Duration::from_millis(self.u32(field)?.into()))
    }

    fn microseconds(&mut self, field: &'static str) -> Result<Duration, DecodeError> {
        Ok(Duration::from_micros(self.u32(field)?.into()))
    }

    fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Invalid(field)),
        }
    }

    fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array(field)?))
    }

    fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let array = *self.0.first_chunk::<N>().ok_or(DecodeError::Short(field))?;
        self.0.advance(N);
        Ok(array)
    }

    fn bytes(&mut self, field: &'static str, length: usize) -> Result<Bytes, DecodeError> {
        if self.0.len() < length {
            return Err(DecodeError::Short(field));
        }
        Ok(self.0.split_to(length))
    }

    fn end(&self) -> Result<(), DecodeError> {
        match self.0.len() {
            0 => Ok(()),
            extra => Err(DecodeError::Trailing(extra)),
        }
    }
}

fn none_if_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
