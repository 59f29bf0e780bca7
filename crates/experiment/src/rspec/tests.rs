//! What is promised of a file that is written; of files that are read, see `check`.

mod choosing;
mod schema;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use manyeyes_testbed::{Conditions, Loss};
use proptest::prelude::*;

use super::*;
use crate::record::{Cell, Service};
use crate::scenario::Planned;

const HEAD: &str = "name = \"study\"\ntitle = \"t\"\nquestion = \"Why?\"\nrepeats = 2\nseed = 1\nbound_s = 60\n";

/// A study of this.
fn study(rest: &str) -> Scenario {
    Scenario::parse(&format!("{HEAD}{rest}"), Path::new(""), false).unwrap()
}

/// The file of a study's only cell.
fn only(rest: &str, options: &Options) -> Result<Written, Refused> {
    request(&study(rest), &Choice::default(), options)
}

fn nearest() -> Options {
    Options { is_nearest_enough: true, ..Options::default() }
}

fn between<'a>(checked: &'a Checked, from: &str, to: &str) -> &'a Way {
    let is_it = |way: &&Way| (&*way.from, &*way.to) == (from, to);
    checked.ways.iter().find(is_it).unwrap_or_else(|| panic!("no way from {from} to {to}: {checked:#?}"))
}

#[test]
fn a_cell_of_one_worker_is_this_file() {
    let options = Options { has_client: false, ..Options::default() };
    let written =
        only("[fixed]\nworkers = 1\nservice_ms = 500\nrate_bits_per_s = 20e6\nloss = 0.15\ndelay_ms = 10\n", &options);
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<rspec xmlns="http://www.geni.net/resources/rspec/3" xmlns:emulab="http://www.protogeni.net/resources/rspec/ext/emulab/1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.geni.net/resources/rspec/3 http://www.geni.net/resources/rspec/3/request.xsd" type="request" generated_by="manyeyes VERSION">
  <rspec_tour xmlns="http://www.protogeni.net/resources/rspec/ext/apt-tour/1">
    <description type="text">manyeyes, study study: Why?
Not as in the lab, queue_packets: 1000 in the lab; a testbed's queue is as long as the testbed makes it.</description>
  </rspec_tour>
  <node client_id="manager" exclusive="true">
    <sliver_type name="raw-pc">
      <disk_image name="urn:publicid:IDN+emulab.net+image+emulab-ops//UBUNTU22-64-STD"/>
    </sliver_type>
    <hardware_type name="m510"/>
    <services>
      <execute shell="sh" command="sudo /bin/bash /local/repository/deploy/node.sh --experiment-token manager --listen 127.0.0.1:8080 --worker-listen 0.0.0.0:2888 --transport tcp --congestion-control cubic"/>
    </services>
    <interface client_id="manager:if1">
      <ip address="10.10.1.1" netmask="255.255.255.0" type="ipv4"/>
    </interface>
  </node>
  <node client_id="worker-1" exclusive="true">
    <sliver_type name="raw-pc">
      <disk_image name="urn:publicid:IDN+emulab.net+image+emulab-ops//UBUNTU22-64-STD"/>
    </sliver_type>
    <hardware_type name="m510"/>
    <services>
      <execute shell="sh" command="sudo /bin/bash /local/repository/deploy/node.sh --experiment-token worker --manager 10.10.1.1:2888 --name worker-1 --slots 1 --transport tcp --fixed-service-ms 500"/>
    </services>
    <interface client_id="worker-1:if0">
      <ip address="10.10.1.2" netmask="255.255.255.0" type="ipv4"/>
    </interface>
  </node>
  <link client_id="link-1">
    <interface_ref client_id="manager:if1"/>
    <interface_ref client_id="worker-1:if0"/>
    <property source_id="manager:if1" dest_id="worker-1:if0" capacity="20000" latency="10" packet_loss="0.15"/>
    <property source_id="worker-1:if0" dest_id="manager:if1" capacity="20000" latency="10" packet_loss="0.15"/>
    <emulab:link_multiplexing enabled="true"/>
    <emulab:vlan_tagging enabled="true"/>
  </link>
</rspec>
"#;
    assert_eq!(written.unwrap().xml, expected.replace("VERSION", env!("CARGO_PKG_VERSION")));
}

/// Four machines, three of them workers, each on a link of its own to the fourth; delay and loss were applied by hand there.
#[test]
fn the_originals_topology_is_four_machines_and_three_links() {
    let options = Options { has_client: false, ..Options::default() };
    let rest = "[fixed]\nworkers = 3\nservice_ms = 5000\nrate_bits_per_s = 100e6\ndelay_ms = 500\n";
    let checked = check(&only(rest, &options).unwrap().xml).unwrap();
    assert_eq!((checked.nodes, checked.links, checked.findings.len()), (4, 3, 0));
    assert_eq!(checked.ways.len(), 6);
    for number in 1..=3 {
        let worker = format!("worker-{number}");
        for way in [between(&checked, "manager", &worker), between(&checked, &worker, "manager")] {
            assert_eq!((way.capacity_kbps, way.latency_ms, way.loss), (Some(100_000.0), 500.0, 0.0));
        }
    }
}

#[test]
fn the_clients_link_is_the_labs_whatever_the_cell() {
    let rest = "[fixed]\nworkers = 2\nservice_ms = 500\nrate_bits_per_s = 100e6\nloss = 0.1\n";
    let checked = check(&only(rest, &Options::default()).unwrap().xml).unwrap();
    assert_eq!((checked.nodes, checked.links), (4, 3));
    let way = between(&checked, "client", "manager");
    assert_eq!((way.capacity_kbps, way.latency_ms, way.loss), (Some(200_000.0), 0.0, 0.0));
}

#[test]
fn only_workers_that_work_from_the_beginning_are_started() {
    let rest = "[fixed]\nworkers = 1\nstandby = 1\nmodel = \"googlenet\"\nslots = 2\ncongestion_control = \"bbr\"\nprofile = \"lan\"\n";
    let written = only(rest, &Options::default()).unwrap();
    let commands: Vec<&str> =
        written.xml.split("node.sh --experiment-token ").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let expected = [
        "manager --listen 10.10.0.1:8080 --worker-listen 0.0.0.0:2888 --transport tcp --congestion-control bbr",
        "program",
        "worker --manager 10.10.1.1:2888 --name worker-1 --slots 2 --transport tcp --model googlenet",
        "program",
    ];
    assert_eq!(commands, expected);
    assert!(written.departures.iter().any(|departure| departure.key == "standby"));
}

/// What is wanted, under which key that is refused, and what is written where the nearest is enough.
#[test]
fn what_an_rspec_has_no_words_for_is_refused_by_name_or_told() {
    let table: [(&str, &str, &str); 7] = [
        ("delay_ms = 20\njitter_ms = 5", "jitter_ms", "latency=\"20\""),
        ("loss = 0.1\nloss_model = \"bursty\"", "loss_model", "packet_loss=\"0.1\""),
        ("duplicate = 0.01", "duplicate", "latency=\"0\""),
        ("delay_ms = 20\nreorder = 0.01", "reorder", "latency=\"20\""),
        ("queue_packets = 20", "queue_packets", "capacity=\"20000\""),
        ("loss = 0.000001", "loss", "latency=\"0\"/>"),
        ("profile = \"wifi\"", "jitter_ms", "latency=\"3\""),
    ];
    for (fixed, key, words) in table {
        let rest = format!("[fixed]\nservice_ms = 1\nrate_bits_per_s = 20e6\n{fixed}\n");
        let refused = only(&rest, &Options::default()).expect_err(fixed).to_string();
        assert!(refused.contains(&format!("\n  {key}: ")) && refused.contains("--nearest"), "{fixed}: {refused}");
        let written = only(&rest, &nearest()).unwrap();
        let told = written.departures.iter().any(|departure| departure.key == key && departure.is_of_conditions);
        assert!(told && written.xml.contains(&format!("Not as in the lab, {key}: ")), "{fixed}: {}", written.xml);
        assert!(written.xml.contains(words), "{fixed}: {}", written.xml);
    }
    for (rate, words) in [("12345678", "12346"), ("1e11", "1000000")] {
        let rest = format!("[fixed]\nservice_ms = 1\nrate_bits_per_s = {rate}\n");
        let refused = only(&rest, &Options::default()).expect_err(rate).to_string();
        assert!(refused.contains("\n  rate_bits_per_s: "), "{refused}");
        assert!(only(&rest, &nearest()).unwrap().xml.contains(&format!("capacity=\"{words}\"")), "{rate}");
    }
}

#[test]
fn what_is_no_condition_of_a_link_is_told_and_stops_nobody() {
    let rest = "[fixed]\nservice_ms = 1\ncpu_cores = 0.5\ndelay_ms = 0.1\nfailure_probability = 0.5\nfailure_mode = \"crash\"\n\
                [[event]]\nat_s = 1\nwhat = \"kill\"\nwhom = \"worker-1\"\n";
    let written = only(rest, &Options::default()).unwrap();
    let keys: BTreeSet<&str> = written.departures.iter().map(|departure| departure.key).collect();
    assert_eq!(keys, BTreeSet::from(["cpu_cores", "delay_ms", "event", "failure_mode", "rate_bits_per_s"]));
    assert!(written.departures.iter().all(|departure| !departure.is_of_conditions));
}

#[test]
fn more_than_an_interface_carries_is_told() {
    let told = |workers: u32| {
        let rest = format!("[fixed]\nservice_ms = 1\nrate_bits_per_s = 1e9\nworkers = {workers}\n");
        let departures = only(&rest, &Options::default()).unwrap().departures;
        departures.iter().any(|departure| departure.what.contains("the manager's links ask for 10.2 Gbit/s together"))
    };
    assert!(told(10) && !told(9));
}

#[test]
fn what_differs_in_one_direction_is_told_of_that_direction() {
    let rest = "[fixed]\nservice_ms = 1\ndelay_ms = 50\njitter_ms = 5\nimpaired = \"down\"\n";
    let refused = only(rest, &Options::default()).unwrap_err().to_string();
    assert!(refused.contains("\n  jitter_ms: to the workers: 5 is wanted"), "{refused}");
}

#[test]
fn options_that_no_testbed_would_take_are_refused_by_the_rules_for_anybodys_file() {
    let with = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        only("[fixed]\nservice_ms = 1\n", &options).unwrap_err().to_string()
    };
    let long = with(|options| options.script = "/x".repeat(150));
    assert!(long.contains("write a file without fault:\n  line ") && long.contains("put it into a script"), "{long}");
    assert!(with(|options| options.hardware = "m 510".to_owned()).contains("no kind of hardware"));
    assert!(with(|options| options.image = "ubuntu".to_owned()).contains("no image by its URN"));
    assert!(with(|options| options.image = "urn:publicid:IDN+\u{1}".to_owned()).contains("no XML"));
    let quoted = Options { script: "/a folder/<node>.sh".to_owned(), ..Options::default() };
    assert!(
        only("[fixed]\nservice_ms = 1\n", &quoted)
            .unwrap()
            .xml
            .contains("&apos;/a folder/&lt;node&gt;.sh&apos; --experiment-token manager")
    );
    let torn = only("[fixed]\nmodel = \"a\\nb\"\n", &Options::default()).unwrap_err().to_string();
    assert!(torn.contains("beyond ASCII's printable ones"), "a line break is no part of a command: {torn}");
}

#[test]
fn each_cell_of_the_committed_studies_has_a_file_without_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    let files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let scenarios = files.filter(|path| path.extension().is_some_and(|it| it == "toml"));
    let mut cells = 0;
    for path in scenarios {
        let scenario = Scenario::read(&path, false).unwrap();
        for planned in &scenario.cells {
            let choice = choose::choosing(planned).parse().unwrap_or_default();
            let written = request(&scenario, &choice, &nearest());
            let written = written.unwrap_or_else(|error| panic!("{} {planned:?}: {error}", path.display()));
            let checked = check(&written.xml).unwrap();
            let machines = planned.cell.workers + planned.cell.standby + 2;
            assert_eq!((checked.nodes, checked.links + 1), (machines as usize, machines as usize));
            cells += 1;
        }
    }
    assert!(cells > 50, "{cells}");
}

/// A direction that an RSpec has words for.
fn expressible() -> impl Strategy<Value = Conditions> {
    let rate = 8_u32..90_000_000;
    let loss =
        prop_oneof![Just(Loss::None), (0.000_005_f64..=0.9).prop_map(|probability| Loss::Independent { probability })];
    let delay_ms = prop_oneof![Just(0.0), (0_u32..10_000).prop_map(f64::from), 0.001_f64..10_000.0];
    (rate, delay_ms, loss).prop_map(|(kbps, delay_ms, loss)| Conditions {
        rate_bits_per_s: Some(f64::from(kbps) * 1e3),
        delay_ms,
        loss,
        ..Conditions::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_read_back_is_what_was_asked_for(
        down in expressible(),
        up in expressible(),
        (workers, standby) in (1_u32..=60, 0_u32..=3),
        has_client: bool,
    ) {
        let mut scenario = study("[fixed]\nservice_ms = 20\n");
        let base = scenario.cells.remove(0);
        let service = Service::Fixed { service_ms: 20.0 };
        let cell = Cell { workers, standby, down, up, service, ..base.cell };
        scenario.cells = vec![Planned { cell, ..base }];
        let options = Options { has_client, ..Options::default() };
        let written = request(&scenario, &Choice::default(), &options).unwrap();
        let checked = check(&written.xml).unwrap();
        prop_assert_eq!(&checked.findings, &[], "no name is there twice, among others");
        let links = workers + standby + u32::from(has_client);
        prop_assert_eq!((checked.nodes, checked.links, checked.ways.len()), (links as usize + 1, links as usize, 2 * links as usize));
        for number in 1..=workers + standby {
            let worker = format!("worker-{number}");
            for (way, asked) in [(between(&checked, "manager", &worker), &down), (between(&checked, &worker, "manager"), &up)] {
                prop_assert_eq!(way.capacity_kbps.map(|kbps| kbps * 1e3), asked.rate_bits_per_s);
                prop_assert_eq!((way.latency_ms, way.loss), (asked.delay_ms, asked.loss.mean()));
            }
        }
    }
}
