//! Each transport against the best of its cell: in the same conditions, how much longer do the same images take?
//!
//! What is compared is the time to the last image, by what it typically is (geometric means, and medians), because under loss a mean is that
//! of a few unlucky runs. The best is the one whose median is least. It was found in the same runs, so that chance is on its side: the
//! others' ratios to it are rather too large than too small.

use crate::record::Level;
use manyeyes_statistics::{MedianInterval, Ratio, median_interval, ratio_of_typical, summarise};

use super::measures::LAST_IMAGE;
use super::studies::{Cell, Study, TRANSPORT};

/// The transport that chooses by itself, as its levels begin.
const AUTO: &str = "auto";

/// All transports in the same conditions.
pub(crate) struct Conditions {
    /// The other factors' levels, in words; empty where nothing else varies.
    pub(crate) text: String,
    /// In the order of the factor's levels.
    pub(crate) transports: Vec<Compared>,
}

/// One of them.
pub(crate) struct Compared {
    /// In words.
    pub(crate) name: String,
    /// The median time to the last image, seconds, of the runs that count. `None`: there is none.
    pub(crate) median_s: Option<f64>,
    /// In which the median is.
    pub(crate) interval: Option<MedianInterval>,
    /// Runs that count, and those that did not end within their bound.
    pub(crate) ended: usize,
    pub(crate) not_ended: usize,
    /// In times of the best; `None` for itself, and where there are too few runs.
    pub(crate) ratio: Option<Ratio>,
    /// Whether it is the best.
    pub(crate) is_best: bool,
    /// The same against the best of the others, for one that chooses by itself.
    pub(crate) regret: Option<Ratio>,
}

/// What a study says of transports; empty where it compares none.
pub(crate) fn compare(study: &Study<'_>) -> Vec<Conditions> {
    let Some(factor) = study.factors.iter().position(|factor| factor.name == TRANSPORT && factor.levels.len() > 1)
    else {
        return Vec::new();
    };
    let others = |cell: &Cell<'_>| {
        let others = cell.at.iter().enumerate().filter(|(place, _)| *place != factor);
        others.map(|(_, level)| *level).collect::<Vec<_>>()
    };
    let mut conditions: Vec<Vec<usize>> = study.cells.iter().map(others).collect();
    conditions.sort_unstable();
    conditions.dedup();
    let of = |at: Vec<usize>| {
        let cells: Vec<&Cell<'_>> = study.cells.iter().filter(|cell| others(cell) == at).collect();
        let texts = study.factors.iter().enumerate().filter(|(place, _)| *place != factor);
        let texts = texts.zip(&at).map(|((_, other), level)| other.level_text(*level));
        let named: Vec<(&Level, &Cell<'_>)> =
            cells.iter().map(|cell| (&study.factors[factor].levels[cell.at[factor]], *cell)).collect();
        Conditions { text: texts.collect::<Vec<_>>().join(", "), transports: beside_the_best(&named) }
    };
    conditions.into_iter().map(of).collect()
}

fn beside_the_best(cells: &[(&Level, &Cell<'_>)]) -> Vec<Compared> {
    let times: Vec<Vec<f64>> = cells.iter().map(|(_, cell)| LAST_IMAGE.values(&cell.counted)).collect();
    let medians: Vec<Option<f64>> = times.iter().map(|times| Some(summarise(times)?.median)).collect();
    let not_ended = |cell: &Cell<'_>| cell.void.iter().filter(|run| run.void.is_empty()).count();
    // One that sometimes does not end is not the best of those that do.
    let best_of = |is_meant: &dyn Fn(usize) -> bool| {
        let meant = (0..cells.len()).filter(|place| is_meant(*place) && not_ended(cells[*place].1) == 0);
        let known = meant.filter_map(|place| Some((place, medians[place]?)));
        known.min_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(place, _)| place)
    };
    let is_auto = |place: usize| cells[place].0.text().starts_with(AUTO);
    let (best, best_of_others) = (best_of(&|_| true), best_of(&|place| !is_auto(place)));
    let compared = |(place, (level, cell)): (usize, &(&Level, &Cell<'_>))| Compared {
        name: level.text(),
        median_s: medians[place],
        interval: median_interval(&times[place]),
        ended: times[place].len(),
        not_ended: not_ended(cell),
        ratio: best.filter(|best| *best != place).and_then(|best| ratio_of_typical(&times[place], &times[best])),
        is_best: best == Some(place),
        regret: best_of_others
            .filter(|_| is_auto(place))
            .and_then(|best| ratio_of_typical(&times[place], &times[best])),
    };
    cells.iter().enumerate().map(compared).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Run;
    use crate::report::studies::studies;
    use crate::report::tests::synthetic::{number, study, word};

    /// Three runs of each of three transports, with and without a delay, which took so long.
    fn runs(times_s: &dyn Fn(&str, f64) -> [f64; 3]) -> Vec<Run> {
        let factors = [
            ("transport", ["tcp", "quic", "auto"].map(word).to_vec()),
            ("congestion_control", vec![word("cubic")]),
            ("delay_ms", [0.0, 500.0].map(number).to_vec()),
        ];
        let mut runs = study("transport", &factors, 3);
        for run in &mut runs {
            let (Level::Word(transport), Level::Number(delay_ms)) = (&run.levels["transport"], &run.levels["delay_ms"])
            else {
                unreachable!("they are a word and a number")
            };
            run.elapsed_s = Some(times_s(transport, *delay_ms)[run.block as usize]);
        }
        runs
    }

    fn of<'c>(conditions: &'c [Conditions], text: &str, name: &str) -> &'c Compared {
        let here = conditions.iter().find(|it| it.text == text).expect("such conditions");
        here.transports.iter().find(|it| it.name == name).expect("such a transport")
    }

    #[test]
    fn each_transport_stands_beside_the_best_in_the_same_conditions() {
        let runs = runs(&|transport, delay_ms| match (transport, delay_ms) {
            ("tcp", 0.0) => [1.0, 1.0, 1.0],
            ("quic", 0.0) => [2.0, 2.0, 2.0],
            ("tcp", _) => [4.0, 9.0, 16.0],
            ("quic", _) => [3.0, 3.0, 3.0],
            _ => [3.3, 3.3, 3.3],
        });
        let studies = studies(&runs);
        let conditions = compare(&studies[0]);
        assert_eq!(conditions.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(), ["delay 0 ms", "delay 500 ms"]);
        assert!(
            of(&conditions, "delay 0 ms", "tcp cubic").is_best && of(&conditions, "delay 500 ms", "quic cubic").is_best
        );
        let slow = of(&conditions, "delay 500 ms", "tcp cubic");
        assert_eq!((slow.median_s, slow.ended), (Some(9.0), 3));
        let interval = slow.interval.expect("there are runs");
        assert_eq!((interval.lower, interval.upper, interval.confidence), (4.0, 16.0, 0.75));
        let ratio = slow.ratio.expect("three runs of each");
        assert!((ratio.ratio - 576.0_f64.cbrt() / 3.0).abs() < 1e-9, "{ratio:?}");
        assert!(slow.regret.is_none());
        let regret = of(&conditions, "delay 500 ms", "auto cubic").regret.expect("it chooses");
        assert!((regret.ratio - 1.1).abs() < 1e-9, "{regret:?}");
    }

    #[test]
    fn one_that_does_not_always_end_is_not_the_best() {
        let mut runs = runs(&|transport, _| if transport == "tcp" { [1.0; 3] } else { [2.0; 3] });
        let first = runs.iter_mut().find(|run| run.levels["transport"] == word("tcp")).expect("there is one");
        first.elapsed_s = None;
        let studies = studies(&runs);
        let conditions = compare(&studies[0]);
        let with = of(&conditions, "delay 0 ms", "tcp cubic");
        assert_eq!((with.ended, with.not_ended, with.is_best), (2, 1, false));
        assert!(of(&conditions, "delay 500 ms", "tcp cubic").is_best);
    }

    #[test]
    fn a_study_of_one_transport_compares_none() {
        let runs = study("delay", &[("delay_ms", [0.0, 500.0].map(number).to_vec())], 2);
        assert!(compare(&studies(&runs)[0]).is_empty());
    }
}
