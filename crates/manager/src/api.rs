//! The types of the HTTP and WebSocket interface, as they travel in JSON. `web/src/protocol.ts` is generated from them.

use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

/// An image as everyone outside sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Image {
    /// Unique in the manager, in upload order within a batch. Decimal digits.
    pub id: String,
    /// The file's own name, shortened and cleaned of control characters and of folders.
    pub name: String,
    /// Where the image is in its life.
    pub state: ImageState,
    /// Top five, most probable first. Empty until recognised.
    pub labels: Vec<Label>,
    /// The worker that has it or that answered it.
    pub worker: Option<String>,
    /// The name of the model that answered it.
    pub model: Option<String>,
    /// How often it has been assigned.
    pub attempts: u32,
    /// Why it was rejected or failed.
    pub error: Option<Problem>,
    /// Where its time went.
    pub timing_ms: Timing,
    /// What the wire carried of it to the worker that answered it; null until answered, and where that is not known.
    pub wire: Option<Wire>,
    /// The size of the file in bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Bytes that were sent to the worker that answered: fewer than `bytes` where it was sent a smaller form of the image. Null: not
    /// answered, or not known.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub form_bytes: Option<u64>,
    /// Hex SHA-256 of the file. Absent for what was rejected before it was read whole.
    pub sha256: Option<String>,
    /// The sniffed media type, such as `image/jpeg`.
    pub media_type: Option<String>,
    /// Pixels across, by the file's header, before orientation.
    pub width: Option<u32>,
    /// Pixels down, by the file's header, before orientation.
    pub height: Option<u32>,
    /// The number of the last change. Of two copies of one image the one with the higher number is newer.
    #[cfg_attr(test, ts(type = "number"))]
    pub seq: u64,
}

/// The states of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum ImageState {
    /// Kept; not with a worker now.
    Waiting,
    /// With a worker.
    Assigned,
    /// Answered.
    Recognised,
    /// Given up, `error` says why.
    Failed,
    /// Refused at the door, `error` says why. Never retried.
    Rejected,
    /// A person took it back.
    Cancelled,
}

/// One class of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Label {
    /// The class's position in the model's output.
    pub index: u32,
    /// The class's name.
    pub name: String,
    /// 0..=1.
    pub probability: f32,
}

/// What went wrong, for a program (`code`) and for a person (`message`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Problem {
    /// From the table in `docs/api.md`.
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// The body of every request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct ErrorBody {
    /// What went wrong.
    pub error: Problem,
}

/// `POST /api/v1/session`. It has no debug output: a token is to be in no log.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct LogIn {
    /// The token.
    pub token: String,
}

/// `GET /api/v1/session`, and the answer to `POST`: as what this browser is let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Session {
    /// What may be done.
    pub role: SessionRole,
    /// Whether this manager asks for tokens at all.
    pub needs_token: bool,
    /// Why the token that was shown does not count, where one was.
    pub problem: Option<Problem>,
}

/// The roles of who uses the page. Each may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum SessionRole {
    /// Sees the batches whose addresses it knows.
    Viewer,
    /// Uploads, and has images run again or taken back.
    Uploader,
    /// Sees the workers, and deletes.
    Operator,
}

/// Where an image's time went, in milliseconds; null where not known (yet). The parts from `waiting` to `returning`
/// and `upload` sum to `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Timing {
    /// First byte of the upload to durable.
    pub upload: Option<f64>,
    /// Kept, but not with the worker that answered.
    pub waiting: Option<f64>,
    /// On the way to the worker: the rest of the manager's measurement.
    pub sending: Option<f64>,
    /// First byte to last byte at the worker.
    pub receive: Option<f64>,
    /// Waiting for a slot at the worker.
    pub worker_queue: Option<f64>,
    /// File bytes to tensor.
    pub decoding: Option<f64>,
    /// The model's run.
    pub inference: Option<f64>,
    /// On the way back: half the smoothed round trip.
    pub returning: Option<f64>,
    /// First byte of the upload to the answer.
    pub total: Option<f64>,
}

/// What the wire carried of the delivery of an image that was answered, and how the connection was when the answer came.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Wire {
    /// Bytes of the file that were sent, those that were sent again among them.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes_sent: u64,
    /// Bytes that were sent again: its share of what the connection sent again while it was under way (`docs/protocol.md`).
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes_resent: u64,
    /// The transport's own smoothed round trip.
    pub rtt_ms: Option<f64>,
    /// The congestion window.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub window_bytes: Option<u64>,
    /// What the transport last found that the path delivers; null over QUIC, which does not tell.
    pub delivery_bits_per_s: Option<f64>,
}

/// How many images of a batch are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Counts {
    /// All of them.
    pub total: u32,
    /// [`ImageState::Waiting`].
    pub waiting: u32,
    /// [`ImageState::Assigned`].
    pub assigned: u32,
    /// [`ImageState::Recognised`].
    pub recognised: u32,
    /// [`ImageState::Failed`].
    pub failed: u32,
    /// [`ImageState::Rejected`].
    pub rejected: u32,
    /// [`ImageState::Cancelled`].
    pub cancelled: u32,
}

/// `POST /api/v1/batches`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct NewBatch {
    /// Unguessable; knowing it is the right to see the batch.
    pub id: String,
}

/// `POST .../images`: in part order, also when some were rejected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Uploaded {
    /// One an uploaded file.
    pub images: Vec<Image>,
}

/// `POST .../known`, both ways: the question's digests, and those of them whose bytes the batch already has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Known {
    /// Hex SHA-256 of whole files.
    pub sha256: Vec<String>,
}

/// `POST .../retry`, `.../cancel`, `.../delete` of a batch: which of its images are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Selection {
    /// The images' ids, at most 10,000. One that is named twice counts once.
    pub images: Vec<String>,
}

/// What became of a [`Selection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct SelectionDone {
    /// Images to which it was done.
    pub done: u32,
    /// Images to which it could not be done: in another state, or not (any more) in the batch.
    pub refused: u32,
}

/// `GET /api/v1/batches/{id}`: a page of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct BatchPage {
    /// The batch's id.
    pub id: String,
    /// The number of the last change of the batch.
    #[cfg_attr(test, ts(type = "number"))]
    pub seq: u64,
    /// How many images are in each state.
    pub counts: Counts,
    /// In upload order.
    pub images: Vec<Image>,
    /// Whether images follow these.
    pub more: bool,
    /// What the batch has achieved.
    pub throughput: Throughput,
}

/// What a batch achieved, from its first upload to its last answer (or to now).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Throughput {
    /// Answered images a second.
    pub images_per_s: f64,
    /// Bits of image file answered a second: goodput, not what the sockets carried.
    pub file_bits_per_s: f64,
    /// Seconds from the first upload to the last answer, or to now while unfinished.
    pub elapsed_s: f64,
}

/// A worker as the manager knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Worker {
    /// Its name, made distinct (`name-2`) where two workers have one name.
    pub id: String,
    /// What it called itself.
    pub name: String,
    /// How it is.
    pub state: WorkerState,
    /// How many images it recognises at a time.
    pub slots: u32,
    /// Images assigned to it and not answered.
    pub in_flight: u32,
    /// Images it has answered.
    #[cfg_attr(test, ts(type = "number"))]
    pub images: u64,
    /// Times it has reported that it has no answer.
    #[cfg_attr(test, ts(type = "number"))]
    pub failures: u64,
    /// Over the last ten seconds.
    pub images_per_s: f64,
    /// Smoothed round trip.
    pub rtt_ms: Option<f64>,
    /// Smoothed service time of an image in a slot: decoding and inference.
    pub service_ms: Option<f64>,
    /// Bytes of image file sent to it.
    #[cfg_attr(test, ts(type = "number"))]
    pub payload_bytes: u64,
    /// Bytes of frames that its connections carried to it.
    #[cfg_attr(test, ts(type = "number"))]
    pub socket_bytes_sent: u64,
    /// Bytes of frames that its connections carried from it.
    #[cfg_attr(test, ts(type = "number"))]
    pub socket_bytes_received: u64,
    /// Bytes that the transport has sent to it, those sent again among them: over TCP what its segments had in them (0 where the
    /// manager's system does not tell), over QUIC whole datagrams.
    #[cfg_attr(test, ts(type = "number"))]
    pub wire_bytes_sent: u64,
    /// TCP segments sent again to it; over QUIC packets held for lost, whose content is sent again.
    #[cfg_attr(test, ts(type = "number"))]
    pub retransmissions: u64,
    /// Bytes in them.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes_retransmitted: u64,
    /// The congestion control of the manager's end of its connection: over TCP as the manager's system tells it, over QUIC `quic`
    /// and its name.
    pub congestion_control: Option<String>,
    /// The transport's own smoothed round trip.
    pub transport_rtt_ms: Option<f64>,
    /// The least that it has seen on this connection: what is not waiting in queues.
    pub least_rtt_ms: Option<f64>,
    /// Its path is being sounded, to find out by which transport it should come: for some seconds after one with `--transport auto` has
    /// come by TCP.
    pub sounding: bool,
    /// The congestion window of the manager's end.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub window_bytes: Option<u64>,
    /// What the transport last found that the path delivers; null over QUIC, which does not tell.
    pub delivery_bits_per_s: Option<f64>,
    /// The address it connects from.
    pub address: String,
    /// The model it holds.
    pub model: String,
}

/// How a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// Connected, with nothing to do.
    Idle,
    /// Connected and recognising.
    Busy,
    /// Finishes what it has, takes nothing new.
    Draining,
    /// Is given nothing for now, because it failed too often or answered wrongly.
    SetAside,
    /// Has not been heard of for the silence limit.
    Silent,
    /// Its connection has ended; its images are elsewhere.
    Gone,
}

/// `GET /api/v1/workers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Workers {
    /// Those connected, and those lost a short while ago; or, when all were asked for, the last that were lost.
    pub workers: Vec<Worker>,
}

/// `GET /api/v1/model`: the model the workers answer with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Model {
    /// As in the manifest, or the file's name. `null` until a worker with a model has joined.
    pub name: Option<String>,
    /// Hex SHA-256 of the model file.
    pub digest: Option<String>,
    /// Whether the digest is one the manifest knows.
    pub verified: bool,
    /// Anything a person should know of it, in one sentence.
    pub notice: Option<String>,
}

/// What the events WebSocket of a batch says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// Always first: all that has changed since the `from` of the request.
    Snapshot {
        /// The number of the last change that it holds.
        #[cfg_attr(test, ts(type = "number"))]
        seq: u64,
        /// The batch's id.
        batch: String,
        /// The images that changed since, in upload order, at most a page of them.
        images: Vec<Image>,
        /// Whether there was more than a page: read the batch by `GET` then.
        more: bool,
        /// Images deleted since. When `complete`, an image that is in neither list nor page is gone too.
        deleted: Vec<String>,
        /// Whether this is the whole batch rather than what has changed.
        complete: bool,
        /// The rest of what a page shows.
        status: Status,
    },
    /// One image has changed.
    Change {
        /// Its number. Numbers only rise; gaps are normal.
        #[cfg_attr(test, ts(type = "number"))]
        seq: u64,
        /// The image as it is now; null when it was deleted.
        image: Option<Image>,
        /// The id of the image that was deleted.
        deleted: Option<String>,
    },
    /// What is not of one image: sent when it has changed, at most a few times a second, and every few seconds even when
    /// it has not, so that a page that hears nothing knows that it is cut off. Not numbered.
    Status(Status),
    /// The batch was deleted or has expired. Nothing follows.
    Gone,
}

/// What a page shows beside the images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Status {
    /// Images of this batch by state.
    pub counts: Counts,
    /// What this batch has achieved.
    pub throughput: Throughput,
    /// All workers.
    pub workers: Vec<Worker>,
    /// The model in use.
    pub model: Model,
    /// Why images of this batch wait, if something stands in their way.
    pub notice: Option<Problem>,
    /// What waits in the whole manager, this batch's images and all others.
    pub queue: Queue,
    /// What has happened to workers: the last 20, none older than an hour, newest last.
    pub happenings: Vec<Happening>,
    /// Hex digest of the page that this manager serves. A page of another digest is to be loaded again.
    pub page: String,
}

impl Status {
    /// What of it is told to who is no operator.
    pub(crate) fn without_workers(self) -> Self {
        Self { workers: Vec::new(), happenings: Vec::new(), ..self }
    }
}

/// The unfinished images of all batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Queue {
    /// With no worker.
    pub waiting: u32,
    /// With a worker.
    pub assigned: u32,
}

/// Something that happened to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Happening {
    /// Tells it from all others. Later ones have higher numbers, but for a refusal that comes again: it keeps its number.
    #[cfg_attr(test, ts(type = "number"))]
    pub seq: u64,
    /// How long ago.
    #[cfg_attr(test, ts(type = "number"))]
    pub ago_ms: u64,
    /// What.
    pub kind: HappeningKind,
    /// The worker's id, as [`Worker::id`]; of one that was refused, what it called itself.
    pub worker: String,
    /// Images that it had and that moved on to others.
    pub images: u32,
    /// More of it in a sentence's part: why a worker was refused.
    pub detail: Option<String>,
}

/// The kinds of [`Happening`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum HappeningKind {
    /// It is there for the first time.
    Joined,
    /// It said goodbye.
    Left,
    /// Its connection ended without a goodbye.
    Lost,
    /// It does not answer.
    Silent,
    /// It was lost or silent, and it or another process of its name is there again.
    Back,
    /// It was turned away; `detail` says why.
    Refused,
    /// It is given nothing for a while, or until it answers rightly again; `detail` says why.
    SetAside,
    /// It was set aside, and is like any other again.
    Restored,
}

#[cfg(test)]
mod tests;
