//! The workers' side: machines, the processes on them, their sessions and slots.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use manyeyes_protocol::frame::{Hello, ModelDescription, VERSIONS};
use manyeyes_protocol::id::{Attempt, ImageId, InstanceId, ModelDigest};
use manyeyes_protocol::result::{Failure, FailureCode, WorkerTiming};
use manyeyes_protocol::worker_session::{WorkerEvent, WorkerSession};

use super::wires::{ConnId, Way, of_manager};
use super::{Event, World};
use crate::content::{Nature, Token};
use crate::plan::MachinePlan;

/// After how many deadlines a worker holds a slot for lost, as `crates/worker/src/queue.rs` has it.
const LOST_AFTER_DEADLINES: u32 = 3;

/// Where a worker runs, one process at a time.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) slots: usize,
    window: u32,
    service: Duration,
    pub(super) up: Duration,
    pub(super) down: Duration,
    pub(super) model: u8,
    pub(super) life: u32,
    pub(super) process: Option<Process>,
    pub(super) stopped_until: Option<Instant>,
    pub(super) unreachable_until: Option<Instant>,
    /// How many times slower than it was.
    pub(super) slower: u32,
    /// It says of itself that it cannot.
    pub(super) announces: bool,
    /// How many of the next images hang their slot, and on how many its code panics.
    pub(super) hangs: u32,
    pub(super) panics: u32,
    /// Nobody starts it again.
    pub(super) gone: bool,
}

/// A worker's process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) life: u32,
    pub(super) session: WorkerSession,
    pub(super) conn: Option<ConnId>,
    pub(super) inbox: BytesMut,
    pub(super) queue: VecDeque<Task>,
    pub(super) slots: Vec<Option<Running>>,
    armed: Option<Instant>,
    /// Whether what was reported of an image needs to be safe before it may be forgotten.
    pub(super) must_be_safe: BTreeMap<ImageId, bool>,
    leaving: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) image: ImageId,
    attempt: Attempt,
    token: Token,
    deadline: Duration,
    received: Instant,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) task: Task,
    began: Instant,
    fate: SlotFate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlotFate {
    Answers,
    Panics,
    Hangs,
}

impl Machine {
    pub(super) fn new(number: usize, plan: &MachinePlan) -> Self {
        Self {
            name: format!("w{number}"),
            slots: plan.slots as usize,
            window: plan.window,
            service: plan.service,
            up: plan.up,
            down: plan.down,
            model: plan.model,
            life: 0,
            process: None,
            stopped_until: None,
            unreachable_until: None,
            slower: 1,
            announces: false,
            hangs: 0,
            panics: 0,
            gone: false,
        }
    }
}

impl World {
    pub(super) fn process(&mut self, machine: usize, life: u32) -> Option<&mut Process> {
        self.machines[machine].process.as_mut().filter(|process| process.life == life)
    }

    /// A process begins, unless there is one.
    pub(super) fn start_worker(&mut self, machine: usize) {
        let at = &mut self.machines[machine];
        if at.process.is_some() || at.gone || self.closing {
            return;
        }
        at.life += 1;
        let mut instance = [0; 16];
        instance[0] = u8::try_from(machine).unwrap_or(u8::MAX);
        instance[1..5].copy_from_slice(&at.life.to_be_bytes());
        let hello = Hello {
            versions: VERSIONS,
            instance: InstanceId(instance),
            slots: u32::try_from(at.slots).unwrap_or(1),
            window: at.window,
            name: at.name.clone(),
            software: "simulated".to_owned(),
            token: None,
            models: vec![ModelDescription {
                digest: ModelDigest([at.model; 32]),
                name: format!("model {}", at.model),
                verified: true,
                notice: None,
                input: None,
            }],
            moves: false,
        };
        at.process = Some(Process {
            life: at.life,
            session: WorkerSession::new(hello, self.plan.timers.clone()),
            conn: None,
            inbox: BytesMut::new(),
            queue: VecDeque::new(),
            slots: (0..at.slots).map(|_| None).collect(),
            armed: None,
            must_be_safe: BTreeMap::new(),
            leaving: false,
        });
        self.say(|world| format!("{} starts (process {})", world.machines[machine].name, world.machines[machine].life));
        self.after_worker(machine);
    }

    /// The process is no more. What it had said to the system still arrives.
    pub(super) fn kill_worker(&mut self, machine: usize, again_after: Option<Duration>) {
        let Some(process) = self.machines[machine].process.take() else {
            return;
        };
        let name = self.machines[machine].name.clone();
        self.say(|_| format!("{name}'s process is gone"));
        let at_work = process.slots.iter().flatten().map(|running| running.task.image);
        // What it had said may not have arrived, and then it looks as if it had been at work still.
        let unheard = process.session.unacknowledged().map(|(image, _)| image);
        let announced = process.must_be_safe.iter().filter(|(_, must)| !**must).map(|(image, _)| *image);
        let images: Vec<ImageId> = at_work.chain(unheard).chain(announced).collect();
        images.into_iter().for_each(|image| self.history.left(image, &name, true, self.now));
        if let Some(conn) = process.conn {
            self.close(conn, Way::Up);
        }
        match again_after {
            Some(after) => self.at(after, Event::Starts { machine }),
            None => self.machines[machine].gone = true,
        }
    }

    /// It is told to go, and goes when it is through or after the grace.
    pub(super) fn worker_leaves(&mut self, machine: usize, grace: Duration) {
        let now = self.now;
        if let Some(process) = &mut self.machines[machine].process {
            process.leaving = true;
            process.session.goodbye(grace, now);
            self.after_worker(machine);
        }
    }

    pub(super) fn worker_reads(&mut self, machine: usize, conn: ConnId, bytes: &[u8]) {
        let now = self.now;
        let Some(process) = self.machines[machine].process.as_mut().filter(|process| process.conn == Some(conn)) else {
            return;
        };
        process.inbox.extend_from_slice(bytes);
        process.session.handle_bytes(now);
        while let Some(process) = &mut self.machines[machine].process
            && !process.session.is_closing()
        {
            match of_manager(&mut process.inbox) {
                Ok(Some(frame)) => process.session.handle_frame(frame, Duration::from_millis(1), now),
                Ok(None) => break,
                Err(error) => process.session.handle_garbage(&error),
            }
        }
        self.after_worker(machine);
    }

    pub(super) fn worker_lost_link(&mut self, machine: usize, reason: &str) {
        let (now, dice) = (self.now, self.chance.dice());
        let Some(process) = &mut self.machines[machine].process else {
            return;
        };
        let conn = process.conn.take();
        process.session.handle_disconnected(reason, dice, now);
        if let Some(conn) = conn {
            self.close(conn, Way::Up);
        }
        self.after_worker(machine);
    }

    pub(super) fn worker_timer(&mut self, machine: usize, life: u32) {
        let now = self.now;
        let Some(process) = self.process(machine, life) else {
            return;
        };
        if process.armed.is_some_and(|armed| armed <= now) {
            process.armed = None;
        }
        if process.session.poll_timeout().is_some_and(|at| at <= now) {
            process.session.handle_timeout(now);
        }
        self.after_worker(machine);
    }

    /// Carries out what the session wants, until it wants nothing more; then the slots take what waits.
    pub(super) fn after_worker(&mut self, machine: usize) {
        loop {
            let Some(process) = &mut self.machines[machine].process else {
                return;
            };
            let life = process.life;
            if let Some(event) = process.session.poll_event() {
                self.worker_event(machine, event);
                continue;
            }
            if let Some(conn) = process.conn
                && self.conns.get(&conn).is_some_and(|conn| conn.up.has_room())
                && let Some(frame) = process.session.poll_frame()
            {
                self.send(conn, Way::Up, frame.encode());
                continue;
            }
            if process.session.is_over() {
                return self.worker_over(machine);
            }
            if process.session.is_closing() {
                self.worker_lost_link(machine, "");
                return;
            }
            if self.slot_takes(machine) {
                continue;
            }
            return self.arm_worker(machine, life);
        }
    }

    fn worker_event(&mut self, machine: usize, event: WorkerEvent) {
        let now = self.now;
        let life = self.machines[machine].life;
        match event {
            WorkerEvent::Connect => {
                let there = self.machines[machine].up + self.machines[machine].down;
                self.at(there, Event::Connects { machine, life });
            }
            WorkerEvent::Assigned(assigned) => {
                let Some(token) = Token::of(&assigned.payload) else {
                    return self.history.violation(format!("image {} came without its bytes", assigned.image));
                };
                let (image, attempt, deadline) = (assigned.image, assigned.attempt, assigned.deadline);
                self.say(|world| format!("{} has image {image}, delivery {attempt}", world.machines[machine].name));
                if let Some(process) = &mut self.machines[machine].process {
                    process.queue.push_back(Task { image, attempt, token, deadline, received: now });
                }
            }
            WorkerEvent::Cancelled { image, attempt } => {
                if let Some(process) = &mut self.machines[machine].process {
                    process.queue.retain(|task| (task.image, task.attempt) != (image, attempt));
                }
            }
            // No worker of this world offers to.
            WorkerEvent::Move { .. } => {}
            WorkerEvent::Drain => self.worker_leaves(machine, Duration::from_secs(1)),
            WorkerEvent::Disconnected { reason, .. } => {
                self.say(|world| format!("{} is not connected: {reason}", world.machines[machine].name));
            }
            WorkerEvent::Connected | WorkerEvent::Refused { .. } => {}
        }
    }

    /// After its goodbye or a refusal the process ends; whoever looks after it starts another.
    fn worker_over(&mut self, machine: usize) {
        if let Some(process) = &self.machines[machine].process
            && process.session.poll_timeout().is_some()
        {
            self.history.violation("a worker's session is over and still waits for something".to_owned());
        }
        let again = (!self.closing).then(|| self.chance.ms(300, 2_000));
        self.kill_worker(machine, again);
    }

    /// A free slot takes what waits; says whether there was both.
    fn slot_takes(&mut self, machine: usize) -> bool {
        let (now, at) = (self.now, &mut self.machines[machine]);
        let Some(process) = at.process.as_mut().filter(|process| !process.leaving) else {
            return false;
        };
        let Some(slot) = process.slots.iter().position(Option::is_none) else {
            return false;
        };
        let Some(task) = process.queue.pop_front() else {
            return false;
        };
        let (image, life) = (task.image, process.life);
        process.session.started(image, task.attempt);
        let fate = if at.hangs > 0 || task.token.nature() == Nature::Tar {
            at.hangs = at.hangs.saturating_sub(1);
            SlotFate::Hangs
        } else if at.panics > 0 {
            at.panics -= 1;
            SlotFate::Panics
        } else {
            SlotFate::Answers
        };
        process.slots[slot] = Some(Running { task, began: now, fate });
        let name = at.name.clone();
        self.history.began(image, &name, now);
        self.say(|_| format!("{name} begins image {image} ({:?}, {fate:?})", task.token));
        let mut took = self.service(machine);
        if task.token.nature() == Nature::Poison {
            // What it said before is on its way.
            took = self.chance.ms(1, 50);
        }
        if fate == SlotFate::Hangs {
            let after = task.deadline * LOST_AFTER_DEADLINES + Duration::from_secs(1);
            self.at(after, Event::LooksAtSlots { machine, life });
        } else {
            self.at(took, Event::SlotDone { machine, life, slot });
        }
        true
    }

    pub(super) fn slot_done(&mut self, machine: usize, life: u32, slot: usize) {
        let (now, announces) = (self.now, self.machines[machine].announces);
        let is_through = |running: &mut Running| running.fate != SlotFate::Hangs;
        let slot = self.process(machine, life).and_then(|process| process.slots[slot].take_if(is_through));
        let Some(running) = slot else {
            return;
        };
        let Running { task, began, fate } = running;
        let name = self.machines[machine].name.clone();
        if task.token.nature() == Nature::Poison {
            self.say(|_| format!("image {} kills {name}", task.image));
            let restart = self.chance.ms(200, 1_500);
            self.history.left(task.image, &name, true, now);
            return self.kill_worker(machine, Some(restart));
        }
        let panicked = fate == SlotFate::Panics;
        self.history.left(task.image, &name, panicked, now);
        // An earlier delivery of it may be in another slot still.
        let slots = self.process(machine, life).map(|process| &process.slots);
        let mut same = slots.into_iter().flatten().flatten().filter(|running| running.task.image == task.image);
        if let Some(since) = same.next().map(|running| running.began) {
            self.history.began(task.image, &name, since);
        }
        let inference = now.saturating_duration_since(began);
        let timing = WorkerTiming { queue: began - task.received, inference, ..WorkerTiming::default() };
        let fails = |code, message: &str| Err(Failure { code, message: message.to_owned() });
        let outcome = match fate {
            SlotFate::Panics => fails(FailureCode::Crashed, "it panicked"),
            SlotFate::Answers if announces => fails(FailureCode::InferenceFailed, "it cannot now"),
            SlotFate::Answers | SlotFate::Hangs => task.token.outcome(timing),
        };
        self.say(|_| {
            format!(
                "{name} is through with image {}: {}",
                task.image,
                if outcome.is_ok() { "an answer" } else { "none" }
            )
        });
        let must_be_safe = outcome.as_ref().err().is_none_or(|failure| failure.code.is_final());
        if let Some(process) = self.process(machine, life) {
            // Of one that was reported more than once, it is not known here which delivery is which.
            *process.must_be_safe.entry(task.image).or_insert(true) &= must_be_safe;
            process.session.report(task.image, task.attempt, outcome);
        }
        self.after_worker(machine);
    }

    /// A process all of whose slots have hung for too long ends.
    pub(super) fn looks_at_slots(&mut self, machine: usize, life: u32) {
        let now = self.now;
        let Some(process) = self.process(machine, life) else {
            return;
        };
        let lost = process.slots.iter().all(|slot| {
            slot.as_ref().is_some_and(|running| now - running.began > running.task.deadline * LOST_AFTER_DEADLINES)
        });
        if lost {
            process.session.goodbye(Duration::ZERO, now);
            process.session.handle_timeout(now);
            self.after_worker(machine);
        } else if process.slots.iter().flatten().any(|running| running.fate == SlotFate::Hangs) {
            self.at(Duration::from_secs(1), Event::LooksAtSlots { machine, life });
        }
    }

    fn service(&mut self, machine: usize) -> Duration {
        let at = &self.machines[machine];
        let all = at.service * at.slower;
        all.mul_f64(0.8 + 0.4 * f64::from(self.chance.dice()) / f64::from(u32::MAX))
    }

    fn arm_worker(&mut self, machine: usize, life: u32) {
        let Some(process) = &mut self.machines[machine].process else {
            return;
        };
        let Some(at) = process.session.poll_timeout() else {
            return;
        };
        if process.armed.is_none_or(|armed| armed > at) {
            process.armed = Some(at);
            self.at_time(at, Event::WorkerTimer { machine, life });
        }
    }
}
