//! What a scenario can fix or vary: the factors, and which levels each of them has.

use std::fmt;
use std::ops::RangeInclusive;

use manyeyes_testbed::{MOST_WORKERS, Profile};

use crate::record::{Level, SendSmaller, Transport};

/// The most workers, those on standby included: one less than there are links, of which the client has one.
pub const MAX_WORKERS: u32 = MOST_WORKERS as u32 - 1;

/// The most images of a run: they are in memory, 100 kB each, and each has its part of the run's row.
const MAX_IMAGES: f64 = 10_000.0;

/// What a scenario can fix or vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Factor {
    /// Workers that work from the beginning.
    Workers,
    /// Images uploaded.
    Images,
    /// A fixed time an image, milliseconds, in place of work.
    ServiceMs,
    /// The model that recognises.
    Model,
    /// The chance that the first worker fails, with each image.
    FailureProbability,
    /// How it fails.
    FailureMode,
    /// Workers that take over when one fails.
    Standby,
    /// One way, milliseconds.
    DelayMs,
    /// Up to so much more or less, milliseconds.
    JitterMs,
    /// Bits a second.
    RateBitsPerS,
    /// Packets that wait for the rate at most.
    QueuePackets,
    /// The share of packets that are lost.
    Loss,
    /// Whether they are lost alone or in bursts.
    LossModel,
    /// The share of packets that arrive twice.
    Duplicate,
    /// The share of packets that overtake others.
    Reorder,
    /// Which directions of the workers' links have these conditions.
    Impaired,
    /// The profile that the links have where nothing above says otherwise.
    Profile,
    /// What carries the connections between manager and workers.
    Transport,
    /// The congestion control of the manager's ends of them.
    CongestionControl,
    /// Images that go over the connections before those that are measured.
    Warm,
    /// How long nothing goes over them then, milliseconds.
    IdleMs,
    /// Whether the manager sends smaller forms of images.
    SendSmaller,
    /// With what the manager begins over QUIC, Mbit/s; 0: with ten packets.
    StartFast,
    /// Cores that each worker may use.
    CpuCores,
    /// Images that each worker works on at a time.
    Slots,
    /// Connections over which the client uploads.
    Uploads,
}

/// The levels that a factor has.
#[derive(Clone, Debug, PartialEq)]
pub enum Allowed {
    /// Whole numbers.
    Whole(RangeInclusive<f64>),
    /// Numbers.
    Number(RangeInclusive<f64>),
    /// These words.
    Words(Vec<String>),
    /// Any word.
    Name,
}

impl Factor {
    /// All of them, in the order in which a table shows them.
    pub const ALL: [Self; 26] = [
        Self::Workers,
        Self::Images,
        Self::ServiceMs,
        Self::Model,
        Self::FailureProbability,
        Self::FailureMode,
        Self::Standby,
        Self::DelayMs,
        Self::JitterMs,
        Self::RateBitsPerS,
        Self::QueuePackets,
        Self::Loss,
        Self::LossModel,
        Self::Duplicate,
        Self::Reorder,
        Self::Impaired,
        Self::Profile,
        Self::Transport,
        Self::CongestionControl,
        Self::Warm,
        Self::IdleMs,
        Self::SendSmaller,
        Self::StartFast,
        Self::CpuCores,
        Self::Slots,
        Self::Uploads,
    ];

    /// Its key in a scenario and in the rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Images => "images",
            Self::ServiceMs => "service_ms",
            Self::Model => "model",
            Self::FailureProbability => "failure_probability",
            Self::FailureMode => "failure_mode",
            Self::Standby => "standby",
            Self::DelayMs => "delay_ms",
            Self::JitterMs => "jitter_ms",
            Self::RateBitsPerS => "rate_bits_per_s",
            Self::QueuePackets => "queue_packets",
            Self::Loss => "loss",
            Self::LossModel => "loss_model",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Impaired => "impaired",
            Self::Profile => "profile",
            Self::Transport => "transport",
            Self::CongestionControl => "congestion_control",
            Self::Warm => "warm",
            Self::IdleMs => "idle_ms",
            Self::SendSmaller => "send_smaller",
            Self::StartFast => "start_fast_mbits_per_s",
            Self::CpuCores => "cpu_cores",
            Self::Slots => "slots",
            Self::Uploads => "uploads",
        }
    }

    /// The factor of this key.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|factor| factor.name() == name)
    }

    /// Which levels it has.
    pub fn allowed(self) -> Allowed {
        let words = |words: &[&str]| Allowed::Words(words.iter().map(|&word| word.to_owned()).collect());
        match self {
            Self::Workers => Allowed::Whole(1.0..=f64::from(MAX_WORKERS)),
            Self::Standby => Allowed::Whole(0.0..=f64::from(MAX_WORKERS)),
            Self::Images => Allowed::Whole(1.0..=MAX_IMAGES),
            Self::ServiceMs => Allowed::Whole(0.0..=60_000.0),
            Self::Model => Allowed::Name,
            // A link that loses all is one that is cut, for which there are events.
            Self::Loss => Allowed::Number(0.0..=0.9),
            Self::FailureProbability | Self::Duplicate | Self::Reorder => Allowed::Number(0.0..=1.0),
            Self::FailureMode => words(&["announce", "crash", "hang", "slow", "disconnect"]),
            Self::DelayMs | Self::JitterMs => Allowed::Number(0.0..=10_000.0),
            Self::RateBitsPerS => Allowed::Number(8_000.0..=1e11),
            Self::QueuePackets => Allowed::Whole(1.0..=1e6),
            Self::LossModel => words(&["independent", "bursty"]),
            Self::Impaired => words(&["both", "down", "up"]),
            Self::Profile => Allowed::Words(Profile::all().into_keys().collect()),
            Self::Transport => words(&Transport::ALL.map(Transport::name)),
            Self::CongestionControl => words(&["cubic", "bbr", "reno"]),
            Self::Warm => Allowed::Whole(0.0..=MAX_IMAGES),
            Self::IdleMs => Allowed::Number(0.0..=60_000.0),
            Self::SendSmaller => words(&SendSmaller::ALL.map(SendSmaller::name)),
            Self::StartFast => Allowed::Number(0.0..=1_000.0),
            Self::CpuCores => Allowed::Number(0.05..=256.0),
            Self::Slots => Allowed::Whole(1.0..=256.0),
            Self::Uploads => Allowed::Whole(1.0..=64.0),
        }
    }

    /// The level where a scenario says none; `None`: there is none then.
    pub fn default(self) -> Option<Level> {
        let number = |number: f64| Some(Level::Number(number));
        match self {
            Self::Workers => number(3.0),
            Self::Images => number(5.0),
            Self::Standby | Self::FailureProbability | Self::Warm | Self::IdleMs | Self::StartFast => number(0.0),
            Self::Slots => number(1.0),
            // As many as `manyeyes classify` and the page use.
            Self::Uploads => number(4.0),
            Self::LossModel => Some(Level::Word("independent".to_owned())),
            Self::Impaired => Some(Level::Word("both".to_owned())),
            Self::Transport => Some(Level::Word(Transport::default().name().to_owned())),
            Self::SendSmaller => Some(Level::Word(SendSmaller::default().name().to_owned())),
            // What Linux has had for twenty years where nobody chose another.
            Self::CongestionControl => Some(Level::Word("cubic".to_owned())),
            Self::ServiceMs
            | Self::Model
            | Self::FailureMode
            | Self::DelayMs
            | Self::JitterMs
            | Self::RateBitsPerS
            | Self::QueuePackets
            | Self::Loss
            | Self::Duplicate
            | Self::Reorder
            | Self::Profile
            | Self::CpuCores => None,
        }
    }

    /// Whether it has this level.
    pub fn has(self, level: &Level) -> bool {
        match (self.allowed(), level) {
            (Allowed::Whole(range), Level::Number(number)) => range.contains(number) && number.fract() == 0.0,
            (Allowed::Number(range), Level::Number(number)) => range.contains(number),
            (Allowed::Words(words), Level::Word(word)) => words.contains(word),
            (Allowed::Name, Level::Word(word)) => !word.is_empty(),
            (Allowed::Whole(_) | Allowed::Number(_), Level::Word(_))
            | (Allowed::Words(_) | Allowed::Name, Level::Number(_)) => false,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(range) => write!(out, "a whole number from {} to {}", range.start(), range.end()),
            Self::Number(range) => write!(out, "a number from {} to {}", range.start(), range.end()),
            Self::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                write!(out, "one of {}", words.join(", "))
            }
            Self::Name => write!(out, "a name, such as \"googlenet\""),
        }
    }
}
