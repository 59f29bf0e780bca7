//! What dispatch is told, and what it answers.

use std::time::{Duration, Instant};

use manyeyes_protocol::id::{Attempt, BatchId, ImageId, ModelDigest, WorkerId};
use manyeyes_protocol::result::FailureCode;

/// An image to be recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The image. One that dispatch holds already is not taken twice; in a later run it takes its own place.
    pub image: ImageId,
    /// How often the image was taken back after it had ended. Nothing that is said of an earlier run's deliveries
    /// concerns it; and it goes to any model, also where its batch is bound to one.
    pub run: u32,
    /// The batch it is of, between which dispatch is fair.
    pub batch: BatchId,
    /// The size of the file in bytes: a worker is given only so many ahead.
    pub bytes: u64,
    /// The model it needs; `None` for any, or for that to which its batch is bound.
    pub model: Option<ModelDigest>,
    /// Deliveries that were made before (by an earlier run of the manager, or before a retry); the next is one more.
    pub attempts: u32,
    /// Names of the workers that it has crashed or stalled before.
    pub blamed: Vec<String>,
}

/// What a worker can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Images it recognises at the same time; at least 1 is assumed, and no more than its window.
    pub slots: u32,
    /// The most it holds, running and queued; at least 1 is assumed.
    pub window: u32,
    /// Digests of the models that it holds, the one that it answers with first.
    pub models: Vec<ModelDigest>,
    /// The same process was here before: what was measured of it still holds, and it has not crashed.
    pub returning: bool,
}

/// How a worker went. An image is requeued whatever it was; only the manner in which a crash may be found out differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It said so.
    Goodbye,
    /// Its connection closed.
    Disconnected,
    /// It did not answer for too long.
    Silent,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An image is to be recognised.
    Submitted(Work),
    /// Nobody wants the answer any more.
    Cancelled {
        /// The image.
        image: ImageId,
    },
    /// A worker is ready.
    Joined {
        /// The worker. One that is here already is taken to have left and come back.
        worker: WorkerId,
        /// What it can take.
        capacity: Capacity,
        /// The name by which it is blamed.
        name: String,
    },
    /// A slot of the worker took the image.
    Started {
        /// The worker.
        worker: WorkerId,
        /// The image.
        image: ImageId,
        /// The delivery.
        attempt: Attempt,
    },
    /// The image is recognised. The first answer ends it wherever it is.
    Answered {
        /// The worker.
        worker: WorkerId,
        /// The image.
        image: ImageId,
        /// The delivery.
        attempt: Attempt,
        /// How long a slot was occupied: decode and inference.
        service: Duration,
    },
    /// The worker has no answer.
    Failed {
        /// The worker.
        worker: WorkerId,
        /// The image.
        image: ImageId,
        /// The delivery.
        attempt: Attempt,
        /// Why not, which decides what becomes of the image.
        code: FailureCode,
    },
    /// A slot has worked on the delivery for longer than its deadline, while the worker is there.
    Stalled {
        /// The worker.
        worker: WorkerId,
        /// The image.
        image: ImageId,
        /// The delivery.
        attempt: Attempt,
    },
    /// A new measurement of the way there and back.
    RoundTrip {
        /// The worker.
        worker: WorkerId,
        /// The least of late. What queues and losses add is found in how long images take.
        least: Duration,
    },
    /// The worker is gone.
    Left {
        /// The worker.
        worker: WorkerId,
        /// How it went.
        departure: Departure,
    },
    /// It turned out that a worker that had disconnected died. What had started there is blamed.
    Crashed {
        /// The worker.
        worker: WorkerId,
    },
    /// A batch is to be answered by one model: its images that were not run again wait for a worker with that.
    Bound {
        /// The batch.
        batch: BatchId,
        /// The model.
        model: ModelDigest,
        /// When the answer was heard that decided it: what a later one has decided meanwhile stays.
        heard: Instant,
    },
    /// The worker finishes what it has and takes nothing new.
    Draining {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker was found to answer wrongly: it gets nothing, and what it says counts for nothing, until it is acquitted.
    Condemned {
        /// The worker.
        worker: WorkerId,
    },
    /// The worker that was condemned has answered rightly again.
    Acquitted {
        /// The worker.
        worker: WorkerId,
    },
    /// Everything is to end: nothing is assigned any more, and what is with workers may be finished.
    Closing,
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hand the image to the worker.
    Assign {
        /// The worker.
        worker: WorkerId,
        /// The image.
        image: ImageId,
        /// The delivery, counted from 1 over the image's whole life.
        attempt: Attempt,
        /// How long a slot may work on it: from the delivery's `Started` on.
        deadline: Duration,
    },
    /// Take the image back from the worker.
    Cancel {
        /// The worker.
        worker: WorkerId,
        /// The image.
        image: ImageId,
        /// The delivery.
        attempt: Attempt,
    },
    /// Persist that this worker crashed or stalled on this image.
    Blame {
        /// The image.
        image: ImageId,
        /// The worker's name.
        worker: String,
        /// Deliveries of the image that have been made.
        attempts: u32,
    },
    /// The image has crashed or stalled as many different workers as the limit says. Dispatch has forgotten it.
    GiveUp {
        /// The image.
        image: ImageId,
        /// Its run.
        run: u32,
        /// Their names.
        workers: Vec<String>,
    },
    /// The image is with nobody any more and waits again.
    Requeued {
        /// The image.
        image: ImageId,
    },
    /// The image was submitted when dispatch was full. It was not taken.
    Full {
        /// The image.
        image: ImageId,
        /// Its run.
        run: u32,
    },
    /// A worker is set aside, tried, or like any other again. One for each change, however often it is asked after.
    Breaker {
        /// The worker's name.
        worker: String,
        /// What has changed.
        change: BreakerChange,
    },
}

/// What has become of a worker's circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakerChange {
    /// It is given nothing.
    Opened {
        /// What it did.
        why: Misconduct,
        /// For how long; `None`: until it is acquitted.
        lasts: Option<Duration>,
    },
    /// It is given one image for a trial.
    HalfOpened,
    /// It is like any other again.
    Closed,
}

/// What a worker is set aside for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misconduct {
    /// It announced so many failures, and no answer between them.
    Failures {
        /// How many.
        in_a_row: u32,
    },
    /// It stalled, crashed or went without a goodbye too often.
    Strikes {
        /// Deadlines that passed.
        stalls: u32,
        /// Crashes, of its process or on one image.
        crashes: u32,
        /// Other departures without a goodbye.
        departures: u32,
        /// Within this time.
        within: Duration,
    },
    /// It was on trial, and failed, stalled, crashed or went again.
    FailedTrial,
    /// It answered wrongly.
    WrongAnswers,
}

/// How much of the work was done twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deliveries of images that waited.
    pub ordinary: u64,
    /// Deliveries of what another worker had not begun and was taken back from it.
    pub steals: u64,
    /// Second deliveries of what another worker was at.
    pub hedges: u64,
}

/// What a worker's word on a delivery means for the image as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The image has not ended, and is in this run, to which the delivery belongs.
    Current(u32),
    /// The image has been run again since: the delivery was of an earlier run.
    Earlier,
    /// Dispatch does not hold the image: it has ended, or was never submitted.
    Unknown,
    /// The worker is condemned: what it says counts for nothing.
    Condemned,
}
