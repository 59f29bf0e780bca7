//! Machines made of this one: namespaces, whose cables run through an emulator.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::Context;
use manyeyes_testbed::{
    CLIENT, Cable, Cables, Conditions, Emulator, Ends, LinkEnds, Machine, Netem, Port, Share, Sockets, Star, Wires,
};

use super::super::LinkEmulator;
use super::super::process::{Child, Running};
use super::{Launch, Machines, clients, place};
use crate::scenario::Whom;

/// Where the manager's data is: on its machine's own small disk, which is memory. What is measured is links and workers; a disk that is
/// shared with whatever else this computer does would be in every number (seen here: a pause of 1.3 s in a run of 20).
const DATA: &str = "/dev/shm/manager";

/// A star of namespaces.
pub(super) struct Made {
    star: Star,
    /// What runs on its machines.
    program: PathBuf,
}

impl Made {
    /// Builds one for so many workers, with what carries packets on it.
    pub(super) fn build(
        workers: u32,
        emulator: LinkEmulator,
        program: &Path,
    ) -> anyhow::Result<(Box<dyn Wires>, Box<dyn Machines>)> {
        let star = |cables| Star::build(u8::try_from(workers).unwrap_or(u8::MAX), cables);
        let (wires, star): (Box<dyn Wires>, _) = match emulator {
            LinkEmulator::Manyeyes => {
                let star = star(Cables::Cut)?;
                (Box::new(carry(&star)?), star)
            }
            LinkEmulator::Netem => {
                let star = star(Cables::Whole)?;
                (Box::new(Netem::on(&star)?), star)
            }
        };
        Ok((wires, Box::new(Self { star, program: program.to_owned() })))
    }

    fn machine(&self, whom: Whom) -> anyhow::Result<&Machine> {
        match whom {
            Whom::Manager => Ok(self.star.manager()),
            Whom::Worker(number) | Whom::Link(number) => self.star.machine(place(number)),
        }
    }
}

impl Machines for Made {
    fn start(&self, whom: Whom, share: Option<Share>, launch: Launch) -> anyhow::Result<Box<dyn Running>> {
        let door = self.machine(whom)?.door();
        let door = match share {
            Some(share) => door.sharing(share),
            None => door,
        };
        let mut command = door.command(&self.program);
        command.args(launch.arguments).envs(launch.environment);
        let also = launch.log.try_clone().context("failed to use a log twice")?;
        let child = command.stdout(launch.log).stderr(also).spawn();
        Ok(Box::new(Child(child.with_context(|| format!("failed to start {whom}"))?)))
    }

    fn manager_address(&self, place: u8) -> anyhow::Result<Ipv4Addr> {
        Ok(Cable(place).manager_address())
    }

    fn ends(&self, place: u8) -> anyhow::Result<Box<dyn Ends>> {
        let cable = Cable(place);
        let socket = |address: Ipv4Addr| UdpSocket::bind((address, 0)).context("failed to open a socket for probes");
        let near = self.star.manager().inside(|| socket(cable.manager_address()))?;
        let far = self.star.machine(place)?.inside(|| socket(cable.other_address()))?;
        near.connect(far.local_addr()?)?;
        far.connect(near.local_addr()?)?;
        Ok(Box::new(Sockets { near, far }))
    }

    fn client(&self) -> anyhow::Result<Option<&Machine>> {
        self.star.machine(CLIENT).map(Some)
    }

    fn clients_link(&self) -> (Conditions, Conditions) {
        clients()
    }

    /// Nobody else is on the network of these machines.
    fn is_open(&self) -> bool {
        true
    }

    fn data(&self) -> PathBuf {
        PathBuf::from(DATA)
    }

    fn forget_data(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(self.star.manager().path(Path::new(DATA))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("failed to remove the data of the run before")
            }
            _ => Ok(()),
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
