//! Logging in on the page, out, and as what. The cookie holds the token itself: so nothing is kept here of who has logged in,
//! and a token that is revoked ends all that was begun with it.

use std::time::{Duration, SystemTime};

use axum::{
    Extension, Json,
    extract::rejection::JsonRejection,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    access::{Access, Asker, Routes},
    error::RequestError,
    guard::cookie_name,
    text,
};
use crate::{
    api::{LogIn, Problem, Session, SessionRole},
    tokens::Role,
};

/// The longest that a browser keeps the cookie: of a token that does not expire earlier by itself.
const KEPT: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) fn routes() -> Routes {
    Routes::new().route("/api/v1/session", Access::Anybody, get(session).post(log_in).delete(log_out))
}

/// A token that does not count is no failure of the question; the log is told all the same.
async fn session(Extension(asker): Extension<Asker>) -> Response {
    match asker.role() {
        Ok(role) => Json(of(&asker, role, None)).into_response(),
        Err(error) => {
            let refusal = error.refusal().map(Extension);
            (refusal, Json(of(&asker, None, Some(error.problem())))).into_response()
        }
    }
}

async fn log_in(
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
    given: Result<Json<LogIn>, JsonRejection>,
) -> Result<Response, RequestError> {
    let Json(LogIn { token }) = given?;
    let Some(grant) = asker.log_in(token.trim())? else {
        return Ok(Json(of(&asker, Some(Role::Operator), None)).into_response());
    };
    let left = grant.expires.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
    let session = Json(of(&asker, Some(grant.role), None));
    Ok(([(header::SET_COOKIE, cookie(&headers, token.trim(), left.map_or(KEPT, |left| left.min(KEPT)))?)], session)
        .into_response())
}

async fn log_out(headers: HeaderMap) -> Result<Response, RequestError> {
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(&headers, "", Duration::ZERO)?)]).into_response())
}

fn of(asker: &Asker, role: Option<Role>, problem: Option<Problem>) -> Session {
    let role = match role {
        Some(Role::Operator) => SessionRole::Operator,
        Some(Role::Uploader) => SessionRole::Uploader,
        Some(Role::Worker) | None => SessionRole::Viewer,
    };
    Session { role, needs_token: asker.needs_token(), problem }
}

/// No script reads it, and no other site's request carries it. A page that came by TLS, of which the manager behind a proxy is
/// told by the origin only, has it sent by TLS only.
fn cookie(headers: &HeaderMap, token: &str, kept: Duration) -> Result<HeaderValue, RequestError> {
    let secure = if text(headers, header::ORIGIN).starts_with("https://") { "; Secure" } else { "" };
    let (name, seconds) = (cookie_name(headers), kept.as_secs());
    let cookie = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    // A token that was let in is letters, digits and what else can travel.
    HeaderValue::from_str(&cookie).map_err(|_| RequestError::Internal)
}
