//! The engine's face, with a real link and no manager around it.

use std::time::{Duration, SystemTime};

use manyeyes_link::{Encryption, ModelDescription, Reach, TimerSettings, Trust, WorkerEnd, WorkerSettings};
use manyeyes_protocol::id::{BatchId, InstanceId};

use manyeyes_dispatch::Settings as DispatchSettings;

use super::*;
use crate::api::{ImageState, Timing};
use crate::store::{AnsweringModel, Ending, StoreSettings};

/// How long a test waits for what must come; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    engine: Engine,
    outcomes: mpsc::Receiver<Outcome>,
    task: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

fn start() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreSettings::default()).unwrap();
    let stop = CancellationToken::new();
    let link = LinkSettings::new(store.books());
    let started = Engine::start(
        ([127, 0, 0, 1], 0).into(),
        link,
        Desk::new(DispatchSettings::default()),
        store,
        None,
        stop.clone(),
    );
    let (engine, outcomes, task) = started.unwrap();
    Running { engine, outcomes, task, stop, _folder: folder }
}

/// Uploads were accepted and `/readyz` said that all was well, but nothing was ever recognised again.
#[tokio::test]
async fn an_engine_that_has_ended_is_not_ready_and_says_what_to_do() {
    let running = start();
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
    let mut running = start();
    let model = ModelDescription {
        digest: ModelDigest([7; 32]),
        name: "none".to_owned(),
        verified: false,
        notice: None,
        input: None,
    };
    let _worker = WorkerEnd::connect(WorkerSettings {
        manager: running.engine.worker_addr().to_string(),
        reach: Reach::default(),
        name: "worker-1".to_owned(),
        instance: InstanceId([1; 16]),
        slots: 1,
        window: 2,
        models: vec![model],
        token: None,
        encryption: Encryption::default(),
        trust: Trust::default(),
        identity: None,
        software: "test".to_owned(),
        timers: TimerSettings::default(),
    });
    let image = ImageId(42);
    let work = Work { image, run: 0, batch: BatchId(1), bytes: 1, model: None, attempts: 0, blamed: Vec::new() };
    running.engine.submit(vec![work]).await;
    let outcome = tokio::time::timeout(PATIENCE, running.outcomes.recv()).await.expect("something becomes of it");
    assert!(matches!(outcome, Some(Outcome::Vanished { image: ImageId(42) })), "{outcome:?}");
}

/// Found by the simulator (seed 12068): the record of an answer to an image that was run again was tried again after a full
/// disk, and was then overtaken by what older answers had decided about the model of its batch, which waited for ever.
#[test]
fn the_answer_to_an_image_that_was_run_again_decides_about_its_batch_when_it_is_recorded() {
    let (heard, recorded_at) = (Instant::now(), Instant::now() + Duration::from_secs(5));
    let model = AnsweringModel { digest: [7; 32], name: "new".to_owned() };
    let ending = |run| Ending::Recognised {
        run,
        model: Some(model.clone()),
        labels: Vec::new(),
        worker: "worker-1".to_owned(),
        attempts: 2,
        timing: Timing::default(),
        wire: None,
        form_bytes: None,
    };
    let asked = |run| after_recording(&Recorded::Yes(Box::new(recognised(run))), &ending(run), heard, recorded_at);
    let Some(Asked::Bind { batch, model, heard, work: None }) = asked(1) else { panic!("the batch is bound") };
    assert_eq!((batch, model, heard), (BatchId(3), ModelDigest([7; 32]), recorded_at));
    assert!(asked(0).is_none(), "a first run decides nothing that dispatch does not know");
}

fn recognised(run: u32) -> ImageRow {
    ImageRow {
        id: ImageId(42),
        batch: BatchId(3),
        seq: 9,
        name: "a.jpg".to_owned(),
        state: ImageState::Recognised,
        bytes: 1,
        sha256: None,
        media_type: None,
        width: None,
        height: None,
        began: SystemTime::UNIX_EPOCH,
        labels: Vec::new(),
        worker: None,
        attempts: 2,
        run,
        model: None,
        problem: None,
        timing: Timing::default(),
        wire: None,
        form_bytes: None,
    }
}

/// Breaking this on purpose was noticed by nothing.
#[test]
fn what_an_earlier_run_left_waits_for_the_model_of_its_batch_and_what_is_run_again_for_any() {
    let left = |run, model| Unfinished {
        image: ImageId(42),
        batch: BatchId(3),
        bytes: 1,
        attempts: 4,
        began: SystemTime::UNIX_EPOCH,
        run,
        model,
        blamed: vec!["worker-1".to_owned()],
    };
    let work = resumed(left(0, Some([7; 32])));
    assert_eq!((work.model, work.attempts, work.blamed.len()), (Some(ModelDigest([7; 32])), 4, 1));
    assert_eq!(resumed(left(1, Some([7; 32]))).model, None);
    assert_eq!(resumed(left(0, None)).model, None);
}
