//! The promises of the protocol, one story each.

use bytes::Bytes;

use super::pair::{MODEL, MS, Pair, SECOND, answer, ending, hello};
use crate::frame::{Assign, Extension, Extensions, Hello, ManagerFrame, RefusalCode, Stage, VersionRange, WorkerFrame};
use crate::id::{Attempt, BooksId, ImageId, ModelDigest};
use crate::manager_session::{Ending, ManagerEvent};
use crate::result::{Failure, FailureCode};
use crate::worker_session::{WorkerEvent, WorkerSession};

const IMAGE: ImageId = ImageId(1);
const FIRST: Attempt = Attempt(1);

#[test]
fn an_image_is_assigned_started_and_answered() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    let assigned = pair.assigned();
    assert_eq!((assigned.image, assigned.attempt, assigned.model), (IMAGE, FIRST, MODEL));
    assert_eq!((assigned.deadline, &assigned.payload[..]), (10 * SECOND, &b"file"[..]));
    pair.worker.started(IMAGE, FIRST);
    pair.run_for(30 * MS);
    assert_eq!(pair.manager_event(), Some(ManagerEvent::Started { image: IMAGE, attempt: FIRST }));
    pair.worker.report(IMAGE, FIRST, Ok(answer(IMAGE)));
    pair.run_for(20 * MS);
    let Some(ManagerEvent::Answered { wire, .. }) = pair.manager_event() else { panic!("no answer") };
    // 10 ms there, 10 ms back, and the 40 ms between assigning's arrival and the report.
    assert_eq!(wire.since_assigned, 60 * MS);
    assert_eq!(wire.returning, 10 * MS);
}

#[test]
fn a_duplicate_is_answered_from_memory_without_recognising_again() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    let assigned = pair.assigned();
    pair.recognise(&assigned);
    pair.run_for(20 * MS);
    pair.manager_events.clear();
    pair.assign(1, 2);
    pair.run_for(50 * MS);
    assert_eq!(pair.answered(), (IMAGE, Attempt(2), answer(IMAGE)));
    assert_eq!(pair.worker_events.pop_front(), None);
}

/// A person who had an image run again got the worker's answer of before, and its times as if they had just passed.
#[test]
fn an_image_that_comes_again_after_its_answer_is_safe_is_recognised_again() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    let assigned = pair.assigned();
    pair.recognise(&assigned);
    pair.run_for(20 * MS);
    pair.acknowledge(1, 1);
    pair.assign(1, 2);
    pair.run_for(50 * MS);
    assert_eq!(pair.assigned().attempt, Attempt(2));
}

#[test]
fn an_image_assigned_again_while_in_hand_is_recognised_once_and_answered_as_the_latest_delivery() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    let assigned = pair.assigned();
    pair.assign(1, 2);
    pair.run_for(20 * MS);
    assert_eq!(pair.worker_events.pop_front(), None);
    pair.recognise(&assigned);
    pair.run_for(20 * MS);
    assert_eq!(pair.manager_event(), Some(ManagerEvent::Started { image: IMAGE, attempt: Attempt(2) }));
    assert_eq!(pair.answered(), (IMAGE, Attempt(2), answer(IMAGE)));
}

#[test]
fn unacknowledged_results_are_said_again_after_each_reconnect_and_acknowledged_ones_are_not() {
    let mut pair = Pair::connected();
    for image in 1..=2 {
        pair.assign(image, 1);
        pair.run_for(20 * MS);
        let assigned = pair.assigned();
        pair.recognise(&assigned);
    }
    pair.run_for(20 * MS);
    pair.acknowledge(1, 1);
    pair.run_for(20 * MS);
    for _ in 0..3 {
        pair.cut();
        pair.manager_events.clear();
        pair.run_for(SECOND);
        assert!(matches!(pair.manager_event(), Some(ManagerEvent::Joined(_))));
        assert_eq!(pair.answered().0, ImageId(2));
        assert_eq!(pair.manager_event(), None);
    }
}

#[test]
fn an_image_fault_is_said_again_and_an_announced_failure_is_not() {
    for (code, again) in [(FailureCode::Truncated, true), (FailureCode::Crashed, true), (FailureCode::Busy, false)] {
        let mut pair = Pair::connected();
        pair.assign(1, 1);
        pair.run_for(20 * MS);
        pair.assigned();
        pair.worker.report(IMAGE, FIRST, Err(Failure { code, message: String::new() }));
        pair.run_for(20 * MS);
        assert!(matches!(pair.manager_event(), Some(ManagerEvent::Failed { .. })));
        pair.cut();
        pair.run_for(SECOND);
        assert!(matches!(pair.manager_event(), Some(ManagerEvent::Joined(_))));
        assert_eq!(matches!(pair.manager_event(), Some(ManagerEvent::Failed { .. })), again, "{code:?}");
    }
}

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
fn a_late_answer_is_asked_after_without_the_bytes_and_ever_more_rarely() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    let assigned = pair.assigned();
    pair.worker.started(assigned.image, assigned.attempt);
    pair.forget_what_was_said();
    pair.run_for(9 * SECOND + 500 * MS);
    let questions: Vec<_> = assigns(&pair.said_to_worker).collect();
    assert_eq!(questions.len(), 2, "at 3 s and 6 s after that: {questions:?}");
    assert!(questions.iter().all(|question| question.resend && question.payload.is_empty()));
    assert!(pair.said_to_manager.contains(&WorkerFrame::Progress {
        image: IMAGE,
        attempt: FIRST,
        stage: Stage::Started
    }));
    assert_eq!(pair.worker_events.pop_front(), None, "the question reached the worker's slots");
}

#[test]
fn patience_follows_the_turnaround_that_was_measured() {
    let mut pair = Pair::connected();
    for image in 1..=50 {
        pair.assign(image, 1);
        pair.run_for(2 * SECOND);
        let assigned = pair.assigned();
        pair.recognise(&assigned);
        pair.run_for(20 * MS);
    }
    assert!(assigns(&pair.said_to_worker).all(|assign| !assign.resend), "asked before the first 3 s were over");
    pair.assign(99, 1);
    pair.run_for(2 * SECOND);
    assert!(assigns(&pair.said_to_worker).all(|assign| !assign.resend), "asked before an answer could be there");
    pair.run_for(500 * MS);
    assert_eq!(assigns(&pair.said_to_worker).filter(|assign| assign.resend).count(), 1);
}

#[test]
fn an_image_that_the_worker_does_not_know_is_sent_whole_again_three_times_at_most() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    // The worker's memory of it is lost, as if by a fault of its own.
    for whole in 1..=3 {
        assert_eq!(assigns(&pair.said_to_worker).filter(|assign| !assign.resend).count(), whole);
        let now = pair.now;
        let failure = Failure { code: FailureCode::Unknown, message: String::new() };
        pair.manager().handle_frame(WorkerFrame::Failed { image: IMAGE, attempt: FIRST, failure }, now);
        pair.run_for(20 * MS);
    }
    let failed = pair.manager_event();
    assert!(
        matches!(&failed, Some(ManagerEvent::Failed { failure, .. }) if failure.code == FailureCode::Unknown),
        "{failed:?}"
    );
}

#[test]
fn a_worker_that_does_not_know_an_image_says_so_when_asked_after_it() {
    let mut pair = Pair::connected();
    hand_to_worker(&mut pair, Assign { resend: true, payload: Bytes::new(), ..assign() });
    assert_eq!(said_failure(&pair), Some(FailureCode::Unknown));
    assert_eq!(pair.worker_events.pop_front(), None);
}

#[test]
fn the_deadline_runs_from_when_a_slot_has_begun() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(25 * SECOND);
    assert_eq!(pair.manager_event(), None, "the worker's queue counted");
    pair.worker.started(IMAGE, FIRST);
    pair.run_for(9 * SECOND);
    assert_eq!(pair.manager_event(), Some(ManagerEvent::Started { image: IMAGE, attempt: FIRST }));
    assert_eq!(pair.manager_event(), None);
    pair.run_for(2 * SECOND);
    assert_eq!(pair.manager_event(), Some(ManagerEvent::Stalled { image: IMAGE, attempt: FIRST }));
    pair.worker.report(IMAGE, FIRST, Ok(answer(IMAGE)));
    pair.run_for(20 * MS);
    assert_eq!(pair.answered().0, IMAGE, "an answer after the deadline is an answer");
}

#[test]
fn a_worker_that_says_that_it_is_there_and_begins_nothing_is_given_up() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(SECOND);
    pair.worker.started(IMAGE, FIRST);
    pair.assign(2, 1);
    pair.run_for(9 * SECOND);
    pair.worker.report(IMAGE, FIRST, Ok(answer(IMAGE)));
    pair.run_for(39 * SECOND);
    assert_eq!(pair.manager_event(), Some(ManagerEvent::Started { image: IMAGE, attempt: FIRST }));
    assert_eq!(pair.answered().0, IMAGE);
    assert_eq!(pair.manager_event(), None, "four deadlines since it last did something are not over");
    pair.run_for(2 * SECOND);
    let Some(Ending::Misbehaved(how)) = ending(pair.manager_event()) else { panic!("it keeps image 2 for ever") };
    assert!(how.contains("begun nothing"), "{how}");
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
fn a_manager_that_never_acknowledges_does_not_fill_a_workers_memory() {
    let mut pair = Pair::connected();
    hand_to_worker(&mut pair, assign());
    pair.worker.report(IMAGE, FIRST, Ok(answer(IMAGE)));
    for attempt in 2..=5_000 {
        hand_to_worker(&mut pair, Assign { attempt: Attempt(attempt), ..assign() });
        pair.run_for(20 * MS);
    }
    assert_eq!(pair.worker.unacknowledged(), 4_096);
    assert_eq!(said_failure(&pair), Some(FailureCode::Busy));
}

#[test]
fn a_manager_that_sends_ever_more_large_files_does_not_fill_a_workers_memory() {
    let mut pair = Pair::new();
    pair.worker = WorkerSession::new(Hello { window: 100, ..hello() }, pair.settings.timers.clone());
    pair.run_for(100 * MS);
    let payload = Bytes::from(vec![0; crate::frame::MAX_PAYLOAD]);
    for image in 1..=5 {
        assert_eq!(said_failure(&pair), None, "a file for each of the two slots, and two more");
        hand_to_worker(&mut pair, Assign { image: ImageId(image), payload: payload.clone(), ..assign() });
    }
    assert_eq!(said_failure(&pair), Some(FailureCode::Busy));
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
fn a_cancelled_image_leaves_both_ends() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    pair.assigned();
    pair.manager().cancel(IMAGE, FIRST);
    pair.run_for(20 * MS);
    assert_eq!(pair.worker_events.pop_front(), Some(WorkerEvent::Cancelled { image: IMAGE, attempt: FIRST }));
    pair.worker.report(IMAGE, FIRST, Ok(answer(IMAGE)));
    pair.run_for(60 * SECOND);
    assert_eq!(pair.manager_event(), None);
    assert!(assigns(&pair.said_to_worker).all(|assign| !assign.resend), "asked after what was cancelled");
}

#[test]
fn an_image_cancelled_before_it_was_sent_is_never_sent() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.manager().cancel(IMAGE, FIRST);
    pair.run_for(SECOND);
    assert_eq!(assigns(&pair.said_to_worker).count(), 0);
    assert!(!pair.said_to_worker.iter().any(|frame| matches!(frame, ManagerFrame::Cancel { .. })));
}

#[test]
fn small_frames_go_before_waiting_images() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.acknowledge(9, 1);
    let now = pair.now;
    assert!(matches!(pair.manager().poll_frame(now), Some(ManagerFrame::ResultAck { .. })));
    assert!(matches!(pair.manager().poll_frame(now), Some(ManagerFrame::Assign(_))));
}

#[test]
fn a_worker_takes_no_more_than_its_window() {
    let mut pair = Pair::connected();
    for image in 1..=5 {
        pair.assign(image, 1);
    }
    pair.run_for(50 * MS);
    assert_eq!(pair.worker_events.len(), 4);
    let failed = pair.manager_event();
    assert!(
        matches!(&failed, Some(ManagerEvent::Failed { image: ImageId(5), failure, .. })
            if failure.code == FailureCode::Busy),
        "{failed:?}"
    );
}

#[test]
fn what_a_slot_has_taken_survives_a_lost_connection_and_what_waits_is_given_up() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.assign(2, 1);
    pair.run_for(20 * MS);
    let running = pair.assigned();
    pair.assigned();
    pair.worker.started(running.image, running.attempt);
    pair.cut();
    let given_up = WorkerEvent::Cancelled { image: ImageId(2), attempt: FIRST };
    assert_eq!(pair.worker_events.pop_front(), Some(given_up));
    assert!(matches!(pair.worker_events.pop_front(), Some(WorkerEvent::Disconnected { .. })));
    pair.run_for(SECOND);
    pair.manager_events.clear();
    pair.worker.report(running.image, running.attempt, Ok(answer(running.image)));
    pair.run_for(20 * MS);
    assert_eq!(pair.answered(), (IMAGE, FIRST, answer(IMAGE)));
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
fn the_round_trip_is_measured_and_smoothed_and_not_behind_an_image() {
    let mut pair = Pair::connected();
    assert_eq!(pair.manager().smoothed_round_trip(), Some(20 * MS));
    pair.delay = 50 * MS;
    pair.run_for(30 * SECOND);
    let smoothed = pair.manager().smoothed_round_trip().unwrap();
    assert!(smoothed > 95 * MS && smoothed < 101 * MS, "{smoothed:?}");
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
        pair.settings.token = Some("secret".to_owned());
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
fn a_critical_extension_that_is_not_understood_fails_the_image_and_another_is_passed_over() {
    for (critical, understood) in [(false, true), (true, false)] {
        let mut pair = Pair::connected();
        let extensions = Extensions(vec![Extension { kind: 1, critical, value: Bytes::new() }]);
        hand_to_worker(&mut pair, Assign { extensions: extensions.clone(), ..assign() });
        assert_eq!(said_failure(&pair), (!understood).then_some(FailureCode::NotUnderstood));
        assert_eq!(pair.worker_events.len(), usize::from(understood));

        let now = pair.now;
        let result = WorkerFrame::Result { image: ImageId(2), attempt: FIRST, answer: answer(ImageId(2)), extensions };
        pair.manager_events.clear();
        pair.manager().handle_frame(result, now);
        let event = pair.manager().poll_event();
        assert_eq!(matches!(event, Some(ManagerEvent::Answered { .. })), understood, "{event:?}");
    }
}

#[test]
fn a_model_that_the_worker_does_not_hold_is_said_so() {
    let mut pair = Pair::connected();
    hand_to_worker(&mut pair, Assign { model: ModelDigest([8; 32]), ..assign() });
    assert_eq!(said_failure(&pair), Some(FailureCode::ModelMissing));
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
fn an_acknowledgement_of_what_nobody_knows_is_harmless() {
    let mut pair = Pair::connected();
    pair.acknowledge(77, 3);
    pair.run_for(SECOND);
    assert_eq!(pair.manager_event(), None);
    assert_eq!(pair.worker_events.pop_front(), None);
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

fn assign() -> Assign {
    Assign {
        image: IMAGE,
        attempt: FIRST,
        model: MODEL,
        deadline: SECOND,
        resend: false,
        extensions: Extensions::default(),
        payload: Bytes::from_static(b"file"),
    }
}

fn hand_to_worker(pair: &mut Pair, assign: Assign) {
    let now = pair.now;
    pair.worker.handle_frame(ManagerFrame::Assign(assign), MS, now);
    pair.run_for(MS);
}

fn said_failure(pair: &Pair) -> Option<FailureCode> {
    pair.said_to_manager.iter().find_map(|frame| match frame {
        WorkerFrame::Failed { failure, .. } => Some(failure.code),
        _ => None,
    })
}

fn assigns(said: &[ManagerFrame]) -> impl Iterator<Item = &Assign> {
    said.iter().filter_map(|frame| match frame {
        ManagerFrame::Assign(assign) => Some(assign),
        _ => None,
    })
}
