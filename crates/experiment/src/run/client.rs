//! The client of a run: it makes a batch, watches its events, uploads as fast as it may, and waits until every image has ended.

mod http;
mod notebook;
mod told;
mod watcher;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;

use self::http::Http;
pub(crate) use self::notebook::{Notebook, Notes, Upload};
#[cfg(test)]
pub(crate) use self::told::Happening;
use self::told::Page;
pub(crate) use self::told::{Image, Worker};
use self::watcher::Watcher;
use super::pictures::Pictures;

/// How long it may take until the first snapshot is there.
const WATCHING: Duration = Duration::from_secs(20);

/// How often it is looked whether the run is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the last questions of a run may take.
const LAST_QUESTIONS: Duration = Duration::from_secs(10);

/// The most images of a page.
const PAGE: usize = 1000;

/// What tells the threads of a run that it is over, done or not.
pub(crate) struct Stop {
    /// Somebody has pressed Ctrl-C.
    abort: Arc<AtomicBool>,
    is_given_up: AtomicBool,
    until: Option<Instant>,
}

impl Stop {
    /// Over when somebody aborts, or gives up.
    pub(crate) fn new(abort: Arc<AtomicBool>) -> Self {
        Self { abort, is_given_up: AtomicBool::new(false), until: None }
    }

    /// Over when somebody aborts, or at a time.
    fn at(abort: Arc<AtomicBool>, until: Instant) -> Self {
        Self { abort, is_given_up: AtomicBool::new(false), until: Some(until) }
    }

    /// The run has had its time.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.abort.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        let is_late = self.until.is_some_and(|until| Instant::now() >= until);
        self.is_aborted() || self.is_given_up.load(Ordering::Relaxed) || is_late
    }
}

/// How a client comes to the manager.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) manager: SocketAddr,
    /// What the manager asks for, if it asks for anything.
    pub(crate) token: Option<String>,
}

/// What a client is to do.
pub(crate) struct Client<'a> {
    pub(crate) door: &'a Door,
    pub(crate) pictures: &'a Pictures,
    pub(crate) images: u32,
    /// Connections over which it uploads.
    pub(crate) uploads: u32,
    pub(crate) notebook: &'a Notebook,
    pub(crate) stop: &'a Stop,
}

impl Client<'_> {
    /// Does it; to be called on a thread that is on the client's machine. `begins` is called when everything is ready for the first
    /// byte.
    ///
    /// # Errors
    /// The manager refuses what it should not, or does not answer before anything has begun. That images are lost is no error.
    pub(crate) fn run(&self, begins: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let http = Http::new(self.door, self.stop);
        let made: Page = read(http.post("/api/v1/batches", None, &[])?)?;
        let batch = made.id;
        let (is_over, is_watching) = (AtomicBool::new(false), AtomicBool::new(false));
        let watcher = Watcher {
            door: self.door,
            batch: &batch,
            notebook: self.notebook,
            stop: self.stop,
            is_over: &is_over,
            is_watching: &is_watching,
        };
        thread::scope(|scope| {
            scope.spawn(|| watcher.watch());
            let done = self.upload_and_wait(&batch, &is_watching, begins);
            is_over.store(true, Ordering::Relaxed);
            done
        })?;
        self.ask_last(&batch);
        Ok(())
    }

    fn upload_and_wait(
        &self,
        batch: &str,
        is_watching: &AtomicBool,
        begins: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let asked = Instant::now();
        while !is_watching.load(Ordering::Relaxed) {
            if asked.elapsed() > WATCHING || self.stop.is_over() {
                bail!("failed to watch the events of a batch");
            }
            thread::sleep(Duration::from_millis(5));
        }
        begins()?;
        self.notebook.begin(Instant::now());
        let next = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..self.uploads.min(self.images) {
                scope.spawn(|| self.upload_some(batch, &next));
            }
            while !self.notebook.await_end(self.images, LOOK_EVERY) && !self.stop.is_over() {}
        });
        Ok(())
    }

    /// Uploads over one connection, one image after the other, while there are any.
    fn upload_some(&self, batch: &str, next: &AtomicU32) {
        let http = Http::new(self.door, self.stop);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.images || self.stop.is_over() {
                return;
            }
            let picture = self.pictures.get(number);
            let path = format!("/api/v1/batches/{batch}/images?name=image-{number}");
            let since = || self.notebook.read_since(Instant::now());
            let begun_s = since();
            self.notebook.upload(number, |upload| {
                *upload = Upload { bytes: picture.len() as u64, begun_s, ..Upload::default() };
            });
            let answer = http.post(&path, Some(&format!("image-{number}")), &picture);
            let accepted_s = since();
            let image =
                answer.and_then(read::<Page>).and_then(|page| page.images.into_iter().next().context("no image"));
            self.notebook.upload(number, |upload| match image {
                Ok(image) => {
                    upload.accepted_s = Some(accepted_s);
                    upload.id = Some(image.id);
                }
                // What had no answer when the time was up is lost, not refused.
                Err(_) if self.stop.is_over() => {}
                Err(error) => upload.refused = Some(format!("{error:#}")),
            });
        }
    }

    /// Reads the whole batch once more, and the workers. Where the manager is gone there is nothing to read, which the notes show.
    fn ask_last(&self, batch: &str) {
        let stop = Stop::at(Arc::clone(&self.stop.abort), Instant::now() + LAST_QUESTIONS);
        let http = Http::new(self.door, &stop);
        if let Ok(images) = all_images(&http, batch) {
            self.notebook.last(images);
        }
        if let Ok(page) = http.get("/api/v1/workers?all=true").and_then(read::<Page>) {
            self.notebook.status(Instant::now(), page.workers, Vec::new());
        }
    }
}

/// The workers that a manager has.
///
/// # Errors
/// It does not answer.
pub(crate) fn workers(door: &Door, stop: &Stop) -> anyhow::Result<Vec<Worker>> {
    Ok(read::<Page>(Http::new(door, stop).get("/api/v1/workers")?)?.workers)
}

fn all_images(http: &Http<'_>, batch: &str) -> anyhow::Result<Vec<Image>> {
    let mut images: Vec<Image> = Vec::new();
    loop {
        let after = images.last().map(|image| format!("&after={}", image.id)).unwrap_or_default();
        let page: Page = read(http.get(&format!("/api/v1/batches/{batch}?limit={PAGE}{after}"))?)?;
        images.extend(page.images);
        if !page.more {
            return Ok(images);
        }
    }
}

fn read<T: for<'de> Deserialize<'de>>(body: serde_json::Value) -> anyhow::Result<T> {
    serde_json::from_value(body).context("failed to understand an answer of the manager")
}
