//! Who may ask: the checks that every request passes before any route sees it, and the headers that every answer carries.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::web::error::RequestError;

/// How the cookie's name begins that holds the token once the page was opened by the printed address. The port follows:
/// a browser has one set of cookies for all ports of a host, and so for all managers there.
const COOKIE: &str = "manyeyes_token_";

/// What the page may do: its own scripts, styles and pictures, and a socket to where it came from. `blob:` is for the
/// small pictures of files that are still being uploaded.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' blob:; connect-src 'self'; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What a request must show.
#[derive(Debug)]
pub(crate) struct Guard {
    /// The token; `None` where none is needed.
    pub(crate) token: Option<String>,
    /// Host names that are ours, beside `localhost`.
    pub(crate) hosts: Vec<String>,
}

/// The middleware.
pub(crate) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let by_address = query_token(request.uri().query()).is_some();
    let allowed = guard.check(request.headers(), request.uri().query());
    let port = port(host(request.headers())).to_owned();
    let mut response = match allowed {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    protect(headers);
    if let (true, true, Some(token)) = (by_address, response.status().is_success(), &guard.token) {
        let cookie = format!("{COOKIE}{port}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000");
        let cookie = HeaderValue::from_str(&cookie).expect("a token is base58");
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

impl Guard {
    /// Whether a request with these headers and this query may pass.
    pub(crate) fn check(&self, headers: &HeaderMap, query: Option<&str>) -> Result<(), RequestError> {
        let host = host(headers);
        if !self.is_ours(host) {
            return Err(RequestError::ForeignHost);
        }
        if let Some(origin) = headers.get(header::ORIGIN)
            && !is_origin_of(origin, host)
        {
            return Err(RequestError::ForeignOrigin);
        }
        match &self.token {
            Some(token) if !shown(headers, query).any(|given| same(given, token)) => Err(RequestError::TokenNeeded),
            _ => Ok(()),
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

/// Every token that the request shows: in its authorization, its address or its cookie.
fn shown<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let cookie = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter_map(|(name, value)| name.starts_with(COOKIE).then_some(value));
    let (scheme, bearer) = authorization.and_then(|value| value.split_once(' ')).unzip();
    let bearer = bearer.filter(|_| scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("Bearer")));
    bearer.map(str::trim).into_iter().chain(query_token(query)).chain(cookie)
}

fn query_token(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b));
    given.len() == token.len() && differences == 0
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

    fn guard(token: Option<&str>) -> Guard {
        Guard { token: token.map(str::to_owned), hosts: vec!["eyes.example".to_owned()] }
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn plain_addresses_localhost_and_named_hosts_are_ours() {
        for host in ["127.0.0.1:8080", "[::1]:8080", "192.0.2.7", "localhost:1", "EYES.example:8080"] {
            assert!(guard(None).check(&headers(&[(header::HOST, host)]), None).is_ok(), "{host}");
        }
    }

    #[test]
    fn any_other_host_name_is_refused() {
        for host in ["evil.example", "127.0.0.1.evil.example:8080", "", "localhost.evil.example"] {
            let answer = guard(None).check(&headers(&[(header::HOST, host)]), None);
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
        let from =
            |origin| guard(None).check(&headers(&[(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, origin)]), None);
        assert!(from("http://127.0.0.1:8080").is_ok());
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8080"] {
            assert!(matches!(from(origin), Err(RequestError::ForeignOrigin)), "{origin}");
        }
    }

    #[test]
    fn the_token_is_taken_from_header_address_and_cookie() {
        let guard = guard(Some("secret"));
        let host = (header::HOST, "127.0.0.1");
        let none = headers(std::slice::from_ref(&host));
        assert!(matches!(guard.check(&none, None), Err(RequestError::TokenNeeded)));
        assert!(matches!(guard.check(&none, Some("token=secre")), Err(RequestError::TokenNeeded)));
        assert!(guard.check(&none, Some("a=b&token=secret")).is_ok());
        assert!(guard.check(&headers(&[host.clone(), (header::AUTHORIZATION, "Bearer secret")]), None).is_ok());
        assert!(
            guard
                .check(&headers(&[host, (header::COOKIE, "manyeyes_token_80=other; manyeyes_token_8080=secret")]), None)
                .is_ok()
        );
    }
}
