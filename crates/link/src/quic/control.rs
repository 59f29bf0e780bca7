//! The congestion control of a connection: `quinn`'s, and what is ours about it, for those who ask for it.
//!
//! - **Its first window**: what the path holds at a rate that is remembered of it, or that the owner says it carries, for the round
//!   trip that the handshake has shown. `quinn` paces it (its bucket fills at 5/4 of a window for each round trip), so that it
//!   leaves at that rate and is no burst. Until all of it has come through, a loss means that the path does not carry it: what is
//!   left of the window is half of what came (the safe retreat of draft-ietf-tsvwg-careful-resume, section 3.5).
//! - **Which one it is**, where it is steered: cubic, until the path has shown that it loses packets by itself, then bbr. Where packets are
//!   coded it stays what it began with, since next to none of the losses is left: cubic, and bbr over a far path.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics};
use quinn_proto::RttEstimator;

use super::limits::{FIRST_WINDOW, controller};
use crate::congestion::QuicCongestion;
use crate::paths::Paths;

/// The largest first window, in bytes: a path of 100 Mbit/s with a second there and back holds 12.5 MB.
const MOST: f64 = 12_500_000.0;

/// How much faster than a window for each round trip `quinn` paces.
const PACED: f64 = 1.25;

/// A path that is to be judged must have been sent so many bytes.
const ENOUGH_BYTES: u64 = 20_000;

/// When so many have been, what was before counts half.
const HALVED_AT_BYTES: u64 = 2_000_000;

/// In so many round trips something must have been lost: a queue that ran over loses much, but in one, and then the window is
/// smaller.
const LOSSY_ROUNDS: u32 = 2;

/// And so large a share must have been: a queue that cubic fills and leaves loses less.
const LOSSY: f64 = 0.03;

/// The longest path for which `quinn`'s bbr is taken. It never believes that a round trip is longer than the third of a second with
/// which `quinn` begins (RFC 9002 section 6.2.2), and so keeps too little on its way where it is.
const LONGEST_FOR_BBR: Duration = Duration::from_millis(333);

/// A path with at least this round trip is far: there bbr is the faster one for what is coded, from the handshake on, and not where it
/// comes later (decision 0018). Of a fifth of a second neither is, of a second bbr is; between them nothing was measured.
const FAR: Duration = Duration::from_millis(500);

/// The congestion control of a worker that was asked to come coded over a path with this round trip.
pub(super) fn of_expected(round_trip: Duration) -> QuicCongestion {
    if round_trip >= FAR { QuicCongestion::Bbr } else { QuicCongestion::Cubic }
}

/// How a connection's congestion control is to begin, and whether it may be changed.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) congestion: QuicCongestion,
    pub(super) is_coded: bool,
    /// Whether it may be changed.
    pub(super) steered: Arc<Steering>,
    /// What is known of the path. `None`: ten packets.
    pub(super) fast: Option<Fast>,
}

/// Whether a connection's congestion control may be changed: known when the worker has said Hello, long after it was made.
#[derive(Debug, Default)]
pub(super) struct Steering {
    is_on: AtomicBool,
    loses: AtomicBool,
}

impl Steering {
    /// From here on it may. `loses`: the path is known to lose packets.
    pub(super) fn begin(&self, loses: bool) {
        self.loses.store(loses, Ordering::Relaxed);
        self.is_on.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    fn knows_of_losses(&self) -> bool {
        self.loses.load(Ordering::Relaxed)
    }
}

/// What is known of a path before anything has been sent on it.
#[derive(Clone)]
pub(super) struct Fast {
    pub(super) paths: Arc<Paths>,
    pub(super) address: IpAddr,
    /// For a path of which nothing is remembered, bytes a second. `None`: ten packets.
    pub(super) unknown: Option<f64>,
}

impl Start {
    fn started(&self, now: Instant, mtu: u16) -> Started {
        let inner = controller(self.congestion, FIRST_WINDOW).build(now, mtu);
        let (phase, round, losses) = (Phase::Unmeasured, Round::new(now), Losses::default());
        Started { start: self.clone(), inner, mtu, phase, round, losses }
    }

    /// The first window, for this round trip.
    fn window(&self, round_trip: Duration, now: Instant) -> u64 {
        let rate = self.fast.as_ref().and_then(|fast| fast.paths.rate(fast.address, fast.unknown, round_trip, now));
        rate.map_or(FIRST_WINDOW, |bytes_per_s| first_window(bytes_per_s, round_trip))
    }
}

/// With this window `quinn` sends at this rate. Never less than the standard's.
fn first_window(bytes_per_s: f64, round_trip: Duration) -> u64 {
    let holds = bytes_per_s * round_trip.as_secs_f64() / PACED;
    (holds.min(MOST) as u64).max(FIRST_WINDOW)
}

impl ControllerFactory for Start {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(self.started(now, mtu))
    }
}

/// A congestion control with what is ours about it.
struct Started {
    start: Start,
    inner: Box<dyn Controller>,
    mtu: u16,
    phase: Phase,
    round: Round,
    losses: Losses,
}

/// What was lost of late.
#[derive(Clone, Copy, Debug, Default)]
struct Losses {
    came: u64,
    lost: u64,
    /// In how many round trips.
    rounds: u32,
}

impl Losses {
    /// Whether the path loses packets by itself.
    fn are_the_paths_own(self) -> bool {
        let all = self.came + self.lost;
        self.rounds >= LOSSY_ROUNDS && all >= ENOUGH_BYTES && self.lost as f64 >= LOSSY * all as f64
    }

    fn came(&mut self, bytes: u64) {
        self.came += bytes;
        if self.came + self.lost > HALVED_AT_BYTES {
            *self = Self { came: self.came / 2, lost: self.lost / 2, rounds: self.rounds / 2 };
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No round trip is known.
    Unmeasured,
    /// Of the first window so much has not come through.
    First { left: u64 },
    /// All of it has, or it has been given up.
    Through,
}

/// What comes through within a round trip.
#[derive(Clone, Copy, Debug)]
struct Round {
    began: Instant,
    bytes: u64,
    /// Of the round before.
    before: u64,
    has_lost: bool,
    round_trip: Duration,
}

impl Round {
    fn new(now: Instant) -> Self {
        Self { began: now, bytes: 0, before: 0, has_lost: false, round_trip: Duration::MAX }
    }

    /// Counts; gives what came in a round that has ended without loss.
    fn count(&mut self, bytes: u64, sent: Instant, now: Instant) -> Option<u64> {
        self.round_trip = self.round_trip.min(now.saturating_duration_since(sent));
        if sent < self.began {
            self.bytes += bytes;
            return None;
        }
        let ended = std::mem::replace(self, Self { began: now, bytes, before: self.bytes, has_lost: false, ..*self });
        (!ended.has_lost && ended.bytes > 0).then_some(ended.bytes)
    }

    fn most(&self) -> u64 {
        self.bytes.max(self.before)
    }
}

impl Started {
    /// Begins with this window.
    fn begin(&mut self, window: u64, now: Instant) {
        self.inner = controller(self.start.congestion, window).build(now, self.mtu);
    }

    /// So much was lost. Says whether it is the first in its round trip.
    fn lost(&mut self, bytes: u64, now: Instant) -> bool {
        self.losses.lost += bytes;
        if std::mem::replace(&mut self.round.has_lost, true) {
            return false;
        }
        self.losses.rounds += 1;
        if let (Some(fast), false) = (&self.start.fast, self.phase == Phase::Unmeasured) {
            let (window, round_trip) = (self.window() as f64, self.round.round_trip);
            let tried = window * PACED / round_trip.as_secs_f64().max(f64::MIN_POSITIVE);
            fast.paths.lost(fast.address, tried, round_trip, now);
        }
        true
    }

    fn take_bbr_if_wanted(&mut self, now: Instant) {
        if self.wants_bbr() {
            self.start.congestion = QuicCongestion::Bbr;
            self.begin(self.window().max(FIRST_WINDOW), now);
            tracing::debug!(losses = ?self.losses, "the path wants bbr from here on");
        }
    }

    /// Whether it is time for bbr.
    fn wants_bbr(&self) -> bool {
        let Start { congestion, is_coded, steered, .. } = &self.start;
        *congestion == QuicCongestion::Cubic
            && !is_coded
            && self.round.round_trip < LONGEST_FOR_BBR
            && steered.is_on()
            && (steered.knows_of_losses() || self.losses.are_the_paths_own())
    }

    /// So much has come through. How long it took is measured here: what `quinn` tells of it, it tells later, and as no more than
    /// the third of a second with which it begins.
    fn came(&mut self, bytes: u64, sent: Instant, now: Instant) {
        let came = self.round.count(bytes, sent, now);
        // Less than that every path carries: it had nothing more to send.
        if let (Some(bytes), Some(fast)) = (came.filter(|bytes| *bytes > FIRST_WINDOW), &self.start.fast) {
            fast.paths.carried(fast.address, bytes, self.round.round_trip, now);
        }
        self.losses.came(bytes);
        match &mut self.phase {
            Phase::Unmeasured => match self.start.window(self.round.round_trip, now) {
                FIRST_WINDOW => self.phase = Phase::Through,
                window => {
                    self.begin(window, now);
                    self.phase = Phase::First { left: window };
                }
            },
            Phase::First { left } if *left > bytes => *left -= bytes,
            Phase::First { .. } => self.phase = Phase::Through,
            Phase::Through => {}
        }
    }

    /// Begins anew with what the path has shown that it carries.
    fn retreat(&mut self, now: Instant) {
        self.begin((self.round.most() / 2).max(FIRST_WINDOW), now);
        self.phase = Phase::Through;
    }
}

impl Controller for Started {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.came(bytes, sent, now);
        self.take_bbr_if_wanted(now);
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_acked: Option<u64>) {
        self.inner.on_end_acks(now, in_flight, app_limited, largest_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        let is_first = self.lost(lost_bytes, now);
        if let Phase::First { .. } = self.phase {
            self.retreat(now);
        }
        if is_first {
            self.take_bbr_if_wanted(now);
        }
        self.inner.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = new_mtu;
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.inner.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.inner.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        let Self { start, inner, mtu, phase, round, losses } = self;
        let (start, inner) = (start.clone(), inner.clone_box());
        Box::new(Self { start, inner, mtu: *mtu, phase: *phase, round: *round, losses: *losses })
    }

    fn initial_window(&self) -> u64 {
        FIRST_WINDOW
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const SECOND: Duration = Duration::from_secs(1);

    fn begins(fast: Option<Fast>) -> Start {
        Start { congestion: QuicCongestion::Cubic, is_coded: false, steered: Arc::default(), fast }
    }

    /// Of a path that is said to carry 8 Mbit/s; its handshake took so long.
    fn started(paths: &Arc<Paths>, took: Duration, start: Instant) -> Started {
        let fast = Fast { paths: Arc::clone(paths), address: HERE, unknown: Some(1_000_000.0) };
        let mut started = begins(Some(fast)).started(start, 1_200);
        assert_eq!(started.window(), FIRST_WINDOW, "no round trip is known");
        started.came(1_200, start, start + took);
        started
    }

    #[test]
    fn the_first_window_is_what_the_path_holds_at_the_rate_that_is_said_of_it() {
        let paths = Arc::default();
        let windows = [1, 10, 100, 1_000, 100_000].map(|ms| {
            let started = started(&paths, Duration::from_millis(ms), Instant::now());
            started.window()
        });
        assert_eq!(windows, [FIRST_WINDOW, FIRST_WINDOW, 80_000, 800_000, 12_500_000]);
    }

    #[test]
    fn a_loss_in_the_first_window_leaves_half_of_what_came_and_the_next_connection_begins_with_half_of_what_was_tried()
    {
        let (start, paths) = (Instant::now(), Arc::default());
        let mut first = started(&paths, SECOND, start);
        let sent = start + SECOND;
        first.came(100_000, sent, sent + SECOND);
        first.on_congestion_event(sent + SECOND, sent, false, 1_200);
        assert!((12_000..=50_000).contains(&first.window()), "{}", first.window());
        let second = started(&paths, SECOND, sent + 2 * SECOND);
        assert_eq!(second.window(), 400_000);
    }

    #[test]
    fn a_window_that_has_come_through_is_the_congestion_controls_own() {
        let (start, paths) = (Instant::now(), Arc::default());
        let mut started = started(&paths, SECOND, start);
        let sent = start + SECOND;
        started.came(800_000, sent, sent + SECOND);
        started.on_congestion_event(sent + SECOND, sent, false, 1_200);
        assert_eq!(started.window(), 560_000, "cubic's: 0.7 of it");
    }

    #[test]
    fn what_was_carried_is_begun_with_the_next_time_where_nothing_is_said_of_the_path() {
        let (start, paths) = (Instant::now(), Arc::<Paths>::default());
        let mut first = started(&paths, SECOND, start);
        first.came(500_000, start + SECOND, start + 2 * SECOND);
        first.came(1_200, start + 2 * SECOND, start + 3 * SECOND);
        let mut again = begins(Some(Fast { paths, address: HERE, unknown: None })).started(start + 3 * SECOND, 1_200);
        again.came(1_200, start + 3 * SECOND, start + 4 * SECOND);
        assert_eq!(again.window(), 200_000, "half of 500,000 in a second, less what the pace adds");
    }

    /// Sends for ten round trips of this length, and loses so much of each.
    fn after_ten_rounds(steered: bool, round_trip: Duration, lost: impl Fn(u32) -> u64) -> QuicCongestion {
        let start = Instant::now();
        let mut started = begins(None).started(start, 1_200);
        if steered {
            started.start.steered.begin(false);
        }
        for round in 1..=10 {
            let (sent, now) = (start + round_trip * (round - 1), start + round_trip * round);
            started.came(12_000, sent, now);
            if lost(round) > 0 {
                started.on_congestion_event(now, sent, false, lost(round));
            }
        }
        started.start.congestion
    }

    #[test]
    fn a_short_path_that_loses_packets_all_the_time_gets_bbr_where_it_is_steered() {
        let trip = Duration::from_millis(20);
        assert_eq!(after_ten_rounds(true, trip, |_| 1_200), QuicCongestion::Bbr);
        assert_eq!(after_ten_rounds(false, trip, |_| 1_200), QuicCongestion::Cubic);
        assert_eq!(after_ten_rounds(true, SECOND, |_| 1_200), QuicCongestion::Cubic);
    }

    #[test]
    fn a_queue_that_runs_over_is_no_path_that_loses_packets() {
        let trip = Duration::from_millis(20);
        let at_once = |round| if round == 4 { 60_000 } else { 0 };
        assert_eq!(after_ten_rounds(true, trip, at_once), QuicCongestion::Cubic);
        let now_and_then = |round| if round % 3 == 0 { 300 } else { 0 };
        assert_eq!(after_ten_rounds(true, trip, now_and_then), QuicCongestion::Cubic);
    }

    #[test]
    fn a_worker_that_comes_coded_over_a_far_path_begins_with_bbr() {
        let ms = Duration::from_millis;
        assert_eq!([200, 499].map(|near| of_expected(ms(near))), [QuicCongestion::Cubic; 2]);
        assert_eq!([500, 1_000].map(|far| of_expected(ms(far))), [QuicCongestion::Bbr; 2]);
    }

    /// What is lost on such a path is no reason for bbr, since next to nothing of it is left. Cubic was the faster one (decision 0018).
    #[test]
    fn a_coded_path_keeps_cubic_whatever_is_known_of_its_losses() {
        let start = Instant::now();
        let mut started = Start { is_coded: true, ..begins(None) }.started(start, 1_200);
        started.start.steered.begin(true);
        started.came(1_200, start, start + Duration::from_millis(20));
        assert!(!started.wants_bbr());
        started.start.is_coded = false;
        assert!(started.wants_bbr());
    }

    #[test]
    fn what_is_neither_begun_nor_steered_is_quinns_own() {
        let start = Instant::now();
        let mut started = begins(None).started(start, 1_200);
        started.came(1_200, start, start + SECOND);
        assert_eq!((started.window(), started.phase), (FIRST_WINDOW, Phase::Through));
    }
}
