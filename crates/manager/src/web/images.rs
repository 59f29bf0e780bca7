//! The images of a batch: uploaded and read.

use std::time::{Duration, Instant};

use axum::{
    Extension, Json,
    body::{Body, BodyDataStream},
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::StreamExt;
use manyeyes_dispatch::Work;
use manyeyes_protocol::id::{BatchId, ImageId};
use serde::Deserialize;
use std::sync::atomic::Ordering::Relaxed;

use super::{
    App,
    access::{Access, Routes},
    error::RequestError,
    image_id, text, whole,
};
use crate::{
    admission::{Client, Place},
    api::{Image, ImageState, Uploaded},
    engine::work,
    store::{BatchKey, ImageRow},
    upload::{self, Packing, UploadError},
};

/// How long the rest of a refused body is read.
const READ_ON: Duration = Duration::from_secs(10);
/// The longest `Idempotency-Key` in bytes; a UUID has 36.
const KEY_BYTES: usize = 255;
/// The header with which a client makes a repeated request harmless.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub(super) fn uploads() -> Routes {
    Routes::new().route("/api/v1/batches/{id}/images", Access::Uploader, post(upload))
}

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/batches/{id}/images/{image}", Access::Viewer, get(read))
        .route("/api/v1/batches/{id}/images/{image}/file", Access::Viewer, get(file))
        .route("/api/v1/batches/{id}/images/{image}/thumbnail", Access::Viewer, get(thumbnail))
}

/// The query of a raw upload.
#[derive(Deserialize)]
struct UploadQuery {
    name: Option<String>,
}

async fn upload(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Uploaded>), RequestError> {
    let Query(UploadQuery { name }) = query?;
    let most_files = app.shared.limits.request_files;
    let files = Files { client, name, headers, body, most_files };
    let (_, rows) = app.accept(app.batch(id), files).await?;
    Ok((StatusCode::ACCEPTED, Json(Uploaded { images: app.shared.results.current(&rows) })))
}

/// A request that carries files.
pub(super) struct Files {
    /// Who sends it.
    pub(super) client: Client,
    /// The name of the file, where the body is one.
    pub(super) name: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// How many it may carry.
    pub(super) most_files: usize,
}

impl App {
    /// Receives the files of a request and keeps them; work on them has begun. They are durable, and shown to who
    /// watches, on return.
    pub(super) async fn accept(
        &self,
        batch: impl Future<Output = Result<BatchKey, RequestError>>,
        files: Files,
    ) -> Result<(BatchKey, Vec<ImageRow>), RequestError> {
        let Files { client, name, headers, body, most_files } = files;
        let mut body = body.into_data_stream();
        // Such a client sends nothing before it is told to go on, and looks at an answer first.
        let mut looks_first = headers.contains_key(header::EXPECT);
        let receiving = async {
            self.takes_work()?;
            let place = self.upload_place(client)?;
            // One at least; how many it really has is known when it has been read.
            let mut places = Vec::new();
            self.places_to_wait(client, &mut places, 1)?;
            let batch = batch.await?;
            let key = key(&headers)?;
            self.make_room(&headers).await?;
            let packing = match upload::boundary(text(&headers, header::CONTENT_TYPE)) {
                Some(boundary) => Packing::Multipart(boundary.map_err(UploadError::Malformed)?),
                None => {
                    let bytes = text(&headers, header::CONTENT_LENGTH).parse().ok();
                    Packing::Raw { name, bytes }
                }
            };
            let limits = &self.shared.limits;
            looks_first = false;
            let upload = upload::receive(self.store(), limits, packing, most_files, &mut body).await?;
            self.places_to_wait(client, &mut places, upload.accepted())?;
            Ok((place, places, batch, upload, key))
        };
        let (_place, places, batch, upload, key) = match receiving.await {
            Ok(received) => received,
            Err(error) => {
                if !looks_first {
                    self.read_on(body, &error).await;
                }
                return Err(error);
            }
        };
        let (app, number) = (self.clone(), batch.number);
        let rows = whole(async move { app.keep(number, upload, places, key).await }).await?;
        Ok((batch, rows))
    }

    /// Reads what is left of a body that was refused, within bounds: most clients look at the answer only when they have
    /// sent everything, and one whose connection is closed before that sees no answer at all.
    async fn read_on(&self, mut body: BodyDataStream, error: &RequestError) {
        if matches!(error, RequestError::TooSlow) {
            return;
        }
        let mut left = self.shared.limits.dropped_bytes;
        let reading = async {
            while let Some(Ok(chunk)) = body.next().await {
                left = left.saturating_sub(chunk.len() as u64);
                if left == 0 {
                    break;
                }
            }
        };
        // A client that has not sent it by then learns less than it could.
        let _ = tokio::time::timeout(READ_ON, reading).await;
    }

    /// An upload that cannot fit is refused before it is read.
    async fn make_room(&self, headers: &HeaderMap) -> Result<(), RequestError> {
        let bytes = text(headers, header::CONTENT_LENGTH).parse().unwrap_or(0);
        if bytes > self.shared.limits.request_bytes {
            return Err(RequestError::TooLarge("the request is larger than allowed".to_owned()));
        }
        let expired = self.store().make_room(bytes).await?;
        self.gone(&expired);
        Ok(())
    }

    async fn keep(
        &self,
        number: BatchId,
        upload: upload::Upload,
        places: Vec<Place>,
        key: Option<String>,
    ) -> Result<Vec<ImageRow>, RequestError> {
        let (results, engine) = (&self.shared.results, &self.shared.engine);
        let accepted = upload.accepted();
        self.make_spare();
        let keeping = match key {
            None => self.store().keep(number, upload.images, None)?,
            Some(key) => self.read(move |store| store.keep(number, upload.images, Some(&key))).await?,
        };
        if keeping.repeated {
            keeping.durable.await?;
            return Ok(keeping.images);
        }
        let waiting = keeping.images.iter().filter(|row| row.state == ImageState::Waiting);
        let work: Vec<Work> = waiting.clone().map(work).collect();
        for (row, place) in waiting.zip(places) {
            results.live.kept(row.id, number, row.seq, upload.began, place);
        }
        let submitted: Vec<ImageId> = work.iter().map(|work| work.image).collect();
        engine.submit(work).await;
        if let Err(error) = keeping.durable.await {
            submitted.iter().for_each(|&image| drop(results.live.ended(image)));
            engine.cancel(submitted).await;
            return Err(error.into());
        }
        let now = Instant::now();
        submitted.iter().for_each(|&image| results.live.durable(image, now));
        let bytes: u64 =
            keeping.images.iter().filter(|row| row.state == ImageState::Waiting).map(|row| row.bytes).sum();
        results.tally.accepted.fetch_add(accepted as u64, Relaxed);
        results.tally.accepted_bytes.fetch_add(bytes, Relaxed);
        results.tally.rejected.fetch_add((keeping.images.len() - accepted) as u64, Relaxed);
        results.uploaded(&keeping.images);
        Ok(keeping.images)
    }

    /// One image, if it is in the batch.
    pub(super) async fn image(&self, batch: &BatchKey, image: &str) -> Result<ImageRow, RequestError> {
        let (batch, image) = (batch.number, image_id(image)?);
        self.read(move |store| store.image(batch, image)).await?.ok_or(RequestError::NoImage)
    }

    pub(super) fn current(&self, row: &ImageRow) -> Image {
        self.shared.results.current(std::slice::from_ref(row)).remove(0)
    }
}

type ImagePath = Path<(String, String)>;

async fn read(State(app): State<App>, Path((id, image)): ImagePath) -> Result<Json<Image>, RequestError> {
    let batch = app.batch(id).await?;
    let row = app.image(&batch, &image).await?;
    Ok(Json(app.current(&row)))
}

async fn file(State(app): State<App>, Path((id, image)): ImagePath) -> Result<Response, RequestError> {
    let batch = app.batch(id).await?;
    let row = app.image(&batch, &image).await?;
    app.original(row).await
}

impl App {
    /// The file itself, under the type that its bytes have, whatever its name says.
    pub(super) async fn original(&self, row: ImageRow) -> Result<Response, RequestError> {
        if row.state == ImageState::Rejected {
            return Err(RequestError::NoFile);
        }
        let bytes = self.read(move |store| store.payload(row.id)).await?;
        let media_type = HeaderValue::from_str(&row.media_type.unwrap_or_default());
        let media_type = media_type.map_err(|_| RequestError::Internal)?;
        let headers = [
            (header::CONTENT_TYPE, media_type),
            (header::CONTENT_DISPOSITION, HeaderValue::from_static("inline")),
            (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
        ];
        Ok((headers, bytes).into_response())
    }
}

async fn thumbnail(
    State(app): State<App>,
    Path((id, image)): ImagePath,
    Extension(client): Extension<Client>,
) -> Result<Response, RequestError> {
    let batch = app.batch(id).await?;
    let row = app.image(&batch, &image).await?;
    let (Some(_), Some(thumbnails)) = (&row.media_type, &app.shared.thumbnails) else {
        return Err(RequestError::NoThumbnail("there is no small picture of a file that was refused".to_owned()));
    };
    let reading = app.clone();
    let file = async move { reading.read(move |store| store.payload(row.id)).await };
    let jpeg = thumbnails.of(row.id, client, file).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
    ];
    Ok((headers, jpeg).into_response())
}

fn key(headers: &HeaderMap) -> Result<Option<String>, RequestError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = key.to_str().ok().filter(|key| (1..=KEY_BYTES).contains(&key.len()));
    let wrong = || RequestError::Invalid(format!("an Idempotency-Key is 1 to {KEY_BYTES} visible ASCII characters"));
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}
