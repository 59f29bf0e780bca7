//! What is said between the manager and a worker: the frames, and the two ends of a session as pure state machines.
//!
//! Nothing here reads a clock, opens a socket, awaits or draws a random number. `handle_*` takes what happened and
//! `now`; `poll_*` gives what to do next. So every timing is a unit test, and a bad network is a loop in one.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod frame;
pub mod id;
pub mod keys;
pub mod manager_session;
pub mod result;
pub mod smoothed;
pub mod timer;
pub mod worker_session;

#[cfg(test)]
mod tests;

pub use timer::TimerSettings;

/// The most small frames that wait to be said at either end. They wait only for a peer that does not read, and such a
/// session is ended: its images go to others.
const MAX_UNSAID: usize = 16 * 1024;
