//! TCP: how its sockets are set, and what the system tells of them.

mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use manyeyes_protocol::frame::{Encoded, ManagerFrame, Refusal, RefusalCode};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::congestion;
use crate::encryption::{self, Encryption, End, FIRST_BYTE_OF_TLS};
use crate::manager_end::{ListenError, ManagerSettings};
use crate::wire::{LAST_WORDS, Observed};
use wire::Socket;
pub(crate) use wire::TcpWire;

/// When an idle connection is probed by the system. Our own heartbeat finds a dead peer long before; this one frees the
/// socket of a process that is stopped.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How much of what a peer says that is refused is waited for, in bytes: more than a Hello, or how TLS begins.
const MOST_UNHEARD: u64 = 64 * 1024;

/// How many connections may wait to be accepted: as many as workers may be connected, so that all can come back at once.
const BACKLOG: u32 = 1024;

/// Listens for workers.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: TcpListener,
    carrier: Carrier,
}

/// Makes links of the connections that are accepted.
#[derive(Clone)]
pub(crate) struct Carrier {
    acceptor: TlsAcceptor,
    encryption: Encryption,
    /// Whether workers have to show who they are, which they cannot in the clear.
    wants_certificates: bool,
    /// The congestion control that the system gives, where none was chosen and it tells.
    systems_own: Option<Arc<str>>,
}

impl Listener {
    /// What it accepts has this congestion control. `None`: the standard's at first, until it is known whether the worker leaves it to us;
    /// who does not is given the system's own. Not the other way round: Linux goes on pacing a connection that has once had bbr, whatever
    /// it has then.
    pub(crate) fn open(
        address: SocketAddr,
        settings: &ManagerSettings,
        tls: Arc<rustls::ServerConfig>,
    ) -> Result<Self, ListenError> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A manager that is started again finds its port, though connections of the one before are still being forgotten.
        socket.set_reuseaddr(true)?;
        let systems_own = match settings.congestion_control.as_deref() {
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
        let (encryption, wants_certificates) = (settings.encryption, settings.authorities.is_some());
        let carrier = Carrier { acceptor: TlsAcceptor::from(tls), encryption, wants_certificates, systems_own };
        Ok(Self { inner: socket.listen(BACKLOG)?, carrier })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.inner.accept().await
    }

    pub(crate) fn carrier(&self) -> Carrier {
        self.carrier.clone()
    }
}

impl Carrier {
    /// Makes a link of a connection that was accepted, once its first byte has come: by that it is told whether it is encrypted. One that
    /// should be and is not is told so, in the clear, and so is one that is where nothing is to be.
    pub(crate) async fn carry(self, stream: TcpStream, peer: SocketAddr) -> io::Result<TcpWire> {
        prepare(&stream)?;
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let socket = if first == [FIRST_BYTE_OF_TLS] {
            if self.encryption == Encryption::Never {
                let sentence = "this manager does not speak TLS, and this worker does (--encryption)";
                refuse(stream, sentence).await;
                return Err(encryption::refused("it came with TLS, which this manager does not speak (--encryption)"));
            }
            let accepted = self.acceptor.accept(stream).await;
            Socket::Right(Box::new(accepted.map_err(|error| encryption::explain(error, End::Manager))?.into()))
        } else {
            if self.encryption.applies(peer.ip(), self.wants_certificates) {
                refuse(stream, "this manager speaks TLS only, and this worker came without (--encryption)").await;
                return Err(encryption::refused("it came without TLS"));
            }
            Socket::Left(stream)
        };
        Ok(TcpWire::new(socket, End::Manager, self.systems_own))
    }
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Carrier").field("encryption", &self.encryption).finish_non_exhaustive()
    }
}

/// Says in the clear why not. Who cannot read it has lost nothing.
async fn refuse(mut stream: TcpStream, sentence: &str) {
    let refusal = Refusal { code: RefusalCode::Encryption, sentence: sentence.to_owned() };
    let Encoded { head, .. } = ManagerFrame::Refused(refusal).encode();
    let said = async {
        stream.write_all(&head).await?;
        stream.shutdown().await?;
        // A socket that is closed with bytes unread takes back what it has said.
        io::copy(&mut stream.take(MOST_UNHEARD), &mut io::sink()).await
    };
    let _ = tokio::time::timeout(LAST_WORDS, said).await;
}

/// Connects to `HOST:PORT`; encrypted with what TLS has to be like there and the name that the other end has to show, unless that is `None`.
pub(crate) async fn connect(
    address: String,
    limit: Duration,
    tls: impl FnOnce(SocketAddr) -> Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
) -> io::Result<(TcpWire, SocketAddr)> {
    let connect = async {
        let stream = TcpStream::connect(&address).await?;
        let peer = stream.peer_addr()?;
        prepare(&stream)?;
        let socket = match tls(peer) {
            Some((config, name)) => {
                let connected = TlsConnector::from(config).connect(name, stream).await;
                Socket::Right(Box::new(connected.map_err(|error| encryption::explain(error, End::Worker))?.into()))
            }
            None => Socket::Left(stream),
        };
        Ok((TcpWire::new(socket, End::Worker, None), peer))
    };
    let too_long = || io::Error::new(io::ErrorKind::TimedOut, "nobody answers there");
    tokio::time::timeout(limit, connect).await.unwrap_or_else(|_| Err(too_long()))
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // A frame is written as a whole; waiting for more of it would only delay it.
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))
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
