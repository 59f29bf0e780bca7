//! A slot: a thread with a recogniser of its own, which takes one image after another.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use manyeyes_link::WorkerEnd;
use manyeyes_protocol::result::{Answer, Failure, FailureCode, Label, WorkerTiming};
use manyeyes_vision::{RecogniseError, Recognition};
use tokio::sync::mpsc;

use crate::failure;
use crate::fault::{Fault, FaultMode, Faults, held_back};
use crate::queue::{Queue, Task};
use crate::run::WorkerError;
use crate::work::{Recognise, Work};

/// How long a slot waits until the link has said that it begins. It takes about 30 us; a link that is behind
/// is no reason to stand idle.
const SAYING: Duration = Duration::from_millis(50);

/// What a slot works with.
pub(crate) struct Slot {
    pub(crate) number: u32,
    pub(crate) queue: Arc<Queue>,
    pub(crate) link: WorkerEnd,
    pub(crate) work: Work,
    pub(crate) recogniser: Box<dyn Recognise>,
    pub(crate) faults: Faults,
    pub(crate) top: usize,
    /// Says why the slot cannot go on. Its end, when all slots have dropped it, says that none is left.
    pub(crate) lost: mpsc::Sender<WorkerError>,
}

impl Slot {
    /// Starts the thread. It ends when the queue is closed.
    ///
    /// # Errors
    /// No thread could be started.
    pub(crate) fn start(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name(format!("slot-{}", self.number)).spawn(move || self.run())
    }

    fn run(mut self) {
        while let Some(task) = self.queue.take() {
            if let Err(error) = self.serve(&task) {
                // Full only if as many slots as there are have said so before, which is as good as saying it.
                let _ = self.lost.try_send(error);
                return;
            }
        }
    }

    /// Recognises one image and reports it. Fails when the slot has no recogniser any more, or is to do nothing any more.
    fn serve(&mut self, task: &Task) -> Result<(), WorkerError> {
        let (image, attempt) = (task.assigned.image, task.assigned.attempt);
        let began = Instant::now();
        // Said before it is true: if this image kills the process, the manager shall know which it was.
        self.link.started(image, attempt).wait(SAYING);
        let fault = self.faults.next();
        let mode = fault.map(|fault| fault.mode);
        let outcome = match mode {
            Some(FaultMode::Announce) => {
                let message = "an experiment's fault injection said so".to_owned();
                Ok(Err(Failure { code: FailureCode::Injected, message }))
            }
            Some(FaultMode::Crash) => end_at_once(),
            Some(FaultMode::Hang) => hang(),
            Some(FaultMode::Slow | FaultMode::Wrong) | None => self.try_to_recognise(task, began),
            Some(FaultMode::Disconnect) => {
                if fault.is_some_and(|fault| fault.for_good) {
                    self.link.cut_off();
                } else {
                    self.link.hang_up();
                }
                self.try_to_recognise(task, began)
            }
        };
        let outcome = match outcome {
            Ok(outcome) if mode == Some(FaultMode::Slow) => Ok(slowly(outcome, began.elapsed())),
            Ok(Ok(mut answer)) if mode == Some(FaultMode::Wrong) => {
                self.faults.confuse(&mut answer);
                Ok(Ok(answer))
            }
            outcome => outcome,
        };
        if !self.faults.may_tell() {
            hang();
        }
        self.queue.done(image, attempt);
        match outcome {
            Ok(outcome) => self.link.report(image, attempt, outcome),
            Err(panic) => {
                self.link.report(image, attempt, Err(failure::crash(panic.as_ref())));
                // What a panic left behind in a recogniser is not to be trusted.
                let lost = |error| WorkerError::SlotLost(format!("no recogniser after a panic: {error}"));
                self.recogniser = self.work.make().map_err(lost)?;
            }
        }
        match fault {
            Some(Fault { mode: FaultMode::Announce, for_good: true }) => Err(WorkerError::FailedForGood),
            _ => Ok(()),
        }
    }

    /// The outcome, or what it panicked with.
    fn try_to_recognise(&mut self, task: &Task, began: Instant) -> thread::Result<Result<Answer, Failure>> {
        catch_unwind(AssertUnwindSafe(|| self.recognise(task, began)))
    }

    fn recognise(&mut self, task: &Task, began: Instant) -> Result<Answer, Failure> {
        let recognition = self.recogniser.recognise(&task.assigned.payload, self.top);
        let recognition = recognition.inspect_err(|error| {
            if matches!(error, RecogniseError::Decoder(_)) {
                tracing::warn!(image = %task.assigned.image, "an image was not decoded: {error}");
            }
        });
        let Recognition { labels, decode, inference } = recognition.map_err(|error| failure::failure(&error))?;
        let label = |label: manyeyes_vision::Label| Label {
            index: label.index,
            name: label.name,
            probability: label.probability,
        };
        let timing = WorkerTiming {
            receive: task.assigned.received_in,
            queue: began.saturating_duration_since(task.received),
            decode,
            inference,
        };
        Ok(Answer { labels: labels.into_iter().map(label).collect(), timing })
    }
}

/// Ends the process as `kill -9` would: no destructor, no goodbye. `exit` would tear down a model runtime whose threads are
/// still at work in it.
pub(crate) fn end_at_once() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    process::abort();
}

/// Never comes back.
fn hang() -> ! {
    loop {
        thread::park();
    }
}

/// Holds an outcome back, as if the model had needed that long.
fn slowly(mut outcome: Result<Answer, Failure>, took: Duration) -> Result<Answer, Failure> {
    let more = held_back(took);
    thread::sleep(more);
    if let Ok(answer) = &mut outcome {
        answer.timing.inference += more;
    }
    outcome
}
