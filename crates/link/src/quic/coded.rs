//! Losses made good without sending again: beside QUIC's datagrams go sums of the last ones, from which what is lost can be worked out.
//!
//! It is below QUIC, which sees a path that loses next to nothing: its handshake, its acknowledgements and every stream are covered, and
//! nothing above knows of it. Sums are sent beyond what QUIC's congestion control has allowed, in proportion to it. See
//! `docs/protocol.md` for how it looks on the wire, and decision 0017 for why.

mod field;
mod odds;
mod packet;
mod receiver;
mod sender;
mod socket;
#[cfg(test)]
mod tests;

pub(super) use socket::{CodedSocket, Codes, Coding};
