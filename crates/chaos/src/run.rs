//! One run, from the machines to the verdict.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::checker::{Checker, Excuse, Tally, Violation};
use crate::client::Client;
use crate::cluster::{Cluster, PAGE_PORT, Settings};
use crate::director::{Happened, direct};
use crate::history::{self, History};
use crate::logs;
use crate::means::Means;
use crate::observer::{Curve, Sample, observe};
use crate::plan::{Fault, Kind, Shape, Victim, plan};
use crate::report::Report;
use crate::signals::Signals;

/// How long after the end of the faults everything that was begun may take. A worker's deadline for an image that it does not
/// answer grows to half a minute; and some, for a busy machine.
const SETTLE: Duration = Duration::from_secs(90);

/// What a worker answered so long before it was wrong may be doubted too: since its last right canary.
const DOUBTED: Duration = Duration::from_secs(30);

/// So soon after a worker that was wrong has been replaced, nothing that it said is told any more.
const REPLACED: Duration = Duration::from_secs(10);

/// How often the processes are looked after when nothing goes wrong any more.
const LOOK: Duration = Duration::from_millis(20);

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// The program: `manyeyes`.
    pub binary: PathBuf,
    /// Where the evidence goes, in a folder of the seed's name.
    pub folder: PathBuf,
    /// What the schedule and the clients' doings follow from.
    pub seed: u64,
    /// How long faults happen.
    pub length: Duration,
    /// How many workers there are.
    pub workers: usize,
    /// How many clients there are.
    pub clients: usize,
    /// How long a worker takes for an image.
    pub service_ms: u64,
    /// How many images a worker works on at a time.
    pub slots: u32,
    /// The size of the data folder's disk. It is memory.
    pub disk_mib: u64,
}

/// Whether there can be a run on this machine.
#[must_use]
pub fn is_possible() -> bool {
    Means::has_namespaces().is_ok()
}

/// The kinds of faults that cannot happen on this machine and with this program, each with what it would need.
///
/// # Errors
/// There can be no run at all on this machine: it lets us make no namespaces.
pub fn missing(binary: &Path) -> anyhow::Result<Vec<(Kind, &'static str)>> {
    let means = Means::find(binary)?;
    Ok(Kind::ALL.into_iter().filter_map(|kind| Some((kind, means.missing(kind)?))).collect())
}

/// The schedule that a run would have on this machine.
///
/// # Errors
/// As [`missing`].
pub fn schedule(settings: &RunSettings) -> anyhow::Result<Vec<Fault>> {
    Ok(plan(settings.seed, &shape(settings, &Means::find(&settings.binary)?)))
}

fn shape(settings: &RunSettings, means: &Means) -> Shape {
    let RunSettings { length, workers, clients, .. } = *settings;
    Shape { length, workers, clients, kinds: means.kinds() }
}

/// Runs. `say` is told what happens, a line at a time. `abort` ends it early: everything that was started is ended then too.
///
/// # Errors
/// The run could not be carried out. That it has found something is no error: the report says what.
pub fn run(settings: &RunSettings, abort: Arc<AtomicBool>, say: &dyn Fn(&str)) -> anyhow::Result<Report> {
    let means = Means::find(&settings.binary)?;
    let schedule = plan(settings.seed, &shape(settings, &means));
    let folder = settings.folder.join(settings.seed.to_string());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("failed to clear {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    write_schedule(&folder, &schedule)?;

    let mut cluster = Cluster::new(
        &Settings {
            binary: settings.binary.canonicalize().context("failed to find the program")?,
            folder: folder.clone(),
            workers: settings.workers,
            clients: settings.clients,
            service_ms: settings.service_ms,
            slots: settings.slots,
            disk_mib: settings.disk_mib,
        },
        &means,
    )?;
    let began = Instant::now();
    let signals = Signals::new(abort, began + settings.length + SETTLE);
    let carried_out = carry_out(settings, &schedule, &folder, &mut cluster, began, &signals, say)?;
    let (tally, mut violations) = read_histories(&folder, settings.clients, &excuses(&carried_out.happened))?;
    let kinds: Vec<Kind> = schedule.iter().map(|fault| fault.kind).collect();
    let mut unwanted = carried_out.unwanted;
    unwanted.extend(unexplained(&folder, settings.workers, &kinds)?);
    violations.sort_by_key(|violation| violation.promise);
    let report = Report {
        settings: settings.clone(),
        folder: folder.clone(),
        took: carried_out.took,
        is_aborted: signals.is_aborted(),
        happened: carried_out.happened,
        samples: carried_out.samples,
        tally,
        violations,
        unwanted,
        missing: Kind::ALL.into_iter().filter_map(|kind| Some((kind, means.missing(kind)?))).collect(),
    };
    if !report.is_good() {
        keep_books(&cluster.data(), &folder.join("books"));
    }
    fs::write(folder.join("curve.csv"), curve(&report.samples)).context("failed to write the curve")?;
    fs::write(folder.join("report.txt"), report.to_string()).context("failed to write the report")?;
    Ok(report)
}

/// What a run has shown before anybody has read the histories.
struct CarriedOut {
    took: Duration,
    happened: Vec<Happened>,
    samples: Vec<Sample>,
    unwanted: Vec<String>,
}

fn carry_out(
    settings: &RunSettings,
    schedule: &[Fault],
    folder: &Path,
    cluster: &mut Cluster,
    began: Instant,
    signals: &Signals,
    say: &dyn Fn(&str),
) -> anyhow::Result<CarriedOut> {
    let curve = Curve::default();
    let observing = Signals::new(Arc::default(), began + settings.length + 2 * SETTLE);
    let machines = cluster.client_machines();
    let histories = (0..settings.clients)
        .map(|number| History::create(&history_file(folder, number), began))
        .collect::<Result<Vec<_>, _>>()
        .context("failed to begin a history")?;
    let urls = (0..settings.clients).map(|number| cluster.url_for(number)).collect::<anyhow::Result<Vec<_>>>()?;
    let (manager, way) = (cluster.manager_id(), cluster.manager_machine().way_in()?);
    cluster.start();
    thread::scope(|scope| {
        let observer = scope.spawn(|| {
            way.enter()?;
            observe(format!("http://127.0.0.1:{PAGE_PORT}"), &manager, began, &curve, signals, &observing);
            anyhow::Ok(())
        });
        let mut clients = Vec::new();
        for (number, (url, history)) in urls.into_iter().zip(&histories).enumerate() {
            let machine = &machines[number];
            clients.push(scope.spawn(move || {
                machine.way_in()?.enter()?;
                Client::new(number, url, settings.seed, history, signals).run()
            }));
        }
        let directed = direct(schedule, settings.length, cluster, began, &curve, signals, say);
        say(&format!("{:7.2} s  no more faults: what was begun is finished", began.elapsed().as_secs_f64()));
        // Where the director could not go on, nobody else is to.
        if directed.is_err() {
            signals.abort();
        }
        signals.finish();
        let mut unwanted = Vec::new();
        while !clients.iter().all(thread::ScopedJoinHandle::is_finished) {
            unwanted.extend(cluster.look()?);
            thread::sleep(LOOK);
        }
        unwanted.extend(await_nothing_unfinished(&curve, signals));
        observing.finish();
        let ended = clients
            .into_iter()
            .chain([observer])
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect::<anyhow::Result<Vec<()>>>()?;
        let took = began.elapsed();
        let (happened, on_the_way) = directed?;
        unwanted.extend(on_the_way);
        if !signals.is_aborted() {
            unwanted.extend(cluster.end()?);
        }
        Ok(CarriedOut { took, happened, samples: curve.samples(), unwanted })
    })
}

/// When every client has what it waited for, nothing is left but what nobody knows of: uploads without an answer. They end too.
fn await_nothing_unfinished(curve: &Curve, signals: &Signals) -> Option<String> {
    while !signals.is_to_stop() {
        if curve.last().is_some_and(|sample| sample.unfinished == Some(0)) {
            return None;
        }
        thread::sleep(LOOK);
    }
    (!signals.is_aborted())
        .then(|| format!("{} images were unfinished at the end, say the metrics", curve.unfinished()))
}

fn write_schedule(folder: &Path, schedule: &[Fault]) -> anyhow::Result<()> {
    let mut file = File::create(folder.join("schedule.txt"))?;
    schedule.iter().try_for_each(|fault| writeln!(file, "{fault}")).context("failed to write the schedule")
}

fn history_file(folder: &Path, client: usize) -> PathBuf {
    folder.join(format!("{}.jsonl", Victim::Client(client)))
}

/// When workers answered wrongly, and so long before and after as what they have answered may be doubted.
fn excuses(happened: &[Happened]) -> Vec<Excuse> {
    let wrong = happened.iter().filter(|happened| happened.fault.kind == Kind::WrongWorker);
    let excuse = |happened: &Happened| Excuse {
        worker: happened.fault.victim.to_string(),
        from_ms: u64::try_from(happened.fault.at.saturating_sub(DOUBTED).as_millis()).unwrap_or(0),
        to_ms: happened.healed_ms + u64::try_from(REPLACED.as_millis()).unwrap_or(0),
    };
    wrong.map(excuse).collect()
}

/// One client after the other, so that no more than one history is in memory.
fn read_histories(folder: &Path, clients: usize, excuses: &[Excuse]) -> anyhow::Result<(Tally, Vec<Violation>)> {
    let (mut tally, mut violations) = (Tally::default(), Vec::new());
    for client in 0..clients {
        let mut checker = Checker::with(excuses.to_vec());
        let path = history_file(folder, client);
        for record in history::read(&path).with_context(|| format!("failed to read {}", path.display()))? {
            checker.take(record.with_context(|| format!("failed to read {}", path.display()))?);
        }
        let (counted, found) = checker.finish();
        tally.add(counted);
        violations.extend(found);
    }
    Ok((tally, violations))
}

fn unexplained(folder: &Path, workers: usize, kinds: &[Kind]) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for victim in std::iter::once(Victim::Manager).chain((0..workers).map(Victim::Worker)) {
        let path = folder.join(format!("{victim}.log"));
        let log = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let log = String::from_utf8_lossy(&log);
        all.extend(logs::unexplained(&log, kinds).into_iter().map(|line| format!("{victim}.log: {line}")));
    }
    Ok(all)
}

/// What the observer has seen, for who wants to draw it.
fn curve(samples: &[Sample]) -> String {
    let text = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let line = |Sample { at_ms, recognised, unfinished, repeated, rss_kib }: &Sample| {
        format!("{at_ms},{recognised},{},{repeated},{}\n", text(*unfinished), text(*rss_kib))
    };
    let head = "at_ms,recognised,unfinished,repeated,rss_kib\n".to_owned();
    samples.iter().map(line).fold(head, |all, line| all + &line)
}

/// Copies the manager's books beside the rest of the evidence. What cannot be copied is missed by a reader, not by the verdict.
fn keep_books(from: &Path, to: &Path) {
    let _ = fs::create_dir_all(to);
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = fs::copy(entry.path(), to.join(entry.file_name()));
        }
    }
}
