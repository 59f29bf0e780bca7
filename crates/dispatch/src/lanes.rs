//! The images that wait, in the order in which they are served.
//!
//! A lane holds what waits of one batch and needs one model. The lane with the fewest images in flight is next; among
//! equals, the one whose turn is longest ago. So two long batches share the workers evenly, and a
//! short one behind a long one does not queue behind it: everything it has is in flight before the long one gets another.
//! A batch that asks for two models counts as two.
//!
//! In a lane, what was requeued comes before what is new, each in upload order. Images that not every worker may have
//! (they failed somewhere) are kept apart, because each needs a decision of its own.

use std::collections::{BTreeMap, BTreeSet};

use manyeyes_protocol::id::{BatchId, ImageId, ModelDigest};

/// Which lane an image is of. Small, because every image carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneKey {
    need: u32,
    batch: BatchId,
}

impl LaneKey {
    pub(crate) fn batch(self) -> BatchId {
        self.batch
    }
}

/// Where in its lane an image waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// It failed somewhere, so that not every worker may have it.
    Troubled,
    /// It was with a worker, which lost it through no fault of the image.
    Requeued,
    /// It has not been with a worker.
    New,
}

/// All that waits.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// One for every model that was ever asked for: a handful in a manager's life.
    needs: Vec<Need>,
    lanes: BTreeMap<LaneKey, Lane>,
    turns: u64,
}

/// What waits for one model.
#[derive(Debug)]
struct Need {
    model: Option<ModelDigest>,
    /// The lanes in which something waits, next first.
    order: BTreeSet<Turn>,
    /// How many wait that any worker may have.
    easy: usize,
    /// How many wait that not every worker may have.
    troubled: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    in_flight: u32,
    last_turn: u64,
    batch: BatchId,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeSet<(Rank, ImageId)>,
    in_flight: u32,
    last_turn: u64,
}

impl Lanes {
    /// The lane for a batch and a model.
    pub(crate) fn key(&mut self, batch: BatchId, model: Option<ModelDigest>) -> LaneKey {
        let at = self.needs.iter().position(|need| need.model == model).unwrap_or_else(|| {
            self.needs.push(Need { model, order: BTreeSet::new(), easy: 0, troubled: 0 });
            self.needs.len() - 1
        });
        LaneKey { need: u32::try_from(at).expect("fewer models than images, of which 2^32 do not fit"), batch }
    }

    /// An image begins to wait.
    pub(crate) fn push(&mut self, key: LaneKey, rank: Rank, image: ImageId) {
        let turn = self.next_turn();
        self.change(key, |lane| {
            if lane.waiting.is_empty() && lane.in_flight == 0 {
                lane.last_turn = turn;
            }
            lane.waiting.insert((rank, image));
        });
        *self.count(key, rank) += 1;
    }

    /// An image waits no more because it has ended.
    pub(crate) fn remove(&mut self, key: LaneKey, rank: Rank, image: ImageId) {
        self.change(key, |lane| {
            lane.waiting.remove(&(rank, image));
        });
        *self.count(key, rank) -= 1;
    }

    /// An image waits no more because it is with a worker.
    pub(crate) fn serve(&mut self, key: LaneKey, rank: Rank, image: ImageId) {
        let turn = self.next_turn();
        self.change(key, |lane| {
            lane.in_flight += 1;
            lane.last_turn = turn;
        });
        self.remove(key, rank, image);
    }

    /// An image of the lane is no longer with a worker.
    pub(crate) fn land(&mut self, key: LaneKey) {
        self.change(key, |lane| lane.in_flight -= 1);
    }

    /// The model that images of the lane need; `None` for any.
    pub(crate) fn need(&self, key: LaneKey) -> Option<&ModelDigest> {
        self.needs[key.need as usize].model.as_ref()
    }

    /// What waits of a batch, for whatever model.
    pub(crate) fn waiting_of(&self, batch: BatchId) -> Vec<(Rank, ImageId)> {
        let keys = (0..self.needs.len()).map(|need| LaneKey { need: need as u32, batch });
        keys.filter_map(|key| self.lanes.get(&key)).flat_map(|lane| lane.waiting.iter().copied()).collect()
    }

    /// The models for which something waits, in the order of their next lanes' turns.
    pub(crate) fn queues(&self) -> impl Iterator<Item = Queue<'_>> {
        let waiting = self.needs.iter().enumerate().filter_map(|(at, need)| Some((need.order.first()?, at, need)));
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_unstable_by_key(|(turn, at, _)| (**turn, *at));
        waiting.into_iter().map(|(_, at, need)| Queue { lanes: &self.lanes, at: at as u32, need })
    }

    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn count(&mut self, key: LaneKey, rank: Rank) -> &mut usize {
        let need = &mut self.needs[key.need as usize];
        if rank == Rank::Troubled { &mut need.troubled } else { &mut need.easy }
    }

    fn change(&mut self, key: LaneKey, change: impl FnOnce(&mut Lane)) {
        let lane = self.lanes.entry(key).or_default();
        let order = &mut self.needs[key.need as usize].order;
        order.remove(&lane.turn(key.batch));
        change(lane);
        if !lane.waiting.is_empty() {
            order.insert(lane.turn(key.batch));
        } else if lane.in_flight == 0 {
            self.lanes.remove(&key);
        }
    }
}

/// What waits for one model, to be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue<'a> {
    lanes: &'a BTreeMap<LaneKey, Lane>,
    at: u32,
    need: &'a Need,
}

impl<'a> Queue<'a> {
    /// The model; `None` for any.
    pub(crate) fn model(&self) -> Option<&'a ModelDigest> {
        self.need.model.as_ref()
    }

    /// How many wait that any worker may have.
    pub(crate) fn easy(&self) -> usize {
        self.need.easy
    }

    /// How many wait that not every worker may have.
    pub(crate) fn troubled(&self) -> usize {
        self.need.troubled
    }

    /// The lanes, next first: each gives up to `limit` of its images that not every worker may have, and whether any
    /// other waits there.
    pub(crate) fn turns(&self, limit: usize) -> impl Iterator<Item = (Vec<ImageId>, bool)> {
        self.in_turn().map(move |lane| {
            let troubled = lane.waiting.iter().take_while(|(rank, _)| *rank == Rank::Troubled);
            let others = lane.waiting.last().is_some_and(|(rank, _)| *rank != Rank::Troubled);
            (troubled.take(limit).map(|(_, image)| *image).collect(), others)
        })
    }

    /// The image that would be served after `skipped` others, of those that any worker may have.
    pub(crate) fn nth_easy(&self, mut skipped: usize) -> Option<ImageId> {
        if skipped >= self.easy() {
            return None;
        }
        let easy = self.in_turn().map(|lane| lane.easy().peekable());
        let mut lanes: Vec<_> =
            easy.filter_map(|mut lane| lane.peek().is_some().then_some(lane)).take(skipped + 1).collect();
        loop {
            for lane in &mut lanes {
                if let Some(image) = lane.next() {
                    if skipped == 0 {
                        return Some(image);
                    }
                    skipped -= 1;
                }
            }
        }
    }

    fn in_turn(self) -> impl Iterator<Item = &'a Lane> {
        let keys = self.need.order.iter().map(move |turn| LaneKey { need: self.at, batch: turn.batch });
        keys.filter_map(|key| self.lanes.get(&key))
    }
}

impl Lane {
    fn turn(&self, batch: BatchId) -> Turn {
        Turn { in_flight: self.in_flight, last_turn: self.last_turn, batch }
    }

    fn easy(&self) -> impl Iterator<Item = ImageId> {
        self.waiting.range((Rank::Requeued, ImageId(0))..).map(|(_, image)| *image)
    }
}
