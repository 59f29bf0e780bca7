//! What a page is told of workers that come, go and are turned away, and that it is told something at all.

use std::time::Duration;

use manyeyes_manager::api::{Happening, HappeningKind, ImageState};

use super::{Running, jpeg, page::Page, worker::Worker};

#[tokio::test]
async fn a_worker_that_is_lost_is_told_with_the_number_of_its_images_that_moved_on() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let mut page = Page::open(&running, &batch, None).await;
    // Of five images it answers one and dies with the others.
    let mut dying = Worker::with_rule(running.manager.worker_addr(), "eye", |file| {
        (file.last() == Some(&0)).then(|| Ok(super::worker::answer(file)))
    });
    let files: Vec<Vec<u8>> = (0..5).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    running.upload(&batch, &files).await;
    for _ in 0..5 {
        dying.assigned.recv().await.unwrap();
    }
    page.until(|page| page.images.values().any(|image| image.state == ImageState::Recognised)).await;
    dying.vanish();
    page.until(|page| told(page).iter().any(|one| one.kind == HappeningKind::Lost)).await;
    let _other = Worker::start(running.manager.worker_addr(), "eye");
    page.until(|page| told(page).iter().any(|one| one.kind == HappeningKind::Back)).await;
    let story: Vec<_> = told(&page).iter().map(|one| (one.kind, &one.worker[..], one.images)).collect();
    let (joined, lost, back) = (HappeningKind::Joined, HappeningKind::Lost, HappeningKind::Back);
    assert_eq!(story, [(joined, "eye", 0), (lost, "eye", 4), (back, "eye", 0)]);
    let other = Page::open(&running, &running.batch().await, None).await;
    assert_eq!(numbers(&other), numbers(&page), "pages of all batches are told the same");
}

#[tokio::test]
async fn a_worker_with_another_model_is_turned_away_and_the_page_says_why_and_once() {
    let running = Running::start().await;
    let _worker = Worker::start(running.manager.worker_addr(), "eye");
    let mut page = Page::open(&running, &running.batch().await, None).await;
    page.until(|page| !told(page).is_empty()).await;
    for _ in 0..2 {
        let _other = Worker::holding(running.manager.worker_addr(), "other", 9, "GoogLeNet");
        let before = told(&page).last().map(|one| (one.seq, one.ago_ms));
        page.until(|page| {
            let last = told(page).last();
            last.is_some_and(|one| one.kind == HappeningKind::Refused && Some((one.seq, one.ago_ms)) != before)
        })
        .await;
    }
    assert_eq!(told(&page).len(), 2);
    let why = told(&page)[1].detail.clone().unwrap();
    assert!(why.contains("in use is rule") && why.contains("holds GoogLeNet"), "{why}");
    assert_eq!(page.status.unwrap().model.name.as_deref(), Some("rule"));
}

/// Fifteen seconds without a word are a lost connection to a page.
#[tokio::test]
async fn a_page_is_told_the_status_though_nothing_happens() {
    let running = Running::with(|settings| settings.limits.subscriber_status = Duration::from_millis(1)).await;
    let mut page = Page::open(&running, &running.batch().await, None).await;
    for _ in 0..3 {
        page.status = None;
        page.until(|page| page.status.is_some()).await;
    }
}

fn told(page: &Page) -> &[Happening] {
    page.status.as_ref().map_or(&[], |status| &status.happenings)
}

fn numbers(page: &Page) -> Vec<u64> {
    told(page).iter().map(|one| one.seq).collect()
}
