//! The workers, the model, and whether the manager is alive and ready.

use axum::{Json, Router, extract::State, routing::get};

use super::{App, error::RequestError};
use crate::api::{Model, Workers};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/workers", get(workers))
        .route("/api/v1/model", get(model))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
}

async fn workers(State(app): State<App>) -> Json<Workers> {
    Json(Workers { workers: app.shared.engine.workers() })
}

async fn model(State(app): State<App>) -> Json<Model> {
    Json(app.shared.engine.model())
}

async fn alive() -> &'static str {
    "ok\n"
}

/// Whether an image that is uploaded now would be recognised now.
async fn ready(State(app): State<App>) -> Result<&'static str, RequestError> {
    match app.shared.engine.obstacle() {
        None => Ok("ready\n"),
        Some(obstacle) => Err(RequestError::NotReady(obstacle.message)),
    }
}
