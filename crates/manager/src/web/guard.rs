//! The checks that every request passes before any route sees it, and the headers that every answer carries. What a route then
//! asks of who comes is said in `access`.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    access::{Asker, Door},
    error::{Refusal, RequestError},
    refusals::Refusals,
};
use crate::{admission::Client, tokens::Tokens};

/// How the name of the cookie begins that holds the token of who has logged in. The port follows: a browser has one set of
/// cookies for all ports of a host, and so for all managers there.
const COOKIE: &str = "manyeyes_token_";

/// What the page may do: its own scripts, styles and pictures, and a socket to where it came from. `blob:` is for the
/// small pictures of files that are still being uploaded.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' blob:; connect-src 'self'; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What a request must show.
#[derive(Debug)]
pub(crate) struct Guard {
    door: Arc<Door>,
    /// Host names that are ours, beside `localhost`.
    hosts: Vec<String>,
    refusals: Mutex<Refusals>,
}

/// The middleware.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    Extension(client): Extension<Client>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.check(request.headers()) {
        Ok(()) => {
            let asker = Asker::new(Arc::clone(&guard.door), client, shown(request.headers()));
            request.extensions_mut().insert(asker);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    if let Some(&Refusal(code)) = response.extensions().get() {
        guard.tell(code, client);
    }
    protect(response.headers_mut());
    response
}

impl Guard {
    /// Asks for these tokens, or for none, and answers to these names.
    pub(crate) fn new(tokens: Option<Tokens>, hosts: Vec<String>) -> Self {
        Self { door: Arc::new(Door::new(tokens)), hosts, refusals: Mutex::default() }
    }

    /// Whether a request with these headers may pass.
    fn check(&self, headers: &HeaderMap) -> Result<(), RequestError> {
        let host = host(headers);
        if !self.is_ours(host) {
            return Err(RequestError::ForeignHost);
        }
        if let Some(origin) = headers.get(header::ORIGIN)
            && !is_origin_of(origin, host)
        {
            return Err(RequestError::ForeignOrigin);
        }
        Ok(())
    }

    /// The address of a request, which may be a batch's, is not told: who knows it may see the batch.
    fn tell(&self, code: &'static str, client: Client) {
        let untold = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).count(code, Instant::now());
        if let Some(untold) = untold {
            tracing::warn!(%client, untold, "a request was refused: {code}");
        }
    }

    /// A web site can point its own name at this machine, but it cannot make a browser send another name than its own
    /// (DNS rebinding). A plain address is nobody's name.
    fn is_ours(&self, host: &str) -> bool {
        let name = host_name(host);
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        address.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|ours| name.eq_ignore_ascii_case(ours))
    }
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// The port that a host names; empty for the usual one.
fn port(host: &str) -> &str {
    let digits = host[host_name(host).len()..].trim_start_matches(':');
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits } else { "" }
}

/// The host without its port.
fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

fn is_origin_of(origin: &HeaderValue, host: &str) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// The name of the cookie for the port at which the manager was asked.
pub(super) fn cookie_name(headers: &HeaderMap) -> String {
    format!("{COOKIE}{}", port(host(headers)))
}

/// The token that a request shows: in its authorization, else in the cookie of this manager.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = authorization.and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer")).map(|(_, token)| token.trim());
    let name = cookie_name(headers);
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    bearer.or_else(|| pairs.find_map(|(key, value)| (key == name).then_some(value)))
}

fn protect(headers: &mut HeaderMap) {
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    // What changes from moment to moment, and may be private. Files and the page say themselves how long they stay.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(None, vec!["eyes.example".to_owned()])
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn plain_addresses_localhost_and_named_hosts_are_ours() {
        for host in ["127.0.0.1:8080", "[::1]:8080", "192.0.2.7", "localhost:1", "EYES.example:8080"] {
            assert!(guard().check(&headers(&[(header::HOST, host)])).is_ok(), "{host}");
        }
    }

    #[test]
    fn any_other_host_name_is_refused() {
        for host in ["evil.example", "127.0.0.1.evil.example:8080", "", "localhost.evil.example"] {
            let answer = guard().check(&headers(&[(header::HOST, host)]));
            assert!(matches!(answer, Err(RequestError::ForeignHost)), "{host}");
        }
    }

    #[test]
    fn the_port_is_what_follows_the_host() {
        for (host, expected) in [("127.0.0.1:8080", "8080"), ("[::1]:80", "80"), ("[::1]", ""), ("localhost", "")] {
            assert_eq!(port(host), expected, "{host}");
        }
        assert_eq!(port("[::1]:80; Path=/"), "", "nothing but digits gets into a cookie's name");
    }

    #[test]
    fn a_request_from_another_origin_is_refused() {
        let from = |origin| guard().check(&headers(&[(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, origin)]));
        assert!(from("http://127.0.0.1:8080").is_ok());
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8080"] {
            assert!(matches!(from(origin), Err(RequestError::ForeignOrigin)), "{origin}");
        }
    }

    #[test]
    fn the_token_is_taken_from_the_header_else_from_this_manager_s_cookie() {
        let host = (header::HOST, "127.0.0.1:8080");
        let with = |pairs: &[(HeaderName, &str)]| {
            let headers = headers(&[std::slice::from_ref(&host), pairs].concat());
            shown(&headers).map(str::to_owned)
        };
        let cookie = (header::COOKIE, "manyeyes_token_80=other; manyeyes_token_8080=kept");
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[(header::AUTHORIZATION, "Bearer sent")]).as_deref(), Some("sent"));
        assert_eq!(with(&[(header::AUTHORIZATION, "Basic sent")]), None);
        assert_eq!(with(std::slice::from_ref(&cookie)).as_deref(), Some("kept"));
        assert_eq!(
            with(&[(header::COOKIE, "manyeyes_token_80=other")]),
            None,
            "another manager's is not shown to this"
        );
        assert_eq!(with(&[cookie, (header::AUTHORIZATION, "bearer sent")]).as_deref(), Some("sent"));
    }
}
