//! Where a run takes place: a star of machines whose cables run through an emulator, with the addresses on it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use manyeyes_testbed::{
    CLIENT, Cable, Cables, Calibration, Carried, Conditions, Direction, Emulator, LinkEnds, Machine, Netem, Port,
    Probed, Share, Star, Wires, calibrate,
};

use super::LinkEmulator;
use crate::plan::PROBED;
use crate::record::{self, Cell, Link};
use crate::scenario::{Action, Whom};

/// Where the page is served and where workers connect, on the manager's machine, on which nobody else can have the ports.
pub(crate) const PAGE_PORT: u16 = 8080;
pub(crate) const WORKER_PORT: u16 = 2888;

/// Where the manager's data is: on its machine's own small disk, which is memory. What is measured is links and workers; a disk that is
/// shared with whatever else this computer does would be in every number (seen here: a pause of 1.3 s in a run of 20).
const DATA: &str = "/dev/shm/manager";

/// How many ways on which something was wrong are named.
const NAMED: usize = 3;

/// What the client's link carries, bits a second, each way: more than the workers' links together ask for in any study, and less than
/// the emulator can carry. A link without a rate is filled by a bulk of uploads as fast as two cores can, and what waits for the
/// emulator then counts as late: it made half of the runs of 20 images and more void.
const CLIENT_BITS_PER_S: f64 = 200e6;

/// Machines, and what carries packets between them. They end when it is dropped.
pub(crate) struct Site {
    /// Dropped first: nothing is carried between machines that end.
    wires: Box<dyn Wires>,
    star: Star,
}

impl Site {
    /// Builds one for so many workers, all links perfect.
    ///
    /// # Errors
    /// This system does not let us.
    pub(crate) fn build(workers: u32, emulator: LinkEmulator) -> anyhow::Result<Self> {
        let star = |cables| Star::build(u8::try_from(workers).unwrap_or(u8::MAX), cables);
        match emulator {
            LinkEmulator::Manyeyes => {
                let star = star(Cables::Cut)?;
                Ok(Self { wires: Box::new(carry(&star)?), star })
            }
            LinkEmulator::Netem => {
                let star = star(Cables::Whole)?;
                Ok(Self { wires: Box::new(Netem::on(&star)?), star })
            }
        }
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
            let (down, up) = if link == usize::from(CLIENT) { clients() } else { (cell.down, cell.up) };
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
        let mut links = vec![self.ends(CLIENT, clients())?];
        for number in numbers {
            links.push(self.ends(place(number), (cell.down, cell.up))?);
        }
        let found = calibrate(&*self.wires, &links, comparisons, seed).context("failed to probe the links")?;
        Ok(links.iter().map(|link| link.link).zip(found).collect())
    }

    fn ends(&self, place: u8, (down, up): (Conditions, Conditions)) -> anyhow::Result<Probed> {
        let cable = Cable(place);
        let socket = |address: Ipv4Addr| UdpSocket::bind((address, 0)).context("failed to open a socket for probes");
        let near = self.star.manager().inside(|| socket(cable.manager_address()))?;
        let far = self.star.machine(place)?.inside(|| socket(cable.other_address()))?;
        near.connect(far.local_addr()?)?;
        far.connect(near.local_addr()?)?;
        Ok(Probed { link: usize::from(place), near, far, down, up })
    }

    /// A program on the manager's machine.
    pub(crate) fn manager_command(&self, program: &Path) -> Command {
        self.star.manager().door().command(program)
    }

    /// Where the manager's data is, on its machine.
    pub(crate) fn data(&self) -> &'static str {
        DATA
    }

    /// Removes what a manager has left: the next begins with nothing.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn forget_data(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(self.star.manager().path(Path::new(DATA))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("failed to remove the data of the run before")
            }
            _ => Ok(()),
        }
    }

    /// A program on the machine of the worker of this number, with its share of the processor.
    ///
    /// # Errors
    /// There is no such worker.
    pub(crate) fn worker_command(&self, number: u32, program: &Path, share: Option<Share>) -> anyhow::Result<Command> {
        let door = self.star.machine(place(number))?.door();
        let door = match share {
            Some(share) => door.sharing(share),
            None => door,
        };
        Ok(door.command(program))
    }

    /// Where the manager listens for pages, and for workers: on all its links.
    pub(crate) fn listen(&self) -> [SocketAddr; 2] {
        [PAGE_PORT, WORKER_PORT].map(|port| (Ipv4Addr::UNSPECIFIED, port).into())
    }

    /// Where the client finds the manager.
    pub(crate) fn page(&self) -> SocketAddr {
        (Cable(CLIENT).manager_address(), PAGE_PORT).into()
    }

    /// Where the worker of this number finds the manager.
    pub(crate) fn worker_target(&self, number: u32) -> SocketAddr {
        (Cable(place(number)).manager_address(), WORKER_PORT).into()
    }

    /// The client's machine.
    pub(crate) fn client(&self) -> anyhow::Result<&Machine> {
        self.star.machine(CLIENT)
    }

    /// From here on it is counted what the links carry.
    ///
    /// # Errors
    /// The kernel, which counts, does not say what it has counted.
    pub(crate) fn begin_count(&self) -> anyhow::Result<()> {
        self.wires.reset().context("failed to begin to count what the links carry")
    }

    /// What the links have carried, beside what was found of them before; and why that does not count, if it does not.
    ///
    /// # Errors
    /// The kernel, which counts, does not say what it has counted.
    pub(crate) fn links(&self, found: &BTreeMap<usize, Calibration>) -> anyhow::Result<(Vec<Link>, Vec<String>)> {
        let (mut links, mut void) = (Vec::new(), Vec::new());
        for link in 0..self.wires.links() {
            let number = u32::try_from(link).unwrap_or(u32::MAX);
            let end = if link == 0 { "client".to_owned() } else { Whom::Worker(number).to_string() };
            let [down, up] = [Direction::Down, Direction::Up].map(|direction| {
                let carried = self.wires.carried(link, direction).context("failed to learn what a link has carried")?;
                let way = if direction == Direction::Down { "to" } else { "from" };
                void.extend(carried.void().into_iter().map(|why| format!("on the way {way} {end}: {why}")));
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

/// The emulator between the cut ends of a star's cables.
fn carry(star: &Star) -> anyhow::Result<Emulator> {
    let (room, cuts) = star.wire_room().context("a star of cut cables has no wire room")?;
    let open = || {
        let ends = cuts.iter().map(|cut| Ok(LinkEnds { near: Port::open(&cut.near)?, far: Port::open(&cut.far)? }));
        ends.collect::<std::io::Result<Vec<_>>>().context("failed to open the ends of the cables")
    };
    Emulator::start(room.inside(open)?).context("failed to start the emulator")
}

/// The client's link, both ways.
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
