//! Whether a link is as asked, by what probes saw of it. Plain functions of numbers.

use serde::{Deserialize, Serialize};

use super::chances::{between, lost_of};
use crate::conditions::Conditions;

/// How far the median round trip may be off, milliseconds: what two passes of the emulator and four of the kernel take on a machine
/// that does other things as well. At a link of no delay it is all that is seen.
const RTT_OFF_MS: f64 = 0.3;

/// Or this share of it, whichever is more.
const RTT_OFF_SHARE: f64 = 0.02;

/// How far the rate may be off.
const RATE_OFF_SHARE: f64 = 0.03;

/// The chance with which a link that is as asked is refused, for the whole table, before it is probed again.
const REFUSED: f64 = 0.01;

/// What probes saw of a link.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Round trips of single small packets, without the time that the other end held them, milliseconds.
    pub round_trips_ms: Vec<f64>,
    /// The length of their frames, bytes.
    pub frame_bytes: u32,
    /// What arrived a second of a flow that was faster than the rate, bits of frames; where a rate was asked.
    pub rate_bits_per_s: Option<f64>,
    /// Packets sent down the link, one after another.
    pub probes: u64,
    /// Lost of them.
    pub lost: u64,
}

/// What was found of a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Median round trip, milliseconds; `None` where no probe came back.
    pub rtt_ms: Option<f64>,
    /// What was asked: both delays, and at a rate the time that sending the probe takes.
    pub asked_rtt_ms: f64,
    /// What the down direction carried when it was filled, where a rate was asked.
    pub rate_bits_per_s: Option<f64>,
    /// What was asked.
    pub asked_rate_bits_per_s: Option<f64>,
    /// Probes sent in the down direction.
    pub probes: u64,
    /// Lost of them.
    pub lost: u64,
    /// The share that was to be lost.
    pub asked_loss: f64,
    /// Within this many and that many lost, the model's own chances put the count: 99 %, corrected over the table.
    pub lost_between: (u64, u64),
    /// Whether it was probed a second time because the first missed.
    pub probed_again: bool,
    /// Whether everything is as asked.
    pub holds: bool,
}

/// Judges what was seen of a link, one of `comparisons` in the table: the chance of a false alarm is shared among them (C. E.
/// Bonferroni).
pub fn judge(down: &Conditions, up: &Conditions, seen: &Seen, comparisons: u64) -> Calibration {
    let refused = REFUSED / comparisons.max(1) as f64;
    let rtt_ms = median(&seen.round_trips_ms);
    let asked_rtt_ms = asked_rtt_ms(down, up, seen.frame_bytes);
    let off_ms =
        (asked_rtt_ms * RTT_OFF_SHARE).max(RTT_OFF_MS) + jitter_ms(down, up, seen.round_trips_ms.len(), refused);
    let lost_between = between(&lost_of(down.loss, seen.probes), refused);
    let rate_holds = match (down.rate_bits_per_s, seen.rate_bits_per_s) {
        (None, _) => true,
        (Some(asked), Some(seen)) => (seen / asked - 1.0).abs() <= RATE_OFF_SHARE,
        (Some(_), None) => false,
    };
    let rtt_holds = rtt_ms.is_some_and(|rtt_ms| (rtt_ms - asked_rtt_ms).abs() <= off_ms);
    Calibration {
        rtt_ms,
        asked_rtt_ms,
        rate_bits_per_s: seen.rate_bits_per_s,
        asked_rate_bits_per_s: down.rate_bits_per_s,
        probes: seen.probes,
        lost: seen.lost,
        asked_loss: down.loss.mean(),
        lost_between,
        probed_again: false,
        holds: rtt_holds && rate_holds && (lost_between.0..=lost_between.1).contains(&seen.lost),
    }
}

fn asked_rtt_ms(down: &Conditions, up: &Conditions, frame_bytes: u32) -> f64 {
    let bits = f64::from(frame_bytes) * 8.0;
    let one_way = |way: &Conditions| way.delay_ms + way.rate_bits_per_s.map_or(0.0, |rate| bits / rate * 1000.0);
    one_way(down) + one_way(up)
}

/// How far the median of so many round trips may be off by jitter alone: a median's error is sqrt(pi / 2) times a mean's where many are
/// seen, a uniform jitter of ±j has a deviation of j / sqrt(3), and a normal is beyond sqrt(2 ln (2 / p)) with a chance of p at most.
fn jitter_ms(down: &Conditions, up: &Conditions, round_trips: usize, refused: f64) -> f64 {
    let deviation = ((down.jitter_ms.powi(2) + up.jitter_ms.powi(2)) / 3.0).sqrt();
    let error = deviation * std::f64::consts::FRAC_PI_2.sqrt() / (round_trips.max(1) as f64).sqrt();
    (2.0 * (2.0 / refused).ln()).sqrt() * error
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => None,
        (middle, 1) => Some(sorted[middle]),
        (middle, _) => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::Loss;

    fn link() -> Conditions {
        let loss = Loss::Independent { probability: 0.1 };
        Conditions { delay_ms: 50.0, rate_bits_per_s: Some(1e6), loss, ..Conditions::default() }
    }

    fn seen() -> Seen {
        // 125 bytes at 1 Mbit/s take a millisecond, each way.
        Seen {
            round_trips_ms: vec![102.0, 102.1, 250.0],
            frame_bytes: 125,
            rate_bits_per_s: Some(1e6),
            probes: 1000,
            lost: 100,
        }
    }

    fn holds(seen: &Seen) -> bool {
        judge(&link(), &link(), seen, 1).holds
    }

    #[test]
    fn a_link_as_asked_holds_though_one_probe_was_late() {
        let found = judge(&link(), &link(), &seen(), 1);
        assert!(found.holds, "{found:?}");
        assert_eq!((found.asked_rtt_ms, found.rtt_ms, found.lost_between), (102.0, Some(102.1), (76, 125)));
    }

    #[test]
    fn a_round_trip_off_by_more_than_two_per_cent_is_refused() {
        assert!(holds(&Seen { round_trips_ms: vec![104.0; 9], ..seen() }));
        assert!(!holds(&Seen { round_trips_ms: vec![104.1; 9], ..seen() }));
        assert!(!holds(&Seen { round_trips_ms: vec![99.9; 9], ..seen() }));
        assert!(!holds(&Seen { round_trips_ms: vec![], ..seen() }));
    }

    #[test]
    fn a_link_without_delay_may_take_three_tenths_of_a_millisecond() {
        let round_trips = |ms| Seen { round_trips_ms: vec![ms; 9], probes: 10, ..Seen::default() };
        let perfect = Conditions::default();
        assert!(judge(&perfect, &perfect, &round_trips(0.29), 1).holds);
        assert!(!judge(&perfect, &perfect, &round_trips(0.31), 1).holds);
    }

    #[test]
    fn a_rate_off_by_more_than_three_per_cent_is_refused_and_one_not_seen_too() {
        assert!(holds(&Seen { rate_bits_per_s: Some(0.971e6), ..seen() }));
        assert!(!holds(&Seen { rate_bits_per_s: Some(0.969e6), ..seen() }));
        assert!(!holds(&Seen { rate_bits_per_s: Some(1.031e6), ..seen() }));
        assert!(!holds(&Seen { rate_bits_per_s: None, ..seen() }));
    }

    #[test]
    fn a_count_of_losses_is_refused_outside_its_interval_which_a_larger_table_widens() {
        assert!(holds(&Seen { lost: 76, ..seen() }) && holds(&Seen { lost: 125, ..seen() }));
        assert!(!holds(&Seen { lost: 75, ..seen() }) && !holds(&Seen { lost: 126, ..seen() }));
        assert!(judge(&link(), &link(), &Seen { lost: 126, ..seen() }, 100).holds);
    }

    #[test]
    fn where_nothing_may_be_lost_one_lost_probe_is_too_many() {
        let down = Conditions { loss: Loss::None, ..link() };
        assert!(judge(&down, &link(), &Seen { lost: 0, ..seen() }, 1000).holds);
        assert!(!judge(&down, &link(), &Seen { lost: 1, ..seen() }, 1000).holds);
    }

    #[test]
    fn a_jitter_gives_the_median_of_few_probes_more_room() {
        let jittered = Conditions { jitter_ms: 20.0, ..link() };
        let seen = Seen { round_trips_ms: vec![110.0; 25], ..seen() };
        assert!(!judge(&link(), &link(), &seen, 1).holds);
        assert!(judge(&jittered, &jittered, &seen, 1).holds);
        assert!(!judge(&jittered, &jittered, &Seen { round_trips_ms: vec![125.0; 25], ..seen }, 1).holds);
    }
}
