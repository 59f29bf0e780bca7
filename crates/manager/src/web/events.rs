//! The events of a batch over a WebSocket: a snapshot first, then every change.

use std::time::{Duration, Instant};

use axum::{
    Extension,
    extract::{
        Path, Query, State, WebSocketUpgrade,
        rejection::QueryRejection,
        ws::{CloseFrame, Message as Frame, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
    routing::get,
};
use bytes::Bytes;
use manyeyes_protocol::id::{BatchId, ImageId};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::{
    App,
    access::{Access, Asker, Routes},
    error::RequestError,
    optional, page,
};
use crate::{
    admission::{Client, Place},
    api::{Event, Problem, Status, Worker},
    hub::{Message, Subscription, json},
    store::{BatchFacts, BatchKey, ImageRow, StoreError},
    tokens::Role,
};

/// How often a page is told what is not of one image, while that changes.
const STATUS_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked whether the token still counts with which a stream was opened.
const CHECKED_EVERY: Duration = Duration::from_secs(2);
/// The code with which a stream is closed whose token has ended; the reason is an error's code. Codes from 4000 on are an
/// application's own (RFC 6455, section 7.4.2).
const TOKEN_ENDED: u16 = 4401;
/// The largest message from a page: it has nothing to say.
const FROM_PAGE_BYTES: usize = 1024;

pub(super) fn routes() -> Routes {
    Routes::new().route("/api/v1/batches/{id}/events", Access::Viewer, get(events))
}

#[derive(Deserialize)]
struct EventsQuery {
    #[serde(default, deserialize_with = "optional")]
    from: Option<u64>,
}

async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    Extension(client): Extension<Client>,
    Extension(asker): Extension<Asker>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, RequestError> {
    let (Query(query), upgrade) = (query?, upgrade?);
    let batch = app.batch(id).await?;
    let place = app
        .shared
        .subscribers
        .take(client)
        .map_err(|full| app.refused(RequestError::no_place(full, "too many pages watch at the same time")))?;
    let upgrade = upgrade.max_message_size(FROM_PAGE_BYTES).max_frame_size(FROM_PAGE_BYTES);
    let watcher = Watcher::of(asker);
    Ok(upgrade.on_upgrade(move |socket| watch(app, batch, query.from, socket, watcher, place)))
}

/// Who watches.
struct Watcher {
    asker: Asker,
    /// As what it came; `None`: by the batch's address alone, which no token's end takes away.
    role: Option<Role>,
}

impl Watcher {
    fn of(asker: Asker) -> Self {
        Self { role: asker.role().unwrap_or(None), asker }
    }

    fn sees_workers(&self) -> bool {
        self.role == Some(Role::Operator)
    }

    /// Why it is not any more what it came as.
    fn ended(&self) -> Option<CloseFrame> {
        let error = self.role.and_then(|_| self.asker.role().err())?;
        Some(CloseFrame { code: TOKEN_ENDED, reason: error.problem().code.into() })
    }
}

/// One page's stream, until it leaves, falls silent, may not come any more, or the batch is no more.
async fn watch(app: App, batch: BatchKey, from: Option<u64>, mut socket: WebSocket, watcher: Watcher, _place: Place) {
    let why = app.tell(&batch, from, &mut socket, &watcher).await;
    // So that the page sees an end and no failure. Where it has gone itself, nobody misses it.
    let _ = app.send(&mut socket, Frame::Close(why)).await;
}

impl App {
    /// Gives what is to be said at the end, where that is more than that it is one.
    async fn tell(
        &self,
        batch: &BatchKey,
        mut from: Option<u64>,
        socket: &mut WebSocket,
        watcher: &Watcher,
    ) -> Option<CloseFrame> {
        loop {
            let mut subscription = self.shared.results.hub.subscribe(batch.number, from);
            let snapshot = match self.snapshot(batch, &subscription, watcher.sees_workers()).await {
                Ok(snapshot) => snapshot,
                Err(RequestError::NoBatch(_)) => Event::Gone,
                Err(error) => {
                    tracing::error!(%error, "failed to read a batch for a page");
                    return None;
                }
            };
            let is_gone = matches!(snapshot, Event::Gone);
            let sent = self.send(socket, Frame::Text(json(&snapshot))).await;
            if sent.is_err() || is_gone {
                return None;
            }
            let mut last_seq = subscription.seq;
            match self.follow(socket, &mut subscription, &mut last_seq, watcher).await {
                Followed::Lagged => from = Some(last_seq),
                Followed::Ended => return None,
                Followed::Refused(why) => return Some(why),
            }
        }
    }
}

/// Why a stream stopped being followed.
enum Followed {
    /// The page reads slower than changes come: it gets a fresh snapshot instead of a growing backlog.
    Lagged,
    /// The page or the batch has gone.
    Ended,
    /// The token with which it was opened has ended.
    Refused(CloseFrame),
}

/// The page is not there any more.
struct Away;

impl App {
    async fn follow(
        &self,
        socket: &mut WebSocket,
        subscription: &mut Subscription,
        last_seq: &mut u64,
        watcher: &Watcher,
    ) -> Followed {
        let ping_every = self.shared.limits.subscriber_ping;
        let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + ping_every, ping_every);
        let mut check = tokio::time::interval(CHECKED_EVERY);
        let mut heard = Instant::now();
        loop {
            let frame = tokio::select! {
                () = self.shared.stop.cancelled() => return Followed::Ended,
                message = subscription.messages.recv() => match message {
                    Ok(Message::Change(seq, text)) => {
                        *last_seq = seq;
                        Frame::Text(text)
                    }
                    Ok(Message::Status { all, less }) => Frame::Text(if watcher.sees_workers() { all } else { less }),
                    Ok(Message::Gone) => {
                        // The page learns it from the last message; that it may not arrive is no matter.
                        let _ = self.send(socket, Frame::Text(json(&Event::Gone))).await;
                        return Followed::Ended;
                    }
                    Err(RecvError::Lagged(_)) => return Followed::Lagged,
                    Err(RecvError::Closed) => return Followed::Ended,
                },
                from_page = socket.recv() => match from_page {
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return Followed::Ended,
                    Some(Ok(Frame::Text(_) | Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_))) => {
                        heard = Instant::now();
                        continue;
                    }
                },
                _ = check.tick() => match watcher.ended() {
                    Some(why) => return Followed::Refused(why),
                    None => continue,
                },
                _ = ping.tick() => {
                    if heard.elapsed() > 2 * ping_every {
                        return Followed::Ended;
                    }
                    Frame::Ping(Bytes::new())
                }
            };
            if self.send(socket, frame).await.is_err() {
                return Followed::Ended;
            }
        }
    }

    /// Sends, within the time that a page has to show that it is there.
    async fn send(&self, socket: &mut WebSocket, frame: Frame) -> Result<(), Away> {
        let sent = tokio::time::timeout(2 * self.shared.limits.subscriber_ping, socket.send(frame)).await;
        sent.ok().and_then(Result::ok).ok_or(Away)
    }

    async fn snapshot(
        &self,
        batch: &BatchKey,
        subscription: &Subscription,
        with_workers: bool,
    ) -> Result<Event, RequestError> {
        let (number, most) = (batch.number, self.shared.limits.page_images);
        let changed = subscription.changed.clone().filter(|changed| changed.len() <= most as usize);
        let complete = changed.is_none();
        let (facts, found) = self
            .read(move |store| {
                let facts = store.facts(number)?;
                let found = match changed {
                    Some(changed) => some(&changed, |image| store.image(number, image))?,
                    None => Found { rows: store.page(number, None, most + 1)?, deleted: Vec::new() },
                };
                Ok((facts, found))
            })
            .await?;
        let Found { mut rows, deleted } = found;
        let more = rows.len() > most as usize;
        rows.truncate(most as usize);
        let status = self.status(number, &facts, self.shared.engine.workers());
        Ok(Event::Snapshot {
            seq: subscription.seq,
            batch: batch.id.clone(),
            images: self.shared.results.current(&rows),
            more,
            deleted: deleted.iter().map(ImageId::to_string).collect(),
            complete,
            status: if with_workers { status } else { status.without_workers() },
        })
    }

    fn status(&self, batch: BatchId, facts: &BatchFacts, workers: Vec<Worker>) -> Status {
        let (counts, throughput) = self.progress(batch, facts);
        let obstacle = self.shared.engine.obstacle().or_else(|| self.shared.engine.other_model(facts.model.as_ref()));
        // What is with a worker moves.
        let obstacle = obstacle.filter(|_| counts.waiting > 0 && counts.assigned == 0);
        // Who has nothing that waits wants to know it too: nothing can be added.
        let notice = if self.is_ending() { Some(shutting_down()) } else { obstacle };
        let queue = self.shared.results.live.queue();
        let (model, page) = (self.shared.engine.model(), page::digest().to_owned());
        let happenings = self.shared.engine.happenings();
        Status { counts, throughput, workers, model, notice, queue, happenings, page }
    }
}

/// What a page is told while the manager finishes what is with workers.
fn shutting_down() -> Problem {
    let message =
        "The manager is shutting down: what is with workers is finished, all else is kept and waits for it to be \
                   back."
            .to_owned();
    Problem { code: "shutting_down".to_owned(), message }
}

/// Images that were looked for, and the numbers of those that are no more.
struct Found {
    rows: Vec<ImageRow>,
    deleted: Vec<ImageId>,
}

fn some(
    images: &[ImageId],
    read: impl Fn(ImageId) -> Result<Option<ImageRow>, StoreError>,
) -> Result<Found, StoreError> {
    let mut found = Found { rows: Vec::new(), deleted: Vec::new() };
    for &image in images {
        match read(image)? {
            Some(row) => found.rows.push(row),
            None => found.deleted.push(image),
        }
    }
    Ok(found)
}

/// Tells every page, a few times a second, what is not of one image, if that has changed, and now and then if it has not:
/// a page that hears nothing is to know that it is cut off. Until `stop`.
pub(crate) async fn tell_status(app: App, stop: CancellationToken) {
    let mut tick = tokio::time::interval(STATUS_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let most = app.shared.limits.subscriber_status;
    let mut last = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => break,
        }
        let workers = app.shared.engine.workers();
        // What pages of all batches show. A count is enough to tell whether anything has happened to workers.
        let (happened, queue) = (app.shared.engine.happened(), app.shared.results.live.queue());
        let common = (workers.clone(), happened, queue, app.is_ending());
        let changed = last.as_ref() != Some(&common);
        let watched = app.shared.results.hub.take_watched(changed, most, Instant::now());
        for number in watched {
            let facts = match app.read(move |store| store.facts(number)).await {
                Ok(facts) => facts,
                Err(RequestError::NoBatch(_)) => continue,
                Err(error) => {
                    tracing::error!(%error, "failed to read a batch for its pages");
                    continue;
                }
            };
            app.shared.results.hub.status(number, app.status(number, &facts, workers.clone()));
        }
        last = Some(common);
    }
}
