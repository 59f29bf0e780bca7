//! The promises that hold over every transport.

use std::time::Duration;

use bytes::Bytes;
use manyeyes_link::{Departure, FromManager, FromWorker, ManagerSettings};
use manyeyes_protocol::id::{Attempt, BooksId, ImageId, ModelDigest};
use manyeyes_protocol::result::{Failure, FailureCode};

use crate::relay::Relay;
use crate::stage::{
    Coded, Manager, PATIENCE, Quic, Tcp, Tls, Transport, Worker, answer_to, manager_settings, only, worker_settings,
};

promises!(tcp over Tcp, tls over Tls:
    an_image_goes_out_and_its_answer_comes_back,
    a_large_image_arrives_as_it_was,
    many_images_are_answered_each_once,
    a_failure_comes_with_its_reason,
    a_cancelled_image_is_taken_from_the_worker,
    an_answer_found_while_disconnected_is_said_after_the_reconnect,
    an_answer_comes_again_until_it_is_acknowledged,
    a_second_assignment_is_answered_from_memory,
    a_worker_forgets_what_was_of_other_books,
    a_silent_manager_is_left_and_a_silent_worker_given_up,
    a_large_image_on_a_slow_line_makes_nobody_look_dead,
    a_worker_over_its_deadline_is_stalled_and_stays,
    a_wrong_token_ends_the_worker,
    a_model_not_in_use_ends_the_worker,
    the_model_of_the_workers_that_are_here_is_the_one_in_use,
    two_workers_of_one_name_get_distinct_ids,
    a_process_in_the_place_of_a_crashed_one_is_known_as_such,
    a_second_connection_of_a_process_replaces_the_first,
    a_worker_that_goes_waits_until_its_answer_is_safe,
    a_worker_that_goes_does_not_wait_longer_than_its_grace,
    a_worker_that_is_cut_off_stays_away_and_goes_at_once,
    a_drain_reaches_the_worker,
    workers_of_a_manager_that_shuts_down_try_again,
    one_connection_more_than_the_limit_is_put_off,
    the_wire_is_counted,
    an_answer_tells_what_the_wire_carried_of_its_image,
);

// Not that a process in the place of a crashed one is known as such: by UDP nobody says that a process has died, so that the
// one before has only fallen silent.
promises!(quic over Quic, coded over Coded:
    an_image_goes_out_and_its_answer_comes_back,
    a_large_image_arrives_as_it_was,
    many_images_are_answered_each_once,
    a_failure_comes_with_its_reason,
    a_cancelled_image_is_taken_from_the_worker,
    an_answer_found_while_disconnected_is_said_after_the_reconnect,
    an_answer_comes_again_until_it_is_acknowledged,
    a_second_assignment_is_answered_from_memory,
    a_worker_forgets_what_was_of_other_books,
    a_silent_manager_is_left_and_a_silent_worker_given_up,
    a_large_image_on_a_slow_line_makes_nobody_look_dead,
    a_worker_over_its_deadline_is_stalled_and_stays,
    a_wrong_token_ends_the_worker,
    a_model_not_in_use_ends_the_worker,
    the_model_of_the_workers_that_are_here_is_the_one_in_use,
    two_workers_of_one_name_get_distinct_ids,
    a_second_connection_of_a_process_replaces_the_first,
    a_worker_that_goes_waits_until_its_answer_is_safe,
    a_worker_that_goes_does_not_wait_longer_than_its_grace,
    a_worker_that_is_cut_off_stays_away_and_goes_at_once,
    a_drain_reaches_the_worker,
    workers_of_a_manager_that_shuts_down_try_again,
    one_connection_more_than_the_limit_is_put_off,
    the_wire_is_counted,
    an_answer_tells_what_the_wire_carried_of_its_image,
);

async fn an_image_goes_out_and_its_answer_comes_back<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, profile) = manager.joined().await;
    assert_eq!((profile.id.as_str(), profile.slots, profile.window, profile.returning), ("eye", 2, 8, false));

    manager.assign(id, 5, 1, "the file");
    let assigned = worker.assigned().await;
    assert_eq!((assigned.image, assigned.attempt, &assigned.payload[..]), (ImageId(5), Attempt(1), &b"the file"[..]));
    worker.end.started(assigned.image, assigned.attempt);
    assert_eq!(manager.next().await, FromWorker::Started { worker: id, image: ImageId(5), attempt: Attempt(1) });
    worker.end.report(assigned.image, assigned.attempt, Ok(answer_to(assigned.image)));
    let FromWorker::Answered { answer, wire, .. } = manager.next().await else { panic!("no answer") };
    assert_eq!(answer, answer_to(ImageId(5)));
    // On a busy machine the ping may have taken longer than the image.
    assert!(wire.since_assigned > Duration::ZERO, "{wire:?}");
}

async fn a_large_image_arrives_as_it_was<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    let file: Bytes = (0..20_000_000_u32).map(|position| (position / 7) as u8).collect();
    manager.assign(id, 1, 1, file.clone());
    let assigned = worker.assigned().await;
    assert!(assigned.payload == file, "{} bytes came, changed", assigned.payload.len());
    assert!(assigned.received_in > Duration::ZERO);
}

async fn many_images_are_answered_each_once<T: Transport>() {
    const IMAGES: u64 = 500;
    let mut manager = Manager::start::<T>();
    let mut settings = worker_settings("eye", 1, manager.end.local_addr());
    settings.window = 1_000;
    let mut worker = Worker::start_with::<T>(settings);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    for image in 0..IMAGES {
        manager.assign(id, image, 1, vec![7; 10_000]);
    }
    tokio::spawn(async move {
        for _ in 0..IMAGES {
            let assigned = worker.assigned().await;
            worker.answer(&assigned);
        }
        // The link stays up until the test has its answers.
        worker.next().await;
    });
    let mut seen = vec![0; IMAGES as usize];
    for _ in 0..IMAGES {
        let (image, attempt, answer) = manager.answered().await;
        assert_eq!(answer, answer_to(image));
        manager.end.acknowledge(id, image, attempt);
        seen[image.0 as usize] += 1;
    }
    assert!(seen.iter().all(|times| *times == 1), "{seen:?}");
}

async fn a_failure_comes_with_its_reason<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "not a photo");
    let assigned = worker.assigned().await;
    let failure = Failure { code: FailureCode::NotAnImage, message: "no image begins like this".to_owned() };
    worker.end.report(assigned.image, assigned.attempt, Err(failure.clone()));
    let (image, attempt) = (ImageId(1), Attempt(1));
    assert_eq!(manager.next().await, FromWorker::Failed { worker: id, image, attempt, failure });
}

async fn a_cancelled_image_is_taken_from_the_worker<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "file");
    let assigned = worker.assigned().await;
    manager.end.cancel(id, ImageId(1), Attempt(1));
    let cancelled = FromManager::Cancelled { image: assigned.image, attempt: assigned.attempt };
    assert_eq!(worker.next().await, cancelled);
}

async fn an_answer_found_while_disconnected_is_said_after_the_reconnect<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "file");
    let assigned = worker.assigned().await;
    worker.end.started(assigned.image, assigned.attempt);
    assert!(matches!(manager.next().await, FromWorker::Started { .. }));

    relay.cut();
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: T::CUT });
    worker.disconnected().await;
    worker.end.report(assigned.image, assigned.attempt, Ok(answer_to(assigned.image)));
    relay.lead_to(manager.end.local_addr());
    worker.reconnected().await;

    let (again, profile) = manager.joined().await;
    assert_eq!((again, profile.returning, profile.replaces), (id, true, None));
    assert_eq!(manager.answered().await, (ImageId(1), Attempt(1), answer_to(ImageId(1))));
}

async fn an_answer_comes_again_until_it_is_acknowledged<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    manager.answered().await;

    // The manager dies before the answer is safe, and another takes up its books.
    relay.cut();
    manager.end.shutdown().await;
    let mut manager = Manager::start::<T>();
    relay.lead_to(manager.end.local_addr());
    let (id, _) = manager.joined().await;
    assert_eq!(manager.answered().await.0, ImageId(1));
    manager.end.acknowledge(id, ImageId(1), Attempt(1));
    worker.reconnected().await;
    manager.assign(id, 2, 1, "file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    assert_eq!(manager.answered().await.0, ImageId(2));

    // The first is safe now, the second is not: only the second comes again.
    relay.cut();
    assert!(matches!(manager.next().await, FromWorker::Left { .. }));
    relay.lead_to(manager.end.local_addr());
    manager.joined().await;
    assert_eq!(manager.answered().await.0, ImageId(2));
}

async fn a_second_assignment_is_answered_from_memory<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    manager.answered().await;
    manager.assign(id, 1, 2, "file");
    assert_eq!(manager.answered().await, (ImageId(1), Attempt(2), answer_to(ImageId(1))));
    assert!(worker.events.try_recv().is_err(), "the worker was asked to recognise it again");
}

async fn a_worker_forgets_what_was_of_other_books<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "a file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    manager.answered().await;

    relay.cut();
    let settings = ManagerSettings { books: BooksId([2; 16]), ..manager_settings() };
    let mut other = Manager::start_with::<T>(settings);
    relay.lead_to(other.end.local_addr());
    worker.reconnected().await;
    let (id, _) = other.joined().await;
    other.assign(id, 1, 1, "another file");
    assert_eq!(&worker.assigned().await.payload[..], b"another file");
}

async fn a_silent_manager_is_left_and_a_silent_worker_given_up<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    relay.freeze();
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: Departure::Silent });
    assert_eq!(worker.disconnected().await, "not a byte from the manager for 1.0 s");
}

/// Takes two seconds, of which one without a byte would be silence.
async fn a_large_image_on_a_slow_line_makes_nobody_look_dead<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let mut worker = Worker::start::<T>("eye", 1, relay.address);
    worker.connected().await;
    let (id, _) = manager.joined().await;
    relay.slow_down(3_000_000);
    manager.assign(id, 1, 1, vec![5; 6_000_000]);
    let assigned = worker.assigned().await;
    assert!(assigned.received_in > Duration::from_secs(1), "the line was not slow: {:?}", assigned.received_in);
    worker.answer(&assigned);
    assert_eq!(manager.answered().await.0, ImageId(1));
}

async fn a_worker_over_its_deadline_is_stalled_and_stays<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign_within(Duration::from_millis(50), id, 1, 1, "a poisonous file");
    let assigned = worker.assigned().await;
    worker.end.started(assigned.image, assigned.attempt);
    let (image, attempt) = (ImageId(1), Attempt(1));
    assert_eq!(manager.next().await, FromWorker::Started { worker: id, image, attempt });
    assert_eq!(manager.next().await, FromWorker::Stalled { worker: id, image, attempt });
    manager.assign(id, 2, 1, "a good file");
    let assigned = worker.assigned().await;
    worker.answer(&assigned);
    assert_eq!(manager.answered().await.0, ImageId(2));
}

async fn a_wrong_token_ends_the_worker<T: Transport>() {
    let settings = ManagerSettings { keys: only("open sesame"), ..manager_settings() };
    let mut manager = Manager::start_with::<T>(settings);
    for (token, reason) in [(None, "a token is wanted"), (Some("open barley"), "the token is a wrong one")] {
        let mut settings = worker_settings("eye", 1, manager.end.local_addr());
        settings.token = token.map(str::to_owned);
        let mut worker = Worker::start_with::<T>(settings);
        assert_eq!(worker.next().await, FromManager::Refused { reason: reason.to_owned() });
        assert_eq!(worker.events.recv().await, None);
        let (name, reason) = ("eye".to_owned(), reason.to_owned());
        assert_eq!(manager.next().await, FromWorker::Refused { name, reason });
    }
    let mut settings = worker_settings("eye", 1, manager.end.local_addr());
    settings.token = Some("open sesame".to_owned());
    let mut worker = Worker::start_with::<T>(settings);
    worker.connected().await;
    manager.joined().await;
}

async fn a_model_not_in_use_ends_the_worker<T: Transport>() {
    let settings = ManagerSettings { model: Some(ModelDigest([9; 32])), ..manager_settings() };
    let manager = Manager::start_with::<T>(settings);
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    let event = worker.next().await;
    assert!(matches!(&event, FromManager::Refused { reason } if reason.contains("0909")), "{event:?}");
}

async fn the_model_of_the_workers_that_are_here_is_the_one_in_use<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut first = Worker::start::<T>("eye", 1, manager.end.local_addr());
    first.connected().await;
    manager.joined().await;
    let mut other = worker_settings("other", 2, manager.end.local_addr());
    other.models[0].digest = ModelDigest([9; 32]);
    let mut second = Worker::start_with::<T>(other.clone());
    let event = second.next().await;
    let FromManager::Refused { reason } = event else { panic!("{event:?}") };
    assert!(reason.contains("test (070707") && reason.contains("test (090909"), "{reason}");
    assert_eq!(manager.next().await, FromWorker::Refused { name: "other".to_owned(), reason });

    first.end.goodbye(Duration::from_secs(5)).await;
    assert!(matches!(manager.next().await, FromWorker::Left { .. }));
    let mut third = Worker::start_with::<T>(other);
    third.connected().await;
}

async fn two_workers_of_one_name_get_distinct_ids<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut ids = Vec::new();
    let mut workers = Vec::new();
    for number in 1..=3 {
        workers.push(Worker::start::<T>("eye", number, manager.end.local_addr()));
        ids.push(manager.joined().await.1.id);
    }
    assert_eq!(ids, ["eye", "eye-2", "eye-3"]);
}

async fn a_process_in_the_place_of_a_crashed_one_is_known_as_such<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let relay = Relay::to::<T>(manager.end.local_addr()).await;
    let _crashing = Worker::start::<T>("eye", 1, relay.address);
    let (crashed, _) = manager.joined().await;
    relay.cut();
    assert_eq!(manager.next().await, FromWorker::Left { worker: crashed, departure: Departure::Disconnected });
    let _next = Worker::start::<T>("eye", 2, manager.end.local_addr());
    let (worker, profile) = manager.joined().await;
    assert_ne!(worker, crashed);
    assert_eq!((profile.replaces, profile.id.as_str(), profile.returning), (Some(crashed), "eye", false));
}

async fn a_second_connection_of_a_process_replaces_the_first<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let _first = Worker::start::<T>("eye", 1, manager.end.local_addr());
    let (id, _) = manager.joined().await;
    let _second = Worker::start::<T>("eye", 1, manager.end.local_addr());
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: Departure::Disconnected });
    let (again, profile) = manager.joined().await;
    assert_eq!((again, profile.returning, profile.id.as_str()), (id, true, "eye"));
}

async fn a_worker_that_goes_waits_until_its_answer_is_safe<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "running");
    let running = worker.assigned().await;
    worker.end.started(running.image, running.attempt);
    assert!(matches!(manager.next().await, FromWorker::Started { .. }));
    manager.assign(id, 2, 1, "queued");
    let queued = worker.assigned().await;

    let end = worker.end.clone();
    let going = tokio::spawn(async move { end.goodbye(Duration::from_secs(60)).await });
    // What waits is handed back at once, what runs is finished.
    assert_eq!(worker.next().await, FromManager::Cancelled { image: queued.image, attempt: queued.attempt });
    let handed_back = manager.next().await;
    assert!(
        matches!(&handed_back, FromWorker::Failed { image: ImageId(2), failure, .. }
            if failure.code == FailureCode::ShuttingDown),
        "{handed_back:?}"
    );
    worker.answer(&running);
    manager.answered().await;
    assert!(!going.is_finished());
    manager.end.acknowledge(id, ImageId(1), Attempt(1));
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: Departure::Goodbye });
    going.await.unwrap();
}

async fn a_worker_that_goes_does_not_wait_longer_than_its_grace<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "never done");
    let assigned = worker.assigned().await;
    worker.end.started(assigned.image, assigned.attempt);
    assert!(matches!(manager.next().await, FromWorker::Started { .. }));
    worker.end.goodbye(Duration::from_millis(50)).await;
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: Departure::Goodbye });
}

/// For as long as another takes to come back three times.
async fn a_worker_that_is_cut_off_stays_away_and_goes_at_once<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut lost = Worker::start::<T>("eye", 1, manager.end.local_addr());
    lost.connected().await;
    let (id, _) = manager.joined().await;
    manager.assign(id, 1, 1, "the file");
    let assigned = lost.assigned().await;
    lost.end.started(assigned.image, assigned.attempt);
    assert!(matches!(manager.next().await, FromWorker::Started { .. }));
    lost.end.cut_off();
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: Departure::Disconnected });

    let mut other = Worker::start::<T>("ear", 2, manager.end.local_addr());
    other.connected().await;
    let (ear, _) = manager.joined().await;
    for _ in 0..3 {
        other.end.hang_up();
        assert_eq!(manager.next().await, FromWorker::Left { worker: ear, departure: Departure::Disconnected });
        assert_eq!(manager.joined().await.0, ear);
        other.reconnected().await;
    }

    lost.end.report(assigned.image, assigned.attempt, Ok(answer_to(assigned.image)));
    let an_hour = Duration::from_secs(3600);
    tokio::time::timeout(PATIENCE, lost.end.goodbye(an_hour)).await.expect("nobody waits for what cannot be told");
}

async fn a_drain_reaches_the_worker<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.end.drain(id);
    assert_eq!(worker.next().await, FromManager::Drain);
}

async fn workers_of_a_manager_that_shuts_down_try_again<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    manager.end.shutdown().await;
    assert_eq!(manager.next().await, FromWorker::Left { worker: id, departure: Departure::ManagerShutdown });
    assert_eq!(worker.disconnected().await, "the manager went down");
    worker.disconnected().await;
}

async fn one_connection_more_than_the_limit_is_put_off<T: Transport>() {
    let settings = ManagerSettings { max_connections: 1, ..manager_settings() };
    let mut manager = Manager::start_with::<T>(settings);
    let mut first = Worker::start::<T>("eye", 1, manager.end.local_addr());
    first.connected().await;
    manager.joined().await;
    let mut second = Worker::start::<T>("eye", 2, manager.end.local_addr());
    second.disconnected().await;
    first.end.goodbye(Duration::ZERO).await;
    assert!(matches!(manager.next().await, FromWorker::Left { .. }));
    second.reconnected().await;
}

async fn the_wire_is_counted<T: Transport>() {
    const FILE: usize = 100_000;
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    for image in 1..=10 {
        manager.assign(id, image, 1, vec![3; FILE]);
        let assigned = worker.assigned().await;
        worker.answer(&assigned);
        manager.answered().await;
    }
    let wire = manager.end.wire(id).unwrap();
    let files = 10 * FILE as u64;
    assert_eq!(wire.payload_bytes, files);
    let both_ways = (wire.bytes_sent + wire.bytes_received) as f64;
    assert!(wire.bytes_sent > files && both_ways < files as f64 * 1.02, "{wire:?}");
    assert!(wire.smoothed_rtt.is_some(), "{wire:?}");
    let transport = (wire.transport_rtt, wire.least_rtt, wire.window_bytes);
    assert!(matches!(transport, (Some(_), Some(_), Some(1..))) && wire.wire_bytes_sent > files, "{wire:?}");
}

async fn an_answer_tells_what_the_wire_carried_of_its_image<T: Transport>() {
    let mut manager = Manager::start::<T>();
    let mut worker = Worker::start::<T>("eye", 1, manager.end.local_addr());
    worker.connected().await;
    let (id, _) = manager.joined().await;
    // Together, so that the one is on the wire behind the other.
    for (image, bytes) in [(1, 300_000), (2, 5_000)] {
        manager.assign(id, image, 1, vec![3; bytes]);
    }
    for bytes in [300_000, 5_000] {
        let assigned = worker.assigned().await;
        worker.answer(&assigned);
        let used = manager.used().await.expect("this connection carried it");
        assert_eq!(used.bytes_sent, bytes + used.bytes_resent, "{used:?}");
        assert!(used.round_trip.is_some() && used.window_bytes > Some(0), "{used:?}");
    }
}
