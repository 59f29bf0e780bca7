//! The processes of a run, each on its machine, and what can be done to them.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use manyeyes_testbed::Shares;
use rustix::process::Signal;

use super::client::{self, Door, Stop};
use super::process::Process;
use super::site::{Launch, Site};
use crate::record::{Cell, Service};
use crate::scenario::{Action, Whom};

/// How long a manager may take until it listens, and the workers until they have joined: a model is loaded meanwhile, on a share
/// of a core and behind a slow link.
const STARTING: Duration = Duration::from_secs(60);

/// How often it is looked whether something that is waited for is there.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long a manager that is restarted may take for its end.
const GRACE_S: &str = "1";

/// On cables that nobody else can reach, what passes can be looked at.
const IN_THE_CLEAR: [&str; 2] = ["--encryption", "never"];

/// A manager and its workers.
pub(crate) struct Cluster<'a> {
    site: &'a Site,
    /// By which pages and workers are let in; `None`: everybody is.
    token: Option<String>,
    /// Where the logs are.
    folder: PathBuf,
    cell: &'a Cell,
    seed: u64,
    manager: Process,
    is_manager_to_restart: bool,
    workers: Vec<Place>,
    /// How many processes of workers had a share of the processor.
    started: u32,
    /// Dropped last, when nobody has a share any more.
    shares: Option<Shares>,
}

/// Where a worker is, or would be.
struct Place {
    process: Option<Process>,
    is_to_restart: bool,
    is_to_end: bool,
}

impl<'a> Cluster<'a> {
    /// Starts a manager and the workers that work from the beginning, and waits until all have joined.
    ///
    /// # Errors
    /// A process does not start, or a worker does not join: with the last lines of its log.
    pub(crate) fn start(site: &'a Site, folder: &Path, cell: &'a Cell, seed: u64, stop: &Stop) -> anyhow::Result<Self> {
        let manager = start_manager(site, folder, cell)?;
        let place = |_| Place { process: None, is_to_restart: false, is_to_end: false };
        let workers = (0..cell.workers + cell.standby).map(place).collect();
        let folder = folder.to_owned();
        let mut cluster = Self {
            site,
            token: None,
            folder,
            cell,
            seed,
            manager,
            is_manager_to_restart: false,
            workers,
            started: 0,
            shares: cell.cpu_cores.map(|_| Shares::begin()).transpose()?,
        };
        cluster.await_manager(stop)?;
        if !site.is_open() {
            let token =
                cluster.manager.said("listening on ").and_then(|page| Some(page.split_once("token=")?.1.to_owned()));
            cluster.token = Some(token.context("the manager prints no token")?);
        }
        for number in 1..=cell.workers {
            cluster.start_worker(number)?;
        }
        cluster.await_workers(stop)?;
        Ok(cluster)
    }

    /// Starts the worker of this number: one that was on standby takes over.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(crate) fn start_worker(&mut self, number: u32) -> anyhow::Result<()> {
        let share = match (&self.shares, self.cell.cpu_cores) {
            (Some(shares), Some(cores)) => {
                // Another one than that of the process that was here before.
                self.started += 1;
                Some(shares.share(&format!("{}-{}", name(number), self.started), cores)?)
            }
            _ => None,
        };
        let arguments = self.worker_arguments(number)?;
        let environment = self.token.iter().map(|token| ("MANYEYES_TOKEN".to_owned(), token.clone())).collect();
        let start = |log| self.site.start(Whom::Worker(number), share, Launch { arguments, environment, log });
        let process = Process::start(&name(number), &self.folder, start)?;
        self.place(number)?.process = Some(process);
        Ok(())
    }

    /// Does something of the script to a process.
    ///
    /// # Errors
    /// There is no such process.
    pub(crate) fn act(&mut self, whom: Whom, action: Action) -> anyhow::Result<()> {
        let (process, is_to_restart) = match whom {
            Whom::Manager => (Some(&mut self.manager), &mut self.is_manager_to_restart),
            Whom::Worker(number) => {
                let place = self.place(number)?;
                place.is_to_end = matches!(action, Action::Kill | Action::Restart) || place.is_to_end;
                (place.process.as_mut(), &mut place.is_to_restart)
            }
            Whom::Link(_) => bail!("{whom} is no process"),
        };
        let Some(process) = process else { return Ok(()) };
        match action {
            Action::Kill => process.kill(),
            Action::Restart => {
                *is_to_restart = true;
                process.signal(Signal::TERM);
            }
            Action::Stop => process.signal(Signal::STOP),
            Action::Continue => process.signal(Signal::CONT),
            Action::Cut | Action::Mend => bail!("{whom} is no link"),
        }
        Ok(())
    }

    /// Looks after the processes; gives those that ended though nobody wanted it, with their last words.
    ///
    /// # Errors
    /// A process that is to run again cannot be started.
    pub(crate) fn look(&mut self) -> anyhow::Result<Vec<String>> {
        let mut unwanted = Vec::new();
        if let Some(status) = self.manager.ended().context("failed to look after the manager")? {
            if self.is_manager_to_restart {
                self.is_manager_to_restart = false;
                self.manager = start_manager(self.site, &self.folder, self.cell)?;
            } else {
                bail!("the manager ended by itself ({status}); {}", self.manager.last_words());
            }
        }
        for number in 1..=self.cell.workers + self.cell.standby {
            let may_fail = number == 1 && self.cell.failure.is_some();
            let place = self.place(number)?;
            let Some(process) = &mut place.process else { continue };
            let Some(status) = process.ended().context("failed to look after a worker")? else { continue };
            if !(may_fail || place.is_to_end) {
                unwanted.push(format!("{} ended by itself ({status}); {}", process.name(), process.last_words()));
            }
            place.process = None;
            if std::mem::take(&mut place.is_to_restart) {
                place.is_to_end = false;
                self.start_worker(number)?;
            }
        }
        Ok(unwanted)
    }

    /// By which the client comes to the manager.
    ///
    /// # Errors
    /// There is no client's link.
    pub(crate) fn door(&self) -> anyhow::Result<Door> {
        Ok(Door { manager: self.site.page()?, token: self.token.clone() })
    }

    fn await_manager(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let asked = Instant::now();
        while self.manager.said("workers on ").is_none() {
            if let Some(status) = self.manager.ended().context("failed to look after the manager")? {
                bail!("the manager did not start ({status}); {}", self.manager.last_words());
            }
            if asked.elapsed() > STARTING || stop.is_aborted() {
                bail!("the manager did not listen within {} s; {}", STARTING.as_secs(), self.manager.last_words());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn await_workers(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let asked = Instant::now();
        let door = self.door()?;
        loop {
            let here = self.site.at_client(|| client::workers(&door, stop))?;
            // By which transport one that chooses comes is known when its path has been sounded.
            let is_here = |number: &u32| here.iter().any(|worker| worker.name == name(*number) && !worker.sounding);
            let Some(missing) = (1..=self.cell.workers).find(|number| !is_here(number)) else { return Ok(()) };
            let process = self.workers[missing as usize - 1].process.as_mut();
            let process = process.context("a worker that was started has no process")?;
            if let Some(status) = process.ended().context("failed to look after a worker")? {
                bail!("{} did not start ({status}); {}", process.name(), process.last_words());
            }
            if asked.elapsed() > STARTING || stop.is_aborted() {
                let (who, seconds, said) = (process.name(), STARTING.as_secs(), process.last_words());
                bail!(
                    "{who} did not join the manager at {} within {seconds} s; {said}",
                    self.site.worker_target(missing)?
                );
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn worker_arguments(&self, number: u32) -> anyhow::Result<Vec<String>> {
        let target = self.site.worker_target(number)?;
        let (name, slots) = (name(number), self.cell.slots.to_string());
        let mut arguments = vec!["worker".to_owned()];
        if self.site.is_open() {
            arguments.extend(IN_THE_CLEAR.map(str::to_owned));
        }
        let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
        add("--manager", target.to_string());
        add("--name", name);
        add("--slots", slots);
        add("--transport", self.cell.transport.name().to_owned());
        match &self.cell.service {
            Service::Fixed { service_ms } => add("--fixed-service-ms", format!("{service_ms:.0}")),
            Service::Model { name } => add("--model", name.clone()),
        }
        if let Some(failure) = self.cell.failure.as_ref().filter(|_| number == 1) {
            add("--fail-probability", failure.probability.to_string());
            add("--fail-mode", failure.mode.clone());
            add("--fail-seed", self.seed.to_string());
            arguments.push("--fail-for-good".to_owned());
        }
        Ok(arguments)
    }

    fn place(&mut self, number: u32) -> anyhow::Result<&mut Place> {
        self.workers.get_mut(number as usize - 1).with_context(|| format!("there is no {}", name(number)))
    }
}

/// What the worker of this number is called.
pub(crate) fn name(number: u32) -> String {
    Whom::Worker(number).to_string()
}

fn start_manager(site: &Site, folder: &Path, cell: &Cell) -> anyhow::Result<Process> {
    let [page, workers] = site.listen()?.map(|address| address.to_string());
    let data = site.data().to_string_lossy().into_owned();
    let start_fast = cell.start_fast_mbits_per_s.map(|rate| format!("--start-fast={rate}"));
    let mut arguments =
        vec!["manager", "--grace", GRACE_S, "--data", &data, "--listen", &page, "--worker-listen", &workers];
    arguments.extend(["--transport", cell.transport.listening()]);
    if cell.congestion_control_told().is_some() {
        arguments.extend(["--congestion-control", &cell.congestion_control]);
    }
    arguments.extend(start_fast.as_deref());
    arguments.extend(["--send-smaller", cell.send_smaller.name()]);
    if site.is_open() {
        arguments.push("--open");
        arguments.extend(IN_THE_CLEAR);
    }
    let arguments = arguments.into_iter().map(str::to_owned).collect();
    Process::start("manager", folder, |log| {
        site.start(Whom::Manager, None, Launch { arguments, environment: Vec::new(), log })
    })
}
