//! What a path carries by TCP.

/// The most of a segment that is payload on Ethernet, bytes: 1500 less the headers of IP (20) and of TCP with timestamps (32).
const SEGMENT_BYTES: f64 = 1448.0;
/// Segments that may be out before the first is acknowledged (RFC 6928).
const INITIAL_WINDOW_SEGMENTS: f64 = 10.0;
/// How long Linux waits at least for an acknowledgement, beyond the round trip (`TCP_RTO_MIN`), seconds.
const TIMEOUT_LEAST_S: f64 = 0.2;

/// One direction of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Path {
    /// There and back, seconds.
    pub round_trip_s: f64,
    /// What it carries, bits a second; `None`: without limit.
    pub rate_bits_per_s: Option<f64>,
    /// The share of packets that never arrive, 0..=1.
    pub loss: f64,
    /// The most that may be out without being acknowledged, bytes: the smaller of the two ends' buffers. `None`: enough.
    pub window_bytes: Option<f64>,
}

/// What losses leave of a connection whose control takes each as a sign of congestion (Reno, nearly so CUBIC; not BBR). Both are models
/// of a long transfer with independent losses, and where they differ the truth is mostly between them: Linux repairs a lost last packet
/// sooner than after a timeout (RFC 8985), but not always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossModel {
    /// Every loss is repaired at once: `segment / round trip * sqrt(3 / (2 loss))`. An upper bound, near the truth below some 2 %.
    /// M. Mathis, J. Semke, J. Mahdavi and T. Ott, "The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm", ACM CCR 27(3),
    /// 1997, for an acknowledgement of each packet.
    Mathis,
    /// Losses also run into timeouts, which double: the approximate formula of J. Padhye, V. Firoiu, D. Towsley and J. Kurose, "Modeling
    /// TCP Throughput: A Simple Model and its Empirical Validation", SIGCOMM 1998, for an acknowledgement of each packet. Without its
    /// second term it is Mathis'.
    Padhye,
}

impl Path {
    /// Payload each second once it flows: the smallest of the rate, of the window over the round trip, and of what losses leave.
    /// Infinite where nothing limits it, 0 where everything is lost.
    pub fn bytes_per_s(&self, model: LossModel) -> f64 {
        let rate = self.rate_bits_per_s.map_or(f64::INFINITY, |bits| bits / 8.0 * (1.0 - self.loss));
        let window = self.window_bytes.map_or(f64::INFINITY, |bytes| bytes / self.round_trip_s);
        rate.min(window).min(self.left_by_losses(model))
    }

    /// What is added to a first transfer of so many bytes, because its window begins small and doubles each round trip, seconds.
    ///
    /// After r round trips `(2^r - 1) 10` segments have been sent (RFC 5681, RFC 6928); the first of them is not counted here.
    pub fn slow_start_s(&self, bytes: f64) -> f64 {
        let windows = bytes / (INITIAL_WINDOW_SEGMENTS * SEGMENT_BYTES);
        let round_trips = (windows + 1.0).log2().ceil();
        (round_trips - 1.0).max(0.0) * self.round_trip_s
    }

    fn left_by_losses(&self, model: LossModel) -> f64 {
        if self.loss <= 0.0 {
            return f64::INFINITY;
        }
        if self.loss >= 1.0 {
            return 0.0;
        }
        let repaired_s = self.round_trip_s * (2.0 * self.loss / 3.0).sqrt();
        let timeouts_s = match model {
            LossModel::Mathis => 0.0,
            LossModel::Padhye => {
                let reached = (3.0 * (3.0 * self.loss / 8.0).sqrt()).min(1.0);
                let timeout_s = self.round_trip_s + TIMEOUT_LEAST_S;
                timeout_s * reached * self.loss * (1.0 + 32.0 * self.loss.powi(2))
            }
        };
        SEGMENT_BYTES / (repaired_s + timeouts_s)
    }
}
