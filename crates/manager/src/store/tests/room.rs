//! Limits: of the folder, of a batch, of age, of memory.

use std::fs;

use super::*;

#[tokio::test]
async fn only_finished_batches_expire_by_age() {
    let house = House::with(|settings| settings.max_age = Duration::from_secs(100));
    let finished = house.store.create_batch().await.unwrap();
    let unfinished = house.store.create_batch().await.unwrap();
    let image = house.kept(finished.number, b"done").await.id;
    house.kept(unfinished.number, b"waiting").await;
    house.store.finish(image, recognised("tabby")).await.unwrap();
    house.pass(Duration::from_secs(99));
    assert_eq!(house.store.expire().await.unwrap(), []);
    house.pass(Duration::from_secs(1));
    let expired = house.store.expire().await.unwrap();
    assert_eq!(expired.iter().map(|key| &key.id).collect::<Vec<_>>(), [&finished.id]);
    assert_eq!(house.store.batch(&finished.id).unwrap(), None);
    assert_eq!(house.store.batch(&unfinished.id).unwrap(), Some(unfinished));
}

#[tokio::test]
async fn a_full_store_makes_room_by_the_finished_batch_that_is_longest_unchanged() {
    let house = House::with(|settings| settings.limit_bytes = 250_000);
    let mut batches = Vec::new();
    for n in 0..2 {
        let key = house.store.create_batch().await.unwrap();
        let image = house.kept(key.number, &noise(n, 100_000)).await.id;
        house.store.finish(image, recognised("tabby")).await.unwrap();
        house.pass(Duration::from_secs(1));
        batches.push(key);
    }
    assert_eq!(house.store.make_room(50_000).await.unwrap(), []);
    assert_eq!(house.store.make_room(50_001).await.unwrap(), [batches[0].clone()]);
    assert_eq!(house.store.kept_bytes(), 100_000);
    assert_eq!(house.store.batch(&batches[1].id).unwrap(), Some(batches[1].clone()));
}

#[tokio::test]
async fn a_store_full_of_unfinished_images_refuses_and_loses_none() {
    let house = House::with(|settings| settings.limit_bytes = 150_000);
    let finished = house.batch().await;
    let small = house.kept(finished, &noise(0, 10_000)).await.id;
    house.store.finish(small, recognised("tabby")).await.unwrap();
    let batch = house.batch().await;
    let image = house.kept(batch, &noise(1, 100_000)).await.id;
    let full = StoreError::Full { kept_bytes: 110_000, limit_bytes: 150_000 };
    assert_eq!(house.store.make_room(50_001).await, Err(full.clone()));
    assert_eq!(keep(&house.store, batch, &noise(2, 50_001)).await.unwrap_err(), full);
    assert_eq!(house.store.payload(small).unwrap().len(), 10_000, "nothing expires in vain");
    house.store.finish(image, recognised("tabby")).await.unwrap();
    assert_eq!(house.store.make_room(150_000).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_batch_takes_its_limit_of_images_and_no_more() {
    let house = House::with(|settings| settings.images_per_batch = 3);
    let batch = house.batch().await;
    house.kept(batch, b"one").await;
    let three = vec![rejected("a"), image(&house.store, b"lost").await, rejected("c")];
    let keeping = house.store.keep(batch, three, None).unwrap();
    assert_eq!(keeping.durable.await, Err(StoreError::BatchFull { limit: 3 }));
    assert_eq!(house.store.payload(keeping.images[1].id), Err(StoreError::NoSuchImage));
    house.store.keep(batch, vec![rejected("a"), rejected("b")], None).unwrap().durable.await.unwrap();
    assert_eq!((house.store.facts(batch).unwrap().counts.total, house.store.kept_bytes()), (3, 3));
}

#[tokio::test]
async fn uploads_beyond_the_memory_for_them_go_to_files() {
    let house = House::with(|settings| settings.memory_bytes = 100_000);
    let batch = house.batch().await;
    let first = image(&house.store, &noise(1, 80_000)).await;
    let second = image(&house.store, &noise(2, 80_000)).await;
    let files = || fs::read_dir(house.data().join("spool")).unwrap().count();
    assert_eq!(files(), 1);
    let keeping = house.store.keep(batch, vec![first, second], None).unwrap();
    keeping.durable.await.unwrap();
    for (seed, row) in (1..).zip(&keeping.images) {
        assert_eq!(house.store.payload(row.id).unwrap(), noise(seed, 80_000));
    }
    assert!(house.data().join(format!("large/{}", keeping.images[1].id)).exists());
    // The memory is free again.
    let third = image(&house.store, &noise(3, 80_000)).await;
    assert_eq!(files(), 0);
    drop(third);
}

#[tokio::test]
async fn a_worker_s_image_comes_from_memory_once_though_it_is_in_the_books_by_then() {
    let house = House::new();
    let batch = house.batch().await;
    let [first, large] =
        [house.kept(batch, &noise(1, 80_000)).await.id, house.kept(batch, &noise(2, 600_000)).await.id];
    assert_eq!(house.store.deliver(first).unwrap(), noise(1, 80_000));
    assert_eq!(house.store.deliver(first), None, "a second worker's comes from the disk");
    assert_eq!(house.store.deliver(large), None);
    for (image, seed, bytes) in [(first, 1, 80_000), (large, 2, 600_000)] {
        assert_eq!(house.store.payload(image).unwrap(), noise(seed, bytes));
    }
}

#[tokio::test]
async fn no_memory_is_kept_for_images_that_no_worker_will_want() {
    let house = House::with(|settings| settings.memory_bytes = 400_000);
    let (batch, ending) = (house.batch().await, house.store.create_batch().await.unwrap());
    let mut images = Vec::new();
    for seed in 0..3 {
        images.push(house.kept(batch, &noise(seed, 80_000)).await.id);
    }
    let last = house.kept(ending.number, &noise(3, 80_000)).await.id;
    house.store.deliver(images[0]).unwrap();
    house.store.finish(images[1], recognised("tabby")).await.unwrap();
    house.store.delete_image(images[2]).await.unwrap();
    house.store.delete_batch(ending.number).await.unwrap();
    assert_eq!([images[1], images[2], last].map(|image| house.store.deliver(image)), [None, None, None]);
}

#[tokio::test]
async fn what_waits_for_a_worker_keeps_no_upload_out_of_memory() {
    let house = House::with(|settings| settings.memory_bytes = 100_000);
    let batch = house.batch().await;
    let waiting = house.kept(batch, &noise(1, 80_000)).await.id;
    let arrived = image(&house.store, &noise(2, 80_000)).await;
    assert_eq!(fs::read_dir(house.data().join("spool")).unwrap().count(), 0);
    assert_eq!(house.store.deliver(waiting), None, "it made room");
    assert_eq!(house.store.payload(waiting).unwrap(), noise(1, 80_000));
    drop(arrived);
}

#[tokio::test]
async fn an_upload_in_tiny_pieces_takes_no_more_memory_than_its_bytes_once_it_is_whole() {
    let house = House::with(|settings| settings.memory_bytes = 100_000);
    let mut tiny = house.store.spool();
    for byte in noise(1, 40_000) {
        tiny.write(Bytes::copy_from_slice(&[byte])).await.unwrap();
    }
    let first = tiny.finish().await.unwrap();
    let mut second = house.store.spool();
    second.write(Bytes::from(noise(2, 60_000))).await.unwrap();
    let files = || fs::read_dir(house.data().join("spool")).unwrap().count();
    assert_eq!(files(), 0, "both fit");
    let mut third = house.store.spool();
    third.write(Bytes::from_static(b"one too many")).await.unwrap();
    assert_eq!(files(), 1);
    assert_eq!(first.head(usize::MAX).unwrap(), noise(1, 40_000));
}

#[tokio::test]
async fn who_announces_much_and_sends_little_takes_no_memory_for_it() {
    let house = House::with(|settings| (settings.memory_bytes, settings.small_bytes) = (1 << 20, 1 << 20));
    let mut liar = house.store.spool_of(Some(1 << 20));
    liar.write(Bytes::from(noise(1, 200_000))).await.unwrap();
    let mut honest = house.store.spool_of(Some(700_000));
    honest.write(Bytes::from(noise(2, 350_000))).await.unwrap();
    honest.write(Bytes::from(noise(3, 350_000))).await.unwrap();
    assert_eq!(fs::read_dir(house.data().join("spool")).unwrap().count(), 0, "both are in memory");
    assert_eq!(honest.finish().await.unwrap().head(350_000).unwrap(), noise(2, 350_000));
    drop(liar);
}

/// The one thread that may wait for the disk is busy until the upload has broken off.
#[test]
fn an_upload_that_is_broken_off_while_its_file_is_being_made_leaves_nothing() {
    let house = House::new();
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (free, busy) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        let occupied = tokio::task::spawn_blocking(move || busy.recv());
        let mut spool = house.store.spool();
        let writing = spool.write(Bytes::from(noise(1, 1_000_000)));
        assert!(futures_util::FutureExt::now_or_never(writing).is_none());
        drop(spool);
        drop(free);
        assert!(occupied.await.unwrap().is_err());
        // Behind what makes the file.
        tokio::task::spawn_blocking(|| {}).await.unwrap();
    });
    assert_eq!(fs::read_dir(house.data().join("spool")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_upload_that_is_broken_off_leaves_nothing() {
    let house = House::new();
    let mut spool = house.store.spool();
    spool.write(Bytes::from(noise(1, 3_000_000))).await.unwrap();
    let files = || fs::read_dir(house.data().join("spool")).unwrap().count();
    assert_eq!((spool.bytes(), files()), (3_000_000, 1));
    drop(spool);
    assert_eq!(files(), 0);
    drop(image(&house.store, &noise(1, 3_000_000)).await);
    assert_eq!(files(), 0);
}

#[tokio::test]
async fn the_head_of_an_upload_can_be_read_before_it_is_kept() {
    let house = House::new();
    for bytes in [noise(1, 1_000), noise(2, 1_000_000)] {
        let Content::Accepted(spooled) = image(&house.store, &bytes).await.content else { unreachable!() };
        assert_eq!(spooled.head(100).unwrap(), bytes[..100]);
        assert_eq!(spooled.head(usize::MAX).unwrap(), bytes);
        assert_eq!(spooled.bytes(), bytes.len() as u64);
    }
}

#[tokio::test]
async fn a_pack_is_followed_by_another_and_removed_when_nothing_is_left_in_it() {
    let house = House::with(|settings| settings.pack_bytes = 100_000);
    let batch = house.batch().await;
    let mut images = Vec::new();
    for n in 0..5 {
        images.push(house.kept(batch, &noise(n, 60_000)).await.id);
    }
    assert!(house.pack(3).exists());
    house.store.delete_image(images[0]).await.unwrap();
    assert!(house.pack(1).exists());
    house.store.delete_image(images[1]).await.unwrap();
    until("the first pack is removed", || !house.pack(1).exists()).await;
    let (_wreck, store) = house.crash();
    for (n, image) in (0..).zip(&images).skip(2) {
        assert_eq!(store.payload(*image).unwrap(), noise(n, 60_000));
    }
}
