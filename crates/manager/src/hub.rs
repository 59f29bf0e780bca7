//! Who watches which batch, and what they are told. A change is written as JSON once, and only if someone watches.
//!
//! Each message of a batch takes its number here, as it is sent, so numbers rise in the order of delivery. A short
//! journal of a batch's last changes answers a page that comes back; one that was away for longer gets the whole.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::extract::ws::Utf8Bytes;
use manyeyes_protocol::id::{BatchId, ImageId};
use tokio::sync::broadcast;

use crate::{
    api::{Event, Image, Status},
    store::Store,
};

/// Changes of a batch that are remembered for pages that come back: a reconnect's worth at 1,000 changes a second.
const JOURNAL: usize = 8192;
/// Batches that are remembered though nobody watches them any more. The ones watched longest ago are forgotten first.
const UNWATCHED_FEEDS: usize = 64;

/// The one place from which pages are told.
pub(crate) struct Hub {
    store: Store,
    /// The most changes that wait for one reader.
    capacity: usize,
    feeds: Mutex<HashMap<BatchId, Feed>>,
}

#[derive(Debug)]
struct Feed {
    /// `None` when nobody listens any more: the room for messages is larger than all that is remembered of most batches.
    messages: Option<broadcast::Sender<Message>>,
    /// The journal holds every change after this one.
    journal_from: u64,
    journal: VecDeque<(u64, ImageId)>,
    /// Something has changed since the last status.
    stale: bool,
    /// When who watches was last told a status.
    told: Option<Instant>,
    watched_at: u64,
}

/// What a subscriber receives.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A numbered change.
    Change(u64, Utf8Bytes),
    /// What is not of one image: for who may see the workers, and for who may not.
    Status { all: Utf8Bytes, less: Utf8Bytes },
    /// The batch is no more.
    Gone,
}

/// A subscription, with what changed between the `from` that was asked for and its beginning.
pub(crate) struct Subscription {
    /// The numbers of all later messages are higher.
    pub(crate) seq: u64,
    /// Images that have changed or were deleted since `from`; `None` when that is not known.
    pub(crate) changed: Option<Vec<ImageId>>,
    /// Everything that follows; one that lags is told so, and subscribes again.
    pub(crate) messages: broadcast::Receiver<Message>,
}

impl Hub {
    pub(crate) fn new(store: Store, capacity: usize) -> Self {
        Self { store, capacity, feeds: Mutex::default() }
    }

    /// Begins to watch a batch. Reads of the batch's state after this miss nothing that is not sent.
    pub(crate) fn subscribe(&self, batch: BatchId, from: Option<u64>) -> Subscription {
        let mut feeds = self.lock();
        let seq = self.store.next_seq();
        let feed = feeds.entry(batch).or_insert_with(|| Feed::new(seq));
        feed.watched_at = seq;
        feed.stale = true;
        let messages = feed.messages.get_or_insert_with(|| broadcast::Sender::new(self.capacity)).subscribe();
        // A number that has not been given yet is of other books, or made up: it says nothing of what its page has.
        let known = from.filter(|&from| feed.journal_from <= from && from < seq);
        let changed = known.map(|from| feed.changed_since(from));
        forget_unwatched(&mut feeds);
        Subscription { seq, changed, messages }
    }

    /// Whether a change of the batch must be published at all.
    pub(crate) fn is_watched(&self, batch: BatchId) -> bool {
        self.lock().contains_key(&batch)
    }

    /// Tells who watches that an image is now so.
    pub(crate) fn changed(&self, batch: BatchId, id: ImageId, image: &Image) {
        self.publish(batch, id, |seq| Event::Change { seq, image: Some(image.clone()), deleted: None });
    }

    /// Tells who watches that an image is no more.
    pub(crate) fn deleted(&self, batch: BatchId, id: ImageId) {
        self.publish(batch, id, |seq| Event::Change { seq, image: None, deleted: Some(id.to_string()) });
    }

    /// Tells who watches that the batch is no more.
    pub(crate) fn gone(&self, batch: BatchId) {
        if let Some(feed) = self.lock().remove(&batch) {
            feed.send(Message::Gone);
        }
    }

    /// Batches that someone watches and whose status is to be told now: `all`, or those that have changed since or were
    /// not told for `longest`. They count as told.
    pub(crate) fn take_watched(&self, all: bool, longest: Duration, now: Instant) -> Vec<BatchId> {
        let mut feeds = self.lock();
        let watched = feeds.iter_mut().filter(|(_, feed)| feed.is_listened_to());
        watched.filter_map(|(&batch, feed)| feed.take_due(all, longest, now).then_some(batch)).collect()
    }

    /// Tells who watches what is not of one image.
    pub(crate) fn status(&self, batch: BatchId, status: Status) {
        let all = json(&Event::Status(status.clone()));
        let less = json(&Event::Status(status.without_workers()));
        if let Some(feed) = self.lock().get(&batch) {
            feed.send(Message::Status { all, less });
        }
    }

    fn publish(&self, batch: BatchId, id: ImageId, event: impl FnOnce(u64) -> Event) {
        let mut feeds = self.lock();
        let Some(feed) = feeds.get_mut(&batch) else {
            return;
        };
        let seq = self.store.next_seq();
        feed.remember(seq, id);
        if feed.is_listened_to() {
            feed.send(Message::Change(seq, json(&event(seq))));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BatchId, Feed>> {
        // Each change is whole before anything that could panic.
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    fn new(seq: u64) -> Self {
        Self { messages: None, journal_from: seq, journal: VecDeque::new(), stale: true, told: None, watched_at: seq }
    }

    fn is_listened_to(&self) -> bool {
        self.messages.as_ref().is_some_and(|messages| messages.receiver_count() > 0)
    }

    fn send(&self, message: Message) {
        if let Some(messages) = &self.messages {
            // Nobody listening is no failure.
            let _ = messages.send(message);
        }
    }

    fn take_due(&mut self, all: bool, longest: Duration, now: Instant) -> bool {
        let long_ago = |told: Instant| now.saturating_duration_since(told) >= longest;
        let is_due = all || self.stale || self.told.is_none_or(long_ago);
        if is_due {
            self.stale = false;
            self.told = Some(now);
        }
        is_due
    }

    fn remember(&mut self, seq: u64, image: ImageId) {
        self.stale = true;
        if self.journal.len() == JOURNAL
            && let Some((forgotten, _)) = self.journal.pop_front()
        {
            self.journal_from = forgotten;
        }
        self.journal.push_back((seq, image));
    }

    /// In upload order, each once.
    fn changed_since(&self, from: u64) -> Vec<ImageId> {
        let begin = self.journal.partition_point(|&(seq, _)| seq <= from);
        let images: BTreeSet<ImageId> = self.journal.range(begin..).map(|&(_, image)| image).collect();
        images.into_iter().collect()
    }
}

fn forget_unwatched(feeds: &mut HashMap<BatchId, Feed>) {
    let mut unwatched = Vec::new();
    for (&batch, feed) in feeds.iter_mut().filter(|(_, feed)| !feed.is_listened_to()) {
        feed.messages = None;
        unwatched.push((feed.watched_at, batch));
    }
    unwatched.sort_unstable_by_key(|&(watched_at, _)| std::cmp::Reverse(watched_at));
    for (_, batch) in unwatched.into_iter().skip(UNWATCHED_FEEDS) {
        feeds.remove(&batch);
    }
}

/// An event as it travels.
pub(crate) fn json(event: &Event) -> Utf8Bytes {
    serde_json::to_string(event).expect("the types of the interface are JSON").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreSettings;

    /// A page that reads nothing must cost no more memory the more happens.
    #[test]
    fn no_more_changes_wait_for_a_page_than_the_limit_and_it_is_told_that_it_has_missed_some() {
        const CAPACITY: usize = 16;
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::new(Store::open(folder.path(), StoreSettings::default()).unwrap(), CAPACITY);
        let batch = BatchId(1);
        let mut page = hub.subscribe(batch, None);
        for image in 0..10_000 {
            hub.deleted(batch, ImageId(image));
        }
        assert!(matches!(page.messages.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
        let waiting = std::iter::from_fn(|| page.messages.try_recv().ok()).count();
        assert_eq!(waiting, CAPACITY);
        assert_eq!(hub.lock()[&batch].journal.len(), JOURNAL, "nor are more remembered for who comes back");
    }

    /// In ten minutes of chaos the manager's memory grew by a sixth: each batch that was ever watched kept its room.
    #[test]
    fn a_batch_that_nobody_watches_any_more_keeps_no_room_for_messages_and_forgets_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::new(Store::open(folder.path(), StoreSettings::default()).unwrap(), 16);
        let batch = BatchId(1);
        let seq = hub.subscribe(batch, None).seq;
        let other = hub.subscribe(BatchId(2), None);
        assert!(hub.lock()[&batch].messages.is_none());
        hub.deleted(batch, ImageId(7));
        let mut back = hub.subscribe(batch, Some(seq));
        assert_eq!(back.changed, Some(vec![ImageId(7)]));
        hub.deleted(batch, ImageId(8));
        assert!(matches!(back.messages.try_recv(), Ok(Message::Change(..))));
        drop(other);
    }

    #[test]
    fn who_watches_is_told_a_status_now_and_then_though_nothing_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::new(Store::open(folder.path(), StoreSettings::default()).unwrap(), 16);
        let (batch, longest, begin) = (BatchId(1), Duration::from_secs(5), Instant::now());
        let page = hub.subscribe(batch, None);
        assert_eq!(hub.take_watched(false, longest, begin), [batch], "whoever has come is told");
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(hub.take_watched(false, longest, at(4)).is_empty());
        assert_eq!(hub.take_watched(false, longest, at(5)), [batch]);
        assert!(hub.take_watched(false, longest, at(9)).is_empty());
        assert_eq!(hub.take_watched(true, longest, at(9)), [batch], "what all pages show has changed");
        drop(page);
        assert!(hub.take_watched(true, longest, at(100)).is_empty(), "nobody is there to be told");
    }
}
