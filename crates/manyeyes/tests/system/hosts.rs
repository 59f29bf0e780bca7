//! `manyeyes experiment run --hosts`: a lab whose machines are given and reached by SSH. No netem is tried here: what `tc` is told is
//! noted by a stand-in.

mod rig;

use std::fs;
use std::process::{Child, Command};

use rustix::process::Signal;

use self::rig::Rig;
use crate::cluster::{folder, manyeyes, signal_process, wait_until};

/// Waits for its end; gives what it has said too.
fn ended(lab: Child) -> (Option<i32>, String) {
    let output = lab.wait_with_output().expect("it can be waited for");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_study_is_made_on_hosts_that_are_reached_by_ssh_and_nothing_is_left_there() {
    let Some(rig) = Rig::new(2, "a_study_is_made_on_hosts_that_are_reached_by_ssh_and_nothing_is_left_there") else {
        return;
    };
    // The program is on one of the workers' hosts not yet.
    rig.write_hosts(&Rig::there("manager"), &["ssh = \"worker-1\"", &Rig::there("worker-2")]);
    let study = "[fixed]\nworkers = 2\nimages = 60\nservice_ms = 100\n\
                 [[event]]\nat_s = 0.4\nwhat = \"kill\"\nwhom = \"worker-2\"\n\
                 [[event]]\nat_s = 0.8\nwhat = \"restart\"\nwhom = \"manager\"\n";
    let (status, said) = ended(rig.lab(study));
    assert_eq!(status, Some(0), "{said}");
    let rows = rig.rows();
    let [row] = &rows[..] else { panic!("one row, not {}: {said}", rows.len()) };
    let images = row["images"].as_array().expect("images");
    assert!(images.iter().all(|image| image["state"] == "recognised" && image["answers"] == 1), "{images:?}");
    let of: Vec<&str> = images.iter().filter_map(|image| image["worker"].as_str()).collect();
    assert!(of.len() == 60 && of.iter().filter(|worker| **worker == "worker-1").count() > 30, "{of:?}");
    let events = row["events"].as_array().expect("events");
    for (whom, what) in [("worker-2", "killed"), ("manager", "restarted")] {
        assert!(events.iter().any(|event| event["whom"] == whom && event["what"] == what), "{events:?}");
    }

    assert_eq!(row["machine"]["emulator"], "netem");
    let hosts = row["hosts"].as_array().expect("hosts");
    let named: Vec<_> = hosts.iter().map(|host| (host["name"].as_str(), host["ssh"].as_str())).collect();
    assert_eq!(named, ["manager", "worker-1", "worker-2"].map(|name| (Some(name), Some(name))));
    assert!(hosts.iter().all(|host| host["machine"]["cores"].as_u64() >= Some(1)), "{hosts:?}");
    for link in row["links"].as_array().expect("links") {
        let probed = &link["calibration"];
        assert!(probed["probes"].as_u64() > Some(10) && probed["rtt_ms"].as_f64() > Some(0.0), "{link}");
        assert!(link["down"]["late_p99_ms"].is_null(), "nothing here tells it: {link}");
    }
    // What went to the one that was killed may not all have arrived.
    assert!(row["links"][1]["down"]["bytes"].as_u64() > row["workers"][0]["payload_bytes"].as_u64(), "{row}");
    for host in ["manager", "worker-1", "worker-2"] {
        assert_eq!(rig.told_tc(host), [""; 0], "no packet is to meet anything, and so nothing is changed");
    }
    rig.wait_until_nothing_is_left();
}

#[test]
fn what_packets_are_to_meet_is_asked_of_tc_at_both_ends_and_taken_back_whatever_ends_the_lab() {
    let test = "what_packets_are_to_meet_is_asked_of_tc_at_both_ends_and_taken_back_whatever_ends_the_lab";
    let Some(rig) = Rig::new(1, test) else { return };
    rig.write_hosts(&Rig::there("manager"), &[&Rig::there("worker-1")]);
    let study = |images| {
        format!("[fixed]\nworkers = 1\nimages = {images}\nservice_ms = 100\ndelay_ms = 50\nimpaired = \"down\"\n")
    };
    // As an agent has left it that was killed.
    fs::write(rig.path("worker-1/exp"), r#"[{"kind":"netem","handle":"4d43:"}]"#).expect("a state");
    let (status, said) = ended(rig.lab(&study(3)));
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("void: probes found the link of worker-1 not as asked: "),
        "a stand-in delays nothing: {said}"
    );

    let told = rig.told_tc("worker-1");
    let (left, told) = told.split_first().expect("something was asked");
    assert_eq!(left, "qdisc del dev exp root handle 4d43:", "what was left goes first");
    // A veth sends segments uncut both ways, which is put back at the end, and so found again by the next.
    let perfect = "root handle 4d43: netem limit 32768 delay 0us";
    for (told, device, asked) in [(told, "exp", "0us"), (&rig.told_tc("manager"), "exp1", "50000us")] {
        assert_eq!(told.first(), Some(&format!("qdisc replace dev {device} {perfect}")));
        let as_asked = format!("qdisc replace dev {device} root handle 4d43: netem limit 32768 delay {asked}");
        assert!(told[1..].contains(&as_asked), "{told:?}");
        assert_eq!(told.last(), Some(&format!("qdisc del dev {device} root handle 4d43:")));
    }
    assert!(!rig.told_tc("manager").iter().any(|told| told.contains("exp0")), "the client's link is as it was");
    rig.wait_until_nothing_is_left();

    for signal in [Signal::INT, Signal::KILL] {
        fs::remove_dir_all(rig.path("rows")).expect("rows");
        let lab = rig.lab(&study(300));
        wait_until("the worker works", || {
            rig.processes("worker-1").iter().any(|line| line.contains(" worker --manager "))
        });
        let manager = rig.processes("manager").into_iter().find(|line| line.contains("--data")).expect("a manager");
        let data =
            manager.split("--data ").nth(1).and_then(|rest| rest.split(' ').next()).expect("its folder").to_owned();
        assert!(rig.path("worker-1/exp").exists() && fs::metadata(&data).is_ok());
        signal_process(lab.id(), signal);
        let (status, said) = ended(lab);
        assert_eq!(status, (signal == Signal::INT).then_some(130), "{said}");
        rig.wait_until_nothing_is_left();
        assert!(!rig.path("worker-1/exp").exists() && !rig.path("manager/exp1").exists(), "after {signal:?}");
        assert!(fs::metadata(&data).is_err(), "{data} after {signal:?}");
    }
}

#[test]
fn a_host_that_cannot_be_used_is_named_with_the_reason_before_anything_runs() {
    let Some(rig) = Rig::new(3, "a_host_that_cannot_be_used_is_named_with_the_reason_before_anything_runs") else {
        return;
    };
    let older = rig.path("manyeyes");
    fs::copy("/bin/echo", &older).expect("a program that says something else");
    let older = format!("ssh = \"worker-3\"\nprogram = \"{}\"", older.display());
    let study = "[fixed]\nworkers = 3\nimages = 3\nservice_ms = 20\ndelay_ms = 50\n";
    rig.write_hosts(
        &Rig::there("manager"),
        &["ssh = \"worker-1\"\nport = 9", "ssh = \"worker-2\"\nprogram = \"/opt/manyeyes\"", &older],
    );
    let (status, said) = ended(rig.lab(study));
    assert_eq!(status, Some(1), "{said}");
    for expected in [
        "worker-1 (worker-1): does not answer by SSH, as `ssh worker-1` would: ssh: connect to host 10.78.1.2 port 9: ",
        "worker-2 (worker-2): there is no /opt/manyeyes: install it there",
        "and here is manyeyes ",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }

    let there: Vec<String> = (1..=3).map(|number| Rig::there(&format!("worker-{number}"))).collect();
    fs::write(rig.path("worker-3/exp"), r#"[{"kind":"htb","handle":"1:"}]"#).expect("a state");
    // SSH comes to this one by the link that is to be impaired.
    let roundabout = Rig::there("roundabout");
    rig.write_hosts(&Rig::there("manager"), &[&roundabout, &there[1], &there[2]]);
    let (status, said) = ended(rig.lab(study));
    assert_eq!(status, Some(1), "{said}");
    for expected in [
        "worker-1 (roundabout): exp is the interface by which SSH comes",
        "worker-3 (worker-3): exp has a queueing discipline of somebody else's",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("worker-2"), "with that one nothing was wrong: {said}");
    assert_eq!(rig.told_tc("worker-2").last().map(String::as_str), Some("qdisc del dev exp root handle 4d43:"));
    rig.wait_until_nothing_is_left();
    assert!(rig.rows().is_empty());
}

#[test]
fn what_given_hosts_cannot_be_is_said_by_a_dry_run() {
    let folder = folder();
    let [study, hosts] = ["study.toml", "hosts.toml"].map(|name| folder.path().join(name));
    let star = "[manager]\nssh = \"m\"\n[client]\naddress = \"10.0.0.2\"\nmanager_address = \"10.0.0.1\"\n\
                [[worker]]\nssh = \"w\"\naddress = \"10.0.1.2\"\nmanager_address = \"10.0.1.1\"\n";
    let said = |text: &str, fixed: &str| {
        fs::write(&hosts, text).expect("a file");
        let head = "name = \"s\"\ntitle = \"t\"\nquestion = \"q\"\nseed = 1\nbound_s = 60\nrepeats = 1\n";
        fs::write(&study, format!("{head}[fixed]\nservice_ms = 20\n{fixed}")).expect("a file");
        let mut command: Command = manyeyes();
        command.args(["experiment", "run", "--dry-run"]).arg(&study).arg("--hosts").arg(&hosts);
        let output = command.output().expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(said(star, "workers = 1\n"), (Some(0), String::new()));
    let (status, why) = said(star, "workers = 1\nstandby = 1\n");
    assert!(
        status == Some(1) && why.contains("s has runs with 2 workers, those on standby included, and there are 1 "),
        "{why}"
    );
    let (status, why) = said(star, "workers = 1\ncpu_cores = 0.5\n");
    assert!(status == Some(1) && why.contains("leave out cpu_cores"), "{why}");
    let (status, why) = said(&star.replace("[[worker]]\nssh", "[[worker]]\nhost"), "workers = 1\n");
    assert!(status == Some(1) && why.contains("hosts.toml: line 7: ") && why.contains("unknown field `host`"), "{why}");
}
