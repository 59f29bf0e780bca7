//! What one direction of a link does to the packets on it.

use serde::{Deserialize, Serialize};

/// One direction of a link. The default is a perfect one: no delay, no loss, no limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// From the end of sending to arrival, one way, milliseconds, up to 60 000.
    pub delay_ms: f64,
    /// Each packet's delay is uniform in `delay_ms ± jitter_ms`, so it is at most `delay_ms`. Order is kept where `reorder` does
    /// not break it: a packet waits for the ones before it, and so packets close behind each other arrive later than their own draw.
    pub jitter_ms: f64,
    /// Bits a second of Ethernet frames as a packet socket sees them: header and payload. The 24 bytes of preamble, checksum and gap
    /// that a real cable adds do not count, as they do not for netem and other queueing disciplines of Linux. None is no limit.
    pub rate_bits_per_s: Option<f64>,
    /// Packets that wait for the rate at most, the one being sent among them: one more is dropped at the tail. Counts only where
    /// there is a rate.
    pub queue_packets: u32,
    /// Which packets never arrive. They are lost after the queue: a lost packet has used the rate, as on the air.
    pub loss: Loss,
    /// The share of packets that arrive twice, 0..=1.
    pub duplicate: f64,
    /// The share of packets that arrive without the delay, before those that went ahead of them, 0..=1. Without a delay it changes
    /// nothing.
    pub reorder: f64,
}

/// Which packets are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "lowercase", deny_unknown_fields)]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// Each packet by itself.
    Independent {
        /// 0..=1.
        probability: f64,
    },
    /// Bursts: Gilbert's and Elliott's two states (E. O. Elliott, "Estimates of error rates for codes on burst-noise channels",
    /// Bell System Technical Journal 42, 1963). The state is drawn anew before each packet; before the first it is in the bad state
    /// with the long-run share, so that a short run loses as much as a long one.
    Bursty {
        /// Good to bad, a packet, 0..=1.
        enter: f64,
        /// Bad to good, a packet, 0..=1.
        leave: f64,
        /// The share lost in the good state, 0..=1.
        lost_in_good: f64,
        /// The share lost in the bad state, 0..=1.
        lost_in_bad: f64,
    },
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay_ms: 0.0,
            jitter_ms: 0.0,
            rate_bits_per_s: None,
            queue_packets: 1000,
            loss: Loss::None,
            duplicate: 0.0,
            reorder: 0.0,
        }
    }
}

impl Conditions {
    /// The longest delay, milliseconds: beyond a minute a link is down.
    pub const MOST_DELAY_MS: f64 = 60_000.0;

    /// The slowest rate, bits a second: a full frame takes a second and a half then.
    pub const LEAST_RATE_BITS_PER_S: f64 = 8_000.0;

    /// The longest queue, packets. Longer ones would not fit beside what is on its way.
    pub const MOST_QUEUED: u32 = 16_384;

    /// Whether a link can be like this.
    ///
    /// # Errors
    ///
    /// Says which key is wrong, and what would be right.
    pub fn check(&self) -> Result<(), BadConditions> {
        let within = |key, value: f64, least, most| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(BadConditions { key, value, least, most }) }
        };
        within("delay_ms", self.delay_ms, 0.0, Self::MOST_DELAY_MS)?;
        within("jitter_ms", self.jitter_ms, 0.0, self.delay_ms)?;
        if let Some(rate) = self.rate_bits_per_s {
            within("rate_bits_per_s", rate, Self::LEAST_RATE_BITS_PER_S, 1e12)?;
            within("queue_packets", f64::from(self.queue_packets), 1.0, f64::from(Self::MOST_QUEUED))?;
        }
        within("duplicate", self.duplicate, 0.0, 1.0)?;
        within("reorder", self.reorder, 0.0, 1.0)?;
        match self.loss {
            Loss::None => Ok(()),
            Loss::Independent { probability } => within("loss.probability", probability, 0.0, 1.0),
            Loss::Bursty { enter, leave, lost_in_good, lost_in_bad } => {
                within("loss.enter", enter, 0.0, 1.0)?;
                within("loss.leave", leave, 0.0, 1.0)?;
                within("loss.lost_in_good", lost_in_good, 0.0, 1.0)?;
                within("loss.lost_in_bad", lost_in_bad, 0.0, 1.0)
            }
        }
    }
}

/// Conditions that no link can have.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{key} is {value}: it must be {least} to {most}")]
pub struct BadConditions {
    /// Which one.
    pub key: &'static str,
    /// What it is.
    pub value: f64,
    /// The least that it may be.
    pub least: f64,
    /// The most: for the jitter the delay, because no packet arrives before it was sent.
    pub most: f64,
}

impl Loss {
    /// The share of packets that are lost in the long run, 0..=1.
    pub fn mean(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Independent { probability } => probability,
            Self::Bursty { lost_in_good, lost_in_bad, .. } => {
                let bad = self.share_bad();
                (1.0 - bad) * lost_in_good + bad * lost_in_bad
            }
        }
    }

    /// The share of packets that meet the bad state in the long run, 0..=1: the stationary one of the two-state chain.
    pub(crate) fn share_bad(self) -> f64 {
        match self {
            Self::None | Self::Independent { .. } => 0.0,
            Self::Bursty { enter, leave, .. } => {
                if enter + leave > 0.0 {
                    enter / (enter + leave)
                } else {
                    0.0
                }
            }
        }
    }
}
