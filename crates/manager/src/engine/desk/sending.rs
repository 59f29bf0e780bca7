//! What is sent for a delivery once the image's bytes are there: the file, or a smaller form of it.

use std::time::Instant;

use bytes::Bytes;
use manyeyes_dispatch::Event;
use manyeyes_link::Assignment;
use manyeyes_protocol::id::ImageId;

use super::Desk;
use crate::{
    api::Problem,
    engine::{
        event::{Made, Making, Order, Outcome, Read, Reading},
        form::sends_smaller,
    },
    store::StoreError,
};

impl Desk {
    pub(super) fn read(&mut self, Read { reading, payload }: Read, now: Instant) {
        if !self.is_wanted(&reading) {
            return;
        }
        let file = match payload {
            Ok(file) => file,
            Err(error) => return self.unreadable(reading.image, &error, now),
        };
        let path = self.roster.path(reading.worker);
        if let (Some(makers), Some(path)) = (&mut self.makers, path) {
            let smaller = sends_smaller(file.len() as u64, &path, makers);
            self.roster.is_sent(reading.worker, smaller);
            if smaller {
                makers.begun();
                return self.orders.push_back(Order::MakeSmaller(Making { reading, input: path.input, file }));
            }
        }
        self.send(reading, file, now);
    }

    pub(super) fn made(&mut self, Made { reading, payload, took }: Made, now: Instant) {
        if let Some(makers) = &mut self.makers {
            makers.made(took);
        }
        if self.is_wanted(&reading) {
            self.send(reading, payload, now);
        }
    }

    /// Whether the delivery is still to be made: it may have been taken back meanwhile.
    fn is_wanted(&self, reading: &Reading) -> bool {
        self.dispatch.holders(reading.image).any(|holder| holder == (reading.worker, reading.attempt))
    }

    fn send(&mut self, reading: Reading, payload: Bytes, now: Instant) {
        let Reading { worker, image, attempt, deadline } = reading;
        // Otherwise the worker has gone, and what it had with it: dispatch is being told.
        if let Some((connection, model)) = self.roster.reached(worker) {
            let assignment = Assignment { image, attempt, model, deadline, payload };
            self.orders.push_back(Order::Assign { worker, connection, assignment });
            let worker = self.roster.name(worker);
            self.report(Outcome::Assigned { image, worker, attempt, at: now });
        }
    }

    /// Deleted, or its upload failed after all, or the disk has lost it.
    fn unreadable(&mut self, image: ImageId, error: &StoreError, now: Instant) {
        let run = self.dispatch.run(image).unwrap_or(0);
        self.tell(Event::Cancelled { image }, now);
        if *error == StoreError::NoSuchImage {
            self.report(Outcome::Vanished { image });
            return;
        }
        tracing::error!(%image, %error, "failed to read an image back");
        let problem =
            Problem { code: "lost".to_owned(), message: "The manager could not read the file back.".to_owned() };
        self.report(Outcome::GivenUp { image, run, problem, at: now });
    }
}
