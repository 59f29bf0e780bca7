//! Who is first of many whose values change while nothing happens, without a look at all of them.
//!
//! A kinetic tournament (J. Basch, L. Guibas, J. Hershberger, Data Structures for Mobile Data, Journal of Algorithms 31, 1999). Each match is
//! between the winners of two smaller ones, and of each it is noted who won and until when that stands: until either
//! value bends, or the one overtakes the other. What changes of one entrant is played again in log2 n matches; to look for the first, only
//! matches whose time is over are. The least value wins; of equals, the one with the smaller tie.

use std::time::Instant;

use manyeyes_protocol::id::WorkerId;

/// How a value, in seconds, goes on while nothing happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Course {
    /// What it is now.
    pub(crate) value_s: f64,
    /// By how many seconds it grows in each second from now on.
    pub(crate) slope: i32,
    /// When it grows by how much more from then on.
    pub(crate) bends: [Option<(Instant, i32)>; 2],
}

/// Which of equal values is first: whose turn is longest ago, and which worker's it is.
pub(crate) type Tie = (u64, WorkerId);

/// Where somebody stands in a contest.
pub(crate) type Rank = (f64, Tie);

/// Behind everybody whose value is no more than this.
pub(crate) fn behind(value_s: f64) -> Rank {
    (value_s, (u64::MAX, WorkerId(u32::MAX)))
}

/// Before everybody whose value is this or more.
pub(crate) fn before(value_s: f64) -> Rank {
    (value_s, (0, WorkerId(0)))
}

/// Before everybody.
pub(crate) const NOBODY: Rank = (f64::NEG_INFINITY, (0, WorkerId(0)));

/// A contest among entrants by the numbers of their seats.
#[derive(Debug, Default)]
pub(crate) struct Contest {
    /// Times are counted from here.
    origin: Option<Instant>,
    /// As many as a power of two.
    entrants: Vec<Option<Entrant>>,
    /// The final is the second; the two that lead to match `n` are `2 n` and `2 n + 1`, and beyond the last are the entrants.
    matches: Vec<Match>,
}

#[derive(Clone, Copy, Debug)]
struct Entrant {
    tie: Tie,
    value_s: f64,
    slope: f64,
    since_s: f64,
    bends: [(f64, f64); 2],
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Match {
    winner: Option<u32>,
    until_s: f64,
}

impl Contest {
    /// Somebody takes part from now on, or with another value than before.
    pub(crate) fn enter(&mut self, seat: u32, tie: Tie, course: Course, now: Instant) {
        while self.entrants.len() <= seat as usize {
            self.grow(now);
        }
        let now_s = self.seconds(now);
        let bends = course.bends.map(|bend| match bend {
            Some((at, change)) => (self.seconds(at), f64::from(change)),
            None => (f64::INFINITY, 0.0),
        });
        let Course { value_s, slope, .. } = course;
        let entrant = Entrant { tie, value_s, slope: f64::from(slope), since_s: now_s, bends };
        self.entrants[seat as usize] = Some(entrant);
        self.play_up_from(seat, now_s);
    }

    /// Somebody takes part no more.
    pub(crate) fn withdraw(&mut self, seat: u32, now: Instant) {
        if self.entrants.get(seat as usize).is_some_and(Option::is_some) {
            self.entrants[seat as usize] = None;
            let now_s = self.seconds(now);
            self.play_up_from(seat, now_s);
        }
    }

    /// Whether nobody takes part.
    pub(crate) fn is_empty(&self) -> bool {
        self.winner(1).is_none()
    }

    /// Visits those that are before `limit`, the first one first, the others in an order that leaves many out: each visit says what the limit
    /// is from then on.
    pub(crate) fn search(&mut self, now: Instant, limit: Rank, mut visit: impl FnMut(u32, Rank) -> Rank) {
        let now_s = self.seconds(now);
        self.renew(1, now_s);
        self.descend(1, now_s, limit, &mut visit);
    }

    fn descend(&self, at: usize, now_s: f64, limit: Rank, visit: &mut impl FnMut(u32, Rank) -> Rank) -> Rank {
        let Some((seat, rank)) = self.winner(at).and_then(|seat| Some((seat, self.rank(seat, now_s)?))) else {
            return limit;
        };
        if rank >= limit {
            return limit;
        }
        if at >= self.entrants.len() {
            return visit(seat, rank);
        }
        let (mut first, mut second) = (2 * at, 2 * at + 1);
        if self.winner(first) != Some(seat) {
            std::mem::swap(&mut first, &mut second);
        }
        let limit = self.descend(first, now_s, limit, visit);
        self.descend(second, now_s, limit, visit)
    }

    /// Plays again what does not stand any more.
    fn renew(&mut self, at: usize, now_s: f64) {
        if self.until_s(at) < now_s {
            self.renew(2 * at, now_s);
            self.renew(2 * at + 1, now_s);
            self.matches[at] = self.play(at, now_s);
        }
    }

    fn play_up_from(&mut self, seat: u32, now_s: f64) {
        let mut at = (self.entrants.len() + seat as usize) / 2;
        while at > 0 {
            let played = self.play(at, now_s);
            let before = std::mem::replace(&mut self.matches[at], played);
            if played == before && played.winner != Some(seat) {
                break;
            }
            at /= 2;
        }
    }

    fn play(&self, at: usize, now_s: f64) -> Match {
        let sides = [2 * at, 2 * at + 1];
        let before_s = self.until_s(sides[0]).min(self.until_s(sides[1]));
        match sides.map(|side| self.winner(side)) {
            [Some(one), Some(other)] => {
                let other_is_first = self.rank(other, now_s) < self.rank(one, now_s);
                let (first, second) = if other_is_first { (other, one) } else { (one, other) };
                Match { winner: Some(first), until_s: before_s.min(self.stands_until_s(first, second, now_s)) }
            }
            [one, other] => Match { winner: one.or(other), until_s: before_s },
        }
    }

    fn stands_until_s(&self, first: u32, second: u32, now_s: f64) -> f64 {
        let (Some(first), Some(second)) = (&self.entrants[first as usize], &self.entrants[second as usize]) else {
            return f64::INFINITY;
        };
        let closing = first.slope_at(now_s) - second.slope_at(now_s);
        let overtaken_s = if closing > 0.0 {
            let level_s = now_s + (second.at(now_s) - first.at(now_s)) / closing;
            // When they are level, the tie decides.
            if first.tie < second.tie { level_s } else { level_s.next_down() }
        } else {
            f64::INFINITY
        };
        overtaken_s.min(first.next_bend_s(now_s)).min(second.next_bend_s(now_s))
    }

    fn winner(&self, at: usize) -> Option<u32> {
        match at.checked_sub(self.entrants.len()) {
            Some(seat) => self.entrants.get(seat)?.map(|_| seat as u32),
            None => self.matches[at].winner,
        }
    }

    fn until_s(&self, at: usize) -> f64 {
        if at < self.entrants.len() { self.matches[at].until_s } else { f64::INFINITY }
    }

    fn rank(&self, seat: u32, now_s: f64) -> Option<Rank> {
        self.entrants[seat as usize].map(|entrant| (entrant.at(now_s), entrant.tie))
    }

    fn grow(&mut self, now: Instant) {
        let seats = (2 * self.entrants.len()).max(2);
        self.entrants.resize(seats, None);
        self.matches = vec![Match { winner: None, until_s: f64::INFINITY }; seats];
        let now_s = self.seconds(now);
        for at in (1..seats).rev() {
            self.matches[at] = self.play(at, now_s);
        }
    }

    fn seconds(&mut self, moment: Instant) -> f64 {
        let origin = *self.origin.get_or_insert(moment);
        match moment.checked_duration_since(origin) {
            Some(after) => after.as_secs_f64(),
            None => -(origin - moment).as_secs_f64(),
        }
    }
}

impl Entrant {
    fn at(&self, now_s: f64) -> f64 {
        let bent: f64 = self.bends.iter().map(|(at_s, change)| change * (now_s - at_s).max(0.0)).sum();
        self.value_s + self.slope * (now_s - self.since_s) + bent
    }

    fn slope_at(&self, now_s: f64) -> f64 {
        self.slope + self.bends.iter().filter(|(at_s, _)| *at_s <= now_s).map(|(_, change)| change).sum::<f64>()
    }

    fn next_bend_s(&self, now_s: f64) -> f64 {
        self.bends.iter().map(|(at_s, _)| *at_s).filter(|at_s| *at_s > now_s).fold(f64::INFINITY, f64::min)
    }
}

impl Course {
    /// For a contest of the greatest.
    pub(crate) fn negated(self) -> Self {
        let bends = self.bends.map(|bend| bend.map(|(at, change)| (at, -change)));
        Self { value_s: -self.value_s, slope: -self.slope, bends }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::tests::cluster::beginning;

    #[derive(Clone, Debug)]
    enum Step {
        Enter { seat: u32, value_ms: i32, slope: i32, bends: [Option<(u64, i32)>; 2] },
        Withdraw { seat: u32 },
        Wait { ms: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let bend = || proptest::option::of((1..50_u64, -2..4_i32));
        let enter = (0..20_u32, -50..50_i32, -2..3_i32, bend(), bend());
        prop_oneof![
            3 => enter.prop_map(|(seat, value_ms, slope, one, other)| {
                Step::Enter { seat, value_ms, slope, bends: [one, other] }
            }),
            1 => (0..20_u32).prop_map(|seat| Step::Withdraw { seat }),
            2 => (0..20_u64).prop_map(|ms| Step::Wait { ms }),
        ]
    }

    fn value_s(course: &Course, entered: Instant, now: Instant) -> f64 {
        let since_s = |moment| now.saturating_duration_since(moment).as_secs_f64();
        let bent: f64 = course.bends.iter().flatten().map(|(at, change)| f64::from(*change) * since_s(*at)).sum();
        course.value_s + f64::from(course.slope) * since_s(entered) + bent
    }

    proptest! {
        /// What everybody's value is when it is asked for says who was to be visited first; and with a limit, who at all.
        #[test]
        fn the_first_is_who_a_look_at_all_says(steps in proptest::collection::vec(step(), 1..200)) {
            let (mut contest, mut now) = (Contest::default(), beginning());
            let mut all = std::collections::BTreeMap::new();
            for step in steps {
                match step {
                    Step::Enter { seat, value_ms, slope, bends } => {
                        let bends = bends.map(|bend| bend.map(|(ms, change)| (now + Duration::from_millis(ms), change)));
                        let course = Course { value_s: f64::from(value_ms) / 1000.0, slope, bends };
                        contest.enter(seat, (0, WorkerId(seat)), course, now);
                        all.insert(seat, (course, now));
                    }
                    Step::Withdraw { seat } => {
                        contest.withdraw(seat, now);
                        all.remove(&seat);
                    }
                    Step::Wait { ms } => now += Duration::from_millis(ms),
                }
                let values: Vec<_> = all.values().map(|(course, entered)| value_s(course, *entered, now)).collect();
                let least_s = values.iter().copied().min_by(f64::total_cmp);
                let mut first = None;
                contest.search(now, behind(f64::INFINITY), |_, (value_s, _)| {
                    first = Some(value_s);
                    NOBODY
                });
                prop_assert_eq!(first.is_some(), least_s.is_some());
                prop_assert!(first.zip(least_s).is_none_or(|(first, least_s)| (first - least_s).abs() < 1e-9));
                let mut visited = 0;
                contest.search(now, before(0.0005), |_, _| {
                    visited += 1;
                    before(0.0005)
                });
                prop_assert_eq!(visited, values.iter().filter(|value_s| **value_s < 0.0005).count());
            }
        }
    }

    #[test]
    fn of_ten_thousand_none_but_the_first_is_visited_to_find_it() {
        let (mut contest, now) = (Contest::default(), beginning());
        for seat in 0..10_000 {
            let course = Course { value_s: f64::from((seat * 7919) % 10_007), slope: 0, bends: [None; 2] };
            contest.enter(seat, (0, WorkerId(seat)), course, now);
        }
        let mut visited = Vec::new();
        contest.search(now, behind(f64::INFINITY), |seat, rank| {
            visited.push(seat);
            rank
        });
        assert_eq!(visited, [0]);
    }
}
