//! A worker that fails for good: at first it is like any other, then never again.

use std::time::Duration;

use manyeyes_link::Departure;
use manyeyes_protocol::result::FailureCode;

use super::always;
use super::cluster::{Cluster, failed_code};
use crate::fault::{FailedForGood, FaultMode, FaultPlan, Faults};
use crate::{Ended, WorkerError};

/// Longer than any test waits.
const NEVER: Duration = Duration::from_secs(3600);

fn for_good(mode: FaultMode) -> FaultPlan {
    FaultPlan { for_good: true, ..always(mode) }
}

#[test]
fn the_first_image_that_fails_is_the_same_as_otherwise_and_every_later_one_fails_too() {
    for seed in 0..100 {
        let plan = FaultPlan { probability: 0.2, seed, ..always(FaultMode::Slow) };
        let fails = |plan: FaultPlan| {
            let mut faults = super::faults(Some(plan), 1);
            (0..200).map(|_| faults.next().is_some()).collect::<Vec<_>>()
        };
        let now_and_then = fails(plan.clone());
        let from_then_on = fails(FaultPlan { for_good: true, ..plan });
        let first = now_and_then.iter().position(|fails| *fails).expect("at 0.2, one of 200 fails");
        assert_eq!(from_then_on.iter().position(|fails| *fails), Some(first));
        assert!(from_then_on[first..].iter().all(|fails| *fails));
    }
}

#[test]
fn when_one_slot_fails_all_have_failed() {
    let worker = FailedForGood::default();
    let sound = FaultPlan { probability: 0.0, ..for_good(FaultMode::Hang) };
    let mut first = Faults::new(Some(for_good(FaultMode::Hang)), 1, worker.clone());
    let mut second = Faults::new(Some(sound), 2, worker);
    assert!(second.next().is_none() && second.may_tell());
    first.next().expect("its first image fails");
    assert_eq!(second.next().map(|fault| fault.mode), Some(FaultMode::Hang));
    assert!(!second.may_tell(), "what it was at when the other failed is not told either");
}

#[tokio::test]
async fn an_announced_failure_for_good_is_told_and_the_worker_says_goodbye_and_ends() {
    let mut cluster = Cluster::start(|settings| settings.fault = Some(for_good(FaultMode::Announce))).await;
    cluster.assign(1, "a cat");
    cluster.assign(2, "a dog");
    assert_eq!(failed_code(cluster.outcome(1).await), FailureCode::Injected);
    assert_eq!(cluster.left().await, Departure::Goodbye, "it does not wait for a next image");
    let fake = cluster.fake.clone();
    assert!(matches!(cluster.ended().await, Err(WorkerError::FailedForGood)));
    assert!(fake.seen().is_empty(), "what queued behind it was never begun");
}

#[tokio::test]
async fn when_one_slot_hangs_for_good_what_the_others_are_at_is_not_answered_either() {
    let mut cluster = Cluster::start(|settings| {
        settings.fault = Some(FaultPlan { after: 1, ..for_good(FaultMode::Hang) });
        settings.slots = 2;
        settings.grace = NEVER;
    })
    .await;
    for image in [1, 2] {
        cluster.assign(image, "wait");
        cluster.started(image).await;
    }
    cluster.fake.release(1);
    cluster.any_outcome().await;
    // The second image of the slot that is free.
    cluster.assign(3, "a cat");
    cluster.started(3).await;
    // It has said that it begins, and then hangs.
    cluster.no_outcome_for(20).await;
    cluster.fake.release(1);
    cluster.no_outcome_for(10).await;
    cluster.tell_to_go();
    assert_eq!(cluster.ended().await.expect("no error"), Ended::Stopped, "it waits for no slot");
}

/// By accident, a worker all of whose slots hang ends after three deadlines, for another to take its place.
#[tokio::test]
async fn a_worker_that_hangs_for_good_stays() {
    let mut cluster = Cluster::start(|settings| settings.fault = Some(for_good(FaultMode::Hang))).await;
    // Three of it are less than the second between two looks at the slots. Of 1 ms a busy machine needed longer to begin,
    // and the manager had given the worker up.
    cluster.assign_within(Duration::from_millis(300), 1, "a cat");
    cluster.started(1).await;
    // Of 20 ms each: two looks at the slots and more.
    cluster.no_outcome_for(150).await;
    cluster.tell_to_go();
    assert_eq!(cluster.ended().await.expect("no error"), Ended::Stopped);
}

#[tokio::test]
async fn a_connection_that_is_dropped_for_good_is_not_made_again_and_the_process_stays() {
    let mut cluster = Cluster::start(|settings| {
        settings.fault = Some(for_good(FaultMode::Disconnect));
        settings.grace = NEVER;
    })
    .await;
    cluster.assign(1, "a cat");
    assert_eq!(cluster.left().await, Departure::Disconnected);
    cluster.tell_to_go();
    assert_eq!(
        cluster.ended().await.expect("no error"),
        Ended::Stopped,
        "an answer that nobody hears is not waited for"
    );
}
