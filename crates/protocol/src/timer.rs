//! All the timers of a session: one enum, one table, and the settings they run by.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::id::ImageId;

/// What a session waits for. Those of an image are set once for each image in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// When to give up on a connection whose Hello has not come, or has not been answered.
    Handshake,
    /// When to say that we are there.
    Heartbeat,
    /// When to hold the peer for gone.
    Silent,
    /// When to ask after an assignment. Manager only.
    Resend(ImageId),
    /// When a slot has worked on an image for too long. Manager only.
    Deadline(ImageId),
    /// When to look whether the worker has begun anything of what it was given. Manager only.
    Standstill,
    /// When to connect again. Worker only.
    Reconnect,
    /// When to go although not everything is acknowledged. Worker only.
    Grace,
}

/// The timers that are set. Each at most once.
#[derive(Clone, Debug, Default)]
pub struct TimerTable {
    due: BTreeSet<(Instant, Timer)>,
    set: BTreeMap<Timer, Instant>,
}

impl TimerTable {
    /// Sets a timer, or sets it anew.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(before) = self.set.insert(timer, at) {
            self.due.remove(&(before, timer));
        }
        self.due.insert((at, timer));
    }

    /// Stops a timer; one that is not set stays so.
    pub fn stop(&mut self, timer: Timer) {
        if let Some(before) = self.set.remove(&timer) {
            self.due.remove(&(before, timer));
        }
    }

    /// Stops all of them.
    pub fn stop_all(&mut self) {
        self.due.clear();
        self.set.clear();
    }

    /// Takes the earliest timer that is due at `now`. Ask until `None`.
    pub fn expired(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.stop(timer);
        Some(timer)
    }

    /// When the earliest timer is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Those that are set.
    pub fn iter(&self) -> impl Iterator<Item = Timer> + '_ {
        self.set.keys().copied()
    }
}

/// How long the timers of a session run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerSettings {
    /// How often a side that has nothing else to say says that it is there.
    pub heartbeat: Duration,
    /// How long a peer may send not a single byte before it counts as gone. Five heartbeats: one that is late, or lost
    /// for a TCP retransmission or two, is no death.
    pub silence: Duration,
    /// How long a connection may take to say Hello, and a Hello to be answered.
    pub handshake: Duration,
    /// The shortest wait for an answer before the manager asks after an assignment.
    pub resend_floor: Duration,
    /// The longest wait, however often the asking has doubled it.
    pub resend_ceiling: Duration,
    /// The wait before the first reconnect; each further one doubles it.
    pub reconnect_floor: Duration,
    /// The longest wait between reconnects.
    pub reconnect_ceiling: Duration,
}

impl Default for TimerSettings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            silence: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            resend_floor: Duration::from_secs(1),
            resend_ceiling: Duration::from_secs(30),
            reconnect_floor: Duration::from_millis(100),
            reconnect_ceiling: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::start;

    #[test]
    fn timers_expire_earliest_first_and_once() {
        let start = start();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = TimerTable::default();
        timers.set(Timer::Silent, at(5));
        timers.set(Timer::Heartbeat, at(1));
        timers.set(Timer::Resend(ImageId(7)), at(3));
        assert_eq!(timers.next_timeout(), Some(at(1)));
        assert_eq!(timers.expired(at(3)), Some(Timer::Heartbeat));
        assert_eq!(timers.expired(at(3)), Some(Timer::Resend(ImageId(7))));
        assert_eq!(timers.expired(at(3)), None);
        assert_eq!(timers.next_timeout(), Some(at(5)));
    }

    #[test]
    fn a_timer_set_anew_forgets_its_first_time() {
        let start = start();
        let mut timers = TimerTable::default();
        timers.set(Timer::Silent, start);
        timers.set(Timer::Silent, start + Duration::from_secs(1));
        assert_eq!(timers.expired(start), None);
        assert_eq!(timers.expired(start + Duration::from_secs(1)), Some(Timer::Silent));
        assert_eq!(timers.next_timeout(), None);
    }

    #[test]
    fn a_stopped_timer_never_expires() {
        let start = start();
        let mut timers = TimerTable::default();
        timers.set(Timer::Deadline(ImageId(1)), start);
        timers.set(Timer::Deadline(ImageId(2)), start);
        timers.stop(Timer::Deadline(ImageId(1)));
        assert_eq!(timers.expired(start), Some(Timer::Deadline(ImageId(2))));
        assert_eq!(timers.expired(start), None);
    }
}
