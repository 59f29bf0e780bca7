//! One client: it makes batches, uploads pictures under idempotency keys, changes its mind now and then, and writes down what
//! it did and what it was told. It gives up on nothing but the end of the run.

mod watcher;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use ureq::http::Method;

use crate::history::{Copy, Fact, History, Wish};
use crate::http::{Http, Outcome, Wanted};
use crate::pictures::{Picture, Pictures};
use crate::signals::Signals;

/// Requests of a batch, and pictures in a request, from the least to the most.
const UPLOADS: std::ops::RangeInclusive<u32> = 20..=60;
const FILES: std::ops::RangeInclusive<usize> = 1..=8;

/// A client waits when so many of its images have not ended: enough to keep the workers busy at all times.
const OUTSTANDING: u64 = 80;

/// How likely it is, for each upload, that its first answer is lost, and that one of its images is cancelled or deleted.
const LOSE_ANSWER: f64 = 0.04;
const CANCEL: f64 = 0.03;
const DELETE: f64 = 0.02;

/// How many images of a batch are run again when all have ended, at most.
const RUN_AGAIN: usize = 3;

/// How likely it is that a batch is deleted when its owner has seen all of it. The rest stay, for the last reading.
const DELETE_BATCH: f64 = 0.75;

/// How often a client looks how far its batch is, and how long it waits before it sends again what had no answer.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// How long a refusal is heeded that says no time of its own.
const REFUSED_FOR: Duration = Duration::from_millis(500);

/// Images of a page when a batch is read: fewer than a batch has, so that pages are turned.
const PAGE: usize = 100;

/// The type of an upload of several files, with a boundary that is in none of them: they begin with digits and a dash, and hold
/// a pattern of bytes that rise.
const BOUNDARY: &str = "chaos-5f0c9d6e41b7-a-boundary";

/// A client, in its own thread.
pub(crate) struct Client<'a> {
    number: usize,
    http: Http,
    history: &'a History,
    signals: &'a Signals,
    chance: StdRng,
    pictures: Pictures,
    keys: u32,
    /// Batches that it has not deleted, and whether it has deleted them.
    batches: Vec<String>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(number: usize, url: String, seed: u64, history: &'a History, signals: &'a Signals) -> Self {
        Self {
            number,
            http: Http::new(url),
            history,
            signals,
            chance: StdRng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(number as u64)),
            pictures: Pictures::new(u32::try_from(number).unwrap_or(u32::MAX)),
            keys: 0,
            batches: Vec::new(),
        }
    }

    /// Works until it is told to finish; then reads all of its batches once more.
    ///
    /// # Errors
    /// The history cannot be written.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        while !self.signals.is_to_finish() {
            // Every third client never watches: it asks.
            self.batch(self.number % 3 != 2);
        }
        for batch in std::mem::take(&mut self.batches) {
            self.read(&batch);
        }
        self.history.flush().context("failed to write a history")
    }

    /// The life of one batch.
    fn batch(&mut self, watches: bool) {
        let made = self.insist("", "make a batch", None, &Wanted::new(Method::POST, "/api/v1/batches"));
        let Some(batch) = made.and_then(|made| made["id"].as_str().map(str::to_owned)) else {
            return;
        };
        self.batches.push(batch.clone());
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            if watches {
                let (url, history, signals, is_over) = (self.http.url(), self.history, self.signals, &is_over);
                let (url, batch, seed) = (url.to_owned(), batch.clone(), self.chance.random());
                scope.spawn(move || watcher::watch(&url, &batch, seed, history, signals, is_over));
            }
            self.fill(&batch);
            self.await_endings(&batch, 0);
            self.run_some_again(&batch);
            self.await_endings(&batch, 0);
            let has_read = self.read(&batch);
            if has_read && !self.signals.is_to_finish() && self.chance.random_bool(DELETE_BATCH) {
                let path = format!("/api/v1/batches/{batch}");
                self.wish(&batch, None, Wish::Delete, &Wanted::new(Method::DELETE, &path));
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }

    /// Uploads, and changes its mind about some.
    fn fill(&mut self, batch: &str) {
        for _ in 0..self.chance.random_range(UPLOADS) {
            if self.signals.is_to_finish() {
                return;
            }
            let images = self.upload(batch);
            if self.chance.random_bool(CANCEL) {
                self.wish_of_one(batch, &images, Wish::Cancel);
            }
            if self.chance.random_bool(DELETE) {
                self.wish_of_one(batch, &images, Wish::Delete);
            }
            self.await_endings(batch, OUTSTANDING);
        }
    }

    /// Uploads one to eight pictures, again and again until it is answered. Gives the images.
    fn upload(&mut self, batch: &str) -> Vec<Copy> {
        let count = self.chance.random_range(FILES);
        let pictures: Vec<Picture> = (0..count).map(|_| self.pictures.next(&mut self.chance)).collect();
        self.keys += 1;
        let key = format!("client-{}-upload-{}", self.number, self.keys);
        let path = format!("/api/v1/batches/{batch}/images?name={}", pictures[0].name);
        let multipart = format!("multipart/form-data; boundary={BOUNDARY}");
        let (content_type, body) = match pictures.as_slice() {
            [one] => ("application/octet-stream", one.bytes.clone()),
            several => (multipart.as_str(), form(several)),
        };
        let heads = [("idempotency-key", key.as_str()), ("content-type", content_type)];
        let wanted = Wanted { method: Method::POST, path: &path, heads: &heads, body: &body };
        let sent = Fact::Sent {
            batch: batch.to_owned(),
            key: key.clone(),
            files: pictures.iter().map(|picture| picture.digest.clone()).collect(),
        };
        if self.chance.random_bool(LOSE_ANSWER) {
            self.history.add(sent.clone());
            if let Outcome::Answered(body) = self.http.send_and_leave(&wanted) {
                return self.accepted(batch, key, &body);
            }
            self.history.add(Fact::NoAnswer { request: format!("upload {key}, not waited for") });
        }
        match self.insist(batch, &format!("upload {key}"), Some(&sent), &wanted) {
            Some(body) => self.accepted(batch, key, &body),
            None => Vec::new(),
        }
    }

    fn accepted(&self, batch: &str, key: String, body: &Value) -> Vec<Copy> {
        // An answer of another form has other images than were sent, which the checker sees.
        let images = Copy::all_of(&body["images"]).unwrap_or_default();
        self.history.add(Fact::Accepted { batch: batch.to_owned(), key, images: images.clone() });
        images
    }

    /// Waits until at most so many images of a batch have not ended.
    fn await_endings(&mut self, batch: &str, most: u64) {
        let path = format!("/api/v1/batches/{batch}?limit=1");
        // Who waits for all of them waits on when the run is to finish; who waits for a place has nothing more to bring.
        let is_in_vain = || if most > 0 { self.signals.is_to_finish() } else { self.signals.is_to_stop() };
        while !is_in_vain() {
            if let Some(page) = self.insist(batch, "look at a batch", None, &Wanted::new(Method::GET, &path)) {
                let count = |state: &str| page["counts"][state].as_u64().unwrap_or(u64::MAX);
                if count("waiting").saturating_add(count("assigned")) <= most {
                    return;
                }
            }
            self.signals.wait(LOOK_EVERY);
        }
    }

    fn run_some_again(&mut self, batch: &str) {
        let path = format!("/api/v1/batches/{batch}?limit=50");
        let page = self.insist(batch, "look at a batch", None, &Wanted::new(Method::GET, &path));
        let images = page.and_then(|page| Copy::all_of(&page["images"])).unwrap_or_default();
        let recognised: Vec<Copy> = images.into_iter().filter(|image| image.label.is_some()).collect();
        for _ in 0..self.chance.random_range(0..=RUN_AGAIN) {
            self.wish_of_one(batch, &recognised, Wish::Retry);
        }
    }

    fn wish_of_one(&mut self, batch: &str, images: &[Copy], wish: Wish) {
        let Some(image) = images.choose(&mut self.chance) else { return };
        let path = format!("/api/v1/batches/{batch}/images/{}", image.id);
        match wish {
            Wish::Delete => self.wish(batch, Some(&image.id), wish, &Wanted::new(Method::DELETE, &path)),
            Wish::Retry => {
                self.wish(batch, Some(&image.id), wish, &Wanted::new(Method::POST, &format!("{path}/retry")))
            }
            Wish::Cancel => {
                self.wish(batch, Some(&image.id), wish, &Wanted::new(Method::POST, &format!("{path}/cancel")))
            }
        }
    }

    fn wish(&self, batch: &str, image: Option<&str>, wish: Wish, wanted: &Wanted<'_>) {
        let (batch, image) = (batch.to_owned(), image.map(str::to_owned));
        let asked = Fact::Asked { batch: batch.clone(), image: image.clone(), wish };
        let request = format!("{wish:?} {}", wanted.path);
        if self.insist_for(&batch, image.as_deref(), &request, Some(&asked), wanted).is_some() {
            self.history.add(Fact::Done { batch, image, wish });
        }
    }

    /// Reads a whole batch, page by page, and writes down what it is. Says whether it could.
    fn read(&mut self, batch: &str) -> bool {
        let mut images: Vec<Copy> = Vec::new();
        loop {
            let after = images.last().map(|image| format!("&after={}", image.id)).unwrap_or_default();
            let path = format!("/api/v1/batches/{batch}?limit={PAGE}{after}");
            let wanted = Wanted::new(Method::GET, &path);
            let Some(page) = self.insist(batch, "read a batch", None, &wanted) else {
                return false;
            };
            if page.is_null() {
                self.history.add(Fact::Books { batch: batch.to_owned(), images: None });
                return false;
            }
            images.extend(Copy::all_of(&page["images"]).unwrap_or_default());
            if page["more"] != true {
                self.history.add(Fact::Books { batch: batch.to_owned(), images: Some(images) });
                return true;
            }
        }
    }

    fn insist(&self, batch: &str, request: &str, first: Option<&Fact>, wanted: &Wanted<'_>) -> Option<Value> {
        self.insist_for(batch, None, request, first, wanted)
    }

    /// Sends a request until it is answered or refused for good; `first` is written down before each try. `None`: it was refused,
    /// or the run has ended. A batch that is read and not there is `Null`.
    fn insist_for(
        &self,
        batch: &str,
        image: Option<&str>,
        request: &str,
        first: Option<&Fact>,
        wanted: &Wanted<'_>,
    ) -> Option<Value> {
        while !self.signals.is_to_stop() {
            first.into_iter().for_each(|fact| self.history.add(fact.clone()));
            let (status, code, retry_after) = match self.http.send(wanted) {
                Outcome::Answered(body) => return Some(body),
                Outcome::NoAnswer => {
                    self.history.add(Fact::NoAnswer { request: request.to_owned() });
                    self.signals.wait(AGAIN_AFTER);
                    continue;
                }
                Outcome::Refused { status, code, retry_after } => (status, code, retry_after),
            };
            let is_gone = status == 404 && wanted.method == Method::GET;
            let (batch, image, request) = (batch.to_owned(), image.map(str::to_owned), request.to_owned());
            self.history.add(Fact::Refused { batch, image, request, status, code });
            if is_gone {
                return Some(Value::Null);
            }
            if !matches!(status, 408 | 429 | 500 | 503 | 507) {
                return None;
            }
            self.signals.wait(retry_after.unwrap_or(REFUSED_FOR));
        }
        None
    }
}

/// Several files as the body of a form.
fn form(pictures: &[Picture]) -> Vec<u8> {
    let mut body = Vec::new();
    for picture in pictures {
        let name = &picture.name;
        let head =
            format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        body.extend(head.as_bytes());
        body.extend(&picture.bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}
