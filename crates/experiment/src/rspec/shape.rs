//! From what the lab does to packets to what a link of an RSpec can be asked for.

use manyeyes_testbed::{Conditions, Loss};

use super::{Departure, IMPOSSIBLE_KBPS, LEAST_LOSS};
use crate::scenario::BURST_PACKETS;

/// What is asked for where a scenario sets no rate, kbit/s: a gigabit, which every machine's interface carries.
const LINE_KBPS: u32 = 1_000_000;

/// Delays below this are of the size of a real network's own, milliseconds.
const LEAST_DELAY_MS: f64 = 1.0;

/// One direction of a link, in the units of an RSpec.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    /// kbit/s, whole.
    pub(super) capacity_kbps: u32,
    /// One way, milliseconds.
    pub(super) latency_ms: f64,
    /// The share of packets, 0..1.
    pub(super) loss: f64,
}

/// The nearest that can be asked for, and where it departs from what was wanted.
pub(super) fn shape(wanted: &Conditions) -> (Shape, Vec<Departure>) {
    let mut departures = Vec::new();
    let shape = Shape {
        capacity_kbps: capacity(wanted, &mut departures),
        latency_ms: wanted.delay_ms,
        loss: loss(wanted.loss, &mut departures),
    };
    let mut of_conditions = |key, what: String| departures.push(Departure { key, what, is_of_conditions: true });
    if wanted.jitter_ms > 0.0 {
        of_conditions("jitter_ms", format!("{} is wanted; each packet is delayed alike", wanted.jitter_ms));
    }
    if wanted.duplicate > 0.0 {
        of_conditions("duplicate", format!("{} is wanted; no packet comes twice", wanted.duplicate));
    }
    // Without a delay there is nothing to overtake.
    if wanted.reorder > 0.0 && wanted.delay_ms > 0.0 {
        of_conditions("reorder", format!("{} is wanted; packets keep their order", wanted.reorder));
    }
    if wanted.delay_ms > 0.0 && wanted.delay_ms < LEAST_DELAY_MS {
        let what = format!("{} is asked for, and a real network's own delay may be as long", wanted.delay_ms);
        departures.push(Departure { key: "delay_ms", what, is_of_conditions: false });
    }
    (shape, departures)
}

fn capacity(wanted: &Conditions, departures: &mut Vec<Departure>) -> u32 {
    let mut depart = |key, what: String, is_of_conditions| departures.push(Departure { key, what, is_of_conditions });
    let Some(rate) = wanted.rate_bits_per_s else {
        depart(
            "rate_bits_per_s",
            format!("none is set, and a real link has one: {LINE_KBPS} kbit/s is asked for"),
            false,
        );
        return LINE_KBPS;
    };
    let usual = Conditions::default().queue_packets;
    if wanted.queue_packets == usual {
        depart(
            "queue_packets",
            format!("{usual} in the lab; a testbed's queue is as long as the testbed makes it"),
            false,
        );
    } else {
        let what = format!("{} is wanted; a testbed's queue is as long as the testbed makes it", wanted.queue_packets);
        depart("queue_packets", what, true);
    }
    let kbps = rate / 1000.0;
    if kbps >= IMPOSSIBLE_KBPS {
        depart("rate_bits_per_s", format!("{rate} is more than machines have: {LINE_KBPS} kbit/s is asked for"), true);
        return LINE_KBPS;
    }
    let whole = kbps.round();
    if whole != kbps {
        depart("rate_bits_per_s", format!("{rate} is no whole number of kbit/s: {whole} is asked for"), true);
    }
    whole as u32
}

fn loss(wanted: Loss, departures: &mut Vec<Departure>) -> f64 {
    let mut depart = |key, what: String| departures.push(Departure { key, what, is_of_conditions: true });
    let share = wanted.mean();
    if matches!(wanted, Loss::Bursty { .. }) && share > 0.0 {
        let what = format!("packets are to be lost in bursts, such as of {BURST_PACKETS}; each is lost by itself");
        depart("loss_model", what);
    }
    if share > 0.0 && share < LEAST_LOSS {
        depart("loss", format!("{share} is less than the least of {LEAST_LOSS}: none is lost"));
        return 0.0;
    }
    share
}
