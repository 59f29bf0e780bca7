//! Images that are run again, one and many; and which model answers a batch.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use manyeyes_manager::{
    api::{Image, ImageState, Queue, SelectionDone, Uploaded},
    store::{Recorded, Store, StoreSettings},
};
use manyeyes_protocol::{id::ImageId, result::FailureCode};

use super::{
    Running, jpeg,
    page::Page,
    states,
    worker::{Worker, answer, failure},
};

#[tokio::test]
async fn a_recognised_image_that_is_run_again_is_recognised_again_and_counted_once() {
    let running = Running::start().await;
    // What it sees is another thing each time.
    let seen = Arc::new(AtomicU8::new(0));
    let _worker = Worker::with_rule(running.manager.worker_addr(), "worker-1", move |_| {
        Some(Ok(answer(&[seen.fetch_add(1, Relaxed)])))
    });
    let batch = running.batch().await;
    let id = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await.remove(0).id;
    let first = running.finished(&batch).await.images.remove(0);
    assert_eq!((first.labels[0].index, first.model.as_deref()), (0, Some("rule")));
    let mut page = Page::open(&running, &batch, None).await;
    let again = running.client.post(&format!("/api/v1/batches/{batch}/images/{id}/retry"), "", b"").await;
    let again = (again.status, again.json::<Image>());
    assert_eq!((again.0, again.1.labels.len(), again.1.model), (202, 0, None));
    assert_ne!(again.1.state, ImageState::Recognised);
    page.until(|page| page.images.values().all(|image| image.labels.first().is_some_and(|label| label.index == 1)))
        .await;
    let after = running.page(&batch).await;
    assert_eq!((after.counts.total, after.counts.recognised, after.images[0].attempts), (1, 1, 2));
    assert_eq!(page.images.into_values().collect::<Vec<_>>(), after.images);
    let csv = running.client.get(&format!("/api/v1/batches/{batch}/export.csv")).await.text();
    assert!(csv.contains(",class 1,") && !csv.contains(",class 0,"), "{csv}");
}

/// A worker that was cut off, or that finishes what was cancelled, answers the question of before.
#[tokio::test]
async fn an_answer_to_the_run_before_is_none_to_this_one() {
    let running = Running::start().await;
    let mut slow = Worker::on_demand(running.manager.worker_addr(), "slow");
    let batch = running.batch().await;
    let id = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await.remove(0).id;
    let first = slow.take().await;
    let mut quick = Worker::on_demand(running.manager.worker_addr(), "quick");
    let path = format!("/api/v1/batches/{batch}/images/{id}");
    // The slow one is asked, the image is taken back and tried again, and is asked of again; it answers the first question.
    assert_eq!(running.client.post(&format!("{path}/cancel"), "", b"").await.status, 200);
    assert_eq!(running.client.post(&format!("{path}/retry"), "", b"").await.status, 202);
    let (by_slow, second) = tokio::select! {
        again = slow.take() => (true, again),
        again = quick.take() => (false, again),
    };
    slow.answer(first, Ok(answer(&[7])));
    if by_slow { &slow } else { &quick }.answer(second, Ok(answer(&[9])));
    let image = running.finished(&batch).await.images.remove(0);
    assert_eq!((image.labels[0].index, image.attempts), (9, 2));
}

#[tokio::test]
async fn what_a_worker_could_not_say_before_the_manager_was_started_again_ends_its_own_run_only() {
    let running = Running::start().await;
    let mut gone = Worker::on_demand(running.manager.worker_addr(), "gone");
    let batch = running.batch().await;
    let id = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await.remove(0).id;
    let delivered = gone.take().await;
    let worker_address = running.manager.worker_addr();
    let folder = running.stop().await;
    // It finishes while there is no manager.
    gone.answer(delivered, Ok(answer(&[7])));
    let running = Running::in_folder(folder, |settings| settings.worker_listen = worker_address).await;
    let image = running.finished(&batch).await.images.remove(0);
    assert_eq!(image.labels[0].index, 7, "to a first run it is an answer");
    assert_eq!(running.client.post(&format!("/api/v1/batches/{batch}/images/{id}/retry"), "", b"").await.status, 202);
    let again = gone.take().await;
    let folder = running.stop().await;
    gone.answer(again, Ok(answer(&[8])));
    let running = Running::in_folder(folder, |settings| settings.worker_listen = worker_address).await;
    // It is asked once more, unless it was asked before it could say what it had: then that is of this run.
    let page = tokio::select! {
        page = running.finished(&batch) => page,
        again = gone.take() => {
            gone.answer(again, Ok(answer(&[8])));
            running.finished(&batch).await
        }
    };
    assert_eq!((page.images[0].labels[0].index, page.counts.recognised), (8, 1));
}

/// A person's wish is in the books; the manager was killed before it had told anyone.
#[tokio::test]
async fn a_re_run_that_was_only_just_written_down_is_run_once_after_a_crash() {
    let running = Running::start().await;
    let seen = Arc::new(AtomicU8::new(0));
    let worker_address = running.manager.worker_addr();
    let _worker = Worker::with_rule(worker_address, "worker-1", {
        let seen = Arc::clone(&seen);
        move |_| Some(Ok(answer(&[seen.fetch_add(1, Relaxed)])))
    });
    let batch = running.batch().await;
    let id = running.upload(&batch, &[("a.jpg", &jpeg(1))]).await.remove(0).id;
    running.finished(&batch).await;
    let folder = running.stop().await;
    let store = Store::open(folder.path(), StoreSettings::default()).unwrap();
    assert!(matches!(store.reopen(ImageId(id.parse().unwrap())).await.unwrap(), Recorded::Yes(_)));
    store.close();
    drop(store);

    let running = Running::in_folder(folder, |settings| settings.worker_listen = worker_address).await;
    let after = running.finished(&batch).await;
    assert_eq!((after.images[0].labels[0].index, after.images[0].attempts, seen.load(Relaxed)), (1, 2, 2));
    assert_eq!((after.counts.total, after.counts.recognised), (1, 1));
}

/// Several people press buttons on many images while these are being recognised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_images_that_are_run_again_cancelled_and_removed_while_answers_arrive_all_end_and_once() {
    const IMAGES: u32 = 2_000;
    let running = Running::start().await;
    let _workers = ["worker-1", "worker-2"]
        .map(|name| Worker::with_rule(running.manager.worker_addr(), name, |_| Some(Ok(answer(&[1])))));
    let batch = running.batch().await;
    let files: Vec<Vec<u8>> = (0..IMAGES).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    let ids: Vec<String> = running.upload(&batch, &files).await.into_iter().map(|image| image.id).collect();
    running.until(&batch, |page| page.counts.recognised > 100).await;
    let every = |n: usize| ids.iter().step_by(n).cloned().collect::<Vec<_>>();
    let (third, seventh) = (every(3), every(7));
    let deleted = async {
        let first = running.change(&batch, "retry", &ids).await;
        let removed = running.change(&batch, "delete", &seventh).await;
        (first.done + first.refused, removed.done)
    };
    let ((retried, removed), _, _) = tokio::join!(
        deleted,
        async {
            running.change(&batch, "cancel", &third).await;
            running.change(&batch, "retry", &third).await
        },
        async {
            running.change(&batch, "retry", &ids).await;
            running.change(&batch, "retry", &ids).await
        },
    );
    assert_eq!((retried, removed as usize), (IMAGES, seventh.len()));
    running.finished(&batch).await;
    running.change(&batch, "retry", &ids).await;
    let after = running.finished(&batch).await;
    let left = IMAGES - removed;
    assert_eq!((after.counts.total, after.counts.recognised, after.counts.waiting), (left, left, 0));
    let mut page = Page::open(&running, &batch, None).await;
    page.until(|page| page.status.as_ref().is_some_and(|status| status.queue == Queue::default())).await;
}

#[tokio::test]
async fn many_images_are_run_again_cancelled_and_removed_in_one_request_each() {
    let running = Running::start().await;
    let worker = Worker::with_rule(running.manager.worker_addr(), "worker-1", |file| {
        Some(if file.last() == Some(&3) { Err(failure(FailureCode::Damaged, "no")) } else { Ok(answer(file)) })
    });
    let batch = running.batch().await;
    let mut files: Vec<Vec<u8>> = (0..20).map(jpeg).collect();
    files.push(b"no image".to_vec());
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    let mut ids: Vec<String> = running.upload(&batch, &files).await.into_iter().map(|image| image.id).collect();
    running.finished(&batch).await;
    worker.vanish();
    running.until_no_worker().await;
    let foreign = running.upload(&running.batch().await, &[("a.jpg", &jpeg(99))]).await.remove(0).id;
    let mut page = Page::open(&running, &batch, None).await;
    // Twenty that have ended, one that was rejected, one of another batch, one that is none, and all of them twice.
    ids.extend([foreign.clone(), "x".to_owned()]);
    ids.extend(ids.clone());
    assert_eq!(running.change(&batch, "retry", &ids).await, SelectionDone { done: 20, refused: 4 });
    let counts = running.page(&batch).await.counts;
    assert_eq!((counts.waiting, counts.recognised, counts.failed, counts.rejected), (20, 0, 0, 1));
    page.until(|page| states_of(page, ImageState::Waiting) == 20).await;
    assert_eq!(running.change(&batch, "retry", &ids[..20]).await, SelectionDone { done: 0, refused: 20 });

    assert_eq!(running.change(&batch, "cancel", &ids[..5]).await, SelectionDone { done: 5, refused: 0 });
    page.until(|page| states_of(page, ImageState::Cancelled) == 5).await;
    assert_eq!(running.change(&batch, "delete", &ids[..10]).await, SelectionDone { done: 10, refused: 0 });
    page.until(|page| page.images.len() == 11).await;
    assert_eq!(running.change(&batch, "delete", &[foreign]).await, SelectionDone { done: 0, refused: 1 });

    let folder = running.stop().await;
    let running = Running::in_folder(folder, |_| {}).await;
    let counts = running.page(&batch).await.counts;
    assert_eq!((counts.total, counts.waiting), (11, 10), "it was durable");
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    let after = running.finished(&batch).await;
    assert_eq!((after.counts.recognised, after.counts.rejected), (10, 1));
    let json = running.client.get(&format!("/api/v1/batches/{batch}/export.json")).await.json::<Uploaded>();
    assert_eq!(json.images, after.images);
}

#[tokio::test]
async fn a_request_that_names_too_many_images_or_nonsense_is_refused_as_a_whole() {
    let running = Running::with(|settings| settings.limits.selected_images = 3).await;
    let batch = running.batch().await;
    let post = async |body: &str| {
        let path = format!("/api/v1/batches/{batch}/retry");
        let answer = running.client.post(&path, "application/json", body.as_bytes()).await;
        (answer.status, answer.code())
    };
    let refused = |status, code: &str| (status, code.to_owned());
    assert_eq!(post(r#"{"images":["1","2","3","4"]}"#).await, refused(413, "request_too_large"));
    assert_eq!(post(r#"{"images":"1"}"#).await, refused(400, "bad_request"));
    assert_eq!(post("").await, refused(400, "bad_request"));
    let none = running.client.post("/api/v1/batches/none/delete", "application/json", br#"{"images":[]}"#).await;
    assert_eq!(none.code(), "no_such_batch");
}

/// Workers that had all been stopped came back with another model, and one batch had answers of both.
#[tokio::test]
async fn a_batch_that_one_model_has_begun_is_not_answered_by_another_until_an_image_is_run_again() {
    let running = Running::start().await;
    let mut first = Worker::on_demand(running.manager.worker_addr(), "first");
    let batch = running.batch().await;
    let images = running.upload(&batch, &[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2))]).await;
    let (one, _two) = (first.take().await, first.take().await);
    let answered = one.0.0.to_string();
    first.answer(one, Ok(answer(&[1])));
    running.until(&batch, |page| page.counts.recognised == 1).await;
    first.vanish();
    running.until_no_worker().await;
    let mut page = Page::open(&running, &batch, None).await;
    let _second = Worker::holding(running.manager.worker_addr(), "second", 9, "GoogLeNet");
    let blocked = |page: &Page| {
        let notice = page.status.as_ref().and_then(|status| status.notice.as_ref());
        notice.is_some_and(|notice| notice.code == "model_mismatch")
    };
    page.until(blocked).await;
    let message = page.status.as_ref().unwrap().notice.clone().unwrap().message;
    assert!(message.contains("rule") && message.contains("GoogLeNet"), "{message}");
    let other = running.batch().await;
    running.upload(&other, &[("c.jpg", &jpeg(3))]).await;
    assert_eq!(running.finished(&other).await.images[0].model.as_deref(), Some("GoogLeNet"));
    assert_eq!(running.page(&batch).await.counts.recognised, 1, "it waits for the model that has begun it");

    // Also by a manager that was started again.
    let folder = running.stop().await;
    let running = Running::in_folder(folder, |_| {}).await;
    let _second = Worker::holding(running.manager.worker_addr(), "second", 9, "GoogLeNet");
    let other = running.batch().await;
    running.upload(&other, &[("d.jpg", &jpeg(4))]).await;
    running.finished(&other).await;
    let page = running.page(&batch).await;
    assert_eq!(page.images.iter().filter(|image| image.state == ImageState::Recognised).count(), 1);

    running.change(&batch, "retry", &[answered]).await;
    let page = running.finished(&batch).await;
    assert_eq!(states(&page.images), [ImageState::Recognised; 2]);
    assert!(page.images.iter().all(|image| image.model.as_deref() == Some("GoogLeNet")));
    assert_eq!(page.images.len(), images.len());
}

/// Nothing is left that could be run again to choose the other model: the images that wait are the way out.
#[tokio::test]
async fn a_batch_whose_answers_were_deleted_goes_on_when_what_waits_is_cancelled_and_run_again() {
    let running = Running::start().await;
    let mut first = Worker::on_demand(running.manager.worker_addr(), "first");
    let batch = running.batch().await;
    let images = running.upload(&batch, &[("a.jpg", &jpeg(1)), ("b.jpg", &jpeg(2)), ("c.jpg", &jpeg(3))]).await;
    let one = first.take().await;
    let answered = one.0.0.to_string();
    first.answer(one, Ok(answer(&[1])));
    running.until(&batch, |page| page.counts.recognised == 1).await;
    first.vanish();
    running.until_no_worker().await;
    assert_eq!(running.change(&batch, "delete", std::slice::from_ref(&answered)).await.done, 1);
    let mut page = Page::open(&running, &batch, None).await;
    let _second = Worker::holding(running.manager.worker_addr(), "second", 9, "GoogLeNet");
    let notice = |page: &Page| page.status.as_ref().and_then(|status| status.notice.clone());
    page.until(|page| notice(page).is_some_and(|notice| notice.code == "model_mismatch")).await;
    let message = notice(&page).unwrap().message;
    assert!(message.contains("cancel those that wait and run them again"), "{message}");

    let waiting: Vec<_> = images.into_iter().map(|image| image.id).filter(|id| *id != answered).collect();
    running.change(&batch, "cancel", &waiting[..1]).await;
    running.change(&batch, "retry", &waiting[..1]).await;
    let after = running.finished(&batch).await;
    assert_eq!(states(&after.images), [ImageState::Recognised; 2], "one of them takes the others along");
    assert!(after.images.iter().all(|image| image.model.as_deref() == Some("GoogLeNet")));
}

fn states_of(page: &Page, state: ImageState) -> usize {
    page.images.values().filter(|image| image.state == state).count()
}
