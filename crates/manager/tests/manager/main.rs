//! The manager as its clients and its workers see it: real HTTP and WebSocket on a free port, a real worker's link whose
//! answers follow a rule.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod again;
mod bad_input;
mod canaries;
mod changes;
mod drain;
mod happenings;
mod http;
mod life;
mod overload;
mod page;
mod progress;
mod rules;
mod ten_thousand;
mod tokens;
mod worker;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use manyeyes_manager::{
    Manager,
    api::{BatchPage, Image, ImageState, NewBatch, Selection, SelectionDone, Uploaded},
    settings::ManagerSettings,
    start,
};
use tempfile::TempDir;

use self::http::{Answer, Client};

/// How long a test waits for what must come; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A manager in a data folder of its own.
struct Running {
    manager: Manager,
    client: Client,
    folder: TempDir,
}

impl Running {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut ManagerSettings)) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), change).await
    }

    async fn in_folder(folder: TempDir, change: impl FnOnce(&mut ManagerSettings)) -> Self {
        let mut settings = settings(folder.path());
        change(&mut settings);
        let manager = start(settings).await.unwrap();
        let client = Client::new(manager.http_addr());
        Self { manager, client, folder }
    }

    /// Ends it as a clean shutdown does, and gives the folder for another run.
    async fn stop(self) -> TempDir {
        self.manager.shutdown(Duration::from_secs(5)).await;
        self.folder
    }

    async fn batch(&self) -> String {
        let answer = self.client.post("/api/v1/batches", "", b"").await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json::<NewBatch>().id
    }

    /// Uploads files as one multipart request.
    async fn upload(&self, batch: &str, files: &[(&str, &[u8])]) -> Vec<Image> {
        let answer = self.try_upload(batch, files).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json::<Uploaded>().images
    }

    async fn try_upload(&self, batch: &str, files: &[(&str, &[u8])]) -> Answer {
        let (content_type, body) = http::multipart(files);
        self.client.post(&format!("/api/v1/batches/{batch}/images"), &content_type, &body).await
    }

    /// Has many images tried again (`retry`), taken back (`cancel`) or removed (`delete`) in one request.
    async fn change(&self, batch: &str, what: &str, images: &[String]) -> SelectionDone {
        let body = serde_json::to_vec(&Selection { images: images.to_vec() }).unwrap();
        let answer = self.client.post(&format!("/api/v1/batches/{batch}/{what}"), "application/json", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn page(&self, batch: &str) -> BatchPage {
        let answer = self.client.get(&format!("/api/v1/batches/{batch}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until every image of the batch has ended.
    async fn finished(&self, batch: &str) -> BatchPage {
        self.until(batch, |page| page.counts.waiting + page.counts.assigned == 0).await
    }

    /// Waits until the manager knows that no worker is there.
    async fn until_no_worker(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.client.get("/readyz").await.status == 200 {
            assert!(Instant::now() < deadline, "a worker is still there");
            tokio::task::yield_now().await;
        }
    }

    async fn until(&self, batch: &str, condition: impl Fn(&BatchPage) -> bool) -> BatchPage {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.page(batch).await;
            if condition(&page) {
                return page;
            }
            assert!(Instant::now() < deadline, "still {:?}", page.counts);
            tokio::task::yield_now().await;
        }
    }
}

fn settings(folder: &Path) -> ManagerSettings {
    let mut settings = ManagerSettings::new(folder.to_owned());
    settings.listen = ([127, 0, 0, 1], 0).into();
    settings.worker_listen = ([127, 0, 0, 1], 0).into();
    settings
}

/// A JPEG as far as its header goes, of one pixel; `n` makes each another file.
fn jpeg(n: u32) -> Vec<u8> {
    jpeg_of(1, 1, n)
}

fn jpeg_of(width: u16, height: u16, n: u32) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8, 0xff, 0xc0, 0, 11, 8];
    file.extend_from_slice(&height.to_be_bytes());
    file.extend_from_slice(&width.to_be_bytes());
    file.extend_from_slice(&[1, 1, 0x11, 0]);
    file.extend_from_slice(&n.to_be_bytes());
    file
}

fn states(images: &[Image]) -> Vec<ImageState> {
    images.iter().map(|image| image.state).collect()
}

/// The codes of the images' errors; "" for none.
fn codes(images: &[Image]) -> Vec<&str> {
    images.iter().map(|image| image.error.as_ref().map_or("", |error| &error.code)).collect()
}
