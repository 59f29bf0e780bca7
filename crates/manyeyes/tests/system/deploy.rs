//! `deploy/node.sh`: what it leaves on a node, run into a folder, with stand-ins for all that would change this machine.

mod node;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use self::node::{ALLOWED, Node, executable};
use crate::cluster::manyeyes;

const TOKEN: &str = "a-token-of_16~or-more";
const MANAGER: [&str; 5] = ["manager", "--listen", "10.10.0.1:8080", "--worker-listen", "0.0.0.0:2888"];
const WORKER: [&str; 3] = ["worker", "--manager", "10.10.1.1:2888"];

/// The words of a unit's ExecStart, as systemd.service(5) has it: quotes, backslashes, `%%` for `%` and `$$` for `$`.
fn command_of(unit: &str) -> Vec<String> {
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            '\\' => word.extend(characters.next()),
            '%' | '$' => {
                assert_eq!(characters.next(), Some(character), "a specifier or a variable: {line}");
                word.push(character);
            }
            plain => word.push(plain),
        }
    }
    words.push(word);
    words
}

#[test]
fn a_bare_machine_becomes_a_node_and_a_second_run_changes_nothing() {
    let node = Node::new();
    for role in [&MANAGER[..], &WORKER[..]] {
        let unit = format!("manyeyes-{}.service", role[0]);
        let arguments = [&["--token-file", "token"], role].concat();
        fs::write(node.path("token"), format!("{TOKEN}\n")).unwrap();
        let token = node.path("token");
        let arguments: Vec<&str> =
            arguments.iter().map(|word| if *word == "token" { token.to_str().unwrap() } else { word }).collect();
        node.made(&arguments);
        let asked = node.asked_of_systemd();
        let expected = [
            format!("systemctl enable --quiet {unit}"),
            "systemctl daemon-reload".to_owned(),
            format!("systemctl restart {unit}"),
        ];
        assert!(asked.ends_with(&expected), "{asked:?}");
        let files = node.files();
        assert_eq!(node.made(&arguments), "", "it says only what it has changed");
        assert_eq!(node.asked_of_systemd(), Vec::<String>::new());
        assert_eq!(node.files(), files);
    }
}

#[test]
fn a_service_is_restarted_for_another_option_program_or_token_and_started_where_it_has_ended() {
    let node = Node::new();
    let restart = "systemctl restart manyeyes-worker.service".to_owned();
    node.made(&WORKER);
    node.asked_of_systemd();
    node.made(&[&WORKER[..], &["--slots", "2"]].concat());
    assert_eq!(node.asked_of_systemd(), ["systemctl daemon-reload".to_owned(), restart.clone()]);
    assert_eq!(command_of(&node.unit("worker")).split_off(4), ["--slots", "2"]);

    let other = [&WORKER[..], &["--slots", "2"]].concat();
    node.give_program("a newer one");
    node.made(&["program"]);
    assert_eq!(node.asked_of_systemd().last(), Some(&restart), "whoever brings a newer program brings it to what runs");
    fs::write(node.path("token"), TOKEN).unwrap();
    node.made(&[&["--token-file", node.path("token").to_str().unwrap()], &other[..]].concat());
    assert_eq!(node.asked_of_systemd().last(), Some(&restart));
    node.made(&other);
    assert_eq!(node.asked_of_systemd(), Vec::<String>::new(), "the token of before is kept");
    fs::remove_file(node.path("active manyeyes-worker.service")).unwrap();
    node.made(&other);
    assert_eq!(node.asked_of_systemd(), ["systemctl start manyeyes-worker.service"]);
}

#[test]
fn the_token_is_where_only_its_service_reads_it_and_nowhere_else() {
    let node = Node::new();
    fs::write(node.path("token"), format!("{TOKEN}\n")).unwrap();
    let token = node.path("token").display().to_string();
    let mut said = node.made(&[&["--token-file", &token], &MANAGER[..]].concat());
    said += &node.made(&[&["--token-file", &token], &WORKER[..]].concat());
    said += &fs::read_to_string(node.path("calls")).unwrap();
    assert!(said.contains("runuser -u manyeyes -- /bin/sh -c ") && !said.contains(TOKEN), "{said}");
    let of_it: Vec<_> = node.files().into_iter().filter(|(_, file)| contains(&file.3, TOKEN)).collect();
    let root = node.path("root");
    let places = of_it.iter().map(|(path, file)| (path.strip_prefix(&root).unwrap().to_str().unwrap(), file.2));
    assert_eq!(places.collect::<Vec<_>>(), [("etc/manyeyes/token.env", 0o600), ("var/lib/manyeyes/token", 0o600)]);
    assert_eq!(node.read("var/lib/manyeyes/token"), format!("{TOKEN}\n"));
    assert_eq!(node.read("etc/manyeyes/token.env"), format!("MANYEYES_TOKEN={TOKEN}\n"));
    assert!(node.unit("worker").contains("\nEnvironmentFile=-/etc/manyeyes/token.env\n"));
    assert!(node.unit("manager").contains("\nStandardOutput=null\n"), "it has the token in the page's address");
    assert_eq!(fs::metadata(root.join("var/lib/manyeyes")).unwrap().mode() & 0o777, 0o700);
}

/// One file serves all machines: behind the dot is what workers know their manager by.
#[test]
fn a_manager_is_given_the_token_s_secret_and_a_worker_all_of_it() {
    let whole = format!("{TOKEN}.4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi1");
    for (role, kept) in [(&MANAGER[..], TOKEN), (&WORKER[..], whole.as_str())] {
        let node = Node::new();
        fs::write(node.path("token"), format!("{whole}\n")).unwrap();
        node.made(&[&["--token-file", node.path("token").to_str().unwrap()], role].concat());
        assert_eq!(node.read("etc/manyeyes/token.env"), format!("MANYEYES_TOKEN={kept}\n"));
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn all_machines_of_an_experiment_make_the_same_token_of_their_key() {
    let token_by = |key: &str| {
        let node = Node::new();
        node.stand_in(
            "geni-get",
            &format!("test \"$1\" = key && echo '-----BEGIN RSA PRIVATE KEY-----' && echo {key}"),
        );
        node.made(&[&["--experiment-token"], &MANAGER[..]].concat());
        node.made(&["--experiment-token", "program"]);
        let token = node.read("var/lib/manyeyes/token");
        assert_eq!(node.read("etc/manyeyes/token.env"), format!("MANYEYES_TOKEN={token}"));
        token
    };
    let [one, same, another] = ["MIIE1", "MIIE1", "MIIE2"].map(token_by);
    assert_eq!((&one, one.trim().len()), (&same, 32));
    assert_ne!(one, another);
}

#[test]
fn options_reach_the_program_as_they_were_given() {
    let node = Node::new();
    let odd =
        ["two words", "it's \"quoted\"", "back\\slash \\n", "100% $HOME ${HOME} $$", ";", "", "#1", "é & <x>|~*?[!]"];
    for name in odd {
        let arguments = [&WORKER[..], &["--name", name]].concat();
        node.made(&arguments);
        let read = command_of(&node.unit("worker"));
        assert_eq!(read[0], "/usr/local/bin/manyeyes");
        assert_eq!(read[1..], arguments);
    }
}

#[test]
fn the_end_of_a_manager_is_given_its_grace_and_its_data_are_where_it_may_write() {
    let node = Node::new();
    node.made(&[&MANAGER[..], &["--grace", "08"]].concat());
    assert!(node.unit("manager").contains("\nTimeoutStopSec=15\n"));
    node.made(&[&MANAGER[..], &["--grace=60", "--data", "/srv/two eyes"]].concat());
    let unit = node.unit("manager");
    assert!(unit.contains("\nTimeoutStopSec=67\n") && unit.contains("\nReadWritePaths=\"/srv/two eyes\"\n"), "{unit}");
    assert!(node.path("root/srv/two eyes").is_dir());

    node.stand_in("runuser", "exit 1");
    let (code, said) = node.refused(&[&MANAGER[..], &["--data", "/srv"]].concat());
    assert!(code == Some(1) && said.contains("may not write to /srv: chown manyeyes: /srv"), "{said}");
    assert!(!node.unit("manager").contains("ReadWritePaths=/srv\n"));
}

#[test]
fn a_congestion_control_that_is_for_the_privileged_is_allowed_now_and_after_each_boot() {
    let node = Node::new();
    node.made(&[&MANAGER[..], &["--congestion-control", "cubic"]].concat());
    assert!(!node.path("root/etc/sysctl.d/60-manyeyes.conf").exists());
    node.made(&[&MANAGER[..], &["--congestion-control", "bbr"]].concat());
    assert_eq!(node.read(ALLOWED), "reno cubic bbr\n");
    assert_eq!(node.read("etc/modules-load.d/manyeyes.conf"), "tcp_bbr\n");
    let setting = "net.ipv4.tcp_allowed_congestion_control = reno cubic bbr\n";
    assert_eq!(node.read("etc/sysctl.d/60-manyeyes.conf"), setting);
    assert!(fs::read_to_string(node.path("calls")).unwrap().contains("modprobe tcp_bbr\n"));

    let node = Node::new();
    // What the kernel does not know it does not take.
    fs::remove_file(node.path("root").join(ALLOWED)).unwrap();
    fs::create_dir(node.path("root").join(ALLOWED)).unwrap();
    let (code, said) = node.refused(&[&MANAGER[..], &["--congestion-control", "none"]].concat());
    assert_eq!((code, &*said), (Some(1), "node.sh: this kernel has no congestion control 'none'\n"));
    assert!(!node.path("root/etc/sysctl.d").exists());
}

#[test]
fn where_systemd_does_not_run_a_service_is_made_for_the_next_boot() {
    let node = Node::new();
    fs::remove_dir_all(node.path("root/run")).unwrap();
    let said = node.made(&MANAGER);
    assert!(said.ends_with("manyeyes-manager.service is started at the next boot\n"), "{said}");
    assert_eq!(node.asked_of_systemd(), ["systemctl enable --quiet manyeyes-manager.service"]);
}

#[test]
fn a_program_from_the_network_is_the_one_whose_digest_was_given_or_none() {
    let node = Node::new();
    fs::rename(node.path("deploy/manyeyes"), node.path("published")).unwrap();
    node.stand_in("curl", "while [ $# -gt 1 ]; do [ \"$1\" != --output ] || cp HERE/published \"$2\"; shift; done");
    let fetch = |sha256: &str| {
        let arguments = ["--url", "https://files.example/manyeyes", "--sha256", sha256, "program"];
        node.run(&arguments)
    };
    let output = fetch(&"0".repeat(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("is not the file with SHA-256 000"), "{said}");
    assert!(!node.path("root/usr").exists(), "nothing was installed");
    let digest = Command::new("sha256sum").arg(node.path("published")).output().expect("sha256sum is there").stdout;
    let digest = String::from_utf8(digest).unwrap()[..64].to_uppercase();
    assert!(fetch(&digest).status.success());
    assert_eq!(fs::read(node.path("published")).unwrap(), fs::read(node.path("root/usr/local/bin/manyeyes")).unwrap());
    fs::write(node.path("calls"), "").unwrap();
    assert!(fetch(&digest).status.success());
    assert!(!fs::read_to_string(node.path("calls")).unwrap().contains("curl"), "it is there already");
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_is_begun() {
    let no_change = |_: &Node| {};
    let remove = |name: &'static str| move |node: &Node| fs::remove_file(node.path(name)).unwrap();
    type Change<'a> = &'a dyn Fn(&Node);
    let other_machine = |node: &Node| executable(&node.path("deploy/manyeyes"), "\u{7f}ELF of another machine");
    let fedora = |node: &Node| fs::write(node.path("root/etc/os-release"), "ID=fedora\nPRETTY_NAME=Fedora\n").unwrap();
    let no_network = |node: &Node| node.stand_in("apt-get", "echo 'Could not resolve deb.debian.org' >&2; exit 100");
    let no_answer = |node: &Node| node.stand_in("curl", "echo 'Could not resolve host' >&2; exit 6");
    let url = ["--url", "https://files.example/manyeyes", "--sha256", &"0".repeat(64), "program"];
    let table: [(Change, &[&str], i32, &str); 20] = [
        (&no_change, &[], 2, "no role is given"),
        (&no_change, &["boss"], 2, "there is no role 'boss'"),
        (&no_change, &["--listen", "a:1", "manager"], 2, "there is no setting '--listen'"),
        (&no_change, &["program", "--slots"], 2, "program starts nothing"),
        (&no_change, &["--url", "http://files.example/x", "program"], 2, "takes an https address"),
        (&no_change, &["--url", "https://files.example/x", "program"], 2, "--url needs --sha256"),
        (&no_change, &["worker", "--manager", "a:1", "--token", TOKEN], 2, "give --token-file"),
        (&no_change, &["worker", "--manager", "a:1", "--name", "a\nb"], 2, "a control character"),
        (&no_change, &["worker", "--help"], 2, "is a question"),
        (&no_change, &["worker", "--manager", "a:1", "--slots", "0"], 2, "invalid value '0' for '--slots <N>'"),
        (&no_change, &["manager", "--data", "data"], 2, "takes a whole path, not 'data'"),
        (&no_change, &["manager", "--data", "/home/me/data"], 2, "take a folder such as /srv/manyeyes"),
        (&no_change, &["--experiment-token", "manager"], 1, "there is no geni-get here"),
        (&|node| node.stand_in("id", "echo 1000"), &WORKER, 1, "this needs root"),
        (&remove("bin/systemctl"), &WORKER, 1, "there is no systemd here"),
        (&|node| node.stand_in("systemctl", "echo 'systemd 245 (245.4)'"), &WORKER, 1, "systemd here is 245, and 247"),
        (&fedora, &WORKER, 1, "this is for Debian and Ubuntu, and here is Fedora"),
        (&remove("deploy/manyeyes"), &WORKER, 1, "there is no program: put manyeyes beside this script"),
        (&other_machine, &WORKER, 1, "deploy/manyeyes does not run on this "),
        (&no_network, &url, 1, "is there a network? apt-get said: Could not resolve deb.debian.org"),
    ];
    let no_answer = (&no_answer as Change, &url[..], 1, "is there a network? curl said: Could not resolve host");
    for (change, arguments, status, said) in table.into_iter().chain([no_answer]) {
        let node = Node::new();
        change(&node);
        let before = node.files();
        let (code, message) = node.refused(arguments);
        assert_eq!(code, Some(status), "{arguments:?}: {message}");
        assert!(message.starts_with("node.sh: ") && message.contains(said), "{arguments:?}: {message}");
        assert!(node.files() == before && node.asked_of_systemd().is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_token_that_could_not_travel_is_refused_and_not_repeated() {
    let node = Node::new();
    for bad in ["short", "two words of a token", "a token\nof two lines, which is long", ""] {
        fs::write(node.path("token"), bad).unwrap();
        let (code, said) =
            node.refused(&[&["--token-file", node.path("token").to_str().unwrap()], &WORKER[..]].concat());
        assert!(code == Some(1) && said.contains("a token is one line of 16 to 128"), "{said}");
        assert!(bad.is_empty() || !said.contains(bad), "{said}");
    }
}

/// The start-up commands of an RSpec are for this script: both change together.
#[test]
fn a_node_is_made_by_the_command_that_an_rspec_has_for_it() {
    let node = Node::new();
    node.stand_in("sudo", "exec \"$@\"");
    node.stand_in("geni-get", "echo '-----BEGIN RSA PRIVATE KEY-----'");
    let study = node.path("study.toml");
    let text = "name = \"s\"\ntitle = \"t\"\nquestion = \"q\"\nseed = 1\nbound_s = 60\nrepeats = 1\n[fixed]\nservice_ms = 500\n\
                workers = 1\n";
    fs::write(&study, text).unwrap();
    let script = node.path("deploy/node.sh");
    let written = manyeyes().args(["experiment", "rspec"]).arg(&study).arg("--script").arg(script).output().unwrap();
    let written = String::from_utf8(written.stdout).unwrap();
    let commands = written.split(" command=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let commands: Vec<&str> = commands.collect();
    assert_eq!(commands.len(), 3, "a manager, a client, a worker: {written}");
    for command in commands {
        let output = node.command("/bin/sh").args(["-c", command]).output().expect("sh runs");
        assert!(output.status.success(), "{command}: {output:?}");
    }
    assert_eq!(command_of(&node.unit("worker"))[1..4], ["worker", "--manager", "10.10.1.1:2888"]);
    assert_eq!(command_of(&node.unit("manager"))[1..4], ["manager", "--listen", "10.10.0.1:8080"]);
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).output();
    if !analyze(&["--version"]).is_ok_and(|output| output.status.success()) {
        eprintln!("NOT RUN without systemd-analyze: systemd_finds_no_fault_in_the_units");
        return;
    }
    let node = Node::new();
    node.made(&MANAGER);
    node.made(&[&WORKER[..], &["--name", "it's \"100%\" $HOME \\ ;"]].concat());
    for role in ["manager", "worker"] {
        let unit = node.path("root/etc/systemd/system").join(format!("manyeyes-{role}.service"));
        // It asks whether the program is there, which is so within the node's folder only.
        let program = node.path("root/usr/local/bin/manyeyes").display().to_string();
        fs::write(&unit, node.unit(role).replace("/usr/local/bin/manyeyes", &program)).unwrap();
        let output = analyze(&["verify", "--man=no", unit.to_str().unwrap()]).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("manyeyes-"), "{said}");
    }
}
