//! The simulated world: one manager, some machines with workers, some people, and the links between them.
//!
//! What decides in it is the product's code: `Desk` and dispatch, both sessions, the link's roster, the books' rules. Here is
//! what the product has sockets, tasks, threads and disks for.

mod checks;
mod end;
mod faults;
mod links;
mod manager;
mod people;
mod results;
mod store;
mod wires;
mod workers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::manager::Manager;
use self::people::{Person, Request};
use self::store::Disk;
use self::wires::{Conn, ConnId, Way};
use self::workers::Machine;
use crate::agenda::{Agenda, beginning};
use crate::chance::Chance;
use crate::coverage::{Coverage, Fault};
use crate::history::History;
use crate::plan::Plan;

/// More events than any run has; one that reaches it spins.
const MOST_EVENTS: u64 = 3_000_000;

/// What is to happen. `life` numbers the runs of a process: what was meant for an earlier one is passed over.
#[derive(Debug)]
enum Event {
    Arrives(ConnId, Way),
    Connects {
        machine: usize,
        life: u32,
    },
    WorkerTimer {
        machine: usize,
        life: u32,
    },
    SlotDone {
        machine: usize,
        life: u32,
        slot: usize,
    },
    LooksAtSlots {
        machine: usize,
        life: u32,
    },
    Starts {
        machine: usize,
    },
    LinkTimer(ConnId),
    LinkObeys(ConnId),
    Turn {
        life: u32,
    },
    Results {
        life: u32,
    },
    RecordAgain {
        life: u32,
        recording: Box<results::Recording>,
    },
    Committed {
        life: u32,
    },
    Asks {
        life: u32,
        asked: Box<manyeyes_manager::engine::Asked>,
    },
    ManagerStarts,
    RequestArrives(Box<Request>),
    Answer {
        request: u64,
        answer: people::Answer,
    },
    PersonActs {
        person: usize,
    },
    Fault(Fault),
    Heals(Heal),
    /// One side learns that its connection is broken.
    Breaks(ConnId, Way),
    LooksForTheEnd,
}

/// What is over.
#[derive(Clone, Copy, Debug)]
enum Heal {
    Slow(usize),
    Announces(usize),
    Disk,
    Link(usize),
}

/// One run.
pub(crate) struct World {
    now: Instant,
    agenda: Agenda<Event>,
    chance: Chance,
    plan: Plan,
    manager: Option<Manager>,
    manager_life: u32,
    manager_stopped_until: Option<Instant>,
    disk: Disk,
    machines: Vec<Machine>,
    conns: BTreeMap<ConnId, Conn>,
    next_conn: u32,
    people: Vec<Person>,
    requests: BTreeMap<u64, Request>,
    next_request: u64,
    history: History,
    tracing: bool,
    trace: Vec<String>,
    calm: bool,
    closing: bool,
    over: bool,
    report: Tally,
}

/// What a run was like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) faults: u64,
    pub(crate) coverage: Coverage,
    pub(crate) deliveries: u64,
    pub(crate) unfairness: u32,
    pub(crate) rest_after: Duration,
}

/// What came of a run.
pub(crate) struct Finished {
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) totals: [u64; 5],
    pub(crate) images: u64,
    pub(crate) workers: u64,
    pub(crate) tally: Tally,
}

impl World {
    pub(crate) fn new(seed: u64, tracing: bool) -> Self {
        let mut chance = Chance::new(seed);
        let plan = Plan::draw(&mut chance);
        let mut history = History::default();
        // The manager's clock runs from when it hears of a beginning to when it hears of the end, whatever delays either.
        history.stall = plan.dispatch.deadline_floor / 4;
        let machines = plan.machines.iter().enumerate().map(|(at, machine)| Machine::new(at, machine)).collect();
        let people = plan.clients.iter().map(Person::new).collect();
        let mut world = Self {
            now: beginning(),
            agenda: Agenda::default(),
            chance,
            manager: None,
            manager_life: 0,
            manager_stopped_until: None,
            disk: Disk::default(),
            machines,
            conns: BTreeMap::new(),
            next_conn: 0,
            people,
            requests: BTreeMap::new(),
            next_request: 0,
            history,
            tracing,
            trace: Vec::new(),
            calm: false,
            closing: false,
            over: false,
            report: Tally::default(),
            plan,
        };
        world.lay_out();
        world
    }

    /// Runs to the end, or to the first violation.
    pub(crate) fn run(mut self) -> Finished {
        while !self.over && self.history.violations().is_empty() {
            let Some((at, event)) = self.agenda.next() else {
                self.history.violation("nothing is left to happen, and the run is not at its end".to_owned());
                break;
            };
            self.now = at;
            self.report.events += 1;
            if self.report.events > MOST_EVENTS {
                self.history.violation(format!("more than {MOST_EVENTS} events: something spins"));
            }
            match self.stopped_until(&event) {
                // What waits in a socket is read before a timer that is late is acted on.
                Some(until) => {
                    let tie = if matches!(event, Event::Arrives(..)) { 0 } else { 1 + self.chance.dice() / 2 };
                    self.agenda.add(until, tie, event);
                }
                None => self.happens(event),
            }
        }
        let images =
            self.plan.clients.iter().flat_map(|client| &client.uploads).map(|upload| upload.files.len() as u64);
        Finished {
            violations: self.history.violations().to_vec(),
            totals: self.history.totals(),
            images: images.sum(),
            workers: self.plan.machines.len() as u64,
            trace: self.trace,
            tally: self.report,
        }
    }

    fn lay_out(&mut self) {
        self.at(Duration::ZERO, Event::ManagerStarts);
        for machine in 0..self.machines.len() {
            self.at(self.plan.machines[machine].starts, Event::Starts { machine });
        }
        for person in 0..self.people.len() {
            self.at(self.plan.clients[person].starts, Event::PersonActs { person });
        }
        for (after, fault) in self.plan.faults.clone() {
            self.at(after, Event::Fault(fault));
        }
        self.at(self.plan.calm, Event::LooksForTheEnd);
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrives(conn, way) => self.arrives(conn, way),
            Event::Connects { machine, life } => self.connects(machine, life),
            Event::WorkerTimer { machine, life } => self.worker_timer(machine, life),
            Event::SlotDone { machine, life, slot } => self.slot_done(machine, life, slot),
            Event::LooksAtSlots { machine, life } => self.looks_at_slots(machine, life),
            Event::Starts { machine } => self.start_worker(machine),
            Event::LinkTimer(conn) => self.link_timer(conn),
            Event::LinkObeys(conn) => self.link_obeys(conn),
            Event::Turn { life } => self.turn(life),
            Event::Results { life } => self.results(life),
            Event::RecordAgain { life, recording } => self.record_again(life, recording),
            Event::Committed { life } => self.committed(life),
            Event::Asks { life, asked } => {
                if life == self.manager_life {
                    self.ask(*asked);
                }
            }
            Event::ManagerStarts => self.start_manager(),
            Event::RequestArrives(request) => self.request_arrives(*request),
            Event::Answer { request, answer } => self.answered(request, answer),
            Event::PersonActs { person } => self.person_acts(person),
            Event::Fault(fault) => self.goes_wrong(fault),
            Event::Heals(heal) => self.heals(heal),
            Event::Breaks(conn, way) => self.breaks(conn, way),
            Event::LooksForTheEnd => self.look_for_the_end(),
        }
    }

    /// Until when the process that this happens to is stopped.
    fn stopped_until(&self, event: &Event) -> Option<Instant> {
        let machine = match event {
            Event::Arrives(conn, Way::Down) => self.conns.get(conn).map(|conn| conn.machine),
            Event::Connects { machine, .. }
            | Event::WorkerTimer { machine, .. }
            | Event::SlotDone { machine, .. }
            | Event::LooksAtSlots { machine, .. } => Some(*machine),
            _ => None,
        };
        let stopped = match (machine, event) {
            (Some(machine), _) => self.machines[machine].stopped_until,
            (
                None,
                Event::Arrives(_, Way::Up)
                | Event::LinkTimer(_)
                | Event::LinkObeys(_)
                | Event::Turn { .. }
                | Event::Results { .. }
                | Event::RecordAgain { .. }
                | Event::Committed { .. }
                | Event::Asks { .. }
                | Event::RequestArrives(_),
            ) => self.manager_stopped_until,
            (None, _) => None,
        };
        // A connection needs the other side's process too.
        let stopped = stopped.max(self.manager_stopped_until.filter(|_| matches!(event, Event::Connects { .. })));
        stopped.filter(|until| *until > self.now)
    }

    fn at(&mut self, after: Duration, event: Event) {
        let tie = 1 + self.chance.dice() / 2;
        self.agenda.add(self.now + after, tie, event);
    }

    fn at_time(&mut self, at: Instant, event: Event) {
        let tie = 1 + self.chance.dice() / 2;
        self.agenda.add(at.max(self.now), tie, event);
    }

    fn say(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.tracing {
            let ms = (self.now - beginning()).as_secs_f64() * 1000.0;
            let what = what(self);
            self.trace.push(format!("{ms:>12.3} ms  {what}"));
        }
    }
}
