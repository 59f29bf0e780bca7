//! What is said between the manager and a worker: the frames, and the two ends of a session as pure state machines.
//!
//! Nothing here reads a clock, opens a socket, awaits or draws a random number. `handle_*` takes what happened and
//! `now`; `poll_*` gives what to do next. So every timing is a unit test, and a bad network is a loop in one.

pub mod frame;
pub mod id;
pub mod manager_session;
pub mod result;
pub mod timer;
pub mod worker_session;

pub use timer::TimerSettings;
