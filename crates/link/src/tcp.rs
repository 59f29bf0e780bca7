//! TCP: how its sockets are set, and what the system tells of them.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::wire::{Observe, Observed, Wire};

/// When an idle connection is probed by the system. Our own heartbeat finds a dead peer long before; this one frees the
/// socket of a process that is stopped.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A link over TCP.
pub(crate) type TcpWire = Wire<OwnedReadHalf, OwnedWriteHalf>;

/// Connects to `HOST:PORT`.
pub(crate) async fn connect(address: String, limit: Duration) -> io::Result<(TcpWire, SocketAddr)> {
    let stream = match tokio::time::timeout(limit, TcpStream::connect(&address)).await {
        Ok(connected) => connected?,
        Err(_) => {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody answers there"));
        }
    };
    let peer = stream.peer_addr()?;
    Ok((carry(stream)?, peer))
}

/// Makes a link of a connection.
pub(crate) fn carry(stream: TcpStream) -> io::Result<TcpWire> {
    // A frame is written as a whole; waiting for more of it would only delay it.
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    let (reader, writer) = stream.into_split();
    Ok(Wire::new(reader, writer))
}

impl Observe for OwnedReadHalf {
    fn observe(&self) -> Observed {
        tcp_info(self.as_ref())
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe crate of ours reads TCP_INFO")]
fn tcp_info(stream: &TcpStream) -> Observed {
    use std::mem::{MaybeUninit, size_of};
    use std::os::fd::AsRawFd;

    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed; the kernel writes at most `length` bytes to
    // `info`, which has so many.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if failed != 0 {
        return Observed::default();
    }
    // SAFETY: a `tcp_info` is integers only, for which the zeroes it was made of are valid, and whatever the kernel wrote.
    let info = unsafe { info.assume_init() };
    Observed {
        retransmissions: info.tcpi_total_retrans.into(),
        round_trip: (info.tcpi_rtt > 0).then(|| Duration::from_micros(info.tcpi_rtt.into())),
    }
}

/// Other systems tell it in other ways, which nobody has needed yet.
#[cfg(not(target_os = "linux"))]
fn tcp_info(_: &TcpStream) -> Observed {
    Observed::default()
}
