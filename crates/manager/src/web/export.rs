//! A batch as a file: CSV for spreadsheets, JSON for programs. Streamed, a page of images at a time.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::stream;
use manyeyes_protocol::id::{BatchId, ImageId};

use super::{
    App,
    access::{Access, Routes},
    error::RequestError,
};
use crate::api::{Image, ImageState};

/// Labels in a line of CSV, each with its probability.
const LABELS: usize = 5;

pub(super) fn routes() -> Routes {
    Routes::new().route("/api/v1/batches/{id}/export.csv", Access::Viewer, get(csv)).route(
        "/api/v1/batches/{id}/export.json",
        Access::Viewer,
        get(json),
    )
}

async fn csv(State(app): State<App>, Path(id): Path<String>) -> Result<Response, RequestError> {
    app.export(id, Format::Csv, "text/csv; charset=utf-8", "attachment; filename=\"manyeyes.csv\"").await
}

async fn json(State(app): State<App>, Path(id): Path<String>) -> Result<Response, RequestError> {
    app.export(id, Format::Json, "application/json", "attachment; filename=\"manyeyes.json\"").await
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Json,
}

/// How far an export is.
struct Progress {
    batch: BatchId,
    after: Option<ImageId>,
    is_first: bool,
}

impl App {
    async fn export(
        &self,
        id: String,
        format: Format,
        media_type: &'static str,
        disposition: &'static str,
    ) -> Result<Response, RequestError> {
        let batch = self.batch(id).await?;
        let begin = Some(Progress { batch: batch.number, after: None, is_first: true });
        let app = self.clone();
        let pages = stream::try_unfold(begin, move |progress| {
            let app = app.clone();
            async move {
                match progress {
                    Some(progress) => app.next_page(progress, format).await.map(Some),
                    None => Ok(None),
                }
            }
        });
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition)),
        ];
        Ok((headers, Body::from_stream(pages)).into_response())
    }

    async fn next_page(&self, progress: Progress, format: Format) -> Result<(Bytes, Option<Progress>), RequestError> {
        let Progress { batch, after, is_first } = progress;
        let most = self.shared.limits.page_images;
        let rows = self.read(move |store| store.page(batch, after, most)).await?;
        let images = self.shared.results.current(&rows);
        let is_last = rows.len() < most as usize;
        let text = match format {
            Format::Csv => csv_page(&images, is_first),
            Format::Json => json_page(&images, is_first, is_last),
        };
        let after = rows.last().map(|row| row.id);
        Ok((text.into(), (!is_last).then_some(Progress { batch, after, is_first: false })))
    }
}

fn csv_page(images: &[Image], is_first: bool) -> String {
    let mut text = String::new();
    if is_first {
        text.push_str("id,name,state,worker,attempts,error_code,error_message,total_ms,bytes,form_bytes");
        (1..=LABELS).for_each(|rank| text.push_str(&format!(",label_{rank},probability_{rank}")));
        text.push_str("\r\n");
    }
    for image in images {
        let error = image.error.as_ref();
        let mut cells = vec![
            image.id.clone(),
            image.name.clone(),
            state(image.state).to_owned(),
            image.worker.clone().unwrap_or_default(),
            image.attempts.to_string(),
            error.map(|error| error.code.clone()).unwrap_or_default(),
            error.map(|error| error.message.clone()).unwrap_or_default(),
            image.timing_ms.total.map(|total| total.to_string()).unwrap_or_default(),
            image.bytes.to_string(),
            image.form_bytes.map(|sent| sent.to_string()).unwrap_or_default(),
        ];
        let mut labels = image.labels.iter();
        for _ in 0..LABELS {
            let label = labels.next();
            cells.push(label.map(|label| label.name.clone()).unwrap_or_default());
            cells.push(label.map(|label| label.probability.to_string()).unwrap_or_default());
        }
        let cells: Vec<String> = cells.iter().map(|value| cell(value)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A cell of CSV (RFC 4180). A spreadsheet takes one that begins like a formula for a formula, so such a one begins with
/// an apostrophe (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn cell(value: &str) -> String {
    let neutral =
        if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{value}") } else { value.to_owned() };
    if neutral.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", neutral.replace('"', "\"\""));
    }
    neutral
}

fn json_page(images: &[Image], is_first: bool, is_last: bool) -> String {
    let mut text = String::from(if is_first { "{\"images\":[" } else { "" });
    for (n, image) in images.iter().enumerate() {
        if !is_first || n > 0 {
            text.push_str(",\n");
        }
        text.push_str(&serde_json::to_string(image).expect("the types of the interface are JSON"));
    }
    text.push_str(if is_last { "]}\n" } else { "" });
    text
}

fn state(state: ImageState) -> &'static str {
    match state {
        ImageState::Waiting => "waiting",
        ImageState::Assigned => "assigned",
        ImageState::Recognised => "recognised",
        ImageState::Failed => "failed",
        ImageState::Rejected => "rejected",
        ImageState::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_begin_like_formulas_are_neutralised() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@x"), "'@x");
        assert_eq!(cell("-x,\"y\""), "\"'-x,\"\"y\"\"\"");
        assert_eq!(cell("\tx"), "'\tx");
        assert_eq!(cell("a=b"), "a=b");
    }
}
