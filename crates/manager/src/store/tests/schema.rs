//! Books of the schema before: what is in them stays as it was, whatever happens while they are brought to this one.

use rusqlite::Connection;

use super::*;
use crate::api::ImageState;
use crate::store::books::{FROM_1_TO_2, SCHEMA_NUMBER};
use crate::store::{check, seal};

/// A data folder that the program of schema 1 has left.
fn of_schema_1() -> Wreck {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("data/large");
    fs::create_dir_all(&large).unwrap();
    for (image, bytes) in [(7, b"a cat"), (8, b"a dog"), (9, b"a cow")] {
        fs::write(large.join(image.to_string()), bytes).unwrap();
    }
    let books = Connection::open(folder.path().join("data/books.sqlite")).unwrap();
    books.execute_batch(include_str!("schema_1.sql")).unwrap();
    Wreck { folder, settings: StoreSettings { reserve_bytes: 64 << 10, ..StoreSettings::default() } }
}

fn pragma<T: rusqlite::types::FromSql>(books: &Connection, name: &str) -> T {
    books.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn books_of_the_schema_before_are_brought_to_this_one_with_all_that_is_in_them() {
    let wreck = of_schema_1();
    let store = wreck.open().unwrap();
    let key = store.batch("a-batch-of-before").unwrap().unwrap();
    let rows = store.page(key.number, None, 10).unwrap();
    let states: Vec<_> = rows.iter().map(|row| row.state).collect();
    use ImageState::{Failed, Recognised, Rejected, Waiting};
    assert_eq!(states, [Recognised, Failed, Waiting, Rejected]);
    let cat = &rows[0];
    assert_eq!(
        (cat.labels[0].name.as_str(), cat.worker.as_deref(), cat.timing.total),
        ("tabby", Some("worker-2"), Some(8.5))
    );
    assert!(rows.iter().all(|row| row.run == 0 && row.model.is_none()));
    let unfinished = store.unfinished().unwrap();
    assert_eq!((unfinished.len(), unfinished[0].run, unfinished[0].model), (1, 0, None));
    assert_eq!(unfinished[0].blamed, ["worker-1"]);
    assert_eq!(store.payload(cat.id).unwrap(), b"a cat".as_slice());
    assert_eq!((store.facts(key.number).unwrap().model, store.kept_bytes()), (None, 15));

    // A key that was used before is known, and numbers go on where they were.
    let repeated = store.keep(key.number, vec![image(&store, b"a cat").await], Some("a-key")).unwrap();
    assert_eq!(repeated.images, rows);
    let more = kept(&store, key.number, b"an owl").await;
    assert!(more.id > rows[3].id && more.seq > rows[3].seq);

    // By which model it was answered then is not known; by which it is answered again is.
    yes(store.reopen(cat.id).await.unwrap());
    let again = yes(store.finish(cat.id, in_run(1, recognised("lion"))).await.unwrap());
    assert_eq!((again.run, again.model.as_deref()), (1, Some("GoogLeNet")));
    assert_eq!(store.facts(key.number).unwrap().model, Some(model("GoogLeNet")));

    let books = Connection::open(wreck.data().join("books.sqlite")).unwrap();
    assert_eq!(
        (pragma::<i64>(&books, "user_version"), pragma::<String>(&books, "journal_mode")),
        (SCHEMA_NUMBER, "wal".into())
    );
    drop(store);
    let store = wreck.open().unwrap();
    assert_eq!(store.page(key.number, None, 10).unwrap().len(), 5, "it is brought there once");
}

/// Half of the step may have reached the disk: nothing of it counts before the whole does.
#[test]
fn a_crash_while_books_are_brought_to_this_schema_leaves_them_as_they_were() {
    let wreck = of_schema_1();
    let books = Connection::open(wreck.data().join("books.sqlite")).unwrap();
    books.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    books.pragma_update(None, "cache_size", 1).unwrap();
    books.execute_batch("BEGIN IMMEDIATE").unwrap();
    for statement in FROM_1_TO_2.split_inclusive(';') {
        books.execute_batch(statement).unwrap();
        let crashed = Wreck { folder: tempfile::tempdir().unwrap(), settings: wreck.settings.clone() };
        copy(&wreck.data(), &crashed.data());
        let found = Connection::open(crashed.data().join("books.sqlite")).unwrap();
        assert_eq!(pragma::<i64>(&found, "user_version"), 1);
        drop(found);
        let store = crashed.open().unwrap();
        let key = store.batch("a-batch-of-before").unwrap().unwrap();
        assert_eq!(store.page(key.number, None, 10).unwrap().len(), 4);
    }
}

/// The program of before can go on with them.
#[test]
fn books_that_cannot_be_brought_to_this_schema_stay_as_they_were() {
    let wreck = of_schema_1();
    let file = wreck.data().join("books.sqlite");
    let other = Connection::open(&file).unwrap();
    // A name that the step wants is taken, so that its last statement fails.
    other.execute_batch("ALTER TABLE images ADD COLUMN model INTEGER").unwrap();
    drop(other);
    assert!(wreck.open().is_err());
    let books = Connection::open(&file).unwrap();
    assert_eq!(pragma::<i64>(&books, "user_version"), 1);
    let has = |table: &str, column: &str| books.prepare(&format!("SELECT {column} FROM {table}")).is_ok();
    assert!(!has("batches", "model_name") && !has("images", "run"), "nothing of the step is left");
}

/// A data folder that the program of schema 2 has left.
fn of_schema_2() -> Wreck {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("data/packs")).unwrap();
    fs::write(folder.path().join("data/packs/1"), include_bytes!("schema_2.pack")).unwrap();
    let books = Connection::open(folder.path().join("data/books.sqlite")).unwrap();
    books.execute_batch(include_str!("schema_2.sql")).unwrap();
    Wreck { folder, settings: StoreSettings { reserve_bytes: 64 << 10, ..StoreSettings::default() } }
}

#[tokio::test]
async fn books_of_schema_2_get_their_checksums_and_stay_as_they_were() {
    let wreck = of_schema_2();
    assert_eq!(check(&wreck.data()), Err(StoreError::OlderSchema { found: 2, known: SCHEMA_NUMBER }));
    let store = wreck.open().unwrap();
    let key = store.batch("3Wmi6p5emCXXNrcpuEwreu").unwrap().unwrap();
    let rows = store.page(key.number, None, 10).unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (row.id.0, row.name.as_str(), row.state, row.run)).collect();
    use ImageState::{Recognised, Rejected, Waiting};
    let expected = [
        (1, "photo-0.bmp", Recognised, 0),
        (2, "photo-1.bmp", Waiting, 1),
        (3, "photo-2.bmp", Recognised, 0),
        (4, "notes.txt", Rejected, 0),
        (5, "late.bmp", Waiting, 0),
    ];
    assert_eq!(shown, expected);
    assert_eq!(
        (rows[0].labels[0].name.as_str(), rows[0].worker.as_deref()),
        ("sha256:b677060f74957bee", Some("worker-2"))
    );
    assert_eq!(store.facts(key.number).unwrap().model.unwrap().name, "none (1 ms an image)");
    for row in rows.iter().filter(|row| row.state != Rejected) {
        store.payload(row.id).unwrap();
    }
    assert!(check(&wreck.data()).unwrap().is_whole());
    let repeated = store.keep(key.number, vec![image(&store, b"a cat").await], Some("a-key")).unwrap();
    assert_eq!(ids(&repeated.images), ids(&rows[..1]));
    yes(store.finish(rows[4].id, by("none (1 ms an image)", failed("x"))).await.unwrap());
    let more = kept(&store, key.number, b"an owl").await;
    assert!(more.id > rows[4].id && more.seq > 16);
    assert!(check(&wreck.data()).unwrap().is_whole());
}

#[test]
fn a_crash_while_books_get_their_checksums_leaves_them_as_they_were() {
    let wreck = of_schema_2();
    let books = Connection::open(wreck.data().join("books.sqlite")).unwrap();
    seal::register(&books).unwrap();
    books.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    books.pragma_update(None, "cache_size", 1).unwrap();
    books.execute_batch("BEGIN IMMEDIATE").unwrap();
    for statement in seal::from_2_to_3().split_inclusive(";\n") {
        books.execute_batch(statement).unwrap();
        let crashed = Wreck { folder: tempfile::tempdir().unwrap(), settings: wreck.settings.clone() };
        copy(&wreck.data(), &crashed.data());
        let found = Connection::open(crashed.data().join("books.sqlite")).unwrap();
        assert_eq!(pragma::<i64>(&found, "user_version"), 2);
        drop(found);
        let store = crashed.open().unwrap();
        let key = store.batch("3Wmi6p5emCXXNrcpuEwreu").unwrap().unwrap();
        assert_eq!(store.page(key.number, None, 10).unwrap().len(), 5);
    }
}
