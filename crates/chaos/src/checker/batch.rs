//! One batch of a history: what was sent, accepted, wished and told, and whether it fits together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, Promise, Tally};
use crate::history::{Copy, State, Wish};

/// What is known of a batch. A client has its batches to itself, so nobody else has changed it.
pub(super) struct Batch {
    id: String,
    uploads: BTreeMap<String, Upload>,
    /// The key under which a file was sent.
    key_of: BTreeMap<String, String>,
    images: BTreeMap<String, Told>,
    /// The last number that an event stream told, and what each number said.
    last_number: u64,
    numbers: BTreeMap<u64, String>,
    asked_to_delete: bool,
    is_deleted: bool,
    books: Option<Vec<Copy>>,
}

struct Upload {
    files: Vec<String>,
    /// The ids of the images, once answered.
    accepted: Option<Vec<String>>,
}

/// What was told and wished of one image.
#[derive(Default)]
struct Told {
    /// The copies by their number, and when each was told first, in milliseconds of the run.
    copies: BTreeMap<u64, (Copy, u64)>,
    retries: usize,
    asked_to_cancel: bool,
    asked_to_delete: bool,
    is_deleted: bool,
}

impl Batch {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            uploads: BTreeMap::new(),
            key_of: BTreeMap::new(),
            images: BTreeMap::new(),
            last_number: 0,
            numbers: BTreeMap::new(),
            asked_to_delete: false,
            is_deleted: false,
            books: None,
        }
    }

    /// Says whether the key is new.
    pub(super) fn sent(&mut self, key: String, files: Vec<String>) -> bool {
        for file in &files {
            self.key_of.insert(file.clone(), key.clone());
        }
        let before = self.uploads.len();
        self.uploads.entry(key).or_insert(Upload { files, accepted: None });
        self.uploads.len() > before
    }

    /// Says how many images were accepted for the first time.
    pub(super) fn accepted(&mut self, key: &str, images: Vec<Copy>, found: &mut Found<'_>) -> u64 {
        let ids: Vec<String> = images.iter().map(|image| image.id.clone()).collect();
        let digests: Vec<&str> = images.iter().filter_map(|image| image.digest.as_deref()).collect();
        let Some(upload) = self.uploads.get_mut(key) else {
            found.add(Promise::NeverUploaded, format!("the unknown request {key} of {} was accepted", self.id));
            return 0;
        };
        if upload.files != digests {
            found.add(Promise::Lost, format!("request {key} of {} was accepted with other files", self.id));
        }
        let count = match &upload.accepted {
            Some(before) if *before != ids => {
                let what = format!("request {key} of {} was answered with {before:?} and with {ids:?}", self.id);
                found.add(Promise::Doubled, what);
                0
            }
            Some(_) => 0,
            None => ids.len() as u64,
        };
        upload.accepted.get_or_insert(ids);
        images.into_iter().for_each(|image| self.told(image, found));
        count
    }

    /// Whether a refusal is of the batch's own state, and right.
    pub(super) fn may_refuse(&self, image: Option<&str>, status: u16, code: &str) -> bool {
        let is_deleted = |image: &str| self.images.get(image).is_some_and(|told| told.asked_to_delete);
        match (status, code) {
            (404, "no_such_batch") => self.asked_to_delete,
            (404, "no_such_image") => image.is_some_and(is_deleted),
            // A person may come too late, and may say it twice where the first answer was lost.
            (409, "ended" | "not_retriable") => image.is_some(),
            _ => false,
        }
    }

    pub(super) fn asked(&mut self, image: Option<String>, wish: Wish) {
        let Some(image) = image else {
            self.asked_to_delete |= wish == Wish::Delete;
            return;
        };
        let told = self.images.entry(image).or_default();
        match wish {
            Wish::Retry => told.retries += 1,
            Wish::Cancel => told.asked_to_cancel = true,
            Wish::Delete => told.asked_to_delete = true,
        }
    }

    pub(super) fn done(&mut self, image: Option<String>, wish: Wish) {
        if wish != Wish::Delete {
            return;
        }
        match image {
            Some(image) => self.images.entry(image).or_default().is_deleted = true,
            None => self.is_deleted = true,
        }
    }

    pub(super) fn opened(&mut self, from: Option<u64>) {
        // Who comes without a number has forgotten what it was told.
        self.last_number = from.unwrap_or(0);
    }

    pub(super) fn snapshot(&mut self, seq: u64, images: Vec<Copy>, deleted: Vec<String>, found: &mut Found<'_>) {
        self.number(seq, found);
        images.into_iter().for_each(|image| self.told(image, found));
        deleted.iter().for_each(|image| self.told_deleted(image, found));
    }

    pub(super) fn change(&mut self, seq: u64, image: Option<Copy>, deleted: Option<String>, found: &mut Found<'_>) {
        self.number(seq, found);
        let said = format!("{image:?} {deleted:?}");
        if let Some(before) = self.numbers.get(&seq).filter(|before| **before != said) {
            let what = format!("number {seq} of {} said first {before} and then {said}", self.id);
            found.add(Promise::EventNumbers, what);
        }
        self.numbers.insert(seq, said);
        image.into_iter().for_each(|image| self.told(image, found));
        deleted.iter().for_each(|image| self.told_deleted(image, found));
    }

    pub(super) fn gone(&mut self, found: &mut Found<'_>) {
        if !self.asked_to_delete {
            found.add(Promise::Unasked, format!("batch {} is gone, says its event stream", self.id));
        }
    }

    pub(super) fn read(&mut self, images: Option<Vec<Copy>>, found: &mut Found<'_>) {
        match images {
            None if !self.asked_to_delete => {
                found.add(Promise::Lost, format!("there is no batch {} any more", self.id));
            }
            None => {}
            Some(_) if self.is_deleted => found.add(Promise::CameBack, format!("batch {} is there again", self.id)),
            Some(images) => {
                images.iter().for_each(|image| self.told(image.clone(), found));
                self.books = Some(images);
            }
        }
    }

    fn number(&mut self, seq: u64, found: &mut Found<'_>) {
        if seq <= self.last_number {
            let what = format!("after number {} the stream of {} said {seq}", self.last_number, self.id);
            found.add(Promise::EventNumbers, what);
        }
        self.last_number = seq;
    }

    fn told_deleted(&mut self, image: &str, found: &mut Found<'_>) {
        if !self.images.get(image).is_some_and(|told| told.asked_to_delete) {
            found.add(Promise::Unasked, format!("image {image} of {} is said to be deleted", self.id));
        }
    }

    fn told(&mut self, image: Copy, found: &mut Found<'_>) {
        let name = format!("image {} of {}", image.id, self.id);
        let digest = image.digest.as_deref().unwrap_or("none");
        if !self.key_of.contains_key(digest) {
            found.add(Promise::NeverUploaded, format!("{name}, digest {digest}"));
        }
        if is_wrong(&image) {
            if found.is_excused(image.worker.as_deref(), found.at_ms) {
                found.excused += 1;
            } else {
                let what = format!("{name}, digest {digest}, has {:?} from {:?}", image.label, image.worker);
                found.add(Promise::WrongLabel, what);
            }
        }
        let told = self.images.entry(image.id.clone()).or_default();
        if image.state == State::Cancelled && !told.asked_to_cancel {
            found.add(Promise::Unasked, format!("{name} is cancelled"));
        }
        let at_ms = found.at_ms;
        let (before, _) = told.copies.entry(image.seq).or_insert_with(|| (image.clone(), at_ms));
        if *before != image {
            found.add(Promise::Numbering, format!("{name} was told as {before:?} and as {image:?}"));
        }
    }

    pub(super) fn finish(self, tally: &mut Tally, found: &mut Found<'_>) {
        for (id, told) in &self.images {
            told.endings_stay(&format!("image {id} of {}", self.id), found);
        }
        let Some(books) = &self.books else {
            if !self.uploads.is_empty() {
                found.add(Promise::NotRead, format!("batch {}", self.id));
            }
            return;
        };
        self.each_once(books, found);
        let by_id: BTreeMap<&str, &Copy> = books.iter().map(|copy| (copy.id.as_str(), copy)).collect();
        for upload in self.uploads.values() {
            match &upload.accepted {
                Some(ids) => ids.iter().for_each(|id| self.accounted_for(id, &by_id, tally, found)),
                None => self.once_or_not_at_all(upload, books, tally, found),
            }
        }
    }

    fn each_once(&self, books: &[Copy], found: &mut Found<'_>) {
        let (mut ids, mut digests) = (BTreeSet::new(), BTreeSet::new());
        for copy in books {
            if !ids.insert(&copy.id) || !digests.insert(&copy.digest) {
                found.add(Promise::Doubled, format!("image {} of {}, digest {:?}", copy.id, self.id, copy.digest));
            }
        }
    }

    fn accounted_for(&self, id: &str, books: &BTreeMap<&str, &Copy>, tally: &mut Tally, found: &mut Found<'_>) {
        let name = format!("image {id} of {}", self.id);
        let told = &self.images[id];
        let Some(copy) = books.get(id) else {
            if told.asked_to_delete {
                tally.deleted += 1;
            } else {
                found.add(Promise::Lost, format!("{name} was accepted and is not in the books"));
            }
            return;
        };
        if told.is_deleted {
            found.add(Promise::CameBack, format!("{name} was deleted and is in the books"));
        }
        if told.copies.keys().next_back().is_some_and(|&last| last > copy.seq) {
            found.add(Promise::Numbering, format!("{name} was told with a higher number than the books' {}", copy.seq));
        }
        // A batch that its owner has deleted may have been read before a wrong answer in it was found out.
        if is_wrong(copy) && !self.asked_to_delete {
            found.add(Promise::WrongLabel, format!("{name} has {:?} at the end", copy.label));
        }
        match copy.state {
            State::Recognised => tally.recognised += 1,
            State::Cancelled => tally.cancelled += 1,
            State::Failed | State::Rejected => found.add(Promise::GivenUp, format!("{name}: {:?}", copy.error)),
            State::Waiting | State::Assigned if self.asked_to_delete && told.was_doubted(found) => tally.deleted += 1,
            State::Waiting | State::Assigned => found.add(Promise::Unfinished, name),
        }
    }

    /// An upload that nobody was told of is there whole, or not at all. Its images may have ended or not: who does not know of
    /// them waits for none.
    fn once_or_not_at_all(&self, upload: &Upload, books: &[Copy], tally: &mut Tally, found: &mut Found<'_>) {
        let is_of_it = |copy: &&Copy| copy.digest.as_ref().is_some_and(|digest| upload.files.contains(digest));
        let there = books.iter().filter(is_of_it).count();
        tally.kept_without_answer += there as u64;
        if there != 0 && there != upload.files.len() {
            let what = format!("{there} of {} files of a request of {} are there", upload.files.len(), self.id);
            found.add(Promise::Lost, what);
        }
    }
}

/// Whether it has the answer of another image, or none though it has ended well.
fn is_wrong(copy: &Copy) -> bool {
    let own = copy.digest.as_ref().map(|digest| format!("sha256:{digest}"));
    copy.state == State::Recognised && (copy.label.is_none() || copy.label != own)
}

impl Told {
    /// By their numbers, the copies of an image that had ended stay as they are, but for as many times as somebody has asked
    /// for another run.
    fn endings_stay(&self, name: &str, found: &mut Found<'_>) {
        let copies: Vec<&(Copy, u64)> = self.copies.values().collect();
        let changed = copies.windows(2).filter(|pair| {
            let ((before, told_at_ms), (after, _)) = (pair[0], pair[1]);
            let is_other = (before.state, &before.label) != (after.state, &after.label);
            before.state.has_ended() && is_other && !found.is_excused(before.worker.as_deref(), *told_at_ms)
        });
        let changed: Vec<String> = changed.map(|pair| format!("{:?} to {:?}", pair[0].0, pair[1].0)).collect();
        if changed.len() > self.retries {
            found.add(Promise::ChangedEnding, format!("{name}, run again {} times, from {changed:?}", self.retries));
        }
    }

    /// Whether it had an answer that was taken back for its worker's wrong ones. Its owner may have seen that answer, and have
    /// deleted the batch before the next one came.
    fn was_doubted(&self, found: &Found<'_>) -> bool {
        self.copies.values().any(|(copy, told_at_ms)| {
            copy.state == State::Recognised && found.is_excused(copy.worker.as_deref(), *told_at_ms)
        })
    }
}
