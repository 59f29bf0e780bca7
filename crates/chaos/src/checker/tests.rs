//! Planted lies: the checker finds each, and nothing in an honest history.

use super::*;
use crate::history::{Copy, State};

const BATCH: &str = "b";

/// A history being made, in which one file is called as its digest.
#[derive(Default)]
struct Story(Vec<Fact>);

fn copy(id: &str, seq: u64, state: State, digest: &str) -> Copy {
    let label = (state == State::Recognised).then(|| format!("sha256:{digest}"));
    Copy { id: id.to_owned(), seq, state, digest: Some(digest.to_owned()), worker: None, label, error: None }
}

impl Story {
    fn then(mut self, fact: Fact) -> Self {
        self.0.push(fact);
        self
    }

    fn sent(self, key: &str, files: &[&str]) -> Self {
        let files = files.iter().map(|&file| file.to_owned()).collect();
        self.then(Fact::Sent { batch: BATCH.to_owned(), key: key.to_owned(), files })
    }

    fn accepted(self, key: &str, images: Vec<Copy>) -> Self {
        self.then(Fact::Accepted { batch: BATCH.to_owned(), key: key.to_owned(), images })
    }

    fn opened(self, from: Option<u64>) -> Self {
        self.then(Fact::Opened { batch: BATCH.to_owned(), from })
    }

    fn change(self, seq: u64, image: Copy) -> Self {
        self.then(Fact::Change { batch: BATCH.to_owned(), seq, image: Some(image), deleted: None })
    }

    fn asked(self, image: Option<&str>, wish: Wish) -> Self {
        self.then(Fact::Asked { batch: BATCH.to_owned(), image: image.map(str::to_owned), wish })
    }

    fn done(self, image: Option<&str>, wish: Wish) -> Self {
        self.then(Fact::Done { batch: BATCH.to_owned(), image: image.map(str::to_owned), wish })
    }

    fn refused(self, status: u16, code: &str) -> Self {
        let (batch, request, code) = (BATCH.to_owned(), "upload".to_owned(), code.to_owned());
        self.then(Fact::Refused { batch, image: None, request, status, code })
    }

    fn books(self, images: Vec<Copy>) -> Self {
        self.then(Fact::Books { batch: BATCH.to_owned(), images: Some(images) })
    }

    fn verdict(self) -> (Tally, Vec<Violation>) {
        self.verdict_with(Vec::new())
    }

    fn verdict_with(self, excuses: Vec<Excuse>) -> (Tally, Vec<Violation>) {
        let mut checker = Checker::with(excuses);
        let records = self.0.into_iter().zip(1..).map(|(fact, at_ms)| Record { at_ms, fact });
        records.for_each(|record| checker.take(record));
        checker.finish()
    }

    /// The promises that are broken, each once.
    fn broken(self) -> Vec<Promise> {
        self.broken_with(Vec::new())
    }

    fn broken_with(self, excuses: Vec<Excuse>) -> Vec<Promise> {
        let mut broken: Vec<Promise> =
            self.verdict_with(excuses).1.into_iter().map(|violation| violation.promise).collect();
        broken.sort_unstable();
        broken.dedup();
        broken
    }
}

/// Two images, accepted.
fn two_accepted() -> Story {
    let told = vec![copy("1", 10, State::Waiting, "aa"), copy("2", 11, State::Waiting, "bb")];
    Story::default().sent("k", &["aa", "bb"]).accepted("k", told)
}

fn both_recognised() -> Vec<Copy> {
    vec![copy("1", 20, State::Recognised, "aa"), copy("2", 21, State::Recognised, "bb")]
}

#[test]
fn an_honest_history_breaks_nothing() {
    let story = two_accepted()
        .refused(507, "no_space")
        .opened(None)
        .change(15, copy("1", 14, State::Assigned, "aa"))
        .change(22, copy("1", 20, State::Recognised, "aa"))
        .asked(Some("2"), Wish::Cancel)
        .opened(Some(22))
        .change(23, copy("2", 21, State::Cancelled, "bb"))
        .books(vec![copy("1", 20, State::Recognised, "aa"), copy("2", 21, State::Cancelled, "bb")]);
    let (tally, violations) = story.verdict();
    assert_eq!(violations, []);
    assert_eq!((tally.accepted, tally.recognised, tally.cancelled), (2, 1, 1));
}

#[test]
fn a_lost_image_is_found() {
    let story = two_accepted().books(vec![copy("1", 20, State::Recognised, "aa")]);
    assert_eq!(story.broken(), [Promise::Lost]);
}

#[test]
fn a_lost_batch_is_found() {
    let story = two_accepted().books(both_recognised());
    assert_eq!(story.then(Fact::Books { batch: BATCH.to_owned(), images: None }).broken(), [Promise::Lost]);
}

#[test]
fn an_image_that_a_person_has_deleted_is_not_lost_and_may_not_come_back() {
    let story = || two_accepted().asked(Some("2"), Wish::Delete).done(Some("2"), Wish::Delete);
    assert_eq!(story().books(vec![copy("1", 20, State::Recognised, "aa")]).broken(), []);
    assert_eq!(story().books(both_recognised()).broken(), [Promise::CameBack]);
}

#[test]
fn a_deleted_batch_that_is_there_again_is_found() {
    let story = two_accepted().books(both_recognised()).asked(None, Wish::Delete).done(None, Wish::Delete);
    assert_eq!(story.books(both_recognised()).broken(), [Promise::CameBack]);
}

#[test]
fn a_doubled_image_is_found() {
    let mut books = both_recognised();
    books.push(copy("3", 22, State::Recognised, "aa"));
    assert_eq!(two_accepted().books(books).broken(), [Promise::Doubled]);
}

#[test]
fn a_key_that_is_answered_with_two_sets_of_images_is_found() {
    let again = vec![copy("3", 12, State::Waiting, "aa"), copy("4", 13, State::Waiting, "bb")];
    let story = two_accepted().sent("k", &["aa", "bb"]).accepted("k", again).books(both_recognised());
    assert_eq!(story.broken(), [Promise::Doubled]);
}

#[test]
fn the_answer_of_another_image_is_found() {
    let mut books = both_recognised();
    books[0].label = Some("sha256:bb".to_owned());
    assert_eq!(two_accepted().books(books).broken(), [Promise::WrongLabel]);
    let mut books = both_recognised();
    books[0].label = None;
    assert_eq!(two_accepted().books(books).broken(), [Promise::WrongLabel]);
}

#[test]
fn a_result_for_what_was_never_uploaded_is_found() {
    let mut books = both_recognised();
    books.push(copy("3", 22, State::Recognised, "cc"));
    assert_eq!(two_accepted().books(books).broken(), [Promise::NeverUploaded]);
}

#[test]
fn an_image_answered_twice_with_different_answers_is_found() {
    let mut other = copy("1", 18, State::Recognised, "aa");
    other.label = Some("sha256:dd".to_owned());
    let story = two_accepted().opened(None).change(19, other).books(both_recognised());
    assert_eq!(story.broken(), [Promise::WrongLabel, Promise::ChangedEnding]);
}

#[test]
fn an_ending_that_is_taken_back_is_found_unless_somebody_asked() {
    let back = |story: Story| {
        let story = story.opened(None).change(15, copy("1", 14, State::Recognised, "aa"));
        story.change(17, copy("1", 16, State::Waiting, "aa")).books(both_recognised())
    };
    assert_eq!(back(two_accepted()).broken(), [Promise::ChangedEnding]);
    assert_eq!(back(two_accepted().asked(Some("1"), Wish::Retry)).broken(), []);
}

#[test]
fn an_image_that_was_given_up_or_never_ended_is_found() {
    let with = |state| two_accepted().books(vec![copy("1", 20, state, "aa"), copy("2", 21, State::Recognised, "bb")]);
    assert_eq!(with(State::Failed).broken(), [Promise::GivenUp]);
    assert_eq!(with(State::Assigned).broken(), [Promise::Unfinished]);
    assert_eq!(with(State::Cancelled).broken(), [Promise::Unasked]);
}

#[test]
fn event_numbers_that_repeat_or_go_back_are_found() {
    let seen = || two_accepted().opened(None).change(30, copy("1", 14, State::Assigned, "aa"));
    let next = copy("2", 15, State::Assigned, "bb");
    assert_eq!(seen().change(31, next.clone()).books(both_recognised()).broken(), []);
    assert_eq!(seen().change(29, next.clone()).books(both_recognised()).broken(), [Promise::EventNumbers]);
    assert_eq!(seen().change(30, next.clone()).books(both_recognised()).broken(), [Promise::EventNumbers]);
    let reconnected = seen().opened(None).change(30, next).books(both_recognised());
    assert_eq!(reconnected.broken(), [Promise::EventNumbers], "a number that said something else before");
}

#[test]
fn a_stream_that_goes_on_from_a_number_does_not_say_it_again() {
    let story = two_accepted().opened(Some(40)).change(40, copy("1", 14, State::Assigned, "aa"));
    assert_eq!(story.books(both_recognised()).broken(), [Promise::EventNumbers]);
}

#[test]
fn two_copies_of_one_number_and_books_behind_what_was_told_are_found() {
    let story = two_accepted().opened(None).change(30, copy("1", 20, State::Assigned, "aa"));
    assert_eq!(story.books(both_recognised()).broken(), [Promise::Numbering]);
    let story = two_accepted().opened(None).change(30, copy("1", 25, State::Assigned, "aa"));
    assert_eq!(story.books(both_recognised()).broken(), [Promise::ChangedEnding, Promise::Numbering]);
}

#[test]
fn an_upload_without_an_answer_is_there_whole_or_not_at_all() {
    let story = || Story::default().sent("k", &["aa", "bb"]);
    assert_eq!(story().books(both_recognised()).broken(), []);
    assert_eq!(story().books(Vec::new()).broken(), []);
    assert_eq!(story().books(both_recognised()[..1].to_vec()).broken(), [Promise::Lost]);
}

#[test]
fn a_refusal_without_a_documented_reason_is_found() {
    for (status, code) in [(400, "bad_request"), (404, "no_such_batch"), (502, ""), (429, "no_space")] {
        let story = two_accepted().refused(status, code).books(both_recognised());
        assert_eq!(story.broken(), [Promise::Refusal], "{status} {code}");
    }
}

#[test]
fn a_batch_of_which_nothing_was_read_is_no_proof() {
    assert_eq!(two_accepted().broken(), [Promise::NotRead]);
}

#[test]
fn a_worker_that_is_wrong_on_purpose_is_excused_while_it_is_and_no_longer() {
    let excuse = || vec![Excuse { worker: "w".to_owned(), from_ms: 1, to_ms: 4 }];
    let mut wrong = copy("1", 14, State::Recognised, "aa");
    (wrong.label, wrong.worker) = (Some("sha256:dd".to_owned()), Some("w".to_owned()));
    let told = || two_accepted().opened(None).change(15, wrong.clone());
    let waits = copy("1", 16, State::Waiting, "aa");
    assert_eq!(told().change(17, waits.clone()).books(both_recognised()).broken_with(excuse()), []);
    let unexcused = told().change(17, waits.clone()).books(both_recognised());
    assert_eq!(unexcused.broken(), [Promise::WrongLabel, Promise::ChangedEnding]);
    let still = told().books(vec![wrong.clone(), copy("2", 21, State::Recognised, "bb")]);
    assert_eq!(still.broken_with(excuse()), [Promise::WrongLabel], "it is wrong at the end");
    wrong.worker = Some("worker".to_owned());
    let other = two_accepted().opened(None).change(15, wrong).change(17, waits).books(both_recognised());
    assert_eq!(
        other.broken_with(excuse()),
        [Promise::WrongLabel, Promise::ChangedEnding],
        "another worker has no excuse"
    );
}

/// Found by a run whose client deleted a batch a millisecond after a canary had taken one of its answers back: the checker took
/// the image for lost.
#[test]
fn a_batch_may_be_deleted_while_a_doubted_answer_of_it_is_made_anew() {
    let excuse = || vec![Excuse { worker: "w".to_owned(), from_ms: 1, to_ms: 4 }];
    let mut right = copy("1", 14, State::Recognised, "aa");
    right.worker = Some("w".to_owned());
    let books = || vec![copy("1", 16, State::Waiting, "aa"), copy("2", 21, State::Recognised, "bb")];
    let seen = || two_accepted().opened(None).change(15, right.clone()).books(books());
    let deleted = || seen().asked(None, Wish::Delete).done(None, Wish::Delete);
    assert_eq!(deleted().broken_with(excuse()), []);
    assert_eq!(seen().broken_with(excuse()), [Promise::Unfinished], "nobody has deleted it");
    assert_eq!(deleted().broken(), [Promise::ChangedEnding, Promise::Unfinished], "no worker was wrong");
}
