//! A batch of ten thousand images: what is asked of it as a whole is quick, and nobody else waits for it. The times are
//! printed; the bounds are for a build without optimisation on a busy machine, and catch what grows with the square.

#![expect(clippy::print_stderr, reason = "measurements, for who runs it with --no-capture")]

use std::time::{Duration, Instant};

use manyeyes_manager::api::{BatchPage, Image, Known, SelectionDone};

use super::{Running, jpeg};

const IMAGES: u32 = 10_000;
/// For one request over all images.
const WHOLE: Duration = Duration::from_secs(60);
/// For a request of somebody else meanwhile.
const NEIGHBOUR: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_images_are_looked_up_paged_run_again_cancelled_and_removed_while_others_go_on() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let files: Vec<Vec<u8>> = (0..IMAGES).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    let images = timed("uploaded", WHOLE, running.upload(&batch, &files)).await;
    let ids: Vec<String> = images.iter().map(|image| image.id.clone()).collect();

    let digests: Vec<String> = images.iter().filter_map(|image| image.sha256.clone()).collect();
    let known = timed("looked up", WHOLE, known(&running, &batch, &digests)).await;
    assert_eq!(known.sha256, digests);
    let pages = timed("paged", WHOLE, pages(&running, &batch)).await;
    assert!(pages.iter().map(|image| &image.id).eq(&ids));

    for what in ["cancel", "retry", "delete"] {
        let changing = timed(what, WHOLE, running.change(&batch, what, &ids));
        let (done, slowest) = meanwhile(&running, changing).await;
        assert_eq!(done, SelectionDone { done: IMAGES, refused: 0 }, "{what}");
        assert!(slowest < NEIGHBOUR, "{what} made somebody else wait for {slowest:?}");
        eprintln!("  somebody else's slowest upload meanwhile: {slowest:.0?}");
    }
    assert_eq!(running.page(&batch).await.counts.total, 0);
}

async fn known(running: &Running, batch: &str, digests: &[String]) -> Known {
    let question = serde_json::to_vec(&Known { sha256: digests.to_vec() }).unwrap();
    running.client.post(&format!("/api/v1/batches/{batch}/known"), "application/json", &question).await.json()
}

async fn pages(running: &Running, batch: &str) -> Vec<Image> {
    let (mut images, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/batches/{batch}?limit=1000&after={after}");
        let page = running.client.get(&path).await.json::<BatchPage>();
        images.extend(page.images);
        if !page.more {
            return images;
        }
        after.clone_from(&images.last().unwrap().id);
    }
}

/// Uploads one image after the other to another batch while `work` lasts; gives the longest that one took.
async fn meanwhile<T>(running: &Running, work: impl Future<Output = T>) -> (T, Duration) {
    let other = running.batch().await;
    let mut work = std::pin::pin!(work);
    let mut slowest = Duration::ZERO;
    for n in 0.. {
        let began = Instant::now();
        let file = jpeg(n);
        let neighbour = [("b.jpg", &file[..])];
        let mut upload = std::pin::pin!(running.upload(&other, &neighbour));
        tokio::select! {
            done = &mut work => {
                upload.await;
                return (done, slowest);
            }
            _ = &mut upload => slowest = slowest.max(began.elapsed()),
        }
    }
    unreachable!("the numbers do not end")
}

async fn timed<T>(what: &str, most: Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    eprintln!("{IMAGES} images, {what}: {:.0?}", began.elapsed());
    assert!(began.elapsed() < most, "{what} took {:?}", began.elapsed());
    done
}
