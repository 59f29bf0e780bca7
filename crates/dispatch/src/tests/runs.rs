//! Images that are run again, and batches that are answered by one model.

use manyeyes_protocol::id::{Attempt, BatchId, ImageId, ModelDigest};
use manyeyes_protocol::result::FailureCode;

use super::cluster::{ms, work};
use super::desk::{A, B, Desk, assigned, cancel, one_slot};
use crate::{Capacity, Departure, Event, Standing, Work};

const ONE: ModelDigest = ModelDigest([1; 32]);
const OTHER: ModelDigest = ModelDigest([2; 32]);

fn again(image: u64, run: u32, attempts: u32) -> Event {
    Event::Submitted(Work { run, attempts, ..work(image, 1) })
}

fn holding(model: ModelDigest) -> Capacity {
    Capacity { models: vec![model], ..one_slot() }
}

#[test]
fn a_late_answer_to_an_earlier_run_does_not_end_the_image() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    desk.leave(A, Departure::Silent);
    desk.join(B, 1);
    desk.answer(B, 1, 2, ms(10));
    assert_eq!(assigned(&desk.tell(again(1, 1, 2))), [(B, 1, 3)]);
    desk.join(A, 1);
    assert_eq!(desk.dispatch.standing(A, ImageId(1), Attempt(1)), Standing::Earlier);
    assert_eq!(desk.answer(A, 1, 1, ms(10)), []);
    assert_eq!(desk.fail(A, 1, 1, FailureCode::Damaged), []);
    assert!(desk.dispatch.holds(ImageId(1)));
    assert_eq!(desk.dispatch.standing(B, ImageId(1), Attempt(3)), Standing::Current(1));
    desk.answer(B, 1, 3, ms(10));
    assert_eq!(desk.dispatch.held(), 0);
}

/// The manager was started again: what it delivered before it was killed is not known any more, and is none of this run.
#[test]
fn an_answer_of_before_a_restart_ends_a_first_run_and_no_later_one() {
    let mut desk = Desk::new();
    desk.tell(again(1, 0, 0));
    desk.tell(again(2, 1, 1));
    desk.answer(A, 1, 2, ms(10));
    desk.answer(A, 2, 2, ms(10));
    assert_eq!((desk.dispatch.holds(ImageId(1)), desk.dispatch.holds(ImageId(2))), (false, true));
}

#[test]
fn a_later_run_takes_the_place_of_an_earlier_one_that_is_still_held_and_not_the_other_way_round() {
    let mut desk = Desk::new();
    desk.join(A, 2);
    desk.submit(1);
    let actions = desk.tell(again(1, 1, 1));
    assert_eq!(actions[0], cancel(A, 1, 1));
    assert_eq!(assigned(&actions), [(A, 1, 2)]);
    assert_eq!(desk.tell(again(1, 1, 1)), []);
    assert_eq!(desk.tell(again(1, 0, 0)), []);
    assert_eq!((desk.dispatch.held(), desk.dispatch.run(ImageId(1))), (1, Some(1)));
}

#[test]
fn a_crash_in_an_earlier_run_is_not_held_against_this_one() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    desk.start(A, 1, 1);
    desk.leave(A, Departure::Disconnected);
    desk.tell(Event::Cancelled { image: ImageId(1) });
    desk.tell(again(1, 1, 1));
    assert_eq!(desk.tell(Event::Crashed { worker: A }), []);
}

/// A worker may come and go with an image for days; what is remembered of that does not grow with them.
#[test]
fn of_a_run_that_is_delivered_again_and_again_the_latest_deliveries_are_remembered() {
    let mut desk = Desk::forbearing();
    desk.tell(again(1, 1, 0));
    for attempt in 1..=1000 {
        assert_eq!(assigned(&desk.join(A, 1)), [(A, 1, attempt)]);
        desk.leave(A, Departure::Disconnected);
    }
    desk.join(A, 1);
    assert_eq!(desk.dispatch.standing(A, ImageId(1), Attempt(1000)), Standing::Current(1));
    assert_eq!(desk.dispatch.standing(A, ImageId(1), Attempt(1)), Standing::Earlier);
    desk.answer(A, 1, 1001, ms(10));
    assert_eq!(desk.dispatch.held(), 0);
}

#[test]
fn what_is_left_of_a_batch_waits_for_the_model_to_which_it_is_bound() {
    let mut desk = Desk::new();
    (1..=3).for_each(|image| drop(desk.submit(image)));
    desk.tell(Event::Bound { batch: BatchId(1), model: ONE, heard: desk.now });
    desk.submit(4);
    assert_eq!(assigned(&desk.join_as(A, "a", holding(OTHER))), []);
    assert_eq!(assigned(&desk.tell(Event::Submitted(work(5, 2)))), [(A, 5, 1)], "other batches are not bound");
    assert_eq!(assigned(&desk.join_as(B, "b", holding(ONE))), [(B, 1, 1)]);
    desk.answer(B, 1, 1, ms(10));
    assert_eq!(desk.dispatch.held(), 4);
}

#[test]
fn what_comes_back_from_a_worker_waits_for_the_model_to_which_its_batch_was_bound_meanwhile() {
    let mut desk = Desk::new();
    desk.join_as(A, "a", holding(OTHER));
    desk.submit(1);
    desk.submit(2);
    desk.tell(Event::Bound { batch: BatchId(1), model: ONE, heard: desk.now });
    desk.leave(A, Departure::Disconnected);
    assert_eq!(assigned(&desk.join_as(A, "a", holding(OTHER))), []);
    assert_eq!(assigned(&desk.join_as(B, "b", holding(ONE))), [(B, 1, 2)]);
}

#[test]
fn an_image_that_is_run_again_goes_to_any_model_and_its_batch_goes_on_with_that() {
    let mut desk = Desk::new();
    desk.submit(1);
    desk.tell(Event::Bound { batch: BatchId(1), model: ONE, heard: desk.now });
    // As the books say it after a restart.
    desk.tell(Event::Submitted(Work { model: Some(ONE), ..work(2, 1) }));
    desk.join_as(A, "a", holding(OTHER));
    assert_eq!(assigned(&desk.tell(again(3, 1, 1))), [(A, 3, 2)]);
    assert_eq!(assigned(&desk.answer(A, 3, 2, ms(10))), [(A, 1, 1)]);
    assert_eq!(assigned(&desk.answer(A, 1, 1, ms(10))), [(A, 2, 1)]);
}

/// Found by the simulator (seed 2551): an answer by another model was on its way into the books when an image that a person
/// had run again was answered, which bound the batch anew. What the books said of the first came last, and bound the batch
/// back: to a model that no worker held any more, while the books had the new one. It waited until the manager's restart.
#[test]
fn what_an_earlier_answer_decided_does_not_undo_what_a_later_one_has() {
    let mut desk = Desk::new();
    desk.submit(1);
    let before = desk.now;
    desk.wait(ms(10));
    desk.join_as(A, "a", holding(OTHER));
    desk.tell(again(3, 1, 1));
    desk.answer(A, 1, 1, ms(10));
    desk.answer(A, 3, 2, ms(10));
    desk.submit(2);
    desk.tell(Event::Bound { batch: BatchId(1), model: ONE, heard: before });
    desk.submit(4);
    desk.answer(A, 2, 1, ms(10));
    desk.answer(A, 4, 1, ms(10));
    assert_eq!(desk.dispatch.held(), 0);
}
