//! Paths that do to packets what no path should: over QUIC, whose packets nobody but the two ends can mend.

use bytes::Bytes;
use manyeyes_protocol::id::ImageId;

use crate::relay::{Harm, Relay};
use crate::stage::{Manager, Quic, Worker};

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
