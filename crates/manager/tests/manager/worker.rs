//! A worker without a model: the real link, and a rule in place of recognition.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::PATIENCE;
use manyeyes_link::{Encryption, FromManager, ModelDescription, Reach, Trust, WorkerEnd, WorkerSettings};
use manyeyes_protocol::{
    id::{Attempt, ImageId, InstanceId, ModelDigest},
    result::{Answer, Failure, FailureCode, Label, WorkerTiming},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};

/// What a worker says of a file; `None`: nothing, ever.
type Rule = Arc<dyn Fn(&[u8]) -> Option<Result<Answer, Failure>> + Send + Sync>;

/// A delivery that a worker has.
pub(crate) type Delivery = (ImageId, Attempt);

/// A worker that runs until it is dropped, which to the manager is as if its process was killed.
pub(crate) struct Worker {
    /// All of it is here, so that nothing says goodbye.
    process: Option<Runtime>,
    /// Where its link is, once it has one.
    end: WorkerEnd,
    deliveries: mpsc::Receiver<Delivery>,
    /// A message for each image that was assigned.
    pub(crate) assigned: mpsc::Receiver<u64>,
}

impl Worker {
    /// Answers everything at once.
    pub(crate) fn start(manager: SocketAddr, name: &str) -> Self {
        Self::with_rule(manager, name, |file| Some(Ok(answer(file))))
    }

    pub(crate) fn with_rule(
        manager: SocketAddr,
        name: &str,
        rule: impl Fn(&[u8]) -> Option<Result<Answer, Failure>> + Send + Sync + 'static,
    ) -> Self {
        Self::with_settings(settings(manager, name), rule)
    }

    /// Answers everything at once, with a model of its own.
    pub(crate) fn holding(manager: SocketAddr, name: &str, digest: u8, model: &str) -> Self {
        let mut settings = settings(manager, name);
        settings.models[0].digest = ModelDigest([digest; 32]);
        settings.models[0].name = model.to_owned();
        Self::with_settings(settings, |file| Some(Ok(answer(file))))
    }

    fn with_settings(
        settings: WorkerSettings,
        rule: impl Fn(&[u8]) -> Option<Result<Answer, Failure>> + Send + Sync + 'static,
    ) -> Self {
        let (sender, assigned) = mpsc::channel(100_000);
        let (deliver, deliveries) = mpsc::channel(100_000);
        let process = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = process.enter();
        let (end, from_manager) = WorkerEnd::connect(settings);
        drop(entered);
        process.spawn(work(end.clone(), from_manager, Arc::new(rule), sender, deliver));
        Self { process: Some(process), end, deliveries, assigned }
    }

    /// Answers when the test says so.
    pub(crate) fn on_demand(manager: SocketAddr, name: &str) -> Self {
        Self::with_rule(manager, name, |_| None)
    }

    /// The next delivery.
    pub(crate) async fn take(&mut self) -> Delivery {
        tokio::time::timeout(PATIENCE, self.deliveries.recv()).await.expect("an image comes").unwrap()
    }

    /// A delivery, if one is there.
    pub(crate) fn try_take(&mut self) -> Option<Delivery> {
        self.deliveries.try_recv().ok()
    }

    pub(crate) fn answer(&self, (image, attempt): Delivery, outcome: Result<Answer, Failure>) {
        self.end.report(image, attempt, outcome);
    }

    /// Goes without a word.
    pub(crate) fn vanish(self) {
        drop(self);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.process.take().expect("it is dropped once").shutdown_background();
    }
}

async fn work(
    end: WorkerEnd,
    mut from_manager: mpsc::Receiver<FromManager>,
    rule: Rule,
    assigned: mpsc::Sender<u64>,
    deliver: mpsc::Sender<Delivery>,
) {
    while let Some(message) = from_manager.recv().await {
        if let FromManager::Assigned(image) = message {
            assigned.try_send(image.image.0).expect("the test's queue is long enough");
            end.started(image.image, image.attempt);
            deliver.try_send((image.image, image.attempt)).expect("the test's queue is long enough");
            if let Some(outcome) = rule(&image.payload) {
                end.report(image.image, image.attempt, outcome);
            }
        }
    }
}

fn settings(manager: SocketAddr, name: &str) -> WorkerSettings {
    let model = ModelDescription {
        digest: ModelDigest([7; 32]),
        name: "rule".to_owned(),
        verified: false,
        notice: Some("It only follows a rule.".to_owned()),
        input: None,
    };
    let mut instance = [0; 16];
    getrandom::fill(&mut instance).unwrap();
    WorkerSettings {
        manager: manager.to_string(),
        reach: Reach::default(),
        name: name.to_owned(),
        instance: InstanceId(instance),
        slots: 4,
        window: 16,
        models: vec![model],
        token: None,
        encryption: Encryption::default(),
        trust: Trust::default(),
        identity: None,
        software: "test".to_owned(),
        timers: manyeyes_link::TimerSettings::default(),
    }
}

/// An answer that tells the file by its last byte.
pub(crate) fn answer(file: &[u8]) -> Answer {
    let last = *file.last().unwrap_or(&0);
    let label = |index, probability| Label { index, name: format!("class {index}"), probability };
    let timing = WorkerTiming {
        receive: Duration::from_micros(10),
        queue: Duration::from_micros(20),
        decode: Duration::from_micros(30),
        inference: Duration::from_micros(40),
    };
    Answer { labels: vec![label(u32::from(last), 0.75), label(1000, 0.25)], timing }
}

pub(crate) fn failure(code: FailureCode, message: &str) -> Failure {
    Failure { code, message: message.to_owned() }
}
