//! Stealing and hedging: when what is with one worker goes to another, and what happens to an image that is with two.

use std::time::Duration;

use manyeyes_protocol::id::{Attempt, BatchId, ImageId, ModelDigest, WorkerId};
use manyeyes_protocol::result::FailureCode;

use super::cluster::{ms, work};
use super::desk::{A, B, Desk, assigned, blame, cancel, give_up, one_slot, requeued};
use crate::{Action, Capacity, Departure, Event, RescueSettings, Settings, Standing, Work};

const C: WorkerId = WorkerId(3);

/// Two workers of 100 ms, A and B, with nothing to do.
fn two_measured() -> Desk {
    two_measured_with(Settings::default())
}

fn two_measured_with(settings: Settings) -> Desk {
    let mut desk = Desk::with(settings);
    for worker in [A, B] {
        desk.join(worker, 8);
        desk.submit(u64::from(worker.0));
        desk.answer(worker, worker.0.into(), 1, ms(100));
    }
    desk
}

/// Image 10 has been with A for so long that it was given to B too.
fn hedged() -> Desk {
    let mut desk = two_measured();
    assert_eq!(assigned(&desk.submit(10)), [(A, 10, 1)]);
    desk.start(A, 10, 1);
    assert_eq!(desk.wait(ms(299)), []);
    assert_eq!(assigned(&desk.wait(ms(2))), [(B, 10, 2)]);
    desk
}

#[test]
fn what_a_slow_worker_has_not_begun_is_taken_to_an_idle_one_that_would_be_sooner() {
    let mut desk = two_measured();
    let all: Vec<_> = (10..14).flat_map(|image| assigned(&desk.submit(image))).collect();
    assert_eq!(all, [(A, 10, 1), (B, 11, 1), (A, 12, 1), (B, 13, 1)]);
    desk.start(A, 10, 1);
    desk.start(B, 11, 1);
    desk.now += ms(100);
    assert_eq!(desk.answer(B, 11, 1, ms(100)), []);
    desk.start(B, 13, 1);
    desk.now += ms(100);
    let actions = desk.answer(B, 13, 1, ms(100));
    assert_eq!(actions[0], cancel(A, 12, 1));
    assert_eq!(assigned(&actions), [(B, 12, 2)]);
    assert_eq!((desk.dispatch.tally().steals, desk.dispatch.tally().hedges), (1, 0));
}

#[test]
fn what_an_idle_worker_would_not_do_clearly_sooner_stays_where_it_is() {
    let mut desk = two_measured();
    (10..13).for_each(|image| drop(desk.submit(image)));
    desk.start(A, 10, 1);
    desk.start(B, 11, 1);
    desk.now += ms(90);
    assert_eq!(desk.answer(B, 11, 1, ms(90)), [], "A would have begun 12 in 10 ms");
}

#[test]
fn an_image_is_stolen_only_so_often() {
    let steals_per_image = Settings::default().rescue.steals_per_image;
    let mut desk = two_measured();
    desk.submit(10);
    let mut moves = 0;
    // Nobody ever begins it.
    for _ in 0..1000 {
        moves += assigned(&desk.wait(ms(1000))).len();
    }
    assert_eq!(moves, steals_per_image as usize);
    assert_eq!(desk.dispatch.poll_timeout(), None, "and nobody looks again");
}

#[test]
fn nothing_is_taken_over_before_any_worker_was_measured() {
    let mut desk = Desk::new();
    desk.join(A, 8);
    desk.join(B, 8);
    desk.submit(1);
    desk.start(A, 1, 1);
    assert_eq!(desk.wait(Duration::from_secs(20)), [], "a first image may take long everywhere");
}

#[test]
fn the_first_answer_of_two_wins_and_the_other_delivery_is_cancelled() {
    let mut desk = hedged();
    assert_eq!(desk.answer(A, 10, 1, ms(301)), [cancel(B, 10, 2)]);
    assert_eq!((desk.dispatch.held(), desk.dispatch.in_flight(A), desk.dispatch.in_flight(B)), (0, 0, 0));
    assert_eq!(desk.answer(B, 10, 2, ms(10)), [], "the second answer changes nothing");
}

/// Found on paper: cancelled while a slot is at it, an image is dropped by its worker without a word, and a slot that hangs
/// would have been taken for a free one for ever.
#[test]
fn a_slot_that_is_at_the_losing_delivery_is_not_free_until_it_has_answered_that() {
    let mut desk = hedged();
    desk.start(B, 10, 2);
    assert_eq!(desk.answer(B, 10, 2, ms(100)), [], "a slot cannot be stopped, so A is not told");
    assert_eq!((desk.dispatch.held(), desk.dispatch.in_flight(A)), (0, 1));
    assert_eq!(desk.dispatch.standing(A, ImageId(10), Attempt(1)), Standing::Unknown);
    assert_eq!(assigned(&desk.submit(11)), [(B, 11, 1)]);
    assert_eq!(desk.answer(A, 10, 1, ms(900)), []);
    assert_eq!(desk.dispatch.in_flight(A), 0);
    assert!(desk.dispatch.service_time(A) > Some(ms(150)), "and it has shown how slow it is");
}

#[test]
fn a_losing_delivery_that_stalls_costs_its_slot_and_blames_nobody() {
    let mut desk = hedged();
    desk.start(B, 10, 2);
    desk.answer(B, 10, 2, ms(100));
    assert_eq!(desk.stall(A, 10, 1), []);
    assert_eq!(assigned(&desk.submit(11)), [(B, 11, 1)]);
    assert_eq!(assigned(&desk.submit(12)), [(B, 12, 1)], "A has no slot that can be counted on");
}

#[test]
fn a_failure_of_one_delivery_leaves_the_image_with_the_other() {
    let mut desk = hedged();
    assert_eq!(desk.fail(B, 10, 2, FailureCode::InferenceFailed), [], "neither requeued nor paused");
    assert_eq!(desk.dispatch.holders(ImageId(10)).collect::<Vec<_>>(), [(A, Attempt(1))]);
    assert_eq!(desk.wait(Duration::from_secs(20)), [], "and it is not hedged again: something stands against it");
    assert_eq!(desk.fail(A, 10, 1, FailureCode::InferenceFailed), [requeued(10)]);
}

#[test]
fn a_fault_of_the_image_at_one_worker_ends_it_at_both() {
    let mut desk = hedged();
    assert_eq!(desk.fail(A, 10, 1, FailureCode::Damaged), [cancel(B, 10, 2)]);
    assert_eq!(desk.dispatch.held(), 0);
}

#[test]
fn a_hedged_image_that_crashes_one_worker_and_stalls_the_other_is_given_up_once() {
    let mut desk = hedged();
    assert_eq!(desk.fail(B, 10, 2, FailureCode::Crashed), [blame(10, "worker-2")]);
    assert_eq!(desk.stall(A, 10, 1), [blame(10, "worker-1"), give_up(10, ["worker-1", "worker-2"].map(swap))]);
    assert_eq!(desk.dispatch.held(), 0);
}

/// In the order in which they were blamed.
fn swap(name: &str) -> &str {
    if name == "worker-1" { "worker-2" } else { "worker-1" }
}

#[test]
fn a_stall_of_the_first_delivery_leaves_the_image_with_the_second() {
    let mut desk = hedged();
    assert_eq!(desk.stall(A, 10, 1), [blame(10, "worker-1")]);
    assert_eq!(desk.dispatch.holders(ImageId(10)).collect::<Vec<_>>(), [(B, Attempt(2))]);
    assert_eq!(desk.answer(B, 10, 2, ms(100)), []);
    assert_eq!(desk.dispatch.held(), 0);
}

#[test]
fn an_image_is_requeued_only_when_both_of_its_workers_are_gone() {
    let mut desk = hedged();
    assert_eq!(desk.leave(A, Departure::Disconnected), []);
    assert_eq!(desk.tell(Event::Crashed { worker: A }), [blame(10, "worker-1")]);
    assert_eq!(desk.leave(B, Departure::Silent), [requeued(10)]);
    assert_eq!(assigned(&desk.join(C, 1)), [(C, 10, 3)]);
}

#[test]
fn an_image_that_nobody_wants_any_more_is_taken_back_from_both() {
    let mut desk = hedged();
    assert_eq!(desk.tell(Event::Cancelled { image: ImageId(10) }), [cancel(A, 10, 1), cancel(B, 10, 2)]);
    assert_eq!((desk.dispatch.held(), desk.dispatch.in_flight(A), desk.dispatch.in_flight(B)), (0, 0, 0));
}

#[test]
fn a_losing_delivery_that_goes_on_says_nothing_of_the_next_run() {
    let mut desk = hedged();
    desk.start(B, 10, 2);
    desk.answer(B, 10, 2, ms(100));
    desk.tell(Event::Draining { worker: A });
    let again = Event::Submitted(Work { run: 1, attempts: 2, ..work(10, 1) });
    assert_eq!(assigned(&desk.tell(again)), [(B, 10, 3)]);
    assert_eq!(desk.stall(A, 10, 1), [], "no blame: it was of the run before");
    assert_eq!(desk.dispatch.standing(A, ImageId(10), Attempt(1)), Standing::Earlier);
}

/// Found by a test of the manager: the worker took the new delivery for the one that its slot was at, so that the answer to
/// the question of before counted as one to the new.
#[test]
fn an_image_that_goes_again_to_the_worker_whose_slot_is_at_it_is_taken_back_there_first() {
    let mut desk = hedged();
    desk.start(B, 10, 2);
    desk.answer(B, 10, 2, ms(100));
    desk.leave(B, Departure::Goodbye);
    let again = Event::Submitted(Work { run: 1, attempts: 2, ..work(10, 1) });
    let actions = desk.tell(again);
    assert_eq!(actions[0], cancel(A, 10, 1));
    assert_eq!(assigned(&actions), [(A, 10, 3)]);
    assert_eq!(desk.dispatch.in_flight(A), 1);
}

#[test]
fn an_image_is_never_with_more_than_two() {
    let mut desk = hedged();
    desk.join(C, 8);
    assert_eq!(desk.wait(Duration::from_secs(20)), []);
}

#[test]
fn a_blamed_image_is_not_hedged() {
    let mut desk = two_measured();
    desk.tell(Event::Submitted(Work { blamed: vec!["x".to_owned()], ..work(10, 1) }));
    desk.start(A, 10, 1);
    assert_eq!(desk.wait(Duration::from_secs(20)), []);
}

#[test]
fn while_something_waits_that_the_idle_worker_may_have_nothing_is_hedged() {
    let mut desk = two_measured();
    let [one, other] = [1, 2].map(|byte| ModelDigest([byte; 32]));
    desk.submit(10);
    desk.start(A, 10, 1);
    desk.join_as(C, "c", Capacity { models: vec![one], ..one_slot() });
    desk.tell(Event::Draining { worker: B });
    desk.tell(Event::Submitted(Work { model: Some(other), ..work(11, 1) }));
    assert_eq!(assigned(&desk.wait(ms(400))), [(C, 10, 2)], "what waits for another model is in nobody's way");
    assert_eq!(desk.dispatch.tally().hedges, 1);
}

#[test]
fn a_hedge_goes_to_no_worker_that_lacks_the_model_to_which_the_batch_was_bound() {
    let mut desk = two_measured();
    desk.submit(10);
    desk.start(A, 10, 1);
    desk.tell(Event::Bound { batch: BatchId(1), model: ModelDigest([1; 32]), heard: desk.now });
    assert_eq!(desk.wait(Duration::from_secs(20)), []);
}

#[test]
fn without_savings_nothing_is_hedged_and_twenty_deliveries_save_up_for_one() {
    let rescue = RescueSettings { hedges_at_first: 0, ..RescueSettings::default() };
    let mut desk = two_measured_with(Settings { rescue, ..Settings::default() });
    desk.submit(10);
    desk.start(A, 10, 1);
    assert_eq!(desk.wait(ms(1000)), []);
    assert_eq!(desk.dispatch.poll_timeout(), None, "nothing to look at again for");
    let mut hedges = Vec::new();
    for image in 11..=28 {
        let actions = desk.submit(image);
        assert_eq!(actions.len(), 1, "B is the one to be given work");
        hedges.extend(desk.answer(B, image, 1, ms(100)));
    }
    let hedge = |action: &Action| matches!(action, Action::Assign { image: ImageId(10), worker: B, .. });
    assert!(hedges.len() == 1 && hedges.iter().all(hedge), "{hedges:?}");
    assert_eq!((desk.dispatch.tally().ordinary, desk.dispatch.tally().hedges), (21, 1));
}
