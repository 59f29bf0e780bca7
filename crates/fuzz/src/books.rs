//! A data folder of which something has been written over: by a disk that rots, or by somebody.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use manyeyes_manager::store::{Content, NewImage, Store, StoreSettings, check};
use manyeyes_protocol::id::ImageId;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::choices::Choices;

/// The files' bytes of the images that are in the folder.
const FILES: [&[u8]; 3] = [b"the first picture", b"the second picture", b"the third picture, which is a little longer"];

/// What is in the folder is refused, or told to be damaged, or is what was put in: never anything else.
pub(crate) fn run(bytes: &[u8]) {
    let (folder, runtime) = (in_memory(), runtime());
    let data = folder.path().join("data");
    copy(whole().path(), &data);
    let mut choices = Choices::of(bytes);
    while !choices.is_empty() {
        let file = if choices.of_so_many(4) == 0 { data.join("packs").join("1") } else { data.join("books") };
        write_over(&file, &mut choices);
    }
    // What is wrong with it is told; whatever it says, it comes to an end.
    let _ = check(&data);
    let Ok(store) = Store::open(&data, settings()) else {
        return;
    };
    for (number, file) in (1..).zip(FILES) {
        if let Ok(payload) = store.payload(ImageId(number)) {
            assert!(FILES.contains(&&payload[..]), "bytes that nobody has put in: {payload:?} for {file:?}");
        }
    }
    let _ = store.unfinished();
    // New images are taken all the same, or refused with a reason.
    let _ = runtime.block_on(async { keep(&store, b"another").await });
    store.close();
}

fn write_over(file: &Path, choices: &mut Choices<'_>) {
    let Ok(mut content) = fs::read(file) else {
        return;
    };
    let place = usize::from(choices.byte()) << 8 | usize::from(choices.byte());
    let many = 1 + choices.of_so_many(16) as usize;
    for (old, &new) in content.iter_mut().skip(place).zip(choices.bytes(many)) {
        *old ^= new;
    }
    fs::write(file, content).expect("written");
}

fn settings() -> StoreSettings {
    StoreSettings { reserve_bytes: 4096, ..StoreSettings::default() }
}

/// A folder that was closed in order, made once.
fn whole() -> &'static TempDir {
    static WHOLE: OnceLock<TempDir> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = in_memory();
        let store = Store::open(folder.path(), settings()).expect("opened");
        runtime().block_on(async {
            for file in FILES {
                keep(&store, file).await.expect("kept");
            }
        });
        store.close();
        folder
    })
}

async fn keep(store: &Store, file: &'static [u8]) -> Result<(), manyeyes_manager::store::StoreError> {
    let batch = store.create_batch().await?.number;
    let mut spool = store.spool();
    spool.write(Bytes::from_static(file)).await?;
    let content = Content::Accepted(spool.finish().await?);
    let image = NewImage {
        name: "a.jpg".to_owned(),
        media_type: Some("image/jpeg".to_owned()),
        width: Some(4),
        height: Some(3),
        began: UNIX_EPOCH,
        content,
    };
    store.keep(batch, vec![image], None)?.durable.await
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"))
}

/// A folder in memory, where there is a place for it.
fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("there") {
        let entry = entry.expect("there");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}
