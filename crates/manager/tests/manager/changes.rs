//! What people change while work goes on: images tried again, taken back and removed.

use manyeyes_manager::api::{Image, ImageState, Workers};
use manyeyes_protocol::result::FailureCode;
use tokio::io::AsyncWriteExt;

use super::{
    Running, http, jpeg,
    page::Page,
    states,
    worker::{Worker, failure},
};

#[tokio::test]
async fn a_failed_image_that_is_tried_again_can_be_recognised() {
    let running = Running::start().await;
    let worker = Worker::with_rule(running.manager.worker_addr(), "worker-1", |_| {
        Some(Err(failure(FailureCode::Damaged, "no")))
    });
    let batch = running.batch().await;
    let image = running.upload(&batch, &[("a.jpg", &jpeg(7))]).await.remove(0);
    let failed = running.finished(&batch).await.images.remove(0);
    assert_eq!((failed.state, failed.attempts), (ImageState::Failed, 1));
    worker.vanish();
    running.until_no_worker().await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-2");
    let path = format!("/api/v1/batches/{batch}/images/{}/retry", image.id);
    let retried = running.client.post(&path, "", b"").await;
    assert_eq!((retried.status, retried.json::<Image>().error), (202, None));
    let page = running.until(&batch, |page| page.counts.recognised == 1).await;
    assert_eq!((page.images[0].error.clone(), page.images[0].attempts, page.counts.failed), (None, 2, 0));
}

#[tokio::test]
async fn an_image_removed_while_a_worker_has_it_is_taken_from_the_worker_and_from_every_page() {
    let running = Running::start().await;
    let mut worker = Worker::with_rule(running.manager.worker_addr(), "worker-1", |_| None);
    let batch = running.batch().await;
    let mut page = Page::open(&running, &batch, None).await;
    let image = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await.remove(0);
    worker.assigned.recv().await.unwrap();
    page.until(|page| page.images.values().any(|image| image.state == ImageState::Assigned)).await;
    let path = format!("/api/v1/batches/{batch}/images/{}", image.id);
    assert_eq!(running.client.request("DELETE", &path, "", b"").await.status, 204);
    page.until(|page| page.images.is_empty()).await;
    nothing_is_left(&running).await;
    assert_eq!(running.page(&batch).await.counts.total, 0);
}

#[tokio::test]
async fn a_batch_removed_while_workers_have_its_images_leaves_nothing_and_its_page_is_told() {
    let running = Running::start().await;
    let mut worker = Worker::with_rule(running.manager.worker_addr(), "worker-1", |_| None);
    let batch = running.batch().await;
    let files: Vec<Vec<u8>> = (0..50).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    running.upload(&batch, &files).await;
    worker.assigned.recv().await.unwrap();
    let mut page = Page::open(&running, &batch, None).await;
    assert_eq!(running.client.request("DELETE", &format!("/api/v1/batches/{batch}"), "", b"").await.status, 204);
    page.until(|page| page.is_gone).await;
    page.until_closed().await;
    nothing_is_left(&running).await;
}

/// An image that a client takes back and tries again at once was lost when the two overtook each other.
#[tokio::test]
async fn whatever_is_taken_back_and_tried_again_at_once_ends_like_any_other() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    let batch = running.batch().await;
    let files: Vec<Vec<u8>> = (0..40).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    let images = running.upload(&batch, &files).await;
    let client = &running.client;
    let changes = images.iter().flat_map(|image| {
        let path = format!("/api/v1/batches/{batch}/images/{}", image.id);
        ["cancel", "retry", "cancel", "retry"].map(|change| format!("{path}/{change}"))
    });
    let answers = futures_util::future::join_all(changes.map(|path| async move { client.post(&path, "", b"").await }));
    assert!(answers.await.iter().all(|answer| [200, 202, 409].contains(&answer.status)));
    for image in running.finished(&batch).await.images {
        if image.state == ImageState::Cancelled {
            let path = format!("/api/v1/batches/{batch}/images/{}/retry", image.id);
            assert_eq!(running.client.post(&path, "", b"").await.status, 202);
        }
    }
    assert_eq!(states(&running.finished(&batch).await.images), [ImageState::Recognised; 40]);
    nothing_is_left(&running).await;
}

/// A client that hung up between the commit and the answer had its image kept, and no page was told of it.
#[tokio::test]
async fn a_page_sees_every_image_of_its_batch_also_those_whose_sender_hung_up() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let mut page = Page::open(&running, &batch, None).await;
    let path = format!("/api/v1/batches/{batch}/images?name=a.jpg");
    for n in 0..40 {
        let mut stream = running.client.begin("POST", &path, "image/jpeg", jpeg(n).len()).await;
        stream.write_all(&jpeg(n)).await.unwrap();
    }
    let (content_type, body) = http::multipart(&[("last.jpg", &jpeg(99))]);
    assert_eq!(running.client.post(&path, &content_type, &body).await.status, 202);
    let kept = running.page(&batch).await.counts.total as usize;
    page.until(|page| page.images.len() >= kept).await;
}

/// Waits until no worker has an image and none is unfinished.
async fn nothing_is_left(running: &Running) {
    loop {
        let metrics = running.client.get("/metrics").await.text();
        let workers = running.client.get("/api/v1/workers").await.json::<Workers>().workers;
        let is_unfinished = !metrics.contains("\nmanyeyes_images_unfinished 0\n");
        if !is_unfinished && workers.iter().all(|worker| worker.in_flight == 0) {
            return;
        }
        tokio::task::yield_now().await;
    }
}
