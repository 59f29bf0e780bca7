//! Addresses: each once, and the two ends of a link in one network that no other link has.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Findings;
use crate::rspec::read::{Address, Request};

pub(super) fn check(request: &Request<'_>, findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    let mut networks: BTreeMap<&str, (Network, u32)> = BTreeMap::new();
    for interface in request.nodes.iter().flat_map(|node| &node.interfaces) {
        for address in &interface.addresses {
            let Some(v4) = read(address, findings) else { continue };
            if let Some(first) = seen.insert(v4, address.line) {
                findings.wrong(address.line, format!("the address {v4} is given already, on line {first}"));
            }
            if let (Some(name), Some(network)) = (interface.name, network(address, v4, findings)) {
                networks.insert(name, (network, address.line));
            }
        }
    }
    let mut taken: BTreeMap<Network, &str> = BTreeMap::new();
    for link in &request.links {
        let ends: Vec<(Network, u32)> = link.interfaces().filter_map(|end| networks.get(end).copied()).collect();
        let Some(((first, _), others)) = ends.split_first() else { continue };
        for (other, line) in others.iter().filter(|(other, _)| other != first) {
            findings.wrong(*line, format!("{other} is another network than {first}, where the link's first end is"));
        }
        if let Some(other) = taken.insert(*first, link.name.unwrap_or_default()) {
            findings.wrong(
                link.line,
                format!("the link \"{other}\" has the network {first} too: nothing tells which way to send"),
            );
        }
    }
}

/// An IPv4 network, as its address and the length of its prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Network(Ipv4Addr, u32);

impl std::fmt::Display for Network {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.0, self.1)
    }
}

/// The address, if it is one of IPv4; those of IPv6 are looked at only by themselves.
fn read(address: &Address<'_>, findings: &mut Findings) -> Option<Ipv4Addr> {
    let written = address.address.trim();
    match address.kind.map(str::trim) {
        Some("ipv6") => {
            if written.parse::<Ipv6Addr>().is_err() {
                findings.wrong(address.line, format!("\"{written}\" is no address of IPv6"));
            }
            None
        }
        Some("ipv4") | None => {
            let read = written.parse::<Ipv4Addr>();
            if read.is_err() {
                findings.wrong(address.line, format!("\"{written}\" is no address of IPv4, such as 10.10.1.2"));
            }
            let v4 = read.ok()?;
            if !v4.is_private() {
                let what = format!("{v4} is not of a private network: packets for it may leave the testbed");
                findings.surprising(address.line, what);
            }
            Some(v4)
        }
        Some(other) => {
            findings.wrong(address.line, format!("the type is \"{other}\": it is \"ipv4\" or \"ipv6\""));
            None
        }
    }
}

fn network(address: &Address<'_>, v4: Ipv4Addr, findings: &mut Findings) -> Option<Network> {
    let Some(written) = address.netmask else {
        findings.surprising(address.line, format!("{v4} has no netmask: say one, such as 255.255.255.0"));
        return None;
    };
    let mask = written.trim().parse::<Ipv4Addr>().ok().map(Ipv4Addr::to_bits);
    let Some(mask) = mask.filter(|mask| *mask != 0 && mask.leading_ones() + mask.trailing_zeros() == u32::BITS) else {
        findings.wrong(address.line, format!("\"{written}\" is no netmask, such as 255.255.255.0"));
        return None;
    };
    Some(Network(Ipv4Addr::from_bits(v4.to_bits() & mask), mask.leading_ones()))
}
