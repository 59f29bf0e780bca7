//! Takes from the own process everything that decoding does not need. There is no way back.

use crate::DEFAULT_MAX_PIXELS;

/// What a confined process may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfinementSettings {
    /// Address space in bytes. An allocation beyond it ends the process.
    pub address_space_bytes: u64,
    /// Processor time in seconds, over the whole life of the process. Beyond it the kernel ends the process.
    pub cpu_seconds: u64,
}

impl Default for ConfinementSettings {
    /// Room for the largest picture of the default limits in its widest form (8 bytes a pixel), for its RGB form beside
    /// it, for the file, and for the program itself; an hour of work.
    fn default() -> Self {
        Self { address_space_bytes: DEFAULT_MAX_PIXELS * 12 + (1 << 30), cpu_seconds: 3600 }
    }
}

/// Confines the whole process: no new file, socket or process, and no more memory and time than `settings` say.
///
/// Returns what the system refused to take away, each as a sentence for the log; empty where confinement is full. The
/// limits of the process work on every Unix, the filter of system calls on Linux.
#[must_use = "what could not be taken away is to be said in the log"]
pub fn confine(settings: &ConfinementSettings) -> Vec<String> {
    let mut missing = Vec::new();
    #[cfg(unix)]
    missing.extend(process_limits::apply(settings));
    #[cfg(target_os = "linux")]
    missing.extend(system_calls::filter().err());
    #[cfg(not(target_os = "linux"))]
    missing.push("this system has no filter for system calls".to_owned());
    missing
}

#[cfg(unix)]
mod process_limits {
    use rustix::process::{Resource, Rlimit, setrlimit};

    use super::ConfinementSettings;

    /// Sets every limit; returns those that were refused.
    pub(super) fn apply(settings: &ConfinementSettings) -> Vec<String> {
        let limits = [
            (Resource::As, settings.address_space_bytes, "address space"),
            (Resource::Cpu, settings.cpu_seconds, "processor time"),
            // Those that are open stay open: standard input and output.
            (Resource::Nofile, 0, "open files"),
            (Resource::Nproc, 0, "processes"),
            (Resource::Fsize, 0, "size of files"),
            // A core dump would write a stranger's picture to the disk.
            (Resource::Core, 0, "core dumps"),
        ];
        let refused = limits.into_iter().filter_map(|(resource, limit, name)| {
            let both = Rlimit { current: Some(limit), maximum: Some(limit) };
            setrlimit(resource, both).err().map(|error| format!("the limit of {name} was refused: {error}"))
        });
        refused.collect()
    }
}

#[cfg(target_os = "linux")]
mod system_calls {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};

    /// What pure computation, its memory, a panic's end and two open pipes need. Everything else fails with EPERM: opening,
    /// connecting, executing, tracing, and calls that are not invented yet.
    const ALLOWED: [i64; 29] = [
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_lseek,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_tgkill,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// Installs the filter on all threads, and gives up new privileges, which the kernel asks for first.
    pub(super) fn filter() -> Result<(), String> {
        let explain = |error: &dyn std::fmt::Display| format!("the filter of system calls was refused: {error}");
        let architecture = std::env::consts::ARCH.try_into().map_err(|error| explain(&error))?;
        let filter = SeccompFilter::new(
            ALLOWED.into_iter().map(|number| (number, Vec::new())).collect(),
            SeccompAction::Errno(libc::EPERM as u32),
            SeccompAction::Allow,
            architecture,
        );
        let filter = filter.map_err(|error| explain(&error))?;
        let program: BpfProgram = filter.try_into().map_err(|error| explain(&error))?;
        apply_filter_all_threads(&program).map_err(|error| explain(&error))
    }
}
