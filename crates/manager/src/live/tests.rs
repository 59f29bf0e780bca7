//! The split of an image's time, with a clock in hand.

use super::*;
use crate::admission::Places;

fn place() -> Place {
    Places::new(1).take_anyway()
}

fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn wire(since_assigned: Duration, returning: Duration) -> WireTiming {
    WireTiming { since_assigned, returning, form_bytes: None, bytes_per_s: None }
}

fn worker() -> WorkerTiming {
    WorkerTiming {
        receive: milliseconds(2),
        queue: milliseconds(30),
        decode: milliseconds(4),
        inference: milliseconds(40),
    }
}

fn sum(timing: &Timing) -> f64 {
    let Timing { upload, waiting, sending, receive, worker_queue, decoding, inference, returning, total: _ } = *timing;
    [upload, waiting, sending, receive, worker_queue, decoding, inference, returning].into_iter().flatten().sum()
}

#[test]
fn the_parts_of_an_image_s_time_sum_to_its_total() {
    let began = Instant::now();
    let durable = began + milliseconds(10);
    let answered = began + milliseconds(200);
    let wire = wire(milliseconds(100), milliseconds(5));
    let timing = timing(began, Upload::Durable(durable), wire, worker(), answered);
    assert_eq!(timing.upload, Some(10.0));
    assert_eq!(timing.waiting, Some(90.0));
    assert_eq!(timing.sending, Some(19.0));
    assert_eq!(timing.returning, Some(5.0));
    assert_eq!(timing.total, Some(200.0));
    assert!((sum(&timing) - 200.0).abs() < 0.01);
}

#[test]
fn an_image_assigned_before_it_was_durable_counts_its_upload_to_the_assignment() {
    let began = Instant::now();
    let wire = wire(milliseconds(100), milliseconds(5));
    let timing = timing(began, Upload::NotDurable, wire, worker(), began + milliseconds(103));
    assert_eq!((timing.upload, timing.waiting, timing.total), (Some(3.0), Some(0.0), Some(103.0)));
}

#[test]
fn a_worker_that_claims_more_time_than_passed_does_not_make_a_negative_way() {
    let began = Instant::now();
    let wire = wire(milliseconds(50), milliseconds(5));
    let timing = timing(began, Upload::Durable(began), wire, worker(), began + milliseconds(50));
    assert_eq!((timing.sending, timing.returning), (Some(0.0), Some(0.0)));
    assert!((sum(&timing) - timing.total.unwrap()).abs() < 0.01);
}

#[test]
fn nothing_of_an_image_is_shown_before_it_is_durable() {
    let live = Live::default();
    let (image, batch, now) = (ImageId(1), BatchId(7), Instant::now());
    let holder = Holder { worker: "worker-1".into(), since: now };
    live.kept(image, batch, 1, now, place());
    assert_eq!(live.assigned(image, holder.clone(), 1, || 2), None);
    live.durable(image, now);
    assert_eq!(live.assigned(image, holder, 2, || 3), Some(batch));
    assert_eq!(live.assigned_of(batch), 1);
}

#[test]
fn no_change_of_hands_is_shown_after_an_ending() {
    let live = Live::default();
    let (image, batch, now) = (ImageId(1), BatchId(7), Instant::now());
    live.kept(image, batch, 1, now, place());
    live.durable(image, now);
    assert_eq!(live.ending(image), Some(0));
    assert_eq!(live.requeued(image, || unreachable!("no number is drawn for it")), None);
    live.ended(image);
    assert_eq!(live.ending(image), None);
    assert_eq!(live.assigned_of(batch), 0);
}

/// A late result had ended an image in the books while it was being tried again: what was noted here then stayed for ever.
#[test]
fn what_is_older_than_the_books_ending_is_forgotten_and_what_is_newer_stays() {
    let (live, image) = (Live::default(), ImageId(1));
    live.reopened(image, BatchId(1), 10, Instant::now(), 1, place());
    let waiting = live.wait_for(image);
    assert!(live.outlived(image, 9).is_empty());
    assert_eq!((live.len(), waiting.is_some()), (1, true));
    assert_eq!(live.outlived(image, 11).len(), 1, "who waits is to be told");
    assert_eq!(live.len(), 0);
}

/// A full disk while an image was being taken back left it unfinished, and nobody was shown any more who had it.
#[test]
fn an_image_whose_ending_could_not_be_written_is_shown_again_as_it_changes_hands() {
    let (live, image) = (Live::default(), ImageId(1));
    live.reopened(image, BatchId(1), 1, Instant::now(), 1, place());
    live.ending(image);
    let holder = || Holder { worker: "worker-1".into(), since: Instant::now() };
    assert_eq!(live.assigned(image, holder(), 2, || 2), None);
    live.not_ending(image);
    assert_eq!(live.assigned(image, holder(), 2, || 3), Some(BatchId(1)));
}
