//! What is wrong or surprising about an RSpec, each with its line: where the schema (GENI's request.xsd, version 3) or a server would
//! refuse it, where a server would read something else than whoever wrote it meant, and where nothing tells the two apart.

mod addresses;
mod grammar;
mod links;
mod machines;
mod names;
mod pipes;
#[cfg(test)]
mod tests;

use std::fmt;

use super::meaning::{Way, ways};
use super::read::{Lines, Unreadable, parse, request};

/// What is to be said of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// In the order of their lines.
    pub findings: Vec<Finding>,
    /// How many machines it asks for.
    pub nodes: usize,
    /// How many links.
    pub links: usize,
    /// What packets meet on each way: the first thousand of them.
    pub ways: Vec<Way>,
}

/// Something to be said of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// From 1.
    pub line: u32,
    /// How bad it is.
    pub kind: Kind,
    /// What, and what would be right.
    pub what: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is refused, or does not do what it says.
    Wrong,
    /// It may be meant so, but seldom is.
    Surprising,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Wrong => "wrong",
            Kind::Surprising => "surprising",
        };
        write!(out, "line {}: {kind}: {}", self.line, self.what)
    }
}

/// Checks a file.
///
/// # Errors
/// It is no RSpec at all.
pub fn check(text: &str) -> Result<Checked, Unreadable> {
    let document = parse(text)?;
    let lines = Lines::of(text);
    let root = document.root_element();
    let asked = request(root, &lines);
    let mut findings = Findings(Vec::new());
    grammar::check(root, &lines, &mut findings);
    names::check(&asked, &mut findings);
    machines::check(&asked, &mut findings);
    addresses::check(&asked, &mut findings);
    links::check(&asked, &mut findings);
    pipes::check(&asked, &mut findings);
    let Findings(mut findings) = findings;
    findings.sort_by_key(|finding| finding.line);
    Ok(Checked { findings, nodes: asked.nodes.len(), links: asked.links.len(), ways: ways(&asked) })
}

/// Where rules put what they find.
struct Findings(Vec<Finding>);

impl Findings {
    fn wrong(&mut self, line: u32, what: impl Into<String>) {
        self.0.push(Finding { line, kind: Kind::Wrong, what: what.into() });
    }

    fn surprising(&mut self, line: u32, what: impl Into<String>) {
        self.0.push(Finding { line, kind: Kind::Surprising, what: what.into() });
    }
}
