//! What repeated measurements say together: for a program as JSON, for a person as a table.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use manyeyes_statistics::summarise;
use serde::Serialize;

use crate::drive::{Pace, Plan};
use crate::tally::Tally;

/// More than this late at the 99th percentile, and the client itself has slowed down what it measures.
const MOST_LATE_MS: f64 = 5.0;

/// A mean of repeats with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The mean is inside `mean ± half_width` with 95 % confidence, by Student's t. `None` for one repeat, which says nothing of chance.
    pub half_width: Option<f64>,
    /// The middle one.
    pub median: f64,
}

/// Times from when requests were due (open) or sent (closed) to their right answers, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// The mean.
    pub mean_ms: f64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// Nine of ten.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeat {
    /// Right answers a second, within the measured time.
    pub images_per_s: f64,
    /// Right answers to what was due within it.
    pub right: u64,
    /// What was no right answer, and how often.
    pub wrong: BTreeMap<String, u64>,
    /// `None`: there was no right answer.
    pub latency: Option<Latency>,
    /// How late requests started, at the 99th percentile: the client's own fault.
    pub late_p99_ms: Option<f64>,
    /// The most that were under way at a time.
    pub most_under_way: usize,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Of this form.
    pub format: u32,
    /// Whom it is of.
    pub target: String,
    /// `open`, at even distances or not, or `closed`.
    pub loop_kind: &'static str,
    /// Requests a second (open).
    pub rate_per_s: Option<f64>,
    /// Requests under way (closed).
    pub concurrency: Option<usize>,
    /// How many different pictures were sent in turn.
    pub pictures: usize,
    /// Seconds before each measurement.
    pub warm_up_s: f64,
    /// Seconds of each measurement.
    pub measured_s: f64,
    /// Each measurement.
    pub repeats: Vec<Repeat>,
    /// Of all repeats.
    pub images_per_s: Option<Interval>,
    /// Of the repeats that had right answers.
    pub p50_ms: Option<Interval>,
    /// Of the same.
    pub p99_ms: Option<Interval>,
}

impl Interval {
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let summary = summarise(&values.into_iter().collect::<Vec<_>>())?;
        Some(Self { mean: summary.moments.mean, half_width: summary.half_width, median: summary.median })
    }
}

impl Repeat {
    /// Of a measurement that took so long.
    pub fn of(tally: &Tally, measured: Duration) -> Self {
        let at = |share| tally.latency_ms(share);
        let latency = tally.mean_ms().zip(at(0.5)).map(|(mean_ms, p50_ms)| {
            let at = |share| at(share).unwrap_or(p50_ms);
            Latency { mean_ms, p50_ms, p90_ms: at(0.9), p99_ms: at(0.99), p999_ms: at(0.999), max_ms: at(1.0) }
        });
        Self {
            images_per_s: tally.within() as f64 / measured.as_secs_f64(),
            right: tally.right(),
            wrong: tally.wrong().clone(),
            latency,
            late_p99_ms: tally.late_ms(0.99),
            most_under_way: tally.most_under_way(),
        }
    }

    /// Whether the client itself was late.
    pub fn is_late(&self) -> bool {
        self.late_p99_ms.is_some_and(|late_ms| late_ms > MOST_LATE_MS)
    }
}

impl Report {
    /// Of measurements of this target that were all planned so.
    pub fn of(target: &str, pictures: usize, plan: &Plan, repeats: Vec<Repeat>) -> Self {
        let (loop_kind, rate_per_s, concurrency) = match plan.pace {
            Pace::Open { rate_per_s, even: true } => ("open, even", Some(rate_per_s), None),
            Pace::Open { rate_per_s, even: false } => ("open", Some(rate_per_s), None),
            Pace::Closed { concurrency } => ("closed", None, Some(concurrency)),
        };
        let latencies =
            |of: fn(&Latency) -> f64| Interval::of(repeats.iter().filter_map(|r| r.latency.as_ref()).map(of));
        Self {
            format: 1,
            target: target.to_owned(),
            loop_kind,
            rate_per_s,
            concurrency,
            pictures,
            warm_up_s: plan.warm_up.as_secs_f64(),
            measured_s: plan.measured.as_secs_f64(),
            images_per_s: Interval::of(repeats.iter().map(|repeat| repeat.images_per_s)),
            p50_ms: latencies(|latency| latency.p50_ms),
            p99_ms: latencies(|latency| latency.p99_ms),
            repeats,
        }
    }
}

impl Display for Interval {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.half_width {
            Some(half_width) => write!(f, "{:.1} ± {half_width:.1}", self.mean),
            None => write!(f, "{:.1}", self.mean),
        }
    }
}

/// A line of what a repeat showed, without its number.
impl Display for Repeat {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} images/s", self.images_per_s)?;
        if let Some(Latency { p50_ms, p90_ms, p99_ms, max_ms, .. }) = self.latency {
            write!(f, ", p50 {p50_ms:.1} ms, p90 {p90_ms:.1}, p99 {p99_ms:.1}, longest {max_ms:.1}")?;
        }
        for (why, count) in &self.wrong {
            write!(f, "; {count} not recognised: {why}")?;
        }
        if let Some(late_ms) = self.late_p99_ms.filter(|_| self.is_late()) {
            write!(f, "; the client itself was {late_ms:.1} ms late (p99), so these times are its own too")?;
        }
        Ok(())
    }
}

/// The lines of what all repeats say.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let figures = [("images/s", self.images_per_s), ("p50 ms", self.p50_ms), ("p99 ms", self.p99_ms)];
        let mut shown = figures.iter().filter_map(|(name, interval)| Some((name, interval.as_ref()?))).peekable();
        while let Some((name, interval)) = shown.next() {
            write!(f, "{name:<9}{interval}, median {:.1}", interval.median)?;
            if shown.peek().is_some() {
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Outcome;

    const MS: Duration = Duration::from_millis(1);
    const PLAN: Plan = Plan {
        pace: Pace::Closed { concurrency: 8 },
        warm_up: Duration::ZERO,
        measured: Duration::from_secs(2),
        seed: 1,
    };

    fn repeat(right: u64, took: Duration) -> Repeat {
        let mut tally = Tally::default();
        for _ in 0..right {
            tally.ended(&Outcome::Right, took, Duration::ZERO);
            tally.came_within();
        }
        Repeat::of(&tally, PLAN.measured)
    }

    #[test]
    fn a_report_has_means_with_intervals_and_every_repeat() {
        let repeats = [96, 100, 104].map(|right| repeat(right, 10 * MS));
        let report = Report::of("http://here/", 3, &PLAN, repeats.to_vec());
        let rate = report.images_per_s.unwrap();
        assert!((rate.mean - 50.0).abs() < 1e-9 && (rate.median - 50.0).abs() < 1e-9);
        // t(0.975, 2) is 4.303, the standard error 2 / sqrt(3).
        assert!((rate.half_width.unwrap() - 4.303 * 2.0 / 3.0_f64.sqrt()).abs() < 0.01, "{rate:?}");
        let shown = report.to_string();
        assert!(shown.starts_with("images/s 50.0 ± 5.0, median 50.0\np50 ms   10.0"), "{shown}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((json["repeats"].as_array().unwrap().len(), json["concurrency"].as_u64()), (3, Some(8)));
    }

    #[test]
    fn one_repeat_has_no_interval_and_no_answer_no_times() {
        let report = Report::of("http://here/", 1, &PLAN, vec![repeat(0, MS)]);
        assert_eq!(report.images_per_s.unwrap().half_width, None);
        assert_eq!((report.p50_ms, report.repeats[0].latency), (None, None));
        assert_eq!(report.to_string(), "images/s 0.0, median 0.0");
    }

    #[test]
    fn a_client_that_was_late_itself_says_so() {
        let mut tally = Tally::default();
        tally.ended(&Outcome::Right, 20 * MS, 6 * MS);
        tally.ended(&Outcome::Wrong("429".to_owned()), MS, 6 * MS);
        let shown = Repeat::of(&tally, PLAN.measured).to_string();
        assert!(shown.contains("the client itself was 6.0 ms late"), "{shown}");
        assert!(shown.contains("1 not recognised: 429"), "{shown}");
    }
}
