use super::*;

/// Two machines and a link, with nothing to be said of it.
const LINK: &str = r#"<rspec xmlns="http://www.geni.net/resources/rspec/3" xmlns:emulab="http://www.protogeni.net/resources/rspec/ext/emulab/1" type="request">
  <node client_id="a" exclusive="true">
    <sliver_type name="raw-pc"><disk_image name="urn:publicid:IDN+emulab.net+image+emulab-ops//UBUNTU22-64-STD"/></sliver_type>
    <hardware_type name="m510"/>
    <services><execute shell="sh" command="/bin/true"/></services>
    <interface client_id="a:if0"><ip address="10.10.1.1" netmask="255.255.255.0" type="ipv4"/></interface>
  </node>
  <node client_id="b">
    <interface client_id="b:if0"><ip address="10.10.1.2" netmask="255.255.255.0" type="ipv4"/></interface>
  </node>
  <link client_id="ab">
    <interface_ref client_id="a:if0"/>
    <interface_ref client_id="b:if0"/>
    <property source_id="a:if0" dest_id="b:if0" capacity="10000" latency="500" packet_loss="0.15"/>
    <property source_id="b:if0" dest_id="a:if0" capacity="5000" latency="100"/>
  </link>
</rspec>
"#;

/// Three machines on a LAN, each port of 500 ms.
const LAN: &str = r#"<rspec xmlns="http://www.geni.net/resources/rspec/3" type="request">
  <node client_id="a"><interface client_id="a:if0"/></node>
  <node client_id="b"><interface client_id="b:if0"/></node>
  <node client_id="c"><interface client_id="c:if0"/></node>
  <link client_id="lan">
    <interface_ref client_id="a:if0"/>
    <interface_ref client_id="b:if0"/>
    <interface_ref client_id="c:if0"/>
    <property source_id="a:if0" dest_id="lan" capacity="100000" latency="500" packet_loss="0.1"/>
    <property source_id="b:if0" dest_id="lan" capacity="50000" latency="500" packet_loss="0.1"/>
    <link_type name="lan"/>
  </link>
</rspec>
"#;

/// A machine that delays, between two others.
const BRIDGE: &str = r#"<rspec xmlns="http://www.geni.net/resources/rspec/3" xmlns:delay="http://www.protogeni.net/resources/rspec/ext/delay/1" type="request">
  <node client_id="a"><interface client_id="a:if0"/></node>
  <node client_id="bridge">
    <sliver_type name="delay"><delay:sliver_type_shaping>
      <delay:pipe source="bridge:if0" dest="bridge:if1" capacity="10000" latency="15" packet_loss="0.01"/>
      <delay:pipe source="bridge:if1" dest="bridge:if0" capacity="10000" latency="15"/>
    </delay:sliver_type_shaping></sliver_type>
    <interface client_id="bridge:if0"/>
    <interface client_id="bridge:if1"/>
  </node>
  <node client_id="b"><interface client_id="b:if0"/></node>
  <link client_id="left"><interface_ref client_id="a:if0"/><interface_ref client_id="bridge:if0"/></link>
  <link client_id="right"><interface_ref client_id="bridge:if1"/><interface_ref client_id="b:if0"/></link>
</rspec>
"#;

fn findings(text: &str) -> Vec<Finding> {
    check(text).unwrap_or_else(|error| panic!("{error}\n{text}")).findings
}

/// Each change of a file without fault, where what comes of it is found, how bad it is, and what is said.
fn found_after(base: &str, changes: &[(&str, &str, u32, Kind, &str)]) {
    for (from, to, line, kind, words) in changes {
        assert!(base.contains(from), "{from}");
        let all = findings(&base.replacen(from, to, 1));
        let is_it = |finding: &&Finding| (finding.line, finding.kind) == (*line, *kind) && finding.what.contains(words);
        assert!(all.iter().any(|finding| is_it(&finding)), "{to}: line {line}, {words}\nfound: {all:#?}");
    }
}

use Kind::{Surprising, Wrong};

#[test]
fn a_file_without_fault_has_no_finding() {
    assert_eq!((findings(LINK), findings(BRIDGE)), (Vec::new(), Vec::new()));
}

#[test]
fn what_the_schema_does_not_know_is_found_with_its_line() {
    found_after(
        LINK,
        &[
            ("/rspec/3\"", "/resource/rspec/3\"", 1, Wrong, "a server knows <rspec xmlns="),
            (" type=\"request\"", "", 1, Wrong, "this <rspec> has no type"),
            (" type=\"request\"", " type=\"manifest\"", 1, Wrong, "what is submitted is a \"request\""),
            (" client_id=\"b\"", "", 8, Wrong, "this <node> has no client_id"),
            ("<link client_id=\"ab\">", "<link client_id=\"ab\" protocol=\"x\">", 11, Wrong, "no attribute protocol"),
            ("<hardware_type name", "<hardware name", 4, Wrong, "no <hardware> in a <node>: in it are <relation>"),
            ("shell=\"sh\" ", "", 5, Wrong, "this <execute> has no shell"),
            ("dest_id=\"b:if0\"", "", 14, Wrong, "this <property> has no dest_id"),
        ],
    );
    let extended = LINK.replacen("<hardware_type", "<emulab:anything with=\"what\"/><hardware_type", 1);
    assert_eq!(findings(&extended), [], "extensions are free");
}

#[test]
fn names_that_are_there_twice_or_nowhere_are_found() {
    found_after(
        LINK,
        &[
            ("client_id=\"b\"", "client_id=\"a\"", 8, Wrong, "the machine \"a\" is there already, on line 2"),
            ("interface client_id=\"b:if0\"", "interface client_id=\"a:if0\"", 9, Wrong, "\"a:if0\" is there already"),
            ("client_id=\"b\"", "client_id=\"b.c\"", 8, Wrong, "is no name of a machine"),
            ("client_id=\"ab\"", "client_id=\"a b\"", 11, Wrong, "is no name of a link"),
            ("client_id=\"b\"", "client_id=\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"", 8, Wrong, "has 33 letters"),
            (
                "_ref client_id=\"b:if0\"",
                "_ref client_id=\"c:if0\"",
                13,
                Wrong,
                "no machine has an interface \"c:if0\"",
            ),
            ("_ref client_id=\"b:if0\"", "_ref client_id=\"c:if0\"", 9, Surprising, "no link joins"),
            ("_ref client_id=\"b:if0\"", "_ref client_id=\"a:if0\"", 13, Wrong, "joined already, on line 12"),
            ("<interface_ref client_id=\"b:if0\"/>", "", 11, Wrong, "this link has 1 ends"),
        ],
    );
    let none = "<rspec xmlns=\"http://www.geni.net/resources/rspec/3\" type=\"request\"/>";
    assert_eq!(findings(none).len(), 1, "no machine");
}

#[test]
fn shaping_that_the_server_would_read_otherwise_is_found() {
    found_after(
        LINK,
        &[
            ("\"10000\"", "\"10.5\"", 14, Wrong, "a whole number of kbit/s"),
            ("\"10000\"", "\"0\"", 14, Wrong, "a whole number of kbit/s"),
            ("\"10000\"", "\"1e4\"", 14, Wrong, "a whole number of kbit/s"),
            ("\"10000\"", "\"100000000\"", 14, Surprising, "100 Gbit/s: is it in bit/s?"),
            ("\"500\"", "\"-1\"", 14, Wrong, "a number of ms, from 0"),
            ("\"500\"", "\"nan\"", 14, Wrong, "a number of ms, from 0"),
            ("\"500\"", "\"0.5s\"", 14, Wrong, "a number of ms, from 0"),
            ("\"500\"", "\"500000\"", 14, Surprising, "500 s"),
            ("\"0.15\"", "\"15\"", 14, Wrong, "15 % are 0.15"),
            ("\"0.15\"", "\"5e-2\"", 14, Wrong, "with digits and a point"),
            ("\"0.15\"", "\"1\"", 14, Wrong, "with digits and a point"),
            ("\"0.15\"", "\"1.0\"", 14, Surprising, "nothing at all passes"),
            ("\"0.15\"", "\"0.000001\"", 14, Wrong, "less than the least"),
            ("\"0.15\"", "\"-0.1\"", 14, Wrong, "a share from 0 to 1"),
            ("dest_id=\"b:if0\"", "dest_id=\"ab\"", 14, Wrong, "dest_id names the link, as on a LAN"),
            ("dest_id=\"b:if0\"", "dest_id=\"c:if0\"", 14, Wrong, "which is no end of this link"),
            ("dest_id=\"b:if0\"", "dest_id=\"a:if0\"", 14, Wrong, "are the same"),
            ("source_id=\"b:if0\" dest_id=\"a", "source_id=\"a:if0\" dest_id=\"b", 15, Wrong, "already, on line 14"),
            (" capacity=\"5000\"", "", 15, Surprising, "the other direction's holds for both"),
            ("  </link>", "<emulab:best_effort enabled=\"true\"/></link>", 14, Wrong, "makes latency and loss 0"),
        ],
    );
    let other = "    <property source_id=\"b:if0\" dest_id=\"a:if0\" capacity=\"5000\" latency=\"100\"/>\n";
    found_after(LINK, &[(other, "", 14, Surprising, "there is none from \"b:if0\" to \"a:if0\"")]);
    assert_eq!(findings(&LINK.replacen("\"0.15\"", "\"0\"", 1)), [], "no loss is a loss too");
    let disabled = LINK.replacen("  </link>", "<emulab:best_effort enabled=\"false\"/></link>", 1);
    assert_eq!(findings(&disabled), []);
}

#[test]
fn on_a_lan_what_counts_twice_is_told_and_added_up() {
    let checked = check(LAN).unwrap();
    let told: Vec<(u32, Kind)> = checked.findings.iter().map(|finding| (finding.line, finding.kind)).collect();
    assert_eq!(told, [(9, Surprising), (9, Surprising), (10, Surprising), (10, Surprising)], "{:#?}", checked.findings);
    assert!(checked.findings[0].what.contains("between two ports of 500 ms one way takes 1000 ms"));
    let way = checked.ways.iter().find(|way| (&*way.from, &*way.to) == ("a", "b")).unwrap();
    assert_eq!((way.capacity_kbps, way.latency_ms), (Some(50_000.0), 1000.0));
    assert!((way.loss - 0.19).abs() < 1e-12, "{way:?}");
    let to_bare = checked.ways.iter().find(|way| (&*way.from, &*way.to) == ("c", "a")).unwrap();
    assert_eq!(to_bare.latency_ms, 500.0, "a port without a property adds nothing");
    found_after(
        LAN,
        &[
            ("dest_id=\"lan\"", "dest_id=\"b:if0\"", 9, Wrong, "dest_id is the LAN's own name, \"lan\""),
            ("source_id=\"a:if0\"", "source_id=\"d:if0\"", 9, Wrong, "which is no interface on this LAN"),
        ],
    );
}

#[test]
fn what_is_asked_of_a_link_is_told_as_the_server_means_it() {
    let way = |from: &str, to: &str, capacity_kbps, latency_ms, loss| Way {
        link: "ab".to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        capacity_kbps: Some(capacity_kbps),
        latency_ms,
        loss,
    };
    let expected = [way("a", "b", 10_000.0, 500.0, 0.15), way("b", "a", 5_000.0, 100.0, 0.0)];
    assert_eq!(check(LINK).unwrap().ways, expected);
    let first_is_for_all = LINK.replacen(" capacity=\"5000\"", "", 1);
    assert_eq!(check(&first_is_for_all).unwrap().ways[1].capacity_kbps, Some(10_000.0));
    let impossible = LINK.replacen("\"0.15\"", "\"15\"", 1).replacen("\"500\"", "\"-500\"", 1);
    let way = &check(&impossible).unwrap().ways[0];
    assert_eq!((way.latency_ms, way.loss), (0.0, 0.0), "what cannot be is no part of a way");
}

#[test]
fn a_machine_that_delays_is_looked_into() {
    found_after(
        BRIDGE,
        &[
            ("packet_loss=\"0.01\"", "lossrate=\"0.01\"", 5, Wrong, "lossrate is not read by the server"),
            ("\"0.01\"", "\"0\"", 5, Wrong, "is refused: leave it out"),
            ("latency=\"15\"", "latency=\"1.5\"", 5, Wrong, "a whole number of ms"),
            ("latency=\"15\"", "latency=\"15\" jitter=\"3\"", 5, Wrong, "has no attribute jitter"),
            ("source=\"bridge:if0\"", "source=\"a:if0\"", 5, Wrong, "no interface of this machine"),
            ("source=\"bridge:if0\"", "", 5, Wrong, "this <pipe> has no source"),
            ("name=\"delay\"", "name=\"raw-pc\"", 5, Wrong, "nobody looks at its pipes"),
            ("    <interface client_id=\"bridge:if1\"/>\n", "", 3, Wrong, "this one has 1 interfaces"),
        ],
    );
    let pipes = "      <delay:pipe source=\"bridge:if1\" dest=\"bridge:if0\" capacity=\"10000\" latency=\"15\"/>\n";
    found_after(BRIDGE, &[(pipes, "", 5, Surprising, "there is none from \"bridge:if1\" to \"bridge:if0\"")]);
    let none = BRIDGE.lines().filter(|line| !line.contains("<delay:pipe")).collect::<Vec<_>>().join("\n");
    assert!(findings(&none).iter().any(|finding| finding.line == 3 && finding.what.contains("this one has none")));
}

#[test]
fn commands_and_kinds_of_machine_are_looked_at() {
    let execute = "<execute shell=\"sh\" command=\"/bin/true\"/>";
    let long = format!("command=\"/bin/{}\"", "x".repeat(251));
    let twice =
        |shell: &str| format!("<execute shell=\"sh\" command=\"a\"/>\n<execute shell=\"{shell}\" command=\"b\"/>");
    found_after(
        LINK,
        &[
            (execute, &twice("sh"), 6, Surprising, "let one script run both"),
            (execute, &twice("bash"), 6, Wrong, "is refused where there are several commands"),
            ("shell=\"sh\"", "shell=\"bash\"", 5, Surprising, "is not used, as there is one command"),
            ("command=\"/bin/true\"", "command=\" \"", 5, Wrong, "is empty"),
            ("command=\"/bin/true\"", "command=\"écho\"", 5, Wrong, "beyond ASCII"),
            ("command=\"/bin/true\"", &long, 5, Surprising, "has 256 letters"),
            ("\"raw-pc\"", "\"m1.small\"", 2, Surprising, "no kind of machine of CloudLab or Emulab"),
            ("\"m510\"", "\"m 510\"", 4, Wrong, "no kind of hardware"),
            ("\"urn:publicid:IDN+emulab.net+image", "\"emulab.net+image", 3, Surprising, "no image by its URN"),
            (
                "exclusive=\"true\"",
                "component_manager_id=\"urn:publicid:IDN+instageni.example.edu+authority+cm\"",
                2,
                Wrong,
                "ended on 1 August 2023",
            ),
        ],
    );
}

#[test]
fn a_machine_with_more_interfaces_than_machines_have_is_found_unless_its_links_share_them() {
    let star = |sharing: &str| {
        let numbers = || 1..=5;
        let hub: String = numbers().map(|n| format!("<interface client_id=\"hub:if{n}\"/>")).collect();
        let spokes: String = numbers()
            .map(|n| {
                format!(
                    "<node client_id=\"n{n}\"><interface client_id=\"n{n}:if0\"/></node><link client_id=\"l{n}\">\
                     <interface_ref client_id=\"hub:if{n}\"/><interface_ref client_id=\"n{n}:if0\"/>{sharing}</link>"
                )
            })
            .collect();
        let head = LINK.lines().next().unwrap();
        findings(&format!("{head}<node client_id=\"hub\">{hub}</node>{spokes}</rspec>"))
    };
    assert!(star("").iter().any(|finding| finding.what.contains("5 interfaces of its own")));
    assert_eq!(star("<emulab:link_multiplexing enabled=\"true\"/>"), []);
}

#[test]
fn addresses_that_nothing_can_be_sent_by_are_found() {
    let b = "address=\"10.10.1.2\" netmask=\"255.255.255.0\"";
    found_after(
        LINK,
        &[
            ("10.10.1.2", "10.10.1.1", 9, Wrong, "given already, on line 6"),
            ("10.10.1.2", "10.10.1.256", 9, Wrong, "no address of IPv4"),
            ("10.10.1.2", "10.10.2.2", 9, Wrong, "10.10.2.0/24 is another network than 10.10.1.0/24"),
            ("10.10.1.2", "8.8.8.8", 9, Surprising, "not of a private network"),
            (b, "address=\"10.10.1.2\"", 9, Surprising, "has no netmask"),
            (b, "address=\"10.10.1.2\" netmask=\"255.0.255.0\"", 9, Wrong, "is no netmask"),
        ],
    );
    let other = "<node client_id=\"c\"><interface client_id=\"c:if0\"><ip address=\"10.10.1.3\" netmask=\"255.255.255.0\"/></interface></node>\
                 <node client_id=\"d\"><interface client_id=\"d:if0\"><ip address=\"10.10.1.4\" netmask=\"255.255.255.0\"/></interface></node>\
                 <link client_id=\"cd\"><interface_ref client_id=\"c:if0\"/><interface_ref client_id=\"d:if0\"/></link></rspec>";
    found_after(LINK, &[("</rspec>", other, 17, Wrong, "the link \"ab\" has the network 10.10.1.0/24 too")]);
}

#[test]
fn what_is_no_rspec_is_told_apart_from_one_with_faults() {
    let much = format!("<rspec>{}</rspec>", " ".repeat(crate::rspec::MOST_BYTES));
    let table = [
        ("", None, "it is no XML"),
        ("<rspec>\n<node>\n</rspec>", Some(3), "it is no XML"),
        ("<html/>", None, "it begins with <html>"),
        ("<!DOCTYPE rspec [<!ENTITY a \"a\">]><rspec>&a;</rspec>", Some(1), "it is no XML that is read here"),
        (&much, None, "are the most"),
    ];
    for (text, line, words) in table {
        let error = check(text).expect_err(words);
        assert!(error.what.contains(words), "{error}");
        assert!(line.is_none() || error.line == line, "{error}");
    }
}

#[test]
fn a_file_as_deep_or_as_wide_as_it_may_be_is_answered() {
    let deep = 50_000;
    let nested = format!("<rspec>{}{}</rspec>", "<node>".repeat(deep), "</node>".repeat(deep));
    assert!(check(&nested).is_ok());
    let too_many = format!("<rspec>{}</rspec>", "<a/>".repeat(crate::rspec::MOST_ELEMENTS as usize));
    assert!(check(&too_many).is_err());
    let ends: String = (0..20_000).map(|n| format!("<interface_ref client_id=\"{n}\"/>")).collect();
    let wide = check(&format!("<rspec><link client_id=\"l\">{ends}</link></rspec>")).unwrap();
    assert_eq!(wide.ways.len(), 1_000, "no more ways are told than the first thousand");
}
