//! From XML to plain data, with the line of each piece. Lenient: what is missing is missing, and what that means is for the rules to
//! say (`check`).

use std::fmt;

use roxmltree::{Document, ParsingOptions};

use super::{DELAY, EMULAB};

/// The longest file, bytes. A star of 63 workers has 60 kB.
pub const MOST_BYTES: usize = 1024 * 1024;

/// The most elements, attributes and texts of a file. A star of 63 workers has some 3,000.
pub const MOST_ELEMENTS: u32 = 100_000;

/// Why a file is no RSpec at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// From 1; `None`: it is of the whole.
    pub line: Option<u32>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "line {line}: {}", self.what),
            None => write!(out, "{}", self.what),
        }
    }
}

impl std::error::Error for Unreadable {}

/// An element of a file.
pub(super) type Element<'a> = roxmltree::Node<'a, 'a>;

/// Where the lines of a text begin, so that a place is found without reading all before it.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(place, _)| place).collect())
    }

    /// The line on which an element begins, from 1.
    pub(super) fn of_element(&self, element: Element<'_>) -> u32 {
        let before = self.0.partition_point(|place| *place < element.range().start);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}

/// Reads the XML.
///
/// # Errors
/// It is too large, no XML, or its root is no `rspec`.
pub(super) fn parse(text: &str) -> Result<Document<'_>, Unreadable> {
    if text.len() > MOST_BYTES {
        let what = format!("it has {} bytes, and {MOST_BYTES} are the most", text.len());
        return Err(Unreadable { line: None, what });
    }
    // No document type: what it could define would have to be expanded, and no RSpec has one.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_ELEMENTS, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| Unreadable {
        line: Some(error.pos().row),
        what: format!("it is no XML that is read here: {error}"),
    })?;
    let root = document.root_element().tag_name().name();
    if root != "rspec" {
        return Err(Unreadable { line: None, what: format!("it is no RSpec: it begins with <{root}>") });
    }
    Ok(document)
}

/// What a file asks for.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) links: Vec<Link<'a>>,
}

/// A machine.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) line: u32,
    pub(super) name: Option<&'a str>,
    pub(super) manager: Option<&'a str>,
    pub(super) sliver: Option<&'a str>,
    /// With its line, as the image has.
    pub(super) hardware: Option<(u32, &'a str)>,
    pub(super) image: Option<(u32, &'a str)>,
    pub(super) interfaces: Vec<Interface<'a>>,
    pub(super) executes: Vec<Execute<'a>>,
    /// What a machine that only delays does.
    pub(super) pipes: Vec<Shaping<'a>>,
}

/// An interface of a machine.
#[derive(Debug)]
pub(super) struct Interface<'a> {
    pub(super) line: u32,
    pub(super) name: Option<&'a str>,
    pub(super) addresses: Vec<Address<'a>>,
}

/// An address of an interface.
#[derive(Debug)]
pub(super) struct Address<'a> {
    pub(super) line: u32,
    pub(super) address: &'a str,
    pub(super) netmask: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
}

/// A command that is run after each boot.
#[derive(Debug)]
pub(super) struct Execute<'a> {
    pub(super) line: u32,
    pub(super) shell: &'a str,
    pub(super) command: &'a str,
}

/// A link, or a LAN where it has more than two ends.
#[derive(Debug)]
pub(super) struct Link<'a> {
    pub(super) line: u32,
    pub(super) name: Option<&'a str>,
    pub(super) ends: Vec<End<'a>>,
    pub(super) properties: Vec<Shaping<'a>>,
    /// What it lets the testbed do: `best_effort` and others.
    pub(super) allows: Vec<&'a str>,
}

/// The end of a link: the name of an interface.
#[derive(Debug)]
pub(super) struct End<'a> {
    pub(super) line: u32,
    pub(super) interface: &'a str,
}

/// What is asked of one direction: a link's `property`, or a delaying machine's `pipe`.
#[derive(Debug)]
pub(super) struct Shaping<'a> {
    pub(super) line: u32,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) capacity: Option<&'a str>,
    pub(super) latency: Option<&'a str>,
    pub(super) loss: Option<&'a str>,
}

impl Link<'_> {
    /// Whether it joins more than two.
    pub(super) fn is_lan(&self) -> bool {
        self.ends.len() > 2
    }

    /// The interfaces that it joins.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.ends.iter().map(|end| end.interface)
    }

    /// What is asked from here to there.
    pub(super) fn property(&self, from: &str, to: &str) -> Option<&Shaping<'_>> {
        self.properties.iter().find(|property| property.from == from && property.to == to)
    }
}

/// Takes out of the elements what the rules ask after.
pub(super) fn request<'a>(root: Element<'a>, lines: &Lines) -> Request<'a> {
    let reader = Reader { namespace: root.tag_name().namespace(), lines };
    Request {
        nodes: reader.all(root, "node").map(|element| reader.node(element)).collect(),
        links: reader.all(root, "link").map(|element| reader.link(element)).collect(),
    }
}

/// What is read in the root's own namespace, even if that is the wrong one: the rest can be looked at nevertheless.
struct Reader<'a, 'l> {
    namespace: Option<&'a str>,
    lines: &'l Lines,
}

impl<'a> Reader<'a, '_> {
    fn all(&self, element: Element<'a>, name: &'static str) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let namespace = self.namespace;
        element.children().filter(move |child| {
            child.is_element() && child.tag_name().name() == name && child.tag_name().namespace() == namespace
        })
    }

    fn node(&self, element: Element<'a>) -> Node<'a> {
        let slivers = || self.all(element, "sliver_type");
        let shapings = slivers().flat_map(|sliver| extensions(sliver, DELAY, "sliver_type_shaping"));
        let services = || self.all(element, "services");
        let named = |element: Element<'a>| Some((self.lines.of_element(element), element.attribute("name")?));
        Node {
            line: self.lines.of_element(element),
            name: element.attribute("client_id"),
            manager: element.attribute("component_manager_id"),
            sliver: slivers().find_map(|sliver| sliver.attribute("name")),
            hardware: self.all(element, "hardware_type").find_map(named),
            image: slivers().flat_map(|sliver| self.all(sliver, "disk_image")).find_map(named),
            interfaces: self.all(element, "interface").map(|element| self.interface(element)).collect(),
            executes: services()
                .flat_map(|services| self.all(services, "execute"))
                .map(|execute| Execute {
                    line: self.lines.of_element(execute),
                    shell: execute.attribute("shell").unwrap_or_default(),
                    command: execute.attribute("command").unwrap_or_default(),
                })
                .collect(),
            pipes: shapings
                .flat_map(|shaping| extensions(shaping, DELAY, "pipe"))
                .map(|pipe| self.shaping(pipe, ["source", "dest"]))
                .collect(),
        }
    }

    fn interface(&self, element: Element<'a>) -> Interface<'a> {
        let address = |element: Element<'a>| Address {
            line: self.lines.of_element(element),
            address: element.attribute("address").unwrap_or_default(),
            netmask: element.attribute("netmask"),
            kind: element.attribute("type"),
        };
        Interface {
            line: self.lines.of_element(element),
            name: element.attribute("client_id"),
            addresses: self.all(element, "ip").map(address).collect(),
        }
    }

    fn link(&self, element: Element<'a>) -> Link<'a> {
        let end = |element: Element<'a>| End {
            line: self.lines.of_element(element),
            interface: element.attribute("client_id").unwrap_or_default(),
        };
        let is_enabled = |child: &Element<'a>| {
            child.tag_name().namespace() == Some(EMULAB) && child.attribute("enabled").is_none_or(|it| it != "false")
        };
        Link {
            line: self.lines.of_element(element),
            name: element.attribute("client_id"),
            ends: self.all(element, "interface_ref").map(end).collect(),
            properties: self
                .all(element, "property")
                .map(|property| self.shaping(property, ["source_id", "dest_id"]))
                .collect(),
            allows: element.children().filter(is_enabled).map(|child| child.tag_name().name()).collect(),
        }
    }

    fn shaping(&self, element: Element<'a>, [from, to]: [&str; 2]) -> Shaping<'a> {
        Shaping {
            line: self.lines.of_element(element),
            from: element.attribute(from).unwrap_or_default(),
            to: element.attribute(to).unwrap_or_default(),
            capacity: element.attribute("capacity"),
            latency: element.attribute("latency"),
            loss: element.attribute("packet_loss"),
        }
    }
}

/// The children of this name in an extension's namespace.
fn extensions<'a>(
    element: Element<'a>,
    namespace: &'static str,
    name: &'static str,
) -> impl Iterator<Item = Element<'a>> {
    element.children().filter(move |child| child.has_tag_name((namespace, name)))
}
