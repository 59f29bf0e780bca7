//! The circuit breaker: when a worker is set aside, tried and taken back.

use std::time::Duration;

use manyeyes_protocol::id::{Attempt, ImageId, WorkerId};
use manyeyes_protocol::result::FailureCode;

use super::cluster::ms;
use super::desk::{A, B, Desk, assigned, cancel, one_slot, requeued};
use crate::{Action, BreakerChange, Capacity, Departure, Event, Misconduct, Settings, Standing};

fn changed(worker: &str, change: BreakerChange) -> Action {
    Action::Breaker { worker: worker.to_owned(), change }
}

fn opened(worker: &str, why: Misconduct, seconds: u64) -> Action {
    changed(worker, BreakerChange::Opened { why, lasts: Some(Duration::from_secs(seconds)) })
}

fn half_opened(worker: &str) -> Action {
    changed(worker, BreakerChange::HalfOpened)
}

fn strikes(stalls: u32, crashes: u32, departures: u32) -> Misconduct {
    Misconduct::Strikes { stalls, crashes, departures, within: Settings::default().breaker.period }
}

/// A fails at each of the images that it is given until it is set aside; says what was said then.
fn set_aside(desk: &mut Desk) -> Vec<Action> {
    desk.join(A, 8);
    for image in 1..=4 {
        desk.submit(image);
        assert_eq!(desk.fail(A, image, 1, FailureCode::InferenceFailed), [requeued(image)]);
    }
    desk.submit(5);
    desk.submit(6);
    desk.fail(A, 5, 1, FailureCode::InferenceFailed)
}

#[test]
fn a_worker_that_fails_five_times_in_a_row_is_set_aside_and_what_it_has_not_begun_is_taken_back() {
    let mut desk = Desk::new();
    let why = Misconduct::Failures { in_a_row: 5 };
    let expected = [requeued(5), opened("worker-1", why, 1), cancel(A, 6, 1), requeued(6)];
    assert_eq!(set_aside(&mut desk), expected);
    assert_eq!(desk.wait(ms(999)), [], "it is given nothing, though six wait");
    assert_eq!(assigned(&desk.join(B, 1)), [(B, 1, 2)], "another is given it");
}

#[test]
fn an_answer_between_failures_shows_that_a_worker_can_do_something() {
    let mut desk = Desk::new();
    desk.join(A, 8);
    for image in 1..=40 {
        desk.submit(image);
        match image % 5 {
            0 => drop(desk.answer(A, image, 1, ms(10))),
            _ => assert_eq!(desk.fail(A, image, 1, FailureCode::Injected), [requeued(image)]),
        }
        desk.tell(Event::Cancelled { image: ImageId(image) });
    }
}

#[test]
fn a_worker_that_has_no_room_or_is_asked_after_what_it_has_not_got_does_not_misbehave() {
    for code in [FailureCode::Busy, FailureCode::Unknown, FailureCode::Expired, FailureCode::Damaged] {
        let mut desk = Desk::new();
        desk.join(A, 8);
        for image in 1..=40 {
            desk.submit(image);
            let actions = desk.fail(A, image, 1, code);
            assert!(!actions.iter().any(|action| matches!(action, Action::Breaker { .. })), "{code:?}");
        }
    }
}

#[test]
fn a_worker_that_was_set_aside_is_tried_with_one_image_and_an_answer_makes_it_like_any_other() {
    let mut desk = Desk::new();
    set_aside(&mut desk);
    let actions = desk.wait(ms(1000));
    assert_eq!(actions[0], half_opened("worker-1"));
    assert_eq!(assigned(&actions), [(A, 6, 2)], "one, and not one that failed before");
    let actions = desk.answer(A, 6, 2, ms(10));
    assert_eq!(actions[0], changed("worker-1", BreakerChange::Closed));
    assert_eq!(assigned(&actions).len(), 2, "as many as its credit allows");
}

#[test]
fn a_failed_trial_sets_a_worker_aside_for_twice_as_long_up_to_a_ceiling() {
    let mut desk = Desk::new();
    set_aside(&mut desk);
    let mut lasted = Vec::new();
    for _ in 0..8 {
        let at = desk.dispatch.poll_timeout().expect("it will be tried");
        let trial = loop {
            let actions = desk.wait(at.saturating_duration_since(desk.now) + ms(500));
            if let [(A, image, attempt)] = assigned(&actions)[..] {
                break (image, attempt);
            }
        };
        let actions = desk.fail(A, trial.0, trial.1, FailureCode::InferenceFailed);
        let [Action::Requeued { .. }, Action::Breaker { change: BreakerChange::Opened { why, lasts }, .. }] =
            &actions[..]
        else {
            panic!("one line for it: {actions:?}");
        };
        assert_eq!(*why, Misconduct::FailedTrial);
        lasted.push(lasts.expect("for a time").as_secs());
    }
    assert_eq!(lasted, [2, 4, 8, 16, 32, 60, 60, 60], "all workers are bad, and still one is tried every minute");
    assert_eq!(desk.dispatch.held(), 6, "images wait");
}

#[test]
fn a_worker_that_was_well_for_a_minute_is_set_aside_for_a_short_time_again() {
    for (well_s, lasts) in [(59, 2), (60, 1)] {
        let mut desk = Desk::new();
        set_aside(&mut desk);
        desk.wait(ms(1000));
        desk.answer(A, 6, 2, ms(10));
        (1..=5).for_each(|image| drop(desk.tell(Event::Cancelled { image: ImageId(image) })));
        desk.wait(Duration::from_secs(well_s));
        let all: Vec<_> = (10..15)
            .flat_map(|image| {
                desk.submit(image);
                desk.fail(A, image, 1, FailureCode::InferenceFailed)
            })
            .collect();
        assert!(all.contains(&opened("worker-1", Misconduct::Failures { in_a_row: 5 }, lasts)), "{all:?}");
    }
}

#[test]
fn a_worker_that_flaps_is_set_aside_also_when_its_process_is_another_each_time() {
    let mut desk = Desk::new();
    for number in 1..=3 {
        let worker = WorkerId(number);
        desk.join_as(worker, "flapping", one_slot());
        let actions = desk.leave(worker, [Departure::Disconnected, Departure::Silent][number as usize % 2]);
        let expected: &[_] = if number == 3 { &[opened("flapping", strikes(0, 0, 3), 1)] } else { &[] };
        assert_eq!(actions, expected);
    }
    desk.submit(1);
    assert_eq!(desk.join_as(WorkerId(4), "flapping", one_slot()), [], "it is remembered");
    assert_eq!(assigned(&desk.wait(ms(1000))), [(WorkerId(4), 1, 1)]);
    assert_eq!(
        desk.leave(WorkerId(4), Departure::Silent),
        [requeued(1), opened("flapping", Misconduct::FailedTrial, 2)]
    );
}

#[test]
fn departures_that_are_far_apart_and_goodbyes_are_no_flapping() {
    let mut desk = Desk::new();
    for number in 1..=30 {
        desk.join(A, 1);
        let (departure, pause_s) = if number % 2 == 0 { (Departure::Goodbye, 0) } else { (Departure::Silent, 30) };
        assert_eq!(desk.leave(A, departure), []);
        desk.wait(Duration::from_secs(pause_s));
    }
}

#[test]
fn crashes_and_stalls_are_strikes_and_are_named() {
    let mut desk = Desk::new();
    desk.join_as(A, "eye", Capacity { slots: 4, window: 8, ..one_slot() });
    desk.leave(A, Departure::Disconnected);
    assert_eq!(desk.tell(Event::Crashed { worker: A }), []);
    desk.join_as(B, "eye", Capacity { slots: 4, window: 8, ..one_slot() });
    desk.submit(1);
    desk.fail(B, 1, 1, FailureCode::Crashed);
    desk.submit(2);
    desk.start(B, 2, 1);
    let actions = desk.stall(B, 2, 1);
    assert_eq!(actions.last(), Some(&opened("eye", strikes(1, 2, 0), 1)), "a crash is not counted as a departure too");
}

#[test]
fn what_a_worker_on_trial_is_late_with_goes_to_another_too() {
    let mut desk = Desk::new();
    set_aside(&mut desk);
    desk.tell(Event::Cancelled { image: ImageId(6) });
    (1..=5).for_each(|image| drop(desk.tell(Event::Cancelled { image: ImageId(image) })));
    desk.join(B, 8);
    desk.submit(20);
    desk.answer(B, 20, 1, ms(100));
    desk.wait(ms(1000));
    assert_eq!(assigned(&desk.submit(21)), [(A, 21, 1)], "A is on trial, and it is its turn");
    desk.start(A, 21, 1);
    assert_eq!(assigned(&desk.wait(ms(400))), [(B, 21, 2)]);
}

#[test]
fn of_a_condemned_worker_everything_is_taken_back_and_nothing_counts_until_it_is_acquitted() {
    let mut desk = Desk::new();
    desk.join(A, 8);
    desk.submit(1);
    desk.submit(2);
    desk.start(A, 1, 1);
    let why = BreakerChange::Opened { why: Misconduct::WrongAnswers, lasts: None };
    let taken_back = [changed("worker-1", why), cancel(A, 1, 1), requeued(1), cancel(A, 2, 1), requeued(2)];
    assert_eq!(desk.tell(Event::Condemned { worker: A }), taken_back);
    assert_eq!(desk.tell(Event::Condemned { worker: A }), [], "once");
    assert_eq!(desk.dispatch.standing(A, ImageId(1), Attempt(1)), Standing::Condemned);
    assert_eq!(desk.answer(A, 1, 1, ms(10)), []);
    assert_eq!(desk.fail(A, 2, 1, FailureCode::Damaged), []);
    assert_eq!(desk.dispatch.held(), 2, "neither its answers nor its refusals are believed");
    desk.leave(A, Departure::Disconnected);
    desk.join_as(B, "worker-1", one_slot());
    assert_eq!(desk.wait(Duration::from_secs(3600)), [], "time alone does not mend it, nor a restart");
    let actions = desk.tell(Event::Acquitted { worker: B });
    assert_eq!(actions[0], changed("worker-1", BreakerChange::Closed));
    assert_eq!(assigned(&actions)[0], (B, 1, 2));
    assert_eq!(desk.tell(Event::Acquitted { worker: B }), []);
}

#[test]
fn of_workers_that_misbehaved_a_thousand_are_remembered() {
    let mut desk = Desk::new();
    for number in 0..5000 {
        let worker = WorkerId(number);
        desk.join_as(worker, &format!("worker-{number:04}"), one_slot());
        desk.tell(Event::Condemned { worker });
        desk.leave(worker, Departure::Goodbye);
    }
    desk.submit(1);
    assert_eq!(desk.join_as(WorkerId(9000), "worker-4999", one_slot()), []);
    assert_eq!(assigned(&desk.join_as(WorkerId(9001), "worker-0001", one_slot())), [(WorkerId(9001), 1, 1)]);
}
