//! Accepts HTTP connections and answers them, within limits, until told to stop.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::settings::Limits;

/// How long to wait after an accept that failed for want of file descriptors or memory: others give theirs back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop`, then finishes the requests that are under way.
///
/// Ours rather than `axum::serve`, which limits neither connections nor the time for a request's head.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                set_up(&stream, limits.answer_pause);
                connections.spawn(connection(stream, router.clone(), limits.head_time, stop.clone(), place));
            }
            Err(error) => pause_after(&error).await,
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Sets how the socket sends. One that refuses an option works without it.
fn set_up(stream: &TcpStream, answer_pause: Duration) {
    // An answer is small and someone waits for it.
    let _ = stream.set_nodelay(true);
    // Counts the time that sent bytes are not acknowledged, and also the time that the client's window is shut.
    let _ = set_tcp_user_timeout(stream, u32::try_from(answer_pause.as_millis()).unwrap_or(u32::MAX));
}

async fn connection(
    stream: TcpStream,
    router: Router,
    head_time: Duration,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    let service = service_fn(move |request: Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(%error, "failed to accept an HTTP connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
