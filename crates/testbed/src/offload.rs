//! What a kernel leaves to a network card, and must do itself where frames are to be carried as on a wire: to sum up, to cut up
//! (segmentation), to put together (receive offload). Between two ends of a whole veth nobody ever does it: packets of 64 KiB
//! with a sum that was never made travel there, of which a TCP at the other end of an emulator takes none.

use std::ffi::c_char;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use anyhow::{Context, bail};

/// What is ended, by the numbers of `linux/ethtool.h`. Segmentation needs the sums and the gathering of scattered data, and so
/// ends with them on every kernel that we know; it is said nonetheless.
const LEFT_TO_THE_CARD: [(u32, &str); 6] = [
    (0x15, "sums of received packets"),    // ETHTOOL_SRXCSUM
    (0x17, "sums of sent packets"),        // ETHTOOL_STXCSUM
    (0x19, "gathering"),                   // ETHTOOL_SSG
    (0x1f, "TCP segmentation"),            // ETHTOOL_STSO
    (0x24, "segmentation"),                // ETHTOOL_SGSO
    (0x2c, "putting together on receipt"), // ETHTOOL_SGRO
];

/// What sends a segment of many packets uncut through a queueing discipline, to which it is one packet: the numbers by which it is
/// asked for and said. `ETHTOOL_GTSO` and `ETHTOOL_STSO`, `ETHTOOL_GGSO` and `ETHTOOL_SGSO`.
const UNCUT: [(u32, u32, &str); 2] = [(0x1e, 0x1f, "TCP segmentation"), (0x23, 0x24, "segmentation")];

/// `SIOCETHTOOL` of `linux/sockios.h`.
const ETHTOOL: u32 = 0x8946;

/// Ends it for a device of the calling thread's network.
pub(crate) fn end(device: &str) -> anyhow::Result<()> {
    let socket = any_socket()?;
    for (command, what) in LEFT_TO_THE_CARD {
        ask(&socket, device, command, 0)
            .with_context(|| format!("failed to have the kernel do by itself what it leaves to {device}: {what}"))?;
    }
    Ok(())
}

/// How a device of the calling thread's network sends segments of many packets: a bit for each of [`UNCUT`] that is in force.
pub(crate) fn uncut(device: &str) -> anyhow::Result<u8> {
    let socket = any_socket()?;
    let mut bits = 0;
    for (bit, (question, _, what)) in UNCUT.into_iter().enumerate() {
        let is_on = ask(&socket, device, question, 0);
        let is_on = is_on.with_context(|| format!("failed to learn what is left to {device}: {what}"))?;
        bits |= u8::from(is_on != 0) << bit;
    }
    Ok(bits)
}

/// Changes that, where it is otherwise.
pub(crate) fn set_uncut(device: &str, bits: u8) -> anyhow::Result<()> {
    let (socket, has) = (any_socket()?, uncut(device)?);
    for (bit, (_, command, what)) in UNCUT.into_iter().enumerate() {
        let wanted = bits >> bit & 1;
        if has >> bit & 1 != wanted {
            ask(&socket, device, command, wanted.into())
                .with_context(|| format!("failed to change what is left to {device}: {what}"))?;
        }
    }
    Ok(())
}

/// Any socket will do: it stands for the network that it was opened in.
fn any_socket() -> anyhow::Result<UdpSocket> {
    UdpSocket::bind("0.0.0.0:0").context("failed to open a socket")
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    value: u32,
}

#[expect(unsafe_code, reason = "no safe crate of ours speaks SIOCETHTOOL")]
fn ask(socket: &UdpSocket, device: &str, command: u32, value: u32) -> anyhow::Result<u32> {
    let mut name: [c_char; libc::IFNAMSIZ] = [0; libc::IFNAMSIZ];
    if device.len() >= name.len() {
        bail!("{device} is too long for the name of a device");
    }
    for (to, from) in name.iter_mut().zip(device.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    let mut value = Value { command, value };
    let mut request =
        libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast() } };
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the kernel reads `request`, whose name ends with a
    // zero, and reads and writes at most a `Value` where it points: `value`, which lives until the end of this function.
    let failed = unsafe { libc::ioctl(socket.as_raw_fd(), ETHTOOL.into(), &raw mut request) };
    if failed != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(value.value)
}
