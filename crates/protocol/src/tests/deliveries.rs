//! Of several deliveries of an image each is itself: what is said of an earlier one says nothing of the present one, what has arrived
//! is no more on the way, and what one model has answered is no answer of another.
//! All were found by breaking the code on purpose: nothing noticed.

use std::time::Duration;

use super::pair::{MS, Pair, SECOND};
use crate::frame::{Assign, ManagerFrame, Stage, WorkerFrame};
use crate::id::{Attempt, ImageId, ModelDigest};
use crate::manager_session::ManagerEvent;
use crate::result::{Answer, FailureCode, WorkerTiming};
use crate::timer::Timer;

const IMAGE: ImageId = ImageId(1);

/// A session whose second delivery of an image is on the way.
fn delivered_again() -> Pair {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.assign(1, 2);
    pair.frozen = true;
    pair.run_for(MS);
    pair
}

fn hears(pair: &mut Pair, frame: WorkerFrame) {
    let now = pair.now;
    pair.manager().handle_frame(frame, now);
    pair.run_for(MS);
}

#[test]
fn progress_of_an_earlier_delivery_begins_no_deadline_of_the_present_one() {
    let mut pair = delivered_again();
    let started = |attempt| WorkerFrame::Progress { image: IMAGE, attempt: Attempt(attempt), stage: Stage::Started };
    hears(&mut pair, started(1));
    assert_eq!(pair.manager_event(), None);
    assert!(pair.manager().timers().all(|timer| timer != Timer::Deadline(IMAGE)));
    hears(&mut pair, started(2));
    assert_eq!(pair.manager_event(), Some(ManagerEvent::Started { image: IMAGE, attempt: Attempt(2) }));
    assert!(pair.manager().timers().any(|timer| timer == Timer::Deadline(IMAGE)));
}

#[test]
fn an_answer_to_an_earlier_delivery_is_told_and_the_present_one_is_still_asked_after() {
    let mut pair = delivered_again();
    let answer = Answer { labels: Vec::new(), timing: WorkerTiming::default() };
    let result = |attempt| WorkerFrame::Result {
        image: IMAGE,
        attempt: Attempt(attempt),
        answer: answer.clone(),
        extensions: Default::default(),
    };
    hears(&mut pair, result(1));
    assert!(matches!(pair.manager_event(), Some(ManagerEvent::Answered { attempt: Attempt(1), .. })));
    assert_eq!(pair.manager().in_flight(), 1);
    assert!(pair.manager().timers().any(|timer| timer == Timer::Resend(IMAGE)));
    hears(&mut pair, result(2));
    assert_eq!(pair.manager().in_flight(), 0);
    assert!(pair.manager().timers().all(|timer| timer != Timer::Resend(IMAGE)));
}

#[test]
fn what_has_arrived_is_on_the_way_no_more_so_that_round_trips_are_measured_beside_it() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(50 * MS);
    assert_eq!(pair.manager().in_flight(), 1, "nobody has begun it");
    pair.manager_events.clear();
    pair.run_for(3 * SECOND);
    let round_trips = pair.manager_events.iter().filter(|event| matches!(event, ManagerEvent::RoundTrip { .. }));
    assert!(round_trips.count() >= 2);
}

#[test]
fn what_one_model_has_answered_is_no_answer_of_another() {
    let mut pair = Pair::connected();
    pair.assign(1, 1);
    pair.run_for(20 * MS);
    let assigned = pair.assigned();
    pair.recognise(&assigned);
    pair.run_for(20 * MS);
    pair.forget_what_was_said();
    let by_another = Assign {
        image: IMAGE,
        attempt: Attempt(2),
        model: ModelDigest([8; 32]),
        deadline: SECOND,
        resend: false,
        extensions: Default::default(),
        payload: assigned.payload.clone(),
    };
    let now = pair.now;
    pair.worker.handle_frame(ManagerFrame::Assign(by_another), Duration::ZERO, now);
    pair.run_for(20 * MS);
    let said = |frame: &WorkerFrame| matches!(frame, WorkerFrame::Failed { failure, .. } if failure.code == FailureCode::ModelMissing);
    assert!(pair.said_to_manager.iter().any(said), "{:?}", pair.said_to_manager);
    assert!(!pair.said_to_manager.iter().any(|frame| matches!(frame, WorkerFrame::Result { .. })));
}
