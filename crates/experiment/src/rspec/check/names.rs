//! Names: unlike each other, such as the server takes, and of something that is there.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::rspec::read::{Link, Request};

/// The longest name of a machine that the server's books hold.
const MOST_OF_A_NAME: usize = 32;

pub(super) fn check(request: &Request<'_>, findings: &mut Findings) {
    if request.nodes.is_empty() {
        findings.surprising(1, "it asks for no machine");
    }
    let nodes = request.nodes.iter().filter_map(|node| Some((node.line, node.name?)));
    unlike("machine", nodes.clone(), findings);
    let links = request.links.iter().filter_map(|link| Some((link.line, link.name?)));
    unlike("link", links.clone(), findings);
    let interfaces = request.nodes.iter().flat_map(|node| &node.interfaces);
    unlike("interface", interfaces.filter_map(|interface| Some((interface.line, interface.name?))), findings);
    for (what, line, name) in
        nodes.map(|(line, name)| ("machine", line, name)).chain(links.map(|(line, name)| ("link", line, name)))
    {
        possible(what, line, name, findings);
    }
    joined(request, findings);
}

fn unlike<'a>(what: &str, all: impl Iterator<Item = (u32, &'a str)>, findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for (line, name) in all {
        if let Some(first) = seen.get(name) {
            findings.wrong(line, format!("the {what} \"{name}\" is there already, on line {first}"));
        } else {
            seen.insert(name, line);
        }
    }
}

fn possible(what: &str, line: u32, name: &str, findings: &mut Findings) {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if name.is_empty() || !name.chars().all(is_plain) {
        findings.wrong(line, format!("\"{name}\" is no name of a {what}: letters, digits, - and _ are taken"));
    } else if name.len() > MOST_OF_A_NAME {
        findings.wrong(line, format!("\"{name}\" has {} letters, and {MOST_OF_A_NAME} are the most", name.len()));
    }
}

/// Which interfaces are joined by which links.
fn joined(request: &Request<'_>, findings: &mut Findings) {
    let of_nodes = request.nodes.iter().enumerate().flat_map(|(place, node)| {
        node.interfaces.iter().filter_map(move |interface| Some((interface.name?, (place, interface.line))))
    });
    let known: BTreeMap<&str, (usize, u32)> = of_nodes.collect();
    let mut used = BTreeMap::new();
    for link in &request.links {
        for end in link.ends.iter().filter(|end| !end.interface.is_empty()) {
            if !known.contains_key(end.interface) {
                findings.wrong(end.line, format!("no machine has an interface \"{}\"", end.interface));
            }
            if let Some(first) = used.insert(end.interface, end.line) {
                let what = format!("the interface \"{}\" is joined already, on line {first}", end.interface);
                findings.wrong(end.line, what);
            }
        }
        ends(link, &known, findings);
    }
    for (name, (_, line)) in known.iter().filter(|(name, _)| !used.contains_key(*name)) {
        findings.surprising(*line, format!("no link joins the interface \"{name}\""));
    }
}

fn ends(link: &Link<'_>, known: &BTreeMap<&str, (usize, u32)>, findings: &mut Findings) {
    if link.ends.len() < 2 {
        findings.wrong(link.line, format!("this link has {} ends: it takes two at least", link.ends.len()));
        return;
    }
    let nodes: Vec<usize> = link.interfaces().filter_map(|end| Some(known.get(end)?.0)).collect();
    if nodes.iter().collect::<BTreeSet<_>>().len() < nodes.len() {
        findings.surprising(link.line, "two ends of this link are on the same machine");
    }
}
