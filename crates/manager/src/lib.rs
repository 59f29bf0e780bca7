//! The manager: it keeps what is uploaded, has it recognised by workers, and shows each answer the moment it exists.
//!
//! One file a stage, in the order of the life of one image: `upload` (bytes in), `store` (kept), `engine` (queue,
//! dispatch and link behind one face), `results` (recorded, then shown), `web` (HTTP and WebSocket).

mod admission;
pub mod api;
mod confined;
pub mod engine;
#[doc(hidden)]
pub mod fuzzing;
mod hub;
mod identity;
mod live;
mod manager;
mod rate;
mod remembered;
mod results;
mod secret_file;
pub mod settings;
mod smaller;
pub mod store;
mod thumbnail;
pub mod tokens;
mod upload;
mod web;

pub use self::identity::fingerprint;
pub use self::manager::{Manager, StartError, start};
