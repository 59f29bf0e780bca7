//! One table from what went wrong with a request to its status and its code.

use std::time::Duration;

use axum::{
    Json,
    extract::{
        rejection::{JsonRejection, QueryRejection},
        ws::rejection::WebSocketUpgradeRejection,
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    admission::{Drain, Full, retry_after},
    api::{ErrorBody, Problem},
    store::StoreError,
    thumbnail::ThumbnailError,
    tokens::Refused,
    upload::UploadError,
};

/// Beside the answer to who was not let in: the code, for the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal(pub(super) &'static str);

/// What a client that found all places taken is asked to wait: uploads free theirs within that.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What one is asked to wait who meets a manager that ends: what is with workers is mostly done within a second, and the
/// next manager there within another. Who comes too early is told so again.
const RETRY_AFTER_SHUTDOWN: Duration = Duration::from_secs(2);

/// Why a request was not done, with what its sender may know.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("{0}")]
    Invalid(String),
    #[error("this manager needs a token: log in on its page, or send the token")]
    TokenNeeded,
    #[error(transparent)]
    Refused(Refused),
    #[error("too many wrong tokens came from your address")]
    TooManyTries { retry_after: Duration },
    #[error(
        "this manager does not answer to the host name of the request: it was not started with --host and that name"
    )]
    ForeignHost,
    #[error("the request comes from another web site")]
    ForeignOrigin,
    #[error("{0}")]
    NoBatch(String),
    #[error("there is no such image in the batch")]
    NoImage,
    #[error("the image's file was refused, so it is not kept")]
    NoFile,
    #[error("{0}")]
    NoThumbnail(String),
    #[error("there is nothing at this address")]
    NoRoute,
    #[error("this address does not take that method")]
    WrongMethod,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("{0}")]
    TooLarge(String),
    #[error("the image has ended, so it cannot be taken back")]
    Ended,
    #[error("only an image that has ended and whose file is kept can be tried again")]
    NotRetriable,
    #[error("{0}")]
    Busy(&'static str),
    #[error("{0}: others are to find a place too")]
    TooManyFromYou(&'static str),
    #[error("as many images wait as the manager holds")]
    QueueFull { retry_after: Duration },
    #[error("as many of your images wait as the manager holds of one client: others are to find a place too")]
    QueueFullOfYours { retry_after: Duration },
    #[error("the manager is shutting down, and takes nothing new")]
    ShuttingDown { retry_after: Duration },
    #[error("{0}")]
    NotReady(String),
    #[error("{0}")]
    NoSpace(String),
    #[error("the manager's disk has changed what was kept, so it is not served; the manager's log says what")]
    Damaged,
    #[error("something went wrong here, and the manager's log says what")]
    Internal,
}

impl RequestError {
    /// A batch is not there, where finished ones expire after `kept`. Whether it ever was is not known any more.
    pub(super) fn no_batch(kept: Duration) -> Self {
        let kept = in_words(kept);
        Self::NoBatch(format!(
            "there is no such batch: it was deleted, or it has expired, as a finished batch does {kept} after its last \
             change, or earlier when its space is needed"
        ))
    }

    /// Nothing new is taken in.
    pub(crate) fn shutting_down() -> Self {
        Self::ShuttingDown { retry_after: RETRY_AFTER_SHUTDOWN }
    }

    /// There are no more places for these.
    pub(crate) fn no_place(full: Full, things: &'static str) -> Self {
        match full {
            Full::All { .. } => Self::Busy(things),
            Full::Yours { .. } | Full::Never { .. } => Self::TooManyFromYou(things),
        }
    }

    /// There is no place for images to wait, where places become free so fast.
    pub(crate) fn no_place_to_wait(full: Full, drain: Drain) -> Self {
        match full {
            Full::All { taken } => Self::QueueFull { retry_after: retry_after(taken, drain) },
            Full::Yours { taken } => Self::QueueFullOfYours { retry_after: retry_after(taken, drain) },
            Full::Never { most } => Self::TooLarge(format!(
                "the request has more images than may wait of one client, which is {most}: send fewer at a time"
            )),
        }
    }

    /// What its sender may know, without a status.
    pub(super) fn problem(&self) -> Problem {
        Problem { code: self.answer().1.to_owned(), message: self.to_string() }
    }

    /// What the log is told, where it says that somebody may not come in.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let is_one = matches!(
            self,
            Self::TokenNeeded | Self::Refused(_) | Self::TooManyTries { .. } | Self::ForeignHost | Self::ForeignOrigin
        );
        is_one.then(|| Refusal(self.answer().1))
    }

    /// When to come again, where that makes sense.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(_) | Self::TooManyFromYou(_) => Some(RETRY_AFTER),
            Self::TooManyTries { retry_after }
            | Self::QueueFull { retry_after }
            | Self::QueueFullOfYours { retry_after }
            | Self::ShuttingDown { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// The table. `docs/api.md` shows it.
    fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::TokenNeeded => (StatusCode::UNAUTHORIZED, "token_needed"),
            Self::Refused(Refused::Unknown) => (StatusCode::UNAUTHORIZED, "token_unknown"),
            Self::Refused(Refused::Expired(_)) => (StatusCode::UNAUTHORIZED, "token_expired"),
            Self::Refused(Refused::Revoked(_)) => (StatusCode::UNAUTHORIZED, "token_revoked"),
            Self::Refused(Refused::Role { .. }) => (StatusCode::FORBIDDEN, "role_too_small"),
            Self::TooManyTries { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_tries"),
            Self::ForeignHost => (StatusCode::FORBIDDEN, "foreign_host"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::NoBatch(_) => (StatusCode::NOT_FOUND, "no_such_batch"),
            Self::NoImage => (StatusCode::NOT_FOUND, "no_such_image"),
            Self::NoFile => (StatusCode::NOT_FOUND, "no_file"),
            Self::NoThumbnail(_) => (StatusCode::NOT_FOUND, "no_thumbnail"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "no_such_address"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
            Self::Ended => (StatusCode::CONFLICT, "ended"),
            Self::NotRetriable => (StatusCode::CONFLICT, "not_retriable"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            Self::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::QueueFull { .. } => (StatusCode::TOO_MANY_REQUESTS, "queue_full"),
            Self::TooManyFromYou(_) | Self::QueueFullOfYours { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_from_you")
            }
            Self::ShuttingDown { .. } => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            Self::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::NoSpace(_) => (StatusCode::INSUFFICIENT_STORAGE, "no_space"),
            Self::Damaged => (StatusCode::INTERNAL_SERVER_ERROR, "damaged"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

/// A header has whole seconds.
fn seconds(time: Duration) -> HeaderValue {
    HeaderValue::from(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

/// In the largest unit of which it is at least two, or in seconds.
fn in_words(time: Duration) -> String {
    let units = [(24 * 3600, "days"), (3600, "hours"), (60, "minutes")];
    let seconds = time.as_secs();
    let (length, unit) = units.into_iter().find(|(length, _)| seconds >= 2 * length).unwrap_or((1, "seconds"));
    format!("{} {unit}", seconds / length)
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (status, _) = self.answer();
        let mut response = (status, Json(ErrorBody { error: self.problem() })).into_response();
        if let Some(refusal) = self.refusal() {
            response.extensions_mut().insert(refusal);
        }
        let headers = response.headers_mut();
        if let Some(time) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds(time));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // What was not read of a body cannot be told from the next request.
        if matches!(self, Self::TooSlow | Self::TooLarge(_)) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSpace | StoreError::Full { .. } => Self::NoSpace(error.to_string()),
            StoreError::BatchFull { .. } => Self::TooLarge(error.to_string()),
            StoreError::NoSuchBatch => Self::NoBatch(error.to_string()),
            StoreError::NoSuchImage => Self::NoImage,
            StoreError::Busy => Self::Busy("too many requests wait for the disk"),
            StoreError::Closed => Self::shutting_down(),
            StoreError::Damaged(_) | StoreError::DamagedEntry(_) => {
                tracing::error!(%error, "the store is damaged");
                Self::Damaged
            }
            StoreError::InUse(_)
            | StoreError::NotWritable { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::OlderSchema { .. }
            | StoreError::NoBooks(_)
            | StoreError::NotEmpty(_)
            | StoreError::NoRoom { .. }
            | StoreError::Disk(_) => {
                tracing::error!(%error, "the store failed");
                Self::Internal
            }
        }
    }
}

impl From<UploadError> for RequestError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Store(error) => error.into(),
            UploadError::TooSlow => Self::TooSlow,
            UploadError::TooLarge(_) | UploadError::TooMany(_) => Self::TooLarge(error.to_string()),
            UploadError::NoFile | UploadError::Cut | UploadError::Malformed(_) => Self::Invalid(error.to_string()),
        }
    }
}

impl From<ThumbnailError<Self>> for RequestError {
    fn from(error: ThumbnailError<Self>) -> Self {
        match error {
            ThumbnailError::Busy(full) => {
                Self::no_place(full, "too many small pictures are asked for at the same time")
            }
            ThumbnailError::Unread(error) => error,
            ThumbnailError::Refused(_) => Self::NoThumbnail(error.to_string()),
            ThumbnailError::Broken(source) => {
                tracing::warn!(error = %source, "the thumbnailer failed");
                Self::NoThumbnail("the small picture could not be made".to_owned())
            }
        }
    }
}

impl From<QueryRejection> for RequestError {
    fn from(error: QueryRejection) -> Self {
        Self::Invalid(error.body_text())
    }
}

impl From<JsonRejection> for RequestError {
    fn from(error: JsonRejection) -> Self {
        match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge(error.body_text()),
            _ => Self::Invalid(error.body_text()),
        }
    }
}

impl From<WebSocketUpgradeRejection> for RequestError {
    fn from(error: WebSocketUpgradeRejection) -> Self {
        Self::Invalid(error.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_a_batch_that_has_expired_is_told_when_batches_do() {
        let told = |seconds| RequestError::no_batch(Duration::from_secs(seconds)).to_string();
        for (seconds, words) in [(30 * 86400, "30 days"), (86400, "24 hours"), (5400, "90 minutes"), (60, "60 seconds")]
        {
            assert!(told(seconds).contains(&format!("a finished batch does {words} after")), "{}", told(seconds));
        }
        let (status, code) = RequestError::no_batch(Duration::ZERO).answer();
        assert_eq!((status, code), (StatusCode::NOT_FOUND, "no_such_batch"));
    }
}
