//! Images that are on their way over a slow line when something is said of them.

use std::time::Duration;

use manyeyes_link::{FromManager, ManagerSettings, TimerSettings};
use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};

use crate::relay::Relay;
use crate::stage::{Coded, Manager, PATIENCE, Quic, Tcp, Tls, Transport, Worker, manager_settings, quick_timers};

promises!(tcp over Tcp, tls over Tls:
    a_question_after_an_image_that_is_on_its_way_does_not_have_it_sent_again,
    a_cancelled_image_that_is_on_its_way_is_not_recognised,
    a_newer_delivery_of_an_image_that_is_on_its_way_takes_its_place,
    images_come_in_the_order_in_which_they_were_assigned,
);

promises!(quic over Quic, coded over Coded:
    a_question_after_an_image_that_is_on_its_way_does_not_have_it_sent_again,
    a_cancelled_image_that_is_on_its_way_is_not_recognised,
    a_newer_delivery_of_an_image_that_is_on_its_way_takes_its_place,
    images_come_in_the_order_in_which_they_were_assigned,
    a_cancelled_image_that_is_on_its_way_makes_room_for_others,
    small_frames_do_not_wait_for_an_image_that_is_on_its_way,
    small_frames_do_not_wait_for_many_images_that_are_on_their_way,
);

/// By QUIC the question overtakes the file. Were it not held back, the worker would know no such image, and the
/// whole would be sent again over the line that is too slow for it.
async fn a_question_after_an_image_that_is_on_its_way_does_not_have_it_sent_again<T: Transport>() {
    const FILE: usize = 2_000_000;
    let impatient = TimerSettings {
        resend_floor: Duration::from_millis(20),
        resend_ceiling: Duration::from_millis(50),
        ..quick_timers()
    };
    let mut manager = Manager::start_with::<T>(ManagerSettings { timers: impatient, ..manager_settings() });
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    relay.slow_down(3_000_000);
    manager.assign(id, 1, 1, vec![5; FILE]);
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    assert_eq!(manager.answered().await.0, ImageId(1));
    assert_eq!(manager.end.wire(id).unwrap().payload_bytes, FILE as u64);
}

async fn a_cancelled_image_that_is_on_its_way_is_not_recognised<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    relay.slow_down(3_000_000);
    manager.assign(id, 1, 1, vec![5; 2_000_000]);
    until_sent(&manager, id, 100_000).await;
    manager.end.cancel(id, ImageId(1), Attempt(1));
    manager.assign(id, 2, 1, "file");
    // Either it never came, or it was taken back: it is not in the worker's hands when the next one is.
    let mut in_hand = Vec::new();
    let next = loop {
        match worker.next().await {
            FromManager::Assigned(assigned) if assigned.image == ImageId(2) => break assigned,
            FromManager::Assigned(assigned) => in_hand.push(assigned.image),
            FromManager::Cancelled { image, .. } => in_hand.retain(|held| *held != image),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(in_hand, []);
    worker.answer(&next);
    assert_eq!(manager.answered().await.0, ImageId(2));
}

async fn a_newer_delivery_of_an_image_that_is_on_its_way_takes_its_place<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    relay.slow_down(3_000_000);
    manager.assign(id, 1, 1, vec![5; 2_000_000]);
    until_sent(&manager, id, 100_000).await;
    manager.assign(id, 1, 2, vec![5; 2_000_000]);
    tokio::spawn(async move {
        while let Some(event) = worker.events.recv().await {
            if let FromManager::Assigned(assigned) = event {
                worker.answer(&assigned);
            }
        }
    });
    // The older may have been answered before the newer came.
    while manager.answered().await.1 != Attempt(2) {}
}

/// All of it would take a minute, which is more than the test's patience.
async fn a_cancelled_image_that_is_on_its_way_makes_room_for_others<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    relay.slow_down(1_000_000);
    manager.assign(id, 1, 1, vec![5; 60_000_000]);
    manager.assign(id, 2, 1, "file");
    until_sent(&manager, id, 1_000_000).await;
    manager.end.cancel(id, ImageId(1), Attempt(1));
    assert_eq!(worker.assigned().await.image, ImageId(2));
}

/// As above: behind the file it would be heard of after a minute. It was, when streams that had begun were sent to their end.
async fn small_frames_do_not_wait_for_an_image_that_is_on_its_way<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    relay.slow_down(1_000_000);
    manager.assign(id, 1, 1, vec![5; 60_000_000]);
    until_sent(&manager, id, 1_000_000).await;
    manager.end.drain(id);
    assert_eq!(worker.next().await, FromManager::Drain);
}

/// QUIC holds what it takes of files against all that may come unread, small frames too. At this rate it would be half a minute
/// until some of it has been read and there is room again.
async fn small_frames_do_not_wait_for_many_images_that_are_on_their_way<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    relay.slow_down(150_000);
    for image in 1..=8 {
        manager.assign(id, image, 1, vec![5; 10_000_000]);
    }
    until_sent(&manager, id, 20_000_000).await;
    for _ in 0..2 {
        manager.end.drain(id);
        assert_eq!(worker.next().await, FromManager::Drain);
    }
}

/// In turns the small one would be there before the large one.
async fn images_come_in_the_order_in_which_they_were_assigned<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    // No more than the relay has room for: what is lost comes later than what is not.
    relay.slow_down(500_000);
    manager.assign(id, 1, 1, vec![5; 80_000]);
    manager.assign(id, 2, 1, vec![5; 20_000]);
    assert_eq!([worker.assigned().await.image, worker.assigned().await.image], [ImageId(1), ImageId(2)]);
}

/// Waits until the transport has taken so many bytes.
async fn until_sent(manager: &Manager, worker: WorkerId, bytes: u64) {
    let sent = async {
        while manager.end.wire(worker).unwrap().bytes_sent < bytes {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, sent).await.expect("so much is sent in time");
}
