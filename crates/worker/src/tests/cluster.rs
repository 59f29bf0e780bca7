//! A manager's end and a worker that are connected for real, and a recogniser that does as it is told.

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use manyeyes_link::{
    Assignment, Departure, FromWorker, Keys, ManagerEnd, ManagerSettings, ModelDescription, WireTiming,
};
use manyeyes_protocol::id::{Attempt, BooksId, ImageId, ModelDigest, WorkerId};
use manyeyes_protocol::result::{Answer, FailureCode};
use manyeyes_vision::{Label, PictureError, RecogniseError, Recognition};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Ended, Recognise, Work, WorkerError, WorkerSettings, run};

const DEADLINE: Duration = Duration::from_secs(20);
const TOKEN: &str = "right";
const FIRST: Attempt = Attempt(1);
const FIRST_CONNECTION: u32 = 1;

pub(super) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("it happens in time")
}

pub(super) fn settings(manager: &str) -> WorkerSettings {
    WorkerSettings { token: Some(TOKEN.to_owned()), ..WorkerSettings::new(manager, "worker") }
}

pub(super) fn failed_code(outcome: FromWorker) -> FailureCode {
    match outcome {
        FromWorker::Failed { failure, .. } => failure.code,
        other => panic!("a failure, not {other:?}"),
    }
}

/// A manager and the worker under test.
pub(super) struct Cluster {
    pub(super) fake: Fake,
    manager: ManagerEnd,
    from_worker: mpsc::Receiver<FromWorker>,
    /// What was heard while something else was waited for.
    heard: Vec<FromWorker>,
    worker: Option<WorkerId>,
    model: ModelDigest,
    shutdown: CancellationToken,
    running: JoinHandle<Result<Ended, WorkerError>>,
}

impl Cluster {
    pub(super) async fn start(change: impl FnOnce(&mut WorkerSettings)) -> Self {
        let fake = Fake::default();
        Self::start_with(fake.work(), fake, change).await
    }

    pub(super) async fn start_with(work: Work, fake: Fake, change: impl FnOnce(&mut WorkerSettings)) -> Self {
        let mut cluster = Self::connect(work, fake, change);
        let joined = cluster.hear(|event| matches!(event, FromWorker::Joined { .. })).await;
        let FromWorker::Joined { worker, .. } = joined else { unreachable!("it was waited for") };
        cluster.worker = Some(worker);
        cluster
    }

    /// A worker that is not expected to be let in.
    pub(super) fn start_refused(change: impl FnOnce(&mut WorkerSettings)) -> Self {
        let fake = Fake::default();
        Self::connect(fake.work(), fake, change)
    }

    fn connect(work: Work, fake: Fake, change: impl FnOnce(&mut WorkerSettings)) -> Self {
        let mut manager_settings = ManagerSettings::new(BooksId([1; 16]));
        let admit =
            |shown: Option<&str>| shown.filter(|shown| *shown == TOKEN).map(drop).ok_or("a wrong token".to_owned());
        manager_settings.keys = Some(Keys::new(admit));
        manager_settings.timers.heartbeat = Duration::from_millis(20);
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let (manager, from_worker) = ManagerEnd::bind(listen, manager_settings).expect("a free port");
        let mut settings = settings(&manager.local_addr().to_string());
        change(&mut settings);
        let shutdown = CancellationToken::new();
        let model = work.model.digest;
        let running = tokio::spawn(run(settings, work, shutdown.clone()));
        Self { fake, manager, from_worker, heard: Vec::new(), worker: None, model, shutdown, running }
    }

    pub(super) fn assign(&self, image: u64, bytes: impl Into<Bytes>) {
        self.assign_within(Duration::from_secs(60), image, bytes);
    }

    pub(super) fn assign_within(&self, deadline: Duration, image: u64, bytes: impl Into<Bytes>) {
        let payload = bytes.into();
        let (image, attempt, model) = (ImageId(image), FIRST, self.model);
        let assignment = Assignment { image, attempt, model, deadline, payload };
        self.manager.assign(self.worker(), FIRST_CONNECTION, assignment);
    }

    pub(super) fn cancel(&self, image: u64) {
        self.manager.cancel(self.worker(), ImageId(image), FIRST);
    }

    pub(super) fn drain(&self) {
        self.manager.drain(self.worker());
    }

    pub(super) fn tell_to_go(&self) {
        self.shutdown.cancel();
    }

    /// The answer or failure of an image, which is acknowledged.
    pub(super) async fn outcome(&mut self, of: u64) -> FromWorker {
        let wanted = |event: &FromWorker| match event {
            FromWorker::Answered { image, .. } | FromWorker::Failed { image, .. } => image.0 == of,
            _ => false,
        };
        let outcome = self.hear(wanted).await;
        self.manager.acknowledge(self.worker(), ImageId(of), FIRST);
        outcome
    }

    pub(super) async fn outcomes(&mut self, images: impl IntoIterator<Item = u64>) {
        for image in images {
            self.outcome(image).await;
        }
    }

    pub(super) async fn answer(&mut self, image: u64) -> (Answer, WireTiming) {
        match self.outcome(image).await {
            FromWorker::Answered { answer, wire, .. } => (answer, wire),
            other => panic!("an answer, not {other:?}"),
        }
    }

    pub(super) async fn started(&mut self, of: u64) {
        self.hear(|event| matches!(event, FromWorker::Started { image, .. } if image.0 == of)).await;
    }

    pub(super) async fn left(&mut self) -> Departure {
        match self.hear(|event| matches!(event, FromWorker::Left { .. })).await {
            FromWorker::Left { departure, .. } => departure,
            _ => unreachable!("it was waited for"),
        }
    }

    /// Waits until the worker has answered a ping that was sent after everything else (so it has all of that), and checks
    /// that no image has started or ended unnoticed until then.
    pub(super) async fn nothing_for_two_heartbeats(&mut self) {
        let round_trip = |event: &FromWorker| matches!(event, FromWorker::RoundTrip { .. });
        self.heard.retain(|event| !round_trip(event));
        for _ in 0..2 {
            self.hear(round_trip).await;
        }
        assert_eq!(self.heard, []);
    }

    /// Waits for so many round trips of pings, which are sent after everything else, and checks that no image was answered or
    /// failed until then.
    pub(super) async fn no_outcome_for(&mut self, heartbeats: usize) {
        for _ in 0..heartbeats {
            self.hear(|event| matches!(event, FromWorker::RoundTrip { .. })).await;
        }
        let outcome = self.heard.iter().find(|event| is_outcome(event));
        assert_eq!(outcome, None);
    }

    pub(super) async fn any_outcome(&mut self) {
        self.hear(is_outcome).await;
    }

    pub(super) async fn ended(self) -> Result<Ended, WorkerError> {
        within(self.running).await.expect("the worker does not panic")
    }

    pub(super) async fn stop(self) -> Ended {
        self.tell_to_go();
        self.ended().await.expect("the worker goes in peace")
    }

    async fn hear(&mut self, wanted: impl Fn(&FromWorker) -> bool) -> FromWorker {
        if let Some(at) = self.heard.iter().position(&wanted) {
            return self.heard.remove(at);
        }
        let next = async {
            loop {
                let event = self.from_worker.recv().await.expect("the manager's end lives");
                if wanted(&event) {
                    return event;
                }
                self.heard.push(event);
            }
        };
        within(next).await
    }

    fn worker(&self) -> WorkerId {
        self.worker.expect("the worker was let in")
    }
}

fn is_outcome(event: &FromWorker) -> bool {
    matches!(event, FromWorker::Answered { .. } | FromWorker::Failed { .. })
}

/// A recogniser that does what the image's bytes say.
#[derive(Clone, Default)]
pub(super) struct Fake(Arc<State>);

#[derive(Default)]
struct State {
    made: AtomicUsize,
    /// How many may be made; 0 is no limit.
    limit: AtomicUsize,
    never: std::sync::atomic::AtomicBool,
    seen: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    released: Mutex<usize>,
    release: Condvar,
}

impl Fake {
    pub(super) fn made_only_once(self) -> Self {
        self.0.limit.store(1, Ordering::SeqCst);
        self
    }

    pub(super) fn never_made(self) -> Self {
        self.0.never.store(true, Ordering::SeqCst);
        self
    }

    pub(super) fn work(&self) -> Work {
        let model = ModelDescription {
            digest: ModelDigest([7; 32]),
            name: "fake".to_owned(),
            verified: false,
            notice: None,
            input: None,
        };
        let fake = self.clone();
        Work::new(model, move || {
            let made = fake.0.made.fetch_add(1, Ordering::SeqCst) + 1;
            let limit = fake.0.limit.load(Ordering::SeqCst);
            if fake.0.never.load(Ordering::SeqCst) || (limit > 0 && made > limit) {
                return Err("there is no second one".into());
            }
            Ok(Box::new(fake.clone()))
        })
    }

    /// Lets so many of those that wait go on.
    pub(super) fn release(&self, count: usize) {
        *self.0.released.lock().unwrap() += count;
        self.0.release.notify_all();
    }

    pub(super) fn made(&self) -> usize {
        self.0.made.load(Ordering::SeqCst)
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.0.seen.lock().unwrap().clone()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.0.most_at_once.load(Ordering::SeqCst)
    }

    fn wait(&self) {
        let released = self.0.released.lock().unwrap();
        let mut released = self.0.release.wait_while(released, |released| *released == 0).unwrap();
        *released -= 1;
    }
}

impl Recognise for Fake {
    fn recognise(&mut self, file: &[u8], top: usize) -> Result<Recognition, RecogniseError> {
        let text = String::from_utf8_lossy(file).into_owned();
        self.0.seen.lock().unwrap().push(text.clone());
        let at_once = self.0.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        match text.as_str() {
            "panic" => panic!("these pixels are too much"),
            "truncated" => {
                self.0.at_once.fetch_sub(1, Ordering::SeqCst);
                return Err(PictureError::Truncated.into());
            }
            "wait" => self.wait(),
            "sleep" => thread::sleep(Duration::from_millis(5)),
            _ => {}
        }
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
        let label = |index: usize| Label { index: index as u32, name: text.clone(), probability: 0.5 };
        let (decode, inference) = (Duration::from_millis(3), Duration::from_millis(5));
        Ok(Recognition { labels: (0..top).map(label).collect(), decode, inference })
    }
}
