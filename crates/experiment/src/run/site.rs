//! Where a run takes place: machines, links and addresses, however they came to be. There are two makers: `made` makes machines of
//! this one, `given` takes those of a file of hosts.

mod given;
mod made;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use manyeyes_testbed::{
    CLIENT, Calibration, Carried, Conditions, Direction, Ends, Hosts, Machine, Probed, Share, Wires, calibrate,
};

use self::given::Given;
use self::made::Made;
use super::LinkEmulator;
use super::process::Running;
use crate::plan::PROBED;
use crate::record::{self, Cell, Link};
use crate::scenario::{Action, Whom};

/// Where the page is served and where workers connect, on the manager's machine, on which nobody else can have the ports where it is made.
pub(crate) const PAGE_PORT: u16 = 8080;
pub(crate) const WORKER_PORT: u16 = 2888;

/// How many ways on which something was wrong are named.
const NAMED: usize = 3;

/// What the client's link carries, bits a second, each way: more than the workers' links together ask for in any study, and less than
/// the emulator can carry. A link without a rate is filled by a bulk of uploads as fast as two cores can, and what waits for the
/// emulator then counts as late: it made half of the runs of 20 images and more void.
const CLIENT_BITS_PER_S: f64 = 200e6;

/// Who makes sites.
pub(crate) enum Maker {
    /// Of this machine, with this emulator, to run this program.
    Namespaces(LinkEmulator, PathBuf),
    /// Of these hosts.
    Hosts(Arc<Hosts>),
}

/// A program that is to be started.
pub(crate) struct Launch {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// To whose end goes what it says.
    pub(crate) log: File,
}

/// The machines of a site. A place is a link's, as on a star: the client's, then the workers' by their numbers.
trait Machines: Send + Sync {
    /// Starts the program on a machine.
    fn start(&self, whom: Whom, share: Option<Share>, launch: Launch) -> anyhow::Result<Box<dyn Running>>;

    /// The manager's address on a link.
    fn manager_address(&self, place: u8) -> anyhow::Result<Ipv4Addr>;

    /// The ends of a link, for probes.
    fn ends(&self, place: u8) -> anyhow::Result<Box<dyn Ends>>;

    /// The client's machine; `None`: it is the one that this process is on.
    fn client(&self) -> anyhow::Result<Option<&Machine>>;

    /// What is asked of the client's link, both ways.
    fn clients_link(&self) -> (Conditions, Conditions);

    /// Whether nobody else can reach them, so that the manager needs no token.
    fn is_open(&self) -> bool;

    /// Where the manager's data is, on its machine.
    fn data(&self) -> PathBuf;

    /// Removes it.
    fn forget_data(&self) -> anyhow::Result<()>;
}

/// Machines, and what carries packets between them. They end when it is dropped.
pub(crate) struct Site {
    /// Dropped first: nothing is carried between machines that end.
    wires: Box<dyn Wires>,
    machines: Box<dyn Machines>,
}

impl Site {
    /// Builds one for so many workers, all links perfect.
    ///
    /// # Errors
    /// This system does not let us.
    pub(crate) fn build(workers: u32, maker: &Maker) -> anyhow::Result<Self> {
        let (wires, machines) = match maker {
            Maker::Namespaces(emulator, program) => Made::build(workers, *emulator, program)?,
            Maker::Hosts(hosts) => {
                let wires: Box<dyn Wires> = Box::new(hosts.wires(workers));
                let machines: Box<dyn Machines> = Box::new(Given(Arc::clone(hosts)));
                (wires, machines)
            }
        };
        Ok(Self { wires, machines })
    }

    /// How many workers it has room for.
    pub(crate) fn workers(&self) -> u32 {
        u32::try_from(self.wires.links() - 1).unwrap_or(u32::MAX)
    }

    /// Makes the workers' links as a cell has them; their chances begin anew. The client's is always the same: what is compared is
    /// what lies between manager and workers.
    ///
    /// # Errors
    /// No link can be like that.
    pub(crate) fn impair(&self, cell: &Cell, seed: u64) -> anyhow::Result<()> {
        for link in 0..self.wires.links() {
            self.wires.mend(link)?;
            let clients = link == usize::from(CLIENT);
            let (down, up) = if clients { self.machines.clients_link() } else { (cell.down, cell.up) };
            for (direction, conditions) in [(Direction::Down, &down), (Direction::Up, &up)] {
                self.wires.set(link, direction, conditions, seed).context("failed to impair a link")?;
            }
        }
        Ok(())
    }

    /// Probes the client's link and some of the workers', as a cell has them: those from `first` on, in turn, because each that
    /// has a rate must be filled for a second. Gives what was found by the links' places.
    ///
    /// # Errors
    /// A probe cannot be sent.
    pub(crate) fn calibrate(
        &self,
        cell: &Cell,
        first: u32,
        comparisons: u64,
        seed: u64,
    ) -> anyhow::Result<BTreeMap<usize, Calibration>> {
        let workers = self.workers();
        let numbers = (0..probed(workers)).map(|step| (first + step) % workers + 1);
        let mut links = vec![self.probed(CLIENT, self.machines.clients_link())?];
        for number in numbers {
            links.push(self.probed(place(number), (cell.down, cell.up))?);
        }
        let found = calibrate(&*self.wires, &links, comparisons, seed).context("failed to probe the links")?;
        Ok(links.iter().map(|link| link.link).zip(found).collect())
    }

    fn probed(&self, place: u8, (down, up): (Conditions, Conditions)) -> anyhow::Result<Probed> {
        Ok(Probed { link: usize::from(place), ends: self.machines.ends(place)?, down, up })
    }

    /// Starts the program on a machine, with its share of the processor.
    ///
    /// # Errors
    /// There is no such machine, or it does not start.
    pub(crate) fn start(&self, whom: Whom, share: Option<Share>, launch: Launch) -> anyhow::Result<Box<dyn Running>> {
        self.machines.start(whom, share, launch)
    }

    /// Where the manager's data is, on its machine.
    pub(crate) fn data(&self) -> PathBuf {
        self.machines.data()
    }

    /// Removes what a manager has left: the next begins with nothing.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn forget_data(&self) -> anyhow::Result<()> {
        self.machines.forget_data()
    }

    /// Whether the manager needs no token here.
    pub(crate) fn is_open(&self) -> bool {
        self.machines.is_open()
    }

    /// Where the manager listens for pages, and for workers: on all its links where only they lead there.
    ///
    /// # Errors
    /// There is no client's link.
    pub(crate) fn listen(&self) -> anyhow::Result<[SocketAddr; 2]> {
        let page = if self.is_open() { Ipv4Addr::UNSPECIFIED } else { self.machines.manager_address(CLIENT)? };
        Ok([(page, PAGE_PORT).into(), (Ipv4Addr::UNSPECIFIED, WORKER_PORT).into()])
    }

    /// Where the client finds the manager.
    ///
    /// # Errors
    /// There is no client's link.
    pub(crate) fn page(&self) -> anyhow::Result<SocketAddr> {
        Ok((self.machines.manager_address(CLIENT)?, PAGE_PORT).into())
    }

    /// Where the worker of this number finds the manager.
    ///
    /// # Errors
    /// There is no such worker's link.
    pub(crate) fn worker_target(&self, number: u32) -> anyhow::Result<SocketAddr> {
        Ok((self.machines.manager_address(place(number))?, WORKER_PORT).into())
    }

    /// Does something on the client's machine.
    ///
    /// # Errors
    /// It failed, or its network cannot be entered.
    pub(crate) fn at_client<T: Send>(&self, act: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        match self.machines.client()? {
            Some(machine) => machine.inside(act),
            None => act(),
        }
    }

    /// From here on it is counted what the links carry.
    ///
    /// # Errors
    /// The kernel, which counts, does not say what it has counted.
    pub(crate) fn begin_count(&self) -> anyhow::Result<()> {
        self.wires.reset().context("failed to begin to count what the links carry")
    }

    /// What the links have carried in a run of this cell, beside what was found of them before; and why that does not count, if it does
    /// not.
    ///
    /// # Errors
    /// The kernel, which counts, does not say what it has counted.
    pub(crate) fn links(
        &self,
        cell: &Cell,
        found: &BTreeMap<usize, Calibration>,
    ) -> anyhow::Result<(Vec<Link>, Vec<String>)> {
        let (mut links, mut void) = (Vec::new(), Vec::new());
        for link in 0..self.wires.links() {
            let number = u32::try_from(link).unwrap_or(u32::MAX);
            let end = if link == 0 { "client".to_owned() } else { Whom::Worker(number).to_string() };
            let round_trip_ms = if link == 0 { 0.0 } else { cell.down.delay_ms + cell.up.delay_ms };
            let [down, up] = [Direction::Down, Direction::Up].map(|direction| {
                let carried = self.wires.carried(link, direction).context("failed to learn what a link has carried")?;
                let way = if direction == Direction::Down { "to" } else { "from" };
                void.extend(
                    carried.void(round_trip_ms).into_iter().map(|why| format!("on the way {way} {end}: {why}")),
                );
                anyhow::Ok(record(carried))
            });
            let calibration = found.get(&link).cloned();
            if let Some(missed) = calibration.as_ref().filter(|calibration| !calibration.holds) {
                void.push(miss(&end, missed));
            }
            links.push(Link { end, calibration, down: down?, up: up? });
        }
        Ok((links, in_short(void)))
    }

    /// Does something of the script to the link of this number.
    ///
    /// # Errors
    /// It cannot be done to a link.
    pub(crate) fn act(&self, number: u32, action: Action) -> anyhow::Result<()> {
        match action {
            Action::Cut => self.wires.cut(number as usize),
            Action::Mend => self.wires.mend(number as usize),
            Action::Kill | Action::Restart | Action::Stop | Action::Continue => {
                bail!("a link cannot be {}", action.done())
            }
        }
    }
}

/// The client's link where it is made, both ways.
pub(crate) fn clients() -> (Conditions, Conditions) {
    let link = Conditions { rate_bits_per_s: Some(CLIENT_BITS_PER_S), ..Conditions::default() };
    (link, link)
}

/// How many of so many workers' links are probed.
pub(crate) fn probed(workers: u32) -> u32 {
    workers.min(PROBED)
}

/// A worker's place on the star is its number.
fn place(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// A row of many links names the first of what is wrong, and how much more there is: the rest is in its numbers.
fn in_short(mut void: Vec<String>) -> Vec<String> {
    let more = void.len().saturating_sub(NAMED);
    void.truncate(NAMED);
    if more > 0 {
        void.push(format!("so it was on {more} more ways"));
    }
    void
}

fn miss(end: &str, found: &Calibration) -> String {
    let Calibration { asked_rtt_ms, probes, lost, lost_between: (least, most), .. } = found;
    let round_trip =
        found.rtt_ms.map_or("no round trip".to_owned(), |rtt_ms| format!("a round trip of {rtt_ms:.2} ms"));
    let rate = match (found.rate_bits_per_s, found.asked_rate_bits_per_s) {
        (Some(rate), Some(asked)) => format!(", {:.2} Mbit/s instead of {:.2}", rate / 1e6, asked / 1e6),
        _ => String::new(),
    };
    format!(
        "probes found the link of {end} not as asked: {round_trip} instead of one of {asked_rtt_ms:.2} ms{rate}, \
         {lost} of {probes} lost, where {least} to {most} may be"
    )
}

fn record(carried: Carried) -> record::Carried {
    let Carried { packets, bytes, lost, dropped, duplicated, late_p99_ms, late_max_ms, .. } = carried;
    record::Carried { packets, bytes, lost, dropped, duplicated, late_p99_ms, late_max_ms }
}
