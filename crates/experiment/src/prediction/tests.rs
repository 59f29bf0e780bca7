//! The model against cases that can be worked out by hand.

use proptest::prelude::*;

use super::*;

const FREE: Path = Path { round_trip_s: 0.0, rate_bits_per_s: None, loss: 0.0, window_bytes: None };

/// Three workers that take half a second, and nothing in the way.
fn cluster() -> Cluster {
    Cluster {
        images: 5,
        workers: 3,
        slots: 1,
        service_s: 0.5,
        credit: None,
        image_bytes: 125_000.0,
        upload: FREE,
        link: FREE,
    }
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{found} is not {expected}");
}

#[test]
fn with_free_links_a_batch_takes_whole_rounds() {
    let found = batch(&cluster(), LossModel::Mathis).expect("a batch");
    near(found.makespan_s, 1.0);
    near(found.images_per_s, 5.0);
    assert_eq!(found.limit, Limit::Service);
    near(batch(&Cluster { slots: 2, ..cluster() }, LossModel::Mathis).expect("a batch").makespan_s, 0.5);
    near(sustained(&cluster(), LossModel::Mathis).expect("a stream").images_per_s, 6.0);
}

#[test]
fn nobody_to_work_and_nothing_to_do_have_no_prediction() {
    assert_eq!(batch(&Cluster { images: 0, ..cluster() }, LossModel::Mathis), None);
    assert_eq!(batch(&Cluster { workers: 0, ..cluster() }, LossModel::Mathis), None);
    assert_eq!(sustained(&Cluster { slots: 0, ..cluster() }, LossModel::Mathis), None);
}

#[test]
fn a_delay_costs_a_batch_its_round_trips_and_a_stream_nothing() {
    let delayed = Cluster { link: Path { round_trip_s: 1.0, ..FREE }, ..cluster() };
    // One round trip, and 125,000 bytes are 8.6 initial windows: four round trips of which one is counted.
    near(batch(&delayed, LossModel::Mathis).expect("a batch").makespan_s, 1.0 + 3.0 + 1.0);
    let stream = sustained(&delayed, LossModel::Mathis).expect("a stream");
    assert_eq!((stream.images_per_s, stream.limit), (6.0, Limit::Service));
}

#[test]
fn too_little_credit_makes_workers_wait_for_the_round_trip() {
    let starved = Cluster { link: Path { round_trip_s: 1.0, ..FREE }, credit: Some(1), ..cluster() };
    let stream = sustained(&starved, LossModel::Mathis).expect("a stream");
    assert_eq!((stream.images_per_s, stream.limit), (2.0, Limit::Credit));
    // Two images for the busiest: twice half a second and a round trip. It is one round trip more than with enough credit, and the
    // slow start of the first image is three.
    let found = batch(&starved, LossModel::Mathis).expect("a batch");
    assert_eq!((found.makespan_s, found.limit), (3.0 + 3.0, Limit::Credit));
    let none = Cluster { credit: Some(0), ..starved };
    assert_eq!(batch(&none, LossModel::Mathis), Some(found), "no credit at all would never end; it is taken for one");
    let fed = Cluster { credit: Some(3), ..starved };
    assert_eq!(sustained(&fed, LossModel::Mathis).expect("a stream").limit, Limit::Service);
}

#[test]
fn a_slow_path_decides_where_it_is_slowest() {
    let megabit = Path { rate_bits_per_s: Some(1e6), ..FREE };
    let links = Cluster { link: megabit, ..cluster() };
    // 125,000 bytes take a second; two of them, then half a second of work.
    near(batch(&links, LossModel::Mathis).expect("a batch").makespan_s, 2.5);
    assert_eq!(
        sustained(&links, LossModel::Mathis).map(|found| (found.images_per_s, found.limit)),
        Some((3.0, Limit::Link))
    );
    let upload = Cluster { upload: megabit, ..cluster() };
    near(batch(&upload, LossModel::Mathis).expect("a batch").makespan_s, 5.5);
    assert_eq!(
        sustained(&upload, LossModel::Mathis).map(|found| (found.images_per_s, found.limit)),
        Some((1.0, Limit::Upload))
    );
}

#[test]
fn the_last_upload_still_has_to_reach_its_worker() {
    let megabits = |megabits: f64| Path { rate_bits_per_s: Some(megabits * 1e6), ..FREE };
    let both = Cluster { upload: megabits(1.0), link: megabits(2.0), ..cluster() };
    // Five uploads of a second, half a second over the link, half a second of work.
    near(batch(&both, LossModel::Mathis).expect("a batch").makespan_s, 6.0);
}

#[test]
fn a_path_carries_what_its_window_and_its_losses_leave() {
    let path = Path { round_trip_s: 0.1, rate_bits_per_s: Some(1e9), loss: 0.0, window_bytes: Some(64e3) };
    near(path.bytes_per_s(LossModel::Mathis), 640e3);
    // Mathis' constant is 1.2247: 1448 bytes in 0.1 s at 1 % give 177 kB/s.
    let lossy = Path { loss: 0.01, window_bytes: None, ..path };
    near(lossy.bytes_per_s(LossModel::Mathis), 1448.0 / 0.1 * (1.5_f64 / 0.01).sqrt());
    // 0.1 sqrt(0.02/3) + 0.3 * 3 sqrt(0.03/8) * 0.01 * 1.0032 seconds a segment.
    near(lossy.bytes_per_s(LossModel::Padhye), 1448.0 / (0.008_164_965_809_277_26 + 0.000_552_898_824_741_019));
    // What is lost took its part of the rate.
    near(Path { rate_bits_per_s: Some(1e6), loss: 0.1, ..FREE }.bytes_per_s(LossModel::Mathis), 112_500.0);
    assert_eq!(Path { loss: 1.0, ..path }.bytes_per_s(LossModel::Mathis), 0.0);
    assert_eq!(FREE.bytes_per_s(LossModel::Padhye), f64::INFINITY);
}

#[test]
fn a_first_image_that_fits_the_first_window_has_no_slow_start() {
    let path = Path { round_trip_s: 0.1, ..FREE };
    near(path.slow_start_s(14_480.0), 0.0);
    near(path.slow_start_s(14_481.0), 0.1);
    near(path.slow_start_s(3.0 * 14_480.0), 0.1);
    near(path.slow_start_s(0.0), 0.0);
}

#[test]
fn a_worker_that_fails_at_once_leaves_the_others() {
    let failing = Failing { probability: 1.0, remaining: 0.0, noticed_after_s: 0.0 };
    let two = batch(&Cluster { workers: 2, ..cluster() }, LossModel::Mathis);
    assert_eq!(with_failing(&cluster(), &failing, LossModel::Mathis), two);
    assert_eq!(with_failing(&Cluster { workers: 1, ..cluster() }, &failing, LossModel::Mathis), None);
}

#[test]
fn the_expected_batch_is_the_mean_over_when_the_worker_fails() {
    // Five images, three workers: with both images done it is two rounds. Gone at its first image (1/2): three rounds of two. Gone at
    // its second (1/4): two are left after the first round, and two are there for them.
    let failing = Failing { probability: 0.5, remaining: 0.0, noticed_after_s: 0.0 };
    let found = with_failing(&cluster(), &failing, LossModel::Mathis).expect("a batch");
    near(found.makespan_s, 0.5 * 1.5 + 0.5 * 1.0);
    near(found.images_per_s, 0.5 * 5.0 / 1.5 + 0.5 * 5.0);
}

#[test]
fn a_worker_with_two_slots_loses_what_both_have() {
    // Eight images on twice two slots, in rounds: gone in its first round (1/2 + 1/4), four; in its second (1/8 + 1/16), three; else two.
    let failing = Failing { probability: 0.5, remaining: 0.0, noticed_after_s: 0.0 };
    let two_slots = Cluster { images: 8, workers: 2, slots: 2, ..cluster() };
    let found = with_failing(&two_slots, &failing, LossModel::Mathis).expect("a batch");
    near(found.makespan_s, 0.5 * (0.75 * 4.0 + 0.1875 * 3.0 + 0.0625 * 2.0));
}

#[test]
fn a_hang_costs_until_it_is_noticed() {
    let failing = Failing { probability: 1.0, remaining: 0.0, noticed_after_s: 10.0 };
    near(with_failing(&cluster(), &failing, LossModel::Mathis).expect("a batch").makespan_s, 10.5);
}

proptest! {
    #[test]
    fn nothing_is_predicted_to_beat_its_floor_nor_the_sustained_rate(
        images in 1_u32..400, workers in 1_u32..33, slots in 1_u32..4, service_s in 0.01..2.0,
        round_trip_s in 0.0..1.0, rate in 1e5..1e9, loss in 0.0..0.2,
    ) {
        let link = Path { round_trip_s, rate_bits_per_s: Some(rate), loss, window_bytes: None };
        let cluster = Cluster { images, workers, slots, service_s, link, ..cluster() };
        for model in [LossModel::Mathis, LossModel::Padhye] {
            let found = batch(&cluster, model).expect("a batch");
            let floor = manyeyes_statistics::Floor {
                images, workers, slots, service_s, round_trip_s,
                image_bytes: cluster.image_bytes, rate_bits_per_s: Some(rate),
            };
            // To the last digits: the two add up in different orders.
            prop_assert!(found.makespan_s * (1.0 + 1e-9) >= floor.floor_s().expect("workers"));
            let stream = sustained(&cluster, model).expect("a stream");
            prop_assert!(found.images_per_s <= stream.images_per_s * (1.0 + 1e-9));
        }
    }

    #[test]
    fn a_failing_worker_never_helps_and_never_costs_more_than_its_absence(
        images in 1_u32..400, workers in 2_u32..9, probability in 0.0..=1.0, remaining in 0.0..=1.0,
    ) {
        let cluster = Cluster { images, workers, ..cluster() };
        let failing = Failing { probability, remaining, noticed_after_s: 0.0 };
        let found = with_failing(&cluster, &failing, LossModel::Mathis).expect("a batch");
        let whole = batch(&cluster, LossModel::Mathis).expect("a batch");
        let without = batch(&Cluster { workers: workers - 1, ..cluster }, LossModel::Mathis).expect("a batch");
        prop_assert!(found.makespan_s >= whole.makespan_s - 1e-9);
        prop_assert!(found.makespan_s <= without.makespan_s + 1e-9);
    }

    #[test]
    fn timeouts_leave_less_than_repairs_alone(loss in 1e-6..0.3, round_trip_s in 1e-4..1.0) {
        let path = Path { round_trip_s, loss, ..FREE };
        prop_assert!(path.bytes_per_s(LossModel::Padhye) < path.bytes_per_s(LossModel::Mathis));
    }
}
