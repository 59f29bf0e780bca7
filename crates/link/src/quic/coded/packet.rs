//! How it looks on the wire: a QUIC datagram with a head before it, or a sum of several. See `docs/protocol.md`.

use bytes::{BufMut, Bytes, BytesMut};

/// How the first byte of a QUIC packet is told from ours: this bit of it is set (RFC 9000 section 17).
const QUIC_BIT: u8 = 0x40;

/// The first byte of a datagram with a head.
const ORIGINAL: u8 = 0x10;

/// The first byte of a sum.
const REPAIR: u8 = 0x11;

/// Kind, share lost, epoch, number.
const HEAD_BYTES: usize = 1 + 1 + 2 + 4;

/// How many datagrams there are in a sum, and its seed.
const REPAIR_HEAD_BYTES: usize = HEAD_BYTES + 1 + 2;

/// The length of a datagram, in a sum.
pub(super) const LENGTH_BYTES: usize = 2;

/// What every packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// What its sender misses of ours, in 255ths.
    pub(super) lost: u8,
    /// Drawn by the sender when it began to count.
    pub(super) epoch: u16,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// A datagram.
    Original { number: u32, datagram: Bytes },
    /// The sum of these, each with its length before it and zeroes behind it, each times its factor.
    Repair { sum: Sum, bytes: Bytes },
}

/// What is in a sum: so many datagrams from this number on. The number of each is one, as [`read`] has seen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) first: u32,
    /// At least one.
    pub(super) count: u8,
    pub(super) seed: u16,
}

impl Sum {
    /// The numbers of the datagrams, each with its factor, which is not 0.
    pub(super) fn parts(self) -> impl Iterator<Item = (u32, u8)> {
        (0..u32::from(self.count)).map(move |place| {
            let number = self.first + place;
            (number, factor(self.seed, number))
        })
    }

    /// The last of the numbers.
    pub(super) fn last(self) -> u32 {
        self.first + (u32::from(self.count) - 1)
    }
}

/// A number's factor in the sum with this seed: what is left of the finalizer of `SplitMix64` (Steele and others, "Fast splittable
/// pseudorandom number generators", 2014), which is chance enough.
fn factor(seed: u16, number: u32) -> u8 {
    let mut mixed = (u64::from(seed) << 32 | u64::from(number)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).to_be_bytes().into_iter().find(|byte| *byte != 0).unwrap_or(1)
}

/// Whether it is one of ours, and not QUIC's own.
pub(super) fn is_coded(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & QUIC_BIT == 0)
}

/// A datagram with its head.
pub(super) fn original(head: Head, number: u32, datagram: &[u8]) -> Bytes {
    let mut packet = BytesMut::with_capacity(HEAD_BYTES + datagram.len());
    put_head(&mut packet, ORIGINAL, head, number);
    packet.put_slice(datagram);
    packet.freeze()
}

/// A sum with its head.
pub(super) fn repair(head: Head, sum: Sum, bytes: &[u8]) -> Bytes {
    let mut packet = BytesMut::with_capacity(REPAIR_HEAD_BYTES + bytes.len());
    put_head(&mut packet, REPAIR, head, sum.first);
    packet.put_u8(sum.count);
    packet.put_u16(sum.seed);
    packet.put_slice(bytes);
    packet.freeze()
}

/// What a packet says; `None` if it is none.
pub(super) fn read(packet: &Bytes) -> Option<(Head, Packet)> {
    let (fixed, rest) = packet.split_first_chunk::<HEAD_BYTES>()?;
    let [kind, lost, epoch_high, epoch_low, number @ ..] = *fixed;
    let (head, number) =
        (Head { lost, epoch: u16::from_be_bytes([epoch_high, epoch_low]) }, u32::from_be_bytes(number));
    match (kind, rest) {
        (ORIGINAL, [_, ..]) => Some((head, Packet::Original { number, datagram: packet.slice(HEAD_BYTES..) })),
        (REPAIR, [count @ 1..=u8::MAX, seed_high, seed_low, ..]) => {
            let sum = Sum { first: number, count: *count, seed: u16::from_be_bytes([*seed_high, *seed_low]) };
            number.checked_add(u32::from(*count) - 1)?;
            Some((head, Packet::Repair { sum, bytes: packet.slice(REPAIR_HEAD_BYTES..) }))
        }
        _ => None,
    }
}

fn put_head(packet: &mut BytesMut, kind: u8, Head { lost, epoch }: Head, number: u32) {
    packet.put_u8(kind);
    packet.put_u8(lost);
    packet.put_u16(epoch);
    packet.put_u32(number);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { lost: 38, epoch: 0xbeef };

    #[test]
    fn what_was_written_is_read_and_its_bytes_are_frozen() {
        let packet = original(HEAD, 7, b"quic");
        assert_eq!(packet[..], [0x10, 38, 0xbe, 0xef, 0, 0, 0, 7, b'q', b'u', b'i', b'c']);
        assert_eq!(read(&packet), Some((HEAD, Packet::Original { number: 7, datagram: Bytes::from_static(b"quic") })));
        let sum = Sum { first: 258, count: 3, seed: 5 };
        let packet = repair(HEAD, sum, b"sum");
        assert_eq!(packet[..], [0x11, 38, 0xbe, 0xef, 0, 0, 1, 2, 3, 0, 5, b's', b'u', b'm']);
        assert_eq!(read(&packet), Some((HEAD, Packet::Repair { sum, bytes: Bytes::from_static(b"sum") })));
    }

    #[test]
    fn factors_are_frozen_and_never_zero() {
        let sum = Sum { first: 1, count: 4, seed: 9 };
        let factors: Vec<u8> = sum.parts().map(|(_, factor)| factor).collect();
        assert_eq!(factors, [74, 121, 57, 99]);
        let all = (0..=u16::MAX).flat_map(|seed| Sum { first: 0, count: 3, seed }.parts());
        assert!(all.into_iter().all(|(_, factor)| factor != 0));
    }

    /// Found by the fuzzer: a sum that went beyond the last number had that one several times, and a panic in the receiver.
    #[test]
    fn a_sum_that_goes_beyond_the_last_number_is_not_read() {
        let sum = |count| read(&repair(HEAD, Sum { first: u32::MAX - 2, count, seed: 0 }, b"sum"));
        assert!(sum(3).is_some());
        assert_eq!(sum(4), None);
    }

    #[test]
    fn what_is_no_packet_of_ours_is_not_read() {
        let cut = repair(HEAD, Sum { first: 0, count: 1, seed: 0 }, b"");
        for bytes in [&[][..], &[0x10; 8], &[0x12; 20], &cut[..10], &[0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(read(&Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
        assert!(is_coded(&cut) && !is_coded(&[0xc3]) && !is_coded(&[0x41]) && !is_coded(&[]));
    }
}
