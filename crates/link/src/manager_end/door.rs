//! Where workers come in: what is listened on, and who is let into the hall.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io;
use tracing::Instrument;

use super::connection::Arrival;
use super::{ManagerSettings, Shared};
use crate::congestion::{CongestionControlError, QuicCongestion};
use crate::encryption::{self, Identity};
use crate::paths::Paths;
use crate::transport::{Transport, Transports};
use crate::wire::Wire;
use crate::{quic, tcp};

/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many free ports of TCP are tried until one is free for UDP too. Some other program would have to have most of them.
const PORT_TRIES: u32 = 16;

/// How long the port stays open when all is shut down, for the packets that say so to be sent, and again if they are lost on a
/// short way.
const LAST_PACKETS: Duration = Duration::from_millis(250);

/// Why nothing can be listened for.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The address cannot be listened on.
    #[error(transparent)]
    Address(#[from] io::Error),
    /// The address cannot be listened on by UDP, as QUIC needs.
    #[error("{0}")]
    Udp(#[source] io::Error),
    /// The connections cannot have the congestion control that was asked for.
    #[error(transparent)]
    CongestionControl(#[from] CongestionControlError),
}

/// What is listened on: at least one of them.
pub(super) struct Doors {
    pub(super) address: SocketAddr,
    tcp: Option<tcp::Listener>,
    quic: Option<quic::Listener>,
    pub(super) paths: Arc<Paths>,
}

impl Doors {
    /// Opens them: where there are two, at ports of one number.
    pub(super) fn open(listen: SocketAddr, settings: &ManagerSettings) -> Result<Self, ListenError> {
        let tries = if listen.port() == 0 && settings.transports == Transports::Both { PORT_TRIES } else { 1 };
        let mut opened = Self::try_to_open(listen, settings);
        for _ in 1..tries {
            match opened {
                Err(ListenError::Udp(error)) if error.kind() == io::ErrorKind::AddrInUse => {
                    opened = Self::try_to_open(listen, settings);
                }
                settled => return settled,
            }
        }
        opened
    }

    fn try_to_open(listen: SocketAddr, settings: &ManagerSettings) -> Result<Self, ListenError> {
        let ManagerSettings { transports, congestion_control, start_fast, timers, max_ungreeted, .. } = settings;
        let tls = tls(settings)?;
        let mut doors = Self { address: listen, tcp: None, quic: None, paths: Arc::default() };
        if transports.include(Transport::Tcp) {
            let listener = tcp::Listener::open(listen, settings, Arc::clone(&tls))?;
            doors.address = listener.local_addr()?;
            doors.tcp = Some(listener);
        }
        if transports.include(Transport::Quic) {
            let congestion = QuicCongestion::called(congestion_control.as_deref())?;
            let paths = Arc::clone(&doors.paths);
            let opened = quic::Listener::open(
                doors.address,
                tls,
                congestion,
                *start_fast,
                timers.silence,
                *max_ungreeted,
                paths,
            );
            let listener = opened.map_err(ListenError::Udp)?;
            doors.address = listener.endpoint.local_addr().map_err(ListenError::Udp)?;
            doors.quic = Some(listener);
        }
        Ok(doors)
    }

    /// Begins to accept workers, until the manager's end is shut down.
    pub(super) fn accept(self, shared: &Arc<Shared>) {
        if let Some(listener) = self.tcp {
            let accepting = accept_tcp(Arc::clone(shared), listener);
            shared.tasks.spawn(accepting.instrument(tracing::info_span!("accept", transport = "tcp")));
        }
        if let Some(listener) = self.quic {
            let accepting = accept_quic(Arc::clone(shared), listener);
            shared.tasks.spawn(accepting.instrument(tracing::info_span!("accept", transport = "quic")));
        }
    }
}

async fn accept_tcp(shared: Arc<Shared>, listener: tcp::Listener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let wire = listener.carrier().carry(stream, address);
                greet(&shared, address, async { Ok(Wire::Tcp(Box::new(wire.await?))) });
            }
            // Too many open files, most likely. The connection stays in the backlog; asking at once would only spin.
            Err(error) => {
                if let Some(passed_over) = shared.complaints.one_more(Instant::now()) {
                    tracing::warn!(%error, passed_over, "failed to accept a worker's connection");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept_quic(shared: Arc<Shared>, listener: quic::Listener) {
    let endpoint = &listener.endpoint;
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            () = shared.shutdown.cancelled() => break,
        };
        let Some(incoming) = incoming else {
            break;
        };
        // Anyone can send from an address that is not his own. Where places are few, one has to show that he hears us there.
        if shared.hall().is_crowded() && incoming.may_retry() && !incoming.remote_address_validated() {
            // An error says that it cannot be asked of this one, which was looked at.
            let _ = incoming.retry();
        } else {
            let (address, wire) = (incoming.remote_address(), listener.clone().accept(incoming));
            greet(&shared, address, async { Ok(Wire::Quic(Box::new(wire.await?))) });
        }
    }
    endpoint.set_server_config(None);
    // Whoever has not heard by then that his connection is closed finds out by himself.
    let _ = tokio::time::timeout(LAST_PACKETS, endpoint.wait_idle()).await;
}

/// Gives a connection its task, which begins with what makes a wire of it.
fn greet(shared: &Arc<Shared>, address: SocketAddr, wire: impl Future<Output = io::Result<Wire>> + Send + 'static) {
    let arrival = Arrival::new(Arc::clone(shared), address);
    let task = async move {
        if let Some(connection) = arrival.prepare(wire).await {
            connection.run().await;
        }
    };
    shared.tasks.spawn(task.instrument(tracing::info_span!("worker", %address)));
}

fn tls(settings: &ManagerSettings) -> io::Result<Arc<rustls::ServerConfig>> {
    let of_this_run = || Identity::of_key(&Identity::new_key()?).map_err(io::Error::other);
    let identity = settings.identity.clone().map_or_else(of_this_run, Ok)?;
    encryption::of_manager(&identity, settings.authorities.as_ref())
}
