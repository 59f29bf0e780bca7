//! The folder and the disk below it: locked, not writable, of a newer program, damaged, full.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

#[tokio::test]
async fn a_data_folder_in_use_is_refused_with_a_clear_sentence() {
    let house = House::new();
    let refused = Store::open(&house.data(), house.settings.clone()).unwrap_err();
    assert_eq!(refused, StoreError::InUse(house.data()));
    assert!(refused.to_string().contains("is in use by another manager"), "{refused}");
    house.store.close();
    let House { store, settings, folder, .. } = house;
    drop(store);
    Store::open(&folder.path().join("data"), settings).unwrap();
}

#[tokio::test]
async fn a_closed_store_takes_nothing_more_and_has_committed_what_it_took() {
    let house = House::new();
    let batch = house.batch().await;
    let keeping = keep(&house.store, batch, b"just in time").await.unwrap();
    house.store.close();
    keeping.durable.await.unwrap();
    assert_eq!(keep(&house.store, batch, b"late").await.unwrap_err(), StoreError::Closed);
    assert_eq!(house.store.finish(keeping.images[0].id, failed("x")).await, Err(StoreError::Closed));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"").unwrap();
    let refused = Store::open(&folder.path().join("file/data"), StoreSettings::default()).unwrap_err();
    assert!(matches!(&refused, StoreError::NotWritable { folder, .. } if folder.ends_with("file/data")), "{refused}");
}

#[test]
fn books_of_a_newer_program_are_refused_and_left_alone() {
    let house = House::new();
    house.store.close();
    let wreck = house.wreck();
    let books = rusqlite::Connection::open(wreck.data().join("books.sqlite")).unwrap();
    books.pragma_update(None, "user_version", 2).unwrap();
    drop(books);
    let before = fs::read(wreck.data().join("books.sqlite")).unwrap();
    assert_eq!(wreck.open().unwrap_err(), StoreError::NewerSchema { found: 2, known: 1 });
    assert_eq!(fs::read(wreck.data().join("books.sqlite")).unwrap(), before);
}

#[test]
fn a_file_that_is_no_books_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("books.sqlite"), noise(1, 8192)).unwrap();
    let refused = Store::open(folder.path(), StoreSettings::default()).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged(_)), "{refused}");
}

/// A pack that is a link to `/dev/full`: every write to it says that the disk is full.
#[tokio::test]
async fn a_full_disk_fails_the_uploads_it_has_no_room_for_and_nothing_else() {
    let house = House::new();
    let batch = house.batch().await;
    let large = house.kept(batch, &noise(1, 600_000)).await.id;
    symlink("/dev/full", house.pack(1)).unwrap();
    let keeping = keep(&house.store, batch, &noise(2, 1_000)).await.unwrap();
    let lost = keeping.images[0].id;
    let ending = house.store.finish(large, recognised("tabby"));
    assert_eq!(keeping.durable.await, Err(StoreError::NoSpace));
    yes(ending.await.unwrap());
    assert_eq!(house.store.payload(lost), Err(StoreError::NoSuchImage));
    assert_eq!(house.store.kept_bytes(), 600_000);
    let after = house.kept(batch, &noise(3, 1_000)).await;
    assert!(after.id > lost, "the number is used up");
    let (_wreck, store) = house.crash();
    assert_eq!(store.payload(after.id).unwrap(), noise(3, 1_000));
    assert_eq!(ids(&store.page(batch, None, 10).unwrap()), [large, after.id]);
}

#[tokio::test]
async fn a_key_whose_upload_failed_can_be_used_again() {
    let house = House::new();
    let batch = house.batch().await;
    symlink("/dev/full", house.pack(1)).unwrap();
    let upload = async || house.store.keep(batch, vec![image(&house.store, b"a cat").await], Some("key")).unwrap();
    assert_eq!(upload().await.durable.await, Err(StoreError::NoSpace));
    let third = upload().await;
    assert!(!third.repeated);
    third.durable.await.unwrap();
    assert_eq!(ids(&house.store.page(batch, None, 10).unwrap()), ids(&third.images));
}

/// SQLite reports its size limit as it reports a full disk.
#[tokio::test]
async fn books_that_cannot_grow_fail_the_uploads_and_still_take_endings() {
    let house = House::with(|settings| settings.books_bytes = 256 << 10);
    let batch = house.batch().await;
    let mut before = Vec::new();
    for _ in 0..10 {
        before.push(house.kept(batch, b"before").await.id);
    }
    let many = futures_util::future::join_all((0..3000).map(|_| image(&house.store, b"too many"))).await;
    // While the writer commits this, the others gather to one group.
    let busy = house.store.create_batch();
    let (early, late) = before.split_at(5);
    let finish = |image: &ImageId| house.store.finish(*image, recognised("tabby"));
    let mut endings = early.iter().map(finish).collect::<Vec<_>>();
    let keeping = house.store.keep(batch, many, None).unwrap();
    endings.extend(late.iter().map(finish));
    busy.await.unwrap();
    assert_eq!(keeping.durable.await, Err(StoreError::NoSpace));
    for ending in endings {
        yes(ending.await.unwrap());
    }
    let counts = house.store.facts(batch).unwrap().counts;
    assert_eq!((counts.total, counts.recognised, house.store.kept_bytes()), (10, 10, 60));
    let after = house.kept(batch, &noise(1, 20_000)).await;
    let length = fs::metadata(house.pack(1)).unwrap().len();
    assert_eq!(length, 20_060, "the bytes of the uploads that failed are written over");
    let (_wreck, store) = house.crash();
    assert_eq!(store.payload(after.id).unwrap(), noise(1, 20_000));
    assert_eq!(store.payload(before[0]).unwrap(), b"before"[..]);
}
