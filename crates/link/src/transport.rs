//! The transports there are, by name.

/// What carries a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// One stream of bytes each way, in the clear.
    #[default]
    Tcp,
    /// QUIC, over UDP: a stream for each file, encrypted, but with nobody's word on who the manager is.
    Quic,
}

/// What a manager listens for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// TCP alone.
    Tcp,
    /// QUIC alone.
    Quic,
    /// Both, at ports of one number: each worker chooses.
    #[default]
    Both,
}

impl Transports {
    /// Whether this one is among them.
    #[must_use]
    pub fn include(self, transport: Transport) -> bool {
        match self {
            Self::Tcp => transport == Transport::Tcp,
            Self::Quic => transport == Transport::Quic,
            Self::Both => true,
        }
    }
}
