//! What each file has cost on the wire. A transport counts for a connection as a whole, so its counters are shared among the files that
//! it carries, by one rule:
//!
//! **What was sent again between two looks at a connection is of the files that had bytes under way in that time, in proportion to those
//! bytes.** Under way is what had been sent by the second look and was not acknowledged at the first. Over TCP the system tells both
//! ends of that, to the byte; encrypted, to within the 64 KiB that may wait to be so. QUIC tells which files were acknowledged whole; of the others as much is taken to be under way, in their
//! order, as its congestion window holds. What was sent again while no file was under way is nobody's. So no byte is counted twice, and the
//! files' together are never more than the connection's.
//!
//! Nothing here knows a clock or a socket.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use manyeyes_protocol::frame::MAX_WINDOW;
use manyeyes_protocol::id::{Attempt, ImageId};

/// The most files that are remembered: as many as a worker may have. Those that were cancelled or are never answered are forgotten then,
/// the oldest first.
const MAX_FILES: usize = MAX_WINDOW as usize;

/// A delivery of an image.
type Delivery = (ImageId, Attempt);

/// What the wire has carried of one delivery, and how the connection was when its answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireUse {
    /// Bytes of the image's file that were sent, those that were sent again among them. What frames and packets have around them is not.
    pub bytes_sent: u64,
    /// Bytes that were sent again: its share of what the connection sent again while it was under way.
    pub bytes_resent: u64,
    /// The transport's own smoothed round trip; over TCP where the system tells (Linux).
    pub round_trip: Option<Duration>,
    /// The congestion window, bytes; over TCP where the system tells (Linux).
    pub window_bytes: Option<u64>,
    /// What the transport last found that the path delivers, bytes a second: TCP on Linux only. Lower than what the path would
    /// carry where there was no more to send.
    pub delivery_bytes_per_s: Option<u64>,
}

/// The files on a connection.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// In the order in which they go.
    files: VecDeque<File>,
    /// The place behind all that was said, from the connection's beginning.
    end: u64,
}

#[derive(Debug)]
struct File {
    delivery: Delivery,
    /// Where it is in what is said.
    place: Range<u64>,
    resent: u64,
    /// The worker has all of it.
    has_arrived: bool,
}

impl Ledger {
    /// Something goes that is no file.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.end += bytes as u64;
    }

    /// A file goes, behind all that went before.
    pub(crate) fn push(&mut self, delivery: Delivery, bytes: usize) {
        if self.files.len() >= MAX_FILES {
            self.files.pop_front();
        }
        let begin = self.end;
        self.end += bytes as u64;
        self.files.push_back(File { delivery, place: begin..self.end, resent: 0, has_arrived: false });
    }

    /// The worker has all of the file: nothing of it is under way any more.
    pub(crate) fn arrived(&mut self, delivery: Delivery) {
        self.files.iter_mut().filter(|file| file.delivery == delivery).for_each(|file| file.has_arrived = true);
    }

    /// How many of the bytes at these places are of files.
    pub(crate) fn of_files(&self, places: &Range<u64>) -> u64 {
        self.files.iter().map(|file| overlap(&file.place, places)).sum()
    }

    /// Where that is which a window of so many bytes has under way, if what goes first is sent first.
    pub(crate) fn within(&self, window_bytes: u64) -> Range<u64> {
        let first = self.files.iter().find(|file| !file.has_arrived);
        first.map_or(0..0, |file| file.place.start..file.place.end.max(file.place.start + window_bytes))
    }

    /// So many bytes were sent again since the last look, while what was at these places was under way.
    pub(crate) fn share(&mut self, resent: u64, under_way: &Range<u64>) {
        let bytes_of = |file: &File| if file.has_arrived { 0 } else { overlap(&file.place, under_way) };
        let all: u64 = self.files.iter().map(bytes_of).sum();
        let (mut before, mut given) = (0, 0);
        for file in self.files.iter_mut().filter(|_| all > 0 && resent > 0) {
            // Each has what is due up to it less what was given before: the parts are whole numbers and sum up.
            before += bytes_of(file);
            let due = (u128::from(resent) * u128::from(before) / u128::from(all)) as u64;
            file.resent += due - given;
            given = due;
        }
    }

    /// The answer to a delivery is here: what was sent of it and what of that again, bytes. `None`: it went over another connection.
    pub(crate) fn settle(&mut self, delivery: Delivery) -> Option<(u64, u64)> {
        let mut used = None;
        // One that the worker did not know was sent twice.
        self.files.retain(|file| {
            if file.delivery == delivery {
                let (sent, resent) = used.unwrap_or((0, 0));
                used = Some((sent + file.place.end - file.place.start + file.resent, resent + file.resent));
            }
            file.delivery != delivery
        });
        used
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> u64 {
    one.end.min(other.end).saturating_sub(one.start.max(other.start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(image: u64) -> Delivery {
        (ImageId(image), Attempt(1))
    }

    /// Three files of 100 bytes, each behind a head of 10.
    fn three() -> Ledger {
        let mut ledger = Ledger::default();
        for image in 1..=3 {
            ledger.pass(10);
            ledger.push(of(image), 100);
        }
        ledger
    }

    #[test]
    fn what_was_sent_again_is_of_those_that_were_under_way_by_their_bytes() {
        let mut ledger = three();
        // Half of the first was acknowledged before, and a quarter of the second has been sent.
        ledger.share(75, &(60..145));
        assert_eq!(ledger.settle(of(1)), Some((150, 50)));
        assert_eq!(ledger.settle(of(2)), Some((125, 25)));
        assert_eq!(ledger.settle(of(3)), Some((100, 0)));
        assert_eq!(ledger.settle(of(3)), None, "it is told once");
    }

    #[test]
    fn what_was_sent_again_while_no_file_was_under_way_is_nobodys() {
        let mut ledger = three();
        ledger.share(50, &(0..10));
        ledger.arrived(of(1));
        ledger.share(50, &(0..110));
        assert_eq!([1, 2, 3].map(|image| ledger.settle(of(image))), [Some((100, 0)); 3]);
    }

    #[test]
    fn of_a_window_the_files_that_go_first_have_their_part() {
        let mut ledger = three();
        assert_eq!(ledger.within(150), 10..160);
        ledger.arrived(of(1));
        assert_eq!(ledger.within(20), 120..220, "a file that has begun is under way as a whole");
        ledger.share(9, &ledger.within(20));
        assert_eq!(ledger.settle(of(2)), Some((109, 9)));
    }

    #[test]
    fn a_file_that_had_to_be_sent_twice_was_sent_twice() {
        let mut ledger = three();
        ledger.push(of(1), 100);
        ledger.share(8, &(330..430));
        assert_eq!(ledger.settle(of(1)), Some((208, 8)));
    }

    #[test]
    fn deliveries_that_are_never_answered_are_forgotten_in_time() {
        let mut ledger = Ledger::default();
        (0..=MAX_FILES as u64).for_each(|image| ledger.push(of(image), 1));
        assert_eq!((ledger.settle(of(0)), ledger.settle(of(1))), (None, Some((1, 0))));
    }

    proptest! {
        #[test]
        fn the_files_together_have_what_the_connection_sent_again_and_no_byte_more(
            files in prop::collection::vec(1_usize..100_000, 1..20),
            looks in prop::collection::vec((0_u64..1_000_000, 0_u64..2_000_000, 0_u64..2_000_000), 0..20),
        ) {
            let mut ledger = Ledger::default();
            for (image, bytes) in files.iter().enumerate() {
                ledger.pass(41);
                ledger.push(of(image as u64), *bytes);
            }
            let mut expected = 0;
            for (resent, one, other) in looks {
                let under_way = one.min(other)..one.max(other);
                expected += if ledger.of_files(&under_way) > 0 { resent } else { 0 };
                ledger.share(resent, &under_way);
            }
            let used = (0..files.len()).map(|image| ledger.settle(of(image as u64)).expect("it was sent"));
            prop_assert_eq!(used.map(|(_, resent)| resent).sum::<u64>(), expected);
        }
    }
}
