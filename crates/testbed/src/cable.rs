//! Cables (veth) between the manager's machine and another: whole, or cut in the middle, where something else carries the frames.
//!
//! Neighbours are known to each other beforehand, so that no ARP is ever on a cable, to be lost or counted. A cable holds nothing:
//! a veth has no queue, and what one end sends the other receives within the call, so that nothing is dropped on the way.

use std::net::Ipv4Addr;

use crate::machine::Machine;
use crate::offload;

/// A link-layer address that no machine has: what is sent there is lost on the way.
const NOBODY: &str = "02:00:00:00:ff:ff";

/// The end at a machine that is not the manager's, which has no other.
const FAR: &str = "cable";

/// A cable between the manager's machine and another. Its place on the star gives both ends their devices and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cable(pub u8);

/// Where a cable is cut: a device for each half of it, both in the wire room. What the manager sends is received at `near`, and
/// what is sent there is received by the manager; so it is for `far` and the other machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutEnds {
    /// The device of the manager's half.
    pub near: String,
    /// The device of the other machine's half.
    pub far: String,
}

impl Cable {
    /// Lays it whole: what one end sends, the other receives at once.
    ///
    /// # Errors
    /// There is a cable in this place already, or one of the machines is gone.
    pub fn lay(self, manager: &Machine, other: &Machine) -> anyhow::Result<()> {
        let (near, pid) = (self.near(), other.id());
        manager.ip(&[format!("link add {near} type veth peer name {FAR} netns {pid}")])?;
        self.connect(manager, other)
    }

    /// Lays it cut in the middle: each half ends in the wire room, where something is to carry frames from one to the other.
    /// Every frame that arrives there is one that could be on a real wire: at most 1,514 bytes, its checksums complete.
    ///
    /// # Errors
    /// As [`Self::lay`]; or the kernel leaves to a device what it would have to do itself.
    pub fn lay_through(self, room: &Machine, manager: &Machine, other: &Machine) -> anyhow::Result<()> {
        let CutEnds { near, far } = self.cut_ends();
        let halves = [(&near, self.near(), manager), (&far, FAR.to_owned(), other)];
        let lay = halves
            .each_ref()
            .map(|(cut, end, machine)| format!("link add {cut} type veth peer name {end} netns {}", machine.id()));
        let raise = [&near, &far].map(|cut| format!("link set dev {cut} up"));
        room.ip(&[lay, raise].concat())?;
        room.inside(|| [&near, &far].into_iter().try_for_each(|device| offload::end(device)))?;
        for (_, end, machine) in &halves {
            machine.inside(|| offload::end(end))?;
        }
        self.connect(manager, other)
    }

    /// The devices at which it is cut, if it is.
    pub fn cut_ends(self) -> CutEnds {
        CutEnds { near: format!("near{}", self.0), far: format!("far{}", self.0) }
    }

    /// The devices at its ends: the manager's and the other machine's.
    pub(crate) fn devices(self) -> [String; 2] {
        [self.near(), FAR.to_owned()]
    }

    /// The manager's address at its end.
    pub fn manager_address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 10, self.0, 1)
    }

    /// The other machine's address.
    pub fn other_address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 10, self.0, 2)
    }

    /// Takes it out of the other machine, which sees that.
    ///
    /// # Errors
    /// The machine is gone.
    pub fn pull(self, other: &Machine) -> anyhow::Result<()> {
        other.ip(&[format!("link set dev {FAR} down")])
    }

    /// Puts it back.
    ///
    /// # Errors
    /// The machine is gone.
    pub fn mend(self, other: &Machine) -> anyhow::Result<()> {
        // The neighbour was forgotten with the cable.
        other.ip(&[format!("link set dev {FAR} up"), self.neighbour_of_other(&self.manager_station())])
    }

    /// Nothing from the manager reaches the other end any more, and nobody sees why.
    ///
    /// # Errors
    /// The manager's machine is gone.
    pub fn deafen(self, manager: &Machine) -> anyhow::Result<()> {
        manager.ip(&[self.neighbour_of_manager(NOBODY)])
    }

    /// It does again.
    ///
    /// # Errors
    /// The manager's machine is gone.
    pub fn undeafen(self, manager: &Machine) -> anyhow::Result<()> {
        manager.ip(&[self.neighbour_of_manager(&self.other_station())])
    }

    /// Nothing from the other end reaches the manager any more, and nobody sees why.
    ///
    /// # Errors
    /// The other machine is gone.
    pub fn mute(self, other: &Machine) -> anyhow::Result<()> {
        other.ip(&[self.neighbour_of_other(NOBODY)])
    }

    /// It does again.
    ///
    /// # Errors
    /// The other machine is gone.
    pub fn unmute(self, other: &Machine) -> anyhow::Result<()> {
        other.ip(&[self.neighbour_of_other(&self.manager_station())])
    }

    /// Gives both ends their addresses and tells each of the other's.
    fn connect(self, manager: &Machine, other: &Machine) -> anyhow::Result<()> {
        let end = |device: &str, station: String, address: Ipv4Addr, neighbour: String| {
            [
                format!("link set dev {device} address {station}"),
                format!("address add {address}/24 dev {device}"),
                format!("link set dev {device} up"),
                neighbour,
            ]
        };
        let (near, neighbour) = (self.near(), self.neighbour_of_manager(&self.other_station()));
        manager.ip(&end(&near, self.manager_station(), self.manager_address(), neighbour))?;
        let neighbour = self.neighbour_of_other(&self.manager_station());
        other.ip(&end(FAR, self.other_station(), self.other_address(), neighbour))
    }

    fn near(self) -> String {
        format!("cable{}", self.0)
    }

    /// The manager's link-layer address at its end: of the kind that everybody may give.
    fn manager_station(self) -> String {
        format!("02:00:00:00:{:02x}:01", self.0)
    }

    fn other_station(self) -> String {
        format!("02:00:00:00:{:02x}:02", self.0)
    }

    fn neighbour_of_manager(self, station: &str) -> String {
        format!("neighbour replace {} lladdr {station} nud permanent dev {}", self.other_address(), self.near())
    }

    fn neighbour_of_other(self, station: &str) -> String {
        format!("neighbour replace {} lladdr {station} nud permanent dev {FAR}", self.manager_address())
    }
}
