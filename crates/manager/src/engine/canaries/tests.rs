//! The rules of canaries, each by itself: who is asked, who is condemned, and when the canary is at fault.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const A: WorkerId = WorkerId(1);
const B: WorkerId = WorkerId(2);

fn pictures(count: usize) -> CanarySettings {
    let canary = |n: usize| Canary {
        name: format!("{n}.png"),
        file: Bytes::from(format!("picture {n}")),
        classes: vec![format!("class {n}"), format!("n{n:08}")],
    };
    CanarySettings { pictures: (0..count).map(canary).collect(), ..CanarySettings::default() }
}

struct Watch {
    canaries: Canaries,
    now: Instant,
}

impl Watch {
    fn new(count: usize) -> Self {
        Self { canaries: Canaries::new(pictures(count)), now: Instant::now() }
    }

    fn join(&mut self, worker: WorkerId) {
        self.canaries.joined(worker, &format!("worker-{}", worker.0));
    }

    fn due(&mut self) -> Option<(WorkerId, ImageId, String)> {
        let ask = self.canaries.due(self.now)?;
        let right = String::from_utf8(ask.file.to_vec()).unwrap().replace("picture", "class");
        Some((ask.worker, ask.number, right))
    }

    /// The worker is asked next, and answers so; what it means.
    fn answers(&mut self, worker: WorkerId, said: impl Fn(&str) -> String) -> Vec<Verdict> {
        let (asked, number, right) = self.due().expect("somebody is to be asked");
        assert_eq!(asked, worker);
        self.canaries.answered(worker, number, &said(&right), self.now)
    }

    fn delivers(&mut self, worker: WorkerId, images: u32) {
        (0..images).for_each(|_| self.canaries.delivered(worker));
    }
}

fn rightly(right: &str) -> String {
    right.to_owned()
}

fn wrongly(_: &str) -> String {
    "a duck".to_owned()
}

fn condemned(verdicts: &[Verdict]) -> Vec<WorkerId> {
    let worker = |verdict: &Verdict| match verdict {
        Verdict::Condemned { worker, .. } => Some(*worker),
        Verdict::Acquitted { .. } | Verdict::Retired { .. } => None,
    };
    verdicts.iter().filter_map(worker).collect()
}

#[test]
fn without_canaries_nobody_is_asked() {
    let mut watch = Watch::new(0);
    watch.join(A);
    assert_eq!(watch.due(), None);
    assert_eq!(watch.canaries.next(), None);
}

#[test]
fn a_worker_is_asked_when_it_joins_and_again_after_fifty_deliveries() {
    let mut watch = Watch::new(3);
    watch.join(A);
    assert_eq!(watch.answers(A, rightly), []);
    watch.delivers(A, 49);
    assert_eq!(watch.due(), None);
    watch.delivers(A, 1);
    assert!(watch.due().is_some());
    watch.delivers(A, 500);
    assert_eq!(watch.due(), None, "one at a time");
}

#[test]
fn a_canary_is_called_as_the_folder_or_by_another_name_of_its_class() {
    let mut watch = Watch::new(1);
    watch.join(A);
    assert_eq!(watch.answers(A, |_| "n00000000".to_owned()), []);
    assert_eq!(watch.canaries.tally(), CanaryTally { wrong: 0, retired: 0 });
    assert_eq!(watch.canaries.times_asked(), [("worker-1".to_owned(), 1)]);
}

#[test]
fn a_wrong_answer_to_what_another_has_answered_rightly_condemns_at_once() {
    let mut watch = Watch::new(1);
    watch.join(A);
    watch.answers(A, rightly);
    watch.join(B);
    for image in 0..3 {
        watch.canaries.answered_an_image(B, ImageId(image), 0);
    }
    let verdicts = watch.answers(B, wrongly);
    let [Verdict::Condemned { worker: B, why, doubted }] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!(why, "it answered 'a duck' to a known picture of 'class 0' (0.png)");
    assert_eq!(doubted[..], [(ImageId(0), 0), (ImageId(1), 0), (ImageId(2), 0)]);
}

#[test]
fn a_wrong_answer_to_what_nobody_has_proven_is_settled_by_the_next_worker() {
    let mut watch = Watch::new(9);
    watch.join(A);
    assert_eq!(watch.answers(A, wrongly), []);
    watch.join(B);
    assert_eq!(condemned(&watch.answers(B, rightly)), [A], "B is asked the same");
}

#[test]
fn two_workers_that_say_the_same_other_class_show_that_the_model_is_wrong_about_the_picture() {
    let mut watch = Watch::new(2);
    watch.join(A);
    watch.answers(A, wrongly);
    watch.join(B);
    let verdicts = watch.answers(B, wrongly);
    assert_eq!(verdicts, [Verdict::Retired { file: "0.png".to_owned(), said: "a duck".to_owned() }]);
    watch.delivers(A, 50);
    watch.delivers(B, 50);
    watch.answers(A, rightly);
    watch.answers(B, |right| {
        assert_eq!(right, "class 1", "the other is asked no more");
        rightly(right)
    });
}

#[test]
fn two_wrong_workers_that_happen_to_agree_do_not_retire_what_was_answered_rightly() {
    let mut watch = Watch::new(1);
    watch.join(A);
    watch.answers(A, rightly);
    for number in 2..4 {
        watch.join(WorkerId(number));
        assert_eq!(condemned(&watch.answers(WorkerId(number), wrongly)), [WorkerId(number)]);
    }
}

#[test]
fn a_worker_that_is_alone_and_wrong_about_three_in_a_row_is_condemned() {
    let mut watch = Watch::new(9);
    watch.join(A);
    for expected in [vec![], vec![], vec![A]] {
        assert_eq!(condemned(&watch.answers(A, wrongly)), expected);
        watch.delivers(A, 50);
    }
}

#[test]
fn a_condemned_worker_is_asked_ever_more_rarely_and_acquitted_after_three_right_answers() {
    let mut watch = Watch::new(2);
    watch.join(A);
    watch.answers(A, rightly);
    watch.join(B);
    let second = watch.due().expect("B is asked").1;
    assert_eq!(watch.canaries.answered(B, second, "class 1", watch.now), [], "and both are proven");
    watch.delivers(B, 50);
    assert_eq!(condemned(&watch.answers(B, wrongly)), [B]);
    for pause_s in [1, 2, 4, 8, 16, 32, 60, 60] {
        watch.now += Duration::from_secs(pause_s) - Duration::from_millis(1);
        assert_eq!(watch.due(), None);
        watch.now += Duration::from_millis(1);
        assert_eq!(watch.canaries.next(), Some(watch.now));
        assert_eq!(watch.answers(B, wrongly), []);
    }
    watch.now += Duration::from_secs(60);
    assert_eq!(watch.answers(B, rightly), []);
    assert_eq!(watch.answers(B, rightly), []);
    assert_eq!(watch.answers(B, rightly), [Verdict::Acquitted { worker: B }]);
}

#[test]
fn a_condemned_worker_that_comes_back_as_another_process_is_still_condemned() {
    let mut watch = Watch::new(1);
    watch.join(A);
    watch.answers(A, rightly);
    watch.delivers(A, 50);
    watch.answers(A, wrongly);
    watch.canaries.left(A);
    watch.now += Duration::from_secs(10);
    assert_eq!(watch.due(), None, "it is not here");
    watch.canaries.joined(WorkerId(7), "worker-1");
    watch.answers(WorkerId(7), rightly);
    watch.answers(WorkerId(7), rightly);
    assert_eq!(watch.answers(WorkerId(7), rightly), [Verdict::Acquitted { worker: WorkerId(7) }]);
}

#[test]
fn what_was_answered_before_the_last_right_canary_is_not_doubted_and_of_the_rest_a_thousand() {
    let mut watch = Watch::new(1);
    watch.join(A);
    watch.canaries.answered_an_image(A, ImageId(1), 0);
    watch.answers(A, rightly);
    for image in 2..2 + 3000 {
        watch.canaries.answered_an_image(A, ImageId(image), 0);
    }
    watch.delivers(A, 50);
    let verdicts = watch.answers(A, wrongly);
    let [Verdict::Condemned { doubted, .. }] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!((doubted.len(), doubted[0].0, doubted[999].0), (1000, ImageId(2002), ImageId(3001)));
}

#[test]
fn a_worker_that_has_no_answer_is_asked_in_its_turn_again_and_not_before() {
    let mut watch = Watch::new(2);
    watch.join(A);
    watch.answers(A, wrongly);
    watch.join(B);
    let (_, number, _) = watch.due().expect("B may settle it");
    watch.canaries.not_answered(B, number, watch.now);
    assert_eq!(watch.due(), None);
    watch.delivers(B, 50);
    assert_eq!(condemned(&watch.answers(B, rightly)), [A]);
}

#[test]
fn an_answer_to_what_was_not_asked_means_nothing() {
    let mut watch = Watch::new(2);
    watch.join(A);
    let (_, number, _) = watch.due().expect("A is asked");
    assert_eq!(watch.canaries.answered(B, number, "a duck", watch.now), []);
    assert_eq!(watch.canaries.answered(A, ImageId(CANARY_BIT | 99), "a duck", watch.now), []);
    assert!(is_canary(number) && !is_canary(ImageId(u64::MAX >> 1)));
}

#[test]
fn when_the_model_is_wrong_about_every_canary_nobody_stays_condemned() {
    let mut watch = Watch::new(3);
    watch.join(A);
    for _ in 0..3 {
        watch.answers(A, wrongly);
        watch.delivers(A, 50);
    }
    // A is condemned. B and C say the same of all of them: it is the model.
    let mut verdicts = Vec::new();
    for worker in [B, WorkerId(3)] {
        watch.join(worker);
        for _ in 0..3 {
            if let Some((asked, number, _)) = watch.due() {
                verdicts.extend(watch.canaries.answered(asked, number, "a duck", watch.now));
            }
        }
    }
    assert!(verdicts.contains(&Verdict::Acquitted { worker: A }), "{verdicts:?}");
    assert_eq!((watch.canaries.tally().retired, watch.due()), (3, None));
}

/// The figure that is promised: a worker that is wrong every other time is out within twenty canaries, of its own.
#[test]
fn a_worker_that_is_often_wrong_is_out_within_twenty_canaries() {
    for (wrong_pct, all_within) in [(100, 2), (50, 20)] {
        for seed in 0..1000 {
            let mut chance = StdRng::seed_from_u64(seed);
            let mut watch = Watch::new(20);
            for worker in 1..=4 {
                watch.join(WorkerId(worker));
            }
            let mut asked_of_b = 0;
            let out = (0..400).any(|_| {
                let Some((worker, number, right)) = watch.due() else {
                    (1..=4).for_each(|worker| watch.delivers(WorkerId(worker), 50));
                    return false;
                };
                asked_of_b += u32::from(worker == B);
                let lies = worker == B && chance.random_ratio(wrong_pct, 100);
                let said = if lies { format!("wrong {}", chance.random::<u64>()) } else { right };
                let verdicts = watch.canaries.answered(worker, number, &said, watch.now);
                let out = condemned(&verdicts);
                assert!(out.iter().all(|worker| *worker == B), "a worker that is right is never condemned");
                !out.is_empty()
            });
            assert!(out && asked_of_b <= all_within, "{wrong_pct} % wrong, seed {seed}: {asked_of_b} canaries");
        }
    }
}
