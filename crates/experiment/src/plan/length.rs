//! How long runs will take: before the first from what a run cannot be faster than, then ever more from those that were made.

use std::time::Duration;

use manyeyes_testbed::{Conditions, Loss};

use crate::record::{Cell, Service, Transport};
use crate::scenario::Scenario;

/// Starting a manager, a worker and a client, and ending them: measured here, on two cores, of which others use half.
const START: Duration = Duration::from_millis(500);

/// Each further worker, its machine included.
const START_WORKER: Duration = Duration::from_millis(50);

/// For so long what probes found of links holds for others that are built alike: a study has several such times, and most of its
/// time is for what it is about.
pub const PROBES_HOLD: Duration = Duration::from_secs(10 * 60);

/// How many of the workers' links are probed at a time.
pub const PROBED: u32 = 3;

/// Probing links of one kind; each of those that have a rate is filled for a second more.
const PROBES: Duration = Duration::from_secs(2);

/// Round trips until a worker has joined: of TCP, of the sessions' handshake, and of the news of it.
const JOIN_ROUND_TRIPS: u32 = 4;

/// Round trips that nothing hides, until the windows are open: measured, 3.5 of five images and 5 of sixty.
const BEGIN_ROUND_TRIPS: u32 = 4;

/// What a joining worker loses to a link that loses everything: SYNs are sent again after 1, 3, 7 s. Of a share, it is that share.
const JOIN_LOST: Duration = Duration::from_secs(25);

/// Sounding a path on which nothing is lost, until its worker's transport is chosen: 200 packets at 20 a second.
const SOUNDING: Duration = Duration::from_secs(10);

/// What an image of a real model takes on a whole core: GoogLeNet with ONNX Runtime takes 25 to 60 ms on the machines that it
/// was measured on (`docs/operations.md`), and the pure-Rust engine twice that.
const MODEL_SERVICE: Duration = Duration::from_millis(80);

/// Round trips that an image takes by BBR, for each share of packets that is lost: some nine at 15 %, measured at 200 ms. It does not take a
/// loss for a sign of congestion, and waits for what was lost and lost again.
const BBR_ROUND_TRIPS: f64 = 60.0;

/// The bits of a picture, the made-up ones and most photos: 100 kB.
const PICTURE_BITS: f64 = 800_000.0;

/// A run of a cell, as far as it can be known. Never more than the start and `bound`, twice where images go before.
pub fn expected(cell: &Cell, bound: Duration) -> Duration {
    let lost = cell.down.loss.mean().max(cell.up.loss.mean());
    let join = round_trip(cell) * JOIN_ROUND_TRIPS + JOIN_LOST.mul_f64(lost);
    let before = if cell.warm == 0 {
        Duration::ZERO
    } else {
        work(cell, cell.warm).min(bound) + Duration::from_secs_f64(cell.idle_ms / 1e3)
    };
    let sounding = if cell.transport == Transport::Auto { SOUNDING } else { Duration::ZERO };
    START + START_WORKER * (cell.workers + cell.standby) + join + sounding + before + work(cell, cell.images).min(bound)
}

/// All runs of a study, with the probes between them.
pub fn of_study(scenario: &Scenario) -> Duration {
    let cells = || scenario.cells.iter().map(|planned| &planned.cell);
    let runs = cells().map(|cell| expected(cell, scenario.bound)).sum::<Duration>() * scenario.repeats;
    let mut kinds: Vec<(u32, Conditions, Conditions)> = Vec::new();
    for cell in cells() {
        let kind = (cell.workers + cell.standby, cell.down, cell.up);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let probes = kinds.iter().map(|(workers, down, _)| {
        let filled = if down.rate_bits_per_s.is_some() { (*workers).min(PROBED) } else { 0 };
        PROBES + Duration::from_secs(filled.into()) + Duration::from_secs_f64(down.delay_ms / 1e3)
    });
    let times = 1 + runs.as_secs() / PROBES_HOLD.as_secs();
    runs + probes.sum::<Duration>() * u32::try_from(times).unwrap_or(u32::MAX)
}

fn work(cell: &Cell, images: u32) -> Duration {
    let failing = u32::from(cell.failure.is_some());
    let working = (cell.workers + cell.standby.min(failing)).saturating_sub(failing).max(1);
    let rounds = images.div_ceil(working * cell.slots);
    let service = match cell.service {
        Service::Fixed { service_ms } => Duration::from_secs_f64(service_ms / 1e3),
        // A share of a core stretches the work; more than one core does not shorten that of one slot.
        Service::Model { .. } => MODEL_SERVICE.div_f64(cell.cpu_cores.unwrap_or(1.0).min(1.0)),
    };
    let round_trip = round_trip(cell);
    let over = |conditions: &Conditions| transfer(conditions, &cell.congestion_control, round_trip);
    let transfer = over(&cell.down).max(over(&cell.up) / 10);
    // Transfers hide behind work, but for the first.
    let each = service.max(transfer.div_f64(f64::from(cell.slots)));
    round_trip * BEGIN_ROUND_TRIPS + transfer + each * rounds
}

fn round_trip(cell: &Cell) -> Duration {
    Duration::from_secs_f64((cell.down.delay_ms + cell.up.delay_ms) / 1e3)
}

/// One image over one link. It is an expectation for a plan and a progress line, and no result.
fn transfer(conditions: &Conditions, congestion_control: &str, round_trip: Duration) -> Duration {
    let by_rate = conditions.rate_bits_per_s.map_or(0.0, |rate| PICTURE_BITS / rate);
    let by_loss = match congestion_control {
        "bbr" => round_trip.as_secs_f64() * conditions.loss.mean() * BBR_ROUND_TRIPS,
        _ => by_loss(conditions.loss, round_trip),
    };
    Duration::from_secs_f64(by_rate.max(by_loss))
}

/// With losses: what was measured here of cubic, pictures of 100 kB and no delay (0.4 s at 10 % and 1.35 s at 15 %, lost by
/// themselves; 1 to 1.5 s and 3.1 s in bursts) rises with their cube, because ever more losses wait for the timer, and its time
/// doubles. With a delay TCP carries about 1.22 segments of 1448 bytes a round trip over the square root of their share (Mathis,
/// Semke, Mahdavi and Ott, "The macroscopic behavior of the TCP congestion avoidance algorithm", 1997).
fn by_loss(loss: Loss, round_trip: Duration) -> f64 {
    let lost = loss.mean();
    let factor = if matches!(loss, Loss::Bursty { .. }) { 1000.0 } else { 400.0 };
    let by_windows = PICTURE_BITS / (1448.0 * 8.0) * round_trip.as_secs_f64() * lost.sqrt() / 1.22;
    by_windows.max(factor * lost.powi(3))
}

/// How long the rest will take.
#[derive(Clone, Debug, Default)]
pub struct Left {
    expected_of_done: Duration,
    took: Duration,
}

impl Left {
    /// A run has been made.
    pub fn done(&mut self, expected: Duration, took: Duration) {
        self.expected_of_done += expected;
        self.took += took;
    }

    /// What runs of which so much is expected will take, if they are as much slower as those that were made.
    pub fn left(&self, expected: Duration) -> Duration {
        if self.expected_of_done.is_zero() {
            return expected;
        }
        expected.mul_f64(self.took.as_secs_f64() / self.expected_of_done.as_secs_f64())
    }
}
