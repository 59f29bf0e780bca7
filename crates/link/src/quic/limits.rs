//! What a QUIC connection may cost, and how its packets are paced: every number that is set on it.

use std::sync::Arc;
use std::time::Duration;

use manyeyes_protocol::frame::{MAX_PAYLOAD, MAX_SMALL_FRAME};
use quinn::congestion::{BbrConfig, ControllerFactory, CubicConfig, NewRenoConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};

use crate::congestion::QuicCongestion;

/// What may come unread on all streams of a worker's connection: more than 12.5 MB, which are under way at 100 Mbit/s with a
/// second there and back.
const FILES_WINDOW: u32 = 32 * 1024 * 1024;

/// Of that, on the stream of one file: a large one leaves room for others.
pub(super) const FILE_WINDOW: u32 = FILES_WINDOW / 2;

/// What a manager gives QUIC of files that were not acknowledged, of each no more than its window. It counts when it is given, not
/// when it is sent: files must not have all that may come unread, or small frames wait until some of it has been read, which is
/// told in eighths.
pub(super) const FILES_AT_ONCE: usize = FILES_WINDOW as usize / 4 * 3;

/// How much of what was said is kept until the worker has acknowledged it: as much as may come unread there. A file is not
/// copied for that.
const UNACKNOWLEDGED: u64 = FILES_WINDOW as u64;

/// What may come unread from a worker: four of the largest small frames, or the answers of a thousand images.
const ANSWERS_WINDOW: u32 = 4 * MAX_SMALL_FRAME as u32;

/// What is sent before anything has been acknowledged, in bytes: ten packets of the size that every path carries (RFC 9002 section
/// 7.2), whatever the congestion control. More is for those who ask for it.
pub(super) const FIRST_WINDOW: u64 = 12_000;

/// After how many times the session's silence QUIC itself ends a connection. The session does it after one; this is for a
/// connection whose task does not get to run.
const SILENCES: u32 = 3;

/// How many files of the largest size a worker lets come beyond one for each slot, counted in bytes. The same that its session
/// holds (`docs/protocol.md`), and no manager sends more.
const FILES_AHEAD: usize = 2;

/// For the manager's end, from which the images flow.
pub(super) fn of_manager(
    silence: Duration,
    is_coded: bool,
    congestion: Arc<dyn ControllerFactory + Send + Sync>,
) -> TransportConfig {
    let mut config = of_both(is_coded);
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(ANSWERS_WINDOW))
        .receive_window(VarInt::from_u32(ANSWERS_WINDOW))
        .send_window(UNACKNOWLEDGED)
        .max_idle_timeout(IdleTimeout::try_from(silence.saturating_mul(SILENCES)).ok())
        .congestion_controller_factory(congestion);
    config
}

/// For a worker's end, with so many images at a time.
pub(super) fn of_worker(window: u32, is_coded: bool) -> TransportConfig {
    let mut config = of_both(is_coded);
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(window))
        .stream_receive_window(VarInt::from_u32(FILE_WINDOW))
        .receive_window(VarInt::from_u32(FILES_WINDOW))
        .send_window(ANSWERS_WINDOW.into())
        // The manager's counts, which knows how long silence is.
        .max_idle_timeout(None);
    config
}

/// The most bytes of files that have come and were not handed over.
pub(super) fn files_under_way(slots: u32) -> usize {
    (slots as usize + FILES_AHEAD).saturating_mul(MAX_PAYLOAD)
}

fn of_both(is_coded: bool) -> TransportConfig {
    let mut config = TransportConfig::default();
    if is_coded {
        // A packet that is too long for the path would make every sum so that it is in.
        config.mtu_discovery_config(None);
    }
    config
        // The session's own pings keep a connection alive.
        .keep_alive_interval(None)
        // Nothing is said by datagrams.
        .datagram_receive_buffer_size(None)
        // Streams of one priority take turns, and no two of ours have one. Without turns a stream that has begun is sent to its
        // end, whatever has a higher priority: small frames would wait for files.
        .send_fairness(true);
    config
}

/// A congestion control that begins with this window, in bytes.
pub(super) fn controller(congestion: QuicCongestion, window: u64) -> Arc<dyn ControllerFactory + Send + Sync> {
    let (mut cubic, mut reno, mut bbr) = (CubicConfig::default(), NewRenoConfig::default(), BbrConfig::default());
    match congestion {
        QuicCongestion::Cubic => Arc::new(cubic.initial_window(window).clone()),
        QuicCongestion::Reno => Arc::new(reno.initial_window(window).clone()),
        QuicCongestion::Bbr => Arc::new(bbr.initial_window(window).clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// The BBR of `quinn` begins with two hundred.
    #[test]
    fn every_congestion_control_begins_with_ten_packets() {
        for congestion in [QuicCongestion::Cubic, QuicCongestion::Reno, QuicCongestion::Bbr] {
            let window = controller(congestion, FIRST_WINDOW).build(Instant::now(), 1_200).window();
            assert_eq!(window, 12_000, "{congestion:?}");
        }
    }
}
