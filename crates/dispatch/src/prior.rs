//! The service time that a worker is taken to have before its first answer: the mean of those measured.

/// By so many parts of itself the mean must have changed before another is assumed: it is a guess, and at the first answers of many workers it
/// changes with each.
const TOLERANCE: f64 = 1.0 / 16.0;

/// The mean, as it is assumed to be.
#[derive(Debug)]
pub(crate) struct Prior {
    /// While none is measured.
    unknown_s: f64,
    assumed_s: f64,
    sum_s: f64,
    count: u32,
}

impl Prior {
    pub(crate) fn new(unknown_s: f64) -> Self {
        Self { unknown_s, assumed_s: unknown_s, sum_s: 0.0, count: 0 }
    }

    pub(crate) fn s(&self) -> f64 {
        self.assumed_s
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.count > 0
    }

    /// One worker's service time is known otherwise than before. Says whether another service time is assumed from now on.
    pub(crate) fn replace(&mut self, before: Option<f64>, after: Option<f64>) -> bool {
        self.sum_s += after.unwrap_or(0.0) - before.unwrap_or(0.0);
        self.count = self.count + u32::from(after.is_some()) - u32::from(before.is_some());
        let mean_s = if self.count == 0 { self.unknown_s } else { (self.sum_s / f64::from(self.count)).max(0.0) };
        let is_other = (mean_s - self.assumed_s).abs() > TOLERANCE * self.assumed_s;
        if is_other {
            self.assumed_s = mean_s;
        }
        is_other
    }
}
