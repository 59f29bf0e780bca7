//! What the desk decides, event by event.

use std::time::Duration;

use manyeyes_link::{InputSize, ModelDescription};
use manyeyes_protocol::id::{Attempt, BatchId, InstanceId, ModelDigest};

use super::*;
use crate::api::WorkerState;
use crate::engine::event::{Made, Read};
use crate::engine::roster::Left;
use crate::settings::{Canary, CanarySettings};

const WORKER: WorkerId = WorkerId(1);

/// A desk with one worker of one slot.
fn desk() -> Desk {
    let mut desk = Desk::new(DispatchSettings::default());
    told(&mut desk, joined(), Instant::now());
    desk
}

fn joined() -> Happened {
    joined_with(None)
}

fn joined_with(input: Option<InputSize>) -> Happened {
    let model = ModelDescription {
        digest: ModelDigest([7; 32]),
        name: "seven".to_owned(),
        verified: true,
        notice: None,
        input,
    };
    let profile = WorkerProfile {
        id: "eye".to_owned(),
        name: "eye".to_owned(),
        instance: InstanceId([1; 16]),
        slots: 1,
        window: 2,
        models: vec![model],
        software: "test".to_owned(),
        address: ([127, 0, 0, 1], 1).into(),
        returning: false,
        connection: 1,
        congestion_control: None,
        replaces: None,
    };
    Happened::Heard(FromWorker::Joined { worker: WORKER, profile })
}

fn told(desk: &mut Desk, happened: Happened, now: Instant) -> Vec<Order> {
    desk.handle(happened, now);
    std::iter::from_fn(|| desk.poll()).collect()
}

fn submit(desk: &mut Desk, images: impl Iterator<Item = u64>, now: Instant) -> Vec<Order> {
    let work = images.map(|image| Work {
        image: ImageId(image),
        run: 0,
        batch: BatchId(1),
        bytes: 1,
        model: None,
        attempts: 0,
        blamed: Vec::new(),
    });
    told(desk, Happened::Asked(Asked::Submit(work.collect())), now)
}

fn read(desk: &mut Desk, orders: &[Order], now: Instant) -> Vec<Order> {
    let readings =
        orders.iter().filter_map(|order| if let Order::Read(reading) = order { Some(*reading) } else { None });
    readings
        .flat_map(|reading| {
            let payload = Ok(bytes::Bytes::from_static(b"file"));
            told(desk, Happened::Read(Read { reading, payload }), now)
        })
        .collect()
}

/// Found by the simulator (seed 0): each image that was taken back made room for the next, whose file was read from the
/// disk before it was taken back in its turn. A batch of ten thousand was read as a whole while it was deleted.
#[test]
fn cancelling_a_batch_reads_nothing_of_it() {
    let (mut desk, now) = (desk(), Instant::now());
    let begun = submit(&mut desk, 1..=50, now);
    read(&mut desk, &begun, now);
    let orders = told(&mut desk, Happened::Asked(Asked::Cancel((1..=50).map(ImageId).collect())), now);
    assert!(!orders.iter().any(|order| matches!(order, Order::Read(_))), "{orders:?}");
    let cancelled = orders.iter().filter(|order| matches!(order, Order::Cancel { .. })).count();
    assert_eq!(cancelled, begun.iter().filter(|order| matches!(order, Order::Read(_))).count());
    assert_eq!(desk.dispatch().held(), 0);
}

#[test]
fn an_image_goes_to_a_worker_when_its_bytes_are_there_and_not_when_it_was_cancelled_meanwhile() {
    let (mut desk, now) = (desk(), Instant::now());
    let first = submit(&mut desk, 1..=1, now);
    let assigned = read(&mut desk, &first, now);
    assert!(
        matches!(&assigned[..], [Order::Assign { worker: WORKER, .. }, Order::Tell(Outcome::Assigned { .. })]),
        "{assigned:?}"
    );
    let second = submit(&mut desk, 2..=2, now);
    told(&mut desk, Happened::Asked(Asked::Cancel(vec![ImageId(2)])), now);
    let after = read(&mut desk, &second, now);
    assert!(after.is_empty(), "{after:?}");
}

#[test]
fn what_a_worker_reports_of_an_image_that_has_ended_is_told_to_results_so_that_it_is_acknowledged() {
    let (mut desk, now) = (desk(), Instant::now());
    let answer = Answer { labels: Vec::new(), timing: manyeyes_protocol::result::WorkerTiming::default() };
    let wire =
        WireTiming { since_assigned: Duration::ZERO, returning: Duration::ZERO, form_bytes: None, bytes_per_s: None };
    let answered =
        FromWorker::Answered { worker: WORKER, image: ImageId(9), attempt: Attempt(1), answer, wire, used: None };
    let orders = told(&mut desk, Happened::Heard(answered), now);
    assert!(matches!(&orders[..], [Order::Tell(Outcome::Answered { run: 0, .. })]), "{orders:?}");
}

#[test]
fn a_failure_that_is_not_the_images_is_acknowledged_at_once_and_the_image_waits_again() {
    let (mut desk, now) = (desk(), Instant::now());
    let begun = submit(&mut desk, 1..=1, now);
    read(&mut desk, &begun, now);
    let failure = Failure { code: FailureCode::InferenceFailed, message: "no memory".to_owned() };
    let failed = FromWorker::Failed { worker: WORKER, image: ImageId(1), attempt: Attempt(1), failure };
    let orders = told(&mut desk, Happened::Heard(failed), now);
    assert!(matches!(&orders[..], [Order::Acknowledge(_), Order::Tell(Outcome::Requeued { .. })]), "{orders:?}");
    assert_eq!(desk.dispatch().waiting(), 1);
}

/// A manager that was ending went on asking: nothing new is begun then, a known picture no more than an image.
#[test]
fn a_desk_that_is_closing_asks_no_canary() {
    let canary =
        Canary { name: "a.png".to_owned(), file: bytes::Bytes::from_static(b"a"), classes: vec!["a".to_owned()] };
    let asked = |close: bool| {
        let settings = CanarySettings { pictures: vec![canary.clone()], ..CanarySettings::default() };
        let (mut desk, now) = (Desk::new(DispatchSettings::default()).with_canaries(settings), Instant::now());
        if close {
            told(&mut desk, Happened::Asked(Asked::Close), now);
        }
        let orders = told(&mut desk, joined(), now);
        orders.iter().filter(|order| matches!(order, Order::Assign { .. })).count()
    };
    assert_eq!((asked(false), asked(true)), (1, 0));
}

/// A worker that fails at everything, for as long as it is given anything: it is told of twice, not a hundred times.
#[test]
fn each_change_of_a_breaker_is_one_happening_and_the_worker_is_shown_as_set_aside() {
    let (mut desk, begin) = (Desk::new(DispatchSettings::default()), Instant::now());
    desk.handle(joined(), begin);
    for image in 1..=100 {
        submit(&mut desk, [image].into_iter(), begin);
        let failure = Failure { code: FailureCode::InferenceFailed, message: "no memory".to_owned() };
        let (image, attempt) = (ImageId(image), Attempt(1));
        desk.handle(Happened::Heard(FromWorker::Failed { worker: WORKER, image, attempt, failure }), begin);
    }
    let news = |desk: &Desk, at| {
        let one = |one: Happening| (one.kind, one.detail.unwrap_or_default());
        desk.happenings(at).into_iter().map(one).collect::<Vec<_>>()
    };
    let aside = "it failed at 5 images in a row; for 1 s".to_owned();
    let expected = [(HappeningKind::Joined, String::new()), (HappeningKind::SetAside, aside)];
    assert_eq!(news(&desk, begin), expected);
    assert_eq!(desk.workers(begin, Left::AShortWhileAgo, |_| None)[0].state, WorkerState::SetAside);
    let later = begin + Duration::from_secs(1);
    assert_eq!(desk.poll_timeout().map(|at| at <= later), Some(true));
    desk.handle(Happened::TimePassed, later);
    assert_ne!(desk.workers(later, Left::AShortWhileAgo, |_| None)[0].state, WorkerState::SetAside, "it is on trial");
    assert_eq!(news(&desk, later), expected, "which is no news yet");
}

const INPUT: InputSize = InputSize::Squashed(16);

/// A file of a thousand bytes: several times what its smaller form would have.
const FILE: bytes::Bytes = bytes::Bytes::from_static(&[7; 1000]);

/// A desk that may send smaller forms to a worker of that input, whose link was found to deliver so many bytes a second while its work
/// takes 10 ms.
fn desk_with_link(input: Option<InputSize>, bytes_per_s: u64) -> Desk {
    let (mut desk, now) = (Desk::new(DispatchSettings::default()).with_smaller_forms(1), Instant::now());
    told(&mut desk, joined_with(input), now);
    let begun = submit(&mut desk, 100..=100, now);
    read(&mut desk, &begun, now);
    let timing = manyeyes_protocol::result::WorkerTiming { inference: Duration::from_millis(10), ..Default::default() };
    let wire = WireTiming {
        since_assigned: Duration::from_millis(20),
        returning: Duration::ZERO,
        form_bytes: Some(4),
        bytes_per_s: Some(bytes_per_s),
    };
    let answer = Answer { labels: Vec::new(), timing };
    let answered =
        FromWorker::Answered { worker: WORKER, image: ImageId(100), attempt: Attempt(1), answer, wire, used: None };
    told(&mut desk, Happened::Heard(answered), now);
    desk
}

/// What is ordered when the file of image 1 has been read.
fn ordered_for_a_file(desk: &mut Desk) -> Vec<Order> {
    let now = Instant::now();
    let begun = submit(desk, 1..=1, now);
    let [Order::Read(reading)] = &begun[..] else { panic!("{begun:?}") };
    told(desk, Happened::Read(Read { reading: *reading, payload: Ok(FILE) }), now)
}

fn made(orders: Vec<Order>) -> Happened {
    let Ok([Order::MakeSmaller(making)]) = <[Order; 1]>::try_from(orders) else { panic!("no form is made") };
    assert_eq!((making.input, &making.file), (INPUT, &FILE));
    let (reading, took) = (making.reading, Some(Duration::from_millis(1)));
    Happened::Made(Made { reading, payload: bytes::Bytes::from_static(b"form"), took })
}

#[test]
fn over_a_slow_link_a_smaller_form_is_made_and_sent_and_over_a_fast_one_the_file() {
    let mut slow = desk_with_link(Some(INPUT), 10_000);
    let made = made(ordered_for_a_file(&mut slow));
    let sent = told(&mut slow, made, Instant::now());
    assert!(matches!(&sent[..], [Order::Assign { assignment, .. }, Order::Tell(_)] if assignment.payload == "form"));

    let mut fast = desk_with_link(Some(INPUT), 10_000_000);
    let sent = ordered_for_a_file(&mut fast);
    assert!(matches!(&sent[..], [Order::Assign { assignment, .. }, Order::Tell(_)] if assignment.payload == FILE));
}

#[test]
fn a_worker_that_looks_at_the_file_itself_is_sent_it_over_any_link() {
    let sent = ordered_for_a_file(&mut desk_with_link(None, 10_000));
    assert!(matches!(&sent[..], [Order::Assign { assignment, .. }, Order::Tell(_)] if assignment.payload == FILE));
}

#[test]
fn a_desk_that_was_not_told_to_send_smaller_forms_sends_none() {
    let mut desk = desk_with_link(Some(INPUT), 10_000);
    desk.makers = None;
    let sent = ordered_for_a_file(&mut desk);
    assert!(matches!(&sent[..], [Order::Assign { assignment, .. }, Order::Tell(_)] if assignment.payload == FILE));
}

#[test]
fn a_form_is_not_sent_for_a_delivery_that_was_taken_back_while_it_was_made() {
    let mut desk = desk_with_link(Some(INPUT), 10_000);
    let made_too_late = made(ordered_for_a_file(&mut desk));
    told(&mut desk, Happened::Asked(Asked::Cancel(vec![ImageId(1)])), Instant::now());
    let after = told(&mut desk, made_too_late, Instant::now());
    assert!(after.is_empty(), "{after:?}");

    let mut desk = desk_with_link(Some(INPUT), 10_000);
    let made_too_late = made(ordered_for_a_file(&mut desk));
    let left = FromWorker::Left { worker: WORKER, departure: Departure::Disconnected };
    told(&mut desk, Happened::Heard(left), Instant::now());
    let after = told(&mut desk, made_too_late, Instant::now());
    assert!(after.is_empty(), "{after:?}");
}
