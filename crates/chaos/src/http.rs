//! A client's requests, and the three things that can become of one: an answer, a refusal, or nothing.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};

/// How long a connection may take: on these cables a packet takes no time, so what takes longer is cut.
const CONNECT: Duration = Duration::from_secs(2);

/// How long an answer may take to begin. Longer than a slow `fsync`, shorter than most stops.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a body may take, either way.
const BODY: Duration = Duration::from_secs(10);

/// How long a client waits for an answer that it means to lose.
const NO_PATIENCE: Duration = Duration::from_millis(1);

/// The largest answer that is read: a page of a thousand images is one megabyte.
const ANSWER_BYTES: u64 = 16 << 20;

/// What has become of a request.
pub(crate) enum Outcome {
    /// 2xx. `Null` where the body was none of JSON.
    Answered(Value),
    /// Anything else, with the code of its reason, and for how long it asked to be left alone.
    Refused { status: u16, code: String, retry_after: Option<Duration> },
    /// Nobody knows what the manager has made of it.
    NoAnswer,
}

/// One client's connections.
pub(crate) struct Http {
    url: String,
    patient: Agent,
    hasty: Agent,
}

/// What is asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) method: Method,
    /// The address below the manager's.
    pub(crate) path: &'a str,
    /// Further heads of the request.
    pub(crate) heads: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

impl<'a> Wanted<'a> {
    /// Without a body.
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, heads: &[], body: &[] }
    }
}

impl Http {
    pub(crate) fn new(url: String) -> Self {
        let agent = |answer| {
            let config = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(CONNECT));
            let config = config.timeout_recv_response(Some(answer)).timeout_recv_body(Some(BODY));
            config.timeout_send_body(Some(BODY)).proxy(None).build().new_agent()
        };
        Self { url, patient: agent(ANSWER), hasty: agent(NO_PATIENCE) }
    }

    /// The manager's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request and waits for what becomes of it.
    pub(crate) fn send(&self, wanted: &Wanted<'_>) -> Outcome {
        self.send_by(&self.patient, wanted)
    }

    /// Sends a request and goes away before the answer is there.
    pub(crate) fn send_and_leave(&self, wanted: &Wanted<'_>) -> Outcome {
        self.send_by(&self.hasty, wanted)
    }

    fn send_by(&self, agent: &Agent, wanted: &Wanted<'_>) -> Outcome {
        let mut request = Request::builder().method(wanted.method.clone()).uri(format!("{}{}", self.url, wanted.path));
        for (name, value) in wanted.heads {
            request = request.header(*name, *value);
        }
        let Ok(request) = request.body(wanted.body) else {
            return Outcome::NoAnswer;
        };
        let Ok(mut response) = agent.run(request) else {
            return Outcome::NoAnswer;
        };
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let Ok(text) = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_string() else {
            return Outcome::NoAnswer;
        };
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return Outcome::Answered(if body.is_null() && !text.is_empty() { Value::String(text) } else { body });
        }
        let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
        Outcome::Refused { status, code, retry_after: retry_after.map(Duration::from_secs) }
    }
}
