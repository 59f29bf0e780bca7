//! What people change of a batch's images: tried again, taken back, removed; one, or many in one request.

use std::{collections::HashSet, time::Instant};

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
    routing::{delete as on_delete, post},
};
use manyeyes_protocol::id::{BatchId, ImageId};

use super::{
    App,
    access::{Access, Routes},
    error::RequestError,
    image_id, whole,
};
use crate::{
    admission::Client,
    api::{Image, ImageState, Selection, SelectionDone},
    engine::work,
    store::{BatchKey, ImageRow, Recorded, StoreError},
};

/// How many images of a selection are changed at a time: one commit of some ten milliseconds, between which everybody
/// else's changes get their turn.
const CHANGED_AT_A_TIME: usize = 500;

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/batches/{id}/images/{image}", Access::Operator, on_delete(delete))
        .route("/api/v1/batches/{id}/images/{image}/retry", Access::Uploader, post(retry))
        .route("/api/v1/batches/{id}/images/{image}/cancel", Access::Uploader, post(cancel))
        .route("/api/v1/batches/{id}/retry", Access::Uploader, post(retry_all))
        .route("/api/v1/batches/{id}/cancel", Access::Uploader, post(cancel_all))
        .route("/api/v1/batches/{id}/delete", Access::Operator, post(delete_all))
}

type ImagePath = Path<(String, String)>;

async fn retry(
    State(app): State<App>,
    Path((id, image)): ImagePath,
    Extension(client): Extension<Client>,
) -> Result<(StatusCode, Json<Image>), RequestError> {
    let batch = app.batch(id).await?;
    let row = app.image(&batch, &image).await?;
    whole(async move {
        match app.change(&batch, Change::Retry(client), vec![row]).await?.pop() {
            Some(Became::Changed(row)) => Ok((StatusCode::ACCEPTED, Json(app.current(&row)))),
            Some(Became::Refused) => Err(RequestError::NotRetriable),
            Some(Became::Gone) | None => Err(RequestError::NoImage),
        }
    })
    .await
}

/// Takes an unfinished image back; it stays in the batch and can be tried again.
async fn cancel(State(app): State<App>, Path((id, image)): ImagePath) -> Result<Json<Image>, RequestError> {
    let batch = app.batch(id).await?;
    let row = app.image(&batch, &image).await?;
    whole(async move {
        match app.change(&batch, Change::Cancel, vec![row]).await?.pop() {
            Some(Became::Changed(row)) => Ok(Json(app.current(&row))),
            Some(Became::Refused) => Err(RequestError::Ended),
            Some(Became::Gone) | None => Err(RequestError::NoImage),
        }
    })
    .await
}

async fn delete(State(app): State<App>, Path((id, image)): ImagePath) -> Result<StatusCode, RequestError> {
    let batch = app.batch(id).await?;
    let row = app.image(&batch, &image).await?;
    whole(async move {
        match app.change(&batch, Change::Delete, vec![row]).await?.pop() {
            Some(Became::Changed(_)) => Ok(StatusCode::NO_CONTENT),
            Some(Became::Refused | Became::Gone) | None => Err(RequestError::NoImage),
        }
    })
    .await
}

type Selected = Result<Json<Selection>, JsonRejection>;

async fn retry_all(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(client): Extension<Client>,
    selected: Selected,
) -> Answer {
    app.change_all(id, Change::Retry(client), selected).await
}

async fn cancel_all(State(app): State<App>, Path(id): Path<String>, selected: Selected) -> Answer {
    app.change_all(id, Change::Cancel, selected).await
}

async fn delete_all(State(app): State<App>, Path(id): Path<String>, selected: Selected) -> Answer {
    app.change_all(id, Change::Delete, selected).await
}

type Answer = Result<Json<SelectionDone>, RequestError>;

/// What is done to images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// One that has ended and whose file is kept waits again, in a place of this client.
    Retry(Client),
    /// One that has not ended is cancelled.
    Cancel,
    /// One is removed, in whatever state it is.
    Delete,
}

/// What became of an image that was to be changed.
enum Became {
    /// As it is now, or as it was last.
    Changed(Box<ImageRow>),
    /// Its state does not allow it.
    Refused,
    /// It was removed in the meantime.
    Gone,
}

impl App {
    async fn change_all(&self, id: String, change: Change, selected: Selected) -> Answer {
        let Json(Selection { images }) = selected?;
        let batch = self.batch(id).await?;
        let most = self.shared.limits.selected_images;
        if images.len() > most {
            return Err(RequestError::TooLarge(format!(
                "the request names {} images; the most is {most}",
                images.len()
            )));
        }
        let mut seen = HashSet::new();
        let named: Vec<Option<ImageId>> =
            images.iter().map(|text| image_id(text).ok()).filter(|id| id.is_none_or(|id| seen.insert(id))).collect();
        let app = self.clone();
        whole(async move {
            let mut done = 0;
            // No more than find a place to wait together, where they are to wait.
            for some in named.chunks(CHANGED_AT_A_TIME.min(app.shared.results.waiting.most_of_one())) {
                let ids: Vec<ImageId> = some.iter().copied().flatten().collect();
                let rows = app.read(move |store| ids.iter().map(|&id| store.image(batch.number, id)).collect()).await?;
                let rows: Vec<Option<ImageRow>> = rows;
                let became = app.change(&batch, change, rows.into_iter().flatten().collect()).await?;
                done += became.iter().filter(|became| matches!(became, Became::Changed(_))).count();
            }
            let count = |images| u32::try_from(images).unwrap_or(u32::MAX);
            Ok(Json(SelectionDone { done: count(done), refused: count(named.len() - done) }))
        })
        .await
    }

    /// Changes images of one batch, in one go as far as the books are concerned. After an error some of them may have been
    /// changed; those are changed in every respect.
    async fn change(&self, batch: &BatchKey, change: Change, rows: Vec<ImageRow>) -> Result<Vec<Became>, RequestError> {
        match change {
            Change::Retry(client) => self.retry(batch.number, client, rows).await,
            Change::Cancel => self.cancel(rows).await,
            Change::Delete => self.delete(batch.number, rows).await,
        }
    }

    async fn retry(&self, batch: BatchId, client: Client, rows: Vec<ImageRow>) -> Result<Vec<Became>, RequestError> {
        self.takes_work()?;
        let mut places = Vec::new();
        self.places_to_wait(client, &mut places, rows.len())?;
        let results = &self.shared.results;
        // All are in the writer's line before the first is waited for, so one commit takes them.
        let reopening: Vec<_> = rows.iter().map(|row| self.store().reopen(row.id)).collect();
        let (became, failure) = settled(reopening, became).await;
        let waiting: Vec<ImageRow> = became.iter().filter_map(Became::changed).cloned().collect();
        let now = Instant::now();
        for (row, place) in waiting.iter().zip(places) {
            results.live.reopened(row.id, batch, row.seq, now, row.attempts, place);
        }
        self.shared.engine.submit(waiting.iter().map(work).collect()).await;
        results.uploaded(&waiting);
        failure.map_or(Ok(became), |error| Err(error.into()))
    }

    async fn cancel(&self, rows: Vec<ImageRow>) -> Result<Vec<Became>, RequestError> {
        // First, so that it cannot take back what a person tries again as soon as it is in the books.
        self.shared.engine.cancel(rows.iter().map(|row| row.id).collect()).await;
        let results = &self.shared.results;
        let cancelling: Vec<_> = rows.iter().map(|row| results.cancel(row.id)).collect();
        let (became, failure) = settled(cancelling, became).await;
        if let Some(error) = failure {
            // They wait still, by the books. What has ended in the meantime is not recorded twice.
            let waiting = rows.iter().filter(|row| row.state == ImageState::Waiting);
            self.shared.engine.submit(waiting.map(work).collect()).await;
            return Err(error.into());
        }
        Ok(became)
    }

    async fn delete(&self, batch: BatchId, rows: Vec<ImageRow>) -> Result<Vec<Became>, RequestError> {
        let deleting: Vec<_> = rows.iter().map(|row| self.store().delete_image(row.id)).collect();
        let (became, failure) = settled(deleting, deleted).await;
        let gone: Vec<ImageId> = became.iter().filter_map(Became::changed).map(|row| row.id).collect();
        gone.iter().for_each(|&image| self.shared.results.deleted(batch, image));
        self.shared.engine.cancel(gone).await;
        failure.map_or(Ok(became), |error| Err(error.into()))
    }
}

impl Became {
    fn changed(&self) -> Option<&ImageRow> {
        match self {
            Self::Changed(row) => Some(row),
            Self::Refused | Self::Gone => None,
        }
    }
}

fn became(recorded: Recorded) -> Became {
    match recorded {
        Recorded::Yes(row) => Became::Changed(row),
        Recorded::No(_) | Recorded::OtherModel(..) => Became::Refused,
        Recorded::Gone => Became::Gone,
    }
}

fn deleted(row: Option<ImageRow>) -> Became {
    row.map_or(Became::Gone, |row| Became::Changed(Box::new(row)))
}

/// Waits for all of them. Of what failed, one error is given.
async fn settled<T>(
    changes: Vec<impl Future<Output = Result<T, StoreError>>>,
    became: impl Fn(T) -> Became,
) -> (Vec<Became>, Option<StoreError>) {
    let (mut all, mut failure) = (Vec::with_capacity(changes.len()), None);
    for outcome in futures_util::future::join_all(changes).await {
        match outcome {
            Ok(one) => all.push(became(one)),
            Err(error) => failure = Some(error),
        }
    }
    (all, failure)
}
