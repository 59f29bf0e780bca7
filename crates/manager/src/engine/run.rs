//! The engine's loop: it waits for what happens, tells the desk, and carries out what that orders.

use std::{
    collections::VecDeque,
    future::{pending, ready},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{FuturesOrdered, FuturesUnordered},
};
use manyeyes_link::{FromWorker, ManagerEnd};
use manyeyes_protocol::id::ImageId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    desk::Desk,
    event::{Asked, Happened, Made, Making, Order, Outcome, Read, Reading},
};
use crate::{
    smaller::{SmallerForm, SmallerForms},
    store::{Store, StoreError},
};

/// Carries out what the desk decides.
pub(super) struct EngineLoop {
    desk: Arc<Mutex<Desk>>,
    link: ManagerEnd,
    store: Store,
    smaller: Option<SmallerForms>,
    outcomes: mpsc::Sender<Outcome>,
    /// Cancelled once the desk is closed and results have been sent all that came of it.
    closed: CancellationToken,
    /// Outcomes of the event at hand, in order.
    outbox: VecDeque<Outcome>,
    /// Bytes that are read for deliveries, in the order of those.
    reading: FuturesOrdered<BoxFuture<'static, Read>>,
    /// Smaller forms that are made for deliveries.
    making: FuturesUnordered<BoxFuture<'static, Made>>,
}

impl EngineLoop {
    pub(super) fn new(
        desk: Arc<Mutex<Desk>>,
        link: ManagerEnd,
        store: Store,
        smaller: Option<SmallerForms>,
        outcomes: mpsc::Sender<Outcome>,
        closed: CancellationToken,
    ) -> Self {
        let (outbox, reading, making) = (VecDeque::new(), FuturesOrdered::new(), FuturesUnordered::new());
        Self { desk, link, store, smaller, outcomes, closed, outbox, reading, making }
    }

    /// Runs until `stop`, or until nobody asks or hears any more.
    pub(super) async fn run(
        mut self,
        mut asked: mpsc::Receiver<Asked>,
        mut from_workers: mpsc::Receiver<FromWorker>,
        stop: CancellationToken,
    ) {
        loop {
            let timeout = self.with_desk(|desk| desk.poll_timeout());
            let happened = tokio::select! {
                () = stop.cancelled() => break,
                Some(read) = self.reading.next() => Happened::Read(read),
                Some(made) = self.making.next() => Happened::Made(made),
                Some(heard) = from_workers.recv() => Happened::Heard(heard),
                Some(asked) = asked.recv() => Happened::Asked(asked),
                () = until(timeout) => Happened::TimePassed,
                else => break,
            };
            let orders = self.with_desk(|desk| {
                desk.handle(happened, Instant::now());
                std::iter::from_fn(|| desk.poll()).collect::<Vec<_>>()
            });
            orders.into_iter().for_each(|order| self.carry_out(order));
            while let Some(outcome) = self.outbox.pop_front() {
                if self.outcomes.send(outcome).await.is_err() {
                    return;
                }
            }
            if self.with_desk(|desk| desk.is_closed()) {
                self.closed.cancel();
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Read(reading) => self.read(reading),
            Order::MakeSmaller(making) => self.make_smaller(making),
            Order::Assign { worker, connection, assignment } => self.link.assign(worker, connection, assignment),
            Order::Cancel { worker, image, attempt } => self.link.cancel(worker, image, attempt),
            Order::Acknowledge(receipt) => self.link.acknowledge(receipt.worker, receipt.image, receipt.attempt),
            Order::Blame { image, worker, attempts } => self.blame(image, &worker, attempts),
            Order::Tell(outcome) => self.outbox.push_back(outcome),
        }
    }

    /// What is not in memory is read off the loop, because a disk may be slow.
    fn read(&mut self, reading: Reading) {
        if let Some(payload) = self.store.deliver(reading.image) {
            self.reading.push_back(Box::pin(ready(Read { reading, payload: Ok(payload) })));
            return;
        }
        let store = self.store.clone();
        let payload = tokio::task::spawn_blocking(move || store.payload(reading.image));
        self.reading.push_back(Box::pin(async move {
            // A read that panics costs its own image, not the loop.
            let payload = payload.await.unwrap_or_else(|error| Err(StoreError::Disk(error.to_string())));
            Read { reading, payload }
        }));
    }

    /// Off the loop, because a child may be slow.
    fn make_smaller(&self, making: Making) {
        let Making { reading, input, file } = making;
        let (smaller, file_itself) = (self.smaller.clone(), file.clone());
        let making = tokio::spawn(async move {
            match smaller {
                Some(smaller) => smaller.of(reading.image, input, file).await,
                None => SmallerForm { payload: file, took: None },
            }
        });
        self.making.push(Box::pin(async move {
            // A making that panics costs its image its smaller form, not the loop.
            let SmallerForm { payload, took } =
                making.await.unwrap_or(SmallerForm { payload: file_itself, took: None });
            Made { reading, payload, took }
        }));
    }

    fn blame(&self, image: ImageId, worker: &str, attempts: u32) {
        let written = self.store.blame(image, worker, attempts);
        tokio::spawn(async move {
            if let Err(error) = written.await {
                tracing::error!(%image, %error, "failed to write down that an image crashed a worker");
            }
        });
    }

    fn with_desk<T>(&self, with: impl FnOnce(&mut Desk) -> T) -> T {
        with(&mut self.desk.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn until(timeout: Option<Instant>) {
    match timeout {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}
