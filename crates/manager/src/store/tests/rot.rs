//! Bits that change on the disk: nothing wrong is served as right, and the look through the folder names what is wrong.

use rusqlite::Connection;

use super::*;
use crate::api::ImageState;
use crate::store::{Part, check};

/// By default every so-manieth byte of the books is changed; `MANYEYES_FLIPS=1` changes each.
const FLIP_EVERY: usize = 29;

/// A house that has one of everything, closed, so that the books are one file.
async fn furnished() -> (Wreck, BatchId, String) {
    let house = House::with(|settings| {
        settings.reserve_bytes = 1;
        settings.small_bytes = 600;
    });
    let key = house.store.create_batch().await.unwrap();
    let other = house.batch().await;
    let upload = vec![image(&house.store, b"a cat").await, image(&house.store, b"a dog").await];
    let keeping = house.store.keep(key.number, upload, Some("a-key")).unwrap();
    keeping.durable.await.unwrap();
    house.kept(key.number, &noise(1, 700)).await;
    house.kept(other, b"a cow").await;
    house.store.keep(key.number, vec![rejected("not_an_image")], None).unwrap().durable.await.unwrap();
    house.store.finish(keeping.images[0].id, recognised("tabby")).await.unwrap();
    house.store.blame(keeping.images[1].id, "worker-1", 1).await.unwrap();
    house.store.close();
    let wreck = house.wreck();
    drop(house.store);
    (wreck, key.number, key.id)
}

/// All that is served of the books.
#[derive(Clone, Debug, PartialEq)]
struct Served {
    batch: Option<u64>,
    counts: Option<crate::api::Counts>,
    rows: Vec<ImageRow>,
    repeated: Vec<ImageRow>,
    unfinished: Vec<(ImageId, u64, BatchId)>,
    known: usize,
}

fn served(store: &Store, batch: BatchId, id: &str) -> Result<Served, StoreError> {
    let cat: [u8; 32] = Sha256::digest(b"a cat").into();
    let key = store.batch(id)?;
    let unfinished = store.unfinished()?;
    Ok(Served {
        batch: key.map(|key| key.number.0),
        counts: store.facts(batch).ok().map(|facts| facts.counts),
        rows: store.page(batch, None, 100)?,
        repeated: store.inner.readers.by_idempotency_key(batch, "a-key").ok().flatten().unwrap_or_default(),
        unfinished: unfinished.iter().map(|image| (image.image, image.bytes, image.batch)).collect(),
        known: store.known(batch, &[cat, [7; 32]])?.len(),
    })
}

/// Whether each value is as it was written, or is missing, or is said to be lost.
fn is_honest(now: &Served, truth: &Served) -> bool {
    let row = |row: &ImageRow| truth.rows.contains(row) || *row == ImageRow::damaged(row.id, row.batch);
    (now.batch.is_none() || now.batch == truth.batch)
        && (now.counts.is_none() || now.counts == truth.counts)
        && now.rows.iter().chain(&now.repeated).all(row)
        && now.unfinished.iter().all(|image| truth.unfinished.contains(image))
        && now.known <= truth.known
}

#[tokio::test]
async fn a_bit_that_changes_anywhere_in_the_books_is_never_served_as_right_and_is_found() {
    let (whole, batch, id) = furnished().await;
    let books = fs::read(whole.data().join("books.sqlite")).unwrap();
    let store = whole.open().unwrap();
    let truth = served(&store, batch, &id).unwrap();
    drop(store);
    assert!(check(&whole.data()).unwrap().is_whole());
    assert_eq!((truth.rows.len(), truth.unfinished.len(), truth.known), (4, 3, 1));
    let every = std::env::var("MANYEYES_FLIPS").map_or(FLIP_EVERY, |every| every.parse().unwrap());
    let (mut refused, mut changed) = (0, 0);
    for at in (0..books.len()).step_by(every) {
        let wreck = Wreck { folder: in_memory(), settings: whole.settings.clone() };
        copy(&whole.data(), &wreck.data());
        let _ = fs::remove_file(wreck.data().join("books.sqlite-wal"));
        let mut damaged = books.clone();
        damaged[at] ^= 1 << (at / every % 8);
        fs::write(wreck.data().join("books.sqlite"), damaged).unwrap();
        let found = check(&wreck.data()).map_or(true, |report| !report.is_whole());
        let Some(now) = wreck.open().ok().and_then(|store| served(&store, batch, &id).ok()) else {
            refused += 1;
            let why = wreck.open().err();
            assert!(found, "byte {at} is refused ({why:?}), and not found");
            continue;
        };
        assert!(is_honest(&now, &truth), "byte {at}: {now:?}");
        if now != truth {
            changed += 1;
            assert!(found, "byte {at} is served as {now:?}, and not found");
        }
    }
    assert!(refused > 10 && changed > 10, "{refused} refused, {changed} not all served");
}

fn overwrite(wreck: &Wreck, sql: &str) {
    let books = Connection::open(wreck.data().join("books.sqlite")).unwrap();
    // As if the disk had done it: no trigger writes a checksum.
    let triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'";
    let names: Vec<String> =
        books.prepare(triggers).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let kept: Vec<String> = books
        .prepare("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    names.iter().for_each(|name| books.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    books.execute_batch(sql).unwrap();
    kept.iter().for_each(|sql| books.execute_batch(sql).unwrap());
}

/// A label of another class, as long as the one that was written: SQLite itself finds nothing wrong.
#[tokio::test]
async fn an_answer_that_changed_on_the_disk_is_shown_as_lost_and_its_neighbours_as_they_were() {
    let (wreck, batch, _) = furnished().await;
    overwrite(&wreck, "UPDATE images SET labels = replace(labels, 'tabby', 'tubby') WHERE id = 1");
    let report = check(&wreck.data()).unwrap();
    assert_eq!(report.faults, 1, "{report:?}");
    assert_eq!((report.told[0].of, report.told[0].name.as_deref()), (Part::Image, Some("1")));
    let store = wreck.open().unwrap();
    let rows = store.page(batch, None, 10).unwrap();
    assert_eq!(rows[0], ImageRow::damaged(rows[0].id, batch));
    assert_eq!((rows[0].state, rows[1].state), (ImageState::Failed, ImageState::Waiting));
    assert_eq!(store.image(batch, rows[0].id).unwrap(), Some(rows[0].clone()));
    assert!(matches!(store.payload(rows[0].id), Err(StoreError::DamagedEntry(_))));

    // It takes no change, and keeps nobody's change from being made.
    let changes =
        (store.finish(rows[0].id, failed("x")), store.finish(rows[1].id, failed("x")), store.reopen(rows[0].id));
    store.blame(rows[0].id, "worker-9", 5).await.unwrap();
    assert!(matches!(changes.0.await, Err(StoreError::DamagedEntry(_))));
    yes(changes.1.await.unwrap());
    assert!(matches!(changes.2.await, Err(StoreError::DamagedEntry(_))));
    assert_eq!(store.page(batch, None, 10).unwrap()[0], rows[0], "to write to it does not make it whole");

    // With its batch it goes, and frees nobody's bytes.
    store.delete_batch(batch).await.unwrap();
    until("its images are removed", || store.page(batch, None, 10).unwrap().is_empty()).await;
}

#[tokio::test]
async fn an_image_whose_place_changed_on_the_disk_takes_nobody_s_bytes_with_it() {
    let (wreck, batch, _) = furnished().await;
    // Where the cow of the other batch lies.
    overwrite(&wreck, "UPDATE images SET place = 10 WHERE id = 2");
    let store = wreck.open().unwrap();
    let rows = store.page(batch, None, 10).unwrap();
    assert!(matches!(store.delete_image(rows[1].id).await, Err(StoreError::DamagedEntry(_))));
    store.delete_batch(batch).await.unwrap();
    until("its images are removed", || store.page(batch, None, 10).unwrap().is_empty()).await;
    assert_eq!(store.payload(ImageId(4)).unwrap(), b"a cow".as_slice());
}

/// From a pack that is said to end earlier the start would cut bytes off; from numbers that are said to be free, some would
/// be given twice; a batch that nobody has deleted would be removed.
#[tokio::test]
async fn what_could_destroy_other_things_is_not_believed() {
    for sql in ["UPDATE packs SET end = 3", "UPDATE books SET image_ceiling = 2"] {
        let (wreck, _, _) = furnished().await;
        overwrite(&wreck, sql);
        let length = fs::metadata(wreck.data().join("packs/1")).unwrap().len();
        assert!(matches!(wreck.open(), Err(StoreError::Damaged(_))), "{sql}");
        assert_eq!(fs::metadata(wreck.data().join("packs/1")).unwrap().len(), length);
        assert!(!check(&wreck.data()).unwrap().is_whole());
    }
    let (wreck, batch, _) = furnished().await;
    overwrite(&wreck, "INSERT INTO condemned (number) VALUES (1); UPDATE images SET pack = 1 WHERE pack = 0");
    let report = check(&wreck.data()).unwrap();
    assert!(!report.is_whole());
    let store = wreck.open().unwrap();
    kept(&store, BatchId(2), b"something to do").await;
    assert_eq!(store.page(batch, None, 10).unwrap().len(), 4);
    assert!(wreck.data().join("large/3").exists(), "the file of an image whose entry is damaged stays");
}

#[tokio::test]
async fn a_batch_whose_entry_changed_on_the_disk_is_refused_and_others_go_on() {
    let (wreck, batch, _) = furnished().await;
    overwrite(&wreck, "UPDATE batches SET recognised = 7 WHERE number = 1");
    let store = wreck.open().unwrap();
    assert!(matches!(store.facts(batch), Err(StoreError::DamagedEntry(_))));
    let (damaged, whole) =
        (keep(&store, batch, b"late").await.unwrap(), keep(&store, BatchId(2), b"late").await.unwrap());
    assert!(matches!(damaged.durable.await, Err(StoreError::DamagedEntry(_))));
    whole.durable.await.unwrap();
    assert_eq!(store.unfinished().unwrap().len(), 2, "what waits in the other batch");
}
