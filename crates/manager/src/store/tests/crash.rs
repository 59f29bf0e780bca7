//! What a crash leaves, and what is made of it.

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::*;

#[tokio::test]
async fn what_was_kept_is_there_after_a_crash() {
    let house = House::new();
    let key = house.store.create_batch().await.unwrap();
    let small = house.kept(key.number, &noise(1, 40_000)).await;
    let large = house.kept(key.number, &noise(2, 2_000_000)).await;
    let (_wreck, store) = house.crash();
    assert_eq!(store.books(), house.store.books());
    assert_eq!(store.batch(&key.id).unwrap(), Some(key.clone()));
    assert_eq!(store.page(key.number, None, 10).unwrap(), [small.clone(), large.clone()]);
    assert_eq!(store.payload(small.id).unwrap(), noise(1, 40_000));
    assert_eq!(store.payload(large.id).unwrap(), noise(2, 2_000_000));
    assert_eq!(store.kept_bytes(), 2_040_000);
}

#[tokio::test]
async fn what_was_accepted_and_not_answered_is_named_after_a_crash_with_its_blame() {
    let house = House::new();
    let batch = house.batch().await;
    let answered = house.kept(batch, b"first").await;
    let blamed = house.kept(batch, b"second").await;
    let waiting = house.kept(batch, b"third").await;
    house.store.finish(answered.id, recognised("tabby")).await.unwrap();
    house.store.blame(blamed.id, "worker-1", 1).await.unwrap();
    house.store.blame(blamed.id, "worker-3", 2).await.unwrap();
    house.store.blame(blamed.id, "worker-3", 2).await.unwrap();
    let (_wreck, store) = house.crash();
    let unfinished = store.unfinished().unwrap();
    assert_eq!(unfinished.iter().map(|found| found.image).collect::<Vec<_>>(), [blamed.id, waiting.id]);
    assert_eq!(unfinished[0].blamed, ["worker-1", "worker-3"]);
    assert_eq!((unfinished[0].attempts, unfinished[0].bytes, unfinished[0].batch), (2, 6, batch));
    assert_eq!(unfinished[1].blamed, Vec::<String>::new());
}

#[tokio::test]
async fn no_number_is_given_twice_after_a_crash() {
    let house = House::new();
    let batch = house.batch().await;
    let mut image = house.kept(batch, b"one").await.id;
    let mut seq = house.store.next_seq();
    let mut wreck = house.wreck();
    for _ in 0..3 {
        let store = wreck.open().unwrap();
        let kept = kept(&store, batch, b"another").await;
        assert!(kept.id > image, "{} after {image}", kept.id);
        assert!(kept.seq > seq, "{} after {seq}", kept.seq);
        let next = store.create_batch().await.unwrap().number;
        assert!(next > batch);
        (image, seq) = (kept.id, store.next_seq());
        let crashed = Wreck { folder: tempfile::tempdir().unwrap(), settings: wreck.settings.clone() };
        copy(&wreck.data(), &crashed.data());
        wreck = crashed;
    }
}

#[tokio::test]
async fn numbers_that_were_given_before_the_commit_are_not_given_again() {
    let house = House::new();
    let batch = house.batch().await;
    let keeping = keep(&house.store, batch, b"never waited for").await.unwrap();
    let seq = house.store.next_seq();
    // The crash may be before or after the commit: in both cases the number is used up.
    let (_wreck, store) = house.crash();
    let after = kept(&store, batch, b"later").await;
    assert!(after.id > keeping.images[0].id);
    assert!(after.seq > seq);
}

#[tokio::test]
async fn numbers_go_on_without_a_gap_of_images_after_a_tidy_end() {
    let house = House::new();
    let batch = house.batch().await;
    let before = house.kept(batch, b"one").await;
    house.store.close();
    let seq = house.store.next_seq();
    let again = house.wreck().open().unwrap();
    let after = kept(&again, batch, b"two").await;
    assert_eq!(after.id.0, before.id.0 + 1);
    assert!(after.seq > seq, "a change numbered while the store closed: {seq}, then {}", after.seq);
}

#[tokio::test]
async fn the_torn_tail_of_a_pack_is_cut_off() {
    let house = House::new();
    let batch = house.batch().await;
    let before = house.kept(batch, &noise(1, 30_000)).await;
    let wreck = house.wreck();
    let pack = wreck.data().join("packs/1");
    OpenOptions::new().append(true).open(&pack).unwrap().write_all(&noise(9, 60_000)).unwrap();
    let store = wreck.open().unwrap();
    let after = kept(&store, batch, &noise(2, 20_000)).await;
    assert_eq!(store.payload(before.id).unwrap(), noise(1, 30_000));
    assert_eq!(store.payload(after.id).unwrap(), noise(2, 20_000));
    assert_eq!(fs::metadata(&pack).unwrap().len(), 50_000);
}

#[tokio::test]
async fn files_that_the_books_do_not_name_are_removed_at_start() {
    let house = House::new();
    let batch = house.batch().await;
    let large = house.kept(batch, &noise(1, 600_000)).await;
    let wreck = house.wreck();
    let strangers = ["large/999999", "packs/77", "spool/5"].map(|name| wreck.data().join(name));
    strangers.iter().for_each(|path| fs::write(path, b"left over").unwrap());
    let store = wreck.open().unwrap();
    strangers.iter().for_each(|path| assert!(!path.exists(), "{}", path.display()));
    assert_eq!(store.payload(large.id).unwrap(), noise(1, 600_000));
}

#[tokio::test]
async fn a_deleted_batch_is_removed_to_the_end_after_a_crash() {
    let house = House::new();
    let batch = house.batch().await;
    let images = futures_util::future::join_all((0..2500).map(|_| image(&house.store, b"tiny"))).await;
    house.store.keep(batch, images, None).unwrap().durable.await.unwrap();
    house.store.delete_batch(batch).await.unwrap();
    let (_wreck, store) = house.crash();
    until("all images are removed", || store.page(batch, None, 1).unwrap().is_empty()).await;
    assert_eq!((store.kept_bytes(), store.unfinished().unwrap()), (0, vec![]));
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_reported_and_not_served() {
    let house = House::new();
    let batch = house.batch().await;
    let large = house.kept(batch, &noise(1, 700_000)).await;
    let small = house.kept(batch, &noise(2, 5_000)).await;
    let wreck = house.wreck();
    let cut = |name: String, bytes| {
        OpenOptions::new().write(true).open(wreck.data().join(name)).unwrap().set_len(bytes).unwrap();
    };
    cut(format!("large/{}", large.id), 699_999);
    cut("packs/1".to_owned(), 4_000);
    let store = wreck.open().unwrap();
    for image in [large.id, small.id] {
        let error = store.payload(image).unwrap_err();
        assert!(matches!(&error, StoreError::Damaged(what) if what.contains("cat.jpg")), "{error}");
    }
    // New images go where nothing is damaged.
    let after = kept(&store, batch, b"whole").await;
    assert_eq!(store.payload(after.id).unwrap(), b"whole"[..]);
}

#[tokio::test]
async fn a_byte_that_changed_on_the_disk_is_reported_and_not_served() {
    let house = House::new();
    let batch = house.batch().await;
    let image = house.kept(batch, &noise(1, 5_000)).await;
    let mut bytes = fs::read(house.pack(1)).unwrap();
    bytes[2_500] ^= 1;
    fs::write(house.pack(1), bytes).unwrap();
    assert!(matches!(house.store.payload(image.id), Err(StoreError::Damaged(_))));
}
