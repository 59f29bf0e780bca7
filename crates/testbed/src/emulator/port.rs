//! One cut end of a cable: a raw packet socket on its device.
//!
//! Frames are handed on with the header in which the kernel says what is still to be done to them (`PACKET_VNET_HDR`): a sender on the
//! same machine leaves the checksum for the hardware, which there is none of, and with the header a receiver knows that. Without it
//! every such frame would be dropped as damaged. Segments that are not cut yet are a matter of the ends: see [`Seen::TooLong`].

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::MsgFlags;
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socket_with};

use crate::receiving;

/// The longest frame: an MTU of 1500 bytes and the Ethernet header. What is longer is a segment that nobody has cut.
pub(crate) const MOST_FRAME_BYTES: usize = 1514;

/// `struct virtio_net_hdr` before each frame.
pub(crate) const HEADER_BYTES: usize = 10;

/// The cut end of a cable, to be given to the emulator.
#[derive(Debug)]
pub struct Port {
    socket: OwnedFd,
}

/// What a look at a port has shown.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Nothing waits.
    Nothing,
    /// A frame of this length, behind its header, and when it arrived by the wall clock.
    Frame { bytes: usize, arrived_ns: u64 },
    /// A frame that is longer than [`MOST_FRAME_BYTES`].
    TooLong,
}

impl Port {
    /// Opens the device of that name in the calling thread's network. From here on the port is used from anywhere.
    ///
    /// # Errors
    ///
    /// Where there is no such device, or raw sockets are not permitted: that needs CAP_NET_RAW in the user namespace that owns
    /// the network.
    pub fn open(device: &str) -> io::Result<Self> {
        // Bound before it may receive, so that nothing of other devices is in it.
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        set_option(&socket, libc::PACKET_VNET_HDR)?;
        set_option(&socket, libc::PACKET_IGNORE_OUTGOING)?;
        // A device that is not quite up yet then says so, where a queueing discipline would drop the frame in silence.
        set_option(&socket, libc::PACKET_QDISC_BYPASS)?;
        receiving::prepare(&socket)?;
        bind(&socket, name_to_index(&socket, device)?)?;
        Ok(Self { socket })
    }

    /// The next frame with its header, into `buffer`, which has room for one and a byte.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Seen> {
        let Some((bytes, arrived_ns)) = receiving::receive(&self.socket, buffer, MsgFlags::MSG_DONTWAIT)? else {
            return Ok(Seen::Nothing);
        };
        match bytes.checked_sub(HEADER_BYTES).filter(|&bytes| bytes <= MOST_FRAME_BYTES) {
            Some(bytes) => Ok(Seen::Frame { bytes, arrived_ns }),
            None => Ok(Seen::TooLong),
        }
    }

    /// Gives the other end a frame with its header.
    pub(crate) fn send(&self, frame: &[u8]) -> Result<(), Errno> {
        send(&self.socket, frame, SendFlags::DONTWAIT).map(drop)
    }

    /// Frames that the kernel dropped since the last call because nobody had read the ones before.
    pub(crate) fn unread(&self) -> u64 {
        statistics(&self.socket).map_or(0, |statistics| statistics.tp_drops.into())
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[expect(unsafe_code, reason = "no safe face knows the addresses of packet sockets")]
fn bind(socket: &OwnedFd, device: u32) -> io::Result<()> {
    // SAFETY: every field of the address is a number, for which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = i32::try_from(device).map_err(io::Error::other)?;
    // SAFETY: the pointer is to an address of that length, which the call only reads.
    let done = unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as libc::socklen_t)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "no safe face knows the options of packet sockets")]
fn set_option(socket: &OwnedFd, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer is to a number of that length, which the call only reads.
    let done = unsafe {
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, (&raw const on).cast(), length)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "no safe face knows the options of packet sockets")]
fn statistics(socket: &OwnedFd) -> io::Result<libc::tpacket_stats> {
    let mut found = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: the pointers are to a record of the length that is told, and to that length, and both live until the call has ended.
    let done = unsafe {
        let (found, length) = ((&raw mut found).cast(), &raw mut length);
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_STATISTICS, found, length)
    };
    if done == 0 { Ok(found) } else { Err(io::Error::last_os_error()) }
}
