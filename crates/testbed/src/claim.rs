//! One run at a time: what two would measure is each other, for they share the processor.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use anyhow::{Context, bail};
use rustix::net::sockopt::socket_peercred;

/// A claim to this machine. It ends when it is dropped, and with the process, however that ends: it is a name in the kernel
/// (an abstract socket), not a file, so a killed run leaves none behind.
#[derive(Debug)]
pub struct Claim {
    _name: UnixListener,
}

impl Claim {
    /// Makes the claim. All who use the same name in the same network exclude each other, whichever user they run as.
    ///
    /// # Errors
    /// Another process has it, and is named.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let address = SocketAddr::from_abstract_name(name).context("failed to name a claim")?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Self { _name: listener }),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => match holder(&address) {
                Some(id) => bail!("another run is under way: process {id}. Wait for its end, or end it"),
                None => bail!("another run is just beginning or ending. Try again"),
            },
            Err(error) => Err(error).context("failed to claim this machine"),
        }
    }
}

/// The process that listens there.
fn holder(address: &SocketAddr) -> Option<i32> {
    let stream = UnixStream::connect_addr(address).ok()?;
    Some(socket_peercred(&stream).ok()?.pid.as_raw_nonzero().get())
}

#[cfg(test)]
mod tests {
    use super::Claim;

    #[test]
    fn the_second_of_two_runs_is_told_who_the_first_is() {
        let id = std::process::id();
        let name = format!("manyeyes-test-{id}");
        let first = Claim::new(&name).expect("nobody else has this name");
        let refused = Claim::new(&name).expect_err("there is another").to_string();
        assert!(refused.contains(&format!("process {id}.")), "{refused}");
        drop(first);
        Claim::new(&name).expect("the first is over");
    }
}
