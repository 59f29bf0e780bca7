//! A worker's circuit breaker: whether it is given work, after what it did.
//!
//! ```text
//!            failures in a row, strikes              the time is over
//!   closed ---------------------------> open ------------------------> half-open
//!     ^                                  ^                               |   |
//!     |                                  +-------------------------------+   |
//!     |                                    failed again: for twice as long   |
//!     +----------------------------------------------------------------------+
//!     |                                                 answered
//!     +---- acquitted ---- condemned <---- a verdict from outside, in any state
//! ```
//!
//! Kept by the worker's name, so that neither a reconnect nor a restart of its process makes it a new worker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use manyeyes_protocol::result::FailureCode;

use crate::event::{BreakerChange, Misconduct};
use crate::settings::BreakerSettings;

/// How many workers that misbehaved are remembered. One more: one that is like any other is forgotten, else the first.
const REMEMBERED_MAX: usize = 1024;

/// What a worker may be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Licence {
    /// Whatever it has credit for.
    #[default]
    Full,
    /// One image at a time, to see whether it is well.
    Trial,
    /// Nothing.
    Suspended,
    /// Nothing, and what it says counts for nothing.
    Condemned,
}

/// What a worker did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    Answered,
    /// It announced a failure of its own.
    Failed,
    Struck(Strike),
    /// What was taken for a departure was a crash.
    WasCrash,
    Condemned,
    Acquitted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    Stall,
    Crash,
    Departure,
}

impl Conduct {
    /// What a failure says of the worker. `None`: nothing, because it had no room, was going, or was asked after something it
    /// had not got.
    pub(crate) fn of_failure(code: FailureCode) -> Option<Self> {
        let no_fault =
            [FailureCode::Busy, FailureCode::ShuttingDown, FailureCode::Expired, FailureCode::Unknown].contains(&code);
        if code.is_final() {
            // It has found out what there was to find out.
            Some(Self::Answered)
        } else if code.blames_the_image() {
            Some(Self::Struck(Strike::Crash))
        } else {
            (!no_fault).then_some(Self::Failed)
        }
    }
}

/// The breakers of all workers that ever misbehaved and are remembered.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    by_name: BTreeMap<String, Breaker>,
    /// Those that are open, by when their time is over.
    open: BTreeSet<(Instant, String)>,
}

#[derive(Debug, Default)]
struct Breaker {
    state: State,
    failures_in_a_row: u32,
    strikes: VecDeque<(Instant, Strike)>,
    /// How often it was opened, since it was last well for a period.
    openings: u32,
    closed_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen,
    Condemned,
}

impl Breakers {
    /// Takes note of what a worker did, and says what follows.
    pub(crate) fn note(
        &mut self,
        worker: &str,
        conduct: Conduct,
        settings: &BreakerSettings,
        now: Instant,
    ) -> Option<BreakerChange> {
        if !self.by_name.contains_key(worker) {
            if matches!(conduct, Conduct::Answered | Conduct::WasCrash | Conduct::Acquitted) {
                return None;
            }
            self.make_room();
            self.by_name.insert(worker.to_owned(), Breaker::default());
        }
        let breaker = self.by_name.get_mut(worker)?;
        let before = breaker.open_until();
        let change = breaker.note(conduct, settings, now);
        let after = breaker.open_until();
        if before != after {
            before.map(|until| self.open.remove(&(until, worker.to_owned())));
            self.open.extend(after.map(|until| (until, worker.to_owned())));
        }
        change
    }

    /// A worker whose time is over by now, which is on trial from now on.
    pub(crate) fn ring(&mut self, now: Instant) -> Option<(String, BreakerChange)> {
        self.open.first().filter(|(until, _)| *until <= now)?;
        let (_, name) = self.open.pop_first()?;
        let breaker = self.by_name.get_mut(&name)?;
        breaker.state = State::HalfOpen;
        Some((name, BreakerChange::HalfOpened))
    }

    /// When the next one's time is over.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.open.first().map(|(until, _)| *until)
    }

    pub(crate) fn licence(&self, worker: &str) -> Licence {
        match self.by_name.get(worker).map(|breaker| breaker.state) {
            None | Some(State::Closed) => Licence::Full,
            Some(State::HalfOpen) => Licence::Trial,
            Some(State::Open { .. }) => Licence::Suspended,
            Some(State::Condemned) => Licence::Condemned,
        }
    }

    fn make_room(&mut self) {
        if self.by_name.len() < REMEMBERED_MAX {
            return;
        }
        let harmless = self.by_name.iter().find(|(_, breaker)| breaker.state == State::Closed);
        let forgotten = harmless.or_else(|| self.by_name.iter().next()).map(|(name, _)| name.clone());
        if let Some(name) = forgotten
            && let Some(until) = self.by_name.remove(&name).and_then(|breaker| breaker.open_until())
        {
            self.open.remove(&(until, name));
        }
    }
}

impl Breaker {
    fn note(&mut self, conduct: Conduct, settings: &BreakerSettings, now: Instant) -> Option<BreakerChange> {
        match (conduct, self.state) {
            (Conduct::Condemned, State::Condemned) => None,
            (Conduct::Condemned, _) => {
                self.state = State::Condemned;
                Some(BreakerChange::Opened { why: Misconduct::WrongAnswers, lasts: None })
            }
            (Conduct::Acquitted, State::Condemned) | (Conduct::Answered, State::HalfOpen) => Some(self.close(now)),
            (Conduct::Answered, State::Closed) => {
                self.failures_in_a_row = 0;
                None
            }
            (Conduct::Failed, State::Closed) => {
                self.failures_in_a_row += 1;
                let in_a_row = self.failures_in_a_row;
                let too_many = in_a_row >= settings.failures_in_a_row;
                too_many.then(|| self.open(Misconduct::Failures { in_a_row }, settings, now))
            }
            (Conduct::Struck(strike), State::Closed) => self.strike(strike, settings, now),
            (Conduct::Failed | Conduct::Struck(_), State::HalfOpen) => {
                Some(self.open(Misconduct::FailedTrial, settings, now))
            }
            (Conduct::WasCrash, State::Closed) => {
                let departure = self.strikes.iter_mut().rev().find(|(_, strike)| *strike == Strike::Departure);
                if let Some((_, strike)) = departure {
                    *strike = Strike::Crash;
                }
                None
            }
            // What it had begun before says nothing new; and only an acquittal ends a condemnation.
            (_, State::Open { .. } | State::Condemned)
            | (Conduct::Acquitted, _)
            | (Conduct::WasCrash, State::HalfOpen) => None,
        }
    }

    fn strike(&mut self, strike: Strike, settings: &BreakerSettings, now: Instant) -> Option<BreakerChange> {
        self.strikes.retain(|(at, _)| now.saturating_duration_since(*at) < settings.period);
        self.strikes.push_back((now, strike));
        if self.strikes.len() < settings.strikes as usize {
            return None;
        }
        let count = |which| self.strikes.iter().filter(|(_, strike)| *strike == which).count() as u32;
        let why = Misconduct::Strikes {
            stalls: count(Strike::Stall),
            crashes: count(Strike::Crash),
            departures: count(Strike::Departure),
            within: settings.period,
        };
        Some(self.open(why, settings, now))
    }

    fn open(&mut self, why: Misconduct, settings: &BreakerSettings, now: Instant) -> BreakerChange {
        let was_well = |at: Instant| now.saturating_duration_since(at) >= settings.period;
        if self.closed_at.take().is_some_and(was_well) {
            self.openings = 0;
        }
        let lasts = settings.open_floor.saturating_mul(1 << self.openings.min(16)).min(settings.open_ceiling);
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open { until: now + lasts };
        self.start_over();
        BreakerChange::Opened { why, lasts: Some(lasts) }
    }

    fn close(&mut self, now: Instant) -> BreakerChange {
        self.state = State::Closed;
        self.closed_at = Some(now);
        self.start_over();
        BreakerChange::Closed
    }

    fn start_over(&mut self) {
        self.failures_in_a_row = 0;
        self.strikes.clear();
    }

    fn open_until(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed | State::HalfOpen | State::Condemned => None,
        }
    }
}
