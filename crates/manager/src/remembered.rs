//! What was made last, within so many bytes.

use std::{collections::HashMap, hash::Hash};

use bytes::Bytes;

/// Pictures by their keys. The least recently asked for is forgotten first.
#[derive(Debug)]
pub(crate) struct Remembered<K> {
    most_bytes: usize,
    bytes: usize,
    asked: u64,
    pictures: HashMap<K, (u64, Bytes)>,
}

impl<K: Copy + Eq + Hash> Remembered<K> {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { most_bytes, bytes: 0, asked: 0, pictures: HashMap::new() }
    }

    pub(crate) fn get(&mut self, key: K) -> Option<Bytes> {
        self.asked += 1;
        let (asked, picture) = self.pictures.get_mut(&key)?;
        *asked = self.asked;
        Some(picture.clone())
    }

    pub(crate) fn put(&mut self, key: K, picture: Bytes) {
        self.bytes += picture.len();
        if let Some((_, former)) = self.pictures.insert(key, (self.asked, picture)) {
            self.bytes -= former.len();
        }
        while self.bytes > self.most_bytes {
            let Some(oldest) = self.pictures.iter().min_by_key(|(_, (asked, _))| *asked).map(|(&key, _)| key) else {
                break;
            };
            self.bytes -= self.pictures.remove(&oldest).map_or(0, |(_, picture)| picture.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_asked_for_is_forgotten_first() {
        let mut remembered = Remembered::new(2);
        for key in 1..=2 {
            assert_eq!(remembered.get(key), None);
            remembered.put(key, Bytes::from_static(b"x"));
        }
        assert!(remembered.get(1).is_some());
        remembered.put(3, Bytes::from_static(b"x"));
        assert!(remembered.get(2).is_none());
        assert!(remembered.get(1).is_some());
    }
}
