//! Bytes from a socket that should be frames.

use bytes::{Bytes, BytesMut};
use manyeyes_protocol::frame::{Encoded, MAX_FRAME, ManagerFrame, Split, WorkerFrame, split_frame};

/// The length field before each frame.
const LENGTH_BYTES: usize = 4;

/// What is taken for a frame says the same when it is said again.
pub(crate) fn run(bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Split::Frame(frame)) = split_frame(&mut buffer, MAX_FRAME) {
        if let Ok(said) = WorkerFrame::decode(frame.clone()) {
            let once = whole(&said.encode());
            let again = WorkerFrame::decode(once.clone()).expect("what we say is understood");
            assert_eq!(whole(&again.encode()), once);
        }
        if let Ok(said) = ManagerFrame::decode(frame) {
            let once = whole(&said.encode());
            let again = ManagerFrame::decode(once.clone()).expect("what we say is understood");
            assert_eq!(whole(&again.encode()), once);
        }
    }
}

/// A frame as it is to be decoded, without its length.
fn whole(Encoded { head, payload }: &Encoded) -> Bytes {
    [&head[LENGTH_BYTES..], payload].concat().into()
}
