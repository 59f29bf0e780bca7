//! The clairvoyant's bound: no schedule ends sooner, however much is known in advance.
//!
//! Images are alike and workers are not (uniform machines, `Q | p = 1 | Cmax`; Pinedo, Scheduling: Theory, Algorithms, and Systems,
//! chapter 5). A worker that needs `s` for one has made `floor(t / s)` of them by `t`, so the least makespan is the
//! least `t` with `sum floor(t / s) >= images`; of equal workers that is `ceil(images / workers) * s`. Of a worker that comes and goes each
//! stay counts for itself, because what is begun in one is lost with it: `sum over stays floor(stay / s)`. Known
//! are all stays, long before they are. What the way takes, what is learned only while it happens, and an image's own size are left out: the
//! first two make the bound only lower; images that vary are alike in the mean.

use std::time::Duration;

/// One worker: what it needs for an image, and when it is there, from and to, since the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// For one image.
    pub(crate) service: Duration,
    /// In their order.
    pub(crate) stays: Vec<(Duration, Duration)>,
}

impl Machine {
    fn done_by(&self, time: Duration) -> u64 {
        let stays = self.stays.iter().take_while(|(from, _)| *from < time);
        stays.map(|(from, to)| ((*to).min(time) - *from).as_nanos() / self.service.as_nanos().max(1)).sum::<u128>()
            as u64
    }
}

/// The least time in which the machines can have done so many images. `None`: they are not there for long enough.
pub(crate) fn bound(machines: &[Machine], images: u64) -> Option<Duration> {
    let done_by = |time: Duration| machines.iter().map(|machine| machine.done_by(time)).sum::<u64>();
    let end = machines.iter().filter_map(|machine| machine.stays.last()).map(|(_, to)| *to).max()?;
    if done_by(end) < images {
        return None;
    }
    let (mut too_short, mut enough) = (0, u64::try_from(end.as_nanos()).unwrap_or(u64::MAX));
    while enough - too_short > 1 {
        let middle = too_short + (enough - too_short) / 2;
        if done_by(Duration::from_nanos(middle)) >= images { enough = middle } else { too_short = middle }
    }
    Some(Duration::from_nanos(enough))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn machine(service_ms: u64, stays_ms: &[(u64, u64)]) -> Machine {
        let ms = Duration::from_millis;
        Machine { service: ms(service_ms), stays: stays_ms.iter().map(|(from, to)| (ms(*from), ms(*to))).collect() }
    }

    #[test]
    fn of_equal_machines_it_is_that_of_whole_rounds() {
        let machines = vec![machine(100, &[(0, 3_600_000)]); 7];
        for (images, rounds) in [(1, 1), (7, 1), (8, 2), (700, 100), (701, 101)] {
            assert_eq!(bound(&machines, images), Some(Duration::from_millis(100) * rounds));
        }
    }

    #[test]
    fn of_unequal_machines_each_has_done_what_it_can_by_then() {
        let machines = [machine(100, &[(0, 3_600_000)]), machine(250, &[(0, 3_600_000)])];
        // 5 and 2 in half a second.
        assert_eq!(bound(&machines, 7), Some(Duration::from_millis(500)));
        assert_eq!(bound(&machines, 8), Some(Duration::from_millis(600)));
    }

    #[test]
    fn what_is_begun_in_a_stay_is_lost_with_it() {
        let machines = [machine(100, &[(0, 250), (1000, 1150), (2000, 9000)])];
        assert_eq!(bound(&machines, 2), Some(Duration::from_millis(200)));
        assert_eq!(bound(&machines, 3), Some(Duration::from_millis(1100)));
        assert_eq!(bound(&machines, 4), Some(Duration::from_millis(2100)));
    }

    #[test]
    fn machines_that_are_not_there_for_long_enough_have_none() {
        assert_eq!(bound(&[machine(100, &[(0, 250)])], 3), None);
        assert_eq!(bound(&[], 1), None);
        let stays = vec![(Duration::ZERO, HOUR)];
        assert_eq!(bound(&[Machine { service: HOUR, stays }], 1), Some(HOUR));
    }
}
