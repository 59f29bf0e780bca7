//! What the two ends promise each other about their connection: who comes in, how silence is noticed, how it ends and begins
//! again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::pair::{MODEL, MS, Pair, SECOND, answer, ending, hello};
use crate::frame::{Hello, RefusalCode, TransportNumber, VersionRange, WorkerFrame};
use crate::id::{BooksId, ImageId};
use crate::keys::Keys;
use crate::manager_session::{Ending, ManagerEvent};
use crate::result::FailureCode;
use crate::worker_session::{WorkerEvent, WorkerSession};

const IMAGE: ImageId = ImageId(1);

#[test]
fn a_peer_silent_for_five_seconds_is_given_up_by_both() {
    let mut pair = Pair::connected();
    pair.run_for(30 * SECOND);
    assert_eq!(pair.manager_event(), None, "a quiet link was given up");
    pair.frozen = true;
    pair.run_for(4 * SECOND - 100 * MS);
    assert_eq!(pair.manager_event(), None);
    assert_eq!(pair.worker_events.pop_front(), None);
    pair.run_for(2 * SECOND);
    let disconnected = pair.worker_events.pop_front();
    assert!(
        matches!(&disconnected, Some(WorkerEvent::Disconnected { .. }))
            || ending(pair.manager_event()) == Some(Ending::Silent),
        "{disconnected:?}"
    );
}

#[test]
fn a_large_frame_on_a_slow_link_is_no_silence() {
    let mut pair = Pair::connected();
    pair.frozen = true;
    for _ in 0..60 {
        pair.run_for(SECOND);
        let now = pair.now;
        pair.worker.handle_bytes(now);
        pair.manager().handle_bytes(now);
    }
    assert_eq!(pair.manager_event(), None);
    assert_eq!(pair.worker_events.pop_front(), None);
}

#[test]
fn two_megabytes_on_a_very_slow_link_are_no_standstill() {
    let mut pair = Pair::connected();
    pair.frozen = true;
    pair.assign_bytes(1, 1, Bytes::from(vec![0; 2_000_000]));
    let mut bytes_for = |seconds| {
        for _ in 0..seconds {
            pair.run_for(SECOND);
            let now = pair.now;
            pair.worker.handle_bytes(now);
            if let Some(manager) = &mut pair.manager {
                manager.handle_bytes(now);
            }
        }
        pair.manager_event()
    };
    assert_eq!(bytes_for(280), None, "250 s at 64 kbit/s, and four deadlines");
    assert!(matches!(ending(bytes_for(20)), Some(Ending::Misbehaved(_))));
}

#[test]
fn a_connection_that_is_lost_as_soon_as_it_is_made_is_made_ever_more_rarely() {
    let mut pair = Pair::connected();
    for _ in 0..20 {
        pair.cut();
        pair.run_for(5 * SECOND / 2 + 100 * MS);
    }
    let waits: Vec<_> = pair
        .worker_events
        .iter()
        .filter_map(|event| match event {
            WorkerEvent::Disconnected { retry_in, .. } => Some(*retry_in),
            _ => None,
        })
        .collect();
    assert!(waits.last().is_some_and(|wait| *wait >= 2 * SECOND), "{waits:?}");
    pair.run_for(10 * SECOND);
    pair.cut();
    let last = pair.worker_events.pop_back();
    assert!(
        matches!(last, Some(WorkerEvent::Disconnected { retry_in, .. }) if retry_in <= 100 * MS),
        "one that held begins anew: {last:?}"
    );
}

#[test]
fn other_books_make_a_worker_forget() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    let assigned = pair.assigned();
    pair.recognise(&assigned);
    pair.run_for(20 * MS);
    pair.settings.books = BooksId([9; 16]);
    pair.cut();
    pair.run_for(SECOND);
    pair.manager_events.clear();
    pair.worker_events.clear();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    assert_eq!(pair.assigned().image, IMAGE);
}

#[test]
fn the_round_trip_is_measured_smoothed_and_at_its_least_and_not_behind_an_image() {
    let mut pair = Pair::connected();
    assert_eq!(pair.manager().least_round_trip(), Some(20 * MS));
    pair.delay = 50 * MS;
    pair.run_for(30 * SECOND);
    let told = pair.manager_events.iter().rev().find_map(|event| match event {
        ManagerEvent::RoundTrip { smoothed, least } => Some((*smoothed, *least)),
        _ => None,
    });
    let (smoothed, least) = told.expect("it is measured each second");
    assert!(smoothed > 95 * MS && smoothed < 101 * MS, "{smoothed:?}");
    assert_eq!(least, 20 * MS);
    // The last ping's pong has come. Now an image is on the way and its bytes do not arrive: pings wait behind it, and tell nothing.
    pair.run_for(200 * MS);
    pair.manager_events.clear();
    pair.assign_bytes(1, 1, Bytes::from(vec![0; 1_000_000]));
    pair.delay = 900 * MS;
    pair.run_for(SECOND);
    let measured = |event: &ManagerEvent| matches!(event, ManagerEvent::RoundTrip { .. });
    assert!(!pair.manager_events.iter().any(measured), "{:?}", pair.manager_events);
}

#[test]
fn who_may_not_come_in_is_told_why() {
    let with = |change: fn(&mut Hello)| {
        let mut hello = hello();
        change(&mut hello);
        hello
    };
    let cases = [
        (with(|hello| hello.versions = VersionRange { min: 2, max: 3 }), RefusalCode::Version),
        (with(|hello| hello.token = None), RefusalCode::Token),
        (with(|hello| hello.token = Some("guess".to_owned())), RefusalCode::Token),
        (with(|hello| hello.models.clear()), RefusalCode::Model),
        (with(|hello| hello.name.clear()), RefusalCode::Hello),
        (with(|hello| hello.name = "a\nb".to_owned()), RefusalCode::Hello),
        (with(|hello| hello.slots = 0), RefusalCode::Hello),
        (with(|hello| hello.window = 1), RefusalCode::Hello),
        (with(|hello| hello.window = u32::MAX), RefusalCode::Hello),
    ];
    for (mut hello, code) in cases {
        let mut pair = Pair::new();
        pair.settings.keys =
            Some(Keys::new(|shown| shown.filter(|shown| *shown == "secret").map(drop).ok_or("no".to_owned())));
        pair.settings.model = Some(MODEL);
        if code != RefusalCode::Token {
            hello.token = Some("secret".to_owned());
        }
        pair.worker = WorkerSession::new(hello.clone(), pair.settings.timers.clone());
        pair.run_for(SECOND);
        let name = hello.name.clone();
        let Some(WorkerEvent::Refused { reason: sentence }) = pair.worker_events.pop_front() else {
            panic!("{code:?}")
        };
        assert_eq!(ending(pair.manager_event()), Some(Ending::Refused { code, sentence, name }));
        assert!(pair.worker.is_over());
        assert_eq!(pair.worker.poll_timeout(), None);
    }
}

#[test]
fn a_token_that_is_revoked_while_its_worker_is_here_ends_it_within_a_heartbeat() {
    let (mut pair, revoked) = (Pair::new(), Arc::new(AtomicBool::new(false)));
    let is_revoked = Arc::clone(&revoked);
    let keys = move |_: Option<&str>| match is_revoked.load(Relaxed) {
        false => Ok(()),
        true => Err("this token was revoked".to_owned()),
    };
    pair.settings.keys = Some(Keys::new(keys));
    pair.run_for(5 * SECOND);
    assert_eq!(pair.worker_events.pop_front(), Some(WorkerEvent::Connected));
    assert_eq!(pair.worker_events.pop_front(), None);
    revoked.store(true, Relaxed);
    pair.run_for(pair.settings.timers.heartbeat + 100 * MS);
    let reason = "this token was revoked".to_owned();
    assert_eq!(pair.worker_events.pop_front(), Some(WorkerEvent::Refused { reason: reason.clone() }));
    assert!(pair.worker.is_over());
    let ended = pair.manager_events.drain(..).find(|event| matches!(event, ManagerEvent::Closed(_)));
    let (code, name) = (RefusalCode::Token, hello().name);
    assert_eq!(ending(ended), Some(Ending::Refused { code, sentence: reason, name }));
}

#[test]
fn a_hello_that_never_comes_and_a_welcome_that_never_comes_end_the_connection() {
    let mut pair = Pair::new();
    pair.frozen = true;
    pair.run_for(4 * SECOND);
    assert!(pair.manager_event().is_none() && pair.worker_events.is_empty());
    pair.run_for(SECOND);
    let disconnected = pair.worker_events.pop_front();
    assert!(
        matches!(&disconnected, Some(WorkerEvent::Disconnected { reason, .. }) if reason.contains("Hello"))
            || ending(pair.manager_event()) == Some(Ending::Silent),
        "{disconnected:?}"
    );
}

#[test]
fn reconnects_come_ever_more_rarely_up_to_a_limit() {
    let mut pair = Pair::new();
    pair.reachable = false;
    pair.run_for(60 * SECOND);
    let waits: Vec<_> = std::iter::from_fn(|| match pair.worker_events.pop_front() {
        Some(WorkerEvent::Disconnected { retry_in, .. }) => Some(retry_in),
        _ => None,
    })
    .collect();
    // The dice of `Pair` always show 0: half of each wait.
    assert_eq!(waits[..4], [50 * MS, 100 * MS, 200 * MS, 400 * MS]);
    assert_eq!(waits.last(), Some(&(2500 * MS)));
    pair.reachable = true;
    pair.run_for(5 * SECOND);
    assert!(pair.worker_events.contains(&WorkerEvent::Connected));
}

#[test]
fn a_worker_that_goes_says_goodbye_when_all_is_acknowledged() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    let assigned = pair.assigned();
    pair.worker.started(assigned.image, assigned.attempt);
    let now = pair.now;
    pair.worker.goodbye(60 * SECOND, now);
    pair.assign(2, 1);
    pair.run_for(SECOND);
    pair.manager_events.retain(|event| matches!(event, ManagerEvent::Failed { .. }));
    let refused = pair.manager_event();
    assert!(
        matches!(&refused, Some(ManagerEvent::Failed { failure, .. }) if failure.code == FailureCode::ShuttingDown),
        "{refused:?}"
    );
    pair.recognise(&assigned);
    pair.run_for(SECOND);
    assert_eq!(pair.answered().0, IMAGE);
    assert!(!pair.worker.is_over());
    pair.acknowledge(1, 1);
    pair.run_for(SECOND);
    assert_eq!(ending(pair.manager_event()), Some(Ending::Goodbye));
    assert!(pair.worker.is_over());
}

#[test]
fn a_worker_that_goes_without_a_manager_goes_at_once_if_it_owes_nothing() {
    let mut pair = Pair::new();
    pair.reachable = false;
    pair.run_for(SECOND);
    let now = pair.now;
    pair.worker.goodbye(60 * SECOND, now);
    assert!(pair.worker.is_over());
}

#[test]
fn a_manager_that_shuts_down_is_come_back_to() {
    let mut pair = Pair::connected();
    pair.manager().shutdown();
    pair.run_for(20 * MS);
    assert_eq!(ending(pair.manager_event()), Some(Ending::Shutdown));
    assert!(matches!(pair.worker_events.pop_front(), Some(WorkerEvent::Disconnected { .. })));
    pair.run_for(SECOND);
    assert_eq!(pair.worker_events.pop_front(), Some(WorkerEvent::Connected));
}

#[test]
fn only_a_worker_that_says_so_is_asked_to_move() {
    let mut pair = Pair::connected();
    assert!(!pair.manager().move_over(TransportNumber(2)));
    let mut pair = Pair::new();
    pair.worker = WorkerSession::new(Hello { moves: true, ..hello() }, pair.settings.timers.clone());
    pair.run_for(100 * MS);
    assert!(pair.manager().move_over(TransportNumber(2)));
    pair.worker_events.clear();
    pair.run_for(100 * MS);
    assert_eq!(pair.worker_events.pop_front(), Some(WorkerEvent::Move { to: TransportNumber(2) }));
}

#[test]
fn a_worker_that_moves_says_again_what_is_not_acknowledged_and_finishes_what_runs() {
    let mut pair = Pair::connected();
    for image in 1..=3 {
        pair.assign(image, 1);
    }
    pair.run_for(100 * MS);
    let [first, second, third] = [1, 2, 3].map(|_| pair.assigned());
    pair.recognise(&first);
    pair.worker.started(second.image, second.attempt);
    pair.move_over();
    let dropped = pair.worker_events.pop_front();
    assert_eq!(dropped, Some(WorkerEvent::Cancelled { image: third.image, attempt: third.attempt }));
    pair.run_for(100 * MS);
    assert_eq!(pair.worker_events.pop_front(), Some(WorkerEvent::Connected));
    pair.manager_events.retain(|event| matches!(event, ManagerEvent::Answered { .. }));
    assert_eq!(pair.answered().0, first.image);
    pair.worker.report(second.image, second.attempt, Ok(answer(second.image)));
    pair.run_for(100 * MS);
    assert_eq!(pair.answered().0, second.image);
    assert!(pair.worker.is_idle());
}

#[test]
fn a_connection_that_was_lost_meanwhile_is_not_moved_from() {
    let mut pair = Pair::connected();
    pair.reachable = false;
    pair.cut();
    let now = pair.now;
    assert!(!pair.worker.handle_moved(now));
}

#[test]
fn frames_out_of_their_place_end_the_session() {
    let mut pair = Pair::connected();
    let now = pair.now;
    pair.manager().handle_frame(WorkerFrame::Hello(hello()), now);
    assert!(matches!(pair.manager().poll_event(), Some(ManagerEvent::Closed(Ending::Misbehaved(_)))));
    assert_eq!(pair.manager().poll_timeout(), None);

    let mut pair = Pair::new();
    pair.run_for(5 * MS);
    let now = pair.now;
    pair.manager().handle_frame(WorkerFrame::Pong { nonce: 1 }, now);
    assert!(matches!(pair.manager().poll_event(), Some(ManagerEvent::Closed(Ending::Misbehaved(_)))));
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let mut pair = Pair::connected();
    for _ in 0..crate::MAX_UNSAID + 1 {
        pair.acknowledge(1, 1);
    }
    let closed = pair.manager().poll_event();
    assert!(matches!(closed, Some(ManagerEvent::Closed(Ending::Misbehaved(_)))), "{closed:?}");
}
