//! One run: real processes on a testbed, a client, a script, and the row that comes of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use manyeyes_testbed::{Calibration, Conditions};

use super::client::{Client, Notebook, Notes, Stop};
use super::cluster::{Cluster, name};
use super::pictures::Pictures;
use super::site::Site;
use super::{Interrupted, account};
use crate::plan::{PROBES_HOLD, Turn};
use crate::record::{Cell, Event, FORMAT, Host, Link, MachineFacts, Run, Software};
use crate::scenario::{Scenario, Scripted, Whom};

/// How often it is looked whether something of the script is due, or a process has ended.
const TICK: Duration = Duration::from_millis(5);

/// What all runs have in common.
pub(crate) struct Bench {
    /// Where a run's logs are, while it lasts.
    pub(crate) folder: PathBuf,
    pub(crate) software: Software,
    pub(crate) machine: MachineFacts,
    /// Those that were given, if they were.
    pub(crate) hosts: Vec<Host>,
    pub(crate) abort: Arc<AtomicBool>,
    /// Links in the table of what probes find, over which the chance of a false alarm is shared.
    pub(crate) comparisons: u64,
    /// Kinds of links that were probed and found as asked, and when: how many, and what they do.
    pub(crate) probed: Vec<((u32, Conditions, Conditions), Instant)>,
}

/// What a run has shown.
struct Shown {
    notes: Notes,
    links: Vec<Link>,
    done: Vec<Event>,
    void: Vec<String>,
    began: SystemTime,
}

impl Bench {
    /// Makes a run.
    ///
    /// # Errors
    /// It could not be carried out, or was aborted. That it shows something bad is no error.
    pub(crate) fn measure(
        &mut self,
        site: &Site,
        scenario: &Scenario,
        turn: Turn,
        pictures: &Pictures,
    ) -> anyhow::Result<Run> {
        let planned = &scenario.cells[turn.cell];
        let cell = &planned.cell;
        clear(&self.folder)?;
        site.forget_data()?;
        let found = self.probe(site, cell, turn)?;
        site.impair(cell, turn.seed)?;
        let shown = self.carry_out(scenario, turn, pictures, site, &found);
        // Whatever else went wrong then, somebody wanted the end.
        if self.abort.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        let shown = shown?;
        let images = account::images(&shown.notes, cell.images);
        let mut void = shown.void;
        void.extend(account::faults(&shown.notes, cell));
        let began = shown.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let run = Run {
            format: FORMAT,
            study: scenario.name.clone(),
            levels: planned.levels.clone(),
            cell: cell.clone(),
            block: turn.block,
            position: turn.position,
            seed: turn.seed,
            scenario: scenario.digest.clone(),
            began_unix_s: began.as_secs_f64(),
            software: self.software.clone(),
            machine: self.machine.clone(),
            idle_s: shown.notes.idle_s,
            hosts: self.hosts.clone(),
            elapsed_s: account::elapsed_s(&images),
            images,
            workers: account::workers(&shown.notes, cell),
            links: shown.links,
            events: account::events(&shown.notes, shown.done),
            void,
        };
        clear(&self.folder)?;
        Ok(run)
    }

    /// Probes links of this kind, unless that was done a while ago with success.
    fn probe(&mut self, site: &Site, cell: &Cell, turn: Turn) -> anyhow::Result<BTreeMap<usize, Calibration>> {
        let kind = (site.workers(), cell.down, cell.up);
        self.probed.retain(|(_, at)| at.elapsed() < PROBES_HOLD);
        if self.probed.iter().any(|(other, _)| *other == kind) {
            return Ok(BTreeMap::new());
        }
        let found = site.calibrate(cell, turn.block, self.comparisons, turn.seed)?;
        if found.values().all(|calibration| calibration.holds) {
            self.probed.push((kind, Instant::now()));
        }
        Ok(found)
    }

    fn carry_out(
        &self,
        scenario: &Scenario,
        turn: Turn,
        pictures: &Pictures,
        site: &Site,
        found: &BTreeMap<usize, Calibration>,
    ) -> anyhow::Result<Shown> {
        let cell = &scenario.cells[turn.cell].cell;
        let stop = Stop::new(Arc::clone(&self.abort));
        let mut cluster = Cluster::start(site, &self.folder, cell, turn.seed, &stop)?;
        let door = cluster.door()?;
        let notebook = Notebook::default();
        let client = Client { door: &door, pictures, cell, bound: scenario.bound, notebook: &notebook, stop: &stop };
        let began = SystemTime::now();
        thread::scope(|scope| {
            let client = scope.spawn(move || site.at_client(|| client.run(|| site.begin_count())));
            let mut director = Director {
                scenario,
                cluster: &mut cluster,
                site,
                notebook: &notebook,
                cell: turn.cell,
                due: 0,
                relieved: 0,
            };
            let mut shown =
                Shown { notes: Notes::default(), links: Vec::new(), done: Vec::new(), void: Vec::new(), began };
            let mut directed = Ok(());
            while !client.is_finished() {
                if directed.is_ok() {
                    directed = director.look(&mut shown, &stop);
                }
                // Where the director could not go on, nobody else is to.
                if directed.is_err() {
                    stop.give_up();
                }
                thread::sleep(TICK);
            }
            let client = client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            directed.and(client)?;
            shown.notes = notebook.read();
            let (links, void) = site.links(cell, found)?;
            shown.links = links;
            shown.void.extend(void);
            Ok(shown)
        })
    }
}

/// Does what is due.
struct Director<'a, 'b> {
    scenario: &'a Scenario,
    cluster: &'a mut Cluster<'b>,
    site: &'a Site,
    notebook: &'a Notebook,
    /// Which of the scenario's cells this is.
    cell: usize,
    /// How many of the script are done.
    due: usize,
    /// How many on standby have taken over.
    relieved: u32,
}

impl Director<'_, '_> {
    fn look(&mut self, shown: &mut Shown, stop: &Stop) -> anyhow::Result<()> {
        for what in self.cluster.look()? {
            shown.void.push(what);
        }
        let Some(since) = self.notebook.since_beginning(Instant::now()) else { return Ok(()) };
        while let Some(scripted) = self.scenario.script.get(self.due).filter(|scripted| scripted.at <= since) {
            self.due += 1;
            let at_s = self.notebook.read_since(Instant::now());
            self.act(scripted)?;
            shown.done.push(Event { at_s, whom: scripted.whom.to_string(), what: scripted.action.done().to_owned() });
        }
        self.relieve(shown)?;
        if since > self.scenario.bound {
            stop.give_up();
        }
        Ok(())
    }

    fn act(&mut self, scripted: &Scripted) -> anyhow::Result<()> {
        match scripted.whom {
            Whom::Manager | Whom::Worker(_) => self.cluster.act(scripted.whom, scripted.action),
            Whom::Link(number) => self.site.act(number, scripted.action),
        }
    }

    /// Starts one on standby for each worker that is not to be counted on any more. Its start is part of what it costs.
    fn relieve(&mut self, shown: &mut Shown) -> anyhow::Result<()> {
        let cell = &self.scenario.cells[self.cell].cell;
        while self.relieved < cell.standby && (self.relieved as usize) < self.notebook.gone() {
            self.relieved += 1;
            let number = cell.workers + self.relieved;
            // Before it is started, so that it is not seen to have joined first.
            let at_s = self.notebook.read_since(Instant::now());
            self.cluster.start_worker(number)?;
            shown.done.push(Event { at_s, whom: name(number), what: "started".to_owned() });
        }
        Ok(())
    }
}

/// An empty folder: nothing of one run is there for the next.
fn clear(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("failed to clear {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))
}
