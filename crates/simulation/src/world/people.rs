//! The people: they make a batch, upload into it, try again when no answer comes, change their minds, and go. And what the
//! manager's web side does for them, in its order.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use manyeyes_manager::api::{ImageState, Timing};
use manyeyes_manager::engine::{Asked, work};
use manyeyes_manager::store::{Ending, ImageRow, Recorded, StoreError};
use manyeyes_protocol::id::{BatchId, ImageId};

use super::store::{Asker, FreshImage};
use super::{Event, World};
use crate::books::{Change, Reply};
use crate::history::Wish;
use crate::plan::{ClientPlan, UploadPlan};

/// One of the people.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) uploads: VecDeque<UploadPlan>,
    pub(super) batch: Option<BatchId>,
    waits: bool,
    /// What a 202 told of.
    pub(super) known: Vec<ImageId>,
    /// Wants nothing more.
    pub(super) gone: bool,
}

/// What somebody asks of the manager.
#[derive(Clone, Debug)]
pub(super) struct Request {
    id: u64,
    person: usize,
    what: What,
    at_manager: bool,
    /// The image as it was when the request was looked at.
    row: Option<ImageRow>,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    CreateBatch,
    Upload(BatchId, UploadPlan),
    Wish(Wish),
}

/// What comes back.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Nothing: the connection was lost, or nobody was there.
    Lost,
    Batch(BatchId),
    Uploaded(Vec<ImageId>),
    Done,
    /// Not now.
    Refused,
    /// There is no such batch or image.
    Gone,
}

impl Person {
    pub(super) fn new(plan: &ClientPlan) -> Self {
        Self { uploads: plan.uploads.clone().into(), batch: None, waits: false, known: Vec::new(), gone: false }
    }

    /// Has nothing more to ask, and waits for no answer.
    pub(super) fn is_through(&self) -> bool {
        !self.waits && (self.gone || self.uploads.is_empty())
    }
}

impl World {
    pub(super) fn person_acts(&mut self, person: usize) {
        let who = &mut self.people[person];
        if who.is_through() || who.waits {
            return;
        }
        who.waits = true;
        let what = match (who.batch, who.uploads.front()) {
            (Some(batch), Some(upload)) => {
                upload.files.iter().for_each(|(token, _)| self.history.sent(*token));
                What::Upload(batch, upload.clone())
            }
            _ => What::CreateBatch,
        };
        self.request(person, what);
    }

    /// A person wishes something of what it sees.
    pub(super) fn wish(&mut self, person: usize, wish: Wish) {
        self.history.wished(wish);
        self.say(|_| format!("person {person} wishes {wish:?}"));
        self.request(person, What::Wish(wish));
    }

    fn request(&mut self, person: usize, what: What) {
        self.next_request += 1;
        let request = Request { id: self.next_request, person, what, at_manager: false, row: None };
        self.requests.insert(request.id, request.clone());
        let after = self.chance.ms(1, 60);
        self.at(after, Event::RequestArrives(Box::new(request)));
    }

    pub(super) fn request_arrives(&mut self, mut request: Request) {
        let id = request.id;
        if self.manager.is_none() {
            return self.answer(id, Answer::Lost, Duration::ZERO);
        }
        request.at_manager = true;
        let what = request.what.clone();
        if let What::Wish(Wish::Cancel(image)) = &what {
            request.row = self.disk.books.images.get(image).map(|kept| kept.row.clone());
        }
        let was_found = request.row.is_some();
        self.requests.insert(id, request);
        match what {
            What::CreateBatch => self.push_change(Change::CreateBatch, Asker::Person(id)),
            What::Upload(batch, upload) => self.receive(id, batch, &upload),
            What::Wish(Wish::Cancel(_)) if !was_found => self.answer(id, Answer::Gone, Duration::ZERO),
            What::Wish(Wish::Cancel(image)) => {
                self.ask(Asked::Cancel(vec![image]));
                let attempts = self.disk.books.images.get(&image).map_or(0, |kept| kept.row.attempts);
                let change = Change::Finish { image, ending: Box::new(Ending::Cancelled { attempts }) };
                self.push_change(change, Asker::Person(id));
            }
            What::Wish(Wish::Again(image)) => self.push_change(Change::Reopen { image }, Asker::Person(id)),
            What::Wish(Wish::Delete(image)) => self.push_change(Change::DeleteImage { image }, Asker::Person(id)),
            What::Wish(Wish::DeleteBatch(batch)) => self.push_change(Change::DeleteBatch { batch }, Asker::Person(id)),
        }
    }

    /// Numbers the images and takes them into the line; work on them begins at once. With a key that is known, it gives
    /// the earlier upload's images.
    fn receive(&mut self, id: u64, batch: BatchId, upload: &UploadPlan) {
        if !self.disk.books.has_batch(batch) {
            return self.answer(id, Answer::Gone, Duration::ZERO);
        }
        let Some(manager) = &mut self.manager else {
            return;
        };
        if let Some(key) = upload.key {
            if let Some((_, others)) = manager.store.keys.get_mut(&(batch, key)) {
                return others.push(id);
            }
            if let Some(images) = self.disk.books.by_key(batch, key) {
                return self.answer(id, Answer::Uploaded(images), Duration::ZERO);
            }
        }
        let count = upload.files.len() as u64;
        let (Some(first), Some(seq)) = (manager.store.image.take(count), manager.store.seq.take(count)) else {
            self.reserve_numbers();
            return self.answer(id, Answer::Refused, Duration::ZERO);
        };
        (seq..seq + count).for_each(|seq| self.history.numbered(seq));
        let numbered = (0..).zip(&upload.files);
        let images: Vec<_> =
            numbered.map(|(at, (token, bytes))| (row(ImageId(first + at), batch, seq + at, *bytes), *token)).collect();
        for ((row, token), (_, bytes)) in images.iter().zip(&upload.files) {
            manager.store.fresh.insert(row.id, FreshImage { token: *token, bytes: *bytes });
        }
        if let Some(key) = upload.key {
            let ids = images.iter().map(|(row, _)| row.id).collect();
            manager.store.keys.insert((batch, key), (ids, Vec::new()));
        }
        let submitted = images.iter().map(|(row, _)| work(row)).collect();
        self.push_numbered(seq, Change::Keep { batch, key: upload.key, images }, Asker::Person(id));
        self.ask(Asked::Submit(submitted));
    }

    /// What a person has asked for is durable, or is not to be.
    pub(super) fn serve(&mut self, id: u64, change: &Change, outcome: Result<Reply, StoreError>) {
        let answer = match (change, outcome) {
            (Change::Keep { images, .. }, Ok(_)) => {
                images.iter().for_each(|(row, token)| self.history.accepted(row.id, *token));
                Answer::Uploaded(images.iter().map(|(row, _)| row.id).collect())
            }
            (Change::Keep { images, .. }, Err(error)) => {
                self.ask(Asked::Cancel(images.iter().map(|(row, _)| row.id).collect()));
                if error == StoreError::NoSuchBatch { Answer::Gone } else { Answer::Refused }
            }
            (Change::Finish { .. }, Err(_)) => {
                // It waits still, by the books.
                let row = self.requests.get(&id).and_then(|request| request.row.clone());
                if let Some(row) = row.filter(|row| row.state == ImageState::Waiting) {
                    self.ask(Asked::Submit(vec![work(&row)]));
                }
                Answer::Refused
            }
            (_, Err(StoreError::NoSuchBatch)) => Answer::Gone,
            (_, Err(_)) => Answer::Refused,
            (_, Ok(Reply::Batch(batch))) => Answer::Batch(batch),
            (Change::Reopen { .. }, Ok(Reply::Recorded(Recorded::Yes(row)))) => {
                self.ask(Asked::Submit(vec![work(&row)]));
                Answer::Done
            }
            (_, Ok(Reply::Recorded(Recorded::Yes(_)) | Reply::Done)) => Answer::Done,
            (_, Ok(Reply::Recorded(Recorded::Gone))) => Answer::Gone,
            (_, Ok(Reply::Recorded(_))) => Answer::Refused,
            (Change::DeleteImage { image }, Ok(Reply::Deleted(true))) => {
                self.ask(Asked::Cancel(vec![*image]));
                Answer::Done
            }
            (_, Ok(Reply::Deleted(_))) => Answer::Gone,
            (_, Ok(Reply::Unfinished(images))) => {
                self.ask(Asked::Cancel(images));
                Answer::Done
            }
        };
        self.answer(id, answer, Duration::ZERO);
    }

    /// Sends an answer on its way, which may be lost.
    pub(super) fn answer(&mut self, request: u64, answer: Answer, after: Duration) {
        let answer = if self.chance.percent(4) && !self.calm { Answer::Lost } else { answer };
        if let Some(request) = self.requests.get_mut(&request) {
            request.at_manager = false;
        }
        let after = after + self.chance.ms(1, 60);
        self.at(after, Event::Answer { request, answer });
    }

    /// Whoever waits for an answer of a manager that is gone gets none.
    pub(super) fn hang_up_people(&mut self) {
        let waiting: Vec<u64> =
            self.requests.values().filter(|request| request.at_manager).map(|request| request.id).collect();
        waiting.into_iter().for_each(|id| self.answer(id, Answer::Lost, Duration::ZERO));
    }

    pub(super) fn answered(&mut self, request: u64, answer: Answer) {
        let Some(request) = self.requests.remove(&request) else {
            return;
        };
        let person = request.person;
        if matches!(request.what, What::Wish(_)) {
            return;
        }
        let leaves = self.chance.percent(2);
        let who = &mut self.people[person];
        who.waits = false;
        let mut after = self.chance.ms(200, 2_000);
        match (request.what, answer) {
            (What::CreateBatch, Answer::Batch(batch)) => {
                who.batch = Some(batch);
                after = Duration::ZERO;
            }
            (What::Upload(_, upload), Answer::Uploaded(images)) => {
                who.known.extend(images);
                who.uploads.pop_front();
                who.gone |= leaves;
                after = upload.after;
            }
            (What::Upload(..), Answer::Gone) => who.gone = true,
            // Without a key, it cannot be tried again without the risk of having it twice.
            (What::Upload(_, UploadPlan { key: None, .. }), Answer::Lost | Answer::Refused) => {
                who.uploads.pop_front();
            }
            (What::CreateBatch | What::Upload(..) | What::Wish(_), _) => {}
        }
        self.at(after, Event::PersonActs { person });
    }
}

fn row(id: ImageId, batch: BatchId, seq: u64, bytes: usize) -> ImageRow {
    ImageRow {
        id,
        batch,
        seq,
        name: String::new(),
        state: ImageState::Waiting,
        bytes: bytes.max(8) as u64,
        sha256: None,
        media_type: None,
        width: None,
        height: None,
        began: SystemTime::UNIX_EPOCH,
        labels: Vec::new(),
        worker: None,
        attempts: 0,
        run: 0,
        model: None,
        problem: None,
        timing: Timing::default(),
        wire: None,
        form_bytes: None,
    }
}
