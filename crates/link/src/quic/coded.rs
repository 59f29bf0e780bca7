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

/// Has a receiver take datagrams that may be anything: the first byte of each tells its length.
pub(crate) fn fuzz(bytes: &[u8]) {
    use std::time::{Duration, Instant};

    let (mut receiver, mut now) = (receiver::Receiver::default(), Instant::now());
    let mut rest = bytes::Bytes::copy_from_slice(bytes);
    while let Some((&length, _)) = rest.split_first() {
        let datagram = rest.split_to(rest.len().min(1 + usize::from(length))).slice(1..);
        if let Some((head, packet)) = packet::read(&datagram) {
            receiver.take(head.epoch, packet, now);
        }
        now += Duration::from_millis(u64::from(length));
        receiver.give_up(now);
        assert!(receiver.hopeless_at().is_none_or(|at| at > now), "what was given up is still waited for");
        while receiver.next().is_some() {}
        assert!((0.0..=1.0).contains(&receiver.lost()), "{} of what was sent is lost", receiver.lost());
    }
}
