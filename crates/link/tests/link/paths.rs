//! Paths that do to packets what no path should.

use bytes::Bytes;
use manyeyes_protocol::id::ImageId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::relay::{Harm, Relay};
use crate::stage::{Manager, Quic, Tcp, Worker};

/// What QUIC says over 1,200 bytes it has tried out first, and tries again when they come no more.
#[tokio::test]
async fn a_path_that_begins_to_swallow_large_packets_carries_images_nevertheless() {
    let mut manager = Manager::start::<Quic>();
    let relay = Relay::to::<Quic>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<Quic>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    let file: Bytes = (0..300_000_u32).map(|place| (place / 7) as u8).collect();
    for (image, most_bytes) in [(1, None), (2, Some(1_300))] {
        relay.harm(Harm { most_bytes, ..Harm::default() });
        manager.assign(id, image, 1, file.clone());
        let assigned = worker.assigned().await;
        assert!(assigned.image == ImageId(image) && assigned.payload == file, "{:?}", assigned.image);
        worker.answer(&assigned);
        manager.answered().await;
    }
}

/// What was changed is not what was encrypted: it is lost, and sent again.
#[tokio::test]
async fn a_middlebox_that_rewrites_packets_changes_no_image() {
    let mut manager = Manager::start::<Quic>();
    let relay = Relay::to::<Quic>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<Quic>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    relay.harm(Harm { one_changed_of: Some(10), ..Harm::default() });
    let file: Bytes = (0..300_000_u32).map(|place| (place / 7) as u8).collect();
    manager.assign(id, 1, 1, file.clone());
    let assigned = worker.assigned().await;
    assert!(assigned.payload == file, "{} bytes came, changed", assigned.payload.len());
    worker.answer(&assigned);
    let used = manager.used().await.expect("this connection carried it");
    assert!(used.bytes_resent > 0, "{used:?}");
}

/// Over TCP nothing protects the bytes. What makes no sense ends the connection, with words; the next may be better.
#[tokio::test]
async fn a_middlebox_that_rewrites_a_frames_head_ends_the_connection_and_the_worker_comes_back() {
    let mut manager = Manager::start::<Tcp>();
    let (between, target) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), manager.end.local_addr());
    let mut worker = Worker::start::<Tcp>("eye", 1, between.local_addr().unwrap());
    tokio::spawn(async move {
        for is_bad in [true, false] {
            let (client, _) = between.accept().await.unwrap();
            tokio::spawn(pass(client, TcpStream::connect(target).await.unwrap(), is_bad));
        }
    });
    worker.connected().await;
    let (id, _) = manager.joined().await;
    let reason = worker.disconnected().await;
    assert!(reason.contains("the manager sent a frame of 4"), "{reason}");
    worker.reconnected().await;
    manager.next().await;
    let (again, profile) = manager.joined().await;
    assert!(again == id && profile.returning, "{profile:?}");
}

/// Carries both ways; of what the manager says, all but the first has its first byte changed.
async fn pass(mut client: TcpStream, mut server: TcpStream, is_bad: bool) {
    let (mut from_worker, mut to_worker) = client.split();
    let (mut from_manager, mut to_manager) = server.split();
    let down = async {
        let mut buffer = vec![0; 64 * 1024];
        let mut is_first = true;
        while let Ok(bytes @ 1..) = from_manager.read(&mut buffer).await {
            if is_bad && !std::mem::take(&mut is_first) {
                buffer[0] = !buffer[0];
            }
            if to_worker.write_all(&buffer[..bytes]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_worker, &mut to_manager) => {}
        () = down => {}
    }
}
