//! Machines: each a network and a mount namespace. The namespaces have no names: each ends with the processes in it, and its
//! holder ends with this process, however that ends.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, anyhow, bail};

use crate::door::{Door, WayIn};

/// What every machine has before anything else is done in it: a shared memory of its own, into which faked clocks put what a
/// killed process would leave behind; no IPv6, whose own packets nobody asked for; no memory of TCP for paths, by which one run
/// would teach the next; the congestion control that Linux has where nobody chose another, for those who choose none, where that may be
/// said; and a loopback.
const FURNISHED: &str = "mount -t tmpfs shm /dev/shm \
    && for file in ipv6/conf/all/disable_ipv6 ipv6/conf/default/disable_ipv6 ipv4/tcp_no_metrics_save; do \
        [ ! -e /proc/sys/net/$file ] || echo 1 >/proc/sys/net/$file || exit; \
    done \
    && { echo cubic >/proc/sys/net/ipv4/tcp_congestion_control; true; } 2>/dev/null \
    && ip link set lo up";

/// The kernel says that a disk is full where it means namespaces.
pub(crate) const LIMIT_REACHED: &str = "No space left on device";

/// What to do about it.
pub(crate) const MORE_NAMESPACES: &str = "There are as many namespaces as the sysctls user.max_net_namespaces, user.max_mnt_namespaces and \
     user.max_pid_namespaces allow";

/// A machine, with the process that holds it.
pub struct Machine {
    holder: Child,
    network: File,
}

impl Machine {
    /// A new one, with a loopback, without IPv6. `prepare` is done in it first, as the shell does it.
    ///
    /// # Errors
    /// This system lets us make no namespaces, or `prepare` failed.
    pub fn new(prepare: &str) -> anyhow::Result<Self> {
        let mut command = Command::new("unshare");
        // Ends when its input does, which is when this process has ended or closes it.
        let script = format!("{FURNISHED} && {prepare} && echo ready && read _");
        command.args(["--net", "--mount", "sh", "-c", &script]).stderr(Stdio::piped());
        // In a group of its own, so that a Ctrl-C takes no machine away from under what is about to end well.
        let holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn();
        let mut holder = holder.context("failed to run unshare (of util-linux)")?;
        let mut ready = [0; 5];
        let stdout = holder.stdout.take();
        if stdout.is_none_or(|mut stdout| stdout.read_exact(&mut ready).is_err()) {
            let mut why = String::new();
            let _ = holder.kill();
            let _ = holder.stderr.take().map(|mut stderr| stderr.read_to_string(&mut why));
            let _ = holder.wait();
            let remedy = if why.contains(LIMIT_REACHED) { format!(". {MORE_NAMESPACES}") } else { String::new() };
            bail!("failed to make a machine: {}{remedy}", why.trim());
        }
        let network = File::open(format!("/proc/{}/ns/net", holder.id())).context("failed to open a network")?;
        Ok(Self { holder, network })
    }

    /// The way in for threads. It stays open when the machine is gone.
    ///
    /// # Errors
    /// This process has too many files open.
    pub fn way_in(&self) -> anyhow::Result<WayIn> {
        self.network.try_clone().map(WayIn::new).context("failed to keep a network")
    }

    /// The way in for programs.
    pub fn door(&self) -> Door {
        Door::new(self.holder.id())
    }

    /// Does something in this machine's network, on a thread of its own: what it opens there (sockets) stays there.
    ///
    /// # Errors
    /// The network could not be entered, or what was done failed.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        let way = self.way_in()?;
        let inside = move || {
            way.enter()?;
            act()
        };
        thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A file of this machine, as seen from outside.
    pub fn path(&self, inside: &Path) -> PathBuf {
        let inside = inside.strip_prefix("/").unwrap_or(inside);
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inside)
    }

    /// The process that holds it, by which `ip` names its network.
    pub(crate) fn id(&self) -> u32 {
        self.holder.id()
    }

    /// Has `ip` do some things in it, each a line of its arguments, in one process. The first that fails ends it.
    pub(crate) fn ip(&self, lines: &[String]) -> anyhow::Result<()> {
        let mut command = self.door().command(Path::new("ip"));
        command.args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut ip = command.spawn().context("failed to run ip (of iproute2)")?;
        let stdin = ip.stdin.take();
        // Where `ip` ends before it has read everything, its own words say why.
        let _ = stdin.map(|mut stdin| stdin.write_all(lines.join("\n").as_bytes()));
        let output = ip.wait_with_output().context("failed to wait for ip")?;
        if output.status.success() {
            return Ok(());
        }
        Err(refused(lines, &String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Fails only when it has ended by itself, which is as good.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// What `ip` says of a batch, and of which line: `Command failed -:3`.
fn refused(lines: &[String], said: &str) -> anyhow::Error {
    let place = said.lines().find_map(|line| line.strip_prefix("Command failed -:")?.trim().parse::<usize>().ok());
    let line = place.and_then(|place| lines.get(place.checked_sub(1)?)).map_or("", String::as_str);
    let why: Vec<&str> = said.lines().filter(|line| !line.starts_with("Command failed")).collect();
    anyhow!("ip {line}: {}", why.join(" ").trim())
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn a_line_that_ip_refuses_is_named() {
        let lines = ["link set lo up", "address add 10.10.1.1/24 dev cable1"].map(str::to_owned);
        let said = "RTNETLINK answers: File exists\nCommand failed -:2\n";
        let expected = "ip address add 10.10.1.1/24 dev cable1: RTNETLINK answers: File exists";
        assert_eq!(refused(&lines, said).to_string(), expected);
        assert_eq!(refused(&lines, "sh: 1: ip: not found").to_string(), "ip : sh: 1: ip: not found");
    }
}
