//! The devices of links on a host, and the kernel's emulator on them: taken only where nobody else has changed them, and given back as
//! they were.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};
use nix::ifaddrs::getifaddrs;
use rustix::process::geteuid;
use serde::Deserialize;

use super::succeeded;
use crate::conditions::Conditions;
use crate::netem::{Counted, counts, discipline, question};
use crate::offload;

/// The handles of disciplines of ours, by which an agent knows what another that was killed has left: the last two bits are what
/// [`offload::uncut`] said before, which is to be put back too. Handles that the kernel gives begin with 8000, and its defaults have 0.
const OURS: u16 = 0x4d40;
const UNCUT_BITS: u16 = 0b11;

/// Where the kernel counts for all devices of a network what they have received and sent.
const DEVICES: &str = "/proc/net/dev";

/// By what is done what only root may do.
pub(super) struct Tools {
    is_root: bool,
    /// This program, which root is to run where we are not.
    program: PathBuf,
}

/// The devices of a host.
pub(super) struct Devices {
    tools: Tools,
    /// Both ends of the connection by which this agent was begun.
    ours: Vec<IpAddr>,
    /// How segments were sent before, by device.
    taken: Mutex<BTreeMap<String, u8>>,
}

/// A discipline at the root of a device, as `tc -json` tells it.
#[derive(Debug, Deserialize)]
struct Found {
    kind: String,
    #[serde(default)]
    handle: String,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The kernel's own default.
    Nobodys,
    /// Another agent's, which is gone; segments were sent so before.
    Left(u8),
    /// Somebody else's.
    Others,
}

impl Tools {
    pub(super) fn of_this_system() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("failed to find this program's own file")?;
        Ok(Self { is_root: geteuid().is_root(), program })
    }

    /// A program that is to run as root.
    fn as_root(&self, program: &Path) -> Command {
        let mut command = if self.is_root {
            Command::new(program)
        } else {
            let mut command = Command::new("sudo");
            command.arg("-n").arg(program);
            command
        };
        command.stdin(Stdio::null());
        command
    }

    fn tc(&self, words: &[String]) -> anyhow::Result<Vec<u8>> {
        let name = if self.is_root { "tc (of iproute2)" } else { "sudo -n tc" };
        succeeded(self.as_root(Path::new("tc")).args(words), name).map_err(|error| {
            match remedy(&format!("{error:#}")) {
                Some(remedy) => error.context(remedy),
                None => error,
            }
        })
    }

    fn set_uncut(&self, device: &str, bits: u8) -> anyhow::Result<()> {
        if self.is_root {
            return offload::set_uncut(device, bits);
        }
        let mut command = self.as_root(&self.program);
        command.args(["experiment", "on-host", "--uncut", &bits.to_string(), "--device", device]);
        succeeded(&mut command, "sudo -n manyeyes").map(drop)
    }
}

/// What is to be done about it, where that can be known.
fn remedy(said: &str) -> Option<&'static str> {
    const REMEDIES: [(&str, &str); 4] = [
        (
            "password is required",
            "only root may impair links: log in as root, or let this user use sudo without a password",
        ),
        (
            "may not run sudo",
            "only root may impair links: log in as root, or let this user use sudo without a password",
        ),
        (
            "qdisc kind is unknown",
            "this kernel has no netem; it may be a module that is to be loaded: modprobe sch_netem",
        ),
        ("No such file or directory", "there is no tc (package iproute2) here, or no sudo to call it with"),
    ];
    REMEDIES.into_iter().find(|(words, _)| said.contains(words)).map(|(_, remedy)| remedy)
}

/// The name of the device that has an address.
pub(super) fn of_address(address: Ipv4Addr) -> anyhow::Result<String> {
    let devices = addresses()?;
    if let Some((device, _)) = devices.iter().find(|(_, has)| *has == IpAddr::V4(address)) {
        return Ok(device.clone());
    }
    let has: Vec<String> = devices
        .iter()
        .filter(|(_, address)| address.is_ipv4() && !address.is_loopback())
        .map(|(device, address)| format!("{address} ({device})"))
        .collect();
    bail!("no interface has the address {address}; there are {}", has.join(", "))
}

/// All devices, with their addresses.
fn addresses() -> anyhow::Result<Vec<(String, IpAddr)>> {
    let all = getifaddrs().context("failed to list the interfaces")?;
    let ip = |address: nix::sys::socket::SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    Ok(all.filter_map(|interface| Some((interface.interface_name, ip(interface.address?)?))).collect())
}

/// The device by which packets to an address leave.
fn towards(address: IpAddr) -> Option<String> {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    // Nothing is sent by it: the kernel chooses the way.
    socket.connect(SocketAddr::new(address, 9)).ok()?;
    let from = socket.local_addr().ok()?.ip();
    addresses().ok()?.into_iter().find(|(_, has)| *has == from).map(|(device, _)| device)
}

impl Devices {
    pub(super) fn new(tools: Tools, ours: Vec<IpAddr>) -> Self {
        Self { tools, ours, taken: Mutex::default() }
    }

    /// Takes a device: what another agent has left on it is removed, segments leave it cut from now on, and the emulator does nothing to
    /// packets yet.
    ///
    /// # Errors
    /// SSH comes by it, somebody else has changed it, or the kernel does not let us. It is as it was then.
    pub(super) fn take(&self, device: &str) -> anyhow::Result<()> {
        if self.ours.iter().any(|address| towards(*address).as_deref() == Some(device) || has(device, *address)) {
            bail!(
                "{device} is the interface by which SSH comes: impaired, it would take the lab's own connection with it. Let \
                 `ssh` name the host by another address"
            );
        }
        match self.whose(device)? {
            Whose::Nobodys => {}
            Whose::Left(bits) => self.undo(device, bits)?,
            Whose::Others => bail!(
                "{device} has a queueing discipline of somebody else's (`tc qdisc show dev {device}`), which is left alone: \
                 remove it, or name another interface's address"
            ),
        }
        let bits = offload::uncut(device)?;
        self.taken().insert(device.to_owned(), bits);
        let taken = self.impair(device, &Conditions::default()).and_then(|()| self.tools.set_uncut(device, 0));
        taken.inspect_err(|_| {
            // What the kernel has not done needs no undoing, and says so.
            let _ = self.undo(device, bits);
            self.taken().remove(device);
        })
    }

    /// Has the emulator of a device that was taken do something.
    pub(super) fn impair(&self, device: &str, conditions: &Conditions) -> anyhow::Result<()> {
        let bits = *self.taken().get(device).with_context(|| format!("{device} is not taken"))?;
        let words = format!("qdisc replace dev {device} root handle {} {}", handle(bits), discipline(conditions));
        self.tools.tc(&words.split(' ').map(str::to_owned).collect::<Vec<_>>()).map(drop)
    }

    /// What a device has sent since it is there, or since it was taken.
    pub(super) fn count(&self, device: &str) -> anyhow::Result<Counted> {
        if self.taken().contains_key(device) {
            return counts(&self.tools.tc(&question(device))?);
        }
        let all = fs::read_to_string(DEVICES).with_context(|| format!("failed to read {DEVICES}"))?;
        sent(&all, device).with_context(|| format!("{DEVICES} does not say what {device} has sent"))
    }

    /// Gives back all that were taken; tells of those that could not be.
    pub(super) fn give_back(&self) -> Vec<String> {
        let taken = std::mem::take(&mut *self.taken());
        let undone = taken.iter().map(|(device, bits)| (device, self.undo(device, *bits)));
        undone.filter_map(|(device, done)| Some(format!("{device} is still impaired: {:#}", done.err()?))).collect()
    }

    /// The discipline last: while it is there, it tells what was before.
    fn undo(&self, device: &str, bits: u8) -> anyhow::Result<()> {
        self.tools.set_uncut(device, bits)?;
        let words = format!("qdisc del dev {device} root handle {}", handle(bits));
        self.tools.tc(&words.split(' ').map(str::to_owned).collect::<Vec<_>>()).map(drop)
    }

    fn whose(&self, device: &str) -> anyhow::Result<Whose> {
        let words = ["-json", "qdisc", "show", "dev", device, "root"].map(str::to_owned);
        let found: Vec<Found> =
            serde_json::from_slice(&self.tools.tc(&words)?).context("failed to read what tc says of a device")?;
        Ok(whose(&found))
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<String, u8>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has(device: &str, address: IpAddr) -> bool {
    addresses().is_ok_and(|all| all.iter().any(|(name, has)| name == device && *has == address))
}

/// What a device has sent, by that file: eight numbers of what it has received come first.
fn sent(devices: &str, device: &str) -> Option<Counted> {
    let line = devices.lines().find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))?;
    let numbers: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [bytes, packets, _, drops, ..] = *numbers.get(8..)? else { return None };
    Some(Counted { packets, bytes, drops })
}

fn handle(bits: u8) -> String {
    format!("{:x}:", OURS | u16::from(bits))
}

fn whose(found: &[Found]) -> Whose {
    let Some(root) = found.first() else { return Whose::Nobodys };
    let number = u16::from_str_radix(root.handle.trim_end_matches(':'), 16);
    match number {
        Ok(0) => Whose::Nobodys,
        Ok(number) if number & !UNCUT_BITS == OURS && root.kind == "netem" => {
            Whose::Left(u8::try_from(number & UNCUT_BITS).expect("two bits"))
        }
        _ => Whose::Others,
    }
}

#[cfg(test)]
mod tests;
