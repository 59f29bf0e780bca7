//! What a file means for packets, by what the server makes of it.
//!
//! On a link of two ends a property holds for its direction: the server gives each end half of the delay and its share of the loss, which is
//! the whole on the way. On a LAN a property is of a port and holds for what leaves it and for what enters it, so that a packet meets two of
//! them: delays add up, and half a second asked for is a second each way.

use std::collections::BTreeMap;

use super::read::{Link, Request, Shaping};

/// How many ways are told of a file: the star of 63 workers has 128. A LAN of many has the square of them.
const MOST_WAYS: usize = 1_000;

/// The way from one machine to another over one link.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// The link.
    pub link: String,
    /// The machine that sends.
    pub from: String,
    /// The machine that receives.
    pub to: String,
    /// kbit/s; `None`: nothing is asked for, and the testbed decides.
    pub capacity_kbps: Option<f64>,
    /// One way, milliseconds.
    pub latency_ms: f64,
    /// The share of packets that are lost, 0..=1.
    pub loss: f64,
}

/// A number as it is written in a file: finite, or none.
pub(super) fn number(written: &str) -> Option<f64> {
    written.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The ways that a file asks for, the first [`MOST_WAYS`].
pub(super) fn ways(request: &Request<'_>) -> Vec<Way> {
    let interfaces = request.nodes.iter().flat_map(|node| node.interfaces.iter().map(move |it| (it.name, node.name)));
    let machines: BTreeMap<&str, &str> = interfaces.filter_map(|(interface, node)| interface.zip(node)).collect();
    let machine = |interface: &str| machines.get(interface).copied().unwrap_or(interface).to_owned();
    let of_link = |link: &'_ Link<'_>| -> Vec<Way> {
        let ends: Vec<&str> = link.interfaces().collect();
        let pairs =
            ends.iter().flat_map(|from| ends.iter().map(move |to| (*from, *to))).filter(|(from, to)| from != to);
        let way = |(from, to): (&str, &str)| {
            let (capacity_kbps, latency_ms, loss) =
                if link.is_lan() { across(link, from, to) } else { along(link, from, to) };
            let name = link.name.unwrap_or_default().to_owned();
            Way { link: name, from: machine(from), to: machine(to), capacity_kbps, latency_ms, loss }
        };
        pairs.take(MOST_WAYS).map(way).collect()
    };
    request.links.iter().flat_map(of_link).take(MOST_WAYS).collect()
}

/// Of a link with two ends.
fn along(link: &Link<'_>, from: &str, to: &str) -> (Option<f64>, f64, f64) {
    let property = link.property(from, to);
    (capacity(link, property), latency(property), loss(property))
}

/// Of a LAN: out of one port and into another.
fn across(link: &Link<'_>, from: &str, to: &str) -> (Option<f64>, f64, f64) {
    let [out, into] = [from, to].map(|port| link.property(port, link.name.unwrap_or_default()));
    let [first, second] = [out, into].map(|port| capacity(link, port));
    let narrower = first.zip(second).map(|(first, second)| first.min(second));
    let kept = (1.0 - loss(out)) * (1.0 - loss(into));
    (narrower.or(first).or(second), latency(out) + latency(into), 1.0 - kept)
}

/// A property's own, or the first one's of the link, which the server takes for all interfaces that have none.
fn capacity(link: &Link<'_>, property: Option<&Shaping<'_>>) -> Option<f64> {
    let of = |property: &Shaping<'_>| property.capacity.and_then(number).filter(|kbps| *kbps > 0.0);
    property.and_then(of).or_else(|| link.properties.first().and_then(of))
}

/// What cannot be is taken for nothing: that it is there is a finding, and what a server makes of it nobody knows.
fn latency(property: Option<&Shaping<'_>>) -> f64 {
    property.and_then(|property| property.latency).and_then(number).filter(|ms| *ms >= 0.0).unwrap_or(0.0)
}

/// As [`latency`].
fn loss(property: Option<&Shaping<'_>>) -> f64 {
    let written = property.and_then(|property| property.loss).and_then(number);
    written.filter(|share| (0.0..=1.0).contains(share)).unwrap_or(0.0)
}
