//! Which elements and attributes there are. Extensions are free to be anything, but for the machines that delay, which are looked into.

use super::Findings;
use crate::rspec::read::{Element, Lines};
use crate::rspec::{DELAY, NAMESPACE};

/// What may be said of an element.
struct Rule {
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    children: &'static [&'static str],
}

const fn rule(
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    children: &'static [&'static str],
) -> Rule {
    Rule { name, required, optional, children }
}

/// As request.xsd and request-common.xsd have it. What is below a `component_hop` is not looked at: it says where a link was put, which no
/// request does.
const RULES: [Rule; 19] = [
    rule("rspec", &["type"], &["generated", "generated_by", "expires"], &["node", "link"]),
    rule(
        "node",
        &["client_id"],
        &["component_id", "component_manager_id", "component_name", "exclusive", "colocate"],
        &["relation", "location", "services", "interface", "hardware_type", "sliver_type"],
    ),
    rule(
        "link",
        &["client_id"],
        &[],
        &["property", "link_type", "interface_ref", "component_manager", "component_hop"],
    ),
    rule("relation", &["type", "client_id"], &[], &[]),
    rule("location", &["country"], &["longitude", "latitude"], &[]),
    rule("services", &[], &[], &["login", "install", "execute"]),
    rule("login", &["authentication"], &["hostname", "port"], &[]),
    rule("install", &["url", "install_path"], &[], &[]),
    rule("execute", &["shell", "command"], &[], &[]),
    rule("interface", &["client_id"], &["component_id"], &["ip"]),
    rule("ip", &["address"], &["netmask", "type"], &[]),
    rule("hardware_type", &["name"], &[], &[]),
    rule("sliver_type", &["name"], &[], &["disk_image"]),
    rule("disk_image", &["name"], &["os", "version", "description"], &[]),
    rule("property", &["source_id", "dest_id"], &["capacity", "latency", "packet_loss"], &[]),
    rule("link_type", &["name"], &["class"], &[]),
    rule("interface_ref", &["client_id"], &[], &[]),
    rule("component_manager", &["name"], &[], &[]),
    rule("component_hop", &[], &["component_id"], &["component_manager", "interface_ref"]),
];

/// As the extension's own request.xsd has it.
const DELAY_RULES: [Rule; 2] = [
    rule("sliver_type_shaping", &[], &[], &["pipe"]),
    rule(
        "pipe",
        &["source", "dest"],
        &[
            "capacity",
            "latency",
            "packet_loss",
            "red",
            "gentle",
            "limit",
            "thresh",
            "maxthresh",
            "linterm",
            "q_weight",
            "queue_in_bytes",
        ],
        &[],
    ),
];

pub(super) fn check(root: Element<'_>, lines: &Lines, findings: &mut Findings) {
    let namespace = root.tag_name().namespace();
    let line = lines.of_element(root);
    if namespace != Some(NAMESPACE) {
        let what = namespace.map_or("no namespace is set".to_owned(), |other| format!("its namespace is {other}"));
        findings.wrong(line, format!("{what}: a server knows <rspec xmlns=\"{NAMESPACE}\"> only"));
    }
    if let Some(kind) = root.attribute("type").filter(|kind| kind.trim() != "request") {
        findings.wrong(line, format!("its type is \"{kind}\": what is submitted is a \"request\""));
    }
    // Not by recursion: a file decides how deep it is.
    let mut left = vec![root];
    while let Some(element) = left.pop() {
        let Some(rule) = rule_of(element, namespace) else { continue };
        attributes(element, rule, lines, findings);
        if rule.name == "component_hop" {
            continue;
        }
        for child in element.children().filter(Element::is_element) {
            let is_of_this_schema = child.tag_name().namespace() == element.tag_name().namespace();
            if is_of_this_schema && !rule.children.contains(&child.tag_name().name()) {
                let (parent, child_name) = (rule.name, child.tag_name().name());
                let allowed = match rule.children {
                    [] => "nothing but extensions".to_owned(),
                    children => format!("<{}>", children.join(">, <")),
                };
                let what = format!("there is no <{child_name}> in a <{parent}>: in it are {allowed}");
                findings.wrong(lines.of_element(child), what);
            } else {
                left.push(child);
            }
        }
    }
}

fn rule_of(element: Element<'_>, namespace: Option<&str>) -> Option<&'static Rule> {
    let name = element.tag_name().name();
    let is_named = |rule: &&Rule| rule.name == name;
    match element.tag_name().namespace() {
        its if its == namespace => RULES.iter().find(is_named),
        Some(DELAY) => DELAY_RULES.iter().find(is_named),
        _ => None,
    }
}

fn attributes(element: Element<'_>, rule: &Rule, lines: &Lines, findings: &mut Findings) {
    let (line, name) = (lines.of_element(element), rule.name);
    for missing in rule.required.iter().filter(|required| !element.has_attribute(**required)) {
        findings.wrong(line, format!("this <{name}> has no {missing}"));
    }
    // Attributes of other namespaces are extensions.
    for attribute in element.attributes().filter(|attribute| attribute.namespace().is_none()) {
        let written = attribute.name();
        if rule.required.contains(&written) || rule.optional.contains(&written) {
            continue;
        }
        if name == "pipe" && written == "lossrate" {
            findings.wrong(line, "lossrate is not read by the server, so that nothing is lost here: say packet_loss");
            continue;
        }
        let known = [rule.required, rule.optional].concat().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        findings.wrong(line, format!("a <{name}> has no attribute {written}; it has {known}"));
    }
}
