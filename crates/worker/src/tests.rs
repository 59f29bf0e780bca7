//! The promises of the worker, held against link's real manager's end. What is recognised with is a fake that does what
//! the image's bytes say.

mod cluster;
mod for_good;

use std::path::PathBuf;
use std::time::Duration;

use manyeyes_link::{Departure, FromWorker};
use manyeyes_picture::confined::{Area, Channel, ConfinementSettings, confine, serve_in};
use manyeyes_protocol::result::{Answer, FailureCode};
use manyeyes_vision::{
    DecoderError, DecoderSettings, Decoders, EngineChoice, Lookup, Model, PictureError, RecogniseError,
};

use crate::failure::failure;
use crate::fault::{FailedForGood, FaultMode, FaultPlan, Faults, SLOWDOWN};
use crate::{Ended, Work, WorkerError, WorkerSettings};
use cluster::{Cluster, Fake, failed_code, settings, within};

#[tokio::test]
async fn an_image_comes_back_with_labels_and_with_the_workers_times() {
    let mut cluster = Cluster::start(|_| {}).await;
    cluster.assign(1, "a cat");
    let (answer, wire) = cluster.answer(1).await;
    assert_eq!(answer.labels[0].name, "a cat");
    assert_eq!(answer.timing.decode, Duration::from_millis(3));
    assert_eq!(answer.timing.inference, Duration::from_millis(5));
    assert!(answer.timing.queue <= wire.since_assigned, "{answer:?} {wire:?}");
    assert_eq!(cluster.stop().await, Ended::Stopped);
}

#[tokio::test]
async fn an_answer_has_as_many_labels_as_were_asked_for() {
    let mut cluster = Cluster::start(|settings| settings.top = 3).await;
    cluster.assign(1, "a cat");
    assert_eq!(cluster.answer(1).await.0.labels.len(), 3);
    cluster.stop().await;
}

#[tokio::test]
async fn a_bad_image_fails_with_its_code_and_its_neighbours_are_answered() {
    let mut cluster = Cluster::start(|_| {}).await;
    cluster.assign(1, "truncated");
    cluster.assign(2, "a dog");
    assert_eq!(failed_code(cluster.outcome(1).await), FailureCode::Truncated);
    assert_eq!(cluster.answer(2).await.0.labels[0].name, "a dog");
    cluster.stop().await;
}

#[test]
fn every_fault_of_a_picture_is_final_and_a_fault_of_who_was_to_recognise_it_is_not() {
    let too_many = PictureError::TooManyPixels { width: 50_000, height: 50_000, limit: 1 };
    let faults = [
        (PictureError::Empty, FailureCode::Empty),
        (PictureError::NotAnImage, FailureCode::NotAnImage),
        (PictureError::UnsupportedFormat("HEIC"), FailureCode::UnsupportedFormat),
        (PictureError::Truncated, FailureCode::Truncated),
        (too_many, FailureCode::TooManyPixels),
        (PictureError::Damaged("no".to_owned()), FailureCode::Damaged),
    ];
    for (error, code) in faults {
        let message = error.to_string();
        let failure = failure(&RecogniseError::from(error));
        assert_eq!((failure.code, failure.message), (code, message));
        assert!(failure.code.is_final());
    }
    let died = failure(&RecogniseError::Decoder(DecoderError::Died("was ended by signal 11".to_owned())));
    assert_eq!(died.message, "its decoder was ended by signal 11");
    assert!(died.code.blames_the_image());
    let unavailable = std::io::Error::other("no memory");
    let unavailable = failure(&RecogniseError::Decoder(DecoderError::Unavailable(unavailable)));
    assert!(unavailable.code.is_announced(), "{unavailable:?}");
    let inference = failure(&RecogniseError::Inference("no memory".to_owned()));
    assert_eq!(inference.code, FailureCode::InferenceFailed);
    assert!(inference.code.is_announced());
}

#[tokio::test]
async fn a_panic_is_reported_as_a_crash_and_the_slot_goes_on_with_a_new_recogniser() {
    let mut cluster = Cluster::start(|_| {}).await;
    assert_eq!(cluster.fake.made(), 1);
    cluster.assign(1, "panic");
    let FromWorker::Failed { failure, .. } = cluster.outcome(1).await else { panic!("no failure") };
    assert_eq!(failure.code, FailureCode::Crashed);
    assert!(failure.message.contains("these pixels"), "{}", failure.message);
    cluster.assign(2, "a cat");
    cluster.answer(2).await;
    assert_eq!(cluster.fake.made(), 2);
    cluster.stop().await;
}

#[tokio::test]
async fn a_slot_that_gets_no_recogniser_after_a_panic_ends_the_worker_with_the_reason() {
    let fake = Fake::default().made_only_once();
    let mut cluster = Cluster::start_with(fake.work(), fake, |_| {}).await;
    cluster.assign(1, "panic");
    assert_eq!(failed_code(cluster.outcome(1).await), FailureCode::Crashed);
    let error = cluster.ended().await.expect_err("the worker cannot go on");
    assert!(matches!(&error, WorkerError::SlotLost(reason) if reason.contains("no second one")), "{error}");
}

#[tokio::test]
async fn without_a_model_a_worker_does_not_begin() {
    let fake = Fake::default().never_made();
    let worker = crate::run(settings("127.0.0.1:9"), fake.work(), Default::default());
    let error = within(worker).await.expect_err("there is nothing to recognise with");
    assert!(matches!(error, WorkerError::Load(_)), "{error}");
}

#[tokio::test]
async fn as_many_images_run_as_there_are_slots_and_the_others_queue() {
    let mut cluster = Cluster::start(|settings| settings.slots = 2).await;
    for image in 1..=3 {
        cluster.assign(image, "wait");
    }
    cluster.started(1).await;
    cluster.started(2).await;
    cluster.nothing_for_two_heartbeats().await;
    cluster.fake.release(1);
    cluster.started(3).await;
    cluster.fake.release(2);
    cluster.outcomes([1, 2, 3]).await;
    assert_eq!(cluster.fake.most_at_once(), 2);
    cluster.stop().await;
}

#[tokio::test]
async fn an_image_that_is_cancelled_while_it_queues_is_never_recognised() {
    let mut cluster = Cluster::start(|_| {}).await;
    cluster.assign(1, "wait");
    cluster.started(1).await;
    cluster.assign(2, "unwanted");
    cluster.cancel(2);
    cluster.assign(3, "wanted");
    cluster.fake.release(1);
    cluster.answer(1).await;
    cluster.answer(3).await;
    assert_eq!(cluster.fake.seen(), ["wait", "wanted"]);
    cluster.stop().await;
}

#[tokio::test]
async fn told_to_go_a_worker_answers_what_runs_returns_what_queues_and_says_goodbye() {
    let mut cluster = Cluster::start(|_| {}).await;
    cluster.assign(1, "wait");
    cluster.started(1).await;
    cluster.assign(2, "too late");
    cluster.nothing_for_two_heartbeats().await;
    cluster.tell_to_go();
    assert_eq!(failed_code(cluster.outcome(2).await), FailureCode::ShuttingDown);
    cluster.fake.release(1);
    cluster.answer(1).await;
    assert_eq!(cluster.left().await, Departure::Goodbye);
    let fake = cluster.fake.clone();
    assert_eq!(cluster.ended().await.expect("no error"), Ended::Stopped);
    assert_eq!(fake.seen(), ["wait"]);
}

#[tokio::test]
async fn drained_by_the_manager_a_worker_goes() {
    let mut cluster = Cluster::start(|_| {}).await;
    cluster.drain();
    assert_eq!(cluster.left().await, Departure::Goodbye);
    assert_eq!(cluster.ended().await.expect("no error"), Ended::Drained);
}

#[tokio::test]
async fn a_worker_does_not_wait_for_what_runs_longer_than_its_grace() {
    let mut cluster = Cluster::start(|settings| settings.grace = Duration::from_millis(50)).await;
    cluster.assign(1, "wait");
    cluster.started(1).await;
    cluster.tell_to_go();
    assert_eq!(cluster.left().await, Departure::Goodbye);
    assert_eq!(cluster.ended().await.expect("no error"), Ended::Stopped);
}

#[tokio::test]
async fn refused_for_good_a_worker_ends_with_the_managers_reason() {
    let cluster = Cluster::start_refused(|settings| settings.token = Some("wrong".to_owned()));
    let error = cluster.ended().await.expect_err("it was refused");
    assert!(matches!(&error, WorkerError::Refused(reason) if reason.contains("token")), "{error}");
}

#[tokio::test]
async fn fixed_work_says_that_it_is_no_model_and_takes_its_time() {
    let work = Work::fixed(Duration::from_millis(20));
    assert!(work.model.notice.as_deref().is_some_and(|notice| notice.contains("no model")));
    let mut cluster = Cluster::start_with(work, Fake::default(), |_| {}).await;
    cluster.assign(1, "whatever");
    let (answer, _) = cluster.answer(1).await;
    assert!(answer.timing.inference >= Duration::from_millis(20));
    // SHA-256 of "whatever" begins so: an answer shows which file it is of.
    assert_eq!(answer.labels.iter().map(|label| &*label.name).collect::<Vec<_>>(), ["sha256:85738f8f9a7f1b04"]);
    cluster.stop().await;
}

#[tokio::test]
async fn photographs_get_their_class_from_a_real_model_over_a_real_link() {
    let test = "photographs_get_their_class_from_a_real_model_over_a_real_link";
    for needed in ["MANYEYES_MODELS", "MANYEYES_IMAGES"] {
        if std::env::var_os(needed).is_none() {
            eprintln!("NOT RUN without {needed}: {test}");
            return;
        }
    }
    let folder = PathBuf::from(std::env::var_os("MANYEYES_IMAGES").expect("it was just seen"));
    let expected = std::fs::read_to_string(folder.join("expected.csv")).expect("the photographs' classes");
    let expected: Vec<(&str, u32)> = expected
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split(',');
            Some((cells.next()?, cells.next()?.parse().ok()?))
        })
        .step_by(9)
        .collect();
    assert!(expected.len() >= 5, "{expected:?}");
    let model = Model::find(&Lookup::from_environment(None)).expect("a model");
    let arguments = ["--exact", "tests::decoder", "--ignored", "--nocapture"].map(str::to_owned).to_vec();
    let decoders = Decoders::new(DecoderSettings { arguments, ..DecoderSettings::this_program() });
    let work = Work::vision(model, EngineChoice::Auto, 1, decoders.expect("a thread"));
    let mut cluster = Cluster::start_with(work, Fake::default(), |settings| settings.slots = 2).await;
    for ((file, _), image) in expected.iter().zip(1..) {
        cluster.assign(image, std::fs::read(folder.join(file)).expect("the photograph"));
    }
    for ((file, class), image) in expected.iter().zip(1..) {
        let (answer, _) = cluster.answer(image).await;
        assert_eq!(answer.labels.len(), 5);
        assert_eq!(answer.labels[0].index, *class, "{file}: {:?}", answer.labels);
        assert!(answer.timing.decode > Duration::ZERO && answer.timing.inference > Duration::ZERO);
    }
    cluster.stop().await;
}

#[test]
#[ignore = "no test: the decoder of the test above"]
fn decoder() {
    let mut area = Area::of_standard_output().expect("memory is shared");
    let missing = confine(&ConfinementSettings::default());
    serve_in(&mut area, Channel, &missing).expect("requests until its end");
    std::process::exit(0);
}

#[tokio::test]
async fn an_announced_fault_is_no_crash_and_no_answer() {
    let mut cluster = Cluster::start(|settings| settings.fault = Some(always(FaultMode::Announce))).await;
    cluster.assign(1, "a cat");
    assert_eq!(failed_code(cluster.outcome(1).await), FailureCode::Injected);
    assert!(cluster.fake.seen().is_empty());
    cluster.stop().await;
}

#[tokio::test]
async fn a_slow_fault_takes_many_times_the_time_and_says_so() {
    let mut cluster = Cluster::start(|settings| settings.fault = Some(always(FaultMode::Slow))).await;
    cluster.assign(1, "sleep");
    let (answer, _) = cluster.answer(1).await;
    let usual = Duration::from_millis(5);
    assert!(answer.timing.inference >= usual * (SLOWDOWN - 1), "{:?}", answer.timing);
    cluster.stop().await;
}

#[tokio::test]
async fn a_hanging_slot_answers_nothing_and_does_not_hold_up_the_goodbye() {
    let mut cluster = Cluster::start(|settings| {
        settings.fault = Some(always(FaultMode::Hang));
        settings.grace = Duration::from_millis(50);
    })
    .await;
    cluster.assign(1, "a cat");
    cluster.started(1).await;
    cluster.nothing_for_two_heartbeats().await;
    cluster.tell_to_go();
    assert_eq!(cluster.ended().await.expect("no error"), Ended::Stopped);
}

#[tokio::test]
async fn a_worker_all_of_whose_slots_hang_ends_for_another_to_take_its_place() {
    let mut cluster = Cluster::start(|settings| {
        settings.fault = Some(always(FaultMode::Hang));
        settings.slots = 2;
    })
    .await;
    for image in 1..=2 {
        cluster.assign_within(Duration::from_millis(200), image, "a cat");
    }
    // Longer, or the manager gives up waiting for a worker that begins nothing before the worker itself does.
    cluster.assign(3, "a cat");
    let failed = failed_code(cluster.outcome(3).await);
    assert_eq!(failed, FailureCode::ShuttingDown, "what queued behind the slots is given back");
    assert_eq!(cluster.left().await, Departure::Goodbye);
    assert!(matches!(cluster.ended().await, Err(WorkerError::Hung)));
}

#[tokio::test]
async fn a_wrong_answer_names_another_class_and_which_follows_from_the_seed() {
    let mut cluster = Cluster::start(|settings| settings.fault = Some(always(FaultMode::Wrong))).await;
    cluster.assign(1, "a cat");
    let (answer, _) = cluster.answer(1).await;
    assert_eq!(answer.labels.len(), 5, "it looks like any other");
    assert_ne!(answer.labels[0].index, 0, "the right one is class 0");
    cluster.stop().await;
    let wrong = |seed| {
        let mut lone = Answer { labels: answer.labels[..1].to_vec(), timing: answer.timing };
        faults(Some(FaultPlan { seed, ..always(FaultMode::Wrong) }), 1).confuse(&mut lone);
        lone.labels[0].clone()
    };
    assert_eq!(wrong(1), wrong(1));
    assert_ne!(wrong(1).name, wrong(2).name, "two workers that are wrong do not bear each other out");
}

#[tokio::test]
async fn a_connection_that_is_dropped_on_purpose_is_made_again_and_its_image_is_answered() {
    let mut cluster = Cluster::start(|settings| settings.fault = Some(always(FaultMode::Disconnect))).await;
    cluster.assign(1, "a cat");
    assert_eq!(cluster.left().await, Departure::Disconnected);
    assert_eq!(cluster.answer(1).await.0.labels[0].name, "a cat", "after the reconnect");
    cluster.stop().await;
}

#[test]
fn a_worker_may_do_so_many_images_well_before_it_fails() {
    let mut faults = faults(Some(FaultPlan { after: 3, ..always(FaultMode::Slow) }), 1);
    let fails: Vec<_> = (0..5).map(|_| faults.next().is_some()).collect();
    assert_eq!(fails, [false, false, false, true, true]);
}

#[test]
fn which_images_fail_follows_from_the_seed_and_the_slot() {
    let plan = |seed| Some(FaultPlan { probability: 0.2, seed, ..always(FaultMode::Hang) });
    let draw = |seed, slot| {
        let mut faults = faults(plan(seed), slot);
        (0..1000).map(|_| faults.next().is_some()).collect::<Vec<_>>()
    };
    assert_eq!(draw(7, 1), draw(7, 1));
    assert_ne!(draw(7, 1), draw(8, 1));
    assert_ne!(draw(7, 1), draw(7, 2));
    let share = draw(7, 1).iter().filter(|fails| **fails).count();
    assert!((150..250).contains(&share), "{share} of 1000 at 0.2");
    assert_eq!(faults(None, 1).next(), None);
}

#[test]
fn the_window_follows_the_slots_within_what_the_protocol_allows() {
    let window = |slots| WorkerSettings { slots, ..settings("127.0.0.1:9") }.window();
    assert_eq!(window(1), 64);
    assert_eq!(window(4), 256);
    assert_eq!(window(u32::MAX), 4096);
}

fn always(mode: FaultMode) -> FaultPlan {
    FaultPlan { probability: 1.0, after: 0, mode, for_good: false, seed: 0 }
}

/// Those of a slot of a worker that is well.
fn faults(plan: Option<FaultPlan>, slot: u32) -> Faults {
    Faults::new(plan, slot, FailedForGood::default())
}
