//! What a page is told while a batch is worked on.

use manyeyes_manager::api::ImageState;
use tokio::net::TcpSocket;

use super::{Running, jpeg, page::Page, worker::Worker};

#[tokio::test]
async fn a_page_sees_each_change_and_ends_with_what_the_books_have() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let mut page = Page::open(&running, &batch, None).await;
    let files: Vec<Vec<u8>> = (0..20).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    running.upload(&batch, &files).await;
    let _worker = Worker::start(running.manager.worker_addr(), "worker-1");
    page.until(|page| {
        page.images.len() == 20 && page.images.values().all(|image| image.state == ImageState::Recognised)
    })
    .await;
    assert!(page.seen.iter().any(|image| image.state == ImageState::Waiting));
    assert!(page.seen.iter().any(|image| image.state == ImageState::Assigned));
    page.until(|page| page.status.as_ref().is_some_and(|status| status.counts.recognised == 20)).await;
    let shown: Vec<_> = page.images.into_values().collect();
    assert_eq!(shown, running.page(&batch).await.images);
}

#[tokio::test]
async fn a_page_that_comes_back_gets_what_it_missed_and_only_that() {
    let running = Running::start().await;
    let batch = running.batch().await;
    let page = Page::open(&running, &batch, None).await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    let first = page.seq;
    page.close().await;
    let mut page = Page::open(&running, &batch, Some(first)).await;
    assert_eq!((page.was_complete, page.in_snapshot), (false, 1));
    let second = page.seq;
    let id = running.upload(&batch, &[("b.jpg", &jpeg(2))]).await.remove(0).id;
    page.until(|page| page.images.len() == 2).await;
    page.close().await;
    let page = Page::open(&running, &batch, Some(second)).await;
    assert_eq!((page.was_complete, page.in_snapshot), (false, 1));
    assert_eq!(page.images.into_values().next().unwrap().id, id);
}

/// It was told that nothing has changed, and showed an empty batch.
#[tokio::test]
async fn a_page_that_names_a_number_of_the_future_gets_the_whole() {
    let running = Running::start().await;
    let batch = running.batch().await;
    running.upload(&batch, &[("a.jpg", &jpeg(1))]).await;
    for from in [u64::MAX, 1 << 40] {
        let page = Page::open(&running, &batch, Some(from)).await;
        assert_eq!((page.was_complete, page.in_snapshot), (true, 1));
    }
}

#[tokio::test]
async fn a_page_that_reads_too_slowly_gets_a_snapshot_instead_of_a_backlog() {
    let running = Running::with(|settings| settings.limits.subscriber_changes = 2).await;
    let batch = running.batch().await;
    let mut page = Page::open(&running, &batch, None).await;
    let files: Vec<Vec<u8>> = (0..300).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    running.upload(&batch, &files).await;
    page.until(|page| page.images.len() == 300).await;
    assert!(page.in_snapshot > 0, "nothing but snapshots can have told it all");
}

/// A tab in the background whose browser reads nothing for a while costs no memory, and is up to date when it wakes.
#[tokio::test]
async fn a_page_that_reads_nothing_gets_a_snapshot_when_it_reads_again_and_all_pages_end_with_the_same_picture() {
    const IMAGES: u32 = 800;
    let running = Running::start().await;
    let batch = running.batch().await;
    let files: Vec<Vec<u8>> = (0..IMAGES).map(jpeg).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| ("a.jpg", &file[..])).collect();
    let uploaded = running.upload(&batch, &files).await;
    let ids: Vec<String> = uploaded.into_iter().map(|image| image.id).collect();
    let mut quick = Page::open(&running, &batch, None).await;
    let mut asleep = {
        // So that not much waits in the system's buffers.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Page::over(socket.connect(running.client.address).await.unwrap(), &running, &batch, None).await
    };
    let (waiting, cancelled) = (ImageState::Waiting, ImageState::Cancelled);
    // Some megabytes of changes, more than a socket takes.
    for (what, state) in [("cancel", cancelled), ("retry", waiting)].repeat(7) {
        assert_eq!(running.change(&batch, what, &ids).await.done, IMAGES);
        quick.until(|page| page.images.values().all(|image| image.state == state)).await;
    }
    running.change(&batch, "cancel", &ids[..400]).await;
    running.change(&batch, "delete", &ids[700..]).await;
    let picture = running.page(&batch).await.images;
    let same = |page: &Page| page.images.values().eq(&picture);
    let slept_through = asleep.seen.len();
    asleep.until(same).await;
    assert!(asleep.snapshots > 1, "it was not told every change");
    let told = asleep.seen.len() - slept_through;
    assert!(told < 14 * IMAGES as usize, "{told} changes waited for it");
    quick.until(same).await;
    Page::open(&running, &batch, None).await.until(same).await;
}

#[tokio::test]
async fn no_more_pages_watch_than_the_limit_says() {
    let running = Running::with(|settings| settings.limits.subscribers = 1).await;
    let batch = running.batch().await;
    let _page = Page::open(&running, &batch, None).await;
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let mut stream = tokio::net::TcpStream::connect(running.client.address).await.unwrap();
    let request = format!(
        "GET /api/v1/batches/{batch}/events HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n{upgrade}\r\n\r\n",
        running.client.address
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 429");
}
