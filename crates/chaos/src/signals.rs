//! What the threads of a run tell each other: that it is over, and how.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The least that somebody waits between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Shared by all threads of a run.
#[derive(Clone)]
pub(crate) struct Signals {
    /// Begin nothing new; finish what was begun.
    finish: Arc<AtomicBool>,
    /// Stop at once: somebody has pressed Ctrl-C.
    abort: Arc<AtomicBool>,
    /// By then everything that was begun is to be finished, or it never will be.
    deadline: Instant,
}

impl Signals {
    pub(crate) fn new(abort: Arc<AtomicBool>, deadline: Instant) -> Self {
        Self { finish: Arc::default(), abort, deadline }
    }

    pub(crate) fn finish(&self) {
        self.finish.store(true, Ordering::Relaxed);
    }

    pub(crate) fn abort(&self) {
        self.abort.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_to_finish(&self) -> bool {
        self.finish.load(Ordering::Relaxed) || self.is_to_stop()
    }

    /// Whether there is no time left, or nobody wants the rest.
    pub(crate) fn is_to_stop(&self) -> bool {
        self.is_aborted() || Instant::now() >= self.deadline
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.abort.load(Ordering::Relaxed)
    }

    /// Waits, unless it is to stop.
    pub(crate) fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.is_to_stop() {
            thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
    }
}
