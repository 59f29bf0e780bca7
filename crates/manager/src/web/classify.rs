//! One image in, its answer out: for programs that want neither batches nor events. The same books.

use std::time::Duration;

use axum::{
    Extension, Json,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;

use super::{
    App,
    access::{Access, Routes},
    error::RequestError,
    images::Files,
    optional,
};
use crate::{admission::Client, api::Image, store::ImageRow};

/// How long to wait where the request does not say.
const WAIT_S: f64 = 30.0;

pub(super) fn routes() -> Routes {
    Routes::new().route("/api/v1/classify", Access::Uploader, post(classify))
}

#[derive(Deserialize)]
struct ClassifyQuery {
    name: Option<String>,
    /// Seconds.
    #[serde(default, deserialize_with = "optional")]
    timeout: Option<f64>,
}

async fn classify(
    State(app): State<App>,
    query: Result<Query<ClassifyQuery>, QueryRejection>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, RequestError> {
    let Query(ClassifyQuery { name, timeout }) = query?;
    let wait = Duration::try_from_secs_f64(timeout.unwrap_or(WAIT_S))
        .map_err(|_| RequestError::Invalid("timeout is a number of seconds, at least 0".to_owned()))?
        .min(app.shared.limits.classify_wait);
    let files = Files { client, name, headers, body, most_files: 1 };
    let (batch, rows) = app.accept(app.spare_batch(), files).await?;
    let row = rows.first().ok_or(RequestError::Internal)?;
    match app.answer(row, wait).await? {
        Some(image) => Ok(Json(image).into_response()),
        None => {
            let location = format!("/api/v1/batches/{}/images/{}", batch.id, row.id);
            Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(app.current(row))).into_response())
        }
    }
}

impl App {
    /// The image with its ending, if that comes within `wait`.
    async fn answer(&self, row: &ImageRow, wait: Duration) -> Result<Option<Image>, RequestError> {
        let Some(ending) = self.shared.results.live.wait_for(row.id) else {
            // It has ended already, or was refused at the door.
            let (batch, image) = (row.batch, row.id);
            let row = self.read(move |store| store.image(batch, image)).await?.ok_or(RequestError::NoImage)?;
            return Ok(Some(self.current(&row)));
        };
        tokio::select! {
            ended = ending => ended.map(Some).map_err(|_| RequestError::NoImage),
            () = tokio::time::sleep(wait) => Ok(None),
            // It is in the books, and is answered by the next manager.
            () = self.shared.stop.cancelled() => Ok(None),
        }
    }
}
