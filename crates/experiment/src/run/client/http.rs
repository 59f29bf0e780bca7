//! The client's requests: each is sent until it is answered, refused for good, or nobody wants the answer any more.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use ureq::Agent;
use ureq::Body;
use ureq::http::{Method, Request, Response};

use super::{Door, Stop};

/// How long an answer may take to begin. The client's own link has no delay; a slow disk under the manager may take seconds.
const ANSWER: Duration = Duration::from_secs(20);

/// How long a connection may take, and a body. A link that is cut is tried again after.
const CONNECT: Duration = Duration::from_secs(2);
const BODY: Duration = Duration::from_secs(20);

/// The largest answer that is read: a page of a thousand images is one megabyte.
const ANSWER_BYTES: u64 = 16 << 20;

/// How long the client waits before it sends again what had no answer at all.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// How long a refusal is heeded that says no time of its own.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// The steps in which it is waited, so that an end is noticed.
const STEP: Duration = Duration::from_millis(20);

/// One connection to the manager, which is kept open.
pub(crate) struct Http<'a> {
    base: String,
    /// What is said of who asks, where the manager wants to know.
    authorization: Option<String>,
    agent: Agent,
    stop: &'a Stop,
}

impl<'a> Http<'a> {
    pub(crate) fn new(door: &Door, stop: &'a Stop) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).proxy(None).timeout_connect(Some(CONNECT));
        let config = config.timeout_recv_response(Some(ANSWER)).timeout_recv_body(Some(BODY));
        let agent = config.timeout_send_body(Some(BODY)).max_idle_connections(1).build().new_agent();
        let authorization = door.token.as_ref().map(|token| format!("Bearer {token}"));
        Self { base: format!("http://{}", door.manager), authorization, agent, stop }
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// It was refused, or the end came first.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.insist(Method::GET, path, None, &[])
    }

    /// The answer to a request that changes something; the same `key` makes it harmless to send it again.
    ///
    /// # Errors
    /// As [`Http::get`].
    pub(crate) fn post(&self, path: &str, key: Option<&str>, body: &[u8]) -> anyhow::Result<Value> {
        self.insist(Method::POST, path, key, body)
    }

    fn insist(&self, method: Method, path: &str, key: Option<&str>, body: &[u8]) -> anyhow::Result<Value> {
        while !self.stop.is_over() {
            let mut request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.base));
            request = request.header("content-type", "application/octet-stream");
            if let Some(authorization) = &self.authorization {
                request = request.header("authorization", authorization);
            }
            if let Some(key) = key {
                request = request.header("idempotency-key", key);
            }
            let request = request.body(body).context("failed to make a request")?;
            let Ok(mut response) = self.agent.run(request) else {
                self.wait(AGAIN_AFTER);
                continue;
            };
            let status = response.status().as_u16();
            let asked = retry_after(&response);
            let Ok(text) = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_string() else {
                self.wait(AGAIN_AFTER);
                continue;
            };
            match status {
                200..300 => return serde_json::from_str(&text).context("failed to read an answer as JSON"),
                429 | 503 => self.wait(asked.unwrap_or(REFUSED_FOR)),
                _ => bail!("the manager refused {method} {path} with {status}: {text}"),
            }
        }
        bail!("the run was over before {method} {path} was answered")
    }

    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.stop.is_over() {
            thread::sleep(STEP.min(until.saturating_duration_since(Instant::now())));
        }
    }
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
