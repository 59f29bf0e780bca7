//! TCP: how its sockets are set, and what the system tells of them.

mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::congestion;
use crate::manager_end::ListenError;
use crate::wire::Observed;
pub(crate) use wire::TcpWire;

/// When an idle connection is probed by the system. Our own heartbeat finds a dead peer long before; this one frees the
/// socket of a process that is stopped.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How many connections may wait to be accepted: as many as workers may be connected, so that all can come back at once.
const BACKLOG: u32 = 1024;

/// Listens for workers.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: TcpListener,
    /// The congestion control that the system gives, where none was chosen and it tells.
    systems_own: Option<Arc<str>>,
}

impl Listener {
    /// What it accepts has this congestion control. `None`: the standard's at first, until it is known whether the worker leaves it to us;
    /// who does not is given the system's own. Not the other way round: Linux goes on pacing a connection that has once had bbr, whatever
    /// it has then.
    pub(crate) fn open(address: SocketAddr, congestion_control: Option<&str>) -> Result<Self, ListenError> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A manager that is started again finds its port, though connections of the one before are still being forgotten.
        socket.set_reuseaddr(true)?;
        let systems_own = match congestion_control {
            Some(name) => {
                congestion::choose(&socket, name)?;
                None
            }
            None => {
                let systems_own = congestion::in_use(&socket);
                congestion::take_first(&socket, &congestion::STANDARD);
                systems_own.map(Arc::from)
            }
        };
        socket.bind(address)?;
        Ok(Self { inner: socket.listen(BACKLOG)?, systems_own })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.inner.accept().await
    }

    /// Makes a link of a connection that was accepted.
    pub(crate) fn carry(&self, stream: TcpStream) -> io::Result<TcpWire> {
        carry(stream, self.systems_own.clone())
    }
}

/// Connects to `HOST:PORT`.
pub(crate) async fn connect(address: String, limit: Duration) -> io::Result<(TcpWire, SocketAddr)> {
    let stream = match tokio::time::timeout(limit, TcpStream::connect(&address)).await {
        Ok(connected) => connected?,
        Err(_) => {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody answers there"));
        }
    };
    let peer = stream.peer_addr()?;
    Ok((carry(stream, None)?, peer))
}

/// Makes a link of a connection.
fn carry(stream: TcpStream, systems_own: Option<Arc<str>>) -> io::Result<TcpWire> {
    // A frame is written as a whole; waiting for more of it would only delay it.
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    Ok(TcpWire::new(stream, systems_own))
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
        // 0 from a kernel before 4.19, which does not write so far.
        bytes_retransmitted: info.tcpi_bytes_retrans,
        wire_bytes_sent: info.tcpi_bytes_sent,
        // Without acknowledgements that carry nothing. 0 from a kernel before 4.6.
        packets_sent: info.tcpi_data_segs_out.into(),
        told_loss: None,
        round_trip: (info.tcpi_rtt > 0).then(|| Duration::from_micros(info.tcpi_rtt.into())),
        // All ones until there is one.
        least_round_trip: (info.tcpi_min_rtt != u32::MAX).then(|| Duration::from_micros(info.tcpi_min_rtt.into())),
        window_bytes: Some(u64::from(info.tcpi_snd_cwnd) * u64::from(info.tcpi_snd_mss)),
        delivery_bytes_per_s: (info.tcpi_delivery_rate > 0).then_some(info.tcpi_delivery_rate),
        acknowledged: info.tcpi_bytes_acked,
        unsent: info.tcpi_notsent_bytes.into(),
    }
}

/// Other systems tell it in other ways, which nobody has needed yet.
#[cfg(not(target_os = "linux"))]
fn tcp_info(_: &TcpStream) -> Observed {
    Observed::default()
}
