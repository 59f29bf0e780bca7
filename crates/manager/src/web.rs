//! HTTP and WebSocket: one file for each group of addresses. `docs/api.md` describes them.

mod access;
mod batches;
mod changes;
mod classify;
mod error;
mod events;
mod export;
pub(crate) mod guard;
mod images;
mod legacy;
mod metrics;
mod page;
mod refusals;
mod serve;
mod session;
mod small_body;
mod tries;
mod workers;

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, header},
    middleware,
    response::IntoResponse,
};
use manyeyes_protocol::id::ImageId;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use self::error::RequestError;
pub(crate) use self::{events::tell_status, guard::Guard, serve::serve};
use crate::{
    admission::{Client, Drain, Place, Places},
    engine::Engine,
    results::Results,
    settings::Limits,
    store::{BatchKey, Store, StoreError},
    thumbnail::Thumbnails,
};

/// Batches whose numbers are remembered by their ids. Full: all are forgotten, and looked up again.
const REMEMBERED_BATCHES: usize = 1024;

/// Batches made ahead, at most. They are empty, and stay behind when the manager ends, until they expire.
const SPARES: usize = 64;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct App {
    shared: Arc<Shared>,
}

struct Shared {
    results: Results,
    engine: Engine,
    limits: Limits,
    thumbnails: Option<Thumbnails>,
    uploads: Places,
    subscribers: Places,
    batches: Mutex<HashMap<String, BatchKey>>,
    /// Batches made ahead for images that come without one, so that these need not wait for the disk twice.
    spares: Mutex<Vec<BatchKey>>,
    /// How many have been used, and not been made anew.
    spares_used: AtomicUsize,
    started: Instant,
    /// Nothing new is taken in any more.
    is_ending: AtomicBool,
    /// When it is cancelled, streams of events and waits for answers end.
    stop: CancellationToken,
}

impl App {
    pub(crate) fn new(
        results: Results,
        engine: Engine,
        limits: Limits,
        thumbnails: Option<Thumbnails>,
        stop: CancellationToken,
    ) -> Self {
        let shared = Shared {
            results,
            engine,
            uploads: Places::new(limits.uploads),
            subscribers: Places::new(limits.subscribers),
            limits,
            thumbnails,
            batches: Mutex::default(),
            spares: Mutex::default(),
            spares_used: AtomicUsize::default(),
            started: Instant::now(),
            is_ending: AtomicBool::new(false),
            stop,
        };
        Self { shared: Arc::new(shared) }
    }

    /// All addresses, behind the guard.
    pub(crate) fn router(self, guard: Guard) -> Router {
        let uploads = images::uploads().merge(classify::routes()).merge(legacy::routes());
        let small = batches::routes()
            .merge(images::routes())
            .merge(changes::routes())
            .merge(events::routes())
            .merge(export::routes())
            .merge(workers::routes())
            .merge(metrics::routes())
            .merge(session::routes());
        let small_body = middleware::from_fn_with_state(self.clone(), small_body::small_body);
        uploads
            .behind(|methods| methods.route_layer(DefaultBodyLimit::disable()))
            .merge(small.behind(|methods| methods.route_layer(small_body.clone())))
            .router()
            .with_state(self)
            .fallback(page::page)
            .method_not_allowed_fallback(|| async { RequestError::WrongMethod.into_response() })
            .layer(middleware::from_fn_with_state(Arc::new(guard), guard::guard))
    }

    fn store(&self) -> &Store {
        &self.shared.results.store
    }

    /// Reads the books, off the asynchronous threads.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RequestError> {
        let store = self.store().clone();
        let read = tokio::task::spawn_blocking(move || read(&store)).await;
        Ok(read.map_err(|_| RequestError::Internal)??)
    }

    /// The batch of that id.
    async fn batch(&self, id: String) -> Result<BatchKey, RequestError> {
        let remembered = self.batches().get(&id).cloned();
        if let Some(batch) = remembered {
            return Ok(batch);
        }
        let found = self.read(move |store| store.batch(&id)).await?;
        let batch = found.ok_or_else(|| RequestError::no_batch(self.store().max_age()))?;
        self.remember(&batch);
        Ok(batch)
    }

    fn remember(&self, batch: &BatchKey) {
        let mut batches = self.batches();
        if batches.len() >= REMEMBERED_BATCHES {
            batches.clear();
        }
        batches.insert(batch.id.clone(), batch.clone());
    }

    /// A new batch for an image that came without one.
    async fn spare_batch(&self) -> Result<BatchKey, RequestError> {
        self.shared.spares_used.fetch_add(1, Relaxed);
        let spare = self.spares().pop();
        match spare {
            Some(batch) => Ok(batch),
            None => Ok(self.store().create_batch().await?),
        }
    }

    /// Makes a batch ahead in the place of one that was used. To be called just before an image is kept: then one commit may
    /// have both.
    fn make_spare(&self) {
        let used = self.shared.spares_used.fetch_update(Relaxed, Relaxed, |used| used.checked_sub(1));
        if used.is_err() || self.spares().len() >= SPARES {
            return;
        }
        let (app, made) = (self.clone(), self.store().create_batch());
        tokio::spawn(async move {
            match made.await {
                Ok(batch) => app.spares().push(batch),
                Err(error) => tracing::debug!(%error, "failed to make a batch ahead"),
            }
        });
    }

    /// Batches are no more.
    pub(crate) fn gone(&self, batches: &[BatchKey]) {
        batches.iter().for_each(|batch| drop(self.batches().remove(&batch.id)));
        self.spares().retain(|spare| !batches.contains(spare));
        self.shared.results.gone(batches);
    }

    /// Takes nothing new in from now on: neither images, nor batches, nor what is to be run again. All else is answered.
    pub(crate) fn begin_ending(&self) {
        self.shared.is_ending.store(true, Relaxed);
    }

    fn is_ending(&self) -> bool {
        self.shared.is_ending.load(Relaxed)
    }

    fn takes_work(&self) -> Result<(), RequestError> {
        if self.is_ending() { Err(RequestError::shutting_down()) } else { Ok(()) }
    }

    fn upload_place(&self, client: Client) -> Result<Place, RequestError> {
        self.shared
            .uploads
            .take(client)
            .map_err(|full| self.refused(RequestError::no_place(full, "too many uploads at the same time")))
    }

    /// Takes places until so many images may wait.
    fn places_to_wait(&self, client: Client, places: &mut Vec<Place>, images: usize) -> Result<(), RequestError> {
        self.shared.results.waiting.fill(client, places, images).map_err(|full| {
            let ends_per_s = self.shared.results.live.ends_per_s(Instant::now());
            let drain = Drain { ends_per_s, has_worker: self.shared.engine.obstacle().is_none() };
            self.refused(RequestError::no_place_to_wait(full, drain))
        })
    }

    /// Counts what is refused for want of a place.
    fn refused(&self, error: RequestError) -> RequestError {
        self.shared.results.tally.turned_away.fetch_add(1, Relaxed);
        error
    }

    fn batches(&self) -> std::sync::MutexGuard<'_, HashMap<String, BatchKey>> {
        self.shared.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spares(&self) -> std::sync::MutexGuard<'_, Vec<BatchKey>> {
        self.shared.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A parameter of a query. One without a value is one that is not given.
fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

/// An image's number, from its address. One that cannot be one is of no image.
fn image_id(text: &str) -> Result<ImageId, RequestError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(ImageId).ok_or(RequestError::NoImage)
}

/// A header's text; empty where there is none.
fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Does something to its end, even if the client that asked for it hangs up half way.
async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, RequestError>> + Send + 'static,
) -> Result<T, RequestError> {
    tokio::spawn(change).await.map_err(|_| RequestError::Internal)?
}
