//! Whom to ask, how, and what counts as an answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use thiserror::Error;

/// A connection that nobody has used for so long is not used again: a server may be about to close it.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// Between the parts of a form. No image has it in it by chance.
const BOUNDARY: &str = "-----------------------------3b1f9a6c2d7e4085";

/// Why there is nobody to ask. A sentence less its capital letter and full stop.
#[derive(Debug, Error)]
pub enum TargetError {
    /// It is no URL.
    #[error("'{0}' is not a URL: it must look like http://127.0.0.1:8080")]
    NotAUrl(String),
    /// It is another scheme.
    #[error("'{0}' is not an http:// address: load is made without TLS")]
    NotHttp(String),
    /// The token cannot be said in a header.
    #[error("the token has characters that no header can have")]
    Token,
}

/// How a picture is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the request's body.
    Body,
    /// As the part of this name of `multipart/form-data`.
    Part(String),
}

/// Which connection a request goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// One that an earlier request has left open, where there is one.
    Kept,
    /// One of its own. Where several processes of a service take connections from one port, kept ones may all have ended up with
    /// one of them, and the others have nothing to do.
    Fresh,
}

/// A picture as it is sent, made once.
#[derive(Clone, Debug)]
pub struct Picture {
    body: Bytes,
    content_type: HeaderValue,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The picture was recognised.
    Right,
    /// It was not, and why: a status, a state, or that nothing came.
    Wrong(String),
}

/// Where requests go, and how.
#[derive(Clone, Debug)]
pub struct Target {
    uri: Uri,
    form: Form,
    authorization: Option<HeaderValue>,
    patience: Duration,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Target {
    /// Asks this URL, with this token; for no longer than `patience` each time.
    ///
    /// # Errors
    /// It is no URL of plain HTTP.
    pub fn new(
        url: &str,
        form: Form,
        token: Option<&str>,
        connections: Connections,
        patience: Duration,
    ) -> Result<Self, TargetError> {
        let uri: Uri = url.parse().map_err(|_| TargetError::NotAUrl(url.to_owned()))?;
        match uri.scheme_str() {
            Some("http") if uri.authority().is_some() => {}
            Some(_) => return Err(TargetError::NotHttp(url.to_owned())),
            None => return Err(TargetError::NotAUrl(url.to_owned())),
        }
        let bearer = |token| HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| TargetError::Token);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_FOR)
            .pool_max_idle_per_host(if connections == Connections::Kept { usize::MAX } else { 0 })
            .build(connector);
        Ok(Self { uri, form, authorization: token.map(bearer).transpose()?, patience, client })
    }

    /// A file as it will be sent.
    pub fn picture(&self, name: &str, file: Bytes) -> Picture {
        match &self.form {
            Form::Body => Picture { body: file, content_type: HeaderValue::from_static("application/octet-stream") },
            Form::Part(part) => {
                // Quotes and line ends would end the name; a name is only told.
                let name = name.replace(['"', '\r', '\n'], "_");
                let head = format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{part}\"; filename=\"{name}\"\r\n\
                     Content-Type: application/octet-stream\r\n\r\n"
                );
                let tail = format!("\r\n--{BOUNDARY}--\r\n");
                let content_type = HeaderValue::try_from(format!("multipart/form-data; boundary={BOUNDARY}"))
                    .expect("a boundary of letters");
                Picture { body: [head.as_bytes(), &file, tail.as_bytes()].concat().into(), content_type }
            }
        }
    }

    /// Sends a picture, and waits for what comes of it.
    pub async fn ask(&self, picture: &Picture) -> Outcome {
        match tokio::time::timeout(self.patience, self.answer(picture)).await {
            Ok(Ok((status, body))) => judge(status, &body),
            Ok(Err(why)) => Outcome::Wrong(why),
            Err(_) => Outcome::Wrong(format!("no answer within {} s", self.patience.as_secs())),
        }
    }

    async fn answer(&self, picture: &Picture) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::new(Full::new(picture.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(CONTENT_TYPE, picture.content_type.clone());
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let response = self.client.request(request).await.map_err(|error| root(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| root(&error))?;
        Ok((status, body.to_bytes()))
    }
}

/// The innermost cause: what a person can do something about.
fn root(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(String::new, ToString::to_string)
}

/// What an answer says. A success is right, unless it says of itself that it is not: our own manager answers 202 when it has not ended in
/// time, and 200 with a state that is not `recognised` when it has ended otherwise.
fn judge(status: StatusCode, body: &[u8]) -> Outcome {
    #[derive(Deserialize)]
    struct Ended {
        state: String,
    }
    if status == StatusCode::ACCEPTED {
        return Outcome::Wrong("202: not ended in time".to_owned());
    }
    if !status.is_success() {
        return Outcome::Wrong(status.as_u16().to_string());
    }
    match serde_json::from_slice(body) {
        Ok(Ended { state }) if state != "recognised" => Outcome::Wrong(state),
        _ => Outcome::Right,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::ConnectInfo;
    use axum::routing::post;

    use super::*;

    /// A connection is known by the port that it comes from.
    async fn ports_of_twenty_requests(connections: Connections) -> HashSet<u16> {
        let ports = Arc::new(Mutex::new(HashSet::new()));
        let note = Arc::clone(&ports);
        let router = Router::new().route(
            "/",
            post(async move |ConnectInfo(from): ConnectInfo<SocketAddr>| {
                note.lock().unwrap().insert(from.port());
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let target = Target::new(&url, Form::Body, None, connections, Duration::from_secs(20)).unwrap();
        let picture = target.picture("a.jpg", Bytes::from_static(b"\xff\xd8"));
        for _ in 0..20 {
            assert_eq!(target.ask(&picture).await, Outcome::Right);
        }
        ports.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn requests_use_a_connection_again_unless_each_is_to_have_its_own() {
        assert!(ports_of_twenty_requests(Connections::Kept).await.len() < 20);
        assert_eq!(ports_of_twenty_requests(Connections::Fresh).await.len(), 20);
    }

    #[test]
    fn only_a_success_that_does_not_deny_itself_is_right() {
        let wrong = |why: &str| Outcome::Wrong(why.to_owned());
        let of = |status, body: &str| judge(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(of(200, r#"{"state":"recognised","labels":[]}"#), Outcome::Right);
        assert_eq!(of(200, r#"{"label":"a peer's own form"}"#), Outcome::Right);
        assert_eq!(of(200, "tabby"), Outcome::Right);
        assert_eq!(of(200, r#"{"state":"failed"}"#), wrong("failed"));
        assert_eq!(of(202, r#"{"state":"waiting"}"#), wrong("202: not ended in time"));
        assert_eq!(of(429, ""), wrong("429"));
    }

    #[test]
    fn what_is_no_plain_http_is_refused_with_the_reason() {
        let refused =
            |url| Target::new(url, Form::Body, None, Connections::Kept, Duration::ZERO).unwrap_err().to_string();
        assert!(refused("https://example.org").contains("without TLS"));
        assert!(refused("127.0.0.1:8080").contains("not a"), "{}", refused("127.0.0.1:8080"));
        assert!(refused("/classify").contains("is not a URL"));
    }

    #[test]
    fn a_part_has_the_file_whole_and_a_name_that_breaks_nothing() {
        let form = Form::Part("file".to_owned());
        let target = Target::new("http://127.0.0.1/", form, None, Connections::Kept, Duration::ZERO).unwrap();
        let picture = target.picture("a\"\r\n.jpg", Bytes::from_static(b"\xff\xd8\r\n--"));
        let text = String::from_utf8_lossy(&picture.body);
        assert!(text.contains("name=\"file\"; filename=\"a___.jpg\"\r\n"), "{text}");
        assert!(picture.body.windows(6).any(|bytes| bytes == b"\xff\xd8\r\n--"));
        assert!(text.ends_with(&format!("--{BOUNDARY}--\r\n")));
    }
}
