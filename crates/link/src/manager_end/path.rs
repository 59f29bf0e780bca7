//! Which transport a worker's path wants: what has been measured of it, and the rule.

use std::time::{Duration, Instant};

use crate::transport::Transport;
use crate::wire::Observed;

/// How many packets have to be sent before a share of them is one: at a loss of 1 in 100 some five are lost.
const ENOUGH_PACKETS: f64 = 350.0;

/// How many have to be lost before they are a large share of few.
const ENOUGH_LOST: f64 = 3.0;

/// When so many were sent, what was before counts half: a path changes.
const HALVED_AT: f64 = 2_800.0;

/// TCP and QUIC as it is are left from this loss on, and bbr is taken in place of what takes each loss for a full queue.
const LOSSY: f64 = 0.02;

/// Below this loss a connection that codes is left for TCP: it still takes 3 in 370 for lost when all of 350 packets have come.
const LITTLE: f64 = 0.01;

/// QUIC is left for TCP below this loss.
const CLEAN: f64 = 0.001;

/// And below this round trip, both of them.
const SHORT: Duration = Duration::from_millis(50);

/// The first pause after a worker was asked to move; each time it is twice as long, so that none moves to and fro.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long images may be on their way over what the path does not want. What is in hand when a worker moves is sent again.
const UNSUITED: Duration = Duration::from_secs(10);

/// An idle path is sounded by a ping so often: twenty packets a second are nothing to any path.
const SOUND_EVERY: Duration = Duration::from_millis(50);

/// Until so many packets have gone over it: with a chance of 99 in 100 a path that loses one in twenty is then known to lose many.
const SOUNDINGS: f64 = 200.0;

/// And no longer than this: over a path of a second TCP begins with ten packets a round trip, and where many are lost with fewer.
const LONGEST_SOUNDING: Duration = Duration::from_secs(20);

/// What has been measured of a path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Path {
    sent: f64,
    lost: f64,
    /// The share that is lost, where the worker tells it.
    told: Option<f64>,
    /// When it was looked at last: packets sent, and lost.
    counted: (u64, u64),
}

impl Path {
    /// Takes note of what a transport has counted since its beginning.
    pub(super) fn note(&mut self, observed: &Observed) {
        let Observed { packets_sent: sent, retransmissions: lost, told_loss, .. } = *observed;
        let (sent_before, lost_before) = std::mem::replace(&mut self.counted, (sent, lost));
        self.sent += sent.saturating_sub(sent_before) as f64;
        self.lost += lost.saturating_sub(lost_before) as f64;
        self.told = told_loss;
        if self.sent > HALVED_AT {
            self.sent /= 2.0;
            self.lost /= 2.0;
        }
    }

    /// The share of packets that it loses. `None` where too few were sent to tell.
    fn loss(&self) -> Option<f64> {
        let counted = (self.sent > 0.0).then(|| self.lost / self.sent);
        self.told.or(counted).filter(|_| self.sent >= ENOUGH_PACKETS || self.loses_many())
    }

    /// Whether it loses so many packets that a congestion control which takes each for a full queue does badly.
    pub(super) fn loses_many(&self) -> bool {
        self.lost >= ENOUGH_LOST && (LOSSY * self.sent..=self.sent).contains(&self.lost)
    }
}

/// The rule: which transport this path wants, for a connection that is over another or over this.
pub(super) fn wanted(over: Transport, path: &Path, round_trip: Duration) -> Transport {
    match (over, path.loss()) {
        (Transport::Tcp | Transport::Quic, Some(loss)) if loss >= LOSSY => Transport::Coded,
        (Transport::Quic, Some(loss)) if loss < CLEAN && round_trip < SHORT => Transport::Tcp,
        (Transport::Coded, Some(loss)) if loss < LITTLE && round_trip < SHORT => Transport::Tcp,
        (over, _) => over,
    }
}

/// The sounding of a path over which nothing is sent: by packets so small that they disturb nobody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sounding {
    next: Instant,
    until: Instant,
}

impl Sounding {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, until: now + LONGEST_SOUNDING }
    }

    /// When the next ping is to be said.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Whether one is to be said now; the next one then has its time.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next;
        if is_due {
            self.next = now + SOUND_EVERY;
        }
        is_due
    }

    /// Whether enough is known of this path.
    pub(super) fn is_over(&self, path: &Path, now: Instant) -> bool {
        path.sent >= SOUNDINGS || path.loses_many() || now >= self.until
    }
}

/// How often a worker was asked to move.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moves {
    times: u32,
    last: Option<Instant>,
    /// Since when the path wants another transport than it has.
    unsuited_since: Option<Instant>,
    /// It was because the path loses packets.
    by_losses: bool,
}

impl Moves {
    /// Whether it may be asked once more: when nothing is on its way, or when that does not come about.
    pub(super) fn may(&mut self, is_idle: bool, now: Instant) -> bool {
        let unsuited_since = *self.unsuited_since.get_or_insert(now);
        let is_time = is_idle || now.saturating_duration_since(unsuited_since) >= UNSUITED;
        let pause = FIRST_PAUSE.saturating_mul(1 << self.times.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
        is_time && self.last.is_none_or(|last| now.saturating_duration_since(last) >= pause)
    }

    /// The path has the transport that it wants.
    pub(super) fn suits(&mut self) {
        self.unsuited_since = None;
    }

    /// It was asked to this one.
    pub(super) fn note(&mut self, to: Transport, now: Instant) {
        self.times = self.times.saturating_add(1);
        self.last = Some(now);
        self.by_losses = to == Transport::Coded;
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

    fn counted(packets_sent: u64, retransmissions: u64) -> Observed {
        Observed { packets_sent, retransmissions, ..Observed::default() }
    }

    fn path(sent: u64, lost: u64) -> Path {
        let mut path = Path::default();
        path.note(&counted(sent, lost));
        path
    }

    /// A path that codes, and is told that so much is lost.
    fn told(sent: u64, share: f64) -> Path {
        let mut path = Path::default();
        path.note(&Observed { told_loss: Some(share), ..counted(sent, 0) });
        path
    }

    #[test]
    fn nothing_is_changed_before_enough_was_sent() {
        assert_eq!(wanted(Transport::Tcp, &path(30, 2), SHORT_TRIP), Transport::Tcp);
        assert_eq!(wanted(Transport::Quic, &path(300, 0), SHORT_TRIP), Transport::Quic);
        assert_eq!(wanted(Transport::Coded, &told(300, 0.0), SHORT_TRIP), Transport::Coded);
    }

    /// A kernel before 4.6 counts what it sends again, and not what it sends.
    #[test]
    fn where_it_is_not_counted_what_was_sent_nothing_is_known_of_losses() {
        assert!(!path(0, 9).loses_many());
        assert_eq!(wanted(Transport::Tcp, &path(0, 9), SHORT_TRIP), Transport::Tcp);
    }

    #[test]
    fn a_path_that_loses_packets_wants_sums_of_them() {
        for over in [Transport::Tcp, Transport::Quic] {
            let wanted = |sent, lost| wanted(over, &path(sent, lost), SHORT_TRIP);
            assert_eq!(wanted(700, 10), over);
            assert_eq!(wanted(700, 28), Transport::Coded);
            assert_eq!(wanted(20, 3), Transport::Coded, "three packets of twenty");
        }
    }

    #[test]
    fn a_short_path_that_loses_nothing_wants_tcp() {
        let path = |lost| path(700, lost);
        assert_eq!(wanted(Transport::Quic, &path(0), SHORT_TRIP), Transport::Tcp);
        assert_eq!(wanted(Transport::Quic, &path(0), LONG_TRIP), Transport::Quic);
        // Between the two it stays where it is.
        for over in [Transport::Tcp, Transport::Quic] {
            assert_eq!(wanted(over, &path(7), SHORT_TRIP), over);
        }
    }

    #[test]
    fn a_path_that_codes_is_judged_by_what_the_worker_misses_and_not_by_what_was_sent_again() {
        let wanted = |share, round_trip| wanted(Transport::Coded, &told(700, share), round_trip);
        assert_eq!(wanted(0.15, SHORT_TRIP), Transport::Coded);
        assert_eq!(wanted(0.02, SHORT_TRIP), Transport::Coded);
        assert_eq!(wanted(0.004, SHORT_TRIP), Transport::Tcp);
        assert_eq!(wanted(0.004, LONG_TRIP), Transport::Coded);
    }

    #[test]
    fn what_was_long_ago_counts_less() {
        let mut path = path(2_801, 280);
        assert!(path.loss().is_some_and(|loss| loss > 0.09));
        (2..12).for_each(|times| path.note(&counted(2_801 * times, 280)));
        assert!(path.loss().is_some_and(|loss| loss < CLEAN));
    }

    #[test]
    fn no_worker_is_asked_to_and_fro() {
        let (mut moves, start) = (Moves::default(), Instant::now());
        let asked: Vec<u64> = (0..7_200)
            .filter(|second| {
                let now = start + Duration::from_secs(*second);
                let may = moves.may(true, now);
                if may {
                    moves.note(Transport::Coded, now);
                }
                may
            })
            .collect();
        assert_eq!(asked, [0, 60, 180, 420, 900, 1_860, 3_780]);
    }

    #[test]
    fn one_that_is_never_idle_is_asked_when_its_path_has_been_unsuited_for_ten_seconds() {
        let (mut moves, start) = (Moves::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!moves.may(false, after(0)) && !moves.may(false, after(9)));
        moves.suits();
        assert!(!moves.may(false, after(10)) && !moves.may(false, after(19)));
        assert!(moves.may(false, after(20)));
    }

    #[test]
    fn a_path_is_sounded_until_its_losses_are_known() {
        let start = Instant::now();
        let sounding = Sounding::new(start);
        let is_over = |path: Path, seconds| sounding.is_over(&path, start + Duration::from_secs(seconds));
        assert!(!is_over(path(0, 0), 0) && !is_over(path(199, 3), 9));
        assert!(is_over(path(30, 3), 2), "it loses many");
        assert!(is_over(path(200, 3), 10), "it loses few");
        assert!(is_over(path(10, 0), 20), "it carries nothing");
    }

    #[test]
    fn a_sounding_is_twenty_pings_a_second() {
        let start = Instant::now();
        let mut sounding = Sounding::new(start);
        let said = (0..1_000).filter(|ms| sounding.is_due(start + Duration::from_millis(*ms))).count();
        assert_eq!((said, sounding.next()), (20, start + Duration::from_secs(1)));
    }
}
