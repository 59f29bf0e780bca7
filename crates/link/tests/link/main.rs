//! What the link promises, with real sockets. Nothing here sleeps: each test waits for what it expects, with a deadline.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod hostile;
mod promises;
mod relay;
mod stage;
