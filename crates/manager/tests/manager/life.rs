//! The life of an image, of a batch and of the manager, over every address.

use std::time::Instant;

use manyeyes_manager::{
    StartError,
    api::{Image, ImageState, Known, Model, Uploaded, WorkerState, Workers},
    start,
};
use manyeyes_protocol::result::FailureCode;

use super::{
    PATIENCE, Running, codes, http, jpeg,
    page::Page,
    settings, states,
    worker::{Worker, answer, failure},
};

fn sum_of_parts(image: &Image) -> f64 {
    let t = image.timing_ms;
    let parts = [t.upload, t.waiting, t.sending, t.receive, t.worker_queue, t.decoding, t.inference, t.returning];
    parts.into_iter().flatten().sum()
}

#[tokio::test]
async fn an_uploaded_image_comes_back_with_labels_and_its_time_adds_up() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    let batch = running.batch().await;
    let images = running.upload(&batch, &[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2))]).await;
    assert_eq!(images.iter().map(|image| &image.name[..]).collect::<Vec<_>>(), ["a.jpg", "b.jpg"]);
    let page = running.finished(&batch).await;
    assert_eq!(page.counts.recognised, 2);
    for (image, class) in page.images.iter().zip([1, 2]) {
        assert_eq!((image.labels[0].index, image.worker.as_deref()), (class, Some("worker-1")));
        assert_eq!((image.attempts, image.media_type.as_deref()), (1, Some("image/jpeg")));
        let total = image.timing_ms.total.unwrap();
        assert!((sum_of_parts(image) - total).abs() < 1e-6, "{:?}", image.timing_ms);
        assert!(image.timing_ms.upload.is_some());
    }
    assert!(page.throughput.images_per_s > 0.0);
}

#[tokio::test]
async fn without_a_worker_images_wait_and_the_manager_says_so() {
    let running = Running::start().await;
    let ready = running.client.get("/readyz").await;
    assert_eq!((ready.status, ready.code().as_str()), (503, "not_ready"));
    assert_eq!(running.client.get("/healthz").await.status, 200);
    let batch = running.batch().await;
    let images = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    assert_eq!(states(&images), [ImageState::Waiting]);
    let page = Page::open(&running, &batch, None).await;
    assert_eq!(page.status.unwrap().notice.unwrap().code, "no_worker");
    let _worker = Worker::start(running.manager.worker_addr(), "late");
    assert_eq!(running.finished(&batch).await.counts.recognised, 1);
    assert_eq!(running.client.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn workers_model_and_metrics_tell_what_is_known() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "eye");
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    running.finished(&batch).await;
    let workers = running.client.get("/api/v1/workers").await.json::<Workers>().workers;
    assert_eq!((workers.len(), &workers[0].id[..], workers[0].images), (1, "eye", 1));
    assert_eq!((workers[0].state, workers[0].in_flight), (WorkerState::Idle, 0));
    assert!(workers[0].payload_bytes >= jpeg(1).len() as u64);
    let model = running.client.get("/api/v1/model").await.json::<Model>();
    assert_eq!(model.name.as_deref(), Some("rule"));
    // It is counted a moment after it is in the books.
    let deadline = Instant::now() + PATIENCE;
    let metrics = loop {
        let metrics = running.client.get("/metrics").await.text();
        if metrics.contains("\nmanyeyes_images_recognised_total 1\n") {
            break metrics;
        }
        assert!(Instant::now() < deadline, "{metrics}");
    };
    assert!(metrics.contains("manyeyes_worker_images_total{worker=\"eye\"} 1\n"), "{metrics}");
    if cfg!(target_os = "linux") {
        let worker = &workers[0];
        assert!(worker.wire_bytes_sent >= jpeg(1).len() as u64 && worker.least_rtt_ms.is_some(), "{worker:?}");
        assert!(metrics.contains("manyeyes_worker_window_bytes{worker=\"eye\"} "), "{metrics}");
    }
}

/// It is in the books with the answer, and told again from there.
#[tokio::test]
async fn an_answered_image_tells_what_the_wire_carried_of_it() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "eye");
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    let image = running.finished(&batch).await.images.remove(0);
    let wire = image.wire.expect("what the wire carried");
    assert_eq!(wire.bytes_sent, image.bytes + wire.bytes_resent, "{wire:?}");
    assert_eq!(wire.rtt_ms.is_some(), cfg!(target_os = "linux"), "{wire:?}");
}

/// A worker that crashed early is still to be read at the end of a long experiment; the page forgets it after two minutes.
#[tokio::test]
async fn what_a_worker_carried_and_how_is_told_also_when_it_has_gone() {
    let running =
        Running::with(|settings| settings.congestion_control = cfg!(target_os = "linux").then(|| "reno".into())).await;
    let worker = Worker::start(running.manager.worker_addr(), "eye");
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    running.finished(&batch).await;
    worker.vanish();
    running.until_no_worker().await;
    let workers = running.client.get("/api/v1/workers?all=true").await.json::<Workers>().workers;
    assert_eq!((workers[0].state, workers[0].images), (WorkerState::Gone, 1));
    assert!(workers[0].payload_bytes >= jpeg(1).len() as u64);
    let metrics = running.client.get("/metrics").await.text();
    assert!(metrics.contains("manyeyes_worker_images_total{worker=\"eye\"} 1\n"), "{metrics}");
    if cfg!(target_os = "linux") {
        assert_eq!(workers[0].congestion_control.as_deref(), Some("reno"));
        let info = "manyeyes_worker_info{worker=\"eye\",congestion_control=\"reno\"} 1\n";
        assert!(metrics.contains(info), "{metrics}");
    }
}

#[tokio::test]
async fn classify_answers_with_the_image_or_says_where_it_will_be() {
    let running = Running::start().await;
    let late = running.client.post("/api/v1/classify?timeout=0&name=a.jpg", "image/jpeg", &jpeg(3)).await;
    assert_eq!((late.status, late.json::<Image>().state), (202, ImageState::Waiting));
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    let now = running.client.post("/api/v1/classify?name=b.jpg", "image/jpeg", &jpeg(4)).await;
    let image = now.json::<Image>();
    assert_eq!((now.status, image.state, image.labels[0].index), (200, ImageState::Recognised, 4));
    let location = &late.headers["location"];
    let batch = location.split('/').nth(4).unwrap();
    running.finished(batch).await;
    assert_eq!(running.client.get(location).await.json::<Image>().state, ImageState::Recognised);
    let (content_type, body) = http::multipart(&[("c.jpg", &jpeg(5))]);
    assert_eq!(running.client.post("/api/v1/classify", &content_type, &body).await.status, 200);
    let rejected = running.client.post("/api/v1/classify", "", b"no image").await;
    assert_eq!((rejected.status, rejected.json::<Image>().state), (200, ImageState::Rejected));
}

/// A pack that is a link to `/dev/full`: a worker has the image in memory, and its answer may come before the disk has refused the file.
#[tokio::test]
async fn classify_answers_nothing_of_a_file_that_the_disk_did_not_take() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    std::os::unix::fs::symlink("/dev/full", running.folder.path().join("packs/1")).unwrap();
    let refused = running.client.post("/api/v1/classify", "", &jpeg(3)).await;
    assert_eq!((refused.status, refused.code().as_str()), (507, "no_space"));
    let after = running.client.post("/api/v1/classify", "", &jpeg(4)).await;
    assert_eq!((after.status, after.json::<Image>().state), (200, ImageState::Recognised));
}

#[tokio::test]
async fn an_idempotency_key_makes_a_repeated_upload_harmless() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let client = running.client.with("Idempotency-Key: once");
    let path = format!("/api/v1/batches/{batch}/images?name=a.jpg");
    let first = client.post(&path, "", &jpeg(1)).await;
    let again = client.post(&path, "", &jpeg(1)).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.json::<Uploaded>().images[0].id, again.json::<Uploaded>().images[0].id);
    assert_eq!(running.page(&batch).await.counts.total, 1);
}

#[tokio::test]
async fn known_files_are_told_by_their_digests() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let image = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await.remove(0);
    let there = image.sha256.unwrap();
    let question = Known { sha256: vec!["00".repeat(32), there.clone()] };
    let path = format!("/api/v1/batches/{batch}/known");
    let body = serde_json::to_vec(&question).unwrap();
    let answer = running.client.post(&path, "application/json", &body).await;
    assert_eq!(answer.json::<Known>().sha256, [there]);
    let wrong = running.client.post(&path, "application/json", b"{\"sha256\":[\"zz\"]}").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "bad_request"));
}

#[tokio::test]
async fn a_batch_is_read_a_page_at_a_time() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let files: Vec<Vec<u8>> = (0..5).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    let ids: Vec<String> = running.upload(&batch, &files).await.into_iter().map(|image| image.id).collect();
    let path = format!("/api/v1/batches/{batch}?limit=2&after={}", ids[1]);
    let page = running.client.get(&path).await.json::<manyeyes_manager::api::BatchPage>();
    assert_eq!(page.images.iter().map(|image| &image.id).collect::<Vec<_>>(), [&ids[2], &ids[3]]);
    assert!(page.more);
    assert_eq!(page.counts.total, 5);
}

#[tokio::test]
async fn deleted_images_and_batches_are_gone() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let images = running.upload(&batch, &[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2))]).await;
    let mut page = Page::open(&running, &batch, None).await;
    let path = format!("/api/v1/batches/{batch}/images/{}", images[0].id);
    assert_eq!(running.client.request("DELETE", &path, "", b"").await.status, 204);
    assert_eq!(running.client.get(&path).await.code(), "no_such_image");
    page.until(|page| page.images.len() == 1).await;
    let path = format!("/api/v1/batches/{batch}");
    assert_eq!(running.client.request("DELETE", &path, "", b"").await.status, 204);
    let gone = running.client.get(&path).await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "no_such_batch"));
    assert!(gone.text().contains("30 days after its last change"), "{}", gone.text());
    page.until(|page| page.is_gone).await;
}

#[tokio::test]
async fn a_cancelled_image_stays_and_can_be_tried_again() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let image = running.upload(&batch, &[("a.jpg", &jpeg(9))]).await.remove(0);
    let path = format!("/api/v1/batches/{batch}/images/{}", image.id);
    let cancelled = running.client.post(&format!("{path}/cancel"), "", b"").await;
    assert_eq!((cancelled.status, cancelled.json::<Image>().state), (200, ImageState::Cancelled));
    assert_eq!(running.client.post(&format!("{path}/cancel"), "", b"").await.code(), "ended");
    let retried = running.client.post(&format!("{path}/retry"), "", b"").await;
    assert_eq!((retried.status, retried.json::<Image>().state), (202, ImageState::Waiting));
    assert_eq!(running.client.post(&format!("{path}/retry"), "", b"").await.code(), "not_retriable");
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    assert_eq!(states(&running.finished(&batch).await.images), [ImageState::Recognised]);
}

#[tokio::test]
async fn the_file_comes_back_as_it_was_under_the_type_that_it_has() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let image = running.upload(&batch, &[("a.html", &jpeg(1))]).await.remove(0);
    let answer = running.client.get(&format!("/api/v1/batches/{batch}/images/{}/file", image.id)).await;
    assert_eq!((answer.status, answer.body), (200, jpeg(1)));
    assert_eq!(answer.headers["content-type"], "image/jpeg");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
}

#[tokio::test]
async fn exports_hold_every_image_and_no_formula() {
    let running = Running::with(|settings| settings.limits.page_images = 2).await;
    let batch = running.batch().await;
    let files: [(&str, &[u8]); 5] =
        [("=1+1", &jpeg(1)), ("b", &jpeg(2)), ("c", b"text"), ("d", &jpeg(4)), ("e", &jpeg(5))];
    running.upload(&batch, &files).await;
    let csv = running.client.get(&format!("/api/v1/batches/{batch}/export.csv")).await.text();
    assert_eq!(csv.lines().count(), 6, "{csv}");
    assert!(csv.contains(",'=1+1,waiting,"), "{csv}");
    let json = running.client.get(&format!("/api/v1/batches/{batch}/export.json")).await.json::<Uploaded>();
    assert_eq!(codes(&json.images), ["", "", "not_an_image", "", ""]);
}

#[tokio::test]
async fn the_interface_of_the_original_still_works() {
    let running = Running::start().await;
    let (content_type, body) = http::multipart(&[("a.jpg", &jpeg(1))]);
    let answer = running.client.post("/api/task", &content_type, &body).await;
    let reply = answer.json::<serde_json::Value>();
    assert_eq!(
        (answer.status, &reply["code"], &reply["result"]),
        (200, &100.into(), &"Command executed successfully".into())
    );
    let task = reply["data"]["task_id"].as_str().unwrap();
    let file = running.client.get(&format!("/upload/{task}")).await;
    assert_eq!((file.status, file.body), (200, jpeg(1)));
    let code = |answer: http::Answer| answer.json::<serde_json::Value>()["code"].as_u64();
    let (content_type, nothing) = http::multipart(&[]);
    assert_eq!(code(running.client.post("/api/task", &content_type, &nothing).await), Some(201));
    assert_eq!(code(running.client.post("/api/task", "", b"x").await), Some(201));
    let (content_type, empty) = http::multipart(&[("a.jpg", b"")]);
    assert_eq!(code(running.client.post("/api/task", &content_type, &empty).await), Some(202));
    let usage = running.client.request("OPTIONS", "/api/task", "", b"").await;
    assert_eq!(usage.status, 200);
    assert!(usage.text().contains("POST /api/task"));
    assert_eq!(running.client.get("/upload/unknown").await.status, 404);
}

#[tokio::test]
async fn what_was_accepted_is_finished_by_the_next_run() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let images = running.upload(&batch, &[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2))]).await;
    let page = Page::open(&running, &batch, None).await;
    let last = page.seq;
    page.close().await;
    let folder = running.stop().await;
    let running = Running::in_folder(folder, |_| {}).await;
    assert_eq!(states(&running.page(&batch).await.images), [ImageState::Waiting; 2]);
    let mut page = Page::open(&running, &batch, Some(last)).await;
    assert!(page.seq > last && page.was_complete);
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    page.until(|page| page.images.values().all(|image| image.state == ImageState::Recognised)).await;
    assert_eq!(page.images.len(), images.len());
}

#[tokio::test]
async fn an_image_that_crashes_two_workers_is_given_up_and_its_neighbour_is_not() {
    let running = Running::start().await;
    let poison = |file: &[u8]| match file.last() {
        Some(&13) => Some(Err(failure(FailureCode::Crashed, "it panicked"))),
        _ => Some(Ok(answer(file))),
    };
    let _one = Worker::with_rule(running.manager.worker_addr(), "one", poison);
    let _two = Worker::with_rule(running.manager.worker_addr(), "two", poison);
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(13)), ("b.jpg", &jpeg(2))]).await;
    let page = running.finished(&batch).await;
    assert_eq!(codes(&page.images), ["worker_failures", ""]);
    let message = &page.images[0].error.as_ref().unwrap().message;
    assert!(message.contains("one") && message.contains("two"), "{message}");
}

#[tokio::test]
async fn what_a_worker_had_goes_to_another_when_it_vanishes() {
    let running = Running::start().await;
    let mut silent = Worker::with_rule(running.manager.worker_addr(), "silent", |_| None);
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    silent.assigned.recv().await.unwrap();
    let shown = running.until(&batch, |page| page.counts.assigned == 1).await;
    assert_eq!(shown.images[0].worker.as_deref(), Some("silent"));
    silent.vanish();
    let _worker = Worker::start(running.manager.worker_addr(), "other");
    let image = running.finished(&batch).await.images.remove(0);
    assert_eq!((image.worker.as_deref(), image.attempts), (Some("other"), 2));
}

#[tokio::test]
async fn a_start_that_cannot_be_says_why() {
    let running = Running::start().await;
    let same_folder = start(settings(running.folder.path())).await;
    assert!(matches!(same_folder, Err(StartError::Store(error)) if error.to_string().contains("in use")));
    let other = tempfile::tempdir().unwrap();
    let mut same_port = settings(other.path());
    same_port.listen = running.manager.http_addr();
    let error = start(same_port.clone()).await.err().unwrap().to_string();
    assert!(error.contains(&same_port.listen.to_string()) && error.contains("another program"), "{error}");
    same_port.listen.set_port(0);
    same_port.worker_listen = running.manager.worker_addr();
    let error = start(same_port).await.err().unwrap().to_string();
    assert!(error.contains("for workers"), "{error}");
    let file = other.path().join("file");
    std::fs::write(&file, "").unwrap();
    let unwritable = start(settings(&file.join("data"))).await;
    assert!(matches!(unwritable, Err(StartError::Store(error)) if error.to_string().contains("cannot be written")));
}

#[tokio::test]
async fn beyond_loopback_a_token_is_asked_for() {
    let running = Running::with(|settings| settings.listen = ([0, 0, 0, 0], 0).into()).await;
    let url = running.manager.page_url();
    let token = url.split_once("/#token=").expect("the address has the token").1.to_owned();
    let address = ([127, 0, 0, 1], running.manager.http_addr().port()).into();
    let client = http::Client::new(address);
    let refused = client.get("/api/v1/workers").await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "token_needed"));
    assert_eq!(client.with(&format!("Authorization: Bearer {token}")).get("/api/v1/workers").await.status, 200);
    assert_eq!(client.get("/").await.status, 200, "the page is there, to log in on it");
}

#[tokio::test]
async fn requests_of_other_web_sites_are_refused() {
    let running = Running::start().await;
    let foreign = running.client.with("Origin: http://evil.example").post("/api/v1/batches", "", b"").await;
    assert_eq!((foreign.status, foreign.code().as_str()), (403, "foreign_origin"));
    let rebound = running.client.with("Host: evil.example").get("/api/v1/workers").await;
    assert_eq!((rebound.status, rebound.code().as_str()), (403, "foreign_host"));
}

#[tokio::test]
async fn unknown_addresses_are_answered_in_the_form_of_all_errors() {
    let running = Running::start().await;
    assert_eq!(running.client.get("/api/v1/nothing").await.code(), "no_such_address");
    assert_eq!(running.client.request("PUT", "/api/v1/batches", "", b"").await.code(), "wrong_method");
    assert_eq!(running.client.get("/assets/missing.js").await.status, 404);
    let page = running.client.get("/b/some-batch").await;
    assert_eq!((page.status, &page.headers["content-type"][..9]), (200, "text/html"));
}
