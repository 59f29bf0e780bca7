//! A manager, its workers and the clients' machines, and everything that can be done to them. Each fault has a beginning and a
//! healing; nothing here decides when.

mod clock;
mod slowed;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use manyeyes_testbed::{Cable, Machine};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustix::fs::FallocateFlags;
use rustix::process::Signal;

use self::clock::Clock;
use self::slowed::Slowed;
use crate::means::Means;
use crate::pictures::Pictures;
use crate::plan::{Fault, Kind, Victim};
use crate::seat::{Seat, Seen, send};

/// The manager's seat, and its log.
const MANAGER: &str = "manager";

/// Where the page is served, in the manager's own network, in which nobody else can have the port.
pub(crate) const PAGE_PORT: u16 = 8080;

/// Where workers connect.
const WORKER_PORT: u16 = 2888;

/// How long `fsync` takes while it is slow. On the small disk of a run, which is memory, it takes no time otherwise.
const FSYNC_DELAY: Duration = Duration::from_millis(250);

/// What is left of the disk when it is full.
const LEFT_OF_DISK: u64 = 64 << 10;

/// In so many halves even a disk of terabytes is full; more are for what the manager takes and gives meanwhile.
const FILLING_TRIES: usize = 100;

/// So soon after there is space again it is seen that a manager has ended for want of it.
const NO_SPACE_SEEN: Duration = Duration::from_secs(1);

/// How many canaries there are: as many as a worker that answers wrongly may be asked before it is set aside.
const CANARIES: usize = 20;

/// How long a tracer may take to let go.
const LETTING_GO: Duration = Duration::from_secs(5);

/// What a cluster is made of.
pub(crate) struct Settings {
    pub(crate) binary: PathBuf,
    /// Where its logs go, and where its disk is mounted.
    pub(crate) folder: PathBuf,
    pub(crate) workers: usize,
    pub(crate) clients: usize,
    /// How long a worker takes for an image.
    pub(crate) service_ms: u64,
    /// Images that a worker works on at a time.
    pub(crate) slots: u32,
    pub(crate) disk_mib: u64,
}

/// Everything that runs.
pub(crate) struct Cluster {
    manager: Seat,
    workers: Vec<Seat>,
    strace: Option<Child>,
    slowed: Vec<Option<Slowed>>,
    /// Which workers are to answer wrongly when they are started next.
    are_wrong: Vec<Arc<AtomicBool>>,
    /// When the disk was full last, and then not any more.
    disk_healed: Option<Instant>,
    folder: PathBuf,
    data: PathBuf,
    manager_machine: Machine,
    worker_machines: Vec<Machine>,
    client_machines: Arc<Vec<Machine>>,
    /// The process of the manager, 0 while there is none.
    manager_id: Arc<AtomicU32>,
}

impl Cluster {
    /// Builds the machines. Nothing runs yet.
    pub(crate) fn new(settings: &Settings, means: &Means) -> anyhow::Result<Self> {
        let Settings { binary, folder, .. } = settings;
        let data = folder.join("disk");
        fs::create_dir_all(&data)?;
        let mount = format!("mount -t tmpfs -o size={}m disk '{}'", settings.disk_mib, data.display());
        let manager_machine = Machine::new(&mount)?;
        let machines = |count: usize| (0..count).map(|_| Machine::new("true")).collect::<anyhow::Result<Vec<_>>>();
        let (worker_machines, client_machines) = (machines(settings.workers)?, machines(settings.clients)?);
        for (machine, place) in worker_machines.iter().chain(&client_machines).zip(0..) {
            Cable(place).lay(&manager_machine, machine)?;
        }
        let clock = |name: &str| Clock::new(folder, name, means);
        let manager = {
            let clock = clock("manager")?;
            let mut arguments: Vec<String> = ["manager", "--open"].map(str::to_owned).into();
            arguments.extend(["--listen".to_owned(), format!("0.0.0.0:{PAGE_PORT}")]);
            arguments.extend(["--worker-listen".to_owned(), format!("0.0.0.0:{WORKER_PORT}")]);
            arguments.extend(["--data".to_owned(), data.join("books").display().to_string()]);
            if means.has_canaries {
                arguments.extend(["--canaries".to_owned(), canaries(folder)?.display().to_string()]);
            }
            seat(MANAGER, folder, &manager_machine, binary, move || arguments.clone(), clock)?
        };
        let (mut workers, mut are_wrong) = (Vec::new(), Vec::new());
        for (place, machine) in worker_machines.iter().enumerate() {
            let name = Victim::Worker(place).to_string();
            let clock = if place == 0 { clock(&name)? } else { None };
            let address = format!("{}:{WORKER_PORT}", Cable(u8::try_from(place)?).manager_address());
            let mut arguments: Vec<String> =
                ["worker", "--manager", &address, "--name", &name].map(str::to_owned).into();
            arguments.extend(["--slots".to_owned(), settings.slots.to_string()]);
            arguments.extend(["--fixed-service-ms".to_owned(), settings.service_ms.to_string()]);
            let is_wrong = Arc::new(AtomicBool::new(false));
            are_wrong.push(Arc::clone(&is_wrong));
            let arguments = move || {
                let fails: &[&str] = &["--fail-mode", "wrong", "--fail-probability", "1"];
                let fails = if is_wrong.load(Ordering::Relaxed) { fails } else { &[] };
                arguments.iter().cloned().chain(fails.iter().map(|&word| word.to_owned())).collect()
            };
            workers.push(seat(&name, folder, machine, binary, arguments, clock)?);
        }
        Ok(Self {
            manager,
            strace: None,
            slowed: workers.iter().map(|_| None).collect(),
            are_wrong,
            workers,
            disk_healed: None,
            folder: folder.clone(),
            data,
            manager_machine,
            worker_machines,
            client_machines: Arc::new(client_machines),
            manager_id: Arc::default(),
        })
    }

    /// Everything is to run from now on.
    pub(crate) fn start(&mut self) {
        self.manager.want();
        self.workers.iter_mut().for_each(Seat::want);
    }

    /// The manager's machine's network, for an observer whose cable nobody pulls.
    pub(crate) fn manager_machine(&self) -> &Machine {
        &self.manager_machine
    }

    /// Where the clients are.
    pub(crate) fn client_machines(&self) -> Arc<Vec<Machine>> {
        Arc::clone(&self.client_machines)
    }

    /// The address at which a client finds the manager.
    pub(crate) fn url_for(&self, client: usize) -> anyhow::Result<String> {
        Ok(format!("http://{}:{PAGE_PORT}", self.client_cable(client)?.manager_address()))
    }

    /// The manager's process, for who looks at its memory.
    pub(crate) fn manager_id(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.manager_id)
    }

    /// The manager's data, for who keeps it as evidence.
    pub(crate) fn data(&self) -> PathBuf {
        self.manager_machine.path(&self.data.join("books"))
    }

    /// Looks after the processes; gives what nobody has wanted: a process that ended by itself, or one that would not end.
    pub(crate) fn look(&mut self) -> anyhow::Result<Vec<String>> {
        let now = Instant::now();
        let mut unwanted = Vec::new();
        let no_space = self.explains_no_space();
        for seat in std::iter::once(&mut self.manager).chain(&mut self.workers) {
            match seat.look(now).with_context(|| format!("failed to run {}", seat.name))? {
                Seen::Nothing => {}
                Seen::EndedByItself(status) if no_space && seat.name == MANAGER && status.code() == Some(1) => {}
                Seen::EndedByItself(status) => unwanted.push(format!("{} ended by itself: {status}", seat.name)),
                Seen::WouldNotEnd => unwanted.push(format!("{} did not end when it was asked to", seat.name)),
            }
        }
        self.manager_id.store(self.manager.id().unwrap_or(0), Ordering::Relaxed);
        Ok(unwanted)
    }

    /// A fault begins.
    pub(crate) fn begin(&mut self, fault: &Fault) -> anyhow::Result<()> {
        match (fault.kind, fault.victim) {
            (Kind::KillManager | Kind::KillWorker, victim) => self.seat(victim)?.kill(),
            (Kind::RestartManager | Kind::RestartWorker, victim) => self.seat(victim)?.terminate(),
            (Kind::StopManager | Kind::StopWorker, victim) => self.seat(victim)?.signal(Signal::STOP),
            (Kind::SlowFsync, _) => self.strace = self.slow_fsync()?,
            (Kind::ManagerClock | Kind::WorkerClock, victim) => {
                Clock::set(&self.folder, &victim.to_string(), fault.clock_s)?;
            }
            (Kind::FullDisk, _) => self.fill_disk()?,
            (Kind::SlowWorker, Victim::Worker(place)) => {
                self.slowed[place] = self.workers[place].id().map(Slowed::start);
            }
            (Kind::CutWorker | Kind::CutClient, victim) => {
                let (cable, machine) = self.cable(victim)?;
                cable.pull(machine)?;
            }
            (Kind::DeafWorker, victim) => self.cable(victim)?.0.deafen(&self.manager_machine)?,
            (Kind::MuteWorker, victim) => {
                let (cable, machine) = self.cable(victim)?;
                cable.mute(machine)?;
            }
            (Kind::WrongWorker, Victim::Worker(place)) => self.replace(place, true),
            (Kind::SlowWorker | Kind::WrongWorker, victim) => bail!("{victim} is no worker"),
        }
        Ok(())
    }

    /// A fault is over.
    pub(crate) fn heal(&mut self, fault: &Fault) -> anyhow::Result<()> {
        match (fault.kind, fault.victim) {
            (Kind::KillManager | Kind::KillWorker | Kind::RestartManager | Kind::RestartWorker, victim) => {
                self.seat(victim)?.want();
            }
            (Kind::StopManager | Kind::StopWorker, victim) => self.seat(victim)?.signal(Signal::CONT),
            (Kind::SlowFsync, _) => self.let_go()?,
            (Kind::ManagerClock | Kind::WorkerClock, victim) => Clock::set(&self.folder, &victim.to_string(), 0)?,
            (Kind::FullDisk, _) => {
                fs::remove_file(self.filling()).context("failed to make room on the disk")?;
                self.disk_healed = Some(Instant::now());
            }
            (Kind::SlowWorker, Victim::Worker(place)) => self.slowed[place] = None,
            (Kind::CutWorker | Kind::CutClient, victim) => {
                let (cable, machine) = self.cable(victim)?;
                cable.mend(machine)?;
            }
            (Kind::DeafWorker, victim) => self.cable(victim)?.0.undeafen(&self.manager_machine)?,
            (Kind::MuteWorker, victim) => {
                let (cable, machine) = self.cable(victim)?;
                cable.unmute(machine)?;
            }
            (Kind::WrongWorker, Victim::Worker(place)) => self.replace(place, false),
            (Kind::SlowWorker | Kind::WrongWorker, victim) => bail!("{victim} is no worker"),
        }
        Ok(())
    }

    /// Asks everything to end, workers first, and waits for it.
    pub(crate) fn end(&mut self) -> anyhow::Result<Vec<String>> {
        let mut unwanted = Vec::new();
        for manager_too in [false, true] {
            self.workers.iter_mut().filter(|seat| seat.is_taken() && !manager_too).for_each(Seat::terminate);
            if manager_too {
                self.manager.terminate();
            }
            while self.workers.iter().any(Seat::is_taken) || manager_too && self.manager.is_taken() {
                unwanted.extend(self.look()?);
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(unwanted)
    }

    /// Another process takes a worker's place.
    fn replace(&mut self, place: usize, is_wrong: bool) {
        self.are_wrong[place].store(is_wrong, Ordering::Relaxed);
        self.workers[place].terminate();
        self.workers[place].want();
    }

    fn seat(&mut self, victim: Victim) -> anyhow::Result<&mut Seat> {
        match victim {
            Victim::Manager => Ok(&mut self.manager),
            Victim::Worker(place) => self.workers.get_mut(place).context("there is no such worker"),
            Victim::Disk | Victim::Client(_) => bail!("{victim} has no process"),
        }
    }

    fn cable(&self, victim: Victim) -> anyhow::Result<(Cable, &Machine)> {
        match victim {
            Victim::Worker(place) => Ok((Cable(u8::try_from(place)?), &self.worker_machines[place])),
            Victim::Client(place) => Ok((self.client_cable(place)?, &self.client_machines[place])),
            Victim::Disk | Victim::Manager => bail!("{victim} has no cable"),
        }
    }

    fn client_cable(&self, client: usize) -> anyhow::Result<Cable> {
        Ok(Cable(u8::try_from(self.worker_machines.len() + client)?))
    }

    fn filling(&self) -> PathBuf {
        self.manager_machine.path(&self.data.join("filling"))
    }

    /// Takes all of the disk that is free, but for a little, half of it at a time: the manager writes meanwhile, and what is not
    /// there in the end is given back as a whole, which takes long. What the manager gives up of its own when it finds the disk
    /// full stays its own, but for a rare moment.
    fn fill_disk(&self) -> anyhow::Result<()> {
        let file = File::create(self.filling()).context("failed to fill the disk")?;
        let mut taken = 0;
        for _ in 0..FILLING_TRIES {
            let disk =
                rustix::fs::statvfs(self.manager_machine.path(&self.data)).context("failed to look at the disk")?;
            let free = disk.f_bavail * disk.f_frsize;
            if free <= LEFT_OF_DISK {
                return Ok(());
            }
            if rustix::fs::fallocate(&file, FallocateFlags::empty(), taken, free / 2).is_ok() {
                taken += free / 2;
            }
        }
        bail!("the disk could not be filled")
    }

    /// Whether a manager may say that there is no space, and end: at its start, on a disk that is full to the last byte.
    fn explains_no_space(&self) -> bool {
        self.filling().exists() || self.disk_healed.is_some_and(|healed| healed.elapsed() < NO_SPACE_SEEN)
    }

    fn slow_fsync(&self) -> anyhow::Result<Option<Child>> {
        let Some(id) = self.manager.id() else { return Ok(None) };
        let mut command = Command::new("setpriv");
        let inject = format!("inject=fsync,fdatasync:delay_exit={}", FSYNC_DELAY.as_micros());
        command.args(["--pdeathsig", "KILL", "strace", "--quiet=all", "-f", "-o"]).arg(self.folder.join("strace.log"));
        command.args(["-e", "trace=fsync,fdatasync", "-e", &inject, "-p", &id.to_string()]);
        let strace = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        strace.map(Some).context("failed to run strace")
    }

    fn let_go(&mut self) -> anyhow::Result<()> {
        let Some(mut strace) = self.strace.take() else { return Ok(()) };
        send(strace.id(), Signal::TERM);
        let asked = Instant::now();
        while strace.try_wait()?.is_none() {
            if asked.elapsed() > LETTING_GO {
                strace.kill()?;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The tracer first: what it holds could not be ended.
        let _ = self.let_go();
        self.slowed.clear();
    }
}

fn seat(
    name: &str,
    folder: &Path,
    machine: &Machine,
    binary: &Path,
    arguments: impl Fn() -> Vec<String> + 'static,
    clock: Option<Clock>,
) -> anyhow::Result<Seat> {
    let log = OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.log")))?;
    let (door, binary) = (machine.door(), binary.to_owned());
    let make = move || {
        // Set inside, so that what leads there has no faked clock, which would leave shared memory behind outside.
        let mut command = door.command(Path::new("env"));
        command.args(["-u", "RUST_LOG"]).args(clock.iter().flat_map(Clock::variables)).arg(&binary).args(arguments());
        command
    };
    Ok(Seat::new(name.to_owned(), log, make))
}

/// Makes a folder of known pictures: each in a folder that is called as a worker of fixed service time answers it.
fn canaries(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder.join("canaries");
    let (mut pictures, mut chance) = (Pictures::of_nobody(), StdRng::seed_from_u64(0));
    for picture in std::iter::repeat_with(|| pictures.next(&mut chance)).take(CANARIES) {
        let class = folder.join(format!("sha256:{}", picture.digest));
        fs::create_dir_all(&class)?;
        fs::write(class.join(picture.name), picture.bytes)?;
    }
    Ok(folder)
}
