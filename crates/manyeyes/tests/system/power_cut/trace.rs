//! Reads what strace has recorded: each call on the data folder, each byte to and from a client, in the order in which they
//! began and ended. A call on the data folder that this does not know is an error: nothing that changes a disk goes past.

use std::collections::HashMap;

/// What the process did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A file was opened, made where it was not there, and emptied if `empty`.
    Opened {
        path: String,
        make: bool,
        empty: bool,
    },
    FolderMade {
        path: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    Removed {
        path: String,
    },
    /// At the given place, or behind what was written before.
    Written {
        path: String,
        at: Option<usize>,
        bytes: Vec<u8>,
    },
    Cut {
        path: String,
        length: usize,
    },
    Punched {
        path: String,
        at: usize,
        bytes: usize,
    },
    /// A sync has begun; it is told by its number when it ends.
    SyncBegan {
        path: String,
        sync: usize,
    },
    SyncEnded {
        sync: usize,
    },
    Sent {
        socket: String,
        bytes: Vec<u8>,
    },
    Received {
        socket: String,
        bytes: Vec<u8>,
    },
}

/// Calls that change no disk, so that strace needs not stop for them.
pub(crate) const LEFT_ALONE: &str = "read,pread64,readv,futex,epoll_wait,epoll_ctl,epoll_pwait,poll,ppoll,clock_nanosleep,\
                                     clock_gettime,nanosleep,getrandom,rt_sigaction,rt_sigprocmask,rt_sigreturn,sigaltstack,\
                                     madvise,munmap,mprotect,brk,sched_yield,sched_getaffinity,getpid,gettid,\
                                     set_robust_list,rseq,prctl,arch_prctl,prlimit64,set_tid_address,wait4,getuid,geteuid,\
                                     getgid,getegid";

/// Calls on the data folder that change nothing in it that a crash could lose: they ask, lock, close, or set what is set.
const HARMLESS: [&str; 19] = [
    "statx",
    "newfstatat",
    "fstat",
    "stat",
    "lstat",
    "access",
    "faccessat2",
    "readlink",
    "getdents64",
    "close",
    "fcntl",
    "flock",
    "fchown",
    "fadvise64",
    "execve",
    "getcwd",
    "statfs",
    "fstatfs",
    "chdir",
];

/// Events of a recording, those on paths below `root` and those of clients.
pub(crate) fn read(text: &str, root: &str) -> Result<Vec<Event>, String> {
    let mut reader = Reader { root, begun: HashMap::new(), syncing: HashMap::new(), syncs: 0, events: Vec::new() };
    for line in text.lines() {
        reader.line(line).map_err(|error| format!("{error}: {}", &line[..line.len().min(300)]))?;
    }
    Ok(reader.events)
}

struct Reader<'a> {
    root: &'a str,
    /// By thread: the call that has begun, as far as it was written.
    begun: HashMap<&'a str, &'a str>,
    syncing: HashMap<&'a str, usize>,
    syncs: usize,
    events: Vec<Event>,
}

/// A call that has ended.
struct Call<'a> {
    name: &'a str,
    arguments: Vec<&'a str>,
    result: i64,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) -> Result<(), String> {
        let (thread, rest) = line.split_once(' ').ok_or("a line without a thread")?;
        let rest = rest.trim_start();
        if rest.starts_with("---") || rest.starts_with("+++") {
            return Ok(());
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let begun = self.begun.remove(thread).ok_or("a call ends that has not begun")?;
            let (_, tail) = resumed.split_once(" resumed>").ok_or("no such line is known")?;
            return self.ended(thread, &format!("{begun}{tail}"));
        }
        let begun = rest.strip_suffix(" <unfinished ...>");
        self.began(thread, begun.unwrap_or(rest))?;
        match begun {
            Some(begun) => {
                self.begun.insert(thread, begun);
                Ok(())
            }
            None => self.ended(thread, rest),
        }
    }

    /// What counts from the moment a call begins: bytes that a client may have seen, and the promise of a sync.
    fn began(&mut self, thread: &'a str, text: &str) -> Result<(), String> {
        let (name, rest) = text.split_once('(').ok_or("no call")?;
        match name {
            "fsync" | "fdatasync" => {
                if let Some(path) = self.path_in(rest) {
                    self.syncs += 1;
                    self.syncing.insert(thread, self.syncs);
                    self.events.push(Event::SyncBegan { path, sync: self.syncs });
                }
            }
            "write" | "writev" | "sendto" | "sendmsg" if rest.contains("<TCP:[") => {
                let socket = between(rest, "<TCP:[", "]>").ok_or("no socket")?.to_owned();
                let bytes = strings(rest)?.concat();
                self.events.push(Event::Sent { socket, bytes });
            }
            _ => {}
        }
        Ok(())
    }

    fn ended(&mut self, thread: &str, text: &str) -> Result<(), String> {
        let call = call(text)?;
        let first = call.arguments.first().copied().unwrap_or_default();
        if call.name == "recvfrom" && first.contains("<TCP:[") {
            if call.result > 0 {
                let socket = between(first, "<TCP:[", "]>").ok_or("no socket")?.to_owned();
                self.events.push(Event::Received { socket, bytes: strings(text)?.concat() });
            }
            return Ok(());
        }
        if call.name.starts_with("io_uring") || call.name == "sync" {
            return Err("a call that may change a disk and is not modelled".to_owned());
        }
        if !self.is_ours(&call)? || call.result < 0 {
            return Ok(());
        }
        let event = self.event(thread, &call)?;
        self.events.extend(event);
        Ok(())
    }

    fn event(&mut self, thread: &str, call: &Call<'_>) -> Result<Option<Event>, String> {
        let Call { name, arguments, result } = call;
        let at = |place: usize| arguments.get(place).copied().ok_or("an argument is missing");
        let number = |place: usize| at(place)?.parse::<usize>().map_err(|error| error.to_string());
        let path = || self.path_in(at(0)?).ok_or("it has no path".to_owned());
        Ok(Some(match *name {
            "openat" => {
                let flags = at(2)?;
                let path = string(at(1)?)?;
                Event::Opened { path, make: flags.contains("O_CREAT"), empty: flags.contains("O_TRUNC") }
            }
            "mkdir" => Event::FolderMade { path: string(at(0)?)? },
            "rename" => Event::Renamed { from: string(at(0)?)?, to: string(at(1)?)? },
            "unlink" => Event::Removed { path: string(at(0)?)? },
            "pwrite64" | "write" => {
                let mut bytes = strings(at(1)?)?.concat();
                bytes.truncate(usize::try_from(*result).map_err(|error| error.to_string())?);
                let place = if *name == "write" { None } else { Some(number(3)?) };
                Event::Written { path: path()?, at: place, bytes }
            }
            "ftruncate" => Event::Cut { path: path()?, length: number(1)? },
            "fallocate" if at(1)?.contains("FALLOC_FL_PUNCH_HOLE") => {
                Event::Punched { path: path()?, at: number(2)?, bytes: number(3)? }
            }
            "fallocate" if at(1)? == "0" => Event::Cut { path: path()?, length: number(3)? },
            "fsync" | "fdatasync" => {
                Event::SyncEnded { sync: self.syncing.remove(thread).ok_or("a sync ends that has not begun")? }
            }
            // SQLite's index of its log is shared memory, and made anew from the log after a crash.
            "mmap" if self.path_in(at(4)?).is_some_and(|path| path.ends_with("-shm")) => return Ok(None),
            "mmap" if !at(2)?.contains("PROT_WRITE") => return Ok(None),
            harmless if HARMLESS.contains(&harmless) => return Ok(None),
            _ => return Err("a call on the data folder that is not modelled".to_owned()),
        }))
    }

    /// Whether a path of ours is among its arguments.
    fn is_ours(&self, call: &Call<'_>) -> Result<bool, String> {
        for argument in &call.arguments {
            if self.path_in(argument).is_some() {
                return Ok(true);
            }
            if argument.starts_with('"') && !["write", "pwrite64", "sendto", "execve"].contains(&call.name) {
                let text = strings(argument)?.concat();
                if String::from_utf8_lossy(&text).starts_with(self.root) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The path of a descriptor, where it is one of ours.
    fn path_in(&self, text: &str) -> Option<String> {
        let path = unescaped(between(text, "<", ">")?)?;
        // What has lost its name is lost whatever becomes of it.
        let gone = if text.contains(">(deleted)") { " (deleted)" } else { "" };
        path.starts_with(self.root).then(|| format!("{path}{gone}"))
    }
}

/// A path as strace writes it beside a descriptor: in hexadecimal digits too, where it was told to use them.
fn unescaped(path: &str) -> Option<String> {
    if !path.starts_with("\\x") {
        return Some(path.to_owned());
    }
    let bytes =
        path.split("\\x").skip(1).map(|digits| u8::from_str_radix(digits, 16)).collect::<Result<_, _>>().ok()?;
    String::from_utf8(bytes).ok()
}

fn call(text: &str) -> Result<Call<'_>, String> {
    let (name, rest) = text.split_once('(').ok_or("no call")?;
    let (arguments, result) = rest.rsplit_once(" = ").ok_or("a call without a result")?;
    let arguments = arguments.trim_end().strip_suffix(')').ok_or("a call without an end")?;
    let digits: String = result.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
    // An address, or none because the process ended in it.
    let result = digits.parse().unwrap_or(-1);
    Ok(Call { name, arguments: split(arguments), result })
}

/// Arguments, which may have brackets and strings with commas in them.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut start) = (0, false, 0);
    let mut parts = Vec::new();
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn between<'a>(text: &'a str, left: &str, right: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(left)?;
    rest.split_once(right).map(|(inside, _)| inside)
}

fn string(argument: &str) -> Result<String, String> {
    let bytes = strings(argument)?.concat();
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// The strings within quotes, which strace was told to write in hexadecimal digits, and whole.
fn strings(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    let mut parts = text.split('"');
    while let (Some(_), Some(quoted)) = (parts.next(), parts.next()) {
        let bytes = quoted.split("\\x").skip(1).map(|digits| u8::from_str_radix(digits, 16));
        found.push(bytes.collect::<Result<_, _>>().map_err(|error| format!("no hexadecimal string: {error}"))?);
    }
    if text.contains("\"...") {
        return Err("strace has cut a string".to_owned());
    }
    Ok(found)
}

mod tests {
    use super::*;

    const ROOT: &str = "/srv/data";

    #[test]
    fn calls_that_overlap_are_told_apart_by_their_threads() {
        let text = "7 fdatasync(9<\\x2f\\x73\\x72\\x76\\x2f\\x64\\x61\\x74\\x61\\x2f\\x70\\x61\\x63\\x6b\\x73\\x2f\\x31> \
                    <unfinished ...>\n\
                    8 pwrite64(9</srv/data/packs/1>, \"\\x41\\x42\", 2, 10) = 2\n\
                    8 writev(5<TCP:[1->2]>, [{iov_base=\"\\x4f\", iov_len=1}, {iov_base=\"\\x4b\", iov_len=1}], 2 <unfinished ...>\n\
                    7 <... fdatasync resumed>)          = 0\n\
                    8 <... writev resumed>)             = 2\n\
                    7 +++ exited with 0 +++\n";
        let packed = "/srv/data/packs/1".to_owned();
        let expected = [
            Event::SyncBegan { path: packed.clone(), sync: 1 },
            Event::Written { path: packed, at: Some(10), bytes: b"AB".to_vec() },
            Event::Sent { socket: "1->2".to_owned(), bytes: b"OK".to_vec() },
            Event::SyncEnded { sync: 1 },
        ];
        assert_eq!(read(text, ROOT).unwrap(), expected);
    }

    #[test]
    fn a_call_on_the_data_folder_that_is_not_modelled_is_an_error() {
        for line in [
            "7 copy_file_range(3</tmp/x>, NULL, 4</srv/data/packs/1>, NULL, 10, 0) = 10",
            "7 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 4</srv/data/books.sqlite>, 0) = 0x7f0000000000",
            "7 linkat(AT_FDCWD</>, \"\\x2f\\x73\\x72\\x76\\x2f\\x64\\x61\\x74\\x61\\x2f\\x61\", AT_FDCWD</>, \"\\x62\", 0) = 0",
            "7 io_uring_setup(8, {flags=0}) = 3",
            "7 pwrite64(9</srv/data/packs/1>, \"\\x41\"..., 2, 10) = 2",
        ] {
            assert!(read(line, ROOT).is_err(), "{line}");
        }
        assert_eq!(read("7 copy_file_range(3</tmp/x>, NULL, 4</tmp/y>, NULL, 10, 0) = 10", ROOT), Ok(vec![]));
    }
}
