//! What the two ends do together, over a path that loses what chance says.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::packet::{self, Packet};
use super::receiver::Receiver;
use super::sender::{Sender, WINDOW};

const SPACING: Duration = Duration::from_micros(500);

/// Chance with a seed: the generator of Park and Miller ("Random number generators: good ones are hard to find", 1988).
struct Chance(u64);

impl Chance {
    fn hits(&mut self, probability: f64) -> bool {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        (self.0 as f64) < probability * f64::from(0x7fff_ffff)
    }
}

/// One direction of a path.
struct Path {
    sender: Sender,
    receiver: Receiver,
    now: Instant,
    chance: Chance,
    loss: f64,
    /// Packets of ours, those that are lost too.
    packets: u32,
    came: Vec<u32>,
}

impl Path {
    fn new(loss: f64, seed: u64) -> Self {
        Self {
            sender: Sender::new(1),
            receiver: Receiver::default(),
            now: Instant::now(),
            chance: Chance(seed),
            loss,
            packets: 0,
            came: Vec::new(),
        }
    }

    /// The datagram of this number: of a length and bytes of its own. Short, because arithmetic takes its time where nothing is optimised.
    fn datagram(number: u32) -> Bytes {
        let length = (number * 97) % 40;
        (0..length).map(|at| (at.wrapping_mul(number + 3) >> 2) as u8).chain(number.to_be_bytes()).collect()
    }

    fn send(&mut self, number: u32) {
        let datagram = Self::datagram(number);
        let packet = self.sender.original(&datagram, 0.0);
        self.sender.sent(&datagram, self.now);
        self.carry(packet);
        while let Some(sum) = self.sender.between(0.0) {
            self.carry(sum);
        }
        self.now += SPACING;
    }

    /// It is sent, and does not come; from here on everything does.
    fn lose(&mut self, number: u32) {
        self.loss = 1.0;
        self.send(number);
        self.loss = 0.0;
    }

    fn send_burst(&mut self, numbers: std::ops::Range<u32>) {
        numbers.for_each(|number| self.send(number));
        self.now += Duration::from_millis(12);
        for sum in self.sender.after(0.0, self.now) {
            self.carry(sum);
        }
    }

    fn carry(&mut self, packet: Bytes) {
        self.packets += 1;
        if !self.chance.hits(self.loss) {
            let (head, packet) = packet::read(&packet).unwrap();
            self.receiver.take(head.epoch, packet, self.now);
            self.sender.hear((self.receiver.lost() * 255.0).round() as u8);
        }
        self.collect();
    }

    fn give_up(&mut self, after: Duration) {
        self.now += after;
        self.receiver.give_up(self.now);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(datagram) = self.receiver.next() {
            let (_, number) = datagram.split_last_chunk().unwrap();
            let number = u32::from_be_bytes(*number);
            assert_eq!(datagram, Self::datagram(number));
            self.came.push(number);
        }
    }
}

#[test]
fn where_nothing_is_lost_all_comes_at_once_and_next_to_nothing_is_added() {
    let mut path = Path::new(0.0, 1);
    path.send_burst(0..2_000);
    assert!(path.came.iter().copied().eq(0..2_000));
    assert!(path.packets < 2_050, "{}", path.packets);
}

#[test]
fn of_a_long_stream_that_loses_15_in_100_nearly_all_comes_in_order_for_a_little_more_than_what_is_lost() {
    let mut path = Path::new(0.15, 7);
    path.send_burst(0..10_000);
    path.give_up(Duration::from_secs(1));
    assert!(path.came.is_sorted());
    assert!(path.came.len() > 9_850, "{} of 10,000 came", path.came.len());
    // All that could come of so many packets would be 0.85 of them.
    let used = 10_000.0 / f64::from(path.packets);
    assert!(used > 0.80, "{used}");
}

#[test]
fn of_a_hundred_short_bursts_nearly_all_come_whole() {
    let mut path = Path::new(0.15, 3);
    // What the path loses is known after the first.
    path.send_burst(0..1_000);
    path.give_up(Duration::from_secs(1));
    let whole = (0..100).filter(|burst| {
        let numbers = 1_000 + burst * 140..1_000 + (burst + 1) * 140;
        path.came.clear();
        path.send_burst(numbers.clone());
        let whole = path.came.iter().copied().eq(numbers);
        path.give_up(Duration::from_secs(1));
        whole
    });
    assert!(whole.count() >= 96);
}

/// The sums at the end of a burst were counted as sums of the next one, so that a short burst after a long one had none: every second
/// run of five images over a far path waited for QUIC to ask again.
#[test]
fn a_short_burst_after_a_long_one_has_sums_of_its_own() {
    for length in [1, 3, 15] {
        let whole = (1..=200).filter(|seed| {
            let mut path = Path::new(0.15, seed * 7_919);
            path.send_burst(0..100);
            path.give_up(Duration::from_secs(1));
            path.came.clear();
            let burst = 100..100 + length;
            path.send_burst(burst.clone());
            path.came.iter().copied().eq(burst)
        });
        let whole = whole.count();
        assert!(whole >= 196, "{whole} of 200 bursts of {length}");
    }
}

#[test]
fn a_single_datagram_is_there_three_times_over() {
    let mut path = Path::new(0.0, 1);
    path.send_burst(0..1);
    assert_eq!(path.packets, 3, "so much is taken to be lost before anything is known");
    assert_eq!(path.came, [0]);
}

#[test]
fn what_waits_behind_a_gap_is_handed_over_after_a_while_and_what_is_worked_out_later_too() {
    let mut path = Path::new(0.0, 1);
    path.send(0);
    path.lose(1);
    path.send(2);
    assert_eq!(path.came, [0]);
    path.give_up(Duration::from_millis(39));
    assert_eq!(path.came, [0]);
    path.give_up(Duration::from_millis(2));
    assert_eq!(path.came, [0, 2]);
    for sum in path.sender.after(0.0, path.now) {
        path.carry(sum);
    }
    assert_eq!(path.came, [0, 2, 1]);
}

#[test]
fn nothing_waits_longer_than_a_fifth_of_a_second_whatever_comes() {
    let mut path = Path::new(0.0, 1);
    path.lose(0);
    // Datagrams alone, a few milliseconds apart, which are of one burst.
    let first = path.now;
    while path.came.is_empty() {
        let datagram = Path::datagram(1);
        let packet = path.sender.original(&datagram, 0.0);
        path.sender.sent(&datagram, path.now);
        path.carry(packet);
        path.give_up(Duration::from_millis(2));
        assert!(path.now < first + Duration::from_millis(250));
    }
}

#[test]
fn a_datagram_that_a_sum_of_the_next_burst_leaves_out_is_not_waited_for() {
    let mut path = Path::new(1.0, 1);
    path.send_burst(0..1);
    path.loss = 0.0;
    path.send_burst(1..2);
    assert_eq!(path.came, [1]);
}

#[test]
fn a_peer_that_begins_to_count_again_is_heard_and_what_waited_is_handed_over() {
    let mut path = Path::new(0.0, 1);
    path.send(0);
    path.lose(1);
    path.send(2);
    path.sender = Sender::new(2);
    path.send(3);
    assert_eq!(path.came, [0, 2, 3]);
}

#[test]
fn one_who_joins_late_begins_where_the_peer_is() {
    let mut path = Path::new(1.0, 1);
    (0..1_000).for_each(|number| path.send(number));
    path.loss = 0.0;
    path.send(1_000);
    assert_eq!(path.came, [1_000]);
}

#[test]
fn what_was_forged_is_at_most_a_datagram_that_quic_does_not_believe_and_the_stream_goes_on() {
    let mut path = Path::new(0.0, 1);
    path.send(0);
    let leap = Packet::Original { number: u32::MAX - 3, datagram: Path::datagram(9) };
    path.receiver.take(1, leap, path.now);
    path.collect();
    path.give_up(Duration::from_secs(1));
    path.came.clear();
    (1..=2 * WINDOW as u32).for_each(|number| path.send(number));
    let all: Vec<u32> = (1..=2 * WINDOW as u32).collect();
    // One that came before it was believed may be worked out again.
    assert!(path.came.starts_with(&all) && path.came.len() < all.len() + 5);
    let junk = Bytes::from_static(&[0xff; 30]);
    for (first, count) in [(0, 255), (u32::MAX - 254, 255), (u32::MAX, 1), (500, 200), (505, 20)] {
        let sum = packet::Sum { first, count, seed: 77 };
        path.receiver.take(1, Packet::Repair { sum, bytes: junk.clone() }, path.now);
    }
    while path.receiver.next().is_some() {}
}

proptest::proptest! {
    #[test]
    fn whatever_is_lost_doubled_and_overtaken_nothing_comes_twice_or_changed(
        fates in proptest::collection::vec((0_u8..10, 0_usize..6), 1..400)
    ) {
        let (mut sender, mut receiver) = (Sender::new(9), Receiver::default());
        let (mut now, mut on_the_way, mut came) = (Instant::now(), Vec::new(), Vec::new());
        for (number, (fate, late)) in fates.iter().enumerate() {
            let datagram = Path::datagram(number as u32);
            let mut packets = vec![sender.original(&datagram, 0.0)];
            sender.sent(&datagram, now);
            packets.extend(std::iter::from_fn(|| sender.between(0.0)));
            if *fate == 9 {
                now += Duration::from_millis(12);
                packets.extend(sender.after(0.0, now));
            }
            for packet in packets {
                // Of ten, three are lost and one is doubled.
                for _ in 0..[0, 0, 0, 2, 1][usize::from(*fate).min(4)] {
                    on_the_way.insert(on_the_way.len().saturating_sub(*late), packet.clone());
                }
            }
            while on_the_way.len() > 6 {
                let (head, packet) = packet::read(&on_the_way.remove(0)).unwrap();
                receiver.take(head.epoch, packet, now);
                came.extend(std::iter::from_fn(|| receiver.next()));
            }
            now += SPACING;
        }
        let mut numbers: Vec<u32> = came.iter().map(|datagram| {
            let (_, number) = datagram.split_last_chunk().unwrap();
            let number = u32::from_be_bytes(*number);
            assert_eq!(*datagram, Path::datagram(number));
            number
        }).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        proptest::prop_assert_eq!(numbers.len(), all);
    }
}
