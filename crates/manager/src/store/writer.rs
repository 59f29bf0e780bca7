//! The one thread that writes. It takes every change that waits, makes the bytes durable, commits the books, and only
//! then answers all of them.

use std::fs;
use std::sync::Arc;

use manyeyes_protocol::id::ImageId;
use rusqlite::Connection;

use super::StoreError;
use super::books::{self, Place};
use super::folder::{Folder, sync_folder};
use super::group::{AfterCommit, Group};
use super::line::{self, Ceilings, Change, Keep, Reply, Request};
use super::pack::{Packs, Span};
use super::reserve::Reserve;
use super::row::Recorded;
use super::shared::Shared;
use super::spool::Body;
use super::trouble::Trouble;

/// How often a group is halved when the disk has no space for all of it: enough to find two changes that are too much in
/// the largest group, and few enough that a full disk does not keep everybody waiting.
const PARTS: u32 = 24;

/// The writer's thread, before it runs.
pub(super) struct Writer {
    shared: Arc<Shared>,
    folder: Arc<Folder>,
    books: Connection,
    packs: Packs,
    reserve: Reserve,
    /// Images of deleted batches are (perhaps) left to be removed.
    condemned: bool,
    /// The last commit failed: waits for a reason to try again.
    resting: bool,
    trouble: Trouble,
}

/// A change on its way through a group.
struct Work {
    request: Request,
    /// Where the bytes of a keep's images are, in order.
    places: Vec<Place>,
    outcome: Outcome,
}

enum Outcome {
    /// To be applied.
    Open,
    Applied(Result<Reply, StoreError>),
    /// Its bytes or its group could not be written.
    Failed(StoreError),
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        folder: Arc<Folder>,
        books: Connection,
        packs: Packs,
        reserve: Reserve,
    ) -> Self {
        Self { shared, folder, books, packs, reserve, condemned: true, resting: false, trouble: Trouble::default() }
    }

    /// Until the line is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            let group = self.shared.line.take(!self.condemned || self.resting);
            let last = group.last;
            self.commit(group);
            if last {
                break;
            }
        }
        self.give_back();
    }

    /// All of a group, in one transaction if the disk has the space for it; else in the parts that it has space for.
    fn commit(&mut self, group: line::Group) {
        let open = |request| Work { request, places: Vec::new(), outcome: Outcome::Open };
        let mut parts = vec![group.requests.into_iter().map(open).collect::<Vec<_>>()];
        let mut left = PARTS;
        self.resting = false;
        while let Some(mut part) = parts.pop() {
            let written = match self.write(&mut part, group.raise) {
                Err(StoreError::NoSpace) if left > 0 && part.len() > 1 && part.iter().any(Work::is_new) => {
                    // One of them may be what is too much, which is no reason to fail its neighbours. The first half
                    // goes first: the order of numbers is the order of commits.
                    left -= 1;
                    let later = part.split_off(part.len() / 2);
                    parts.extend([later, part]);
                    continue;
                }
                Err(error) => self.write_what_can_be(&mut part, group.raise, error),
                Ok(after) => Some(after),
            };
            match written {
                Some(after) => self.committed(part, after, group.raise),
                None => {
                    self.resting = true;
                    part.into_iter().for_each(|work| self.answer(work));
                }
            }
        }
    }

    fn write(&mut self, work: &mut [Work], raise: Option<Ceilings>) -> Result<AfterCommit, StoreError> {
        if work.iter().any(Work::is_new) && !self.reserve.hold() {
            fail_new(work, &StoreError::NoSpace);
        }
        self.write_bytes(work);
        self.transact(work, raise)
    }

    /// After a transaction has failed: what is new may be too much for the disk, what is without it may still fit, if
    /// need be into the reserve. None when nothing does.
    fn write_what_can_be(
        &mut self,
        work: &mut [Work],
        raise: Option<Ceilings>,
        mut error: StoreError,
    ) -> Option<AfterCommit> {
        while fail_new(work, &error) || self.reserve.release() {
            match self.transact(work, raise) {
                Ok(after) => return Some(after),
                Err(again) => error = again,
            }
        }
        work.iter_mut().for_each(|work| work.outcome = Outcome::Failed(error.clone()));
        None
    }

    fn committed(&mut self, work: Vec<Work>, after: AfterCommit, raise: Option<Ceilings>) {
        self.condemned = after.condemned;
        self.packs.committed(after.packs.iter().copied());
        if let Some(ceilings) = raise {
            self.shared.line.raise(ceilings);
        }
        self.shared.unkeep(after.freed_bytes);
        if work.iter().any(|work| work.is_new() && matches!(work.outcome, Outcome::Applied(Ok(_))))
            && self.trouble.over()
        {
            tracing::info!("the disk takes uploads again");
        }
        work.into_iter().for_each(|work| self.answer(work));
        self.free(after);
    }

    /// Bytes first, so that the books never name what is not there.
    fn write_bytes(&mut self, work: &mut [Work]) {
        let mut moved = false;
        for work in work.iter_mut().filter(|work| !matches!(work.outcome, Outcome::Failed(_))) {
            let Change::Keep(keep) = &mut work.request.change else {
                continue;
            };
            work.places.clear();
            for image in &mut keep.images {
                let place = match image.body.as_mut().map(super::Spooled::body_mut) {
                    None => Ok(Place::Nowhere),
                    Some(Body::Small(held)) => self.packs.append(held.bytes()).map(Place::Pack),
                    Some(Body::Large(_, file)) => {
                        moved = true;
                        let to = self.folder.layout().large().join(image.row.id.to_string());
                        file.move_to(&to).map(|()| Place::Own).map_err(|error| StoreError::io("make", &to, &error))
                    }
                };
                match place {
                    Ok(place) => work.places.push(place),
                    Err(error) => {
                        tell(&mut self.trouble, &error, "the bytes of an upload could not be written");
                        work.outcome = Outcome::Failed(error);
                        break;
                    }
                }
            }
        }
        let synced =
            self.packs.sync().and_then(|()| if moved { sync_folder(&self.folder.layout().large()) } else { Ok(()) });
        if let Err(error) = synced {
            tell(&mut self.trouble, &error, "the bytes of uploads could not be made durable");
            fail_new(work, &error);
        }
    }

    /// Applies what has not failed. After an error none of it is in the books, nor in the packs.
    fn transact(&mut self, work: &mut [Work], raise: Option<Ceilings>) -> Result<AfterCommit, StoreError> {
        let outcome = self.apply(work, raise);
        if let Err(error) = &outcome {
            tell(&mut self.trouble, error, "the books did not take a group of changes");
            self.undo(work, error);
        }
        outcome
    }

    fn apply(&self, work: &mut [Work], raise: Option<Ceilings>) -> Result<AfterCommit, StoreError> {
        let idle = work.iter().all(|work| matches!(work.outcome, Outcome::Failed(_)));
        if idle && raise.is_none() && !self.condemned {
            return Ok(AfterCommit::default());
        }
        self.books.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let now = (self.shared.settings.clock)();
        let mut group = Group::new(&self.books, &self.shared.settings, now, self.shared.kept_bytes());
        for work in work.iter_mut().filter(|work| !matches!(work.outcome, Outcome::Failed(_))) {
            let applied = group.apply(work.request.seq, &work.request.change, &work.places);
            if let Err(error) = &applied
                && !is_askers_own(error)
            {
                return Err(error.clone());
            }
            work.outcome = Outcome::Applied(applied);
            work.tell_decided();
        }
        if self.condemned {
            group.sweep()?;
        }
        if let Some(ceilings) = raise {
            books::write_ceilings(&self.books, ceilings)?;
        }
        let after = group.close(&self.packs)?;
        self.books.prepare_cached("COMMIT")?.execute([])?;
        Ok(after)
    }

    fn undo(&mut self, work: &mut [Work], error: &StoreError) {
        if !self.books.is_autocommit()
            && let Err(error) = self.books.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "the books could not be rolled back");
        }
        // Without space, what would make the group count was never written. After any other error it may have been, and
        // if the next thing is a crash, the books have the group after all: then they must find its bytes, though its
        // askers were told that it failed.
        let certain = *error == StoreError::NoSpace;
        if certain {
            self.packs.roll_back();
        } else {
            self.packs.leave();
        }
        for place in work.iter_mut().flat_map(|work| &mut work.places) {
            if *place != Place::Own || !certain {
                *place = Place::Nowhere;
            }
        }
    }

    fn answer(&self, work: Work) {
        let outcome = match work.outcome {
            Outcome::Applied(outcome) => outcome,
            Outcome::Failed(error) => Err(error),
            Outcome::Open => Err(StoreError::Closed),
        };
        if let Change::Keep(keep) = work.request.change {
            let outcome = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
            if outcome.is_err() {
                self.discard(&keep, &work.places);
            }
            self.shared.settle(keep, outcome);
        }
        if let Ok(reply) = &outcome {
            reply.over().for_each(|image| self.shared.forget(image));
        }
        // Whoever asked may have gone; what was asked is done all the same.
        let _ = work.request.answer.send(outcome);
    }

    /// The bytes of an upload that did not come into the books.
    fn discard(&self, keep: &Keep, places: &[Place]) {
        self.shared.unkeep(keep.bytes());
        for (image, place) in keep.images.iter().zip(places) {
            match place {
                Place::Own => self.remove_large(image.row.id),
                Place::Pack(span) => self.free_within(*span),
                Place::Nowhere => {}
            }
        }
    }

    /// Beyond the pack's end is where the next group writes.
    fn free_within(&self, span: Span) {
        if span.offset < self.packs.facts(span.pack).end {
            self.packs.free(span);
        }
    }

    fn free(&self, mut after: AfterCommit) {
        merge(&mut after.freed).for_each(|span| self.packs.free(span));
        after.large.iter().for_each(|image| self.remove_large(*image));
    }

    fn remove_large(&self, image: ImageId) {
        let path = self.folder.layout().large().join(image.to_string());
        if let Err(error) = fs::remove_file(&path) {
            // Removed at the next start, as it is not in the books.
            tracing::warn!(file = %path.display(), %error, "the file of a removed image stays for now");
        }
    }

    /// Numbers that were reserved and not given are given by the next run.
    fn give_back(&self) {
        let unused = self.shared.line.unused();
        let written = books::write_ceilings(&self.books, unused)
            .and_then(|()| Ok(self.books.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?));
        if let Err(error) = written {
            tracing::warn!(%error, "the books were not closed tidily; nothing is lost");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // However the thread ends, nobody waits for it any more.
        self.shared.abandon();
    }
}

impl Work {
    /// Tells who wants to know how an image ends before that is durable.
    fn tell_decided(&mut self) {
        if let Outcome::Applied(Ok(Reply::Recorded(Recorded::Yes(row)))) = &self.outcome
            && let Change::Finish { decided, .. } = &mut self.request.change
            && let Some(decided) = decided.take()
        {
            // Whoever wanted to know may have gone.
            let _ = decided.send(row.clone());
        }
    }

    /// Asks for lasting space, which a full disk is to refuse before anything else.
    fn is_new(&self) -> bool {
        let new = matches!(self.request.change, Change::Keep(_) | Change::CreateBatch { .. });
        new && !matches!(self.outcome, Outcome::Failed(_))
    }
}

/// Says that the disk is in trouble, once; what more of the same follows is for who looks for it.
fn tell(trouble: &mut Trouble, error: &StoreError, what: &str) {
    if trouble.met(error) {
        tracing::error!(%error, "{what}; more of the same is not told, its end is");
    } else {
        tracing::debug!(%error, "{what}");
    }
}

/// Fails what is new and has not failed yet; says whether there was any.
fn fail_new(work: &mut [Work], error: &StoreError) -> bool {
    let mut any = false;
    for work in work.iter_mut().filter(|work| work.is_new()) {
        work.outcome = Outcome::Failed(error.clone());
        any = true;
    }
    any
}

/// Neighbours as one span, because each hole is a change of the file system's own books.
fn merge(spans: &mut [Span]) -> impl Iterator<Item = Span> {
    spans.sort_unstable_by_key(|span| (span.pack, span.offset));
    spans.chunk_by(|left, right| left.pack == right.pack && left.offset + left.bytes == right.offset).map(|run| {
        let bytes = run.iter().map(|span| span.bytes).sum();
        Span { bytes, ..run[0] }
    })
}

/// Whether the error is an answer to one change rather than a fault that the whole group has met.
fn is_askers_own(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NoSuchBatch
            | StoreError::NoSuchImage
            | StoreError::BatchFull { .. }
            | StoreError::Full { .. }
            | StoreError::DamagedEntry(_)
    )
}
