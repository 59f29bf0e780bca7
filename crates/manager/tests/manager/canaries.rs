//! Known pictures catch a worker that answers wrongly: it is set aside, what it answered is recognised again, and it comes
//! back when it is right again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

use manyeyes_manager::{
    api::{HappeningKind, ImageState, WorkerState, Workers},
    settings::{Canary, CanarySettings},
};
use manyeyes_protocol::result::FailureCode;

use super::{
    Running, jpeg,
    page::Page,
    worker::{Worker, answer, failure},
};

/// Asked at the beginning, and again after so many deliveries.
const EVERY: u32 = 10;

async fn watched() -> Running {
    let canary = Canary { name: "seven.jpg".to_owned(), file: jpeg(7).into(), classes: vec!["class 7".to_owned()] };
    Running::with(|settings| settings.canaries = CanarySettings { pictures: vec![canary], every: EVERY }).await
}

async fn metric(running: &Running, name: &str) -> f64 {
    let text = running.client.get("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("manyeyes_{name} ")));
    line.unwrap_or_else(|| panic!("no metric {name}")).parse().unwrap()
}

#[tokio::test]
async fn what_a_worker_answered_before_it_was_found_to_be_wrong_is_recognised_again_elsewhere() {
    let running = watched().await;
    let (asked, mended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let is_mended = Arc::clone(&mended);
    // It is right about the canary of the beginning, and then about nothing.
    let _liar = Worker::with_rule(running.manager.worker_addr(), "liar", move |file| {
        let is_right = asked.fetch_add(1, SeqCst) == 0 || is_mended.load(SeqCst);
        Some(Ok(if is_right { answer(file) } else { answer(&[99]) }))
    });
    let batch = running.batch().await;
    let mut page = Page::open(&running, &batch, None).await;
    page.until(|page| page.status.as_ref().is_some_and(|status| !status.workers.is_empty())).await;
    let files: Vec<Vec<u8>> = (0..EVERY).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    running.upload(&batch, &files).await;
    page.until(|page| {
        let status = page.status.as_ref().unwrap();
        let is_aside = status.workers.iter().any(|worker| worker.state == WorkerState::SetAside);
        // It had its answers, and they are gone.
        let had_answers = page.seen.iter().any(|image| image.state == ImageState::Recognised);
        is_aside && had_answers && page.images.values().all(|image| image.state == ImageState::Waiting)
    })
    .await;
    // What it had not answered by then was taken from it before.
    let taken_back = metric(&running, "answers_taken_back_total").await;
    assert!((1.0..=f64::from(EVERY)).contains(&taken_back), "{taken_back}");

    let _honest = Worker::start(running.manager.worker_addr(), "honest");
    let finished = running.finished(&batch).await;
    for (number, image) in finished.images.iter().enumerate() {
        assert_eq!((image.labels[0].index, image.worker.as_deref()), (number as u32, Some("honest")));
    }
    let aside = running.client.get("/api/v1/workers").await.json::<Workers>().workers;
    assert!(aside.iter().any(|worker| worker.id == "liar" && worker.state == WorkerState::SetAside));
    assert!(metric(&running, "canaries_wrong_total").await >= 1.0);

    mended.store(true, SeqCst);
    page.until(|page| page.status.as_ref().unwrap().happenings.iter().any(|one| one.kind == HappeningKind::Restored))
        .await;
    let happenings = &page.status.as_ref().unwrap().happenings;
    let story: Vec<_> = happenings.iter().map(|one| (one.kind, one.worker.as_str())).collect();
    let (joined, aside, restored) = (HappeningKind::Joined, HappeningKind::SetAside, HappeningKind::Restored);
    assert_eq!(story, [(joined, "liar"), (aside, "liar"), (joined, "honest"), (restored, "liar")]);
    let why = happenings[1].detail.as_deref();
    assert_eq!(why, Some("it answered 'class 99' to a known picture of 'class 7' (seven.jpg)"));
    running.stop().await;
}

#[tokio::test]
async fn a_canary_is_no_image_and_is_in_no_book() {
    let running = watched().await;
    let _worker = Worker::start(running.manager.worker_addr(), "eye");
    let batch = running.batch().await;
    let id: u64 = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await.remove(0).id.parse().unwrap();
    running.finished(&batch).await;
    let workers = running.client.get("/api/v1/workers").await.json::<Workers>().workers;
    assert_eq!((workers[0].images, workers[0].in_flight), (1, 0));
    assert_eq!(
        (metric(&running, "deliveries_total").await, metric(&running, "canaries_asked_total{worker=\"eye\"}").await),
        (1.0, 1.0)
    );
    let later: u64 = running.upload(&batch, &[("b.jpg", &jpeg(2))]).await.remove(0).id.parse().unwrap();
    assert_eq!(later, id + 1, "numbers are for images");
    running.stop().await;
}

/// A worker whose decoder is broken loses everybody's images for good, as damaged files.
#[tokio::test]
async fn a_worker_that_takes_a_known_picture_for_damaged_is_wrong_too_and_what_it_refused_is_tried_again() {
    let running = watched().await;
    let first = Worker::start(running.manager.worker_addr(), "honest");
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    running.finished(&batch).await;
    drop(first);
    running.until_no_worker().await;
    let asked = Arc::new(AtomicU32::new(0));
    let mut broken = Worker::with_rule(running.manager.worker_addr(), "broken", move |file| {
        let is_canary_of_the_beginning = asked.fetch_add(1, SeqCst) == 0;
        let damaged = failure(FailureCode::Damaged, "the file is damaged");
        Some(if is_canary_of_the_beginning { Ok(answer(file)) } else { Err(damaged) })
    });
    broken.assigned.recv().await.unwrap();
    let files: Vec<Vec<u8>> = (10..10 + EVERY).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    running.upload(&batch, &files).await;
    running.until(&batch, |page| page.counts.waiting == EVERY).await;
    let _honest = Worker::start(running.manager.worker_addr(), "honest");
    let finished = running.finished(&batch).await;
    assert_eq!(finished.counts.recognised, EVERY + 1);
    running.stop().await;
}
