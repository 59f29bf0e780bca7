//! The end of a worker whose parent is gone.

use std::io::{self, Read};
use std::thread;

use crate::slot::end_at_once;

/// Ends this process when standard input ends. `manyeyes up` holds the other end of its workers' standard input and never
/// writes to it: however `up` ends, `kill -9` included, the system closes that end, and the worker goes at once. Nothing is
/// lost with it, because everything accepted is in the manager's books.
///
/// # Errors
/// No thread could be started.
pub fn end_with_parent() -> io::Result<()> {
    thread::Builder::new().name("parent-watch".to_owned()).spawn(|| {
        let mut ignored = [0; 256];
        let mut input = io::stdin().lock();
        loop {
            match input.read(&mut ignored) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                Ok(_) | Err(_) => {}
            }
        }
        tracing::info!("the parent process has ended: ending too");
        end_at_once();
    })?;
    Ok(())
}
