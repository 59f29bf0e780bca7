//! The body of a request that uploads nothing: read whole, within its size and its time, before any route sees it.

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::{App, error::RequestError};

/// The largest such body: 10,000 digests of 64 digits.
const SMALL_BODY: usize = 1 << 20;

/// The middleware.
pub(super) async fn small_body(State(app): State<App>, request: Request, next: Next) -> Result<Response, RequestError> {
    if request.body().is_end_stream() {
        return Ok(next.run(request).await);
    }
    let (head, body) = request.into_parts();
    let whole = tokio::time::timeout(app.shared.limits.small_body_time, read(body)).await;
    let whole = whole.map_err(|_| RequestError::TooSlow)??;
    Ok(next.run(Request::from_parts(head, Body::from(whole))).await)
}

async fn read(body: Body) -> Result<Bytes, RequestError> {
    let (mut chunks, mut whole) = (body.into_data_stream(), BytesMut::new());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| RequestError::Invalid("the body ended before it was whole".to_owned()))?;
        if whole.len() + chunk.len() > SMALL_BODY {
            return Err(RequestError::TooLarge("the request is larger than allowed".to_owned()));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}
