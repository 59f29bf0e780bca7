//! Between the link and the slots: what waits, what runs, and for how long.
//!
//! The loop puts images in and takes cancelled ones out; slots take the next and say when they are through. Locks are held
//! for a look and never across anything that waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use manyeyes_link::Assigned;
use manyeyes_protocol::id::{Attempt, ImageId};

/// How many times its deadline a slot may take before the process counts it as lost. The manager has given the image to
/// others after one; three leave room for a machine that was merely overloaded.
const LOST_AFTER_DEADLINES: u32 = 3;

/// What a slot takes.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) assigned: Assigned,
    /// When its last byte was there.
    pub(crate) received: Instant,
}

/// What waits and what runs.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    slots: usize,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Task>,
    /// For how long each has run, in ticks of the loop. Ticks and not time: a process that was stopped for a while has not
    /// been at work.
    running: BTreeMap<(ImageId, Attempt), Running>,
    closed: bool,
}

#[derive(Debug)]
struct Running {
    for_ticks: u32,
    deadline: Duration,
}

impl Queue {
    /// Holds at most `limit` that wait.
    pub(crate) fn new(slots: usize, limit: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), slots, limit }
    }

    /// Says whether there was room. The session refuses what exceeds the window, so there is.
    pub(crate) fn put(&self, task: Task) -> bool {
        let mut state = self.state();
        if state.closed || state.waiting.len() >= self.limit {
            return false;
        }
        state.waiting.push_back(task);
        self.changed.notify_one();
        true
    }

    /// Takes out what has not begun.
    pub(crate) fn cancel(&self, image: ImageId, attempt: Attempt) {
        let same = |task: &Task| (task.assigned.image, task.assigned.attempt) == (image, attempt);
        self.state().waiting.retain(|task| !same(task));
    }

    /// The next, when there is one; `None` when there will be none.
    pub(crate) fn take(&self) -> Option<Task> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(task) = state.waiting.pop_front() {
                let running = Running { for_ticks: 0, deadline: task.assigned.deadline };
                state.running.insert((task.assigned.image, task.assigned.attempt), running);
                return Some(task);
            }
            state = self.changed.wait(state).expect("no slot panics while it holds the queue");
        }
    }

    /// A slot is through.
    pub(crate) fn done(&self, image: ImageId, attempt: Attempt) {
        self.state().running.remove(&(image, attempt));
    }

    /// Nothing more is taken. What waits is dropped.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    /// Counts one tick, and says whether every slot is lost.
    pub(crate) fn tick(&self, tick: Duration) -> bool {
        let mut state = self.state();
        let mut lost = 0;
        for running in state.running.values_mut() {
            // It began at some moment between two ticks: only what has passed between ticks has surely passed.
            let at_least = tick * running.for_ticks;
            running.for_ticks += 1;
            lost += usize::from(at_least >= running.deadline * LOST_AFTER_DEADLINES);
        }
        lost >= self.slots
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no slot panics while it holds the queue")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use manyeyes_protocol::id::ModelDigest;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn task(image: u64) -> Task {
        let assigned = Assigned {
            image: ImageId(image),
            attempt: Attempt(1),
            model: ModelDigest([0; 32]),
            deadline: 10 * SECOND,
            payload: Bytes::new(),
            received_in: Duration::ZERO,
        };
        Task { assigned, received: Instant::now() }
    }

    #[test]
    fn it_holds_no_more_than_its_limit_and_nothing_once_closed() {
        let queue = Queue::new(1, 2);
        assert!(queue.put(task(1)));
        assert!(queue.put(task(2)));
        assert!(!queue.put(task(3)));
        queue.close();
        assert!(!queue.put(task(4)));
        assert!(queue.take().is_none(), "what waited is dropped");
    }

    #[test]
    fn first_in_is_first_out_without_what_was_cancelled() {
        let queue = Queue::new(1, 9);
        (1..=3).for_each(|image| assert!(queue.put(task(image))));
        queue.cancel(ImageId(2), Attempt(1));
        let taken: Vec<_> = (0..2).filter_map(|_| queue.take()).map(|task| task.assigned.image.0).collect();
        assert_eq!(taken, [1, 3]);
    }

    #[test]
    fn the_slots_are_lost_when_every_one_has_been_at_work_for_three_deadlines() {
        let queue = Queue::new(2, 9);
        (1..=2).for_each(|image| assert!(queue.put(task(image))));
        queue.take();
        for _ in 0..100 {
            assert!(!queue.tick(SECOND), "the other slot is idle");
        }
        queue.take();
        for _ in 0..30 {
            assert!(!queue.tick(SECOND));
        }
        assert!(queue.tick(SECOND));
        queue.done(ImageId(2), Attempt(1));
        assert!(!queue.tick(SECOND));
    }

    /// Found by a test that failed one time in five: a slot that took an image a moment before a tick had been at it for a whole
    /// one, and a worker that was to hang for good ended as one that hangs by accident.
    #[test]
    fn a_slot_that_has_just_begun_is_not_lost_at_the_next_tick() {
        let queue = Queue::new(1, 9);
        let mut brief = task(1);
        brief.assigned.deadline = Duration::from_millis(1);
        assert!(queue.put(brief));
        queue.take();
        assert!(!queue.tick(SECOND));
        assert!(queue.tick(SECOND));
    }
}
