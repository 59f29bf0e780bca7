//! The way to the manager: which transport is tried, and what is remembered of what came of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io;
use tokio::time::timeout;

use crate::encryption::{self, Encryption, Identity, Trust};
use crate::transport::{Reach, Transport};
use crate::wire::Wire;
use crate::{quic, tcp};

/// How long QUIC is waited for at least when TCP has connected: its handshake, should a packet of it be lost, is begun again after
/// one second.
const QUIC_PATIENCE: Duration = Duration::from_secs(2);

/// For how long QUIC is not tried where it was not to be had.
const WITHOUT_QUIC: Duration = Duration::from_secs(600);

/// What came of connecting: the connection, and with whom.
pub(super) type Connected = io::Result<(Wire, SocketAddr)>;

/// Where the manager is, and what we are to it.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    /// `HOST:PORT`.
    pub(super) manager: String,
    /// How long a connection may take.
    pub(super) limit: Duration,
    pub(super) slots: u32,
    pub(super) window: u32,
    /// Whether a connection by TCP is encrypted.
    pub(super) encryption: Encryption,
    /// How it is known, and we.
    pub(super) trust: Trust,
    pub(super) identity: Option<Identity>,
}

/// Which way is taken.
#[derive(Debug)]
pub(super) struct Way {
    reach: Reach,
    /// The manager has asked for this one.
    asked: Option<Transport>,
    no_quic_since: Option<Instant>,
    has_told: bool,
}

/// What is to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// This one alone.
    Only(Transport),
    /// This one, which is QUIC, and TCP, both at once: QUIC is taken, if it comes soon after TCP.
    OrTcp(Transport),
    /// TCP, and QUIC where there is none.
    TcpElseQuic,
}

impl Way {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, asked: None, no_quic_since: None, has_told: false }
    }

    /// Whether the manager may ask for another.
    pub(super) fn moves(&self) -> bool {
        self.reach == Reach::Auto
    }

    /// What is to be tried now.
    pub(super) fn plan(&self, now: Instant) -> Plan {
        let without_quic = self.no_quic_since.is_some_and(|since| now.saturating_duration_since(since) < WITHOUT_QUIC);
        match (self.reach, self.asked) {
            (Reach::Only(transport), _) => Plan::Only(transport),
            (Reach::Auto, Some(quic @ (Transport::Quic | Transport::Coded))) if !without_quic => Plan::OrTcp(quic),
            (Reach::Auto, _) => Plan::TcpElseQuic,
        }
    }

    /// The manager asks for this one. Whether it can be tried.
    pub(super) fn ask(&mut self, transport: Transport) -> bool {
        if self.reach == Reach::Auto {
            self.asked = Some(transport);
        }
        self.reach == Reach::Auto
    }

    /// Takes note of a connection that was made. Says whether it is the first by TCP because there was no QUIC: that is told once.
    pub(super) fn made(&mut self, plan: Plan, by: Transport, now: Instant) -> bool {
        match by {
            Transport::Quic | Transport::Coded => self.no_quic_since = None,
            Transport::Tcp if matches!(plan, Plan::OrTcp(_)) => {
                self.no_quic_since = Some(now);
                return !std::mem::replace(&mut self.has_told, true);
            }
            Transport::Tcp => {}
        }
        false
    }

    /// The one that the manager asked for could not be had. Says whether that is to be told: once, that there is no QUIC.
    pub(super) fn failed(&mut self, transport: Transport, now: Instant) -> bool {
        self.asked = None;
        if transport == Transport::Tcp {
            return false;
        }
        self.no_quic_since = Some(now);
        !std::mem::replace(&mut self.has_told, true)
    }
}

impl Destination {
    /// Connects as it is planned.
    pub(super) async fn connect(self, plan: Plan) -> Connected {
        match plan {
            Plan::Only(transport) => self.by(transport).await,
            Plan::TcpElseQuic => match self.by(Transport::Tcp).await {
                Ok(connected) => Ok(connected),
                Err(no_tcp) => self.by(Transport::Quic).await.map_err(|no_quic| neither(&no_tcp, &no_quic)),
            },
            Plan::OrTcp(quic) => self.by_either(quic).await,
        }
    }

    async fn by(&self, transport: Transport) -> Connected {
        let tls = encryption::of_worker(&self.trust, self.identity.as_ref())?;
        let name = encryption::name(&self.manager, &self.trust)?;
        match transport {
            Transport::Tcp => {
                let (address, knows) = (self.manager.clone(), self.trust.knows() || self.identity.is_some());
                let encrypted = |peer: SocketAddr| self.encryption.applies(peer.ip(), knows).then_some((tls, name));
                let (wire, manager) = tcp::connect(address, self.limit, encrypted).await?;
                Ok((Wire::Tcp(Box::new(wire)), manager))
            }
            Transport::Quic | Transport::Coded => {
                let is_coded = transport == Transport::Coded;
                let hello = quic::Introduction { is_coded, slots: self.slots, window: self.window, tls, name };
                let (wire, manager) = quic::connect(&self.manager, self.limit, &hello).await?;
                Ok((Wire::Quic(Box::new(wire)), manager))
            }
        }
    }

    /// How long QUIC is waited for when TCP took so long. The manager waits for a Hello meanwhile, for about the limit.
    fn patience(&self, tcp_took: Duration) -> Duration {
        QUIC_PATIENCE.max(2 * tcp_took).min(self.limit / 2)
    }

    async fn by_either(&self, quic: Transport) -> Connected {
        let began = Instant::now();
        let (quic, tcp) = (self.by(quic), self.by(Transport::Tcp));
        let (mut quic, mut tcp) = (std::pin::pin!(quic), std::pin::pin!(tcp));
        tokio::select! {
            biased;
            by_quic = &mut quic => match by_quic {
                Ok(connected) => Ok(connected),
                Err(no_quic) => tcp.await.map_err(|no_tcp| neither(&no_tcp, &no_quic)),
            },
            by_tcp = &mut tcp => match by_tcp {
                // Its handshake takes as long as TCP's, and more where packets are lost.
                Ok(connected) => match timeout(self.patience(began.elapsed()), quic).await {
                    Ok(Ok(by_quic)) => Ok(by_quic),
                    Ok(Err(_)) | Err(_) => Ok(connected),
                },
                Err(no_tcp) => quic.await.map_err(|no_quic| neither(&no_tcp, &no_quic)),
            },
        }
    }
}

fn neither(no_tcp: &io::Error, no_quic: &io::Error) -> io::Error {
    io::Error::new(no_tcp.kind(), format!("by TCP: {no_tcp}; by QUIC: {no_quic}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_told_a_transport_tries_no_other() {
        let mut way = Way::new(Reach::Only(Transport::Quic));
        assert!(!way.ask(Transport::Tcp) && !way.moves());
        assert_eq!(way.plan(Instant::now()), Plan::Only(Transport::Quic));
    }

    #[test]
    fn where_there_was_no_quic_it_is_told_once_and_tried_again_after_ten_minutes() {
        let (mut way, start) = (Way::new(Reach::Auto), Instant::now());
        assert!(way.ask(Transport::Coded));
        let both = Plan::OrTcp(Transport::Coded);
        assert_eq!(way.plan(start), both);
        assert!(way.made(both, Transport::Tcp, start));
        assert_eq!(way.plan(start + Duration::from_secs(599)), Plan::TcpElseQuic);
        let later = start + WITHOUT_QUIC;
        assert_eq!(way.plan(later), both);
        assert!(!way.made(both, Transport::Tcp, later));
    }

    #[test]
    fn the_one_that_the_manager_asked_for_is_tried_first_from_then_on_unless_it_could_not_be_had() {
        let (mut way, start) = (Way::new(Reach::Auto), Instant::now());
        assert_eq!(way.plan(start), Plan::TcpElseQuic);
        assert!(way.ask(Transport::Quic));
        assert_eq!(way.plan(start), Plan::OrTcp(Transport::Quic));
        assert!(way.failed(Transport::Quic, start) && !way.failed(Transport::Quic, start), "told once");
        assert_eq!(way.plan(start), Plan::TcpElseQuic);
    }
}
