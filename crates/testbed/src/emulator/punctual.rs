//! Who goes first on the processor: a packet that waits for its time must not also wait for a worker's turn to end.

use std::io;

use rustix::process::setpriority_process;

/// By what means the emulator is punctual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Punctuality {
    /// Before every ordinary thread (SCHED_FIFO).
    RealTime,
    /// With the largest share among ordinary threads (nice -20).
    Nice,
    /// As any thread: more was not permitted.
    Ordinary,
}

/// Among real-time threads the lowest is enough: it is before every ordinary one, and the kernel's own stay before it.
const PRIORITY: i32 = 1;

impl Punctuality {
    /// Makes the calling thread as punctual as is permitted.
    pub(crate) fn take() -> Self {
        if be_real_time().is_ok() {
            return Self::RealTime;
        }
        // On Linux the process's own number is the calling thread's here.
        match setpriority_process(None, -20) {
            Ok(()) => Self::Nice,
            Err(_) => Self::Ordinary,
        }
    }
}

#[expect(unsafe_code, reason = "no safe face sets a thread's scheduling")]
fn be_real_time() -> io::Result<()> {
    let wanted = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: the pointer is to a record that the call only reads; 0 is the calling thread.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const wanted) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
