//! How many of so many packets a model of loss takes: its exact distribution, and what is within it.

use crate::conditions::Loss;

/// The chance that `0`, `1`, ... of `packets` packets in a row are lost.
///
/// For bursts the packets are not independent, so the chances of (lost so far, state) are carried from packet to packet; without
/// bursts that is the binomial distribution.
pub(crate) fn lost_of(loss: Loss, packets: u64) -> Vec<f64> {
    let (enter, leave, shares) = match loss {
        Loss::None => (0.0, 0.0, [0.0, 0.0]),
        Loss::Independent { probability } => (0.0, 0.0, [probability, 0.0]),
        Loss::Bursty { enter, leave, lost_in_good, lost_in_bad } => (enter, leave, [lost_in_good, lost_in_bad]),
    };
    let places = packets as usize + 1;
    let mut good = vec![0.0; places];
    let mut bad = vec![0.0; places];
    (good[0], bad[0]) = (1.0 - loss.share_bad(), loss.share_bad());
    for sent in 1..places {
        // From the most that may be lost downwards, so that each place still has what it had before this packet.
        for lost in (0..=sent).rev() {
            let state = |good: f64, bad: f64| [good * (1.0 - enter) + bad * leave, good * enter + bad * (1.0 - leave)];
            let kept = state(good[lost], bad[lost]);
            let taken = if lost > 0 { state(good[lost - 1], bad[lost - 1]) } else { [0.0, 0.0] };
            good[lost] = kept[0] * (1.0 - shares[0]) + taken[0] * shares[0];
            bad[lost] = kept[1] * (1.0 - shares[1]) + taken[1] * shares[1];
        }
    }
    good.iter().zip(&bad).map(|(good, bad)| good + bad).collect()
}

/// The least and the most that a count of this distribution is, but for a chance of `outside`, half of it on each side.
pub(crate) fn between(chances: &[f64], outside: f64) -> (u64, u64) {
    let beyond = |chances: &mut dyn Iterator<Item = &f64>| {
        let mut tail = 0.0;
        chances
            .take_while(|chance| {
                tail += **chance;
                tail <= outside / 2.0
            })
            .count()
    };
    let (below, above) = (beyond(&mut chances.iter()), beyond(&mut chances.iter().rev()));
    (below as u64, (chances.len() - 1).saturating_sub(above) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURSTY: Loss = Loss::Bursty { enter: 0.1, leave: 0.4, lost_in_good: 0.02, lost_in_bad: 0.7 };

    /// Every way in which eight packets can go, one by one.
    fn by_hand(packets: u32, enter: f64, leave: f64, shares: [f64; 2]) -> Vec<f64> {
        let mut chances = vec![0.0; packets as usize + 1];
        for start in [false, true] {
            for states in 0..1_u32 << packets {
                for losses in 0..1_u32 << packets {
                    let bad = enter / (enter + leave);
                    let (mut chance, mut is_bad) = (if start { bad } else { 1.0 - bad }, start);
                    for packet in 0..packets {
                        let is_now_bad = states >> packet & 1 == 1;
                        let changes = if is_bad { leave } else { enter };
                        chance *= if is_now_bad == is_bad { 1.0 - changes } else { changes };
                        is_bad = is_now_bad;
                        let share = shares[usize::from(is_bad)];
                        chance *= if losses >> packet & 1 == 1 { share } else { 1.0 - share };
                    }
                    chances[losses.count_ones() as usize] += chance;
                }
            }
        }
        chances
    }

    #[test]
    fn bursts_have_the_chances_of_every_way_they_can_go() {
        let (found, right) = (lost_of(BURSTY, 8), by_hand(8, 0.1, 0.4, [0.02, 0.7]));
        for (found, right) in found.iter().zip(&right) {
            assert!((found - right).abs() < 1e-12, "{found} instead of {right}");
        }
    }

    #[test]
    fn independent_losses_are_binomial() {
        let found = lost_of(Loss::Independent { probability: 0.3 }, 5);
        let right = [0.168_07, 0.360_15, 0.3087, 0.1323, 0.028_35, 0.002_43];
        for (found, right) in found.iter().zip(right) {
            assert!((found - right).abs() < 1e-12, "{found} instead of {right}");
        }
    }

    #[test]
    fn the_mean_is_the_models_and_the_chances_are_whole() {
        for loss in [Loss::None, Loss::Independent { probability: 0.15 }, BURSTY] {
            let chances = lost_of(loss, 500);
            let mean = chances.iter().enumerate().map(|(lost, chance)| lost as f64 * chance).sum::<f64>();
            assert!((mean - 500.0 * loss.mean()).abs() < 1e-6, "{mean} with {loss:?}");
            assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn an_interval_leaves_out_at_most_its_share_on_either_side_and_no_more_than_it_must() {
        let chances = lost_of(Loss::Independent { probability: 0.1 }, 1000);
        let (least, most) = between(&chances, 0.01);
        // The exact 0.5 % and 99.5 % quantiles of this binomial.
        assert_eq!((least, most), (76, 125));
        let below = |count: u64| chances[..count as usize].iter().sum::<f64>();
        assert!(below(least) <= 0.005 && below(least + 1) > 0.005);
        assert!(1.0 - below(most + 1) <= 0.005 && 1.0 - below(most) > 0.005);
    }

    #[test]
    fn where_nothing_can_be_lost_only_nothing_is_within() {
        assert_eq!(between(&lost_of(Loss::None, 100), 0.01), (0, 0));
        assert_eq!(between(&lost_of(Loss::Independent { probability: 1.0 }, 100), 0.01), (100, 100));
    }

    #[test]
    fn bursts_have_a_wider_interval_than_independent_losses_of_their_mean() {
        let (least, most) = between(&lost_of(Loss::Independent { probability: BURSTY.mean() }, 1000), 0.01);
        let (burst_least, burst_most) = between(&lost_of(BURSTY, 1000), 0.01);
        assert!(burst_least < least && most < burst_most);
    }
}
