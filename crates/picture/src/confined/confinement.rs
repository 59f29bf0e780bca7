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
    /// it, for the file, and for the program itself; three hours of work, which are [`PICTURES_A_PROCESS`](super::PICTURES_A_PROCESS)
    /// of ten seconds each: no parent lets one take longer, so that no honest child comes to it.
    fn default() -> Self {
        Self { address_space_bytes: DEFAULT_MAX_PIXELS * 12 + (1 << 30), cpu_seconds: 3 * 3600 }
    }
}

/// Confines the whole process: no privilege, no file, socket, process or code that it does not have, and no more memory and time than
/// `settings` say. What is left are standard input, to be read and written, and standard output, to be written. It ends with its parent,
/// and no longer by Ctrl-C or SIGTERM, which its parent has had too: that one may want it for what it still finishes.
///
/// To be called by a process of one thread that has opened nothing: every file but the three standard ones is closed.
///
/// Returns what the system refused to take away, each as a sentence for the log; empty where confinement is full. The
/// limits of the process work on every Unix, all else on Linux.
#[must_use = "what could not be taken away is to be said in the log"]
pub fn confine(settings: &ConfinementSettings) -> Vec<String> {
    let mut missing = Vec::new();
    #[cfg(target_os = "linux")]
    {
        missing.extend(privileges::drop());
        missing.extend(landlock::forbid().err());
        missing.extend(files::close().err());
        signals::leave_to_parent();
    }
    #[cfg(unix)]
    missing.extend(process_limits::apply(settings));
    #[cfg(target_os = "linux")]
    missing.extend(system_calls::filter().err());
    #[cfg(not(target_os = "linux"))]
    missing.push("this system has no filter for system calls".to_owned());
    missing
}

#[cfg(target_os = "linux")]
mod privileges {
    use std::io;

    use rustix::process::{
        DumpableBehavior, Gid, Signal, Uid, getuid, set_dumpable_behavior, set_parent_process_death_signal,
    };
    use rustix::thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
        set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    };

    /// The user that owns nothing, by the number that it has on every Linux.
    const NOBODY: u32 = 65_534;

    /// Becomes nobody where it can, and gives up what is left of being somebody. Returns what was refused.
    pub(super) fn drop() -> Vec<String> {
        let mut refused = Vec::new();
        let mut say = |what: &str, done: io::Result<()>| {
            refused.extend(done.err().map(|error| format!("{what} was refused: {error}")));
        };
        if getuid().is_root() {
            let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
            say("to leave its groups", set_thread_groups(&[]).map_err(io::Error::from));
            say("to be in no group", set_thread_res_gid(group, group, group).map_err(io::Error::from));
            say("to be no longer root", set_thread_res_uid(user, user, user).map_err(io::Error::from));
        }
        let none = CapabilitySet::empty();
        let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
        say("to drop inherited capabilities", clear_ambient_capability_set().map_err(io::Error::from));
        say("to drop capabilities", set_capabilities(None, none).map_err(io::Error::from));
        say("to gain no privileges", set_no_new_privs(true).map_err(io::Error::from));
        // Both are undone by a change of user, and so come after it.
        let not_dumpable = DumpableBehavior::NotDumpable;
        say("to be looked into by nobody", set_dumpable_behavior(not_dumpable).map_err(io::Error::from));
        say("to end with its parent", set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from));
        refused
    }
}

#[cfg(target_os = "linux")]
mod landlock {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, Compatible, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
    };

    /// The newest of its versions that is known here. An older system does as much of it as it can.
    const VERSION: ABI = ABI::V6;

    /// A second lock behind the filter of system calls: no file, no port, no signal to who is outside.
    pub(super) fn forbid() -> Result<(), String> {
        let explain = |error: &dyn std::fmt::Display| format!("Landlock was refused: {error}");
        match forbid_all().map_err(|error| explain(&error))? {
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
            RulesetStatus::NotEnforced => Err(explain(&"this system has none")),
        }
    }

    fn forbid_all() -> Result<RulesetStatus, RulesetError> {
        let rules = Ruleset::default()
            .set_compatibility(landlock::CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(VERSION))?
            .handle_access(AccessNet::from_all(VERSION))?
            .scope(Scope::from_all(VERSION))?;
        Ok(rules.create()?.restrict_self()?.ruleset)
    }

    #[cfg(test)]
    mod tests {
        use std::fs::File;
        use std::io::ErrorKind;
        use std::net::TcpListener;

        /// It holds for the thread that calls for it.
        #[test]
        fn it_alone_keeps_files_and_ports_out_of_reach() {
            let reached = std::thread::spawn(|| {
                super::forbid().expect("this system has it");
                (File::open("/proc/self/environ").map(drop), TcpListener::bind("127.0.0.1:0").map(drop))
            });
            let (file, port) = reached.join().expect("no panic");
            assert_eq!(file.expect_err("no file").kind(), ErrorKind::PermissionDenied);
            assert_eq!(port.expect_err("no port").kind(), ErrorKind::PermissionDenied);
        }
    }
}

#[cfg(target_os = "linux")]
mod files {
    use std::io;

    /// Closes what the parent, or who started it, had left open by mistake.
    pub(super) fn close() -> Result<(), String> {
        #[expect(unsafe_code, reason = "there is no safe face of it")]
        // SAFETY: it takes no pointer. Whoever calls `confine` has opened nothing, and so nobody misses what is closed.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
        if closed == 0 { Ok(()) } else { Err(format!("to close files was refused: {}", io::Error::last_os_error())) }
    }
}

#[cfg(target_os = "linux")]
mod signals {
    /// Ignores what a terminal, or who ends a whole service, sends to every process.
    pub(super) fn leave_to_parent() {
        for signal in [libc::SIGINT, libc::SIGTERM] {
            #[expect(unsafe_code, reason = "there is no safe face of it")]
            // SAFETY: to ignore it installs no code. It fails for no signal that there is.
            unsafe {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
    }
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
    use std::collections::BTreeMap;

    use rustix::process::getpid;
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
        apply_filter_all_threads,
    };

    /// What pure computation, its memory and a panic's end need, whatever the arguments. With those of [`rules`] that is all:
    /// everything else fails with EPERM, opening, connecting, executing, tracing, and calls that are not invented yet.
    const ALLOWED: [i64; 19] = [
        libc::SYS_close,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_clock_gettime,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_getpid,
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
        install().map_err(|error| format!("the filter of system calls was refused: {error}"))
    }

    fn install() -> Result<(), Box<dyn std::error::Error>> {
        let architecture = std::env::consts::ARCH.try_into()?;
        let refused = SeccompAction::Errno(libc::EPERM as u32);
        let filter = SeccompFilter::new(rules()?, refused, SeccompAction::Allow, architecture)?;
        let program: BpfProgram = filter.try_into()?;
        Ok(apply_filter_all_threads(&program)?)
    }

    /// For each call the arguments that it may have: one rule or another; none where there is nothing to choose.
    fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
        let is = |argument, value| SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
        let has = |argument, mask, value| {
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
        };
        let (input, output) = (0, 1);
        let (executable, anonymous) = (libc::PROT_EXEC as u64, libc::MAP_ANONYMOUS as u64);
        let own_id = getpid().as_raw_nonzero().get() as u64;
        let mut rules: BTreeMap<_, _> = ALLOWED.into_iter().map(|call| (call, Vec::new())).collect();
        // Standard error is a terminal or a log: neither what is typed there nor what is read there is a stranger's picture's.
        rules.insert(libc::SYS_read, vec![SeccompRule::new(vec![is(0, input)?])?]);
        let writes = [SeccompRule::new(vec![is(0, input)?])?, SeccompRule::new(vec![is(0, output)?])?];
        rules.insert(libc::SYS_write, writes.into());
        // New memory, and never code.
        let mapped = SeccompRule::new(vec![has(2, executable, 0)?, has(3, anonymous, anonymous)?])?;
        rules.insert(libc::SYS_mmap, vec![mapped]);
        rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![has(2, executable, 0)?])?]);
        // How a program of ours aborts.
        rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![is(0, own_id)?])?]);
        Ok(rules)
    }
}
