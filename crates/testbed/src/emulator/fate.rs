//! What becomes of the n-th packet of a direction: chance alone, without clock and queue.
//!
//! Every packet takes the same number of draws, used or not, and each draw is a function of the key, the packet's number and the
//! draw's. So the n-th packet of a direction meets the same fate in every run, whatever came before it and when.

use crate::conditions::{Conditions, Loss};

/// Draws for a packet, one for each question that may be asked of it.
const DRAWS: u64 = 5;

/// The draw that says in which state the loss begins: one that no packet comes to.
const BEFORE_ALL: u64 = u64::MAX - 1;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fate {
    pub(crate) is_lost: bool,
    pub(crate) is_duplicated: bool,
    /// It goes without the delay.
    pub(crate) is_ahead: bool,
    /// Where in the jitter it falls: -1..1.
    pub(crate) jitter: f64,
}

/// The fates of a direction's packets, in order.
#[derive(Clone, Debug)]
pub(crate) struct Fates {
    key: u64,
    /// The number of the next packet.
    next: u64,
    loss: Loss,
    duplicate: f64,
    reorder: f64,
    is_bad: bool,
}

impl Fates {
    /// From packet 0. Lanes with the same seed have different fates.
    pub(crate) fn new(seed: u64, lane: usize, conditions: &Conditions) -> Self {
        let key = mixed(seed ^ mixed(lane as u64 + 1));
        let is_bad = share(key, BEFORE_ALL) < conditions.loss.share_bad();
        let Conditions { loss, duplicate, reorder, .. } = *conditions;
        Self { key, next: 0, loss, duplicate, reorder, is_bad }
    }

    /// The next packet's.
    pub(crate) fn next(&mut self) -> Fate {
        let [state, loss, duplicate, reorder, jitter] =
            std::array::from_fn::<_, { DRAWS as usize }, _>(|draw| share(self.key, self.next * DRAWS + draw as u64));
        self.next += 1;
        Fate {
            is_lost: loss < self.chance_of_loss(state),
            is_duplicated: duplicate < self.duplicate,
            is_ahead: reorder < self.reorder,
            jitter: 2.0 * jitter - 1.0,
        }
    }

    fn chance_of_loss(&mut self, draw: f64) -> f64 {
        match self.loss {
            Loss::None => 0.0,
            Loss::Independent { probability } => probability,
            Loss::Bursty { enter, leave, lost_in_good, lost_in_bad } => {
                let changes = draw < if self.is_bad { leave } else { enter };
                self.is_bad ^= changes;
                if self.is_bad { lost_in_bad } else { lost_in_good }
            }
        }
    }
}

/// A draw in 0..1, with the 53 bits that a number between them has.
fn share(key: u64, number: u64) -> f64 {
    // The golden ratio's step takes successive numbers far apart before they are mixed.
    let drawn = mixed(key.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

/// The finaliser of SplitMix64 (G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
/// Its numbers are part of what a seed means, and no library's next version may change them.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// z of the two-sided 99.9 % interval of a normal.
    const Z: f64 = 3.2905;

    fn fates(conditions: &Conditions, seed: u64, lane: usize, count: usize) -> Vec<Fate> {
        let mut fates = Fates::new(seed, lane, conditions);
        (0..count).map(|_| fates.next()).collect()
    }

    fn share_of(fates: &[Fate], what: impl Fn(&Fate) -> bool) -> f64 {
        fates.iter().filter(|fate| what(fate)).count() as f64 / fates.len() as f64
    }

    fn bursty() -> Loss {
        Loss::Bursty { enter: 0.02, leave: 0.25, lost_in_good: 0.001, lost_in_bad: 0.8 }
    }

    #[test]
    fn the_same_seed_and_direction_give_the_same_fates_and_others_others() {
        let conditions = Conditions { loss: bursty(), duplicate: 0.1, reorder: 0.1, ..Conditions::default() };
        let first = fates(&conditions, 7, 3, 1000);
        assert_eq!(first, fates(&conditions, 7, 3, 1000));
        assert_ne!(first, fates(&conditions, 8, 3, 1000));
        assert_ne!(first, fates(&conditions, 7, 2, 1000));
    }

    #[test]
    fn what_a_seed_means_does_not_change_from_version_to_version() {
        let conditions = Conditions { loss: Loss::Independent { probability: 0.2 }, ..Conditions::default() };
        let fates = fates(&conditions, 1, 0, 40);
        let lost: Vec<_> =
            fates.iter().enumerate().filter(|(_, fate)| fate.is_lost).map(|(number, _)| number).collect();
        assert_eq!(lost, [0, 12, 17, 19, 39], "packets lost of forty by seed 1");
    }

    #[test]
    fn one_question_changes_no_other_answer() {
        let with = Conditions { loss: bursty(), duplicate: 0.3, reorder: 0.3, ..Conditions::default() };
        let without = Conditions { loss: Loss::None, duplicate: 0.3, ..Conditions::default() };
        for (with, without) in fates(&with, 5, 0, 1000).iter().zip(fates(&without, 5, 0, 1000)) {
            assert_eq!((with.is_duplicated, with.jitter), (without.is_duplicated, without.jitter));
        }
    }

    #[test]
    fn each_share_is_within_its_binomial_interval() {
        const COUNT: usize = 20_000;
        for (seed, probability) in [(1, 0.01), (2, 0.05), (3, 0.15), (4, 0.5)] {
            let loss = Loss::Independent { probability };
            let conditions = Conditions { loss, duplicate: probability, reorder: probability, ..Conditions::default() };
            let fates = fates(&conditions, seed, 0, COUNT);
            let bound = Z * (probability * (1.0 - probability) / COUNT as f64).sqrt();
            let shares = [
                share_of(&fates, |fate| fate.is_lost),
                share_of(&fates, |fate| fate.is_duplicated),
                share_of(&fates, |fate| fate.is_ahead),
            ];
            for seen in shares {
                assert!((seen - probability).abs() <= bound, "{seen} instead of {probability} with seed {seed}");
            }
        }
    }

    #[test]
    fn bursts_lose_their_mean_and_are_as_long_as_the_chain_says() {
        const COUNT: usize = 200_000;
        let loss = Loss::Bursty { enter: 0.02, leave: 0.25, lost_in_good: 0.0, lost_in_bad: 1.0 };
        let fates = fates(&Conditions { loss, ..Conditions::default() }, 11, 0, COUNT);
        let mean = loss.mean();
        // Neighbours go together: the chain's correlation of 1 - enter - leave widens a share's variance to (1 + c) / (1 - c) fold.
        let correlation: f64 = 1.0 - 0.02 - 0.25;
        let bound = Z * (mean * (1.0 - mean) / COUNT as f64 * (1.0 + correlation) / (1.0 - correlation)).sqrt();
        assert!((share_of(&fates, |fate| fate.is_lost) - mean).abs() <= bound);
        let bursts = fates.windows(2).filter(|pair| !pair[0].is_lost && pair[1].is_lost).count() as f64;
        let length = fates.iter().filter(|fate| fate.is_lost).count() as f64 / bursts;
        // A burst's length is geometric with the chance of leaving: mean 4, deviation sqrt(1 - p) / p.
        assert!((length - 4.0).abs() <= Z * 0.75_f64.sqrt() / 0.25 / bursts.sqrt(), "bursts of {length}");
    }

    #[test]
    fn the_first_packet_is_lost_as_often_as_any_other() {
        let loss = Loss::Bursty { enter: 0.1, leave: 0.1, lost_in_good: 0.0, lost_in_bad: 1.0 };
        let conditions = Conditions { loss, ..Conditions::default() };
        let lost = (0..4000).filter(|&seed| Fates::new(seed, 0, &conditions).next().is_lost).count();
        assert!((lost as f64 / 4000.0 - 0.5).abs() <= Z * (0.25_f64 / 4000.0).sqrt(), "{lost} of 4000");
    }
}
