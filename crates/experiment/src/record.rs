//! What was measured: one line of JSON for each run, with everything that is needed to compute every figure of a report again.
//!
//! Units are in the names. Times of a run count from its beginning, the moment before the first byte of the first upload,
//! on the clock of the process that drives it; no two machines' clocks are ever subtracted.

use std::collections::BTreeMap;

pub use manyeyes_testbed::Calibration;
use manyeyes_testbed::Conditions;
use serde::{Deserialize, Serialize};

/// The number of this shape. A file of another number is refused.
pub const FORMAT: u32 = 1;

/// One run: one repeat of one cell of one study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`FORMAT`].
    pub format: u32,
    /// The study's name, from its scenario.
    pub study: String,
    /// The level of each factor that the study varies, by the factor's name: what to group by.
    pub levels: BTreeMap<String, Level>,
    /// Everything about the cell, the factors included.
    pub cell: Cell,
    /// Which repeat, from 0. Each block has every cell once, in an order that the seed decides.
    pub block: u32,
    /// Its place in the order in which runs were made, from 0.
    pub position: u32,
    /// What the run's chances follow from.
    pub seed: u64,
    /// Hex digest of what the scenario says of its runs: rows of another are of another study.
    pub scenario: String,
    /// Unix time at which it began, seconds.
    pub began_unix_s: f64,
    /// What was measured.
    pub software: Software,
    /// What it was measured on: the machine of which the lab was made, or the client's where the others were given.
    pub machine: MachineFacts,
    /// The machines that were given, the manager's first; none where the lab made them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Host>,
    /// Each image, in upload order.
    pub images: Vec<Image>,
    /// Each worker, those on standby included.
    pub workers: Vec<Worker>,
    /// Each link, the client's first, then the workers' in order; with what probes before the run found and what it carried.
    pub links: Vec<Link>,
    /// What was done on purpose and what was noticed, in time's order.
    pub events: Vec<Event>,
    /// From the last answer of the images that went before to the beginning, seconds. `None` where none went before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_s: Option<f64>,
    /// First upload byte to last result, seconds. `None` where the run did not end within its bound.
    pub elapsed_s: Option<f64>,
    /// Why the run does not count, each reason a sentence. Empty: it counts.
    pub void: Vec<String>,
}

/// The level of a factor.
#[derive(Clone, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Level {
    /// A number, in the unit of the factor's name.
    Number(f64),
    /// A word.
    Word(String),
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Images uploaded.
    pub images: u32,
    /// Workers that work from the beginning.
    pub workers: u32,
    /// Workers that take over when one fails.
    pub standby: u32,
    /// Slots of each worker.
    pub slots: u32,
    /// Connections over which the client uploads, each one image at a time.
    pub uploads: u32,
    /// What a worker does with an image.
    pub service: Service,
    /// Cores that each worker may use at most; `None`: no limit.
    pub cpu_cores: Option<f64>,
    /// What the links of the workers do, manager to worker.
    pub down: Conditions,
    /// Worker to manager.
    pub up: Conditions,
    /// The profile that the links came from, if from one.
    pub profile: Option<String>,
    /// The failing worker's way; `None`: none fails.
    pub failure: Option<Failure>,
    /// The congestion control of the manager's ends of the connections to the workers: the kernel's of this name over TCP, QUIC's own
    /// over QUIC.
    pub congestion_control: String,
    /// What carries those connections. As it is with what follows, a row leaves out what is as it was before there was a choice:
    /// rows and digests of studies that do not choose stay what they were.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transport: Transport,
    /// Images that went over the connections before those that were measured, in a batch of their own; 0: the connections had carried
    /// nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub warm: u32,
    /// How long nothing was asked between the last answer of those and the beginning, milliseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub idle_ms: f64,
    /// Whether the manager sends smaller forms of images.
    #[serde(default, skip_serializing_if = "is_default")]
    pub send_smaller: SendSmaller,
    /// With what the manager begins on a path over QUIC, Mbit/s; `None`: with ten packets.
    #[serde(default, skip_serializing_if = "is_default")]
    pub start_fast_mbits_per_s: Option<f64>,
}

/// Whether the manager sends smaller forms of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendSmaller {
    /// Every image goes as it is.
    #[default]
    Never,
    /// Where a link is slower than the work.
    Auto,
}

/// What carries the connections between manager and workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// QUIC.
    Quic,
    /// QUIC, coded.
    Coded,
    /// The one and the congestion control that manager and worker choose.
    Auto,
}

/// What a worker does with an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Service {
    /// Recognises it with this model.
    Model {
        /// Its name.
        name: String,
    },
    /// Nothing, for a fixed time: a stand-in for work, which no figure may hide.
    Fixed {
        /// For so long.
        service_ms: f64,
    },
}

/// How the first worker fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The chance of it with each image, 0..=1.
    pub probability: f64,
    /// `announce`, `crash`, `hang`, `slow` or `disconnect`. It is gone for the rest of the run then; a slow one takes ten times
    /// as long for the rest of the run.
    pub mode: String,
}

/// The program that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Software {
    /// `manyeyes --version`.
    pub version: String,
    /// The commit it was built from, where known.
    pub commit: Option<String>,
}

/// A machine that was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// `manager`, or the worker's name.
    pub name: String,
    /// Where it is, as SSH was told.
    pub ssh: String,
    /// What it is.
    pub machine: MachineFacts,
}

/// The machine that the testbed stood on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// `uname -r`.
    pub kernel: String,
    /// The processor's own name.
    pub processor: String,
    /// Cores that the lab may use.
    pub cores: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// `root`, `user namespace`; or `user`, of a machine that was given.
    pub privilege: String,
    /// What impairs the links: `manyeyes`, which is the emulator of `crates/testbed`, or `netem`, the kernel's.
    pub emulator: String,
    /// The kernel's default congestion control, which is not what was measured.
    pub default_congestion_control: String,
}

/// One image's life, as the client saw it and as the manager told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// The file's size.
    pub bytes: u64,
    /// When its upload began.
    pub upload_begun_s: f64,
    /// When its upload was answered.
    pub accepted_s: Option<f64>,
    /// When the client had its answer.
    pub answered_s: Option<f64>,
    /// `recognised`, `failed` or `rejected`; `lost` where nothing came within the bound.
    pub state: String,
    /// How many answers the client was given: 1, unless something is wrong.
    pub answers: u32,
    /// Who answered.
    pub worker: Option<String>,
    /// How often it was assigned.
    pub attempts: u32,
    /// The first label.
    pub label: Option<String>,
    /// Parts of its time, milliseconds, by the names of the API's `timing_ms`.
    pub timing_ms: BTreeMap<String, f64>,
    /// What the wire carried of it, as the API tells it; `None` where it does not, as in all rows before it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<Wire>,
}

/// What the wire carried of an image, and how the connection was when its answer came: the API's `wire`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wire {
    /// Bytes of the file that were sent, those that were sent again among them.
    pub bytes_sent: u64,
    /// Bytes that were sent again.
    pub bytes_resent: u64,
    /// The transport's smoothed round trip.
    pub rtt_ms: Option<f64>,
    /// The congestion window.
    pub window_bytes: Option<u64>,
    /// What the transport found that the path delivers.
    pub delivery_bits_per_s: Option<f64>,
}

/// What a worker did for the images that were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its name.
    pub name: String,
    /// Images that it answered.
    pub images: u64,
    /// Bytes of image files sent to it.
    pub payload_bytes: u64,
    /// Bytes that its sockets carried to it.
    pub socket_bytes_sent: u64,
    /// Bytes that its sockets carried from it.
    pub socket_bytes_received: u64,
    /// Bytes that the transport sent to it, those sent again among them: over TCP what its segments had in them, over QUIC whole
    /// datagrams. 0 in rows before it was told.
    #[serde(default)]
    pub wire_bytes_sent: u64,
    /// TCP segments sent again to it; over QUIC packets held for lost.
    pub retransmissions: u64,
    /// Bytes in them. 0 in rows before it was told.
    #[serde(default)]
    pub bytes_retransmitted: u64,
    /// The congestion window at the end, bytes.
    #[serde(default)]
    pub window_bytes: Option<u64>,
    /// Smoothed round trip at the end, milliseconds.
    pub rtt_ms: Option<f64>,
    /// Smoothed service time at the end, milliseconds.
    pub service_ms: Option<f64>,
    /// The congestion control of its connection, as the manager reports it.
    pub congestion_control: Option<String>,
}

/// A link: what was asked of it is in the cell; here is what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// `client`, or the worker's name.
    pub end: String,
    /// What probes before the run found; `None` where they were not made for this run, because the block's were.
    pub calibration: Option<Calibration>,
    /// Manager to the other end, during the run.
    pub down: Carried,
    /// The other end to the manager, during the run.
    pub up: Carried,
}

/// What one direction of a link did during a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Packets that entered.
    pub packets: u64,
    /// Bytes of whole frames that entered.
    pub bytes: u64,
    /// Lost by the model of loss.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// How much later than asked packets were delivered: the 99th percentile, milliseconds. `None` where nothing was delivered, or
    /// where the kernel's emulator did it, which does not tell.
    pub late_p99_ms: Option<f64>,
    /// The most.
    pub late_max_ms: Option<f64>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, from the run's beginning.
    pub at_s: f64,
    /// To whom: `manager`, `worker-2`, `link-1`.
    pub whom: String,
    /// What, in words: `killed`, `cut`, `mended`, `failed`, `set aside`, `joined`, `left`.
    pub what: String,
}

impl Cell {
    /// What the manager tells of the congestion control of a connection that is as it was asked for. `None`: it was asked for none.
    pub fn congestion_control_told(&self) -> Option<String> {
        match self.transport {
            Transport::Tcp => Some(self.congestion_control.clone()),
            Transport::Quic => Some(format!("quic {}", self.congestion_control)),
            Transport::Coded => Some(format!("coded quic {}", self.congestion_control)),
            Transport::Auto => None,
        }
    }
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Quic, Self::Coded, Self::Auto];

    /// What a worker is told with `--transport`, and a scenario says.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
            Self::Coded => "coded",
            Self::Auto => "auto",
        }
    }

    /// What the manager of such workers is told with `--transport`.
    pub const fn listening(self) -> &'static str {
        match self {
            Self::Tcp | Self::Quic => self.name(),
            Self::Coded => Self::Quic.name(),
            Self::Auto => "both",
        }
    }

    /// The transport of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name() == name)
    }
}

impl SendSmaller {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Never, Self::Auto];

    /// What a manager is told with `--send-smaller`, and a scenario says.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Auto => "auto",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

impl Level {
    /// The level as it is shown.
    pub fn text(&self) -> String {
        match self {
            Self::Number(number) => format!("{number}"),
            Self::Word(word) => word.clone(),
        }
    }
}

impl Run {
    /// Answered images for each second from the first upload byte to the last result.
    pub fn images_per_s(&self) -> Option<f64> {
        let answered = self.images.iter().filter(|image| image.state == "recognised").count();
        Some(answered as f64 / self.elapsed_s.filter(|elapsed_s| *elapsed_s > 0.0)?)
    }

    /// Bits of image file answered in each such second: goodput.
    pub fn goodput_bits_per_s(&self) -> Option<f64> {
        let answered = self.images.iter().filter(|image| image.state == "recognised");
        let bits = answered.map(|image| image.bytes as f64 * 8.0).sum::<f64>();
        Some(bits / self.elapsed_s.filter(|elapsed_s| *elapsed_s > 0.0)?)
    }

    /// Whether the run counts.
    pub fn counts(&self) -> bool {
        self.void.is_empty() && self.elapsed_s.is_some()
    }
}

/// For serde, whose attributes name a function.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
