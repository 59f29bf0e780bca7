//! What connections carry, as it is counted and as it is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
    /// TCP segments sent again, where the system tells (Linux), otherwise 0; QUIC packets held for lost, whose frames are sent
    /// again.
    pub retransmissions: u64,
    /// Bytes in them; over TCP where the system tells (Linux from 4.19 on), otherwise 0.
    pub bytes_retransmitted: u64,
    /// The transport's own smoothed round trip; over TCP where the system tells (Linux).
    pub transport_rtt: Option<Duration>,
    /// The session's smoothed round trip, from ping to pong.
    pub smoothed_rtt: Option<Duration>,
}

/// What a transport knows of a connection, since its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) retransmissions: u64,
    pub(crate) bytes_retransmitted: u64,
    pub(crate) round_trip: Option<Duration>,
}

/// [`WireCounters`] as they are counted. Written by the connection, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) payload_bytes: AtomicU64,
    pub(crate) retransmissions: AtomicU64,
    pub(crate) bytes_retransmitted: AtomicU64,
    pub(crate) transport_round_trip: AtomicTime,
    pub(crate) smoothed_round_trip: AtomicTime,
}

impl Counters {
    pub(crate) fn read(&self) -> WireCounters {
        WireCounters {
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            payload_bytes: self.payload_bytes.load(Ordering::Relaxed),
            retransmissions: self.retransmissions.load(Ordering::Relaxed),
            bytes_retransmitted: self.bytes_retransmitted.load(Ordering::Relaxed),
            transport_rtt: self.transport_round_trip.get(),
            smoothed_rtt: self.smoothed_round_trip.get(),
        }
    }

    /// Notes what a transport knows now, and knew when it was asked before.
    pub(crate) fn note(&self, now: Observed, before: Observed) {
        let segments = now.retransmissions.saturating_sub(before.retransmissions);
        let bytes = now.bytes_retransmitted.saturating_sub(before.bytes_retransmitted);
        self.retransmissions.fetch_add(segments, Ordering::Relaxed);
        self.bytes_retransmitted.fetch_add(bytes, Ordering::Relaxed);
        if let Some(round_trip) = now.round_trip {
            self.transport_round_trip.set(round_trip);
        }
    }

    /// Takes over what another has counted.
    pub(crate) fn absorb(&self, other: &Self) {
        let pairs = [
            (&self.bytes_sent, &other.bytes_sent),
            (&self.bytes_received, &other.bytes_received),
            (&self.payload_bytes, &other.payload_bytes),
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
