//! What the lab and its agent on a host say to each other: a line of JSON each, over the standard input and output of the agent.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calibration::Errand;
use crate::conditions::Conditions;

/// The lab says something at least so often.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(2);

/// An agent that has heard nothing for so long is alone: it ends, with all that it has begun. Longer than a busy lab is ever held
/// up, shorter than anybody waits who wants the host for something else.
pub(super) const SILENCE: Duration = Duration::from_secs(20);

/// What the lab says: an order, under a number by which it is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) order: Order,
}

/// What an agent is to do.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Nothing: the lab is still there.
    Go,
    /// Tells a file's text, [`String`].
    Read { path: PathBuf },
    /// Tells the name of the device that has this address, [`String`].
    Find { address: Ipv4Addr },
    /// Takes a device for the kernel's emulator, which does nothing to packets yet.
    Take { device: String },
    /// Has the emulator of a device that was taken do this.
    Impair { device: String, conditions: Conditions },
    /// Tells what a device has sent, [`crate::netem::Counted`].
    Count { device: String },
    /// Starts the program with these arguments, under a number of the lab's.
    Start { process: u64, arguments: Vec<String>, environment: Vec<(String, String)> },
    /// Sends a signal to it, where it has not ended.
    Signal { process: u64, signal: i32 },
    /// Removes what programs have left in the folder of their data.
    Forget,
    /// Opens a socket for probes at this address, under a number of the lab's; tells its port, [`u16`].
    Open { socket: u64, address: Ipv4Addr },
    /// Connects it to the other end's.
    Connect { socket: u64, to: SocketAddrV4 },
    /// Sends probes from it, and tells [`crate::calibration::Sent`].
    Send { socket: u64, errand: Errand },
    /// Listens at it.
    Listen { socket: u64 },
    /// Listens no more, and tells [`crate::calibration::Heard`].
    Heard { socket: u64 },
}

/// What the agent says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// First of all: where programs may keep data.
    Hello { data: PathBuf },
    /// What came of an order.
    Answer { number: u64, told: Result<Value, String> },
    /// A program has written this.
    Log { process: u64, text: String },
    /// A program has ended, with this status of wait(2).
    Ended { process: u64, status: i32 },
    /// Last of all: what could not be put back as it was.
    Farewell { left: Vec<String> },
}
