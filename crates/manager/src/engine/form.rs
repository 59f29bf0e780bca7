//! Which form of an image is sent to a worker: the file, or a smaller one that shows its model as much. Here is decided; what a form is
//! and how it is made is known elsewhere (`crate::smaller`). Why so: `docs/decisions/0016-send-less.md`.

use std::time::Duration;

use manyeyes_link::InputSize;

/// The link is the bottleneck where a file is at least so many times as long on it as it keeps the worker busy. From less than that
/// nothing is gained that a measurement could tell.
const BEGINS_AT: f64 = 1.25;

/// Smaller forms are sent until files would keep the link no longer than the worker.
const ENDS_AT: f64 = 1.0;

/// Bytes of a smaller form for a pixel of it, as measured on the 250 photos.
const BYTES_A_PIXEL: f64 = 0.56;

/// Pixels of a picture by the square of its shorter side: 4 by 3, as most photos are.
const PROPORTIONS: f64 = 4.0 / 3.0;

/// A file is to be at least so many times as long as its smaller form is expected to be.
const LEAST_SAVED: f64 = 1.5;

/// The most smaller forms that may be under way. They are in memory with their files, and one more would wait for all of them.
const UNDER_WAY_MAX: u32 = 64;

/// The weight of the newest measurement of the time that a form takes, as for TCP's round trip (RFC 6298, section 2).
const SMOOTHING: f64 = 1.0 / 8.0;

/// What is known of a worker and of the way to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// What its link delivers, bytes a second; `None` until that was measured.
    pub(super) bytes_per_s: Option<u64>,
    /// How long an image keeps one of its slots; `None` until that was measured.
    pub(super) service: Option<Duration>,
    pub(super) slots: u32,
    /// What its model makes of a picture.
    pub(super) input: InputSize,
    /// It was sent a smaller form last.
    pub(super) was_smaller: bool,
}

/// Those who make smaller forms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Makers {
    /// How many are made at the same time.
    at_a_time: u32,
    under_way: u32,
    /// How long one takes. Until that is known the first is made to see.
    takes_s: f64,
}

impl Makers {
    pub(super) fn new(at_a_time: u32) -> Self {
        Self { at_a_time: at_a_time.max(1), under_way: 0, takes_s: 0.0 }
    }

    /// One more is to be made.
    pub(super) fn begun(&mut self) {
        self.under_way += 1;
    }

    /// One is made, and took so long; `None`: it was there already.
    pub(super) fn made(&mut self, took: Option<Duration>) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(took_s) = took.map(|took| took.as_secs_f64()) {
            let weight = if self.takes_s > 0.0 { SMOOTHING } else { 1.0 };
            self.takes_s += weight * (took_s - self.takes_s);
        }
    }

    /// How long one more would take from now on.
    fn one_more_s(&self) -> f64 {
        f64::from(self.under_way / self.at_a_time + 1) * self.takes_s
    }
}

/// Whether a smaller form is to be sent in place of a file: where the link is slower than the work, and making the form takes less time
/// than it saves on the link. So an image that can go as it is never waits for one.
pub(super) fn sends_smaller(file_bytes: u64, path: &Path, makers: &Makers) -> bool {
    let (Some(bytes_per_s), Some(service)) = (path.bytes_per_s, path.service) else {
        return false;
    };
    let (file_bytes, smaller_bytes) = (file_bytes as f64, expected_bytes(path.input));
    if file_bytes < LEAST_SAVED * smaller_bytes || makers.under_way >= UNDER_WAY_MAX {
        return false;
    }
    let bytes_per_s = bytes_per_s.max(1) as f64;
    let (on_the_link_s, at_work_s) = (file_bytes / bytes_per_s, service.as_secs_f64() / f64::from(path.slots.max(1)));
    let saved_s = (file_bytes - smaller_bytes) / bytes_per_s;
    let margin = if path.was_smaller { ENDS_AT } else { BEGINS_AT };
    on_the_link_s > margin * at_work_s && makers.one_more_s() < saved_s
}

/// How long a smaller form is about.
fn expected_bytes(input: InputSize) -> f64 {
    let (side, proportions) = match input {
        InputSize::Squashed(side) => (side, 1.0),
        InputSize::ShorterSide(side) => (side, PROPORTIONS),
    };
    f64::from(side).powi(2) * proportions * BYTES_A_PIXEL
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHOTO: u64 = 100_000;
    const MS: Duration = Duration::from_millis(1);

    /// Over 4 Mbit/s a photo takes 200 ms.
    const NARROW: u64 = 500_000;

    fn path(bytes_per_s: u64, service: Duration) -> Path {
        Path {
            bytes_per_s: Some(bytes_per_s),
            service: Some(service),
            slots: 1,
            input: InputSize::Squashed(256),
            was_smaller: false,
        }
    }

    fn idle() -> Makers {
        Makers::new(1)
    }

    #[test]
    fn a_smaller_form_goes_where_the_link_is_slower_than_the_work() {
        assert!(sends_smaller(PHOTO, &path(NARROW, 20 * MS), &idle()));
        assert!(!sends_smaller(PHOTO, &path(NARROW, 500 * MS), &idle()), "the work is slower");
        assert!(!sends_smaller(PHOTO, &path(125_000_000, 20 * MS), &idle()), "the link is fast");
        let slots = Path { slots: 8, ..path(NARROW, 500 * MS) };
        assert!(sends_smaller(PHOTO, &slots, &idle()), "together its slots are faster than the link");
    }

    #[test]
    fn a_file_goes_while_nothing_is_known_of_the_way_or_the_work() {
        let known = path(NARROW, 20 * MS);
        assert!(!sends_smaller(PHOTO, &Path { bytes_per_s: None, ..known }, &idle()));
        assert!(!sends_smaller(PHOTO, &Path { service: None, ..known }, &idle()));
    }

    #[test]
    fn a_file_that_is_small_already_goes_as_it_is() {
        assert!(!sends_smaller(20_000, &path(NARROW, 20 * MS), &idle()));
        let smaller_input = Path { input: InputSize::ShorterSide(32), ..path(NARROW, 20 * MS) };
        assert!(sends_smaller(20_000, &smaller_input, &idle()));
    }

    #[test]
    fn near_the_border_the_form_does_not_change_with_every_image() {
        let between = path(NARROW, 180 * MS);
        assert!(!sends_smaller(PHOTO, &between, &idle()));
        assert!(sends_smaller(PHOTO, &Path { was_smaller: true, ..between }, &idle()));
        let over = Path { was_smaller: true, ..path(NARROW, 210 * MS) };
        assert!(!sends_smaller(PHOTO, &over, &idle()));
    }

    #[test]
    fn no_image_waits_for_a_form_for_longer_than_that_saves() {
        let narrow = path(NARROW, 20 * MS);
        let mut makers = idle();
        makers.begun();
        makers.made(Some(50 * MS));
        for _ in 0..2 {
            assert!(sends_smaller(PHOTO, &narrow, &makers), "it saves 127 ms: {makers:?}");
            makers.begun();
        }
        assert!(!sends_smaller(PHOTO, &narrow, &makers), "those before it take 100 ms");
        makers.made(None);
        assert!(sends_smaller(PHOTO, &narrow, &makers));
    }

    #[test]
    fn only_so_many_are_made_at_a_time_however_quickly() {
        let mut makers = idle();
        (0..UNDER_WAY_MAX).for_each(|_| makers.begun());
        assert!(!sends_smaller(PHOTO, &path(1, MS), &makers));
    }
}
