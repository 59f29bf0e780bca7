//! The engine's face, with a real link and no manager around it.

use std::time::Duration;

use manyeyes_link::{ModelDescription, TimerSettings, WorkerEnd, WorkerSettings};
use manyeyes_protocol::id::InstanceId;

use super::*;
use crate::store::StoreSettings;

/// How long a test waits for what must come; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    engine: Engine,
    outcomes: mpsc::Receiver<Outcome>,
    task: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

async fn start() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreSettings::default()).unwrap();
    let stop = CancellationToken::new();
    let link = LinkSettings::new(store.books());
    let started = Engine::start(([127, 0, 0, 1], 0).into(), link, DispatchSettings::default(), store, stop.clone());
    let (engine, outcomes, task) = started.await.unwrap();
    Running { engine, outcomes, task, stop, _folder: folder }
}

/// Uploads were accepted and `/readyz` said that all was well, but nothing was ever recognised again.
#[tokio::test]
async fn an_engine_that_has_ended_is_not_ready_and_says_what_to_do() {
    let running = start().await;
    assert_eq!(running.engine.obstacle().unwrap().code, "no_worker");
    running.stop.cancel();
    running.task.await.unwrap();
    let obstacle = running.engine.obstacle().unwrap();
    assert_eq!(obstacle.code, "manager_failed");
    assert!(obstacle.message.contains("started again"));
}

/// A batch that was removed just as an upload to it was kept left the image counted as unfinished for ever.
#[tokio::test]
async fn an_image_that_is_not_in_the_books_any_more_is_given_back() {
    let mut running = start().await;
    let model =
        ModelDescription { digest: ModelDigest([7; 32]), name: "none".to_owned(), verified: false, notice: None };
    let _worker = WorkerEnd::connect(WorkerSettings {
        manager: running.engine.worker_addr().to_string(),
        name: "worker-1".to_owned(),
        instance: InstanceId([1; 16]),
        slots: 1,
        window: 2,
        models: vec![model],
        token: None,
        software: "test".to_owned(),
        timers: TimerSettings::default(),
    });
    let image = ImageId(42);
    let work = Work { image, run: 0, batch: BatchId(1), bytes: 1, model: None, attempts: 0, blamed: Vec::new() };
    running.engine.submit(vec![work]).await;
    let outcome = tokio::time::timeout(PATIENCE, running.outcomes.recv()).await.expect("something becomes of it");
    assert!(matches!(outcome, Some(Outcome::Vanished { image: ImageId(42) })), "{outcome:?}");
}
