//! Machines that do nothing but delay: two interfaces, and a pipe for each direction between them.

use super::{Findings, links};
use crate::rspec::LEAST_LOSS;
use crate::rspec::meaning::number;
use crate::rspec::read::{Node, Request, Shaping};

pub(super) fn check(request: &Request<'_>, findings: &mut Findings) {
    for node in &request.nodes {
        if node.sliver == Some("delay") {
            bridge(node, findings);
        } else if let Some(pipe) = node.pipes.first() {
            findings.wrong(pipe.line, "this machine's sliver_type is not \"delay\": nobody looks at its pipes");
        }
    }
}

fn bridge(node: &Node<'_>, findings: &mut Findings) {
    if node.interfaces.len() != 2 {
        let what = format!(
            "a machine that delays is between two links, and this one has {} interfaces",
            node.interfaces.len()
        );
        findings.wrong(node.line, what);
    }
    if node.pipes.is_empty() {
        findings.wrong(node.line, "a machine that delays has a pipe for each direction, and this one has none");
    }
    for pipe in &node.pipes {
        links::numbers(pipe, findings);
        ends(node, pipe, findings);
        if let Some(loss) = pipe.loss.filter(|loss| number(loss) == Some(0.0)) {
            let what = format!("a pipe's packet_loss is from {LEAST_LOSS} to 1, and {loss} is refused: leave it out");
            findings.wrong(pipe.line, what);
        }
        if let Some(latency) = pipe.latency.filter(|latency| number(latency).is_some_and(|ms| ms.fract() != 0.0)) {
            findings.wrong(pipe.line, format!("a pipe's latency is a whole number of ms, and not {latency}"));
        }
        if !node.pipes.iter().any(|other| (other.from, other.to) == (pipe.to, pipe.from)) {
            let what =
                format!("a pipe is of one direction, and there is none from \"{}\" to \"{}\"", pipe.to, pipe.from);
            findings.surprising(pipe.line, what);
        }
    }
}

fn ends(node: &Node<'_>, pipe: &Shaping<'_>, findings: &mut Findings) {
    for (key, name) in [("source", pipe.from), ("dest", pipe.to)] {
        if !name.is_empty() && !node.interfaces.iter().any(|interface| interface.name == Some(name)) {
            findings.wrong(pipe.line, format!("{key} is \"{name}\", which is no interface of this machine"));
        }
    }
}
