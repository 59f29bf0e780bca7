//! Machines: of a kind that there is, with as many interfaces as one has, and one command each.

use std::collections::BTreeMap;

use super::Findings;
use crate::rspec::read::{Node, Request};

/// Kinds of machine that Emulab's family of testbeds has.
const SLIVERS: [&str; 6] = ["raw-pc", "emulab-xen", "emulab-docker", "default-vm", "delay", "emulab-blockstore"];

/// Shells that the server takes where there are several commands.
const SHELLS: [&str; 4] = ["sh", "csh", "/bin/sh", "/bin/csh"];

/// The longest command that the server's books hold: a field for a short text.
const MOST_OF_A_COMMAND: usize = 255;

/// How many interfaces for experiments a machine has at most, nearly everywhere: many have one or two.
const MOST_INTERFACES: usize = 4;

/// Names in managers that were GENI's.
const CLOSED: [&str; 2] = ["instageni", "exogeni"];

pub(super) fn check(request: &Request<'_>, findings: &mut Findings) {
    let sharing = request.links.iter().filter(|link| link.allows.contains(&"link_multiplexing"));
    let shared: BTreeMap<&str, ()> =
        sharing.flat_map(|link| link.interfaces()).map(|interface| (interface, ())).collect();
    for node in &request.nodes {
        kind(node, findings);
        commands(node, findings);
        let own = node.interfaces.iter().filter(|it| it.name.is_some_and(|name| !shared.contains_key(name))).count();
        if own > MOST_INTERFACES && !node.sliver.is_some_and(is_virtual) {
            let what = format!(
                "this machine is to have {own} interfaces of its own, and few have more than {MOST_INTERFACES}: \
                 let its links share them (emulab:link_multiplexing, emulab:vlan_tagging)"
            );
            findings.surprising(node.line, what);
        }
    }
}

fn is_virtual(sliver: &str) -> bool {
    matches!(sliver, "emulab-xen" | "emulab-docker" | "default-vm")
}

fn kind(node: &Node<'_>, findings: &mut Findings) {
    if let Some(sliver) = node.sliver.filter(|sliver| !SLIVERS.contains(sliver)) {
        let what =
            format!("\"{sliver}\" is no kind of machine of CloudLab or Emulab, which have {}", SLIVERS.join(", "));
        findings.surprising(node.line, what);
    }
    if let Some(manager) = node.manager.filter(|manager| CLOSED.iter().any(|closed| manager.contains(closed))) {
        let what = format!(
            "{manager} was one of GENI's, which ended on 1 August 2023: leave the manager out, or name another"
        );
        findings.wrong(node.line, what);
    }
    if let Some((line, hardware)) = node.hardware.filter(|(_, name)| !is_word(name)) {
        findings.wrong(line, format!("\"{hardware}\" is no kind of hardware, such as m510 or d710"));
    }
    if let Some((line, image)) =
        node.image.filter(|(_, name)| !name.starts_with("urn:publicid:IDN+") && !name.starts_with("http"))
    {
        findings.surprising(line, format!("\"{image}\" is no image by its URN (urn:publicid:IDN+...) or URL"));
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character))
}

fn commands(node: &Node<'_>, findings: &mut Findings) {
    let are_several = node.executes.len() > 1;
    for (execute, number) in node.executes.iter().zip(1..) {
        let (line, shell) = (execute.line, execute.shell);
        match (are_several, SHELLS.contains(&shell)) {
            (true, true) if number > 1 => {
                findings.surprising(
                    line,
                    "a second command: nothing says that it waits for the first; let one script run both",
                );
            }
            (true, false) => {
                let what = format!(
                    "the shell \"{shell}\" is refused where there are several commands: it is one of {}",
                    SHELLS.join(", ")
                );
                findings.wrong(line, what);
            }
            (false, false) => {
                let what = format!(
                    "the shell \"{shell}\" is not used, as there is one command: name it in the command, and say sh here"
                );
                findings.surprising(line, what);
            }
            (_, true) => {}
        }
        let command = execute.command;
        if command.trim().is_empty() {
            findings.wrong(line, "the command is empty");
        } else if !command.chars().all(|character| (' '..='~').contains(&character)) {
            findings.wrong(line, "the command has letters beyond ASCII's printable ones, which the server refuses");
        } else if command.len() > MOST_OF_A_COMMAND {
            let length = command.len();
            let what = format!(
                "the command has {length} letters, and a server may hold {MOST_OF_A_COMMAND}: put it into a script"
            );
            findings.surprising(line, what);
        }
    }
}
