//! Hosts for a lab that is to use given ones: network namespaces, each with an sshd of its own on a network for the lab's orders, and
//! joined by the links of a star. They share this machine's files, but for `tc`, which is a stand-in that notes what it is asked: the
//! kernel that this was written on has no netem.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::cluster::{Process, folder, manyeyes, wait_until};
use crate::network::Network;

/// Where Debian and Ubuntu have it; it wants to be called by its whole name.
const SSHD: &str = "/usr/sbin/sshd";

/// Says what a device has, and changes that in a file of its own; notes each call.
const TC: &str = r#"#!/bin/sh
words="$*"; device=${words#*dev }; device=${device%% *}; state=STATE/$device
echo "$words" >>STATE/calls
case "$words" in
*"qdisc show"*) cat "$state" 2>/dev/null || echo '[{"kind":"noqueue","handle":"0:","packets":0,"bytes":0,"drops":0}]' ;;
"qdisc replace"*) handle=${words#* handle }
    echo "[{\"kind\":\"netem\",\"handle\":\"${handle%% *}\",\"packets\":9,\"bytes\":900,\"drops\":0}]" >"$state" ;;
"qdisc del"*) rm "$state" ;;
esac
"#;

/// A manager's host, workers' hosts, and the network of the client, in which labs are run.
pub(crate) struct Rig {
    // Dropped before the networks that they are in.
    sshds: Vec<Process>,
    client: Network,
    hosts: Vec<(String, Network)>,
    folder: TempDir,
}

impl Rig {
    /// `None` where the system does not let us, or has no sshd: that is said.
    pub(crate) fn new(workers: u8, test: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() || Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_err() {
            eprintln!("NOT RUN without ssh and sshd: {test}");
            return None;
        }
        let Some(client) = Network::new() else {
            eprintln!("NOT RUN without network namespaces: {test}");
            return None;
        };
        let names = std::iter::once("manager".to_owned()).chain((1..=workers).map(|number| format!("worker-{number}")));
        let hosts: Vec<_> = names.map(|name| (name, Network::new().expect("one more"))).collect();
        let mut rig = Self { sshds: Vec::new(), client, hosts, folder: folder() };
        rig.lay_cables();
        rig.make_keys();
        rig.begin_sshds();
        Some(rig)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the file of hosts. `manager` and `workers` are what is to be said of each beside its addresses.
    pub(crate) fn write_hosts(&self, manager: &str, workers: &[&str]) {
        let mut text =
            format!("[manager]\n{manager}\n[client]\naddress = \"10.77.0.2\"\nmanager_address = \"10.77.0.1\"\n",);
        for (worker, number) in workers.iter().zip(1..) {
            text += &format!(
                "[[worker]]\n{worker}\naddress = \"10.77.{number}.2\"\nmanager_address = \"10.77.{number}.1\"\n"
            );
        }
        fs::write(self.path("hosts.toml"), text).expect("a file");
    }

    /// What says of a host that the program is there already.
    pub(crate) fn there(name: &str) -> String {
        format!("ssh = \"{name}\"\nprogram = \"{}\"", env!("CARGO_BIN_EXE_manyeyes"))
    }

    /// A lab on the client's machine, with these hosts and a study whose file ends with `rest`.
    pub(crate) fn lab(&self, rest: &str) -> Child {
        let head = "name = \"tiny\"\ntitle = \"t\"\nquestion = \"q\"\nseed = 1\nbound_s = 60\nrepeats = 1\n";
        fs::write(self.path("tiny.toml"), format!("{head}{rest}")).expect("a file");
        let path = format!("{}:{}", self.path("lab").display(), std::env::var("PATH").expect("a PATH"));
        let mut command = manyeyes();
        command.args(["experiment", "run"]).arg(self.path("tiny.toml")).arg("--hosts").arg(self.path("hosts.toml"));
        command.arg("--out").arg(self.path("rows")).env("PATH", path).env_remove("SSH_CONNECTION").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.client.within(|| command.spawn()).expect("the program starts")
    }

    pub(crate) fn rows(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path("rows/tiny.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
    }

    /// What `tc` was asked on a host, and not asked for.
    pub(crate) fn told_tc(&self, host: &str) -> Vec<String> {
        let calls = fs::read_to_string(self.path(host).join("calls")).unwrap_or_default();
        calls.lines().filter(|line| !line.contains("show")).map(str::to_owned).collect()
    }

    /// The command lines of all that runs on a host, but for what is there always.
    pub(crate) fn processes(&self, host: &str) -> Vec<String> {
        let (place, network) = self.of(host);
        let namespace = fs::read_link(format!("/proc/{}/ns/net", network.id())).expect("it is held");
        let always = [network.id(), self.sshds[place].id()];
        let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
        let there = ids.filter(|id| {
            !always.contains(id) && fs::read_link(format!("/proc/{id}/ns/net")).is_ok_and(|other| other == namespace)
        });
        let line = |id| {
            String::from_utf8_lossy(&fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default()).replace('\0', " ")
        };
        there.map(line).collect()
    }

    /// Nothing that a lab has begun is on any host, and no program that was copied there.
    pub(crate) fn wait_until_nothing_is_left(&self) {
        for (name, _) in &self.hosts {
            wait_until("nothing of the lab runs on a host", || self.processes(name).is_empty());
        }
        wait_until("no program that was copied is left", || {
            fs::read_dir(self.path("copies")).expect("a folder").next().is_none()
        });
    }

    fn of(&self, host: &str) -> (usize, &Network) {
        let place = self.hosts.iter().position(|(name, _)| name == host).expect("there is such a host");
        (place, &self.hosts[place].1)
    }

    /// The links of a star, and beside them one from the client to each host, for orders.
    fn lay_cables(&self) {
        let (_, manager) = self.of("manager");
        lay([manager, &self.client], ["exp0", "exp"], "10.77.0");
        for ((_, worker), number) in self.hosts[1..].iter().zip(1..) {
            lay([manager, worker], [&format!("exp{number}"), "exp"], &format!("10.77.{number}"));
        }
        for ((_, host), number) in self.hosts.iter().zip(0..) {
            lay([&self.client, host], [&format!("orders{number}"), "orders"], &format!("10.78.{number}"));
        }
    }

    fn make_keys(&self) {
        for key in ["key", "host_key"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.path(key)).status();
            assert!(made.expect("ssh-keygen is there").success());
        }
        let [known, key] = ["known_hosts", "key"].map(|name| self.path(name).display().to_string());
        let mut config = format!(
            "UserKnownHostsFile {known}\nStrictHostKeyChecking accept-new\nIdentityFile {key}\nIdentitiesOnly yes\nUser root\n\
             Host roundabout\nHostName 10.77.1.2\nProxyJump manager\n",
        );
        for (number, (name, _)) in self.hosts.iter().enumerate() {
            config += &format!("Host {name}\nHostName 10.78.{number}.2\n");
        }
        fs::write(self.path("ssh_config"), config).expect("a file");
        // The user's own configuration is that of whoever runs the tests.
        let ssh = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", self.path("ssh_config").display());
        executable(&self.path("lab/ssh"), &ssh);
        fs::create_dir_all(self.path("copies")).expect("a folder");
    }

    fn begin_sshds(&mut self) {
        fs::create_dir_all("/run/sshd").expect("its own place");
        for (name, network) in &self.hosts {
            let state = self.path(name);
            executable(&state.join("bin/tc"), &TC.replace("STATE", &state.display().to_string()));
            let config = format!(
                "HostKey {0}/host_key\nAuthorizedKeysFile {0}/key.pub\nStrictModes no\nUsePAM no\nPidFile none\n\
                 PermitRootLogin yes\nSetEnv PATH={1}/bin:/usr/sbin:/usr/bin:/sbin:/bin TMPDIR={0}/copies\n",
                self.folder.path().display(),
                state.display()
            );
            fs::write(state.join("sshd_config"), config).expect("a file");
            let mut command = Command::new(SSHD);
            command.args(["-D", "-e", "-f"]).arg(state.join("sshd_config")).stderr(Stdio::null());
            self.sshds.push(network.within(|| Process::spawn(&mut command)));
        }
        for number in 0..self.hosts.len() {
            let address = format!("10.78.{number}.2:22");
            wait_until("an sshd listens", || self.client.within(|| TcpStream::connect(&address).is_ok()));
        }
    }
}

/// Lays a cable between two networks; the first has the first address.
fn lay(networks: [&Network; 2], devices: [&str; 2], subnet: &str) {
    let other = networks[1].id().to_string();
    let [near, far] = devices;
    let lay = ["link", "add", near, "type", "veth", "peer", "name", far, "netns", &other];
    networks[0].ip(&lay).expect("a cable can be laid");
    for ((network, device), place) in networks.into_iter().zip(devices).zip(1..) {
        let address = format!("{subnet}.{place}/24");
        network.ip(&["link", "set", "lo", "up"]).expect("a loopback");
        network.ip(&["address", "add", &address, "dev", device]).expect("an address");
        network.ip(&["link", "set", device, "up"]).expect("an end");
    }
}

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}
