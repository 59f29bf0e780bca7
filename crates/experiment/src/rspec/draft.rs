//! From a cell to machines and links, as plain data: the lab's own star, with its addresses.

use std::net::{Ipv4Addr, SocketAddr};

use manyeyes_testbed::{CLIENT, Cable, Conditions};

use super::command::{EVERYWHERE, Role, command};
use super::shape::{Shape, shape};
use super::{Departure, Options};
use crate::record::Cell;
use crate::run::{PAGE_PORT, WORKER_PORT, clients};
use crate::scenario::{Scenario, Whom};

/// The name of the client's machine.
const CLIENT_NAME: &str = "client";

/// What one interface carries of most machines in CloudLab, kbit/s. The manager's links may have to share one.
const INTERFACE_KBPS: u64 = 10_000_000;

/// What a file is written from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    /// The manager's first, then the client's if there is one, then the workers'.
    pub(super) nodes: Vec<Node>,
    /// The client's first if there is one, then the workers'.
    pub(super) links: Vec<Link>,
    /// Where it departs from the cell.
    pub(super) departures: Vec<Departure>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) command: String,
    pub(super) interfaces: Vec<Interface>,
}

/// Where a link ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
}

/// A link between the manager's machine and another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Link {
    pub(super) name: String,
    /// The interface on the manager's machine, and the other.
    pub(super) ends: [String; 2],
    /// From the manager.
    pub(super) down: Shape,
    /// To the manager.
    pub(super) up: Shape,
}

/// The star of a cell.
pub(super) fn draft(scenario: &Scenario, cell: &Cell, options: &Options) -> Draft {
    let mut departures = beside_links(scenario, cell);
    let page = if options.has_client { Cable(CLIENT).manager_address() } else { Ipv4Addr::LOCALHOST };
    let role = Role::Manager {
        page: SocketAddr::from((page, PAGE_PORT)),
        workers: SocketAddr::from((EVERYWHERE, WORKER_PORT)),
    };
    let told = |role: &Role| command(&options.script, role, cell);
    let mut manager = Node { name: "manager".to_owned(), command: told(&role), interfaces: Vec::new() };
    let (mut others, mut links) = (Vec::new(), Vec::new());
    let client = options.has_client.then_some(CLIENT);
    let workers = 1..=u8::try_from(cell.workers + cell.standby).unwrap_or(u8::MAX);
    for place in client.into_iter().chain(workers) {
        let (name, role, (down, up)) = if place == CLIENT {
            (CLIENT_NAME.to_owned(), Role::Program, clients())
        } else {
            let name = Whom::Worker(place.into()).to_string();
            let role = worker(&name, place, cell);
            (name, role, (cell.down, cell.up))
        };
        let near = Interface { name: format!("manager:if{place}"), address: Cable(place).manager_address() };
        let far = Interface { name: format!("{name}:if0"), address: Cable(place).other_address() };
        let [down, up] = [&down, &up].map(|wanted| shape(wanted).0);
        links.push(Link { name: format!("link-{place}"), ends: [near.name.clone(), far.name.clone()], down, up });
        others.push(Node { name, command: told(&role), interfaces: vec![far] });
        manager.interfaces.push(near);
    }
    departures.extend(of_links(&cell.down, &cell.up));
    departures.extend(together(&links));
    Draft { nodes: [vec![manager], others].concat(), links, departures }
}

fn worker(name: &str, place: u8, cell: &Cell) -> Role {
    // As in the lab: the workers on standby are the last ones, and do not run until one of the others has failed.
    if u32::from(place) > cell.workers {
        return Role::Program;
    }
    let manager = SocketAddr::from((Cable(place).manager_address(), WORKER_PORT));
    Role::Worker { name: name.to_owned(), manager }
}

/// What a cell has besides links that no file asks for.
fn beside_links(scenario: &Scenario, cell: &Cell) -> Vec<Departure> {
    let mut departures = Vec::new();
    let mut told = |key, what: String| departures.push(Departure { key, what, is_of_conditions: false });
    if let Some(failure) = &cell.failure {
        let what =
            format!("the workers that are started do not fail; in the lab the first does (\"{}\")", failure.mode);
        told("failure_mode", what);
    }
    if let Some(cores) = cell.cpu_cores {
        told("cpu_cores", format!("{cores} for each worker in the lab; here it has its machine's"));
    }
    if cell.standby > 0 {
        told("standby", "these machines are made ready, and no worker is started on them".to_owned());
    }
    if !scenario.script.is_empty() {
        told("event", "nobody is killed and no link is cut but by who drives the runs".to_owned());
    }
    departures
}

/// Links that share an interface need a fast one, or no machine is found.
fn together(links: &[Link]) -> Option<Departure> {
    let kbps: u64 = links.iter().map(|link| u64::from(link.down.capacity_kbps.max(link.up.capacity_kbps))).sum();
    let what = format!(
        "the manager's links ask for {} Gbit/s together, and one interface has {} on most machines: choose --hardware by that",
        kbps as f64 / 1e6,
        INTERFACE_KBPS as f64 / 1e6
    );
    (kbps > INTERFACE_KBPS).then_some(Departure { key: "rate_bits_per_s", what, is_of_conditions: false })
}

/// Where the workers' links depart: once where both directions do so alike, otherwise with the direction.
fn of_links(down: &Conditions, up: &Conditions) -> Vec<Departure> {
    let [(_, down), (_, up)] = [down, up].map(shape);
    let only = |way: &str, these: &[Departure], others: &[Departure]| -> Vec<Departure> {
        let alone = these.iter().filter(|departure| !others.contains(departure)).cloned();
        alone.map(|departure| Departure { what: format!("{way}: {}", departure.what), ..departure }).collect()
    };
    let both = down.iter().filter(|departure| up.contains(departure)).cloned().collect();
    [both, only("to the workers", &down, &up), only("from the workers", &up, &down)].concat()
}
