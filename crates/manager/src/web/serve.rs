//! Accepts HTTP connections and answers them, within limits, until told to stop.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request, response::IntoResponse};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::error::RequestError;
use crate::{
    admission::{Client, Full, Place, Places},
    settings::Limits,
};

/// How long to wait after an accept that failed for want of file descriptors or memory: others give theirs back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// So many connections for which there is no place are told so at the same time; more are closed without a word.
const TURNED_AWAY_AT_A_TIME: usize = 64;
/// So long one of them may take for its request and for our answer.
const TURNED_AWAY_WITHIN: Duration = Duration::from_secs(1);

/// Serves `router` on `listener` until `stop`, then finishes the requests that are under way. Each request is told whose it
/// is, by a [`Client`] among its extensions.
///
/// Ours rather than `axum::serve`, which limits neither connections nor the time for a request's head.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let places = Places::new(limits.connections);
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_AT_A_TIME));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                set_up(&stream, limits.answer_pause);
                let client = Client::at(address.ip());
                match places.take(client) {
                    Ok(place) => {
                        let router = router.clone();
                        connections.spawn(connection(stream, router, client, limits.head_time, stop.clone(), place));
                    }
                    Err(full) => {
                        if let Ok(turn) = turned_away.clone().try_acquire_owned() {
                            connections.spawn(turn_away(stream, full, turn));
                        }
                    }
                }
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
    client: Client,
    head_time: Duration,
    stop: CancellationToken,
    _place: Place,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(client);
        router.clone().oneshot(request)
    });
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

/// Answers one request with the reason why there is no place for its connection.
async fn turn_away(stream: TcpStream, full: Full, _turn: OwnedSemaphorePermit) {
    let service = service_fn(move |_: Request<Incoming>| async move {
        let refusal = RequestError::no_place(full, "too many connections at the same time");
        Ok::<_, std::convert::Infallible>(refusal.into_response())
    });
    let answering = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    // Who asks nothing by then has had as much of us as there was.
    let _ = tokio::time::timeout(TURNED_AWAY_WITHIN, answering).await;
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(%error, "failed to accept an HTTP connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
