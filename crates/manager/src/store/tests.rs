//! The store's promises. A crash is a copy of the data folder taken while the store is open: what a process leaves that
//! never came to closing it.

mod backup;
mod books;
mod crash;
mod disk;
mod room;
mod rot;
mod schema;
mod torn;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use manyeyes_protocol::id::{BatchId, ImageId};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{AnsweringModel, Content, Ending, ImageRow, Keeping, NewImage, Recorded, Store, StoreError, StoreSettings};
use crate::api::{Label, Problem, Timing, Wire};

/// A store in a folder of its own, with a clock that stands until it is moved.
struct House {
    folder: TempDir,
    clock: Arc<AtomicU64>,
    settings: StoreSettings,
    store: Store,
}

impl House {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut StoreSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(1_700_000_000));
        let hands = Arc::clone(&clock);
        let mut settings = StoreSettings {
            reserve_bytes: 64 << 10,
            // Less than it is, so that large images need not be.
            small_bytes: 512 << 10,
            clock: Arc::new(move || UNIX_EPOCH + Duration::from_secs(hands.load(Ordering::Relaxed))),
            ..StoreSettings::default()
        };
        change(&mut settings);
        let store = Store::open(&folder.path().join("data"), settings.clone()).unwrap();
        Self { folder, clock, settings, store }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn now(&self) -> SystemTime {
        (self.settings.clock)()
    }

    fn pass(&self, time: Duration) {
        self.clock.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    /// What a crash at this moment leaves, not yet opened.
    fn wreck(&self) -> Wreck {
        let folder = tempfile::tempdir().unwrap();
        copy(&self.data(), &folder.path().join("data"));
        Wreck { folder, settings: self.settings.clone() }
    }

    /// Opened again after a crash at this moment.
    fn crash(&self) -> (Wreck, Store) {
        let wreck = self.wreck();
        let store = wreck.open().unwrap();
        (wreck, store)
    }

    async fn batch(&self) -> BatchId {
        self.store.create_batch().await.unwrap().number
    }

    async fn kept(&self, batch: BatchId, bytes: &[u8]) -> ImageRow {
        kept(&self.store, batch, bytes).await
    }

    /// Kept with the time at which its first byte came.
    async fn kept_at(&self, batch: BatchId, bytes: &[u8], began: SystemTime) -> ImageRow {
        let image = NewImage { began, ..image(&self.store, bytes).await };
        let mut keeping = self.store.keep(batch, vec![image], None).unwrap();
        keeping.durable.await.unwrap();
        keeping.images.remove(0)
    }

    fn pack(&self, number: u32) -> PathBuf {
        self.data().join("packs").join(number.to_string())
    }
}

struct Wreck {
    folder: TempDir,
    settings: StoreSettings,
}

impl Wreck {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.data(), self.settings.clone())
    }
}

/// A folder in memory, where there is a place for it: for what is laid out thousands of times.
fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

async fn image(store: &Store, bytes: &[u8]) -> NewImage {
    let mut spool = store.spool();
    // In pieces, as from a socket.
    for piece in bytes.chunks(10_000) {
        spool.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let content = Content::Accepted(spool.finish().await.unwrap());
    NewImage {
        name: "cat.jpg".to_owned(),
        media_type: Some("image/jpeg".to_owned()),
        width: Some(640),
        height: Some(480),
        began: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        content,
    }
}

fn rejected(code: &str) -> NewImage {
    NewImage {
        name: "notes.txt".to_owned(),
        media_type: None,
        width: None,
        height: None,
        began: UNIX_EPOCH,
        content: Content::Rejected { problem: problem(code), bytes: 7, sha256: None },
    }
}

async fn keep(store: &Store, batch: BatchId, bytes: &[u8]) -> Result<Keeping, StoreError> {
    let image = image(store, bytes).await;
    store.keep(batch, vec![image], None)
}

async fn kept(store: &Store, batch: BatchId, bytes: &[u8]) -> ImageRow {
    let mut keeping = keep(store, batch, bytes).await.unwrap();
    keeping.durable.await.unwrap();
    keeping.images.remove(0)
}

fn recognised(name: &str) -> Ending {
    Ending::Recognised {
        run: 0,
        model: Some(model("GoogLeNet")),
        labels: vec![Label { index: 281, name: name.to_owned(), probability: 0.75 }],
        worker: "worker-2".to_owned(),
        attempts: 1,
        timing: Timing { inference: Some(12.5), ..Timing::default() },
        wire: Some(Wire {
            bytes_sent: 1_200,
            bytes_resent: 200,
            rtt_ms: Some(20.5),
            window_bytes: None,
            delivery_bits_per_s: None,
        }),
        form_bytes: Some(3),
    }
}

/// The same ending, of another run.
fn in_run(run: u32, mut ending: Ending) -> Ending {
    match &mut ending {
        Ending::Recognised { run: of, .. } | Ending::Failed { run: of, .. } => *of = run,
        Ending::Cancelled { .. } => {}
    }
    ending
}

/// The same answer, by another model.
fn by(name: &str, mut ending: Ending) -> Ending {
    if let Ending::Recognised { model: by, .. } = &mut ending {
        *by = Some(model(name));
    }
    ending
}

/// A model whose digest is its name.
fn model(name: &str) -> AnsweringModel {
    AnsweringModel { digest: Sha256::digest(name).into(), name: name.to_owned() }
}

fn failed(code: &str) -> Ending {
    Ending::Failed { run: 0, problem: problem(code), worker: None, attempts: 2, timing: Timing::default() }
}

fn problem(code: &str) -> Problem {
    Problem { code: code.to_owned(), message: "As told by the test.".to_owned() }
}

fn yes(recorded: Recorded) -> ImageRow {
    match recorded {
        Recorded::Yes(row) => *row,
        other => panic!("not recorded: {other:?}"),
    }
}

fn ids(rows: &[ImageRow]) -> Vec<ImageId> {
    rows.iter().map(|row| row.id).collect()
}

/// Bytes that differ by `seed`.
fn noise(seed: u8, bytes: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Space that a file takes on the disk, holes left out.
fn disk_bytes(file: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(file).unwrap().blocks() * 512
}

/// Waits for what the writer does after it has answered.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not within ten seconds: {what}"));
}
