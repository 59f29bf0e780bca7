//! What the link promises, with real sockets. Nothing here sleeps: each test waits for what it expects, with a deadline.

mod hostile;
mod promises;
mod relay;
mod stage;
