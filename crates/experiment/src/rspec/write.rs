//! From plain data to XML.

use std::io;

use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::choose::{choosing, listed};
use super::draft::{Draft, Link, Node};
use super::shape::Shape;
use super::{EMULAB, NAMESPACE, Options, TOUR};
use crate::scenario::{Planned, Scenario};

type Xml = Writer<Vec<u8>>;

/// Each cable of the star is a network of 256 addresses.
const NETMASK: &str = "255.255.255.0";

/// The file.
pub(super) fn xml(scenario: &Scenario, cells: &[&Planned], draft: &Draft, options: &Options) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    written(&mut xml, &description(scenario, cells, draft), draft, options).expect("memory takes everything");
    let mut text = String::from_utf8(xml.into_inner()).expect("it was written from text");
    text.push('\n');
    text
}

fn written(xml: &mut Xml, description: &str, draft: &Draft, options: &Options) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let schemas = format!("{NAMESPACE} {NAMESPACE}/request.xsd");
    let root = xml
        .create_element("rspec")
        .with_attribute(("xmlns", NAMESPACE))
        .with_attribute(("xmlns:emulab", EMULAB))
        .with_attribute(("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"))
        .with_attribute(("xsi:schemaLocation", schemas.as_str()))
        .with_attribute(("type", "request"))
        .with_attribute(("generated_by", concat!("manyeyes ", env!("CARGO_PKG_VERSION"))));
    root.write_inner_content(|xml| {
        xml.create_element("rspec_tour").with_attribute(("xmlns", TOUR)).write_inner_content(|xml| {
            let element = xml.create_element("description").with_attribute(("type", "text"));
            // In a text, unlike in an attribute, quotes may stay as they are.
            element.write_text_content(BytesText::from_escaped(partial_escape(description))).map(drop)
        })?;
        draft.nodes.iter().try_for_each(|node| write_node(xml, node, options))?;
        draft.links.iter().try_for_each(|link| write_link(xml, link))
    })
    .map(drop)
}

/// What the page of the testbed shows beside the machines.
fn description(scenario: &Scenario, cells: &[&Planned], draft: &Draft) -> String {
    let cell = match cells {
        [only] if only.levels.is_empty() => String::new(),
        [one] => format!(", cell {}", choosing(one)),
        several => format!(", cells {}", listed(several)),
    };
    let mut text = format!("manyeyes, study {}{cell}: {}", scenario.name, scenario.question);
    for departure in &draft.departures {
        text.push_str(&format!("\nNot as in the lab, {departure}."));
    }
    text
}

fn write_node(xml: &mut Xml, node: &Node, options: &Options) -> io::Result<()> {
    let element = xml.create_element("node").with_attribute(("client_id", node.name.as_str()));
    // A machine of one's own: others' work would be in every number.
    let element = element.with_attribute(("exclusive", "true"));
    element
        .write_inner_content(|xml| {
            xml.create_element("sliver_type").with_attribute(("name", "raw-pc")).write_inner_content(|xml| {
                xml.create_element("disk_image")
                    .with_attribute(("name", options.image.as_str()))
                    .write_empty()
                    .map(drop)
            })?;
            xml.create_element("hardware_type").with_attribute(("name", options.hardware.as_str())).write_empty()?;
            xml.create_element("services").write_inner_content(|xml| {
                // With one `execute` the server takes the command as it is; with two it wants a shell that it knows.
                let element = xml.create_element("execute").with_attribute(("shell", "sh"));
                element.with_attribute(("command", node.command.as_str())).write_empty().map(drop)
            })?;
            node.interfaces.iter().try_for_each(|interface| {
                let element = xml.create_element("interface").with_attribute(("client_id", interface.name.as_str()));
                let written = element.write_inner_content(|xml| {
                    let element = xml.create_element("ip").with_attribute(("address", &*interface.address.to_string()));
                    element
                        .with_attribute(("netmask", NETMASK))
                        .with_attribute(("type", "ipv4"))
                        .write_empty()
                        .map(drop)
                });
                written.map(drop)
            })
        })
        .map(drop)
}

fn write_link(xml: &mut Xml, link: &Link) -> io::Result<()> {
    let element = xml.create_element("link").with_attribute(("client_id", link.name.as_str()));
    element
        .write_inner_content(|xml| {
            let [near, far] = link.ends.each_ref().map(String::as_str);
            for end in [near, far] {
                xml.create_element("interface_ref").with_attribute(("client_id", end)).write_empty()?;
            }
            write_property(xml, [near, far], link.down)?;
            write_property(xml, [far, near], link.up)?;
            // The manager has more links than a machine has interfaces: several share one, told apart by VLAN tags.
            for allowed in ["emulab:link_multiplexing", "emulab:vlan_tagging"] {
                xml.create_element(allowed).with_attribute(("enabled", "true")).write_empty()?;
            }
            Ok(())
        })
        .map(drop)
}

fn write_property(xml: &mut Xml, [from, to]: [&str; 2], shape: Shape) -> io::Result<()> {
    let element = xml.create_element("property").with_attribute(("source_id", from)).with_attribute(("dest_id", to));
    let element = element
        .with_attribute(("capacity", &*shape.capacity_kbps.to_string()))
        .with_attribute(("latency", &*shape.latency_ms.to_string()));
    let loss = loss_literal(shape.loss);
    let element = if shape.loss > 0.0 { element.with_attribute(("packet_loss", &*loss)) } else { element };
    element.write_empty().map(drop)
}

/// A share as the server reads one: digits with a point among them, and no exponent.
fn loss_literal(share: f64) -> String {
    let literal = share.to_string();
    if literal.contains('.') { literal } else { format!("{literal}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_has_a_point_and_no_exponent() {
        let literals = [0.15, 1.0, 0.000_005, 1.0 / 3.0].map(loss_literal);
        assert_eq!(literals, ["0.15", "1.0", "0.000005", "0.3333333333333333"]);
    }
}
