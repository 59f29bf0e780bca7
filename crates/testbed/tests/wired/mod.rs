//! A star whose cables run through the emulator, or are to.

use std::net::UdpSocket;
use std::time::Duration;

use manyeyes_testbed::{Cable, Cables, Emulator, LinkEnds, Machine, Port, Star};

/// Longer than anything here takes, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The star. A link is a place on it.
pub(crate) struct Wired {
    pub(crate) star: Star,
}

impl Wired {
    /// The client's link and a worker's at least; `None` where namespaces are not permitted.
    pub(crate) fn new(workers: u8) -> Option<Self> {
        Machine::new("true").ok()?;
        Some(Self { star: Star::build(workers, Cables::Cut).expect("a star can be built where a machine can") })
    }

    /// Carries all links.
    pub(crate) fn emulator(&self) -> Emulator {
        Emulator::start(self.ends()).expect("the emulator starts")
    }

    /// The cut ends of all links.
    pub(crate) fn ends(&self) -> Vec<LinkEnds> {
        let (room, cuts) = self.star.wire_room().expect("the cables are cut");
        let open = || {
            let ends = cuts.iter().map(|cut| Ok(LinkEnds { near: Port::open(&cut.near)?, far: Port::open(&cut.far)? }));
            ends.collect()
        };
        room.inside(open).expect("the ports can be opened")
    }

    /// The machine at the other end of a link.
    pub(crate) fn other(&self, link: usize) -> &Machine {
        self.star.machine(place(link)).expect("there is one")
    }

    /// A socket of the manager's and one at a link's other end, joined.
    pub(crate) fn sockets(&self, link: usize) -> [UdpSocket; 2] {
        let cable = Cable(place(link));
        let bound = |machine: &Machine, address| {
            machine.inside(|| Ok(UdpSocket::bind((address, 0))?)).expect("the machine has the address")
        };
        let near = bound(self.star.manager(), cable.manager_address());
        let far = bound(self.other(link), cable.other_address());
        near.connect(far.local_addr().expect("it is bound")).expect("there is a way");
        far.connect(near.local_addr().expect("it is bound")).expect("there is a way");
        for socket in [&near, &far] {
            socket.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        }
        [near, far]
    }
}

fn place(link: usize) -> u8 {
    u8::try_from(link).expect("a star has fewer places")
}
