//! What the manager tells a client, as far as the lab reads it (`docs/api.md`). A field that is not here is passed over.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::record::Wire;

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) labels: Vec<Label>,
    pub(crate) worker: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) timing_ms: BTreeMap<String, Option<f64>>,
    pub(crate) wire: Option<Wire>,
    pub(crate) seq: u64,
}

/// One class of an answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Label {
    pub(crate) name: String,
}

/// A worker.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Worker {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) images: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) socket_bytes_sent: u64,
    pub(crate) socket_bytes_received: u64,
    pub(crate) wire_bytes_sent: u64,
    pub(crate) retransmissions: u64,
    pub(crate) bytes_retransmitted: u64,
    pub(crate) window_bytes: Option<u64>,
    pub(crate) sounding: bool,
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) service_ms: Option<f64>,
    pub(crate) congestion_control: Option<String>,
}

/// Something that happened to a worker.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Happening {
    pub(crate) seq: u64,
    pub(crate) ago_ms: u64,
    pub(crate) kind: String,
    pub(crate) worker: String,
}

/// What is told every now and then.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) workers: Vec<Worker>,
    pub(crate) happenings: Vec<Happening>,
}

/// A message of a batch's events.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Message {
    Snapshot {
        seq: u64,
        images: Vec<Image>,
        status: Status,
    },
    Change {
        seq: u64,
        image: Option<Image>,
    },
    Status(Status),
    #[serde(other)]
    Other,
}

/// An answer's body: a new batch, or a page of one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Page {
    pub(crate) id: String,
    pub(crate) images: Vec<Image>,
    pub(crate) more: bool,
    pub(crate) workers: Vec<Worker>,
}

impl Image {
    /// Whether nothing more becomes of it.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "recognised" | "failed" | "rejected" | "cancelled")
    }
}

impl Happening {
    /// Whether its worker is not to be counted on any more.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(self.kind.as_str(), "left" | "lost" | "silent" | "setaside")
    }
}
