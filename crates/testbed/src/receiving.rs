//! Receiving so that it does not matter when the reader had its turn: with room for what waits, and with the kernel's own time of
//! arrival.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};

/// What the kernel keeps until it is read: some 7000 full frames with all that it keeps of them, a fifth of a second at 400 Mbit/s.
const ROOM_BYTES: usize = 8 << 20;

/// Asks for room, and for times from now on. Only who may administrate the whole machine gets all that room: others get what
/// `net.core.rmem_max` allows, by default some hundred full frames.
pub(crate) fn prepare(socket: &impl AsFd) -> io::Result<()> {
    setsockopt(socket, RcvBufForce, &ROOM_BYTES).or_else(|_| setsockopt(socket, RcvBuf, &ROOM_BYTES))?;
    Ok(setsockopt(socket, ReceiveTimestampns, &true)?)
}

/// The next message's length and its arrival by the wall clock, nanoseconds; `None` where none waits, or none came in the socket's
/// own time. A longer one is cut to the buffer.
pub(crate) fn receive(socket: &impl AsFd, buffer: &mut [u8], flags: MsgFlags) -> io::Result<Option<(usize, u64)>> {
    let mut control = nix::cmsg_space!(libc::timespec);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = loop {
        match recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut parts, Some(&mut control), flags) {
            Ok(message) => break message,
            Err(nix::Error::EAGAIN) => return Ok(None),
            // A socket with a time of its own is not taken up again by the kernel after a signal, such as a child's end.
            Err(nix::Error::EINTR) => {}
            Err(why) => return Err(why.into()),
        }
    };
    let arrived_ns = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(at) => Some(at.tv_sec() as u64 * 1_000_000_000 + at.tv_nsec() as u64),
        _ => None,
    });
    match arrived_ns {
        Some(arrived_ns) => Ok(Some((message.bytes, arrived_ns))),
        None => Err(io::Error::other("the kernel gave no time of arrival")),
    }
}
