//! What the two ends promise each other about an image: assigned, asked after, answered, given up; one story each.

use bytes::Bytes;

use super::pair::{MODEL, MS, Pair, SECOND, answer, ending, hello};
use crate::frame::{Assign, Extension, Extensions, Hello, ManagerFrame, Stage, WorkerFrame};
use crate::id::{Attempt, ImageId, ModelDigest};
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
fn a_manager_that_never_acknowledges_does_not_fill_a_workers_memory() {
    let mut pair = Pair::connected();
    hand_to_worker(&mut pair, assign());
    pair.worker.report(IMAGE, FIRST, Ok(answer(IMAGE)));
    for attempt in 2..=5_000 {
        hand_to_worker(&mut pair, Assign { attempt: Attempt(attempt), ..assign() });
        pair.run_for(20 * MS);
    }
    assert_eq!(pair.worker.unacknowledged().count(), 4_096);
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
fn an_acknowledgement_of_what_nobody_knows_is_harmless() {
    let mut pair = Pair::connected();
    pair.acknowledge(77, 3);
    pair.run_for(SECOND);
    assert_eq!(pair.manager_event(), None);
    assert_eq!(pair.worker_events.pop_front(), None);
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
