//! What can be set of a manager, in one struct; the command line and the tests build the same.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use manyeyes_link::TimerSettings;

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
    /// How long things may last between manager and workers.
    pub timers: TimerSettings,
    /// Where uploads are kept, how long and how many.
    pub store: StoreSettings,
    /// What an upload and a client may ask for.
    pub limits: Limits,
    /// How small pictures are made.
    pub thumbnails: Option<ThumbnailSettings>,
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
            timers: TimerSettings::default(),
            store: StoreSettings::default(),
            limits: Limits::default(),
            thumbnails: None,
        }
    }
}

/// What an upload and a client may ask for. Each says what is answered when it is reached.
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
    /// The longest time a request may take to upload: about 4 GiB at 10 Mbit/s. Then the request is refused (408).
    pub upload_time: Duration,
    /// The most files in one request. Beyond it the request is refused (413).
    pub request_files: usize,
    /// The most images that wait or are with workers: about 400 bytes of memory each. More uploads are answered 507.
    pub unfinished: usize,
    /// The most uploads that are received at the same time. More are answered 429.
    pub uploads: usize,
    /// The most open HTTP connections. More wait to be accepted.
    pub connections: usize,
    /// The longest time for the head of a request to arrive. Then the connection is closed.
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
            upload_time: Duration::from_secs(3600),
            request_files: 10_000,
            unfinished: 400_000,
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

/// How small pictures are made: in a child process, because the manager's own never decodes a pixel.
#[derive(Clone, Debug)]
pub struct ThumbnailSettings {
    /// The program that makes them: it reads image files from its standard input and answers on its standard output.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How many of it run at the same time.
    pub processes: usize,
    /// The most requests that wait for one of them. More are answered 429.
    pub waiting: usize,
    /// After this it is killed and started again.
    pub time: Duration,
    /// The most bytes of small pictures that are remembered.
    pub remembered_bytes: usize,
}

impl ThumbnailSettings {
    /// The defaults, with `program` run as `program thumbnailer`.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            arguments: vec!["thumbnailer".to_owned()],
            processes: 1,
            waiting: 256,
            time: Duration::from_secs(10),
            remembered_bytes: 16 << 20,
        }
    }
}
