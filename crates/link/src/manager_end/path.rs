//! Which transport a worker's path wants: what has been measured of it, and the rule.

use std::time::{Duration, Instant};

use crate::transport::Transport;

/// How many bytes have to be sent before a share of them is one: at a loss of 1 in 100 some five packets of 350.
const ENOUGH_BYTES: f64 = 500_000.0;

/// How many bytes have to be sent again before it is a large share of few: three packets.
const ENOUGH_RESENT: f64 = 3_600.0;

/// When so many have been, what was before counts half: a path changes.
const HALVED_AT_BYTES: f64 = 4_000_000.0;

/// TCP is left for QUIC from this loss on, and bbr is taken in place of what takes each loss for a full queue.
const LOSSY: f64 = 0.03;

/// QUIC is left for TCP below this loss.
const CLEAN: f64 = 0.001;

/// And below this round trip.
const SHORT: Duration = Duration::from_millis(50);

/// The first pause after a worker was asked to move; each time it is twice as long, so that none moves to and fro.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What has been measured of a path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Path {
    sent: f64,
    resent: f64,
    /// When it was looked at last.
    counted: (u64, u64),
}

impl Path {
    /// Takes note of what a transport has counted since its beginning: bytes that were sent, and of these, sent again.
    pub(super) fn note(&mut self, sent: u64, resent: u64) {
        let (sent_before, resent_before) = std::mem::replace(&mut self.counted, (sent, resent));
        self.sent += sent.saturating_sub(sent_before) as f64;
        self.resent += resent.saturating_sub(resent_before) as f64;
        if self.sent > HALVED_AT_BYTES {
            self.sent /= 2.0;
            self.resent /= 2.0;
        }
    }

    /// The share of what was sent that was sent again. `None` where too little was sent to tell.
    fn loss(&self) -> Option<f64> {
        (self.sent >= ENOUGH_BYTES || self.loses_many()).then(|| self.resent / self.sent)
    }

    /// Whether it loses so many packets that a congestion control which takes each for a full queue does badly.
    pub(super) fn loses_many(&self) -> bool {
        self.resent >= ENOUGH_RESENT && self.resent >= LOSSY * self.sent
    }
}

/// The rule: which transport this path wants, for a connection that is over the other or over this. It is for a time when no image is
/// on its way, which would have to go again.
pub(super) fn wanted(over: Transport, path: &Path, round_trip: Duration) -> Transport {
    match (over, path.loss()) {
        (Transport::Tcp, Some(loss)) if loss >= LOSSY => Transport::Quic,
        (Transport::Quic, Some(loss)) if loss < CLEAN && round_trip < SHORT => Transport::Tcp,
        (over, _) => over,
    }
}

/// How often a worker was asked to move.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moves {
    times: u32,
    last: Option<Instant>,
    /// It was because the path loses packets.
    by_losses: bool,
}

impl Moves {
    /// Whether it may be asked once more.
    pub(super) fn may(&self, now: Instant) -> bool {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.times.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= pause)
    }

    /// It was asked to this one.
    pub(super) fn note(&mut self, to: Transport, now: Instant) {
        self.times = self.times.saturating_add(1);
        self.last = Some(now);
        self.by_losses = to == Transport::Quic;
    }

    /// Whether its path was found to lose packets when it was asked last.
    pub(super) fn found_losses(&self) -> bool {
        self.by_losses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT_TRIP: Duration = Duration::from_millis(5);
    const LONG_TRIP: Duration = Duration::from_millis(500);

    fn path(sent: u64, resent: u64) -> Path {
        let mut path = Path::default();
        path.note(sent, resent);
        path
    }

    #[test]
    fn nothing_is_changed_before_enough_was_sent() {
        assert_eq!(wanted(Transport::Tcp, &path(80_000, 3_000), SHORT_TRIP), Transport::Tcp);
        assert_eq!(wanted(Transport::Quic, &path(400_000, 0), SHORT_TRIP), Transport::Quic);
    }

    #[test]
    fn a_path_that_loses_packets_wants_quic() {
        let wanted = |sent, resent| wanted(Transport::Tcp, &path(sent, resent), SHORT_TRIP);
        assert_eq!(wanted(1_000_000, 20_000), Transport::Tcp);
        assert_eq!(wanted(1_000_000, 40_000), Transport::Quic);
        assert_eq!(wanted(30_000, 4_500), Transport::Quic, "three packets of twenty");
    }

    #[test]
    fn a_short_path_that_loses_nothing_wants_tcp() {
        let path = |resent| path(1_000_000, resent);
        assert_eq!(wanted(Transport::Quic, &path(0), SHORT_TRIP), Transport::Tcp);
        assert_eq!(wanted(Transport::Quic, &path(0), LONG_TRIP), Transport::Quic);
        // Between the two it stays where it is.
        for over in [Transport::Tcp, Transport::Quic] {
            assert_eq!(wanted(over, &path(10_000), SHORT_TRIP), over);
        }
    }

    #[test]
    fn what_was_long_ago_counts_less() {
        let mut path = path(4_000_001, 400_000);
        assert!(path.loss().is_some_and(|loss| loss > 0.09));
        (2..12).for_each(|times| path.note(4_000_001 * times, 400_000));
        assert!(path.loss().is_some_and(|loss| loss < CLEAN));
    }

    #[test]
    fn no_worker_is_asked_to_and_fro() {
        let (mut moves, start) = (Moves::default(), Instant::now());
        let asked: Vec<u64> = (0..7_200)
            .filter(|second| {
                let now = start + Duration::from_secs(*second);
                let may = moves.may(now);
                if may {
                    moves.note(Transport::Quic, now);
                }
                may
            })
            .collect();
        assert_eq!(asked, [0, 60, 180, 420, 900, 1_860, 3_780]);
    }
}
