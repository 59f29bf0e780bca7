//! Answers that are given when a change is durable.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::StoreError;
use super::line::{Answered, Reply};
use super::row::ImageRow;

/// A change that has its place in the writer's queue. Resolves when the change would survive `kill -9` and a power
/// cut, or has failed. Dropping it does not take the change back.
pub struct Pending<T> {
    /// The number of the change; taken at the call, used up also when the change fails or is found to be none.
    pub seq: u64,
    outcome: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>,
}

/// Images that have their numbers and can be read, though they are not durable yet.
#[derive(Debug)]
pub struct Keeping {
    /// In the order given. Waiting, or rejected.
    pub images: Vec<ImageRow>,
    /// An earlier request with the same idempotency key made these images: nothing is to be submitted again.
    pub repeated: bool,
    /// Resolves when all of them are durable. With an error none of them is kept: their numbers are used up, and an
    /// image that has been handed to a worker is to be cancelled there.
    pub durable: Pending<()>,
}

impl Keeping {
    pub(super) fn repeated(
        images: Vec<ImageRow>,
        outcome: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Self {
        let seq = images.last().map_or(0, |image| image.seq);
        Self { images, repeated: true, durable: Pending { seq, outcome: Box::pin(outcome) } }
    }
}

impl<T: 'static> Pending<T> {
    pub(super) fn new(seq: u64, answered: Answered, reply: fn(Reply) -> Option<T>) -> Self {
        let outcome = async move {
            let answer = answered.await.map_err(|_| StoreError::Closed)??;
            Ok(reply(answer).expect("the writer answers each change with its own kind of reply"))
        };
        Self { seq, outcome: Box::pin(outcome) }
    }

    pub(super) fn failed(error: StoreError) -> Self {
        Self { seq: 0, outcome: Box::pin(async { Err(error) }) }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.outcome.as_mut().poll(context)
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("seq", &self.seq).finish_non_exhaustive()
    }
}
