//! A manager that ends: what is with workers is finished, what is new is refused, all else is answered until the end, and
//! nothing that was accepted is lost.

use std::time::{Duration, Instant};

use manyeyes_manager::api::{Image, ImageState, Uploaded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    PATIENCE, Running, http, jpeg,
    page::Page,
    worker::{Worker, answer},
};

async fn refused(running: &Running, path: &str) {
    let answer = running.client.post(path, "image/jpeg", &jpeg(9)).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "shutting_down"), "{path}");
    assert!(answer.headers["retry-after"].parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn what_workers_have_is_finished_and_nothing_new_is_begun_while_all_else_goes_on() {
    const IMAGES: u32 = 200;
    let running = Running::start().await;
    let mut worker = Worker::on_demand(running.manager.worker_addr(), "worker-1");
    let batch = running.batch().await;
    let files: Vec<Vec<u8>> = (0..IMAGES).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    let ids: Vec<String> = running.upload(&batch, &files).await.into_iter().map(|image| image.id).collect();
    running.change(&batch, "cancel", &ids[IMAGES as usize - 1..]).await;
    let first = worker.take().await;
    let mut page = Page::open(&running, &batch, None).await;

    let drained = running.manager.drain(PATIENCE);
    let meanwhile = async {
        page.until(|page| {
            page.status.as_ref().and_then(|status| status.notice.as_ref()).is_some_and(|it| it.code == "shutting_down")
        })
        .await;
        refused(&running, &format!("/api/v1/batches/{batch}/images")).await;
        refused(&running, "/api/v1/classify").await;
        refused(&running, "/api/v1/batches").await;
        refused(&running, &format!("/api/v1/batches/{batch}/images/{}/retry", ids.last().unwrap())).await;
        assert_eq!(running.client.get("/readyz").await.status, 503);
        assert_eq!(running.client.get("/healthz").await.status, 200);
        assert_eq!(running.client.get(&format!("/api/v1/batches/{batch}/images/{}/file", ids[0])).await.status, 200);
        // What was given to the worker before is with it by now or on its way, and is all that it gets.
        worker.answer(first, Ok(answer(&[1])));
        while running.page(&batch).await.counts.assigned > 0 {
            if let Some(delivery) = worker.try_take() {
                worker.answer(delivery, Ok(answer(&[1])));
            }
        }
    };
    tokio::join!(drained, meanwhile);
    let counts = running.page(&batch).await.counts;
    assert!(counts.recognised >= 1 && counts.waiting > 0, "the rest waits for the next run: {counts:?}");
    assert_eq!(counts.recognised + counts.waiting + counts.cancelled, IMAGES);
    page.until(|page| {
        page.images.values().filter(|image| image.state == ImageState::Recognised).count() == counts.recognised as usize
    })
    .await;

    let folder = running.stop().await;
    let running = Running::in_folder(folder, |_| {}).await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-2");
    assert_eq!(running.finished(&batch).await.counts.recognised, IMAGES - 1);
}

#[tokio::test]
async fn a_worker_that_hangs_does_not_keep_the_manager_from_ending() {
    let running = Running::start().await;
    let mut worker = Worker::on_demand(running.manager.worker_addr(), "worker-1");
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    worker.take().await;
    let Running { manager, folder, .. } = running;
    let ended = tokio::time::timeout(PATIENCE, manager.shutdown(Duration::from_millis(50))).await;
    ended.expect("it ends soon after its grace");
    let running = Running::in_folder(folder, |_| {}).await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-2");
    assert_eq!(running.finished(&batch).await.counts.recognised, 1);
}

#[tokio::test]
async fn an_upload_that_is_under_way_when_the_end_begins_is_finished_and_kept() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let path = format!("/api/v1/batches/{batch}/images?name=a.jpg");
    let file = jpeg(1);
    let client = running.client.with("Expect: 100-continue");
    let mut upload = client.begin("POST", &path, "image/jpeg", file.len()).await;
    let mut go_on = [0; 25];
    upload.read_exact(&mut go_on).await.unwrap();
    running.manager.drain(PATIENCE).await;
    refused(&running, &path).await;
    upload.write_all(&file).await.unwrap();
    let answer = http::answer(&mut upload).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let image = answer.json::<Uploaded>().images.remove(0);
    let running = Running::in_folder(running.stop().await, |_| {}).await;
    assert_eq!(running.page(&batch).await.images[0].id, image.id);
}

#[tokio::test]
async fn who_waits_for_an_answer_that_does_not_come_before_the_end_is_told_where_it_will_be() {
    let running = Running::start().await;
    let client = running.client.clone();
    let waiting = tokio::spawn(async move { client.post("/api/v1/classify?timeout=300", "", &jpeg(1)).await });
    let metrics = || async { running.client.get("/metrics").await.text() };
    let deadline = Instant::now() + PATIENCE;
    while !metrics().await.contains("\nmanyeyes_images_accepted_total 1\n") {
        assert!(Instant::now() < deadline, "it is accepted");
    }
    let folder = running.stop().await;
    let answer = tokio::time::timeout(PATIENCE, waiting).await.expect("it is not kept waiting").unwrap();
    assert_eq!((answer.status, answer.json::<Image>().state), (202, ImageState::Waiting));
    let running = Running::in_folder(folder, |_| {}).await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    let path = answer.headers["location"].clone();
    let deadline = Instant::now() + PATIENCE;
    while running.client.get(&path).await.json::<Image>().state != ImageState::Recognised {
        assert!(Instant::now() < deadline, "it is answered by the next manager");
    }
}
