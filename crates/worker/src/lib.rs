//! The worker: link to vision to link, on its own threads.
//!
//! [`run()`] connects to a manager and recognises what it is given until it is told to go. One thread of the operating
//! system for each slot, each with a recogniser of its own; between them and the link one bounded queue. The async runtime
//! carries frames and never recognises.
//!
//! ```text
//! link --Assigned--> queue --> slot 1..n: decode, infer --> link
//!        (loop)      (window)   (a thread each)
//! ```
//!
//! What is recognised with is [`Work`]: a model, or for measurements of everything else a fixed time and no model.

mod failure;
mod fault;
mod outage;
mod parent;
mod queue;
mod run;
mod settings;
mod slot;
mod work;

#[cfg(test)]
mod tests;

pub use fault::{FaultMode, FaultPlan};
pub use manyeyes_link::{Authorities, Encryption, Identity, Reach, Transport, Trust};
pub use parent::end_with_parent;
pub use run::{Ended, WorkerError, run};
pub use settings::WorkerSettings;
pub use work::{Recognise, Work};
