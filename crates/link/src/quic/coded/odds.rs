//! How many sums it takes: arithmetic of chances.

/// The most sums that are made for a burst.
const MOST: u32 = 128;

/// How many sums make it likely that all of so many datagrams are there: the smallest number with which more of both are lost than
/// there are sums with a chance of at most `failing`. Each is lost with chance `lost`, by itself (a binomial distribution).
pub(super) fn sums_for(datagrams: u32, lost: f64, failing: f64) -> u32 {
    (0..MOST).find(|sums| more_lost_than(*sums, datagrams + sums, lost) <= failing).unwrap_or(MOST)
}

/// The chance that of `all` more than `most` are lost.
fn more_lost_than(most: u32, all: u32, lost: f64) -> f64 {
    if lost <= 0.0 {
        return 0.0;
    }
    // The next term of the distribution from the one before.
    let odds = lost / (1.0 - lost);
    let mut term = (1.0 - lost).powf(f64::from(all));
    let mut at_most = term;
    for times in 1..=most.min(all) {
        term *= odds * f64::from(all - times + 1) / f64::from(times);
        at_most += term;
    }
    (1.0 - at_most).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_datagram_is_said_again_until_it_is_likely_that_one_comes() {
        // 0.15 squared is 0.0225, cubed 0.0034.
        assert_eq!([0.03, 0.01, 0.001].map(|failing| sums_for(1, 0.15, failing)), [1, 2, 3]);
    }

    #[test]
    fn where_nothing_is_lost_nothing_is_added() {
        assert_eq!([sums_for(1, 0.0, 0.01), sums_for(200, 0.0, 0.01), sums_for(1, 0.005, 0.01)], [0, 0, 0]);
    }

    /// The chances of 3 or more and of 2 or more losses among 12 with a chance of a tenth each are in any table of the binomial
    /// distribution: 0.1109 and 0.3410.
    #[test]
    fn the_chances_are_those_of_the_tables() {
        assert!((more_lost_than(2, 12, 0.1) - 0.1109).abs() < 1e-4);
        assert!((more_lost_than(1, 12, 0.1) - 0.3410).abs() < 1e-4);
    }

    #[test]
    fn many_need_fewer_for_each_than_few() {
        let (few, many) = (sums_for(10, 0.15, 0.01), sums_for(200, 0.15, 0.01));
        assert!(few >= 5 && many < 20 * few / 2, "{few} for 10, {many} for 200");
    }
}
