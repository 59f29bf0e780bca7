//! The look through a folder and the copy of it, beside a store that is at work.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use super::*;
use crate::store::{backup, check};

/// What clients do to one batch until they are told to stop.
async fn busy(store: Store, batch: BatchId, stop: Arc<AtomicU64>, kept_now: Arc<Mutex<BTreeMap<ImageId, Vec<u8>>>>) {
    let mut number = 0_u8;
    while stop.load(Ordering::Relaxed) == 0 {
        number = number.wrapping_add(1);
        let bytes = noise(number, if number.is_multiple_of(8) { 2_000 } else { 300 });
        let row = kept(&store, batch, &bytes).await;
        if number % 4 == 1 {
            store.delete_image(row.id).await.unwrap();
        } else {
            store.finish(row.id, recognised("tabby")).await.unwrap();
            kept_now.lock().unwrap().insert(row.id, bytes);
        }
        if number.is_multiple_of(16) {
            let oldest = kept_now.lock().unwrap().pop_first().unwrap().0;
            store.delete_image(oldest).await.unwrap();
            let doomed = store.create_batch().await.unwrap().number;
            kept(&store, doomed, b"a batch that goes").await;
            store.delete_batch(doomed).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_a_store_at_work_has_all_that_was_accepted_before_and_nothing_that_is_damaged() {
    let house = House::with(|settings| {
        settings.small_bytes = 1_000;
        settings.pack_bytes = 20_000;
    });
    fs::write(house.data().join("token"), "secret\n").unwrap();
    let batch = house.batch().await;
    let stop = Arc::new(AtomicU64::new(0));
    let kept_now = Arc::new(Mutex::new(BTreeMap::new()));
    let clients: Vec<_> = (0..3)
        .map(|_| tokio::spawn(busy(house.store.clone(), batch, Arc::clone(&stop), Arc::clone(&kept_now))))
        .collect();
    for round in 0..6 {
        until("there is more", || kept_now.lock().unwrap().len() > 40 * (round + 1)).await;
        let before = kept_now.lock().unwrap().clone();
        let (from, to) = (house.data(), house.folder.path().join(format!("backup-{round}")));
        let (looked, made) = tokio::task::spawn_blocking(move || (check(&from), backup(&from, &to))).await.unwrap();
        let looked = looked.unwrap();
        assert!(looked.is_whole(), "what only changed is not damaged: {looked:?}");
        let made = made.unwrap();
        assert_eq!(made.damaged, Vec::<String>::new());
        let folder = house.folder.path().join(format!("backup-{round}"));
        let again = check(&folder).unwrap();
        assert!(again.is_whole(), "{again:?}");
        let still: Vec<ImageId> = kept_now.lock().unwrap().keys().copied().collect();
        let store = Store::open(&folder, house.settings.clone()).unwrap();
        for (image, bytes) in before.iter().filter(|(image, _)| still.contains(image)) {
            assert_eq!(store.payload(*image).unwrap(), bytes[..]);
            // Clients go on: it may have been deleted since.
            if let Some(row) = house.store.image(batch, *image).unwrap() {
                assert_eq!(store.image(batch, *image).unwrap(), Some(row));
            }
        }
        let after = kept(&store, batch, b"it goes on").await;
        assert_eq!(store.payload(after.id).unwrap(), b"it goes on"[..]);
        let token = folder.join("token");
        assert_eq!(fs::read(&token).unwrap(), b"secret\n");
        assert_eq!(fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name == "unfinished"), "{left:?}");
    }
    stop.store(1, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_backup_that_cannot_be_made_says_why_and_leaves_nothing() {
    let house = House::new();
    let batch = house.batch().await;
    house.kept(batch, b"a cat").await;
    let to = house.folder.path().join("backup");
    fs::create_dir(&to).unwrap();
    fs::write(to.join("something"), b"").unwrap();
    assert_eq!(backup(&house.data(), &to), Err(StoreError::NotEmpty(to.clone())));
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    let nowhere = house.folder.path().join("nothing");
    assert!(matches!(backup(&nowhere, &to), Err(StoreError::NoBooks(_))));
    assert!(matches!(check(&nowhere), Err(StoreError::NoBooks(_))));
    assert!(!nowhere.exists(), "to look at what is not there makes nothing");

    // More than any disk has.
    let books = rusqlite::Connection::open(house.data().join("books.sqlite")).unwrap();
    crate::store::seal::register(&books).unwrap();
    books.execute("UPDATE images SET bytes = ?1", [1_i64 << 60]).unwrap();
    fs::remove_file(to.join("something")).unwrap();
    let refused = backup(&house.data(), &to).unwrap_err();
    assert!(matches!(refused, StoreError::NoRoom { .. }), "{refused}");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
}

#[tokio::test]
async fn an_image_that_was_damaged_is_named_by_the_look_and_by_the_backup_which_has_the_rest() {
    let house = House::new();
    let batch = house.batch().await;
    let whole = house.kept(batch, b"a cat").await;
    let damaged = house.kept(batch, b"a dog").await;
    let mut bytes = fs::read(house.pack(1)).unwrap();
    bytes[7] ^= 4;
    fs::write(house.pack(1), bytes).unwrap();
    let report = check(&house.data()).unwrap();
    assert_eq!((report.faults, report.images, report.bytes), (1, 2, 5));
    assert!(report.told[0].message.contains("cat.jpg (2) is damaged: its bytes are not those"), "{report:?}");
    let to = house.folder.path().join("backup");
    let (from, into) = (house.data(), to.clone());
    let made = tokio::task::spawn_blocking(move || backup(&from, &into)).await.unwrap().unwrap();
    assert_eq!((made.images, made.left_out, made.damaged.len()), (1, 0, 1));
    let store = Store::open(&to, house.settings.clone()).unwrap();
    assert_eq!(store.payload(whole.id).unwrap(), b"a cat"[..]);
    assert!(matches!(store.payload(damaged.id), Err(StoreError::Damaged(_))));
}

/// The look is one at a moment that a crash has left, with the log not written back and no manager on it.
#[tokio::test]
async fn a_look_writes_nothing_and_needs_no_manager() {
    let house = House::new();
    let batch = house.batch().await;
    house.kept(batch, b"a cat").await;
    let wreck = house.wreck();
    let kept = ["books.sqlite", "books.sqlite-wal", "packs/1"];
    let before = kept.map(|name| fs::read(wreck.data().join(name)).unwrap());
    assert!(check(&wreck.data()).unwrap().is_whole());
    assert!(kept.map(|name| fs::read(wreck.data().join(name)).unwrap()) == before);
    wreck.open().unwrap();
}
