//! A star of machines that somebody has given, each reached by SSH, in place of one made of namespaces. On each is an agent
//! ([`agent`]), which is the lab's own program: it starts programs there, impairs the ends of links that are there (`tc netem`), sends and
//! answers probes, and undoes all of it when the connection ends, whatever has ended it.
//!
//! The rooms: `file` names the hosts; `ssh` begins an agent, `session` speaks with it, in the words of `said`; `agent` is what runs
//! there; `wires` is what the links of such a star do.

mod agent;
mod file;
mod said;
mod session;
mod ssh;
mod wires;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;

pub use self::agent::{serve_on_host, set_uncut};
pub use self::file::{BadHosts, HostsFile};
use self::file::{Destination, LinkAddresses};
use self::said::Order;
use self::session::Session;
use self::ssh::Program;
use self::wires::HostEnds;
pub use self::wires::HostWires;
use crate::calibration::Ends;

/// How long it is waited that a killed program is gone.
const GONE: Duration = Duration::from_secs(5);

/// Hosts with an agent each, and the links between them.
pub struct Hosts {
    manager: Arc<Session>,
    client: Arc<Session>,
    workers: Vec<Arc<Session>>,
    /// The client's first, as on every star.
    links: Vec<Link>,
    are_taken: bool,
}

/// A link between the manager's host and another.
struct Link {
    near: End,
    far: End,
}

/// An end of a link.
#[derive(Clone)]
struct End {
    session: Arc<Session>,
    device: String,
    address: Ipv4Addr,
}

/// Which of the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The manager's.
    Manager,
    /// The client's, which is this machine.
    Client,
    /// A worker's, by its number from 1.
    Worker(u32),
}

/// A program that runs on a host, or has ended there.
pub struct HostProcess {
    session: Arc<Session>,
    process: u64,
}

impl HostsFile {
    /// Where the hosts are, as `ssh` is told: the manager's, then the workers' in order.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.manager).chain(self.workers.iter().map(|(host, _)| host)).map(|host| host.ssh.as_str())
    }
}

impl Hosts {
    /// Begins agents on the manager's host, on those of the first `workers`, and here. The links of the workers are taken for the
    /// kernel's emulator where `are_impaired`, else left as they are, as the client's is always. `program` is what runs on all, which
    /// says its version when it is asked for it.
    ///
    /// # Errors
    /// Of each host that cannot be used, why. Nothing of the others is left then.
    pub fn open(file: &HostsFile, program: &Path, workers: u32, are_impaired: bool) -> anyhow::Result<Arc<Self>> {
        let (version, digest) = (version(program)?, digest(program)?);
        let program = Program { path: program, version: &version, digest: &digest };
        let workers = &file.workers[..file.workers.len().min(workers as usize)];
        let named = |name: &str, host: &Destination| format!("{name} ({})", host.ssh);
        let mut wanted =
            vec![(named("manager", &file.manager), Some(&file.manager)), ("client (here)".to_owned(), None)];
        for ((host, _), number) in workers.iter().zip(1..) {
            wanted.push((named(&format!("worker-{number}"), host), Some(host)));
        }
        let begun = at_once(&wanted, |(name, host)| Session::begin(name, *host, &program).map(Arc::new))?;
        let mut sessions = begun.into_iter();
        let (Some(manager), Some(client)) = (sessions.next(), sessions.next()) else {
            bail!("there is no manager");
        };
        let workers: Vec<Arc<Session>> = sessions.collect();
        let of_workers = workers.iter().zip(file.workers.iter().map(|(_, link)| link));
        let others: Vec<_> = std::iter::once((&client, &file.client)).chain(of_workers).collect();
        let links = at_once(&others, |(other, addresses)| Link::find(&manager, other, addresses))?;
        let hosts = Self { manager, client, workers, links, are_taken: are_impaired };
        if are_impaired {
            hosts.take()?;
        }
        Ok(Arc::new(hosts))
    }

    /// How many workers' hosts there are.
    pub fn workers(&self) -> u32 {
        u32::try_from(self.workers.len()).unwrap_or(u32::MAX)
    }

    /// A file's text, as it is on a host.
    ///
    /// # Errors
    /// There is no such host or file, or the connection has ended.
    pub fn read(&self, which: Which, path: &Path) -> anyhow::Result<String> {
        self.session(which)?.ask(Order::Read { path: path.to_owned() })
    }

    /// Where programs on the manager's host may keep data. Nothing is there before they make it.
    pub fn data(&self) -> PathBuf {
        self.manager.data().to_owned()
    }

    /// Removes what they have left there.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget_data(&self) -> anyhow::Result<()> {
        self.manager.ask(Order::Forget)
    }

    /// The manager's address on the link in a place.
    ///
    /// # Errors
    /// There is no such link.
    pub fn manager_address(&self, place: u8) -> anyhow::Result<Ipv4Addr> {
        Ok(self.link(place)?.near.address)
    }

    /// Starts the program on a host; what it says goes to the end of `log`. It ends with this value's agent.
    ///
    /// # Errors
    /// It does not start, or the connection has ended.
    pub fn start(
        &self,
        which: Which,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
        log: File,
    ) -> anyhow::Result<HostProcess> {
        let session = Arc::clone(self.session(which)?);
        let process = session.start(arguments, environment, log)?;
        Ok(HostProcess { session, process })
    }

    /// The links of the client and the first workers.
    pub fn wires(self: &Arc<Self>, workers: u32) -> HostWires {
        HostWires::new(Arc::clone(self), workers as usize)
    }

    /// The ends of the link in a place, for probes.
    ///
    /// # Errors
    /// There is no such link, or its ends do not reach each other.
    pub fn ends(&self, place: u8) -> anyhow::Result<Box<dyn Ends>> {
        self.link(place)?;
        Ok(Box::new(HostEnds::open(self, place.into())?))
    }

    /// Has all agents end what was begun and put everything back; tells what they could not.
    pub fn end(&self) -> Vec<String> {
        let all: Vec<_> = [&self.manager, &self.client].into_iter().chain(&self.workers).collect();
        at_once(&all, |session| Ok(session.end())).map_or_else(|_| Vec::new(), |left| left.concat())
    }

    fn link(&self, place: u8) -> anyhow::Result<&Link> {
        self.links.get(usize::from(place)).with_context(|| format!("there is no link in place {place}"))
    }

    fn session(&self, which: Which) -> anyhow::Result<&Arc<Session>> {
        match which {
            Which::Manager => Ok(&self.manager),
            Which::Client => Ok(&self.client),
            Which::Worker(number) => {
                let worker = (number as usize).checked_sub(1).and_then(|place| self.workers.get(place));
                worker.with_context(|| format!("there is no host for worker {number}"))
            }
        }
    }

    fn is_taken(&self, link: usize) -> bool {
        self.are_taken && link > 0
    }

    /// Takes the devices at both ends of all workers' links.
    fn take(&self) -> anyhow::Result<()> {
        let mut of_device: BTreeMap<&str, String> = BTreeMap::new();
        for (place, Link { near, .. }) in self.links.iter().enumerate() {
            let name = if place == 0 { "client".to_owned() } else { format!("worker-{place}") };
            if let Some(other) = of_device.insert(&near.device, name.clone()) {
                bail!(
                    "{other} and {name} are both reached by the manager's interface {}, so that one cannot be impaired without the \
                     other: give each link an interface of its own (a VLAN will do)",
                    near.device
                );
            }
        }
        let ends: Vec<_> = self.links.iter().skip(1).flat_map(|link| [&link.near, &link.far]).collect();
        at_once(&ends, |end| end.session.ask::<()>(Order::Take { device: end.device.clone() })).map(drop)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.end();
    }
}

impl Link {
    fn find(manager: &Arc<Session>, other: &Arc<Session>, addresses: &LinkAddresses) -> anyhow::Result<Self> {
        let end = |session: &Arc<Session>, address| {
            let device = session.ask(Order::Find { address })?;
            anyhow::Ok(End { session: Arc::clone(session), device, address })
        };
        Ok(Self { near: end(manager, addresses.manager_address)?, far: end(other, addresses.address)? })
    }
}

impl HostProcess {
    /// How it ended, if it has.
    ///
    /// # Errors
    /// The connection has ended: nobody knows.
    pub fn ended(&self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.session.ended(self.process)?.map(ExitStatus::from_raw))
    }

    /// Sends a signal. One that has ended needs none.
    pub fn signal(&self, signal: Signal) {
        // Where the connection has ended, so has it.
        let _ = self.session.ask::<()>(Order::Signal { process: self.process, signal: signal.as_raw() });
    }

    /// Ends it at once.
    pub fn kill(&self) {
        if matches!(self.ended(), Ok(None)) {
            self.signal(Signal::KILL);
            self.session.await_end_of(self.process, GONE);
        }
    }
}

/// Does something with each at the same time, because each is a round trip away.
///
/// # Errors
/// Of each with which it failed, why, a line each.
fn at_once<T: Sync, U: Send>(all: &[T], act: impl Fn(&T) -> anyhow::Result<U> + Sync) -> anyhow::Result<Vec<U>> {
    let done: Vec<anyhow::Result<U>> = thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> = all.iter().map(|one| scope.spawn(move || act(one))).collect();
        threads.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for one in done {
        match one {
            Ok(one) => good.push(one),
            Err(why) => bad.push(format!("{why:#}")),
        }
    }
    if bad.is_empty() { Ok(good) } else { bail!(bad.join("\n")) }
}

/// What a program says of itself.
fn version(program: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("failed to run {}", program.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// By the program by which it is made on hosts too.
fn digest(program: &Path) -> anyhow::Result<String> {
    let file = File::open(program).with_context(|| format!("failed to read {}", program.display()))?;
    let output = Command::new("sha256sum").stdin(file).output().context("failed to run sha256sum (of coreutils)")?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.split_whitespace().next().map(str::to_owned).context("sha256sum says nothing")
}
