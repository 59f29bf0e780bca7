//! A testbed: machines joined to a manager's by cables, with what the cables do to packets. They are made of one Linux machine
//! (namespaces), or given and reached by SSH ([`Hosts`]).
//! It knows nothing of what runs on the machines.

mod cable;
mod calibration;
mod claim;
mod conditions;
mod door;
mod emulator;
mod hosts;
mod machine;
mod netem;
mod offload;
mod profiles;
mod receiving;
mod share;
mod star;
mod wires;
mod world;

pub use self::cable::{Cable, CutEnds};
pub use self::calibration::{Calibration, Ends, Errand, Heard, Probed, Seen, Sent, Sockets, calibrate, judge};
pub use self::claim::Claim;
pub use self::conditions::{BadConditions, Conditions, Loss};
pub use self::door::{Door, WayIn};
pub use self::emulator::{Carried, Direction, Emulator, Faults, LinkEnds, MOST_LINKS, Port, Punctuality};
pub use self::hosts::{BadHosts, HostProcess, HostWires, Hosts, HostsFile, Which, serve_on_host, set_uncut};
pub use self::machine::Machine;
pub use self::netem::Netem;
pub use self::profiles::{NoSuchProfile, Profile};
pub use self::share::{Share, Shares, Throttling};
pub use self::star::{CLIENT, Cables, MOST_WORKERS, Star};
pub use self::wires::Wires;
pub use self::world::{Entered, GRACE, enter, possible};
