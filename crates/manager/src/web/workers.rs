//! The workers, the model, and whether the manager is alive and ready.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    routing::get,
};
use serde::Deserialize;

use super::{
    App,
    access::{Access, Routes},
    error::RequestError,
};
use crate::api::{Model, Workers};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/workers", Access::Operator, get(workers))
        .route("/api/v1/model", Access::Operator, get(model))
        .route("/healthz", Access::Anybody, get(alive))
        .route("/readyz", Access::Uploader, get(ready))
}

#[derive(Deserialize)]
struct WorkersQuery {
    /// Those too that have gone for longer than a person cares.
    #[serde(default)]
    all: bool,
}

async fn workers(
    State(app): State<App>,
    query: Result<Query<WorkersQuery>, QueryRejection>,
) -> Result<Json<Workers>, RequestError> {
    let Query(WorkersQuery { all }) = query?;
    let engine = &app.shared.engine;
    Ok(Json(Workers { workers: if all { engine.workers_remembered() } else { engine.workers() } }))
}

async fn model(State(app): State<App>) -> Json<Model> {
    Json(app.shared.engine.model())
}

async fn alive() -> &'static str {
    "ok\n"
}

/// Whether an image that is uploaded now would be recognised now.
async fn ready(State(app): State<App>) -> Result<&'static str, RequestError> {
    app.takes_work()?;
    match app.shared.engine.obstacle() {
        None => Ok("ready\n"),
        Some(obstacle) => Err(RequestError::NotReady(obstacle.message)),
    }
}
