//! Connections that have said no Hello yet: whoever can reach the port can open them, so there are few, and they keep no
//! worker out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// The connections that have not been greeted, each with something by which it can be ended.
#[derive(Debug)]
pub(super) struct Hall<T> {
    most: usize,
    /// By their arrival, oldest first.
    waiting: BTreeMap<u64, (IpAddr, T)>,
    arrivals: u64,
}

impl<T> Hall<T> {
    /// For at most so many, and at least one.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), waiting: BTreeMap::new(), arrivals: 0 }
    }

    /// One more has come. Gives its number, and the one that has to go for it where there are too many now: of the address
    /// that has the most here, the one that has had the most time to speak. So many from one place cost each other theirs,
    /// and a worker from elsewhere has its time, however many they are.
    pub(super) fn enter(&mut self, address: IpAddr, connection: T) -> (u64, Option<T>) {
        self.arrivals += 1;
        self.waiting.insert(self.arrivals, (address, connection));
        let oldest = if self.waiting.len() > self.most { self.oldest_of_the_most() } else { None };
        (self.arrivals, oldest.and_then(|oldest| self.waiting.remove(&oldest)).map(|(_, connection)| connection))
    }

    /// Whether half of the places are taken: the time to ask for something before one more is given.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.len() >= self.most.div_ceil(2)
    }

    /// It has been greeted, or has ended.
    pub(super) fn leave(&mut self, number: u64) {
        self.waiting.remove(&number);
    }

    fn oldest_of_the_most(&self) -> Option<u64> {
        let mut of: HashMap<IpAddr, usize> = HashMap::new();
        for (address, _) in self.waiting.values() {
            *of.entry(*address).or_default() += 1;
        }
        let most = of.values().copied().max()?;
        self.waiting.iter().find(|(_, (address, _))| of[address] == most).map(|(&number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_flood_from_one_address_drives_out_only_itself() {
        let mut hall = Hall::new(4);
        assert_eq!(hall.enter(address(1), "worker"), (1, None));
        let evicted: Vec<_> =
            ["a", "b", "c", "d", "e", "f"].into_iter().filter_map(|s| hall.enter(address(2), s).1).collect();
        assert_eq!(evicted, ["a", "b", "c"]);
        assert!(hall.waiting.values().any(|(_, name)| *name == "worker"));
    }

    #[test]
    fn among_equals_the_oldest_goes() {
        let mut hall = Hall::new(2);
        let entered: Vec<_> = (1..=3).map(|last| hall.enter(address(last), last).1).collect();
        assert_eq!(entered, [None, None, Some(1)]);
    }

    #[test]
    fn one_that_was_greeted_is_not_counted_and_not_driven_out() {
        let mut hall = Hall::new(1);
        let (number, _) = hall.enter(address(1), "worker");
        hall.leave(number);
        assert_eq!(hall.enter(address(1), "stranger").1, None);
    }
}
