//! The congestion control of a connection: chosen by name, and told as it is.
//!
//! The manager chooses, because the data flows from it. Over TCP what is called by no name is the system's default, which
//! differs from machine to machine: so what is in use is always read back from the socket.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;

use thiserror::Error;
use tokio::net::TcpSocket;

/// Why a congestion control cannot be chosen. A sentence for a person, less its capital letter and full stop.
#[derive(Debug, Error)]
pub enum CongestionControlError {
    /// The system has none of that name.
    #[error(
        "no congestion control is called '{name}' here; this system offers {offered} (net.ipv4.tcp_available_congestion_control)"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        offered: String,
    },
    /// The system has it, and not for us.
    #[error(
        "the congestion control '{name}' is for privileged processes here (CAP_NET_ADMIN); others may choose {allowed} \
         (net.ipv4.tcp_allowed_congestion_control)"
    )]
    NotAllowed {
        /// What was asked for.
        name: String,
        /// What anyone may choose.
        allowed: String,
    },
    /// QUIC has none of that name.
    #[error(
        "no congestion control is called '{0}' over QUIC, which offers bbr, cubic and reno: choose one of these, or listen for \
         workers by TCP only (--transport tcp)"
    )]
    UnknownToQuic(String),
    /// This system is not Linux.
    #[error("a congestion control can be chosen on Linux only; here connections have the system's own")]
    NotHere,
    /// The system says something else.
    #[error("the system does not take the congestion control '{name}'")]
    Refused {
        /// What was asked for.
        name: String,
        /// What it says.
        source: io::Error,
    },
}

/// The congestion controls of QUIC, which is not the system's: `quinn` brings them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuicCongestion {
    /// The default of `quinn`.
    Cubic,
    /// NewReno.
    Reno,
    /// BBR in its first version, which `quinn` calls experimental.
    Bbr,
}

impl QuicCongestion {
    /// By the name that TCP has for the like; no name: the default.
    pub(crate) fn called(name: Option<&str>) -> Result<Self, CongestionControlError> {
        match name {
            None | Some("cubic") => Ok(Self::Cubic),
            Some("reno") => Ok(Self::Reno),
            Some("bbr") => Ok(Self::Bbr),
            Some(other) => Err(CongestionControlError::UnknownToQuic(other.to_owned())),
        }
    }

    /// As it is told: with the transport, since TCP's of that name is another program.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::Cubic => "quic cubic",
            Self::Reno => "quic reno",
            Self::Bbr => "quic bbr",
        }
    }
}

/// What a path is begun with that is not known to lose packets: the standards' own (RFC 9438, RFC 5681), the first for the privileged
/// on many systems. The system's default may be another.
pub(crate) const STANDARD: [&str; 2] = ["cubic", "reno"];

/// Sets the congestion control of a socket that is to listen: the connections that it accepts have it too, unless their route
/// has one of its own (`ip route ... congctl`).
#[cfg(target_os = "linux")]
pub(crate) fn choose(socket: &TcpSocket, name: &str) -> Result<(), CongestionControlError> {
    use rustix::io::Errno;
    use rustix::net::sockopt;

    let unknown = || CongestionControlError::Unknown { name: name.to_owned(), offered: names("available") };
    match sockopt::set_tcp_congestion(socket, name) {
        // The system reads a name up to its fifteenth byte, and may know what it has read.
        Ok(()) if sockopt::tcp_congestion(socket).is_ok_and(|in_use| in_use == name) => Ok(()),
        Ok(()) | Err(Errno::NOENT | Errno::INVAL) => Err(unknown()),
        Err(Errno::PERM) => {
            Err(CongestionControlError::NotAllowed { name: name.to_owned(), allowed: names("allowed") })
        }
        Err(error) => Err(CongestionControlError::Refused { name: name.to_owned(), source: error.into() }),
    }
}

/// Other systems offer none, or in other ways that nobody has needed yet.
#[cfg(not(target_os = "linux"))]
pub(crate) fn choose(_: &TcpSocket, _: &str) -> Result<(), CongestionControlError> {
    Err(CongestionControlError::NotHere)
}

/// Has a connection, or a socket that is to listen, carried with the first of these from here on that the system has, and lets us have. Where there is
/// none it stays as it is.
#[cfg(target_os = "linux")]
pub(crate) fn take_first(socket: &impl AsFd, names: &[&str]) {
    let taken = names.iter().find(|name| rustix::net::sockopt::set_tcp_congestion(socket, name).is_ok());
    tracing::debug!(?names, ?taken, "the congestion control of a connection is changed");
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn take_first<S>(_: &S, _: &[&str]) {}

/// What a connection is carried with, or a socket that is to listen gives, where the system tells.
#[cfg(target_os = "linux")]
pub(crate) fn in_use(socket: &impl AsFd) -> Option<String> {
    rustix::net::sockopt::tcp_congestion(socket).ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn in_use<S>(_: &S) -> Option<String> {
    None
}

/// The names of one of the kernel's lists, for a person.
#[cfg(target_os = "linux")]
fn names(which: &str) -> String {
    let list = std::fs::read_to_string(format!("/proc/sys/net/ipv4/tcp_{which}_congestion_control"));
    let list = list.unwrap_or_default();
    let names: Vec<_> = list.split_whitespace().collect();
    match names.as_slice() {
        [] => "what it does not tell".to_owned(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
