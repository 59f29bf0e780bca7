//! The folder and the disk below it: locked, not writable, of a newer program, damaged, full.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::store::pack::{PackFiles, Packs};
use crate::store::reserve::Reserve;

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
    books.pragma_update(None, "user_version", 4).unwrap();
    drop(books);
    let before = fs::read(wreck.data().join("books.sqlite")).unwrap();
    assert_eq!(wreck.open().unwrap_err(), StoreError::NewerSchema { found: 4, known: 3 });
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

#[tokio::test]
async fn an_upload_that_is_too_much_for_the_books_costs_no_other_upload() {
    let house = House::with(|settings| settings.books_bytes = 256 << 10);
    let batch = house.batch().await;
    let many = futures_util::future::join_all((0..3000).map(|_| image(&house.store, b"too many"))).await;
    let texts: Vec<_> = (0..40).map(|n| [n; 700]).collect();
    let small = futures_util::future::join_all(texts.iter().map(|text| image(&house.store, text))).await;
    let large = image(&house.store, &noise(1, 600_000)).await;
    // While the writer commits this, the others gather to one group.
    let busy = house.store.create_batch();
    let mut keepings = Vec::new();
    let (mut many, mut large) = (Some(many), Some(large));
    for (n, small) in small.into_iter().enumerate() {
        keepings.push(house.store.keep(batch, vec![small], None).unwrap());
        if n == 13 {
            keepings.push(house.store.keep(batch, vec![large.take().unwrap()], None).unwrap());
            keepings.push(house.store.keep(batch, many.take().unwrap(), None).unwrap());
        }
    }
    busy.await.unwrap();
    let mut kept = Vec::new();
    for keeping in keepings {
        match keeping.durable.await {
            Ok(()) => kept.extend(keeping.images),
            Err(error) => assert_eq!((error, keeping.images.len()), (StoreError::NoSpace, 3000)),
        }
    }
    assert_eq!((kept.len(), house.store.kept_bytes()), (41, 40 * 700 + 600_000));
    let (_wreck, store) = house.crash();
    assert_eq!(store.page(batch, None, 100).unwrap(), kept);
    for row in kept {
        let bytes = store.payload(row.id).unwrap();
        assert!(bytes.len() == 600_000 || bytes.iter().all(|byte| *byte == bytes[0]));
    }
}

/// A pack that is a link to `/dev/null`: it takes every write and refuses to be synced.
#[tokio::test]
async fn a_pack_that_could_not_be_synced_loses_its_group_and_is_never_used_again() {
    let house = House::new();
    let batch = house.batch().await;
    symlink("/dev/null", house.pack(1)).unwrap();
    let keeping = keep(&house.store, batch, &noise(1, 1_000)).await.unwrap();
    let lost = keeping.durable.await.unwrap_err();
    assert!(matches!(&lost, StoreError::Disk(what) if what.contains("sync")), "{lost}");
    assert_eq!(
        (house.store.payload(keeping.images[0].id), house.store.kept_bytes()),
        (Err(StoreError::NoSuchImage), 0)
    );
    let after = house.kept(batch, &noise(2, 1_000)).await;
    assert_eq!(fs::read(house.pack(2)).unwrap(), noise(2, 1_000));
    assert_eq!(house.store.payload(after.id).unwrap(), noise(2, 1_000));
}

#[test]
fn bytes_of_a_group_whose_commit_is_in_doubt_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let files = Arc::new(PackFiles::new(folder.path().to_owned()));
    let mut packs = Packs::open(files, 1 << 20, std::collections::BTreeMap::new()).unwrap();
    packs.append(b"in doubt").unwrap();
    packs.sync().unwrap();
    packs.leave();
    assert_eq!(packs.append(b"after").unwrap().pack, 2);
    packs.roll_back();
    assert_eq!(fs::read(folder.path().join("1")).unwrap(), b"in doubt");
    assert_eq!(fs::read(folder.path().join("2")).unwrap(), b"");
}

#[test]
fn the_reserve_takes_its_space_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reserve");
    let mut reserve = Reserve::new(path.clone(), 1 << 20);
    assert!(!path.exists());
    assert!(reserve.hold() && disk_bytes(&path) >= 1 << 20);
    assert!(reserve.release() && !path.exists());
    assert!(!reserve.release());
    // More than any disk has.
    let mut reserve = Reserve::new(path.clone(), 1 << 60);
    assert!(!reserve.hold() && !path.exists());
}
