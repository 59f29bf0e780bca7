//! Writes that a crash has cut short, at each byte of the last of them: what was there before is whole, what was being
//! written is there whole or not at all.

use std::sync::atomic::AtomicUsize;

use super::*;

/// Crashes that are looked at at the same time.
const LOOKERS: usize = 2;
/// Of the log, every so-manieth byte is changed; it is cut at each.
const CHANGED_EVERY: usize = 7;

/// A data folder as bytes, to be laid out again and again.
#[derive(Clone)]
struct Folder(Vec<(String, Vec<u8>)>);

impl Folder {
    fn of(house: &House) -> Self {
        let names = ["books.sqlite", "books.sqlite-wal", "packs/1"].map(str::to_owned);
        let large = fs::read_dir(house.data().join("large")).unwrap();
        let large = large.map(|entry| format!("large/{}", entry.unwrap().file_name().to_str().unwrap()));
        let read = |name: String| fs::read(house.data().join(&name)).ok().map(|bytes| (name, bytes));
        Self(names.into_iter().chain(large).filter_map(read).collect())
    }

    fn file(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(found, _)| found == name).unwrap().1
    }

    fn length(&self, name: &str) -> usize {
        self.clone().file(name).len()
    }

    fn lay_out(&self) -> Wreck {
        let folder = in_memory();
        for part in ["packs", "large"] {
            fs::create_dir_all(folder.path().join("data").join(part)).unwrap();
        }
        self.0.iter().for_each(|(name, bytes)| fs::write(folder.path().join("data").join(name), bytes).unwrap());
        Wreck { folder, settings: settings() }
    }
}

fn settings() -> StoreSettings {
    StoreSettings { reserve_bytes: 1, small_bytes: 600, ..StoreSettings::default() }
}

fn house() -> House {
    House::with(|house| *house = StoreSettings { clock: Arc::clone(&house.clock), ..settings() })
}

/// For each of `places`, on a few threads.
fn everywhere(places: std::ops::Range<usize>, look: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(places.start);
    std::thread::scope(|scope| {
        for _ in 0..LOOKERS {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < places.end) {
                    look(at);
                }
            });
        }
    });
}

/// Everything that a batch shows, each file read.
fn all_of(store: &Store, batch: BatchId) -> (Vec<ImageRow>, Vec<Result<Bytes, StoreError>>) {
    let rows = store.page(batch, None, 100).unwrap();
    let bytes = rows.iter().map(|row| store.payload(row.id)).collect();
    (rows, bytes)
}

/// The log of the books, cut at each byte of its last group, and with bytes all over it changed.
#[tokio::test]
async fn a_log_that_ends_within_its_last_group_loses_that_group_and_no_more() {
    let house = house();
    let batch = house.batch().await;
    let answered = house.kept(batch, &noise(1, 300)).await;
    house.kept(batch, &noise(2, 900)).await;
    let before = (Folder::of(&house).length("books.sqlite-wal"), all_of(&house.store, batch));
    house.store.finish(answered.id, recognised("tabby")).await.unwrap();
    let (after, left) = (all_of(&house.store, batch), Folder::of(&house));
    let (from, to) = (before.0, left.length("books.sqlite-wal"));
    assert!(to - from > 8000 && before.1 != after);
    everywhere(from..to, |at| {
        let mut cut = left.clone();
        cut.file("books.sqlite-wal").truncate(at);
        let changed = (at % CHANGED_EVERY == 0).then(|| {
            let mut changed = left.clone();
            changed.file("books.sqlite-wal")[at] ^= 1 << (at / CHANGED_EVERY % 8);
            changed
        });
        for folder in [Some(cut), changed].into_iter().flatten() {
            let wreck = folder.lay_out();
            assert!(all_of(&wreck.open().unwrap(), batch) == before.1, "at {at} of {from}..{to}");
        }
    });
    assert!(all_of(&left.lay_out().open().unwrap(), batch) == after);
}

/// The bytes of an upload that had not come into the books, cut at each byte.
#[tokio::test]
async fn a_pack_that_ends_within_its_last_append_has_what_the_books_name_and_goes_on_from_there() {
    let house = house();
    let batch = house.batch().await;
    house.kept(batch, &noise(1, 300)).await;
    let (before, mut left) = (all_of(&house.store, batch), Folder::of(&house));
    left.file("packs/1").extend(noise(9, 500));
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        everywhere(300..801, |at| {
            let mut cut = left.clone();
            cut.file("packs/1").truncate(at);
            let wreck = cut.lay_out();
            let store = wreck.open().unwrap();
            assert!(all_of(&store, batch) == before, "cut at {at}");
            let more = runtime.block_on(kept(&store, batch, &noise(2, 40)));
            assert_eq!(store.payload(more.id).unwrap(), noise(2, 40));
            assert_eq!(fs::metadata(wreck.data().join("packs/1")).unwrap().len(), 340);
        });
    })
    .await
    .unwrap();
}

/// What the books name and the disk has lost all the same, be it a pack or a file of its own: cut at each byte, and with each
/// byte changed.
#[tokio::test]
async fn bytes_that_the_disk_lost_or_changed_are_reported_as_that_image_and_served_never() {
    let house = house();
    let batch = house.batch().await;
    let first = house.kept(batch, &noise(1, 200)).await;
    for size in [400, 700] {
        let lost = house.kept(batch, &noise(2, size)).await;
        let left = Folder::of(&house);
        let (file, from) = if size < 600 { ("packs/1".to_owned(), 200) } else { (format!("large/{}", lost.id), 0) };
        everywhere(from..from + size, |at| {
            let mut cut = left.clone();
            cut.file(&file).truncate(at);
            let mut changed = left.clone();
            changed.file(&file)[at] ^= 1 << (at % 8);
            for folder in [cut, changed] {
                let wreck = folder.lay_out();
                let store = wreck.open().unwrap();
                assert_eq!(store.payload(first.id).unwrap(), noise(1, 200));
                let reported = store.payload(lost.id);
                assert!(
                    matches!(&reported, Err(StoreError::Damaged(what)) if what.contains("cat.jpg")),
                    "{reported:?}"
                );
            }
        });
        house.store.delete_image(lost.id).await.unwrap();
    }
}
