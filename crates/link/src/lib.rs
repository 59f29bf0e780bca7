//! How it travels: sessions over real transports, behind two small faces.
//!
//! [`ManagerEnd`] is the manager's: it listens, and its owner receives what workers say. [`WorkerEnd`] is the worker's:
//! it connects, again and again. What is said, and when, is decided by the pure sessions of `manyeyes-protocol`; here
//! are the sockets, the clock and the random numbers.

mod congestion;
mod encryption;
#[doc(hidden)]
pub mod fuzzing;
pub mod manager_end;
mod paths;
mod quic;
mod tcp;
mod transport;
mod wire;
pub mod worker_end;

pub use congestion::CongestionControlError;
pub use encryption::{Authorities, Encryption, Fingerprint, Identity, IdentityError, NoFingerprint, Trust};
pub use manager_end::{Departure, FromWorker, ListenError, ManagerEnd, ManagerSettings, StartFast, WorkerProfile};
pub use manyeyes_protocol::frame::{InputSize, ModelDescription};
pub use manyeyes_protocol::keys::Keys;
pub use manyeyes_protocol::manager_session::{Assignment, WireTiming};
pub use manyeyes_protocol::timer::TimerSettings;
pub use manyeyes_protocol::worker_session::Assigned;
pub use transport::{Reach, Transport, Transports};
pub use wire::{WireCounters, WireUse};
pub use worker_end::{FromManager, Said, WorkerEnd, WorkerSettings};
