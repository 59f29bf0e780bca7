//! The checker itself: a history that is as it should be passes, and each that is not is found out.

use std::time::SystemTime;

use manyeyes_manager::api::{Label, Problem, Timing};

use super::*;
use crate::agenda::beginning;

const IMAGE: ImageId = ImageId(1);
const BATCH: BatchId = BatchId(1);

fn token() -> Token {
    Token::new(7, Nature::Sound)
}

fn row(state: ImageState) -> ImageRow {
    let label = Label { index: 1, name: token().label(), probability: 1.0 };
    ImageRow {
        id: IMAGE,
        batch: BATCH,
        seq: 1,
        name: String::new(),
        state,
        bytes: 8,
        sha256: None,
        media_type: None,
        width: None,
        height: None,
        began: SystemTime::UNIX_EPOCH,
        labels: if state == ImageState::Recognised { vec![label] } else { Vec::new() },
        worker: None,
        attempts: 1,
        run: 0,
        model: None,
        problem: None,
        timing: Timing::default(),
        wire: None,
        form_bytes: None,
    }
}

fn failed(code: &str) -> ImageRow {
    let problem = Some(Problem { code: code.to_owned(), message: String::new() });
    ImageRow { problem, ..row(ImageState::Failed) }
}

/// One image was sent, kept and accepted.
fn accepted() -> History {
    let mut history = History { stall: Duration::from_secs(2), ..History::default() };
    history.sent(token());
    history.kept(IMAGE, token(), BATCH);
    history.accepted(IMAGE, token());
    history
}

#[track_caller]
fn found(history: &History, what: &str) {
    let all = history.violations();
    assert!(all.len() == 1 && all[0].contains(what), "{all:?}");
}

#[test]
fn an_image_that_is_accepted_answered_and_acknowledged_is_in_order() {
    let mut history = accepted();
    history.ended(&row(ImageState::Recognised), None);
    history.acknowledged(IMAGE, 0, false);
    history.close();
    assert_eq!(history.violations(), [] as [String; 0]);
}

#[test]
fn a_lost_image_is_found() {
    let mut history = accepted();
    history.close();
    found(&history, "never ended");
}

#[test]
fn an_image_that_was_accepted_and_is_not_durable_is_found() {
    let mut history = History::default();
    history.accepted(IMAGE, token());
    found(&history, "is not durable");
}

#[test]
fn an_ending_too_many_is_found() {
    let mut history = accepted();
    history.ended(&row(ImageState::Recognised), None);
    history.ended(&row(ImageState::Recognised), None);
    found(&history, "ended twice");
}

#[test]
fn an_ending_of_another_run_is_found() {
    let mut history = accepted();
    history.ended(&ImageRow { run: 1, ..row(ImageState::Recognised) }, None);
    found(&history, "ended twice in run 0");
}

#[test]
fn an_answer_to_what_nobody_uploaded_is_found() {
    let mut history = History::default();
    history.ended(&row(ImageState::Recognised), None);
    found(&history, "was never accepted");
}

#[test]
fn another_images_answer_is_found() {
    let mut history = accepted();
    let label = Label { index: 1, name: "token 1".to_owned(), probability: 1.0 };
    history.ended(&ImageRow { labels: vec![label], ..row(ImageState::Recognised) }, None);
    found(&history, "was answered with");
}

#[test]
fn an_upload_that_is_kept_twice_is_found() {
    let mut history = accepted();
    history.kept(ImageId(2), token(), BATCH);
    found(&history, "in the books twice");
}

#[test]
fn an_acknowledgement_before_the_record_is_found() {
    let mut history = accepted();
    history.acknowledged(IMAGE, 0, false);
    found(&history, "is not in the books");
}

#[test]
fn a_failure_without_a_reason_is_found() {
    for code in ["damaged", "worker_failures", "lost", "queue_full", ""] {
        let mut history = accepted();
        history.ended(&failed(code), None);
        found(&history, "without a reason");
    }
}

#[test]
fn an_image_that_two_workers_truly_suffered_from_may_fail_and_one_that_only_one_did_may_not() {
    let now = beginning();
    let blamed = |names: &[&str]| {
        let mut history = accepted();
        for name in names {
            history.began(IMAGE, name, now);
            history.left(IMAGE, name, true, now);
            history.blamed(IMAGE, name, now);
        }
        history.ended(&failed("worker_failures"), None);
        history
    };
    assert_eq!(blamed(&["w1", "w2"]).violations(), [] as [String; 0]);
    found(&blamed(&["w1"]), "without a reason");
}

#[test]
fn a_blame_for_a_worker_that_was_neither_crashed_nor_stalled_is_found() {
    let (mut history, now) = (accepted(), beginning());
    history.began(IMAGE, "w1", now);
    history.left(IMAGE, "w1", false, now + Duration::from_secs(1));
    history.blamed(IMAGE, "w1", now + Duration::from_secs(9));
    found(&history, "neither crashed nor stalled");
}

#[test]
fn what_nobody_had_asked_for_is_found() {
    let mut cancelled = accepted();
    cancelled.ended(&row(ImageState::Cancelled), None);
    found(&cancelled, "nobody had asked for");
    let mut deleted = accepted();
    deleted.deleted(IMAGE);
    found(&deleted, "nobody had asked for");
    let mut again = accepted();
    again.ended(&row(ImageState::Recognised), None);
    again.reopened(&ImageRow { run: 1, ..row(ImageState::Waiting) });
    found(&again, "without a reason");
}

#[test]
fn a_number_that_is_given_twice_is_found() {
    let mut history = History::default();
    history.numbered(5);
    history.numbered(5);
    found(&history, "given twice");
}
