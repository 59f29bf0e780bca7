//! In what order frames are handed over that came on different streams: what is said of one image comes as it was said.
//!
//! On one stream of bytes everything comes in order. With a stream for each file it does not: a file may be overtaken by what
//! is said of it later, and may overtake what was said before it. Nothing else needs an order: frames of different images
//! never wait for each other. So:
//!
//! - A file's stream begins with a **fence**: how many frames of the control stream the worker must have been handed before
//!   it. These are the Welcome, and whatever names the file's image.
//! - A **question** after an image waits at the manager until all of the image's file has been acknowledged, and the worker
//!   looks for files before it hands over what came on the control stream.
//! - A **Cancel** waits for nothing. The worker remembers it, and drops a file that comes after it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use manyeyes_protocol::frame::{Assign, MAX_WINDOW, ManagerFrame};
use manyeyes_protocol::id::{Attempt, ImageId};

/// One delivery of an image.
pub(super) type Delivery = (ImageId, Attempt);

/// How many frames about images are remembered one by one: many times what is under way. A file waits for all that were said
/// before these, whatever their image.
const REMEMBERED_FRAMES: usize = 4 * MAX_WINDOW as usize;

/// How many cancelled deliveries a worker remembers. No more files than a window are under way at a time; of one that is
/// forgotten and comes nevertheless, an image is recognised that nobody wants.
const REMEMBERED_CANCELS: usize = 4 * MAX_WINDOW as usize;

/// At the manager: what has been said on the control stream.
#[derive(Debug, Default)]
pub(super) struct Said {
    frames: u64,
    last_about: HashMap<ImageId, u64>,
    recent: VecDeque<(u64, ImageId)>,
    /// The newest of the frames about images that are not remembered.
    forgotten: u64,
}

impl Said {
    /// A frame is said on the control stream.
    pub(super) fn note(&mut self, frame: &ManagerFrame) {
        self.frames += 1;
        let Some(image) = image_of(frame) else {
            return;
        };
        self.last_about.insert(image, self.frames);
        self.recent.push_back((self.frames, image));
        if self.recent.len() > REMEMBERED_FRAMES
            && let Some((frame, image)) = self.recent.pop_front()
        {
            self.forgotten = frame;
            if self.last_about.get(&image) == Some(&frame) {
                self.last_about.remove(&image);
            }
        }
    }

    /// How many frames must have been handed over before a file of this image.
    pub(super) fn fence(&self, image: ImageId) -> u64 {
        // The first is the Welcome.
        self.last_about.get(&image).copied().unwrap_or(self.forgotten).max(1)
    }
}

/// A whole file that has come.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) fence: u64,
    pub(super) assign: Assign,
    pub(super) received_in: Duration,
}

/// At the worker: what has been handed over of the control stream, and the files that wait for more of it.
#[derive(Debug, Default)]
pub(super) struct Heard {
    frames: u64,
    waiting: VecDeque<Arrived>,
    cancelled: HashSet<Delivery>,
    cancelled_first: VecDeque<Delivery>,
}

impl Heard {
    /// A file has come.
    pub(super) fn file(&mut self, file: Arrived) {
        self.waiting.push_back(file);
    }

    /// A frame of the control stream is handed over.
    pub(super) fn note(&mut self, frame: &ManagerFrame) {
        self.frames += 1;
        let ManagerFrame::Cancel { image, attempt } = frame else {
            return;
        };
        if !self.cancelled.insert((*image, *attempt)) {
            return;
        }
        self.cancelled_first.push_back((*image, *attempt));
        if self.cancelled_first.len() > REMEMBERED_CANCELS
            && let Some(oldest) = self.cancelled_first.pop_front()
        {
            self.cancelled.remove(&oldest);
        }
    }

    /// The next file that may be handed over now.
    pub(super) fn next_file(&mut self) -> Option<Arrived> {
        let Self { frames, waiting, cancelled, .. } = self;
        waiting.retain(|file| !cancelled.contains(&(file.assign.image, file.assign.attempt)));
        let next = waiting.iter().position(|file| file.fence <= *frames)?;
        waiting.remove(next)
    }

    /// The bytes of the files that wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|file| file.assign.payload.len()).sum()
    }
}

/// The image that a frame of the control stream is about.
fn image_of(frame: &ManagerFrame) -> Option<ImageId> {
    match frame {
        ManagerFrame::Assign(assign) => Some(assign.image),
        ManagerFrame::Cancel { image, .. } | ManagerFrame::ResultAck { image, .. } => Some(*image),
        ManagerFrame::Welcome(_)
        | ManagerFrame::Refused(_)
        | ManagerFrame::Drain
        | ManagerFrame::Move { .. }
        | ManagerFrame::Ping { .. }
        | ManagerFrame::Pong { .. }
        | ManagerFrame::Goodbye => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use manyeyes_protocol::frame::Extensions;
    use manyeyes_protocol::id::ModelDigest;

    use super::*;

    const WELCOME: ManagerFrame = ManagerFrame::Drain;

    fn acknowledge(image: u64) -> ManagerFrame {
        ManagerFrame::ResultAck { image: ImageId(image), attempt: Attempt(1) }
    }

    fn cancel(image: u64, attempt: u32) -> ManagerFrame {
        ManagerFrame::Cancel { image: ImageId(image), attempt: Attempt(attempt) }
    }

    fn file(fence: u64, image: u64, attempt: u32) -> Arrived {
        let assign = Assign {
            image: ImageId(image),
            attempt: Attempt(attempt),
            model: ModelDigest([0; 32]),
            deadline: Duration::from_secs(1),
            resend: false,
            extensions: Extensions::default(),
            payload: Bytes::from_static(b"file"),
        };
        Arrived { fence, assign, received_in: Duration::ZERO }
    }

    fn next(heard: &mut Heard) -> Option<u64> {
        heard.next_file().map(|file| file.assign.image.0)
    }

    #[test]
    fn a_file_waits_for_the_welcome_and_for_what_was_said_of_its_image_and_for_nothing_else() {
        let mut said = Said::default();
        for frame in [WELCOME, acknowledge(1), acknowledge(2), ManagerFrame::Drain] {
            said.note(&frame);
        }
        assert_eq!([1, 2, 3].map(|image| said.fence(ImageId(image))), [2, 3, 1]);
    }

    #[test]
    fn what_is_not_remembered_of_images_is_waited_for_by_all() {
        let mut said = Said::default();
        said.note(&WELCOME);
        let last = REMEMBERED_FRAMES as u64 + 5;
        (1..=last).for_each(|image| said.note(&acknowledge(image)));
        // Five have been forgotten: the second frame to the sixth.
        assert_eq!([3, last + 1, 6].map(|image| said.fence(ImageId(image))), [6, 6, 7]);
        assert_eq!(said.last_about.len(), REMEMBERED_FRAMES);
    }

    #[test]
    fn a_file_behind_its_fence_lets_others_pass() {
        let mut heard = Heard::default();
        heard.file(file(2, 1, 1));
        heard.file(file(1, 2, 1));
        assert_eq!((next(&mut heard), heard.waiting_bytes()), (None, 8));
        heard.note(&WELCOME);
        assert_eq!((next(&mut heard), next(&mut heard)), (Some(2), None));
        heard.note(&acknowledge(1));
        assert_eq!((next(&mut heard), heard.waiting_bytes()), (Some(1), 0));
    }

    #[test]
    fn a_file_that_comes_after_its_cancel_is_dropped_and_the_next_delivery_of_the_image_is_not() {
        let mut heard = Heard::default();
        for frame in [WELCOME, cancel(1, 1)] {
            heard.note(&frame);
        }
        heard.file(file(1, 1, 1));
        heard.file(file(2, 1, 2));
        let next = heard.next_file().map(|file| file.assign.attempt);
        assert_eq!((next, heard.next_file().is_none()), (Some(Attempt(2)), true));
    }

    #[test]
    fn a_file_that_waits_for_its_fence_is_dropped_by_a_cancel_that_comes_first() {
        let mut heard = Heard::default();
        heard.note(&WELCOME);
        heard.file(file(2, 1, 1));
        heard.note(&cancel(1, 1));
        assert_eq!((next(&mut heard), heard.waiting_bytes()), (None, 0));
    }

    #[test]
    fn only_so_many_cancels_are_remembered() {
        let mut heard = Heard::default();
        (0..=REMEMBERED_CANCELS as u64).for_each(|image| heard.note(&cancel(image, 1)));
        assert_eq!((heard.cancelled.len(), heard.cancelled_first.len()), (REMEMBERED_CANCELS, REMEMBERED_CANCELS));
    }
}
