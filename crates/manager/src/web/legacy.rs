//! The interface of the program that manyeyes replaces: one file in, a task's id out, the file back by that id.
//!
//! A task is a batch of one image, and its id is the batch's. Errors of the old interface come with status 200 and a
//! code in the body, as its clients expect.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::{get, options, post},
};
use serde::Serialize;

use super::{
    App,
    access::{Access, Routes},
    error::RequestError,
    images::Files,
    text,
};
use crate::{admission::Client, store::ImageRow, upload};

/// What `OPTIONS /api/task` answers.
const USAGE: &str = "POST /api/task: multipart/form-data with one image file in the field \"file\".\n\
     Answers {\"code\":100,\"result\":\"Command executed successfully\",\"data\":{\"task_id\":ID}};\n\
     code 201: no field \"file\"; code 202: the file is empty or was refused.\n\
     GET /upload/ID gives the file back; GET /api/v1/batches/ID its state and labels.\n";

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/task", Access::Uploader, post(task))
        .route("/api/task", Access::Anybody, options(usage))
        .route("/upload/{task}", Access::Viewer, get(original))
}

/// The old interface's answer.
#[derive(Serialize)]
struct Reply {
    code: u16,
    result: String,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
}

async fn task(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, RequestError> {
    const NO_FIELD: &str = "No field \"file\" in the request";
    if upload::boundary(text(&headers, header::CONTENT_TYPE)).is_none() {
        return Ok(refused(201, NO_FIELD));
    }
    let files = Files { client, name: None, headers, body, most_files: 1 };
    let (batch, rows) = match app.accept(app.spare_batch(), files).await {
        Ok(accepted) => accepted,
        Err(RequestError::Invalid(_)) => return Ok(refused(201, NO_FIELD)),
        Err(error) => return Err(error),
    };
    let first: &ImageRow = rows.first().ok_or(RequestError::Internal)?;
    if let Some(problem) = &first.problem {
        return Ok(refused(202, if problem.code == "empty" { "The file is empty" } else { &problem.message }));
    }
    let data = Data { task_id: Some(batch.id) };
    Ok(Json(Reply { code: 100, result: "Command executed successfully".to_owned(), data }).into_response())
}

fn refused(code: u16, result: &str) -> Response {
    Json(Reply { code, result: result.to_owned(), data: Data { task_id: None } }).into_response()
}

async fn usage() -> &'static str {
    USAGE
}

async fn original(State(app): State<App>, Path(task): Path<String>) -> Result<Response, RequestError> {
    let batch = app.batch(task).await?;
    let row = app.read(move |store| store.page(batch.number, None, 1)).await?.pop().ok_or(RequestError::NoImage)?;
    app.original(row).await
}
