//! Which batches are answered by one model and no other.

use std::collections::BTreeMap;
use std::time::Instant;

use manyeyes_protocol::id::{BatchId, ModelDigest};

use crate::image::Image;
use crate::lanes::{LaneKey, Lanes};

/// Batches whose model is remembered. Full: all are forgotten, and bound again when that shows.
const BATCHES_MAX: usize = 4096;

/// The batches that are bound to a model.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// With when the answer was heard that decided it.
    models: BTreeMap<BatchId, (ModelDigest, Instant)>,
}

impl Bound {
    /// By an answer that was heard then. Says whether that is new; what a later answer has decided stays.
    pub(crate) fn bind(&mut self, batch: BatchId, model: ModelDigest, heard: Instant) -> bool {
        let before = self.models.get(&batch).copied();
        if before.is_some_and(|(_, later)| later > heard) {
            return false;
        }
        if self.models.len() >= BATCHES_MAX {
            self.models.clear();
        }
        self.models.insert(batch, (model, heard));
        before.is_none_or(|(before, _)| before != model)
    }

    /// The model that an image of the batch needs, if its batch is bound and it was not run again.
    pub(crate) fn model_of(&self, batch: BatchId, run: u32) -> Option<ModelDigest> {
        self.models.get(&batch).map(|(model, _)| *model).filter(|_| run == 0)
    }

    /// The lane for an image that begins to wait now: its batch may have been bound since it began to wait before.
    pub(crate) fn lane_of(&self, image: &Image, lanes: &mut Lanes) -> LaneKey {
        let batch = image.lane.batch();
        self.model_of(batch, image.run()).map_or(image.lane, |model| lanes.key(batch, Some(model)))
    }
}
