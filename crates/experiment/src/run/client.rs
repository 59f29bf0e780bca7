//! The client of a run: it makes a batch, watches its events, uploads as fast as it may, and waits until every image has ended. Where
//! images are to go before those that are measured, it does the same with a batch of these first.

mod http;
mod notebook;
mod told;
mod watcher;

use std::net::SocketAddr;
use std::ops::Range;
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
use crate::record::Cell;

/// How long it may take until the first snapshot is there.
const WATCHING: Duration = Duration::from_secs(20);

/// How often it is looked whether something is there that is waited for without news.
const LOOK_AFTER: Duration = Duration::from_millis(5);

/// How often it is looked whether the run is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the last questions of a run may take.
const LAST_QUESTIONS: Duration = Duration::from_secs(10);

/// The most images of a page.
const PAGE: usize = 1000;

/// What tells the threads of a run that it is over, done or not. Clones are of the same run.
#[derive(Clone)]
pub(crate) struct Stop {
    /// Somebody has pressed Ctrl-C.
    abort: Arc<AtomicBool>,
    is_given_up: Arc<AtomicBool>,
    until: Option<Instant>,
}

impl Stop {
    /// Over when somebody aborts, or gives up.
    pub(crate) fn new(abort: Arc<AtomicBool>) -> Self {
        Self { abort, is_given_up: Arc::default(), until: None }
    }

    /// Over with this, or after a time from now.
    fn within(&self, time: Duration) -> Self {
        Self { until: Some(Instant::now() + time), ..Self::clone(self) }
    }

    /// Over when somebody aborts, or at a time.
    fn at(abort: Arc<AtomicBool>, until: Instant) -> Self {
        Self { abort, is_given_up: Arc::default(), until: Some(until) }
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
    pub(crate) cell: &'a Cell,
    /// How long it may take until all images have ended that go before.
    pub(crate) bound: Duration,
    /// Of what is measured.
    pub(crate) notebook: &'a Notebook,
    pub(crate) stop: &'a Stop,
}

/// A batch of a run, and what is noted of it.
struct Batch<'a> {
    id: String,
    notebook: &'a Notebook,
    /// Until when anybody waits for it.
    stop: Stop,
    is_watching: AtomicBool,
}

impl Client<'_> {
    /// Does it; to be called on a thread that is on the client's machine. `begins` is called when everything is ready for the first
    /// byte that is measured.
    ///
    /// # Errors
    /// The manager refuses what it should not, or does not answer before anything has begun. That images are lost is no error.
    pub(crate) fn run(&self, begins: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let before = Notebook::default();
        let measured = self.batch(self.notebook, self.stop.clone())?;
        let warm = (self.cell.warm > 0).then(|| self.batch(&before, self.stop.within(self.bound))).transpose()?;
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            // All are watched before the first image goes, so that nothing has to be made ready between those that go before and those
            // that are measured: Linux begins anew with a small window on a connection that was idle for a while.
            for batch in warm.iter().chain([&measured]) {
                scope.spawn(|| self.watch(batch, &is_over));
            }
            let done = self.carry_out(warm.as_ref(), &measured, begins);
            is_over.store(true, Ordering::Relaxed);
            done
        })?;
        self.ask_last(&measured.id);
        Ok(())
    }

    fn batch<'b>(&self, notebook: &'b Notebook, stop: Stop) -> anyhow::Result<Batch<'b>> {
        let made: Page = read(Http::new(self.door, &stop).post("/api/v1/batches", None, &[])?)?;
        Ok(Batch { id: made.id, notebook, stop, is_watching: AtomicBool::new(false) })
    }

    fn watch(&self, batch: &Batch<'_>, is_over: &AtomicBool) {
        let Batch { id, notebook, stop, is_watching } = batch;
        Watcher { door: self.door, batch: id, notebook, stop, is_over, is_watching }.watch();
    }

    fn carry_out(
        &self,
        warm: Option<&Batch<'_>>,
        measured: &Batch<'_>,
        begins: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Cell { images, warm: wanted, idle_ms, .. } = *self.cell;
        for batch in warm.into_iter().chain([measured]) {
            self.await_watching(batch)?;
        }
        if let Some(warm) = warm {
            warm.notebook.begin(Instant::now());
            // Pictures of their own: what a worker knows the answer of it would answer at once.
            if !self.upload(warm, images..images + wanted) {
                return Ok(());
            }
            let answered = Instant::now();
            self.idle(Duration::from_secs_f64(idle_ms / 1e3));
            let workers = all_workers(&Http::new(self.door, self.stop))?;
            self.notebook.went_before(answered, Instant::now(), workers);
        }
        begins()?;
        measured.notebook.begin(Instant::now());
        self.upload(measured, 0..images);
        Ok(())
    }

    fn await_watching(&self, batch: &Batch<'_>) -> anyhow::Result<()> {
        let asked = Instant::now();
        while !batch.is_watching.load(Ordering::Relaxed) {
            if asked.elapsed() > WATCHING || self.stop.is_over() {
                bail!("failed to watch the events of a batch");
            }
            thread::sleep(LOOK_AFTER);
        }
        Ok(())
    }

    fn idle(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.stop.is_over() {
            thread::sleep(LOOK_AFTER.min(until.saturating_duration_since(Instant::now())));
        }
    }

    /// Uploads the pictures of these numbers and waits until all have ended, or nobody waits any more; says whether they have.
    fn upload(&self, batch: &Batch<'_>, pictures: Range<u32>) -> bool {
        let next = AtomicU32::new(pictures.start);
        let images = pictures.end - pictures.start;
        thread::scope(|scope| {
            for _ in 0..self.cell.uploads.min(images) {
                scope.spawn(|| self.upload_some(batch, &next, pictures.end));
            }
            loop {
                if batch.notebook.await_end(images, LOOK_EVERY) {
                    return true;
                }
                if batch.stop.is_over() {
                    return false;
                }
            }
        })
    }

    /// Uploads over one connection, one image after the other, while there are any.
    fn upload_some(&self, batch: &Batch<'_>, next: &AtomicU32, end: u32) {
        let Batch { id, notebook, stop, .. } = batch;
        let http = Http::new(self.door, stop);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end || stop.is_over() {
                return;
            }
            let picture = self.pictures.get(number);
            let path = format!("/api/v1/batches/{id}/images?name=image-{number}");
            let since = || notebook.read_since(Instant::now());
            let begun_s = since();
            notebook.upload(number, |upload| {
                *upload = Upload { bytes: picture.len() as u64, begun_s, ..Upload::default() };
            });
            let answer = http.post(&path, Some(&format!("image-{number}")), &picture);
            let accepted_s = since();
            let image =
                answer.and_then(read::<Page>).and_then(|page| page.images.into_iter().next().context("no image"));
            notebook.upload(number, |upload| match image {
                Ok(image) => {
                    upload.accepted_s = Some(accepted_s);
                    upload.id = Some(image.id);
                }
                // What had no answer when the time was up is lost, not refused.
                Err(_) if stop.is_over() => {}
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
        if let Ok(workers) = all_workers(&http) {
            self.notebook.status(Instant::now(), workers, Vec::new());
        }
    }
}

/// The workers that a manager has, and had.
fn all_workers(http: &Http<'_>) -> anyhow::Result<Vec<Worker>> {
    Ok(read::<Page>(http.get("/api/v1/workers?all=true")?)?.workers)
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
