//! What is in the books: endings, pages, keys, deletion.

use super::*;
use crate::api::{Counts, ImageState};

#[tokio::test]
async fn the_first_ending_of_an_image_wins() {
    let house = House::new();
    let batch = house.batch().await;
    let image = house.kept(batch, b"a cat").await.id;
    let first = yes(house.store.finish(image, recognised("tabby")).await.unwrap());
    assert_eq!((first.state, first.labels[0].name.as_str()), (ImageState::Recognised, "tabby"));
    let second = house.store.finish(image, recognised("dog")).await.unwrap();
    assert_eq!(second, Recorded::No(Box::new(first.clone())));
    assert_eq!(house.store.finish(image, failed("late")).await.unwrap(), second);
    let (_wreck, store) = house.crash();
    assert_eq!(store.image(batch, image).unwrap(), Some(first));
}

#[tokio::test]
async fn only_the_ending_that_wins_is_told_before_it_is_durable() {
    let house = House::new();
    let batch = house.batch().await;
    let image = house.kept(batch, b"a cat").await.id;
    let (decided, recorded) = house.store.finish_soon(image, recognised("tabby"));
    assert_eq!(*decided.await.unwrap(), yes(recorded.await.unwrap()));
    let (decided, recorded) = house.store.finish_soon(image, recognised("dog"));
    assert!(decided.await.is_err());
    assert!(matches!(recorded.await.unwrap(), Recorded::No(_)));
}

#[tokio::test]
async fn of_endings_that_arrive_together_one_wins() {
    let house = House::new();
    let batch = house.batch().await;
    let image = house.kept(batch, b"a cat").await.id;
    let endings = (0..20).map(|n| house.store.finish(image, recognised(&n.to_string()))).collect::<Vec<_>>();
    let recorded = futures_util::future::join_all(endings).await;
    let winners = recorded.iter().filter(|recorded| matches!(recorded, Ok(Recorded::Yes(_)))).count();
    assert_eq!(winners, 1);
    assert_eq!(house.store.facts(batch).unwrap().answered_images, 1);
}

#[tokio::test]
async fn an_image_can_be_read_and_ended_before_it_is_durable() {
    let house = House::new();
    let batch = house.batch().await;
    for bytes in [noise(1, 100_000), noise(2, 1_000_000)] {
        let keeping = keep(&house.store, batch, &bytes).await.unwrap();
        let image = keeping.images[0].id;
        assert_eq!(house.store.payload(image).unwrap(), bytes);
        // Not waited for: the ending has its place behind the upload.
        let ended = house.store.finish(image, recognised("tabby"));
        yes(ended.await.unwrap());
        keeping.durable.await.unwrap();
    }
    assert_eq!(house.store.facts(batch).unwrap().counts.recognised, 2);
}

#[tokio::test]
async fn a_change_that_is_called_later_has_a_higher_number() {
    let house = House::new();
    let batch = house.batch().await;
    let image = house.kept(batch, b"a cat").await;
    let between = house.store.next_seq();
    let ending = house.store.finish(image.id, recognised("tabby"));
    assert!(image.seq < between && between < ending.seq);
    let seq = ending.seq;
    assert_eq!(yes(ending.await.unwrap()).seq, seq);
    assert_eq!(house.store.facts(batch).unwrap().seq, seq);
}

#[tokio::test]
async fn an_image_that_has_ended_can_be_run_again_and_a_rejected_or_unfinished_one_cannot() {
    let house = House::new();
    let batch = house.batch().await;
    let image = house.kept(batch, b"a cat").await.id;
    let reopened = house.store.reopen(image).await.unwrap();
    assert!(matches!(reopened, Recorded::No(_)), "it waits already: {reopened:?}");
    house.store.blame(image, "worker-1", 2).await.unwrap();
    house.store.finish(image, failed("worker_failures")).await.unwrap();
    let again = yes(house.store.reopen(image).await.unwrap());
    assert_eq!((again.state, again.problem, again.attempts), (ImageState::Waiting, None, 2));
    let unfinished = house.store.unfinished().unwrap();
    assert_eq!((unfinished.len(), unfinished[0].blamed.len()), (1, 0));
    yes(house.store.finish(image, in_run(1, recognised("tabby"))).await.unwrap());
    let again = yes(house.store.reopen(image).await.unwrap());
    assert_eq!((again.state, again.labels, again.model, again.run), (ImageState::Waiting, Vec::new(), None, 2));
    let (_wreck, store) = house.crash();
    assert_eq!(store.unfinished().unwrap()[0].run, 2);
    let keeping = house.store.keep(batch, vec![rejected("not_an_image")], None).unwrap();
    keeping.durable.await.unwrap();
    assert!(matches!(house.store.reopen(keeping.images[0].id).await.unwrap(), Recorded::No(_)));
}

/// A worker that was cut off answers when it is back, which may be after a person has had the image run again.
#[tokio::test]
async fn an_ending_of_an_earlier_run_is_none_of_this_one() {
    let house = House::new();
    let batch = house.batch().await;
    let image = house.kept(batch, b"a cat").await.id;
    yes(house.store.finish(image, recognised("tabby")).await.unwrap());
    // In line before the image is run again, and behind that.
    let reopened = house.store.reopen(image);
    let late = [house.store.finish(image, recognised("dog")), house.store.finish(image, failed("late"))];
    let reopened = yes(reopened.await.unwrap());
    for late in late {
        assert_eq!(late.await.unwrap(), Recorded::No(Box::new(reopened.clone())));
    }
    let second = yes(house.store.finish(image, in_run(1, recognised("lion"))).await.unwrap());
    assert_eq!((second.state, second.labels[0].name.as_str()), (ImageState::Recognised, "lion"));
    let facts = house.store.facts(batch).unwrap();
    assert_eq!((facts.counts.recognised, facts.counts.waiting, facts.answered_images), (1, 0, 2));
}

/// A worker was found to answer wrongly after a person, or another worker, had dealt with its answer.
#[tokio::test]
async fn only_the_word_of_that_worker_in_that_run_is_taken_back() {
    let house = House::new();
    let batch = house.batch().await;
    let image = house.kept(batch, b"a cat").await.id;
    let is_refused = |taken: Recorded| matches!(taken, Recorded::No(_));
    assert!(is_refused(house.store.take_back(image, 0, "worker-2").await.unwrap()), "it has no answer");
    yes(house.store.finish(image, recognised("dog")).await.unwrap());
    assert!(is_refused(house.store.take_back(image, 0, "worker-1").await.unwrap()), "another worker's");
    assert!(is_refused(house.store.take_back(image, 1, "worker-2").await.unwrap()), "another run's");
    let waiting = yes(house.store.take_back(image, 0, "worker-2").await.unwrap());
    assert_eq!((waiting.state, waiting.run, waiting.labels.len()), (ImageState::Waiting, 1, 0));
    yes(house.store.finish(image, in_run(1, recognised("tabby"))).await.unwrap());
    assert!(is_refused(house.store.take_back(image, 0, "worker-2").await.unwrap()), "it was answered again since");
    let cancelled = house.kept(batch, b"a cow").await.id;
    yes(house.store.finish(cancelled, Ending::Cancelled { attempts: 1 }).await.unwrap());
    assert!(is_refused(house.store.take_back(cancelled, 0, "worker-2").await.unwrap()), "a person has taken it back");
}

#[tokio::test]
async fn a_batch_is_answered_by_the_model_of_its_first_answer_until_a_person_runs_images_again() {
    let house = House::new();
    let batch = house.batch().await;
    let (first, second) = (house.kept(batch, b"a cat").await.id, house.kept(batch, b"a dog").await.id);
    let third = house.kept(batch, b"a cow").await.id;
    yes(house.store.finish(first, recognised("tabby")).await.unwrap());
    let other = house.store.finish(second, by("builtin", recognised("dog"))).await.unwrap();
    let Recorded::OtherModel(row, model_of_batch) = other else { panic!("{other:?}") };
    assert_eq!((row.state, model_of_batch), (ImageState::Waiting, model("GoogLeNet")));
    let (_wreck, store) = house.crash();
    assert_eq!(store.unfinished().unwrap()[0].model, Some(model("GoogLeNet").digest));
    yes(store.reopen(first).await.unwrap());
    let again = yes(store.finish(first, in_run(1, by("builtin", recognised("cat")))).await.unwrap());
    assert_eq!(again.model.as_deref(), Some("builtin"));
    yes(store.finish(second, by("builtin", recognised("dog"))).await.unwrap());
    assert!(matches!(store.finish(third, recognised("cow")).await.unwrap(), Recorded::OtherModel(..)));
}

/// A single image that was run again on the next day made a batch of ten images a second one of ten images a day.
#[tokio::test]
async fn a_night_without_anything_to_do_is_left_out_of_a_batch_s_throughput() {
    let house = House::new();
    let batch = house.batch().await;
    let image = house.kept_at(batch, b"a cat", house.now()).await.id;
    house.pass(Duration::from_secs(4));
    yes(house.store.finish(image, recognised("tabby")).await.unwrap());
    house.pass(Duration::from_secs(12 * 3600));
    yes(house.store.reopen(image).await.unwrap());
    house.pass(Duration::from_secs(3));
    yes(house.store.finish(image, in_run(1, recognised("tabby"))).await.unwrap());
    house.pass(Duration::from_secs(3600));
    let more = house.kept_at(batch, b"a dog", house.now()).await.id;
    let took = |house: &House| {
        let facts = house.store.facts(batch).unwrap();
        facts.last_answer.unwrap().duration_since(facts.first_upload.unwrap()).unwrap()
    };
    assert_eq!(took(&house), Duration::from_secs(7), "also while it has no answer again");
    house.pass(Duration::from_secs(2));
    yes(house.store.finish(more, recognised("dog")).await.unwrap());
    assert_eq!(took(&house), Duration::from_secs(9));
}

#[tokio::test]
async fn rejected_images_are_rows_beside_their_neighbours() {
    let house = House::new();
    let batch = house.batch().await;
    let images = vec![image(&house.store, b"good").await, rejected("not_an_image"), image(&house.store, b"fine").await];
    let keeping = house.store.keep(batch, images, None).unwrap();
    keeping.durable.await.unwrap();
    let page = house.store.page(batch, None, 10).unwrap();
    assert_eq!(page, keeping.images);
    assert_eq!((page[1].state, page[1].bytes), (ImageState::Rejected, 7));
    assert_eq!(page[1].problem, Some(problem("not_an_image")));
    assert_eq!(house.store.payload(page[1].id), Err(StoreError::NoSuchImage));
    assert_eq!(house.store.unfinished().unwrap().len(), 2);
    assert_eq!(house.store.kept_bytes(), 8);
}

#[tokio::test]
async fn counts_and_throughput_facts_follow_every_change_and_survive_a_crash() {
    let house = House::new();
    let batch = house.batch().await;
    let mut images = Vec::new();
    for bytes in [&b"1"[..], b"22", b"333", b"4444"] {
        images.push(house.kept(batch, bytes).await.id);
    }
    house.store.keep(batch, vec![rejected("empty")], None).unwrap().durable.await.unwrap();
    house.pass(Duration::from_secs(7));
    let answered = house.now();
    house.store.finish(images[1], recognised("tabby")).await.unwrap();
    house.pass(Duration::from_secs(3));
    house.store.finish(images[2], failed("damaged")).await.unwrap();
    house.store.finish(images[3], Ending::Cancelled { attempts: 0 }).await.unwrap();
    let (_wreck, store) = house.crash();
    let facts = store.facts(batch).unwrap();
    let counts = Counts { total: 5, waiting: 1, assigned: 0, recognised: 1, failed: 1, rejected: 1, cancelled: 1 };
    assert_eq!(facts.counts, counts);
    assert_eq!(facts.last_answer, Some(answered));
    assert_eq!(facts.first_upload, Some(UNIX_EPOCH));
    assert_eq!((facts.answered_images, facts.answered_bytes, facts.kept_bytes), (1, 2, 10));
    store.delete_image(images[1]).await.unwrap();
    let facts = store.facts(batch).unwrap();
    assert_eq!(facts.counts, Counts { total: 4, recognised: 0, ..counts });
    assert_eq!((facts.answered_images, facts.kept_bytes), (1, 8));
}

#[tokio::test]
async fn pages_go_through_a_batch_in_upload_order_and_know_no_other_batch() {
    let house = House::new();
    let (batch, other) = (house.batch().await, house.batch().await);
    let mut images = Vec::new();
    for n in 0..5 {
        images.push(house.kept(batch, &[n]).await.id);
        house.kept(other, &[n]).await;
    }
    let page = house.store.page(batch, None, 2).unwrap();
    assert_eq!(ids(&page), images[..2]);
    assert_eq!(ids(&house.store.page(batch, Some(images[1]), 10).unwrap()), images[2..]);
    assert_eq!(house.store.image(other, images[0]).unwrap(), None);
}

#[tokio::test]
async fn an_upload_repeated_with_its_key_gives_the_same_images() {
    let house = House::new();
    let (batch, other) = (house.batch().await, house.batch().await);
    let upload = async |batch, store: &Store| {
        let images = vec![image(store, b"one").await, rejected("empty"), image(store, b"two").await];
        let keeping = store.keep(batch, images, Some("key-1")).unwrap();
        (keeping.repeated, keeping.images, keeping.durable)
    };
    let (repeated, first, durable) = upload(batch, &house.store).await;
    // While the first is on its way to the disk, and after.
    let (again, second, second_durable) = upload(batch, &house.store).await;
    assert_eq!((repeated, again, &second), (false, true, &first));
    second_durable.await.unwrap();
    durable.await.unwrap();
    let (again, after_commit, _) = upload(batch, &house.store).await;
    assert_eq!((again, &after_commit), (true, &first));
    let (_wreck, store) = house.crash();
    let (again, third, durable) = upload(batch, &store).await;
    durable.await.unwrap();
    assert_eq!((again, third), (true, first));
    assert_eq!((store.page(batch, None, 10).unwrap().len(), store.kept_bytes()), (3, 6));
    let (in_other, ..) = upload(other, &store).await;
    assert!(!in_other, "a key counts within its batch");
}

#[tokio::test]
async fn digests_are_known_where_the_bytes_are() {
    let house = House::new();
    let (batch, other) = (house.batch().await, house.batch().await);
    let image = house.kept(batch, b"here").await;
    let absent = house.kept(other, b"elsewhere").await.sha256.unwrap();
    let here = image.sha256.unwrap();
    assert_eq!(house.store.known(batch, &[here, absent]).unwrap(), [here].into());
    house.store.delete_image(image.id).await.unwrap();
    assert!(house.store.known(batch, &[here, absent]).unwrap().is_empty());
}

#[tokio::test]
async fn a_deleted_image_and_its_bytes_are_gone() {
    let house = House::new();
    let batch = house.batch().await;
    let gone = house.kept(batch, &noise(1, 400_000)).await;
    let stays = house.kept(batch, &noise(2, 400_000)).await;
    let large = house.kept(batch, &noise(3, 600_000)).await;
    let file = house.data().join(format!("large/{}", large.id));
    assert!(file.exists());
    let before = disk_bytes(&house.pack(1));
    assert_eq!(house.store.delete_image(gone.id).await.unwrap().map(|row| row.id), Some(gone.id));
    assert!(house.store.delete_image(large.id).await.unwrap().is_some());
    assert_eq!(house.store.delete_image(large.id).await.unwrap(), None);
    assert_eq!(house.store.payload(gone.id), Err(StoreError::NoSuchImage));
    assert_eq!(house.store.finish(gone.id, recognised("tabby")).await.unwrap(), Recorded::Gone);
    until("the large file is removed", || !file.exists()).await;
    until("the pack has a hole", || disk_bytes(&house.pack(1)) + 380_000 < before).await;
    assert_eq!(house.store.payload(stays.id).unwrap(), noise(2, 400_000));
    assert_eq!(house.store.kept_bytes(), 400_000);
}

#[tokio::test]
async fn a_deleted_batch_is_gone_at_once_and_names_what_it_leaves_unfinished() {
    let house = House::new();
    let key = house.store.create_batch().await.unwrap();
    let (done, waiting) = (house.kept(key.number, b"done").await.id, house.kept(key.number, b"waiting").await.id);
    house.store.finish(done, recognised("tabby")).await.unwrap();
    assert_eq!(house.store.delete_batch(key.number).await.unwrap(), [waiting]);
    assert_eq!(house.store.batch(&key.id).unwrap(), None);
    assert_eq!(house.store.facts(key.number), Err(StoreError::NoSuchBatch));
    assert_eq!(house.store.finish(waiting, recognised("tabby")).await.unwrap(), Recorded::Gone);
    assert_eq!(house.store.delete_batch(key.number).await, Err(StoreError::NoSuchBatch));
    let late = keep(&house.store, key.number, b"late").await.unwrap();
    assert_eq!(late.durable.await, Err(StoreError::NoSuchBatch));
    until("its images are removed", || house.store.page(key.number, None, 1).unwrap().is_empty()).await;
    assert_eq!(house.store.kept_bytes(), 0);
}
