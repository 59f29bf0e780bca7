//! How long sources may take to begin, all together.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// What is left of the time in which some source has to begin its answer.
pub(super) struct Patience {
    /// `None`: no end of it.
    left: Option<Duration>,
    sources: u32,
}

impl Patience {
    pub(super) fn new(left: Option<Duration>) -> Self {
        Self { left, sources: 1 }
    }

    /// So many sources are left: each may take an equal share, so that one that swallows what is sent to it leaves time
    /// for another that answers.
    pub(super) fn share_among(&mut self, sources: usize) {
        self.sources = u32::try_from(sources).unwrap_or(u32::MAX).max(1);
    }

    pub(super) fn left(&self) -> Option<Duration> {
        self.left
    }

    pub(super) fn spend(&mut self, time: Duration) {
        self.left = self.left.map(|left| left.saturating_sub(time));
    }

    /// The outcome of what may take one share, or how long that was. Work that is late goes on alone, on a thread of its
    /// own, until the limits of its connection end it: resolving a name cannot be interrupted.
    pub(super) fn wait<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Duration> {
        let Some(left) = self.left else {
            return Ok(work());
        };
        let share = left / self.sources;
        let began = Instant::now();
        let (done, outcome) = mpsc::sync_channel(1);
        // Fails only when nobody waits any more.
        thread::spawn(move || done.send(work()).is_ok());
        let outcome = outcome.recv_timeout(share);
        self.spend(began.elapsed());
        outcome.map_err(|ended| match ended {
            RecvTimeoutError::Timeout => share,
            RecvTimeoutError::Disconnected => unreachable!("a request does not panic"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn without_a_limit_it_waits_for_the_outcome() {
        assert_eq!(Patience::new(None).wait(|| 7), Ok(7));
    }

    #[test]
    fn a_source_that_is_silent_gets_its_share_and_no_more() {
        let all = Duration::from_millis(90);
        let mut patience = Patience::new(Some(all));
        patience.share_among(3);
        let (keep_silent, silence) = mpsc::channel::<()>();
        assert_eq!(patience.wait(move || silence.recv().is_ok()), Err(all / 3));
        drop(keep_silent);
        assert!(patience.left().expect("limited") <= all - all / 3);
    }

    #[test]
    fn a_source_that_answers_at_once_costs_next_to_nothing() {
        let mut patience = Patience::new(Some(LONG));
        assert_eq!(patience.wait(|| 7), Ok(7));
        assert!(patience.left().expect("limited") > LONG - Duration::from_secs(60));
    }
}
