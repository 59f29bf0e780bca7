//! The loop between the link and the slots.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use manyeyes_link::{Assigned, Encryption, FromManager, Transport, WorkerEnd, WorkerSettings as LinkSettings};
use manyeyes_protocol::id::InstanceId;
use manyeyes_protocol::result::{Failure, FailureCode};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::fault::{FailedForGood, Faults};
use crate::outage::Outage;
use crate::queue::{Queue, Task};
use crate::settings::WorkerSettings;
use crate::slot::Slot;
use crate::work::{MakeError, Recognise, Work};

/// How often the slots are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How long a slot that is through may take to end its thread. One that hangs is left to the end of the process.
const SLOTS_END: Duration = Duration::from_secs(1);

/// Why a worker ended that could have gone on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The manager asked it to go.
    Drained,
    /// It was told to go from outside.
    Stopped,
}

/// Why a worker could not go on.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// There is nothing to recognise with.
    #[error("failed to load the model")]
    Load(#[source] MakeError),
    /// The system gives no thread for a slot.
    #[error("failed to start a thread for a slot")]
    Thread(#[source] io::Error),
    /// The manager will not have this worker, now or later.
    #[error("the manager refused this worker: {0}")]
    Refused(String),
    /// A slot lost its recogniser and got no other.
    #[error("a slot was lost: {0}")]
    SlotLost(String),
    /// No slot has come back from its image for far too long. A new process can do better.
    #[error("every slot hangs")]
    Hung,
    /// It was to fail for good, with an announcement, and has.
    #[error("the worker has failed for good, as it was told to")]
    FailedForGood,
}

/// Recognises what the manager gives until `shutdown` or the manager says to go; then finishes what runs, says goodbye
/// and returns. Lost connections are made again for as long as it takes.
///
/// # Errors
/// See [`WorkerError`]. The process should end after one: a slot may still be at work.
pub async fn run(settings: WorkerSettings, work: Work, shutdown: CancellationToken) -> Result<Ended, WorkerError> {
    let recognisers = load(settings.slots(), &work).await?;
    let (link, mut from_manager) = WorkerEnd::connect(link_settings(&settings, &work));
    let queue = Arc::new(Queue::new(recognisers.len(), settings.window() as usize));
    let (lost, mut lost_slots) = mpsc::channel(recognisers.len());
    let for_good = FailedForGood::default();
    let slots = start_slots(&settings, &work, recognisers, &queue, &link, &for_good, lost);
    let slots = slots.inspect_err(|_| queue.close()).map_err(WorkerError::Thread)?;
    let ended = attend(&settings, &link, &mut from_manager, &queue, &mut lost_slots, &for_good, &shutdown).await;
    // Of what nobody will hear of, nothing is worth waiting for.
    let grace = if ended.is_ok() && !for_good.is_mute() { settings.grace } else { Duration::ZERO };
    leave(&link, &mut from_manager, &queue, grace).await;
    queue.close();
    end_slots(slots, lost_slots).await;
    ended
}

/// What the loop waits for.
enum Happened {
    Heard(Option<FromManager>),
    SlotLost(WorkerError),
    ToldToGo,
    Tick,
}

async fn attend(
    settings: &WorkerSettings,
    link: &WorkerEnd,
    from_manager: &mut mpsc::Receiver<FromManager>,
    queue: &Queue,
    lost_slots: &mut mpsc::Receiver<WorkerError>,
    for_good: &FailedForGood,
    shutdown: &CancellationToken,
) -> Result<Ended, WorkerError> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut outage = Outage::default();
    loop {
        let happened = tokio::select! {
            heard = from_manager.recv() => Happened::Heard(heard),
            Some(error) = lost_slots.recv() => Happened::SlotLost(error),
            () = shutdown.cancelled() => Happened::ToldToGo,
            _ = ticks.tick() => Happened::Tick,
        };
        match happened {
            Happened::Heard(Some(FromManager::Refused { reason })) => {
                return Err(WorkerError::Refused(reason));
            }
            Happened::Heard(Some(FromManager::Drain)) => return Ok(Ended::Drained),
            Happened::Heard(Some(heard)) => {
                if let FromManager::Connected { manager, transport } = heard {
                    warn_of_strangers(settings, manager, transport);
                }
                hear(heard, link, queue, &mut outage);
            }
            Happened::Heard(None) => {
                return Err(WorkerError::Refused("the link has ended".to_owned()));
            }
            Happened::SlotLost(error) => return Err(error),
            Happened::ToldToGo => return Ok(Ended::Stopped),
            // One that hangs for good is to hang: nobody shall take its place.
            Happened::Tick if queue.tick(TICK) && !for_good.is_mute() => return Err(WorkerError::Hung),
            Happened::Tick => {}
        }
    }
}

/// Who is on the way between two machines may not be the manager's friend, nor the worker's.
fn warn_of_strangers(settings: &WorkerSettings, manager: SocketAddr, transport: Transport) {
    if manager.ip().is_loopback() {
        return;
    }
    if transport == Transport::Tcp && settings.encryption == Encryption::Never {
        tracing::warn!(
            "nothing is encrypted: whoever is on the way to the manager reads pictures, answers and the token"
        );
    } else if !settings.trust.knows() {
        tracing::warn!(
            "this worker takes whoever answers for its manager: give it the whole of the token that the manager prints, \
             what is behind the dot too"
        );
    }
}

fn hear(heard: FromManager, link: &WorkerEnd, queue: &Queue, outage: &mut Outage) {
    match heard {
        FromManager::Assigned(assigned) => put(assigned, link, queue),
        FromManager::Cancelled { image, attempt } => queue.cancel(image, attempt),
        FromManager::Connected { manager, transport } => {
            outage.over();
            tracing::info!(%manager, by = %transport, "connected");
        }
        FromManager::WithoutQuic => tracing::warn!(
            "the manager asks for QUIC, by which it cannot be reached: UDP is blocked on the way; going on by TCP"
        ),
        FromManager::Disconnected { reason, retry_in } => {
            tracing::debug!(reason, retry_in_ms = retry_in.as_millis(), "not connected");
            if let Some(lasted) = outage.failed(Instant::now()) {
                tracing::warn!(
                    reason,
                    for_s = lasted.as_secs(),
                    "no connection to the manager; trying until there is one"
                );
            }
        }
        // Both end the loop before they come here; while leaving, neither changes anything.
        FromManager::Drain | FromManager::Refused { .. } => {}
    }
}

fn put(assigned: Assigned, link: &WorkerEnd, queue: &Queue) {
    let (image, attempt) = (assigned.image, assigned.attempt);
    if !queue.put(Task { assigned, received: Instant::now() }) {
        let message = "the worker holds all that it offered to hold".to_owned();
        link.report(image, attempt, Err(Failure { code: FailureCode::Busy, message }));
    }
}

/// Says goodbye when what runs is reported and acknowledged, or after the grace.
async fn leave(link: &WorkerEnd, from_manager: &mut mpsc::Receiver<FromManager>, queue: &Queue, grace: Duration) {
    let mut outage = Outage::default();
    let goodbye = link.goodbye(grace);
    tokio::pin!(goodbye);
    loop {
        tokio::select! {
            () = &mut goodbye => return,
            Some(heard) = from_manager.recv() => hear(heard, link, queue, &mut outage),
        }
    }
}

/// One recogniser for each slot, all at the same time, off the async runtime's threads.
async fn load(slots: u32, work: &Work) -> Result<Vec<Box<dyn Recognise>>, WorkerError> {
    let load = |_| {
        let work = work.clone();
        tokio::task::spawn_blocking(move || work.make())
    };
    let loading: Vec<_> = (0..slots).map(load).collect();
    let mut recognisers = Vec::with_capacity(loading.len());
    for recogniser in loading {
        let recogniser = recogniser.await.unwrap_or_else(|panic| Err(panic.into()));
        recognisers.push(recogniser.map_err(WorkerError::Load)?);
    }
    Ok(recognisers)
}

fn start_slots(
    settings: &WorkerSettings,
    work: &Work,
    recognisers: Vec<Box<dyn Recognise>>,
    queue: &Arc<Queue>,
    link: &WorkerEnd,
    for_good: &FailedForGood,
    lost: mpsc::Sender<WorkerError>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let slot = |(number, recogniser): (u32, Box<dyn Recognise>)| Slot {
        number,
        queue: Arc::clone(queue),
        link: link.clone(),
        work: work.clone(),
        recogniser,
        faults: Faults::new(settings.fault.clone(), number, for_good.clone()),
        top: settings.top,
        lost: lost.clone(),
    };
    (1..).zip(recognisers).map(|numbered| slot(numbered).start()).collect()
}

/// Waits until every slot's thread has ended, but not for one that hangs.
async fn end_slots(slots: Vec<JoinHandle<()>>, mut lost_slots: mpsc::Receiver<WorkerError>) {
    let all_ended = async { while lost_slots.recv().await.is_some() {} };
    if timeout(SLOTS_END, all_ended).await.is_err() {
        tracing::warn!("a slot is still at work: left to the end of the process");
    }
    for slot in slots.into_iter().filter(JoinHandle::is_finished) {
        if slot.join().is_err() {
            tracing::error!("a slot's thread panicked");
        }
    }
}

fn link_settings(settings: &WorkerSettings, work: &Work) -> LinkSettings {
    let mut instance = [0; 16];
    getrandom::fill(&mut instance).expect("the operating system gives random numbers");
    LinkSettings {
        manager: settings.manager.clone(),
        reach: settings.reach,
        name: settings.name.clone(),
        instance: InstanceId(instance),
        slots: settings.slots(),
        window: settings.window(),
        models: vec![work.model.clone()],
        token: settings.token.clone(),
        encryption: settings.encryption,
        trust: settings.trust.clone(),
        identity: settings.identity.clone(),
        software: settings.software.clone(),
        timers: settings.timers.clone(),
    }
}
