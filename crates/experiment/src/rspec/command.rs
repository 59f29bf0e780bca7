//! What each machine is told when it has booted: the only place that knows how `deploy/node.sh` is called.
//!
//! `node.sh [SETTING...] ROLE [OPTION...]`: what follows the role is `manyeyes ROLE`'s own. The third role, `program`, installs what the others
//! do and starts nothing: for the client, and for workers on standby, which whoever drives the study starts. Nothing secret is in a file that
//! others can read: the script makes the token on each machine, of the key that the testbed gives to all of an experiment's.

use std::net::{Ipv4Addr, SocketAddr};

use crate::record::{Cell, SendSmaller, Service};

/// What a machine is to be.
pub(super) enum Role {
    /// The manager, its page at this address.
    Manager { page: SocketAddr, workers: SocketAddr },
    /// A worker of this name, which finds the manager there.
    Worker { name: String, manager: SocketAddr },
    /// One on which nothing is started.
    Program,
}

/// The command line. Service times, models and slots are the cell's.
pub(super) fn command(script: &str, role: &Role, cell: &Cell) -> String {
    // The testbed may run it as a user who may become root, and not as root.
    let mut words = ["sudo", "/bin/bash", script, "--experiment-token"].map(str::to_owned).to_vec();
    let mut add = |new: &[&str]| words.extend(new.iter().map(|&word| word.to_owned()));
    match role {
        Role::Manager { page, workers } => {
            add(&["manager", "--listen", &page.to_string(), "--worker-listen", &workers.to_string()]);
            add(&["--transport", cell.transport.listening()]);
            if cell.congestion_control_told().is_some() {
                add(&["--congestion-control", &cell.congestion_control]);
            }
            if let Some(rate) = cell.start_fast_mbits_per_s {
                add(&[&format!("--start-fast={rate}")]);
            }
            if cell.send_smaller != SendSmaller::Never {
                add(&["--send-smaller", cell.send_smaller.name()]);
            }
        }
        Role::Worker { name, manager } => {
            add(&["worker", "--manager", &manager.to_string(), "--name", name, "--slots", &cell.slots.to_string()]);
            add(&["--transport", cell.transport.name()]);
            match &cell.service {
                Service::Fixed { service_ms } => add(&["--fixed-service-ms", &format!("{service_ms:.0}")]),
                Service::Model { name } => add(&["--model", name]),
            }
        }
        Role::Program => add(&["program"]),
    }
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// All of the machine's addresses.
pub(super) const EVERYWHERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=+,@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_take_apart_is_quoted() {
        let words = ["googlenet", "/a/b.onnx", "two words", "it's", ""];
        assert_eq!(words.map(quoted), ["googlenet", "/a/b.onnx", "'two words'", r"'it'\''s'", "''"]);
    }
}
