//! The ends of links that are on this host, as probes need them: sockets by the lab's numbers.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;

use crate::calibration::{Errand, Heard, Listener, Sent};

#[derive(Default)]
pub(super) struct Probes {
    sockets: Mutex<BTreeMap<u64, UdpSocket>>,
    listeners: Mutex<BTreeMap<u64, Listener>>,
}

impl Probes {
    /// Opens one. Those of the probes before are closed when their numbers come again.
    pub(super) fn open(&self, socket: u64, address: Ipv4Addr) -> anyhow::Result<u16> {
        let opened = UdpSocket::bind((address, 0)).context("failed to open a socket for probes")?;
        let port = opened.local_addr().context("a socket has no address")?.port();
        lock(&self.sockets).insert(socket, opened);
        Ok(port)
    }

    pub(super) fn connect(&self, socket: u64, to: SocketAddrV4) -> anyhow::Result<()> {
        self.socket(socket)?.connect(to).with_context(|| format!("failed to find a way to {}", to.ip()))
    }

    pub(super) fn send(&self, socket: u64, errand: &Errand) -> anyhow::Result<Sent> {
        errand.carry_out(&self.socket(socket)?).context("failed to send probes")
    }

    pub(super) fn listen(&self, socket: u64) -> anyhow::Result<()> {
        let listener = Listener::begin(self.socket(socket)?).context("failed to listen for probes")?;
        lock(&self.listeners).insert(socket, listener);
        Ok(())
    }

    pub(super) fn heard(&self, socket: u64) -> anyhow::Result<Heard> {
        let listener = lock(&self.listeners).remove(&socket).context("nobody listens there")?;
        listener.end().context("failed to listen for probes")
    }

    fn socket(&self, socket: u64) -> anyhow::Result<UdpSocket> {
        let sockets = lock(&self.sockets);
        sockets.get(&socket).context("there is no such socket")?.try_clone().context("failed to use a socket twice")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
