//! Has files recognised by a manager: one batch, a few uploads at a time, answers read as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use manyeyes_manager::api::{BatchPage, ErrorBody, Image, ImageState, NewBatch, Uploaded};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::patience::pause;
use super::{Numbered, Outcome};
use crate::address::Address;
use crate::files;

/// Uploads at a time: enough to fill a link with a round trip in it, few enough to leave room for others.
const UPLOADS_AT_A_TIME: usize = 4;

/// The largest file that is sent; what the manager takes may be less, and it says so.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// How often the manager is asked for answers while some are missing.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Images asked for at a time; the manager's own limit of a page.
const PAGE: usize = 1000;

/// How often a request is tried, one after the other, that gets no answer at all: for about eight minutes. A manager that
/// answers that it is busy, or ends, is asked for as long as it says so.
const MAX_UNANSWERED: u32 = 60;

/// A manager that is asked.
pub(super) struct Server {
    address: Address,
    agent: Agent,
    /// Whether it has ever answered: what cannot be reached at first is a wrong address, later it is a restart.
    reached: AtomicBool,
    /// The reasons to wait that a person was told of: each once, not with every file.
    told: Mutex<BTreeSet<String>>,
}

pub(super) fn classify(server: &Server, files: &[PathBuf], outcomes: &SyncSender<Numbered>) -> anyhow::Result<()> {
    let batch: NewBatch = server.post("/api/v1/batches", &[], None)?.body_mut().read_json()?;
    let next = AtomicUsize::new(0);
    let (accepted, waiting) = mpsc::sync_channel(PAGE);
    thread::scope(|scope| {
        let asking = scope.spawn(|| collect(server, &batch.id, waiting, outcomes));
        let uploads: Vec<_> = (0..UPLOADS_AT_A_TIME)
            .map(|_| {
                let accepted = accepted.clone();
                let (next, batch) = (&next, &batch.id);
                scope.spawn(move || upload_some(server, batch, files, next, &accepted, outcomes))
            })
            .collect();
        drop(accepted);
        for upload in uploads {
            upload.join().expect("an upload does not panic")?;
        }
        asking.join().expect("reading answers does not panic")
    })
}

/// Uploads files until none is left. A file that cannot be read, or that the manager refuses, has its outcome at once.
fn upload_some(
    server: &Server,
    batch: &str,
    files: &[PathBuf],
    next: &AtomicUsize,
    accepted: &SyncSender<(u64, usize)>,
    outcomes: &SyncSender<Numbered>,
) -> anyhow::Result<()> {
    loop {
        let position = next.fetch_add(1, Ordering::Relaxed);
        let Some(file) = files.get(position) else { return Ok(()) };
        let bytes = match files::read(file, MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(problem) => {
                outcomes.send((position, Outcome::failed(problem))).context("the output was closed")?;
                continue;
            }
        };
        let image = server.upload(batch, file, position, &bytes)?;
        if is_finished(image.state) {
            outcomes.send((position, image.into())).context("the output was closed")?;
        } else {
            let id = image.id.parse().context("the manager gave an image id that is not a number")?;
            accepted.send((id, position)).context("the answers are no longer read")?;
        }
    }
}

/// Asks for the answers of what was accepted until all are there.
fn collect(
    server: &Server,
    batch: &str,
    accepted: mpsc::Receiver<(u64, usize)>,
    outcomes: &SyncSender<Numbered>,
) -> anyhow::Result<()> {
    let mut missing = BTreeMap::new();
    let mut all_uploaded = false;
    while !(all_uploaded && missing.is_empty()) {
        match accepted.recv_timeout(ASK_EVERY) {
            Ok((id, position)) => {
                missing.insert(id, position);
                missing.extend(accepted.try_iter());
            }
            Err(RecvTimeoutError::Disconnected) => {
                all_uploaded = true;
                thread::sleep(ASK_EVERY);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let Some((&oldest, _)) = missing.first_key_value() else { continue };
        let mut after = oldest.saturating_sub(1);
        loop {
            let path = format!("/api/v1/batches/{batch}?after={after}&limit={PAGE}");
            let page: BatchPage = server.get(&path)?.body_mut().read_json()?;
            for image in page.images {
                let id: u64 = image.id.parse().context("the manager gave an image id that is not a number")?;
                after = id;
                if is_finished(image.state)
                    && let Some(position) = missing.remove(&id)
                {
                    outcomes.send((position, image.into())).context("the output was closed")?;
                }
            }
            if !page.more {
                break;
            }
        }
    }
    Ok(())
}

fn is_finished(state: ImageState) -> bool {
    !matches!(state, ImageState::Waiting | ImageState::Assigned)
}

impl From<Image> for Outcome {
    fn from(image: Image) -> Self {
        Self { state: image.state, labels: image.labels, error: image.error }
    }
}

impl Server {
    /// Takes the address as the manager prints it, and the file with its token, where there is one.
    pub(super) fn parse(address: &str, token_file: Option<&Path>) -> anyhow::Result<Self> {
        let address = Address::parse(address, token_file)?;
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        Ok(Self { address, agent, reached: AtomicBool::new(false), told: Mutex::default() })
    }

    /// Uploads one file, as often as it takes. Its key makes a second try the same upload, so nothing is there twice.
    fn upload(&self, batch: &str, file: &Path, position: usize, bytes: &[u8]) -> anyhow::Result<Image> {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        let path = format!("/api/v1/batches/{batch}/images?name={}", percent_encode(&name));
        let key = position.to_string();
        let mut response = self.post(&path, &[("Idempotency-Key", &key)], Some(bytes))?;
        let uploaded: Uploaded = response.body_mut().read_json()?;
        uploaded.images.into_iter().next().context("the manager answered an upload without an image")
    }

    fn get(&self, path: &str) -> anyhow::Result<Response<Body>> {
        self.until_taken(|| {
            let request = self.agent.get(format!("{}{path}", self.address.base));
            match &self.address.token {
                Some(token) => request.header("Authorization", format!("Bearer {token}")).call(),
                None => request.call(),
            }
        })
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> anyhow::Result<Response<Body>> {
        self.until_taken(|| {
            let mut request = self.agent.post(format!("{}{path}", self.address.base));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(token) = &self.address.token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            match body {
                Some(bytes) => request.content_type("application/octet-stream").send(bytes),
                None => request.send_empty(),
            }
        })
    }

    /// Tries again while the manager is busy or away; any other refusal is an error in the manager's words.
    fn until_taken(&self, send: impl Fn() -> Result<Response<Body>, ureq::Error>) -> anyhow::Result<Response<Body>> {
        let (mut failures, mut unanswered) = (0, 0);
        loop {
            let sent = send();
            let reached = self.reached.fetch_or(sent.is_ok(), Ordering::Relaxed);
            let asked = match sent {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) if may_mend(response.status()) => {
                    unanswered = 0;
                    self.tell(response)
                }
                Ok(response) => return Err(refusal(response)),
                Err(error) => {
                    unanswered += 1;
                    if !reached || unanswered == MAX_UNANSWERED {
                        return Err(error)
                            .with_context(|| format!("failed to reach the manager at {}", self.address.base));
                    }
                    None
                }
            };
            failures += 1;
            thread::sleep(pause(failures, asked, chance()));
        }
    }

    /// Tells a person once why this waits; gives how long the manager asks to wait.
    fn tell(&self, mut response: Response<Body>) -> Option<Duration> {
        let asked = retry_after(&response);
        let body: Option<ErrorBody> = response.body_mut().read_json().ok();
        let (code, message) = match body {
            Some(body) => (body.error.code, body.error.message),
            None => (response.status().to_string(), "it gives no reason".to_owned()),
        };
        let is_news = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(code.clone());
        if is_news {
            tracing::info!("the manager asks to wait, and this does: {message} ({code})");
        }
        asked
    }
}

/// 0 to 1. Without random numbers all would come back in step: worse, but no reason not to come back.
fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

fn may_mend(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get("Retry-After")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn refusal(mut response: Response<Body>) -> anyhow::Error {
    let status = response.status();
    match response.body_mut().read_json::<ErrorBody>() {
        Ok(body) => anyhow::anyhow!("the manager refused: {} ({})", body.error.message, body.error.code),
        Err(_) => anyhow::anyhow!("the manager answered {status}"),
    }
}

/// Encodes all but the unreserved characters of RFC 3986, section 2.3.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_survives_the_query() {
        assert_eq!(percent_encode("a b&c/é.jpg"), "a%20b%26c%2F%C3%A9.jpg");
    }
}
