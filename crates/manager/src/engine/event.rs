//! What the desk is told, what it orders, and what becomes of the work.

use std::{sync::Arc, time::Duration, time::Instant};

use bytes::Bytes;
use manyeyes_dispatch::Work;
use manyeyes_link::{Assignment, FromWorker, InputSize, WireTiming, WireUse};
use manyeyes_protocol::{
    id::{Attempt, BatchId, ImageId, ModelDigest, WorkerId},
    result::Answer,
};

use crate::{
    api::Problem,
    store::{AnsweringModel, StoreError},
};

/// What happened.
#[derive(Debug)]
pub enum Happened {
    /// Somebody wants something.
    Asked(Asked),
    /// Something was heard of or from a worker.
    Heard(FromWorker),
    /// The bytes for a delivery are there, or will not be.
    Read(Read),
    /// What is to be sent in place of a file is there.
    Made(Made),
    /// The time that [`super::Desk::poll_timeout`] named has come.
    TimePassed,
}

/// What is asked of the engine.
#[derive(Debug)]
pub enum Asked {
    /// Images are to be recognised.
    Submit(Vec<Work>),
    /// Nobody wants their answers any more.
    Cancel(Vec<ImageId>),
    /// The batch is answered by that model, as it turned out when this work of it was answered by another: it is to be
    /// done again.
    Bind {
        /// The batch.
        batch: BatchId,
        /// By which model it is answered.
        model: ModelDigest,
        /// Since when that is known: what was found out later stays.
        heard: Instant,
        /// What was answered by another model, and is to be done again.
        work: Option<Work>,
    },
    /// Nothing is assigned any more; what is with workers may be finished.
    Close,
}

/// A delivery whose bytes are to be read before it can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// To whom it goes.
    pub worker: WorkerId,
    /// Which image.
    pub image: ImageId,
    /// Which delivery of it.
    pub attempt: Attempt,
    /// How long the worker may take, from when a slot of it has begun.
    pub deadline: Duration,
}

/// What came of reading.
#[derive(Debug)]
pub struct Read {
    /// For what.
    pub reading: Reading,
    /// The bytes, or why there are none.
    pub payload: Result<Bytes, StoreError>,
}

/// A delivery for which a smaller form of the image is to be made.
#[derive(Debug)]
pub struct Making {
    /// For what.
    pub reading: Reading,
    /// What the worker's model makes of a picture.
    pub input: InputSize,
    /// The image's file.
    pub file: Bytes,
}

/// What came of making a smaller form.
#[derive(Debug)]
pub struct Made {
    /// For what.
    pub reading: Reading,
    /// The smaller form; the file where there is none.
    pub payload: Bytes,
    /// How long it took to make; `None` where it was there already.
    pub took: Option<Duration>,
}

/// What is to be done, in the order in which it is given.
#[derive(Debug)]
pub enum Order {
    /// Read the bytes for a delivery, and tell of it. What is ordered first is to be told first.
    Read(Reading),
    /// Make a smaller form for a delivery, and tell of it. In no order: nobody else's image waits for it.
    MakeSmaller(Making),
    /// Hand an image to a worker.
    Assign {
        /// To whom.
        worker: WorkerId,
        /// Over which of its connections: that of which the desk knows. Not over a later one, of which it has not heard yet:
        /// it will give the image to others when it does.
        connection: u32,
        /// What.
        assignment: Assignment,
    },
    /// Take it back.
    Cancel {
        /// From whom.
        worker: WorkerId,
        /// Which image.
        image: ImageId,
        /// Which delivery of it.
        attempt: Attempt,
    },
    /// Let a worker forget what it reported.
    Acknowledge(Receipt),
    /// Write down that a worker crashed or stalled on an image.
    Blame {
        /// The image.
        image: ImageId,
        /// The worker's name.
        worker: String,
        /// Deliveries that have been made.
        attempts: u32,
    },
    /// Tell results.
    Tell(Outcome),
}

/// What becomes of the work.
#[derive(Debug)]
pub enum Outcome {
    /// A worker has the image.
    Assigned {
        /// The image.
        image: ImageId,
        /// The worker's name.
        worker: Arc<str>,
        /// Which delivery.
        attempt: Attempt,
        /// Since when.
        at: Instant,
    },
    /// Nobody has it any more; it waits.
    Requeued {
        /// The image.
        image: ImageId,
    },
    /// A worker has recognised it. May come late, and more than once.
    Answered {
        /// The image.
        image: ImageId,
        /// Which run of it.
        run: u32,
        /// By what; `None` when that is not known any more.
        model: Option<AnsweringModel>,
        /// The worker's name.
        worker: Arc<str>,
        /// The labels, and the worker's times.
        answer: Answer,
        /// Where the rest of the time went.
        wire: WireTiming,
        /// What the wire carried of it.
        used: Option<Box<WireUse>>,
        /// When it came.
        at: Instant,
        /// To be acknowledged.
        receipt: Receipt,
    },
    /// A worker found that nobody can recognise it. May come late, and more than once.
    Failed {
        /// The image.
        image: ImageId,
        /// Which run of it.
        run: u32,
        /// The worker's name.
        worker: Arc<str>,
        /// Why.
        problem: Problem,
        /// When it came.
        at: Instant,
        /// To be acknowledged.
        receipt: Receipt,
    },
    /// A worker has said what came of a delivery of an earlier run, which nobody wants to know any more.
    Outdated {
        /// To be acknowledged.
        receipt: Receipt,
    },
    /// It is given up without a worker's word.
    GivenUp {
        /// The image.
        image: ImageId,
        /// Which run of it.
        run: u32,
        /// Why.
        problem: Problem,
        /// When.
        at: Instant,
    },
    /// A worker was found to answer wrongly: what it answered of late is not to be believed, and to be recognised again.
    Doubted {
        /// The worker's name.
        worker: Arc<str>,
        /// Images, each in the run of which that was the answer.
        images: Vec<(ImageId, u32)>,
    },
    /// It is not in the books any more, so nothing becomes of it.
    Vanished {
        /// The image.
        image: ImageId,
    },
}

/// The delivery of which a worker has reported the outcome, and keeps it until that is acknowledged. To be acknowledged
/// once the outcome is safe in the books or known not to be needed; forgotten, the worker reports again after its next
/// reconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who reported.
    pub worker: WorkerId,
    /// Which image.
    pub image: ImageId,
    /// Which delivery of it, counted from 1: at least so many have been made.
    pub attempt: Attempt,
}
