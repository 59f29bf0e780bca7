// Generated from crates/manager/src/api.rs: do not edit. `UPDATE_TYPES=1 cargo test -p manyeyes-manager the_pages_types` writes it anew.

/**
 * An image as everyone outside sees it.
 */
export type Image = {
/**
 * Unique in the manager, in upload order within a batch. Decimal digits.
 */
id: string,
/**
 * The file's own name, shortened and cleaned of control characters and of folders.
 */
name: string,
/**
 * Where the image is in its life.
 */
state: ImageState,
/**
 * Top five, most probable first. Empty until recognised.
 */
labels: Array<Label>,
/**
 * The worker that has it or that answered it.
 */
worker: string | null,
/**
 * The name of the model that answered it.
 */
model: string | null,
/**
 * How often it has been assigned.
 */
attempts: number,
/**
 * Why it was rejected or failed.
 */
error: Problem | null,
/**
 * Where its time went.
 */
timing_ms: Timing,
/**
 * What the wire carried of it to the worker that answered it; null until answered, and where that is not known.
 */
wire: Wire | null,
/**
 * The size of the file in bytes.
 */
bytes: number,
/**
 * Bytes that were sent to the worker that answered: fewer than `bytes` where it was sent a smaller form of the image. Null: not
 * answered, or not known.
 */
form_bytes: number | null,
/**
 * Hex SHA-256 of the file. Absent for what was rejected before it was read whole.
 */
sha256: string | null,
/**
 * The sniffed media type, such as `image/jpeg`.
 */
media_type: string | null,
/**
 * Pixels across, by the file's header, before orientation.
 */
width: number | null,
/**
 * Pixels down, by the file's header, before orientation.
 */
height: number | null,
/**
 * The number of the last change. Of two copies of one image the one with the higher number is newer.
 */
seq: number, };

/**
 * The states of an image.
 */
export type ImageState = "waiting" | "assigned" | "recognised" | "failed" | "rejected" | "cancelled";

/**
 * One class of an answer.
 */
export type Label = {
/**
 * The class's position in the model's output.
 */
index: number,
/**
 * The class's name.
 */
name: string,
/**
 * 0..=1.
 */
probability: number, };

/**
 * What went wrong, for a program (`code`) and for a person (`message`).
 */
export type Problem = {
/**
 * From the table in `docs/api.md`.
 */
code: string,
/**
 * One sentence.
 */
message: string, };

/**
 * The body of every request that failed.
 */
export type ErrorBody = {
/**
 * What went wrong.
 */
error: Problem, };

/**
 * `POST /api/v1/session`. It has no debug output: a token is to be in no log.
 */
export type LogIn = {
/**
 * The token.
 */
token: string, };

/**
 * `GET /api/v1/session`, and the answer to `POST`: as what this browser is let in.
 */
export type Session = {
/**
 * What may be done.
 */
role: SessionRole,
/**
 * Whether this manager asks for tokens at all.
 */
needs_token: boolean,
/**
 * Why the token that was shown does not count, where one was.
 */
problem: Problem | null, };

/**
 * The roles of who uses the page. Each may what those before it may.
 */
export type SessionRole = "viewer" | "uploader" | "operator";

/**
 * Where an image's time went, in milliseconds; null where not known (yet). The parts from `waiting` to `returning`
 * and `upload` sum to `total`.
 */
export type Timing = {
/**
 * First byte of the upload to durable.
 */
upload: number | null,
/**
 * Kept, but not with the worker that answered.
 */
waiting: number | null,
/**
 * On the way to the worker: the rest of the manager's measurement.
 */
sending: number | null,
/**
 * First byte to last byte at the worker.
 */
receive: number | null,
/**
 * Waiting for a slot at the worker.
 */
worker_queue: number | null,
/**
 * File bytes to tensor.
 */
decoding: number | null,
/**
 * The model's run.
 */
inference: number | null,
/**
 * On the way back: half the smoothed round trip.
 */
returning: number | null,
/**
 * First byte of the upload to the answer.
 */
total: number | null, };

/**
 * What the wire carried of the delivery of an image that was answered, and how the connection was when the answer came.
 */
export type Wire = {
/**
 * Bytes of the file that were sent, those that were sent again among them.
 */
bytes_sent: number,
/**
 * Bytes that were sent again: its share of what the connection sent again while it was under way (`docs/protocol.md`).
 */
bytes_resent: number,
/**
 * The transport's own smoothed round trip.
 */
rtt_ms: number | null,
/**
 * The congestion window.
 */
window_bytes: number | null,
/**
 * What the transport last found that the path delivers; null over QUIC, which does not tell.
 */
delivery_bits_per_s: number | null, };

/**
 * How many images of a batch are in each state.
 */
export type Counts = {
/**
 * All of them.
 */
total: number,
/**
 * [`ImageState::Waiting`].
 */
waiting: number,
/**
 * [`ImageState::Assigned`].
 */
assigned: number,
/**
 * [`ImageState::Recognised`].
 */
recognised: number,
/**
 * [`ImageState::Failed`].
 */
failed: number,
/**
 * [`ImageState::Rejected`].
 */
rejected: number,
/**
 * [`ImageState::Cancelled`].
 */
cancelled: number, };

/**
 * `POST /api/v1/batches`.
 */
export type NewBatch = {
/**
 * Unguessable; knowing it is the right to see the batch.
 */
id: string, };

/**
 * `POST .../images`: in part order, also when some were rejected.
 */
export type Uploaded = {
/**
 * One an uploaded file.
 */
images: Array<Image>, };

/**
 * `POST .../known`, both ways: the question's digests, and those of them whose bytes the batch already has.
 */
export type Known = {
/**
 * Hex SHA-256 of whole files.
 */
sha256: Array<string>, };

/**
 * `POST .../retry`, `.../cancel`, `.../delete` of a batch: which of its images are meant.
 */
export type Selection = {
/**
 * The images' ids, at most 10,000. One that is named twice counts once.
 */
images: Array<string>, };

/**
 * What became of a [`Selection`].
 */
export type SelectionDone = {
/**
 * Images to which it was done.
 */
done: number,
/**
 * Images to which it could not be done: in another state, or not (any more) in the batch.
 */
refused: number, };

/**
 * `GET /api/v1/batches/{id}`: a page of a batch.
 */
export type BatchPage = {
/**
 * The batch's id.
 */
id: string,
/**
 * The number of the last change of the batch.
 */
seq: number,
/**
 * How many images are in each state.
 */
counts: Counts,
/**
 * In upload order.
 */
images: Array<Image>,
/**
 * Whether images follow these.
 */
more: boolean,
/**
 * What the batch has achieved.
 */
throughput: Throughput, };

/**
 * What a batch achieved, from its first upload to its last answer (or to now).
 */
export type Throughput = {
/**
 * Answered images a second.
 */
images_per_s: number,
/**
 * Bits of image file answered a second: goodput, not what the sockets carried.
 */
file_bits_per_s: number,
/**
 * Seconds from the first upload to the last answer, or to now while unfinished.
 */
elapsed_s: number, };

/**
 * A worker as the manager knows it.
 */
export type Worker = {
/**
 * Its name, made distinct (`name-2`) where two workers have one name.
 */
id: string,
/**
 * What it called itself.
 */
name: string,
/**
 * How it is.
 */
state: WorkerState,
/**
 * How many images it recognises at a time.
 */
slots: number,
/**
 * Images assigned to it and not answered.
 */
in_flight: number,
/**
 * Images it has answered.
 */
images: number,
/**
 * Times it has reported that it has no answer.
 */
failures: number,
/**
 * Over the last ten seconds.
 */
images_per_s: number,
/**
 * Smoothed round trip.
 */
rtt_ms: number | null,
/**
 * Smoothed service time of an image in a slot: decoding and inference.
 */
service_ms: number | null,
/**
 * Bytes of image file sent to it.
 */
payload_bytes: number,
/**
 * Bytes of frames that its connections carried to it.
 */
socket_bytes_sent: number,
/**
 * Bytes of frames that its connections carried from it.
 */
socket_bytes_received: number,
/**
 * Bytes that the transport has sent to it, those sent again among them: over TCP what its segments had in them (0 where the
 * manager's system does not tell), over QUIC whole datagrams.
 */
wire_bytes_sent: number,
/**
 * TCP segments sent again to it; over QUIC packets held for lost, whose content is sent again.
 */
retransmissions: number,
/**
 * Bytes in them.
 */
bytes_retransmitted: number,
/**
 * The congestion control of the manager's end of its connection: over TCP as the manager's system tells it, over QUIC `quic`
 * and its name.
 */
congestion_control: string | null,
/**
 * The transport's own smoothed round trip.
 */
transport_rtt_ms: number | null,
/**
 * The least that it has seen on this connection: what is not waiting in queues.
 */
least_rtt_ms: number | null,
/**
 * Its path is being sounded, to find out by which transport it should come: for some seconds after one with `--transport auto` has
 * come by TCP.
 */
sounding: boolean,
/**
 * The congestion window of the manager's end.
 */
window_bytes: number | null,
/**
 * What the transport last found that the path delivers; null over QUIC, which does not tell.
 */
delivery_bits_per_s: number | null,
/**
 * The address it connects from.
 */
address: string,
/**
 * The model it holds.
 */
model: string, };

/**
 * How a worker is.
 */
export type WorkerState = "idle" | "busy" | "draining" | "setaside" | "silent" | "gone";

/**
 * `GET /api/v1/workers`.
 */
export type Workers = {
/**
 * Those connected, and those lost a short while ago; or, when all were asked for, the last that were lost.
 */
workers: Array<Worker>, };

/**
 * `GET /api/v1/model`: the model the workers answer with.
 */
export type Model = {
/**
 * As in the manifest, or the file's name. `null` until a worker with a model has joined.
 */
name: string | null,
/**
 * Hex SHA-256 of the model file.
 */
digest: string | null,
/**
 * Whether the digest is one the manifest knows.
 */
verified: boolean,
/**
 * Anything a person should know of it, in one sentence.
 */
notice: string | null, };

/**
 * What the events WebSocket of a batch says.
 */
export type Event = { "type": "snapshot",
/**
 * The number of the last change that it holds.
 */
seq: number,
/**
 * The batch's id.
 */
batch: string,
/**
 * The images that changed since, in upload order, at most a page of them.
 */
images: Array<Image>,
/**
 * Whether there was more than a page: read the batch by `GET` then.
 */
more: boolean,
/**
 * Images deleted since. When `complete`, an image that is in neither list nor page is gone too.
 */
deleted: Array<string>,
/**
 * Whether this is the whole batch rather than what has changed.
 */
complete: boolean,
/**
 * The rest of what a page shows.
 */
status: Status, } | { "type": "change",
/**
 * Its number. Numbers only rise; gaps are normal.
 */
seq: number,
/**
 * The image as it is now; null when it was deleted.
 */
image: Image | null,
/**
 * The id of the image that was deleted.
 */
deleted: string | null, } | { "type": "status" } & Status | { "type": "gone" };

/**
 * What a page shows beside the images.
 */
export type Status = {
/**
 * Images of this batch by state.
 */
counts: Counts,
/**
 * What this batch has achieved.
 */
throughput: Throughput,
/**
 * All workers.
 */
workers: Array<Worker>,
/**
 * The model in use.
 */
model: Model,
/**
 * Why images of this batch wait, if something stands in their way.
 */
notice: Problem | null,
/**
 * What waits in the whole manager, this batch's images and all others.
 */
queue: Queue,
/**
 * What has happened to workers: the last 20, none older than an hour, newest last.
 */
happenings: Array<Happening>,
/**
 * Hex digest of the page that this manager serves. A page of another digest is to be loaded again.
 */
page: string, };

/**
 * The unfinished images of all batches.
 */
export type Queue = {
/**
 * With no worker.
 */
waiting: number,
/**
 * With a worker.
 */
assigned: number, };

/**
 * Something that happened to a worker.
 */
export type Happening = {
/**
 * Tells it from all others. Later ones have higher numbers, but for a refusal that comes again: it keeps its number.
 */
seq: number,
/**
 * How long ago.
 */
ago_ms: number,
/**
 * What.
 */
kind: HappeningKind,
/**
 * The worker's id, as [`Worker::id`]; of one that was refused, what it called itself.
 */
worker: string,
/**
 * Images that it had and that moved on to others.
 */
images: number,
/**
 * More of it in a sentence's part: why a worker was refused.
 */
detail: string | null, };

/**
 * The kinds of [`Happening`].
 */
export type HappeningKind = "joined" | "left" | "lost" | "silent" | "back" | "refused" | "setaside" | "restored";
