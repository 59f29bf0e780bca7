//! What is told of a disk that does not take what it is given: that it began, and that it is over. A full disk refuses
//! hundreds of changes a second, and a log with a line for each would fill what is left of it.

use std::mem::{Discriminant, discriminant};

use super::StoreError;

/// Whether the disk is in trouble, and in which.
#[derive(Debug, Default)]
pub(super) struct Trouble(Option<Discriminant<StoreError>>);

impl Trouble {
    /// The disk has refused something. Says whether that is news: whether it was well, or in trouble of another kind.
    pub(super) fn met(&mut self, error: &StoreError) -> bool {
        self.0.replace(discriminant(error)) != Some(discriminant(error))
    }

    /// The disk has taken something new. Says whether that is news.
    pub(super) fn over(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that was full for three seconds left 118 lines in the log.
    #[test]
    fn a_full_disk_is_news_once_and_so_is_its_end() {
        let mut trouble = Trouble::default();
        let news = [(); 118].map(|()| trouble.met(&StoreError::NoSpace));
        assert_eq!(news.iter().filter(|news| **news).count(), 1);
        assert_eq!((trouble.over(), trouble.over()), (true, false));
        assert!(trouble.met(&StoreError::NoSpace), "the next time is news again");
    }

    #[test]
    fn trouble_of_another_kind_is_news() {
        let mut trouble = Trouble::default();
        assert!(trouble.met(&StoreError::NoSpace));
        assert!(trouble.met(&StoreError::Disk("sync packs/1: input/output error".to_owned())));
        assert!(!trouble.met(&StoreError::Disk("sync packs/2: input/output error".to_owned())));
    }
}
