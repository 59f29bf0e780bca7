//! Batches: made, read a page at a time, removed.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::StatusCode,
    routing::{delete as on_delete, get, post},
};
use manyeyes_protocol::id::{BatchId, ImageId};
use serde::Deserialize;

use super::{
    App,
    access::{Access, Routes},
    error::RequestError,
    optional, whole,
};
use crate::{
    api::{BatchPage, Counts, Known, NewBatch, Throughput},
    results::age,
    store::BatchFacts,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/batches", Access::Uploader, post(create))
        .route("/api/v1/batches/{id}", Access::Viewer, get(read))
        .route("/api/v1/batches/{id}", Access::Operator, on_delete(delete))
        .route("/api/v1/batches/{id}/known", Access::Uploader, post(known))
}

async fn create(State(app): State<App>) -> Result<(StatusCode, Json<NewBatch>), RequestError> {
    app.takes_work()?;
    let batch = app.store().create_batch().await?;
    app.remember(&batch);
    Ok((StatusCode::CREATED, Json(NewBatch { id: batch.id })))
}

#[derive(Deserialize)]
struct PageQuery {
    #[serde(default, deserialize_with = "optional")]
    after: Option<u64>,
    #[serde(default, deserialize_with = "optional")]
    limit: Option<u32>,
}

async fn read(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<BatchPage>, RequestError> {
    let Query(query) = query?;
    let batch = app.batch(id).await?;
    // The books count images in 63 bits; a number beyond that is behind all of them.
    let after = query.after.map(|after| ImageId(after.min(i64::MAX.unsigned_abs())));
    let most = app.shared.limits.page_images;
    let limit = query.limit.unwrap_or(most).clamp(1, most);
    let number = batch.number;
    let (facts, mut rows) =
        app.read(move |store| Ok((store.facts(number)?, store.page(number, after, limit + 1)?))).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let (counts, throughput) = app.progress(number, &facts);
    let images = app.shared.results.current(&rows);
    Ok(Json(BatchPage { id: batch.id, seq: facts.seq, counts, images, more, throughput }))
}

async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, RequestError> {
    let batch = app.batch(id).await?;
    whole(async move {
        let unfinished = app.store().delete_batch(batch.number).await?;
        app.gone(std::slice::from_ref(&batch));
        unfinished.iter().for_each(|&image| drop(app.shared.results.live.ended(image)));
        app.shared.engine.cancel(unfinished).await;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

async fn known(
    State(app): State<App>,
    Path(id): Path<String>,
    question: Result<Json<Known>, JsonRejection>,
) -> Result<Json<Known>, RequestError> {
    let Json(question) = question?;
    let batch = app.batch(id).await?;
    if question.sha256.len() > app.shared.limits.known_digests {
        return Err(RequestError::TooLarge("the question has more digests than allowed".to_owned()));
    }
    let digests = question.sha256.iter().map(|hex| digest(hex)).collect::<Option<Vec<_>>>();
    let digests = digests.ok_or_else(|| RequestError::Invalid("a SHA-256 is 64 hexadecimal digits".to_owned()))?;
    let asked = digests.clone();
    let known = app.read(move |store| store.known(batch.number, &asked)).await?;
    let pairs = question.sha256.into_iter().zip(digests);
    Ok(Json(Known { sha256: pairs.filter(|(_, digest)| known.contains(digest)).map(|(hex, _)| hex).collect() }))
}

impl App {
    /// What a batch has achieved, and how far it is.
    pub(super) fn progress(&self, batch: BatchId, facts: &BatchFacts) -> (Counts, Throughput) {
        let mut counts = facts.counts;
        counts.assigned = self.shared.results.live.assigned_of(batch).min(counts.waiting);
        counts.waiting -= counts.assigned;
        (counts, throughput(facts))
    }
}

fn throughput(facts: &BatchFacts) -> Throughput {
    let Some(first) = facts.first_upload else {
        return Throughput::default();
    };
    let unfinished = facts.counts.waiting > 0;
    let until_last = facts.last_answer.and_then(|last| last.duration_since(first).ok());
    let elapsed_s = if unfinished { age(first) } else { until_last.unwrap_or_default() }.as_secs_f64();
    let per_s = |amount: u64| {
        if elapsed_s > 0.0 { amount as f64 / elapsed_s } else { 0.0 }
    };
    Throughput {
        images_per_s: per_s(facts.answered_images),
        file_bits_per_s: per_s(8 * facts.answered_bytes),
        elapsed_s,
    }
}

/// 64 hexadecimal digits as bytes.
fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}
