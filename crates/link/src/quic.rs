//! QUIC: how connections are made and taken, and what of them goes wrong.
//!
//! A connection has one **control stream**, opened by the worker, for all frames but those that carry a file; each of those
//! has a stream of its own, so that one lost packet does not hold back other images. See `docs/protocol.md`.

mod coded;
mod control;
mod files_in;
mod files_out;
mod limits;
mod order;
mod wire;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AsyncUdpSocket, ClientConfig, ConnectionError, Endpoint, EndpointConfig, Incoming, Runtime, ServerConfig,
    TokioRuntime, TransportErrorCode,
};
use rustls::pki_types::ServerName;
use socket2::SockRef;

use crate::congestion::QuicCongestion;
use crate::encryption::{self, End, Found};
use crate::manager_end::StartFast;
use crate::paths::Paths;
pub(crate) use coded::fuzz as fuzz_coded;
use coded::{CodedSocket, Codes, Coding};
use control::{Fast, Start, Steering};
pub(crate) use wire::QuicWire;

/// The bytes that may come of a connection before it is taken: its first packets fit.
const INCOMING_BYTES: u64 = 64 * 1024;

/// How much may wait in a socket, in bytes, each way: at 100 Mbit/s what comes within a third of a second.
const SOCKET_BYTES: usize = 4 << 20;

/// The TLS alert of a peer that speaks no protocol of ours (RFC 7301 section 3.2), as QUIC carries it (RFC 9001 section 4.8).
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// Where the codes of a connection's end begin that are alerts of TLS (RFC 9000 section 20.1).
const CRYPTO_CODES: u64 = 0x100;

/// Listens for workers, and takes their connections.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) endpoint: Endpoint,
    socket: Arc<CodedSocket>,
    config: ServerConfig,
    congestion: QuicCongestion,
    silence: Duration,
    /// How to begin on a path; `None`: with ten packets.
    start_fast: Option<StartFast>,
    paths: Arc<Paths>,
}

impl Listener {
    /// What it takes has this congestion control; a worker that says nothing for `silence` is gone.
    pub(crate) fn open(
        address: SocketAddr,
        tls: Arc<rustls::ServerConfig>,
        congestion: QuicCongestion,
        start_fast: Option<StartFast>,
        silence: Duration,
        most_at_the_door: usize,
        paths: Arc<Paths>,
    ) -> io::Result<Self> {
        let mut config =
            ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).map_err(io::Error::other)?));
        config
            .max_incoming(most_at_the_door)
            .incoming_buffer_size(INCOMING_BYTES)
            .incoming_buffer_size_total(INCOMING_BYTES.saturating_mul(most_at_the_door as u64));
        let socket = CodedSocket::new(socket(address)?, Codes::ToThoseWhoDo);
        let endpoint = endpoint(Some(config.clone()), socket.clone())?;
        Ok(Self { endpoint, socket, config, congestion, silence, start_fast, paths })
    }

    /// The congestion control of a connection that comes from this address, coded or not.
    fn congestion_of(&self, address: IpAddr, is_coded: bool, now: Instant) -> QuicCongestion {
        let expected = self.paths.expected(address, now).filter(|_| is_coded);
        expected.map_or(self.congestion, control::of_expected)
    }

    /// Takes a connection: the handshake, and the worker's opening of the control stream.
    pub(crate) async fn accept(self, incoming: Incoming) -> io::Result<QuicWire> {
        let coding = self.socket.with(incoming.remote_address());
        let (address, is_coded) = (incoming.remote_address().ip(), coding.is_coded());
        let congestion = self.congestion_of(address, is_coded, Instant::now());
        let Self { silence, start_fast, paths, .. } = self;
        let fast = start_fast.map(|StartFast { unknown_bits_per_s }| Fast {
            paths,
            address,
            unknown: unknown_bits_per_s.map(|bits| bits / 8.0),
        });
        let steered = Arc::new(Steering::default());
        let start = Start { congestion, is_coded, steered: Arc::clone(&steered), fast };
        let mut config = self.config;
        config.transport_config(Arc::new(limits::of_manager(silence, is_coded, Arc::new(start))));
        let connecting = incoming.accept_with(Arc::new(config));
        let lost = |error| lost(&error, End::Manager);
        let connection = connecting.map_err(lost)?.await.map_err(lost)?;
        let control = connection.accept_bi().await.map_err(lost)?;
        Ok(QuicWire::of_manager(connection, coding, control, congestion, steered))
    }
}

/// How a worker connects, and what it is.
#[derive(Clone)]
pub(crate) struct Introduction {
    /// Beside its packets come sums of them.
    pub(crate) is_coded: bool,
    pub(crate) slots: u32,
    /// The most images that it will hold.
    pub(crate) window: u32,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// What the manager's certificate has to be for, where that matters.
    pub(crate) name: ServerName<'static>,
}

/// Connects to `HOST:PORT`. Of several addresses of the host
/// each gets its share of the limit: by UDP nobody says that he is not there.
pub(crate) async fn connect(
    address: &str,
    limit: Duration,
    hello: &Introduction,
) -> io::Result<(QuicWire, SocketAddr)> {
    let addresses: Vec<_> = tokio::net::lookup_host(address).await?.collect();
    let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the manager's name has no address");
    for address in addresses {
        match tokio::time::timeout(share, connect_to(address, hello)).await {
            Ok(Ok(wire)) => return Ok((wire, address)),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = nobody(),
        }
    }
    Err(failed)
}

async fn connect_to(address: SocketAddr, hello: &Introduction) -> io::Result<QuicWire> {
    let Introduction { is_coded, slots, window, tls, name } = hello.clone();
    let any = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = socket(SocketAddr::new(any, 0))?;
    let (endpoint, coding) = if is_coded {
        let socket = CodedSocket::new(socket, Codes::ToAll);
        (endpoint(None, socket.clone())?, Coding::Coded(socket))
    } else {
        (endpoint(None, socket)?, Coding::Plain)
    };
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).map_err(io::Error::other)?));
    config.transport_config(Arc::new(limits::of_worker(window, is_coded)));
    let connecting = endpoint.connect_with(config, address, &name.to_str()).map_err(io::Error::other)?;
    let lost = |error| lost(&error, End::Worker);
    let connection = connecting.await.map_err(lost)?;
    let control = connection.open_bi().await.map_err(lost)?;
    // The endpoint goes on for as long as it has the connection.
    Ok(QuicWire::of_worker(connection, coding, control, limits::files_under_way(slots)))
}

/// A socket with room for what comes while its process does not get to run. The system gives less where it allows no more
/// (`net.core.rmem_max`, `net.core.wmem_max`), and then what does not fit is lost and sent again.
fn socket(address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    let socket = UdpSocket::bind(address)?;
    let buffers = SockRef::from(&socket);
    buffers.set_recv_buffer_size(SOCKET_BYTES)?;
    buffers.set_send_buffer_size(SOCKET_BYTES)?;
    let (receive, send) = (buffers.recv_buffer_size()?, buffers.send_buffer_size()?);
    tracing::debug!(receive, send, wanted = SOCKET_BYTES, "buffers of a socket for QUIC, bytes");
    TokioRuntime.wrap_udp_socket(socket)
}

fn endpoint(config: Option<ServerConfig>, socket: Arc<dyn AsyncUdpSocket>) -> io::Result<Endpoint> {
    let mut of_all = EndpointConfig::default();
    // By that bit a QUIC packet is told from one that is coded.
    of_all.grease_quic_bit(false);
    Endpoint::new_with_abstract_socket(of_all, config, socket, Arc::new(TokioRuntime))
}

fn nobody() -> io::Error {
    let sentence = "nobody answers there by QUIC: either UDP is blocked on the way, or the manager listens by TCP only; \
                    --transport tcp does without UDP";
    io::Error::new(io::ErrorKind::TimedOut, sentence)
}

/// Why there is no connection.
fn lost(error: &ConnectionError, end: End) -> io::Error {
    match (error, who_is_who(error, end)) {
        (ConnectionError::TimedOut, _) => nobody(),
        (_, Some(sentence)) => encryption::refused(sentence),
        (error, None) => io::Error::new(io::ErrorKind::ConnectionAborted, reason(error, end)),
    }
}

/// What one end has found wrong with what the other showed to be itself.
fn who_is_who(error: &ConnectionError, end: End) -> Option<&'static str> {
    let (code, found) = match error {
        ConnectionError::TransportError(error) => (error.code, Found::Here),
        ConnectionError::ConnectionClosed(close) => (close.error_code, Found::There),
        _ => return None,
    };
    // An alert of TLS is one of so many codes (RFC 9001 section 4.8).
    let alert = u8::try_from(u64::from(code).checked_sub(CRYPTO_CODES)?).ok()?;
    encryption::sentence(alert.into(), found, end)
}

/// For a person.
fn reason(error: &ConnectionError, end: End) -> String {
    if let Some(sentence) = who_is_who(error, end) {
        return sentence.to_owned();
    }
    match error {
        ConnectionError::ApplicationClosed(_) | ConnectionError::LocallyClosed => {
            "the connection was closed".to_owned()
        }
        ConnectionError::TimedOut => "nothing was heard over the connection any more".to_owned(),
        ConnectionError::Reset => "the peer does not know the connection any more: it was started again".to_owned(),
        ConnectionError::ConnectionClosed(close) if close.error_code == TransportErrorCode::CONNECTION_REFUSED => {
            "too many connections are being made to the manager".to_owned()
        }
        ConnectionError::ConnectionClosed(close)
            if close.error_code == TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL) =>
        {
            "a program that is no manager answers there by QUIC".to_owned()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::Identity;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn who_is_expected_over_a_far_path_gets_bbr_if_it_comes_coded() {
        let (here, elsewhere) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from([192, 0, 2, 1]));
        let (paths, now) = (Arc::<Paths>::default(), Instant::now());
        paths.expect(here, SECOND, now);
        let identity = Identity::of_key(&Identity::new_key().unwrap()).unwrap();
        let tls = encryption::of_manager(&identity, None).unwrap();
        let address = SocketAddr::from((here, 0));
        let listener = Listener::open(address, tls, QuicCongestion::Reno, None, SECOND, 1, paths).unwrap();
        let congestion_of = |address, is_coded| listener.congestion_of(address, is_coded, now);
        assert_eq!(congestion_of(here, true), QuicCongestion::Bbr);
        assert_eq!(congestion_of(here, false), QuicCongestion::Reno);
        assert_eq!(congestion_of(elsewhere, true), QuicCongestion::Reno);
    }
}
