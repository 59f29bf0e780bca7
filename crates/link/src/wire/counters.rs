//! What connections carry, as it is counted and as it is told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::WireUse;

/// What a worker's connections have carried, all of them together, those of earlier processes of the same
/// [`WorkerProfile::id`](crate::WorkerProfile::id) included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireCounters {
    /// Bytes of frames given to the transport.
    pub bytes_sent: u64,
    /// Bytes of frames taken from the transport.
    pub bytes_received: u64,
    /// Bytes of image file among those sent.
    pub payload_bytes: u64,
    /// Bytes that the transport has sent, those that it sent again among them: over TCP what its segments had in them, where the system
    /// tells (Linux from 4.19 on), otherwise 0; over QUIC whole datagrams.
    pub wire_bytes_sent: u64,
    /// TCP segments sent again, where the system tells (Linux), otherwise 0; QUIC packets held for lost, whose frames are sent
    /// again.
    pub retransmissions: u64,
    /// Bytes in them; over TCP where the system tells (Linux from 4.19 on), otherwise 0.
    pub bytes_retransmitted: u64,
    /// The transport's own smoothed round trip; over TCP where the system tells (Linux).
    pub transport_rtt: Option<Duration>,
    /// The least round trip that the transport has seen on the newest connection; over TCP where the system tells (Linux).
    pub least_rtt: Option<Duration>,
    /// The congestion window, bytes; over TCP where the system tells (Linux).
    pub window_bytes: Option<u64>,
    /// What the transport last found that the path delivers, bytes a second: TCP on Linux only.
    pub delivery_bytes_per_s: Option<u64>,
    /// The session's smoothed round trip, from ping to pong.
    pub smoothed_rtt: Option<Duration>,
    /// The path is being sounded: by which transport the worker should come is not known yet.
    pub sounding: bool,
}

/// What a transport knows of a connection, since its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) retransmissions: u64,
    pub(crate) bytes_retransmitted: u64,
    pub(crate) wire_bytes_sent: u64,
    /// Packets: over TCP those with something in them, over QUIC all. 0 where the system does not tell.
    pub(crate) packets_sent: u64,
    /// The share of them that the path loses, where the peer tells it.
    pub(crate) told_loss: Option<f64>,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) least_round_trip: Option<Duration>,
    pub(crate) window_bytes: Option<u64>,
    pub(crate) delivery_bytes_per_s: Option<u64>,
    /// Of what was written, as far as the transport tells it: bytes that were acknowledged, and bytes that have not been sent.
    pub(crate) acknowledged: u64,
    pub(crate) unsent: u64,
}

impl Observed {
    /// What is told of a delivery with these bytes, in all and sent again.
    pub(crate) fn used_by(self, (bytes_sent, bytes_resent): (u64, u64)) -> WireUse {
        let Self { round_trip, window_bytes, delivery_bytes_per_s, .. } = self;
        WireUse { bytes_sent, bytes_resent, round_trip, window_bytes, delivery_bytes_per_s }
    }
}

/// [`WireCounters`] as they are counted. Written by the connection, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) payload_bytes: AtomicU64,
    pub(crate) wire_bytes_sent: AtomicU64,
    pub(crate) retransmissions: AtomicU64,
    pub(crate) bytes_retransmitted: AtomicU64,
    pub(crate) transport_round_trip: AtomicTime,
    pub(crate) least_round_trip: AtomicTime,
    /// 0: not known, here and in the next.
    pub(crate) window_bytes: AtomicU64,
    pub(crate) delivery_bytes_per_s: AtomicU64,
    pub(crate) smoothed_round_trip: AtomicTime,
    pub(crate) sounding: AtomicBool,
}

impl Counters {
    pub(crate) fn read(&self) -> WireCounters {
        WireCounters {
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            payload_bytes: self.payload_bytes.load(Ordering::Relaxed),
            wire_bytes_sent: self.wire_bytes_sent.load(Ordering::Relaxed),
            retransmissions: self.retransmissions.load(Ordering::Relaxed),
            bytes_retransmitted: self.bytes_retransmitted.load(Ordering::Relaxed),
            transport_rtt: self.transport_round_trip.get(),
            least_rtt: self.least_round_trip.get(),
            window_bytes: Some(self.window_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0),
            delivery_bytes_per_s: Some(self.delivery_bytes_per_s.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0),
            smoothed_rtt: self.smoothed_round_trip.get(),
            sounding: self.sounding.load(Ordering::Relaxed),
        }
    }

    /// Notes what a transport knows now, and knew when it was asked before.
    pub(crate) fn note(&self, now: Observed, before: Observed) {
        let segments = now.retransmissions.saturating_sub(before.retransmissions);
        let bytes = now.bytes_retransmitted.saturating_sub(before.bytes_retransmitted);
        let sent = now.wire_bytes_sent.saturating_sub(before.wire_bytes_sent);
        self.wire_bytes_sent.fetch_add(sent, Ordering::Relaxed);
        self.retransmissions.fetch_add(segments, Ordering::Relaxed);
        self.bytes_retransmitted.fetch_add(bytes, Ordering::Relaxed);
        if let Some(round_trip) = now.round_trip {
            self.transport_round_trip.set(round_trip);
        }
        if let Some(round_trip) = now.least_round_trip {
            self.least_round_trip.set(round_trip);
        }
        self.window_bytes.store(now.window_bytes.unwrap_or_default(), Ordering::Relaxed);
        self.delivery_bytes_per_s.store(now.delivery_bytes_per_s.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Takes over what another has counted.
    pub(crate) fn absorb(&self, other: &Self) {
        let pairs = [
            (&self.bytes_sent, &other.bytes_sent),
            (&self.bytes_received, &other.bytes_received),
            (&self.payload_bytes, &other.payload_bytes),
            (&self.wire_bytes_sent, &other.wire_bytes_sent),
            (&self.retransmissions, &other.retransmissions),
            (&self.bytes_retransmitted, &other.bytes_retransmitted),
        ];
        for (mine, theirs) in pairs {
            mine.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// A time that may not be known yet, in whole microseconds.
#[derive(Debug, Default)]
pub(crate) struct AtomicTime(AtomicU64);

impl AtomicTime {
    pub(crate) fn set(&self, time: Duration) {
        // Zero stands for unknown, and nothing takes no time.
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        self.0.store(microseconds, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<Duration> {
        let microseconds = self.0.load(Ordering::Relaxed);
        (microseconds > 0).then(|| Duration::from_micros(microseconds))
    }
}

/// Counts bytes.
pub(crate) fn add(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(bytes as u64, Ordering::Relaxed);
}
