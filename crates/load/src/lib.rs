//! Load on an HTTP classifier: when requests start (`arrivals`), what they send and what counts as an answer (`target`), carrying that out
//! (`drive`), what came of it (`tally`), and what repeats of it say (`report`).
//!
//! Two ways to load. **Closed**: so many requests are always under way, which finds what a server can do. **Open**: requests start when they
//! are due, however many are under way, and their time counts from when they were due. So a server that stalls is charged for what would have
//! come meanwhile; a closed loop politely waits, and leaves the worst out (G. Tene calls it coordinated omission).

mod arrivals;
mod drive;
mod report;
mod tally;
mod target;

pub use arrivals::Arrivals;
pub use drive::{Pace, Plan, drive};
pub use report::{Interval, Latency, Repeat, Report};
pub use tally::Tally;
pub use target::{Connections, Form, Outcome, Picture, Target, TargetError};
