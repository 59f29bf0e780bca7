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

/// `SIOCETHTOOL` of `linux/sockios.h`.
const ETHTOOL: u32 = 0x8946;

/// Ends it for a device of the calling thread's network.
pub(crate) fn end(device: &str) -> anyhow::Result<()> {
    // Any socket will do: it stands for the network that it was opened in.
    let socket = UdpSocket::bind("0.0.0.0:0").context("failed to open a socket")?;
    for (command, what) in LEFT_TO_THE_CARD {
        set(&socket, device, command, 0)
            .with_context(|| format!("failed to have the kernel do by itself what it leaves to {device}: {what}"))?;
    }
    Ok(())
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    value: u32,
}

#[expect(unsafe_code, reason = "no safe crate of ours speaks SIOCETHTOOL")]
fn set(socket: &UdpSocket, device: &str, command: u32, value: u32) -> anyhow::Result<()> {
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
    Ok(())
}
