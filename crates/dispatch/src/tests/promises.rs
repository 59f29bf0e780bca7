//! Each promise by itself, with the fewest events that show it.

use std::time::Duration;

use manyeyes_protocol::id::{Attempt, BatchId, ImageId, ModelDigest, WorkerId};
use manyeyes_protocol::result::FailureCode;

use super::cluster::{ms, work};
use super::desk::{A, B, Desk, assigned, blame, cancel, give_up, one_slot, requeued};
use crate::{Action, Capacity, Departure, Event, Settings, Work};

/// Two workers of one slot: A takes 100 ms, B ten times as long.
fn with_a_fast_and_a_slow_worker() -> Desk {
    let mut desk = Desk::new();
    for (worker, service) in [(A, ms(100)), (B, ms(1000))] {
        desk.join(worker, 1);
        desk.submit(u64::from(worker.0));
        desk.answer(worker, worker.0.into(), 1, service);
    }
    desk
}

#[test]
fn without_a_worker_images_wait_and_the_first_worker_gets_the_first_image() {
    let mut desk = Desk::new();
    assert_eq!(desk.submit(1), []);
    assert_eq!(desk.submit(2), []);
    assert_eq!(desk.wait(Duration::from_secs(3600)), []);
    assert_eq!(desk.dispatch.poll_timeout(), None, "nothing to wake up for");
    assert_eq!(assigned(&desk.join(A, 1)), [(A, 1, 1)]);
    assert_eq!(desk.dispatch.waiting(), 1);
}

#[test]
fn an_image_that_is_held_is_not_taken_twice() {
    let mut desk = Desk::new();
    desk.submit(1);
    assert_eq!(desk.submit(1), []);
    assert_eq!(desk.dispatch.held(), 1);
}

#[test]
fn one_image_more_than_the_limit_is_answered_with_full_and_room_comes_back() {
    let mut desk = Desk::with(Settings { max_waiting: 2, ..Settings::default() });
    desk.submit(1);
    desk.submit(2);
    assert_eq!(desk.submit(3), [Action::Full { image: ImageId(3), run: 0 }]);
    desk.tell(Event::Cancelled { image: ImageId(1) });
    assert_eq!(desk.submit(3), []);
    assert_eq!(desk.dispatch.held(), 2);
}

#[test]
fn a_worker_gets_no_more_than_its_window() {
    let mut desk = Desk::new();
    desk.join(A, 2);
    desk.tell(Event::RoundTrip { worker: A, least: Duration::from_secs(5) });
    let all: Vec<_> = (1..=5).flat_map(|image| desk.submit(image)).collect();
    assert_eq!(assigned(&all), [(A, 1, 1), (A, 2, 1)]);
}

#[test]
fn credit_covers_the_round_trip_and_one_more() {
    let mut desk = Desk::new();
    desk.join(A, 1000);
    desk.submit(1);
    desk.answer(A, 1, 1, ms(100));
    desk.tell(Event::RoundTrip { worker: A, least: ms(500) });
    let all: Vec<_> = (2..=50).flat_map(|image| desk.submit(image)).collect();
    assert_eq!(assigned(&all).len(), 1 + 5 + 1, "one in the slot, five on the way, one to spare");
}

/// A worker that moved to another transport looked 200 ms nearer than it was until its first pong: it was given nearly all of a batch.
#[test]
fn the_round_trip_is_remembered_over_a_reconnect() {
    let mut desk = Desk::new();
    for worker in [A, B] {
        desk.join(worker, 64);
        desk.tell(Event::RoundTrip { worker, least: ms(500) });
    }
    desk.leave(A, Departure::Disconnected);
    desk.join_as(A, "worker-1", Capacity { window: 64, returning: true, ..one_slot() });
    let all: Vec<_> = (1..=4).flat_map(|image| desk.submit(image)).collect();
    let given = |to| assigned(&all).iter().filter(|(worker, ..)| *worker == to).count();
    assert_eq!((given(A), given(B)), (2, 2), "{all:?}");
}

/// The round trip was taken for something that nothing explains, and counted twice once it was known.
#[test]
fn what_was_delivered_before_the_round_trip_was_known_says_nothing_of_the_way() {
    let mut desk = Desk::new();
    desk.join(A, 64);
    desk.submit(1);
    desk.wait(ms(600));
    desk.answer(A, 1, 1, ms(100));
    desk.tell(Event::RoundTrip { worker: A, least: ms(500) });
    desk.join(B, 64);
    desk.tell(Event::RoundTrip { worker: B, least: ms(510) });
    assert_eq!(assigned(&desk.submit(2)), [(A, 2, 1)]);
}

#[test]
fn large_images_are_not_piled_up_at_a_far_worker() {
    let mut desk = Desk::new();
    desk.join_as(A, "worker-1", Capacity { slots: 2, window: 128, ..one_slot() });
    desk.submit(1);
    desk.answer(A, 1, 1, ms(10));
    desk.tell(Event::RoundTrip { worker: A, least: ms(500) });
    let large = |image| Event::Submitted(Work { bytes: 20 << 20, ..work(image, 1) });
    let all: Vec<_> = (2..=50).flat_map(|image| desk.tell(large(image))).collect();
    assert_eq!(assigned(&all).len(), 4, "64 MiB, where a hundred small ones would be on the way");
    let huge = |image| Event::Submitted(Work { bytes: 64 << 20, ..work(image, 2) });
    let mut other = Desk::new();
    other.join_as(A, "worker-1", Capacity { slots: 2, window: 128, ..one_slot() });
    let all: Vec<_> = (1..=50).flat_map(|image| other.tell(huge(image))).collect();
    assert_eq!(assigned(&all).len(), 3, "both slots and one to spare are served whatever the size");
}

#[test]
fn the_faster_of_two_idle_workers_gets_the_image() {
    let mut desk = Desk::new();
    desk.join(A, 4);
    desk.join(B, 4);
    assert_eq!(assigned(&desk.submit(1)), [(A, 1, 1)]);
    assert_eq!(assigned(&desk.submit(2)), [(B, 2, 1)]);
    desk.answer(A, 1, 1, ms(900));
    desk.answer(B, 2, 1, ms(100));
    assert_eq!(assigned(&desk.submit(3)), [(B, 3, 1)]);
    assert_eq!(assigned(&desk.submit(4)), [(B, 4, 1)], "second at the fast one is sooner than first at the slow one");
}

#[test]
fn an_image_waits_for_a_busy_worker_that_would_be_sooner_than_an_idle_one() {
    let mut desk = with_a_fast_and_a_slow_worker();
    assert_eq!(assigned(&desk.submit(10)), [(A, 10, 1)]);
    assert_eq!(assigned(&desk.submit(11)), [], "A is done with both in 200 ms, B would need 1000 ms");
    assert_eq!(assigned(&desk.answer(A, 10, 1, ms(100))), [(A, 11, 1)]);
}

#[test]
fn an_idle_slow_worker_gets_an_image_when_the_fast_ones_have_enough_to_do() {
    let mut desk = with_a_fast_and_a_slow_worker();
    let all: Vec<_> = (10..40).flat_map(|image| desk.submit(image)).collect();
    let all = assigned(&all);
    assert_eq!(all[0], (A, 10, 1));
    assert_eq!(all.len(), 2);
    assert_eq!(all[1].0, B);
    assert!((19..=21).contains(&all[1].1), "A has ten done within B's second, so B gets about the eleventh: {all:?}");
}

#[test]
fn a_worker_that_holds_an_image_and_does_not_answer_looks_worse_with_time() {
    let mut desk = with_a_fast_and_a_slow_worker();
    assert_eq!(assigned(&desk.submit(10)), [(A, 10, 1)]);
    assert_eq!(assigned(&desk.submit(11)), []);
    let mut waited = Duration::ZERO;
    let to_b = loop {
        let until = desk.dispatch.poll_timeout().expect("the plan is to be reconsidered");
        waited += until - desk.now;
        assert!(waited < ms(2000), "B would have been sooner for long");
        let actions = desk.wait(until - desk.now);
        if !actions.is_empty() {
            break assigned(&actions);
        }
    };
    assert_eq!(to_b, [(B, 11, 1)]);
    assert!(waited > ms(500), "A was only a little late: {waited:?}");
}

/// Found with SIGSTOP on a worker: its one image of five seconds made it look thirteen times slower than the others, so it
/// got nothing more for as long as the batches were short, and so never showed that it was well again.
#[test]
fn a_worker_that_was_stopped_for_a_while_is_not_taken_for_a_slow_one() {
    let mut desk = Desk::new();
    for (worker, image) in [(A, 1), (B, 2)] {
        desk.join(worker, 8);
        desk.submit(image);
        desk.wait(ms(50));
        desk.answer(worker, image, 1, ms(50));
    }
    desk.submit(3);
    desk.wait(ms(5000));
    desk.answer(A, 3, 1, ms(5000));
    let given = (4..8).flat_map(|image| assigned(&desk.submit(image))).map(|(worker, ..)| worker);
    let given: Vec<_> = given.collect();
    assert!(given.contains(&A) && given.contains(&B), "{given:?}");
}

#[test]
fn a_worker_that_has_become_slow_is_soon_taken_for_one() {
    let mut desk = Desk::new();
    desk.join(A, 8);
    for image in 1..=20 {
        desk.submit(image);
        let service = if image <= 5 { ms(50) } else { ms(500) };
        desk.wait(service);
        desk.answer(A, image, 1, service);
    }
    let service = desk.dispatch.service_time(A).expect("it was measured");
    assert!(service > ms(450), "{service:?}");
}

#[test]
fn a_worker_gets_only_images_whose_model_it_holds() {
    let mut desk = Desk::new();
    let [one, other] = [1, 2].map(|byte| ModelDigest([byte; 32]));
    desk.join_as(A, "a", Capacity { models: vec![one], ..one_slot() });
    assert_eq!(desk.tell(Event::Submitted(Work { model: Some(other), ..work(1, 1) })), []);
    let taken = desk.tell(Event::Submitted(Work { model: Some(one), ..work(2, 1) }));
    assert_eq!(assigned(&taken), [(A, 2, 1)], "an image that nobody can do now is not in the way");
    let taken = desk.join_as(B, "b", Capacity { models: vec![one, other], ..one_slot() });
    assert_eq!(assigned(&taken), [(B, 1, 1)]);
}

#[test]
fn what_a_worker_held_goes_to_another_at_once_and_to_the_front_of_its_batch() {
    for departure in [Departure::Disconnected, Departure::Goodbye, Departure::Silent] {
        let mut desk = Desk::new();
        desk.join(A, 2);
        (1..=4).for_each(|image| drop(desk.submit(image)));
        assert_eq!(desk.leave(A, departure), [requeued(1), requeued(2)]);
        assert_eq!(assigned(&desk.join(B, 3)), [(B, 1, 2), (B, 2, 2)], "credit of one slot is two");
        assert_eq!(assigned(&desk.answer(B, 1, 2, ms(10))), [(B, 3, 1)]);
    }
}

#[test]
fn a_worker_that_joins_again_without_having_left_has_lost_what_it_held() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    let actions = desk.join(A, 1);
    assert_eq!(actions[0], requeued(1));
    assert_eq!(assigned(&actions), [(A, 1, 2)]);
}

#[test]
fn a_returning_worker_is_as_fast_as_it_was_measured_and_a_new_one_as_the_mean() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    desk.answer(A, 1, 1, ms(321));
    desk.leave(A, Departure::Disconnected);
    desk.join_as(A, "worker-1", Capacity { returning: true, ..one_slot() });
    assert_eq!(desk.dispatch.service_time(A), Some(ms(321)));
    desk.leave(A, Departure::Disconnected);
    desk.join(A, 1);
    assert_eq!(desk.dispatch.service_time(A), None);
}

#[test]
fn the_first_answer_ends_an_image_wherever_it_is() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    desk.leave(A, Departure::Silent);
    assert_eq!(assigned(&desk.join(B, 1)), [(B, 1, 2)]);
    desk.join_as(A, "worker-1", Capacity { returning: true, ..one_slot() });
    assert_eq!(desk.answer(A, 1, 1, ms(10)), [cancel(B, 1, 2)], "it is with B");
    assert_eq!(desk.dispatch.held(), 0);
    assert_eq!(desk.answer(B, 1, 2, ms(10)), [], "the second answer changes nothing");

    desk.submit(2);
    desk.submit(3);
    desk.submit(4);
    assert_eq!(desk.answer(A, 4, 1, ms(10)), [], "it is waiting");
    assert_eq!(desk.dispatch.held(), 2);
}

#[test]
fn a_cancelled_image_is_taken_back_from_its_worker() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    desk.submit(2);
    let actions = desk.tell(Event::Cancelled { image: ImageId(1) });
    assert_eq!(actions[0], cancel(A, 1, 1));
    assert_eq!(assigned(&actions), [(A, 2, 1)]);
}

#[test]
fn two_different_workers_that_crash_on_an_image_end_it() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.join(B, 1);
    desk.submit(1);
    let actions = desk.fail(A, 1, 1, FailureCode::Crashed);
    assert_eq!(actions[..2], [blame(1, "worker-1"), requeued(1)]);
    assert_eq!(assigned(&actions), [(B, 1, 2)]);
    assert_eq!(desk.fail(B, 1, 2, FailureCode::Crashed), [blame(1, "worker-2"), give_up(1, ["worker-1", "worker-2"])]);
    assert_eq!(desk.dispatch.held(), 0);
}

#[test]
fn blame_survives_a_restart_of_the_manager() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.join(B, 1);
    let before = Work { attempts: 3, blamed: vec!["worker-1".to_owned()], ..work(1, 1) };
    assert_eq!(assigned(&desk.tell(Event::Submitted(before))), [(B, 1, 4)]);
    desk.start(B, 1, 4);
    desk.leave(B, Departure::Disconnected);
    assert_eq!(desk.tell(Event::Crashed { worker: B }), [blame(1, "worker-2"), give_up(1, ["worker-1", "worker-2"])]);
    let both = vec!["x".to_owned(), "y".to_owned()];
    assert_eq!(desk.tell(Event::Submitted(Work { blamed: both, ..work(2, 1) })), [give_up(2, ["x", "y"])]);
}

#[test]
fn a_crash_blames_what_had_started_and_nothing_else() {
    let mut desk = Desk::new();
    desk.join(A, 2);
    desk.submit(1);
    desk.submit(2);
    desk.start(A, 1, 1);
    desk.leave(A, Departure::Disconnected);
    assert_eq!(desk.tell(Event::Crashed { worker: A }), [blame(1, "worker-1")]);
    assert_eq!(desk.tell(Event::Crashed { worker: A }), [], "once");
}

#[test]
fn a_crash_does_not_blame_what_was_answered_in_the_meantime() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    desk.start(A, 1, 1);
    desk.leave(A, Departure::Disconnected);
    desk.join(B, 1);
    desk.answer(B, 1, 2, ms(10));
    assert_eq!(desk.tell(Event::Crashed { worker: A }), []);
}

#[test]
fn what_a_crashed_worker_had_answered_after_all_leaves_the_blame_with_the_other() {
    let mut desk = Desk::new();
    desk.join_as(A, "worker-1", Capacity { slots: 2, window: 2, ..one_slot() });
    for image in [1, 2] {
        desk.submit(image);
        desk.start(A, image, 1);
    }
    desk.leave(A, Departure::Disconnected);
    desk.answer(A, 1, 1, ms(10));
    assert_eq!(desk.tell(Event::Crashed { worker: A }), [blame(2, "worker-1")]);
}

#[test]
fn plain_disconnects_silence_and_goodbyes_never_count() {
    let mut desk = Desk::new();
    desk.submit(1);
    for round in 1..=30 {
        let worker = WorkerId(round);
        assert_eq!(assigned(&desk.join(worker, 1)), [(worker, 1, round)]);
        desk.start(worker, 1, round);
        let departure = [Departure::Disconnected, Departure::Goodbye, Departure::Silent][round as usize % 3];
        assert_eq!(desk.leave(worker, departure), [requeued(1)]);
    }
}

#[test]
fn a_worker_that_said_goodbye_has_not_crashed() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    desk.start(A, 1, 1);
    desk.leave(A, Departure::Goodbye);
    assert_eq!(desk.tell(Event::Crashed { worker: A }), []);
}

#[test]
fn announced_failures_never_count_and_are_retried_elsewhere_after_a_growing_pause() {
    let mut desk = Desk::forbearing();
    desk.join(A, 1);
    desk.submit(1);
    desk.join(B, 1);
    assert_eq!(desk.fail(A, 1, 1, FailureCode::InferenceFailed), [requeued(1)]);
    assert_eq!(desk.wait(ms(99)), []);
    assert_eq!(assigned(&desk.wait(ms(1))), [(B, 1, 2)], "elsewhere");
    assert_eq!(desk.fail(B, 1, 2, FailureCode::Busy), [requeued(1)]);
    assert_eq!(desk.wait(ms(199)), []);
    assert_eq!(assigned(&desk.wait(ms(1))), [(A, 1, 3)]);
    desk.leave(B, Departure::Goodbye);
    for attempt in 3..60 {
        assert_eq!(desk.fail(A, 1, attempt, FailureCode::Injected), [requeued(1)]);
        let retried = desk.wait(Duration::from_secs(10));
        assert_eq!(assigned(&retried), [(A, 1, attempt + 1)], "at the same worker when there is no other");
    }
}

#[test]
fn what_has_just_failed_goes_to_a_slower_worker_before_it_goes_back() {
    let mut desk = with_a_fast_and_a_slow_worker();
    assert_eq!(assigned(&desk.submit(10)), [(A, 10, 1)]);
    desk.fail(A, 10, 1, FailureCode::InferenceFailed);
    assert_eq!(assigned(&desk.wait(ms(100))), [(B, 10, 2)]);
}

#[test]
fn a_fault_of_the_image_ends_it() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    assert_eq!(desk.fail(A, 1, 1, FailureCode::Truncated), []);
    assert_eq!(desk.dispatch.held(), 0);
}

#[test]
fn a_worker_that_is_shutting_down_or_draining_gets_nothing_new() {
    let mut desk = Desk::new();
    desk.join(A, 8);
    desk.submit(1);
    desk.fail(A, 1, 1, FailureCode::ShuttingDown);
    assert_eq!(desk.wait(Duration::from_secs(60)), []);

    desk.join(B, 8);
    desk.tell(Event::Draining { worker: B });
    assert_eq!(desk.submit(2), []);
    assert_eq!(desk.dispatch.in_flight(B), 1, "it keeps what it has");
}

#[test]
fn nothing_waits_for_a_worker_that_is_draining_however_fast_it_was() {
    let mut desk = with_a_fast_and_a_slow_worker();
    assert_eq!(assigned(&desk.submit(10)), [(A, 10, 1)]);
    desk.tell(Event::Draining { worker: A });
    assert_eq!(assigned(&desk.submit(11)), [(B, 11, 1)]);
}

#[test]
fn once_it_is_closing_nothing_is_assigned_and_it_is_closed_when_the_last_image_has_come_back() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.join(B, 1);
    (1..=3).for_each(|image| drop(desk.submit(image)));
    assert_eq!(desk.tell(Event::Closing), []);
    assert!(!desk.dispatch.is_closed(), "two are out");
    assert_eq!(assigned(&desk.answer(A, 1, 1, ms(10))), [], "the third is left where it is");
    assert!(!desk.dispatch.is_closed());
    assert_eq!(desk.leave(B, Departure::Disconnected), [requeued(2)]);
    assert!(desk.dispatch.is_closed());
    assert_eq!(desk.submit(4), [], "what was on its way in is taken, and waits");
    assert_eq!(desk.wait(Duration::from_secs(3600)), []);
    assert_eq!((desk.dispatch.held(), desk.dispatch.is_closed()), (3, true));
}

#[test]
fn a_stalled_image_goes_elsewhere_and_its_slot_is_not_trusted_until_it_answers() {
    let mut desk = Desk::new();
    desk.join(A, 2);
    desk.submit(1);
    desk.submit(2);
    desk.start(A, 1, 1);
    let actions = desk.stall(A, 1, 1);
    let taken_back = [blame(1, "worker-1"), requeued(1), cancel(A, 2, 1), requeued(2)];
    assert_eq!(actions, taken_back, "what queued behind it is taken back too, and not blamed");
    assert_eq!(desk.wait(Duration::from_secs(3600)), [], "A has no slot left");
    assert_eq!(assigned(&desk.join(B, 1)), [(B, 1, 2)]);
    let actions = desk.answer(A, 1, 1, ms(10));
    assert_eq!(actions[0], cancel(B, 1, 2));
    assert_eq!(assigned(&actions).len(), 1, "the one left goes to one of two idle workers");
}

#[test]
fn a_slot_that_hung_is_trusted_again_when_it_has_answered() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    desk.start(A, 1, 1);
    desk.stall(A, 1, 1);
    assert_eq!(assigned(&desk.submit(2)), []);
    assert_eq!(assigned(&desk.answer(A, 1, 1, ms(10))), [(A, 2, 1)]);
}

#[test]
fn a_slot_that_hangs_is_not_trusted_after_a_reconnect_either() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    desk.start(A, 1, 1);
    desk.stall(A, 1, 1);
    desk.leave(A, Departure::Disconnected);
    desk.join_as(A, "worker-1", Capacity { returning: true, ..one_slot() });
    assert_eq!(desk.submit(2), []);
}

#[test]
fn an_image_that_hangs_twice_at_one_worker_costs_it_one_slot() {
    let mut desk = Desk::new();
    desk.join_as(A, "worker-1", Capacity { slots: 2, window: 8, ..one_slot() });
    desk.submit(1);
    desk.start(A, 1, 1);
    desk.stall(A, 1, 1);
    // Nobody else is there, so in the end the same worker gets it again, and has it in hand still: the same slot hangs.
    assert_eq!(assigned(&desk.wait(Duration::from_secs(30))), [(A, 1, 2)]);
    desk.start(A, 1, 2);
    desk.stall(A, 1, 2);
    assert_eq!(assigned(&desk.submit(2)), [(A, 2, 1)], "the other slot is sound");
}

#[test]
fn an_image_whose_turn_had_not_come_is_not_blamed_for_a_stall() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    assert_eq!(desk.stall(A, 1, 1)[..2], [cancel(A, 1, 1), requeued(1)]);
}

#[test]
fn a_blamed_image_waits_for_another_worker_and_only_then_goes_to_the_same_again() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    desk.submit(1);
    assert_eq!(assigned(&desk.fail(A, 1, 1, FailureCode::Crashed)), []);
    assert_eq!(assigned(&desk.submit(2)), [(A, 2, 1)], "others are served meanwhile");
    desk.answer(A, 2, 1, ms(10));
    assert_eq!(assigned(&desk.wait(Duration::from_millis(29_999))), []);
    assert_eq!(assigned(&desk.wait(ms(1))), [(A, 1, 2)]);
    assert_eq!(desk.fail(A, 1, 2, FailureCode::Crashed), [requeued(1)], "the same worker does not count twice");
    assert_eq!(assigned(&desk.wait(Duration::from_secs(59))), [], "and is avoided for longer");
    assert_eq!(assigned(&desk.join(B, 1)), [(B, 1, 3)]);
}

#[test]
fn deadlines_have_a_floor_and_follow_the_service_time() {
    let mut desk = Desk::new();
    desk.join(A, 1);
    let deadline = |actions: &[Action]| match actions {
        [Action::Assign { deadline, .. }] => *deadline,
        other => panic!("one assignment, not {other:?}"),
    };
    assert_eq!(deadline(&desk.submit(1)), Settings::default().deadline_floor);
    desk.answer(A, 1, 1, Duration::from_secs(20));
    assert_eq!(deadline(&desk.submit(2)), Duration::from_secs(200));
}

#[test]
fn two_long_batches_take_turns() {
    let mut desk = Desk::new();
    for image in 0..10 {
        desk.tell(Event::Submitted(Work { batch: BatchId(1), ..work(image, 1) }));
    }
    for image in 10..20 {
        desk.tell(Event::Submitted(Work { batch: BatchId(2), ..work(image, 1) }));
    }
    let mut order = assigned(&desk.join(A, 1));
    for turn in 0..9 {
        let (worker, image, attempt) = order[turn];
        order.extend(assigned(&desk.answer(worker, image, attempt, ms(10))));
    }
    let images: Vec<_> = order.iter().map(|(_, image, _)| *image).collect();
    assert_eq!(images, [0, 10, 1, 11, 2, 12, 3, 13, 4, 14]);
}

#[test]
fn a_short_batch_does_not_wait_for_a_long_one_of_another_model() {
    let mut desk = Desk::new();
    let model = ModelDigest([1; 32]);
    desk.join_as(A, "worker-1", Capacity { window: 2, models: vec![model], ..one_slot() });
    for image in 1..=100 {
        desk.submit(image);
    }
    desk.tell(Event::Submitted(Work { model: Some(model), ..work(101, 2) }));
    let mut order = Vec::new();
    for image in 1..=4 {
        order.extend(assigned(&desk.answer(A, image, 1, ms(10))).iter().map(|(_, image, _)| *image));
    }
    assert_eq!(order[0], 101, "{order:?}");
}

#[test]
fn images_that_crashed_the_only_worker_do_not_hold_up_one_that_only_failed_there() {
    let mut desk = Desk::forbearing();
    desk.join(A, 1);
    for image in 1..=100 {
        desk.submit(image);
        desk.fail(A, image, 1, FailureCode::Crashed);
    }
    desk.submit(101);
    desk.fail(A, 101, 1, FailureCode::InferenceFailed);
    assert_eq!(assigned(&desk.wait(ms(100))), [(A, 101, 2)]);
}

/// Found by the simulator (seed 30): each blame began the image's patience anew and left the end of the one before, for which
/// dispatch woke up though it held nothing any more.
#[test]
fn no_timer_is_left_of_an_image_that_was_blamed_more_than_once_and_has_ended() {
    let mut desk = Desk::with(Settings { blame_limit: 3, ..Settings::default() });
    desk.join(A, 1);
    desk.join(B, 1);
    desk.submit(1);
    for attempt in 1..=2 {
        let (worker, _) = desk.dispatch.holders(ImageId(1)).next().expect("somebody has it");
        desk.now += Duration::from_secs(1);
        desk.start(worker, 1, attempt);
        desk.tell(Event::Stalled { worker, image: ImageId(1), attempt: Attempt(attempt) });
    }
    desk.tell(Event::Cancelled { image: ImageId(1) });
    assert_eq!((desk.dispatch.held(), desk.dispatch.poll_timeout()), (0, None));
}
