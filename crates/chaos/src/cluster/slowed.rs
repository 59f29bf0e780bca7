//! Processes that get too little time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use crate::seat::send;

/// Of each turn a slow worker gets the first part, and is stopped for the second.
const SLOW_TURN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(90));

/// A process that gets a tenth of its time, until this is dropped.
pub(super) struct Slowed {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Slowed {
    pub(super) fn start(id: u32) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                send(id, Signal::STOP);
                thread::sleep(SLOW_TURN.1);
                send(id, Signal::CONT);
                thread::sleep(SLOW_TURN.0);
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // It panics nowhere, and it has given the process its time back by its end.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
