//! Links: shaping that is of the link, in numbers that the server reads, and means what it seems to.

use std::collections::BTreeMap;

use super::Findings;
use crate::rspec::meaning::number;
use crate::rspec::read::{Link, Request, Shaping};
use crate::rspec::{IMPOSSIBLE_KBPS, LEAST_LOSS};

/// The longest delay that anybody wants, milliseconds: a minute, beyond which a link is down. More is in other units.
const MOST_LATENCY_MS: f64 = 60_000.0;

pub(super) fn check(request: &Request<'_>, findings: &mut Findings) {
    for link in &request.links {
        for property in &link.properties {
            numbers(property, findings);
            if link.is_lan() {
                of_a_port(link, property, findings);
            } else {
                of_a_direction(link, property, findings);
            }
        }
        twice(link, findings);
        one_way(link, findings);
        best_effort(link, findings);
    }
}

/// Capacity in whole kbit/s, latency in ms, loss as a share.
pub(super) fn numbers(shaping: &Shaping<'_>, findings: &mut Findings) {
    let line = shaping.line;
    if let Some(written) = shaping.capacity {
        match number(written) {
            Some(kbps) if kbps >= IMPOSSIBLE_KBPS => {
                let what = format!(
                    "the capacity {written} is in kbit/s, so that this is {} Gbit/s: is it in bit/s?",
                    kbps / 1e6
                );
                findings.surprising(line, what);
            }
            Some(kbps) if kbps >= 1.0 && is_digits(written) => {}
            _ => findings.wrong(line, format!("\"{written}\" is no capacity: it is a whole number of kbit/s, from 1")),
        }
    }
    if let Some(written) = shaping.latency {
        match number(written) {
            Some(latency_ms) if latency_ms > MOST_LATENCY_MS => {
                let what =
                    format!("the latency {written} is in ms, so that this is {} s: is it in µs?", latency_ms / 1e3);
                findings.surprising(line, what);
            }
            Some(latency_ms) if latency_ms >= 0.0 => {}
            _ => findings.wrong(line, format!("\"{written}\" is no latency: it is a number of ms, from 0")),
        }
    }
    if let Some(written) = shaping.loss {
        loss(line, written, findings);
    }
}

fn loss(line: u32, written: &str, findings: &mut Findings) {
    let is_literal = written == "0" || (written.contains('.') && is_digits(&written.replacen('.', "", 1)));
    match number(written) {
        Some(share) if share > 1.0 && share <= 100.0 => {
            let what =
                format!("the loss {written} is more than all: it is a share, and {written} % are {}", share / 100.0);
            findings.wrong(line, what);
        }
        Some(share) if (0.0..=1.0).contains(&share) => {
            if !is_literal {
                let what =
                    format!("the loss {written} is to be written with digits and a point, such as 0.05, or as 0");
                findings.wrong(line, what);
            } else if share > 0.0 && share < LEAST_LOSS {
                findings.wrong(line, format!("the loss {written} is less than the least that is taken, {LEAST_LOSS}"));
            } else if share == 1.0 {
                findings.surprising(line, "nothing at all passes here");
            }
        }
        _ => findings.wrong(line, format!("\"{written}\" is no loss: it is a share from 0 to 1, such as 0.05")),
    }
}

fn is_digits(written: &str) -> bool {
    !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the server does something to packets for it.
fn does_something(written: Option<&str>) -> bool {
    written.and_then(number).is_some_and(|number| number > 0.0)
}

fn of_a_direction(link: &Link<'_>, property: &Shaping<'_>, findings: &mut Findings) {
    let is_end = |name: &str| link.interfaces().any(|interface| interface == name);
    for (key, name) in [("source_id", property.from), ("dest_id", property.to)] {
        if Some(name) == link.name && !is_end(name) {
            let what =
                format!("{key} names the link, as on a LAN; this link has two ends, and it is the interface at one");
            findings.wrong(property.line, what);
        } else if !name.is_empty() && !is_end(name) {
            findings.wrong(property.line, format!("{key} is \"{name}\", which is no end of this link"));
        }
    }
    if !property.from.is_empty() && property.from == property.to {
        findings.wrong(property.line, "source_id and dest_id are the same");
    }
}

fn of_a_port(link: &Link<'_>, property: &Shaping<'_>, findings: &mut Findings) {
    let (line, name) = (property.line, link.name.unwrap_or_default());
    if !property.from.is_empty() && !link.interfaces().any(|interface| interface == property.from) {
        findings.wrong(line, format!("source_id is \"{}\", which is no interface on this LAN", property.from));
    }
    if property.to != name {
        let what = format!(
            "dest_id is \"{}\": with more than two ends this is a LAN, a property is of a port, and dest_id is the LAN's \
             own name, \"{name}\"",
            property.to
        );
        findings.wrong(line, what);
    }
    if let Some(latency) = property.latency.filter(|latency| does_something(Some(latency))) {
        let what = format!(
            "on a LAN latency counts twice: a packet meets that of the port it leaves by and that of the port it enters by, \
             so that between two ports of {latency} ms one way takes {} ms",
            2.0 * number(latency).unwrap_or(0.0)
        );
        findings.surprising(line, what);
    }
    if let Some(share) = property.loss.filter(|loss| does_something(Some(loss))) {
        let what = format!(
            "on a LAN loss counts twice: of the port that a packet leaves by, {share}, and of that it enters by"
        );
        findings.surprising(line, what);
    }
}

fn twice(link: &Link<'_>, findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for property in &link.properties {
        if let Some(first) = seen.insert((property.from, property.to), property.line) {
            findings.wrong(property.line, format!("the same direction has a property already, on line {first}"));
        }
    }
}

/// A property is of one direction. What the other does is easily forgotten.
fn one_way(link: &Link<'_>, findings: &mut Findings) {
    if link.is_lan() {
        return;
    }
    for property in &link.properties {
        let other = link.property(property.to, property.from);
        let shapes = does_something(property.latency) || does_something(property.loss);
        if other.is_none() && (shapes || property.capacity.is_some()) {
            let what = format!(
                "a property is of one direction, and there is none from \"{}\" to \"{}\": that way has no delay and no loss, and \
                 this way's capacity",
                property.to, property.from
            );
            findings.surprising(property.line, what);
        }
        if property.capacity.is_none() && other.is_some_and(|other| other.capacity.is_some()) {
            let what = "no capacity is asked for here, so that the other direction's holds for both: say one";
            findings.surprising(property.line, what);
        }
    }
}

fn best_effort(link: &Link<'_>, findings: &mut Findings) {
    if !link.allows.contains(&"best_effort") {
        return;
    }
    for property in &link.properties {
        if does_something(property.latency) || does_something(property.loss) {
            findings.wrong(property.line, "best_effort makes latency and loss 0 on this link: leave it out");
        }
    }
}
