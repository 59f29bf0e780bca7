//! The transports there are, by name and by number.

use std::fmt;

use manyeyes_protocol::frame::TransportNumber;

/// What carries a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// One stream of bytes each way, in the clear.
    #[default]
    Tcp,
    /// QUIC, over UDP: a stream for each file, encrypted, but with nobody's word on who the manager is.
    Quic,
    /// QUIC, and beside its packets sums of them, from which those that are lost are worked out.
    Coded,
}

/// How a worker is to reach its manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// By this one and no other.
    Only(Transport),
    /// By TCP, or by QUIC where there is no TCP; and by the one that the manager asks for, once it has sounded the path.
    Auto,
}

/// What a manager listens for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// TCP alone.
    Tcp,
    /// QUIC alone, coded or not.
    Quic,
    /// Both, at ports of one number: each worker chooses.
    #[default]
    Both,
}

impl Transport {
    /// Its number on the wire, frozen.
    pub(crate) fn number(self) -> TransportNumber {
        TransportNumber(match self {
            Self::Tcp => 1,
            Self::Quic => 2,
            Self::Coded => 3,
        })
    }

    /// The one of this number.
    pub(crate) fn numbered(number: TransportNumber) -> Option<Self> {
        [Self::Tcp, Self::Quic, Self::Coded].into_iter().find(|transport| transport.number() == number)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Tcp => "TCP",
            Self::Quic => "QUIC",
            Self::Coded => "coded QUIC",
        })
    }
}

impl Default for Reach {
    fn default() -> Self {
        Self::Only(Transport::default())
    }
}

impl Transports {
    /// Whether this one is among them.
    #[must_use]
    pub fn include(self, transport: Transport) -> bool {
        match self {
            Self::Tcp => transport == Transport::Tcp,
            Self::Quic => transport != Transport::Tcp,
            Self::Both => true,
        }
    }
}
