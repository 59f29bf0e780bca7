//! How many uploads the store makes durable, beside a plain loop that appends the same bytes to a file and syncs a group
//! of them at a time. Run it on the disk that counts:
//!
//! ```text
//! cargo run --release -p manyeyes-manager --example store_bench -- [FOLDER]
//! ```

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use manyeyes_manager::store::{Content, NewImage, Spooled, Store, StoreError, StoreSettings};
use manyeyes_protocol::id::BatchId;

/// As in the project's target: 2,000 durable uploads of this size a second.
const IMAGE_BYTES: usize = 100_000;
const IMAGES: usize = 20_000;
/// Uploads under way at a time, and images in a group of the plain loop.
const CONCURRENT: usize = 64;
/// The pieces in which a socket gives the bytes.
const PIECE_BYTES: usize = 16_384;
/// The two take turns at being first, so that a disk that changes its mind does so for both.
const ROUNDS: usize = 5;

/// Images in the batch in which reads are timed (its named limit), in how large uploads they come, and how often each
/// read is made.
const LARGE_BATCH: usize = 200_000;
const LARGE_UPLOAD: usize = 1000;
const READS: u32 = 200;

struct Measured {
    per_second: f64,
    cpu_ms_per_image: f64,
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("store-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let image = Bytes::from(noise(IMAGE_BYTES));
    let (mut ratios, mut rates) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let run_plain = || measure(|| plain_loop(&folder.join("plain"), &image));
        let run_store = || measure(|| keep_all(&folder.join(format!("store-{round}")), &image));
        let (kept, plain) = if round % 2 == 0 {
            (run_store()?, run_plain()?)
        } else {
            let plain = run_plain()?;
            (run_store()?, plain)
        };
        println!(
            "round {round}: store {:.0} images/s ({:.2} ms CPU each), plain loop {:.0} images/s ({:.2} ms CPU each)",
            kept.per_second, kept.cpu_ms_per_image, plain.per_second, plain.cpu_ms_per_image
        );
        ratios.push(kept.per_second / plain.per_second);
        rates.push(kept.per_second);
        fs::remove_dir_all(folder.join(format!("store-{round}")))?;
    }
    let reads = read_large_batch(&folder.join("large-batch"))?;
    fs::remove_dir_all(&folder)?;
    println!("{reads}");
    println!(
        "median of {ROUNDS}: {:.0} durable uploads/s of {IMAGE_BYTES} bytes with {CONCURRENT} at a time, \
         {:.2} of the plain group-commit write loop",
        median(&mut rates),
        median(&mut ratios)
    );
    Ok(())
}

/// Append, and sync once a group.
fn plain_loop(path: &Path, image: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let mut file = File::create(path)?;
    for _ in 0..IMAGES / CONCURRENT {
        for _ in 0..CONCURRENT {
            file.write_all(image)?;
        }
        file.sync_data()?;
    }
    Ok(fs::remove_file(path)?)
}

fn keep_all(folder: &Path, image: &Bytes) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let store = Store::open(folder, StoreSettings::default())?;
    runtime.block_on(async {
        let batch = store.create_batch().await?.number;
        let uploaders = (0..CONCURRENT).map(|_| tokio::spawn(upload(store.clone(), batch, image.clone())));
        for uploader in uploaders.collect::<Vec<_>>() {
            uploader.await??;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })
}

async fn upload(store: Store, batch: BatchId, image: Bytes) -> Result<(), StoreError> {
    for _ in 0..IMAGES / CONCURRENT {
        let mut spool = store.spool();
        for start in (0..image.len()).step_by(PIECE_BYTES) {
            spool.write(image.slice(start..image.len().min(start + PIECE_BYTES))).await?;
        }
        let new = new_image(spool.finish().await?);
        store.keep(batch, vec![new], None)?.durable.await?;
    }
    Ok(())
}

/// What a page asks of a batch at its limit.
fn read_large_batch(folder: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let store = Store::open(folder, StoreSettings::default())?;
    let batch = runtime.block_on(async {
        let batch = store.create_batch().await?.number;
        for _ in 0..LARGE_BATCH / LARGE_UPLOAD {
            let mut images = Vec::new();
            for _ in 0..LARGE_UPLOAD {
                let mut spool = store.spool();
                spool.write(Bytes::from_static(b"a very small image")).await?;
                images.push(new_image(spool.finish().await?));
            }
            store.keep(batch, images, None)?.durable.await?;
        }
        Ok::<_, StoreError>(batch)
    })?;
    let middle = store.page(batch, None, u32::MAX)?[LARGE_BATCH / 2].clone();
    let took = |read: &dyn Fn() -> Result<(), StoreError>| {
        let began = Instant::now();
        (0..READS).try_for_each(|_| read())?;
        Ok::<_, StoreError>(began.elapsed().as_secs_f64() * 1e6 / f64::from(READS))
    };
    let facts = took(&|| store.facts(batch).map(drop))?;
    let page = took(&|| store.page(batch, Some(middle.id), 100).map(drop))?;
    let payload = took(&|| store.payload(middle.id).map(drop))?;
    drop(store);
    let began = Instant::now();
    let store = Store::open(folder, StoreSettings::default())?;
    let open = began.elapsed().as_secs_f64() * 1e3;
    let unfinished = store.unfinished()?.len();
    let all = began.elapsed().as_secs_f64() * 1e3 - open;
    Ok(format!(
        "in a batch of {LARGE_BATCH}: facts {facts:.0} us, a page of 100 {page:.0} us, a small payload {payload:.0} us; \
         opened in {open:.0} ms, {unfinished} unfinished listed in {all:.0} ms"
    ))
}

fn new_image(spooled: Spooled) -> NewImage {
    NewImage {
        name: "photo.jpg".to_owned(),
        media_type: Some("image/jpeg".to_owned()),
        width: Some(640),
        height: Some(480),
        began: SystemTime::now(),
        content: Content::Accepted(spooled),
    }
}

fn measure(
    run: impl FnOnce() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<Measured, Box<dyn std::error::Error>> {
    let (began, cpu) = (Instant::now(), cpu_time());
    run()?;
    let (took, cpu) = (began.elapsed(), cpu_time().saturating_sub(cpu));
    let images = (IMAGES / CONCURRENT * CONCURRENT) as f64;
    Ok(Measured { per_second: images / took.as_secs_f64(), cpu_ms_per_image: cpu.as_secs_f64() * 1000.0 / images })
}

/// Of this process, in and below the kernel's calls.
fn cpu_time() -> Duration {
    let mut now = Duration::ZERO;
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    for ticks in fields.skip(11).take(2) {
        now += Duration::from_millis(10) * ticks.parse().unwrap_or(0);
    }
    now
}

/// Bytes that nothing compresses, the same in every run.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
