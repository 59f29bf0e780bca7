//! What has happened to workers, for people: who came, went, fell silent or was turned away, and how many images moved on.
//!
//! Kept here rather than found out by each page, so that every page tells the same, also one that was opened later.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::api::{Happening, HappeningKind};

/// How many are kept. Older ones are of no use to a person who looks at a page now.
const KEPT: usize = 20;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// How many refusals are among those that are kept: whoever knocks under many names shall not hide the rest.
const REFUSALS_KEPT: usize = 5;

/// The last happenings.
#[derive(Debug, Default)]
pub(super) struct Happenings {
    /// The last one is the newest.
    kept: VecDeque<Kept>,
    noted: u64,
}

#[derive(Debug)]
struct Kept {
    seq: u64,
    at: Instant,
    kind: HappeningKind,
    worker: String,
    images: u32,
    detail: Option<String>,
}

impl Happenings {
    /// Something happened to a worker, of whose images so many moved on.
    pub(super) fn note(
        &mut self,
        kind: HappeningKind,
        worker: &str,
        images: u32,
        detail: Option<String>,
        now: Instant,
    ) {
        self.noted += 1;
        self.keep(Kept { seq: self.noted, at: now, kind, worker: worker.to_owned(), images, detail });
    }

    /// A worker is set aside. One that is set aside again and again is told of once, as one that is refused.
    pub(super) fn set_aside(&mut self, worker: &str, detail: String, now: Instant) {
        self.once(HappeningKind::SetAside, worker, detail, now);
    }

    /// A worker was turned away. One that knocks again and again is told of once: it keeps its number, and is the newest.
    pub(super) fn refused(&mut self, worker: &str, detail: String, now: Instant) {
        self.once(HappeningKind::Refused, worker, detail, now);
        let refusals = || self.kept.iter().filter(|kept| kept.kind == HappeningKind::Refused);
        if refusals().count() > REFUSALS_KEPT
            && let Some(oldest) = self.kept.iter().position(|kept| kept.kind == HappeningKind::Refused)
        {
            self.kept.remove(oldest);
        }
    }

    /// As a page shows them, newest last.
    pub(super) fn shown(&self, now: Instant) -> Vec<Happening> {
        let ago = |kept: &Kept| now.saturating_duration_since(kept.at);
        let recent = self.kept.iter().filter(|kept| ago(kept) < KEPT_FOR);
        recent
            .map(|kept| Happening {
                seq: kept.seq,
                ago_ms: u64::try_from(ago(kept).as_millis()).unwrap_or(u64::MAX),
                kind: kept.kind,
                worker: kept.worker.clone(),
                images: kept.images,
                detail: kept.detail.clone(),
            })
            .collect()
    }

    /// How many there were, those included that are not kept: it tells whether there is anything new.
    pub(super) fn noted(&self) -> u64 {
        self.noted
    }

    /// In the place of the last such of that worker.
    fn once(&mut self, kind: HappeningKind, worker: &str, detail: String, now: Instant) {
        self.noted += 1;
        let is_same = |kept: &Kept| kept.kind == kind && kept.worker == worker;
        let before = self.kept.iter().position(is_same).and_then(|at| self.kept.remove(at));
        let seq = before.map_or(self.noted, |before| before.seq);
        self.keep(Kept { seq, at: now, kind, worker: worker.to_owned(), images: 0, detail: Some(detail) });
    }

    fn keep(&mut self, kept: Kept) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(happenings: &Happenings, now: Instant) -> Vec<(u64, HappeningKind, String)> {
        happenings.shown(now).into_iter().map(|one| (one.seq, one.kind, one.worker)).collect()
    }

    #[test]
    fn what_happened_is_told_with_its_age_the_newest_last() {
        let (mut happenings, begin) = (Happenings::default(), Instant::now());
        happenings.note(HappeningKind::Joined, "worker-1", 0, None, begin);
        happenings.note(HappeningKind::Lost, "worker-1", 4, None, begin + Duration::from_secs(2));
        let shown = happenings.shown(begin + Duration::from_secs(3));
        let told: Vec<_> = shown.iter().map(|one| (one.kind, one.images, one.ago_ms)).collect();
        assert_eq!(told, [(HappeningKind::Joined, 0, 3000), (HappeningKind::Lost, 4, 1000)]);
    }

    #[test]
    fn only_the_last_twenty_are_kept_and_none_for_longer_than_an_hour() {
        let (mut happenings, begin) = (Happenings::default(), Instant::now());
        for n in 0..30 {
            happenings.note(
                HappeningKind::Joined,
                &format!("worker-{n}"),
                0,
                None,
                begin + Duration::from_secs(60 * n),
            );
        }
        let last = begin + Duration::from_secs(60 * 29);
        let kept = told(&happenings, last);
        assert_eq!((kept.len(), &kept[0].2[..], &kept[19].2[..]), (20, "worker-10", "worker-29"));
        assert_eq!(told(&happenings, last + KEPT_FOR - Duration::from_secs(1)).len(), 1);
        assert!(told(&happenings, last + KEPT_FOR).is_empty());
    }

    #[test]
    fn a_worker_that_is_refused_again_and_again_is_told_of_once_and_as_of_the_last_time() {
        let (mut happenings, begin) = (Happenings::default(), Instant::now());
        happenings.refused("eye", "its token is wrong".to_owned(), begin);
        happenings.note(HappeningKind::Joined, "worker-1", 0, None, begin);
        let before = happenings.noted();
        happenings.refused("eye", "it holds another model".to_owned(), begin + Duration::from_secs(9));
        let shown = happenings.shown(begin + Duration::from_secs(10));
        assert_eq!(shown.len(), 2);
        assert_eq!((shown[1].seq, shown[1].ago_ms), (1, 1000));
        assert_eq!(shown[1].detail.as_deref(), Some("it holds another model"));
        assert!(happenings.noted() > before, "pages are told that something has changed");
    }

    #[test]
    fn strangers_that_knock_under_many_names_do_not_hide_what_else_happened() {
        let (mut happenings, now) = (Happenings::default(), Instant::now());
        happenings.note(HappeningKind::Lost, "worker-1", 4, None, now);
        for n in 0..1000 {
            happenings.refused(&format!("stranger-{n}"), "its token is wrong".to_owned(), now);
        }
        let kept = told(&happenings, now);
        assert_eq!((kept.len(), kept[0].1), (1 + REFUSALS_KEPT, HappeningKind::Lost));
        assert_eq!(kept[REFUSALS_KEPT].2, "stranger-999");
    }
}
