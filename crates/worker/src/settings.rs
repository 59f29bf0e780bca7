//! The settings of a worker.

use std::time::Duration;

use manyeyes_link::{Encryption, Identity, Reach, TimerSettings, Trust};
use manyeyes_protocol::frame::{MAX_SLOTS, MAX_WINDOW};

use crate::fault::FaultPlan;

/// How many images a worker offers to hold for each of its slots. The manager gives it that many only where the round trip
/// takes that many service times; 64 are half a second at 8 ms each.
const WINDOW_PER_SLOT: u32 = 64;

/// The settings of a worker.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// `HOST:PORT` of the manager's worker port.
    pub manager: String,
    /// How to reach it; the manager has to listen for that. Default TCP.
    pub reach: Reach,
    /// What to be called; the manager makes it distinct.
    pub name: String,
    /// How many images to recognise at a time: 1 to [`MAX_SLOTS`]. Default 1.
    pub slots: u32,
    /// How many labels to an answer. Default 5.
    pub top: usize,
    /// The manager's token, where it asks for one.
    pub token: Option<String>,
    /// Whether a connection by TCP is encrypted.
    pub encryption: Encryption,
    /// How it knows its manager.
    pub trust: Trust,
    /// What it shows to a manager that wants a certificate.
    pub identity: Option<Identity>,
    /// Program and version, for people.
    pub software: String,
    /// How long to wait, when told to go, for what is running to be answered and acknowledged. Default 10 s.
    pub grace: Duration,
    /// Faults on purpose, for experiments only.
    pub fault: Option<FaultPlan>,
    /// How long the link's timers run.
    pub timers: TimerSettings,
}

impl WorkerSettings {
    /// The defaults, for a manager and a name.
    #[must_use]
    pub fn new(manager: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            manager: manager.into(),
            reach: Reach::default(),
            name: name.into(),
            slots: 1,
            top: 5,
            token: None,
            encryption: Encryption::default(),
            trust: Trust::default(),
            identity: None,
            software: concat!("manyeyes ", env!("CARGO_PKG_VERSION")).to_owned(),
            grace: Duration::from_secs(10),
            fault: None,
            timers: TimerSettings::default(),
        }
    }

    /// The slots, within what the protocol allows.
    pub(crate) fn slots(&self) -> u32 {
        self.slots.clamp(1, MAX_SLOTS)
    }

    /// The most images held, running and queued.
    pub(crate) fn window(&self) -> u32 {
        self.slots().saturating_mul(WINDOW_PER_SLOT).min(MAX_WINDOW)
    }
}
