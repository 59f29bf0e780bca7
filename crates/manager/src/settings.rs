//! What can be set of a manager, in one struct; the command line and the tests build the same.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use bytes::Bytes;
use manyeyes_link::TimerSettings;
pub use manyeyes_link::{Authorities, Encryption, Identity, StartFast, Transports};

use crate::store::StoreSettings;

/// The settings of a manager.
#[derive(Clone)]
pub struct ManagerSettings {
    /// Where the page and the HTTP interface listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where workers connect. Port 0 takes a free one.
    pub worker_listen: SocketAddr,
    /// The data folder; made where it does not exist. One manager at a time.
    pub data: PathBuf,
    /// Whether anyone who reaches a listening address that is not loopback may use it without the token.
    pub open: bool,
    /// Host names by which the page may be opened, beside `localhost` and plain addresses, which always work. Any other
    /// name is refused, so that a web site cannot reach the manager by pointing its own name here.
    pub hosts: Vec<String>,
    /// The SHA-256 of the model that a worker has to hold. `None`: that of the workers that are connected already, and
    /// any while there are none.
    pub model: Option<[u8; 32]>,
    /// By what workers know it. `None`: by a key of its own, made at first start and kept in the data folder.
    pub identity: Option<Identity>,
    /// Whether connections of workers by TCP are encrypted.
    pub encryption: Encryption,
    /// Who has to have signed the certificate of every worker. `None`: they need none.
    pub worker_authorities: Option<Authorities>,
    /// How long things may last between manager and workers.
    pub timers: TimerSettings,
    /// What is listened for where workers connect.
    pub transports: Transports,
    /// The congestion control of the connections to workers: over TCP by the system's name for it, such as `cubic`; over QUIC
    /// `cubic`, `reno` or `bbr`. `None`: the system's own choice, and `cubic`.
    pub congestion_control: Option<String>,
    /// How to begin on a worker's path over QUIC. `None`: as the standard says, with ten packets.
    pub start_fast: Option<StartFast>,
    /// Where uploads are kept, how long and how many.
    pub store: StoreSettings,
    /// What an upload and a client may ask for.
    pub limits: Limits,
    /// How small pictures are made.
    pub thumbnails: Option<ThumbnailSettings>,
    /// How smaller forms of images are made for workers whose links are slower than their work; `None`: every image goes as it is.
    pub smaller: Option<SmallerSettings>,
    /// Known pictures that catch a worker that answers wrongly.
    pub canaries: CanarySettings,
}

impl ManagerSettings {
    /// The defaults, with the data in `data`.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            worker_listen: SocketAddr::from(([127, 0, 0, 1], 2888)),
            data,
            open: false,
            hosts: Vec::new(),
            model: None,
            identity: None,
            encryption: Encryption::default(),
            worker_authorities: None,
            timers: TimerSettings::default(),
            transports: Transports::default(),
            congestion_control: None,
            start_fast: None,
            store: StoreSettings::default(),
            limits: Limits::default(),
            thumbnails: None,
            smaller: None,
            canaries: CanarySettings::default(),
        }
    }
}

/// What an upload and a client may ask for. Each says what is answered when it is reached.
///
/// Of what clients share (images that wait, uploads, connections, streams of events, waits for small pictures) nobody may
/// have more than is left free for others: one client alone has at most half.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest image file. A larger one is rejected (`too_large`); its neighbours are kept.
    pub file_bytes: u64,
    /// The most pixels of an image, by its header: 100 megapixels is more than any phone or common camera makes, and a
    /// fraction of a decoder's memory. More is rejected (`too_many_pixels`).
    pub pixels: u64,
    /// How much of what is refused or not asked for is read and dropped in one request, for the sake of its neighbours.
    /// Beyond it the request is refused (413).
    pub dropped_bytes: u64,
    /// The largest request body. Beyond it the request is refused (413).
    pub request_bytes: u64,
    /// The longest pause of a body that is being uploaded. Then the request is refused (408).
    pub upload_pause: Duration,
    /// The lowest rate of a body that is being uploaded, in bytes a second, over any [`Self::upload_rate_over`] in which
    /// it was waited for. A slower request is refused (408): sending a byte now and then would hold its place for
    /// [`Self::upload_time`]. A phone at the edge of its network sends ten times as fast.
    pub upload_rate: u64,
    /// Over what time that rate counts: what a tunnel interrupts, or a network that has just been changed, is let be.
    pub upload_rate_over: Duration,
    /// The longest time a request may take to upload: about 4 GiB at 10 Mbit/s. Then the request is refused (408).
    pub upload_time: Duration,
    /// The longest time for the body of a request that uploads nothing: it has at most 1 MiB. Then it is refused (408).
    pub small_body_time: Duration,
    /// The most files in one request. Beyond it the request is refused (413).
    pub request_files: usize,
    /// The most images that wait, those that are with workers included: about 400 bytes of memory each. More uploads are
    /// answered 429.
    pub waiting: usize,
    /// The most uploads that are received at the same time. More are answered 429.
    pub uploads: usize,
    /// The most open HTTP connections. More are answered 429 and closed.
    pub connections: usize,
    /// The longest time from the opening of a connection, or from the answer before, until the head of a request has
    /// arrived. Then the connection is closed.
    pub head_time: Duration,
    /// The longest time that a client may take nothing of what is sent to it. Then the connection is closed.
    pub answer_pause: Duration,
    /// The most open event streams. More are answered 429.
    pub subscribers: usize,
    /// The most changes that wait for one reader of events. A slower one gets a fresh snapshot instead.
    pub subscriber_changes: usize,
    /// How often an event stream's peer is asked whether it is there; it has as long again to answer.
    pub subscriber_ping: Duration,
    /// The longest time for which an event stream says nothing: then it tells its status though that has not changed. A
    /// page takes three times as long a silence for a connection that is lost.
    pub subscriber_status: Duration,
    /// The most images in one page of a batch or in one snapshot.
    pub page_images: u32,
    /// The most digests in one question after known files. More are refused (413).
    pub known_digests: usize,
    /// The most images in one request to try again, cancel or delete. More are refused (413).
    pub selected_images: usize,
    /// The longest that `/api/v1/classify` waits; longer waits are cut to it.
    pub classify_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 32 << 20,
            pixels: 100_000_000,
            dropped_bytes: 256 << 20,
            request_bytes: 4 << 30,
            upload_pause: Duration::from_secs(30),
            upload_rate: 1024,
            upload_rate_over: Duration::from_secs(60),
            upload_time: Duration::from_secs(3600),
            small_body_time: Duration::from_secs(30),
            request_files: 10_000,
            waiting: 400_000,
            uploads: 256,
            connections: 2048,
            head_time: Duration::from_secs(15),
            answer_pause: Duration::from_secs(60),
            subscribers: 512,
            subscriber_changes: 1024,
            subscriber_ping: Duration::from_secs(20),
            subscriber_status: Duration::from_secs(5),
            page_images: 1000,
            known_digests: 10_000,
            selected_images: 10_000,
            classify_wait: Duration::from_secs(300),
        }
    }
}

/// Known pictures, asked of each worker now and then.
#[derive(Clone, Debug)]
pub struct CanarySettings {
    /// The pictures; none: no worker is asked.
    pub pictures: Vec<Canary>,
    /// A worker is asked once when it joins, and again after so many deliveries: 50 are 2 % of its work.
    pub every: u32,
}

impl Default for CanarySettings {
    fn default() -> Self {
        Self { pictures: Vec::new(), every: 50 }
    }
}

/// A picture whose class is known.
#[derive(Clone, Debug)]
pub struct Canary {
    /// Its file's name, for people.
    pub name: String,
    /// Its file.
    pub file: Bytes,
    /// The names of its class: an answer is right whose first label is called by one of them.
    pub classes: Vec<String>,
}

impl Canary {
    /// Whether that is its class.
    #[must_use]
    pub fn is_answered_by(&self, said: &str) -> bool {
        self.classes.iter().any(|class| class == said)
    }
}

/// Child processes that make smaller pictures, because the manager's own never decodes a pixel.
#[derive(Clone, Debug)]
pub struct ConfinedSettings {
    /// The program that makes them: it reads image files from its standard input and answers on its standard output.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How many of it run at the same time.
    pub processes: usize,
    /// After this time at one picture it is killed and started again.
    pub time: Duration,
}

impl ConfinedSettings {
    /// The defaults, with `program` run as `program thumbnailer`.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { program, arguments: vec!["thumbnailer".to_owned()], processes: 1, time: Duration::from_secs(10) }
    }
}

/// How small pictures are made for people.
#[derive(Clone, Debug)]
pub struct ThumbnailSettings {
    /// Who makes them.
    pub children: ConfinedSettings,
    /// The most requests that wait for one of them. More are answered 429.
    pub waiting: usize,
    /// The most bytes of small pictures that are remembered.
    pub remembered_bytes: usize,
}

impl ThumbnailSettings {
    /// The defaults, with `program` run as `program thumbnailer`.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { children: ConfinedSettings::new(program), waiting: 256, remembered_bytes: 16 << 20 }
    }
}

/// How smaller forms of images are made, for links that are slower than the work.
#[derive(Clone, Debug)]
pub struct SmallerSettings {
    /// Who makes them. Not the processes of [`ThumbnailSettings`].
    pub children: ConfinedSettings,
    /// The most bytes of smaller forms that are remembered, for further deliveries of the same image.
    pub remembered_bytes: usize,
}

impl SmallerSettings {
    /// The defaults, with `program` run as `program thumbnailer`.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { children: ConfinedSettings::new(program), remembered_bytes: 8 << 20 }
    }
}
