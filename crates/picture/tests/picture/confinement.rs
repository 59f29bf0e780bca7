//! A confined process answers with smaller pictures and can do nothing else. The process is this test program once more, told by
//! a variable which part to play. It talks on the socket that it has as standard input, since the test runner writes to standard output.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use image::ImageFormat;
use manyeyes_picture::confined::{
    Channel, ConfinementSettings, REPLY_HEAD_BYTES, Refusal, Reply, ReplyHead, RequestHead, Wanted, confine, serve,
};
use manyeyes_picture::{Fit, Limits, decode_fitted};

use crate::samples;

const PART: &str = "MANYEYES_PICTURE_TEST_PART";

#[test]
#[ignore = "the child's part, started by the other tests of this file"]
fn child() {
    let part = std::env::var(PART).unwrap();
    let parent = std::os::unix::process::parent_id();
    let missing = confine(&ConfinementSettings::default());
    if part == "serve" {
        serve(Channel, Channel, &missing).unwrap();
    } else {
        let happened = match what_happens(&part, parent) {
            Ok(()) => "done".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        };
        let report = format!("missing {missing:?}: {happened}");
        Channel.write_all(report.as_bytes()).unwrap();
    }
    // Without the test runner's own ending, which would write to standard output.
    std::process::exit(0);
}

/// What a decoder that somebody has taken over might try.
fn what_happens(attempt: &str, parent: u32) -> io::Result<()> {
    match attempt {
        "to open a file" => std::fs::File::open("/proc/self/status").map(drop),
        "to read its environment" => std::fs::read("/proc/self/environ").map(drop),
        "to make a file" => std::fs::File::create("/tmp/manyeyes-confined").map(drop),
        "to remove a file" => std::fs::remove_file("/tmp/manyeyes-confined"),
        "to send a datagram" => std::net::UdpSocket::bind("127.0.0.1:0").map(drop),
        "to connect" => std::net::TcpStream::connect("127.0.0.1:9").map(drop),
        "to make a local socket" => UnixStream::pair().map(drop),
        "to execute" => Command::new("/bin/true").spawn().map(drop),
        "to start a thread" => std::thread::Builder::new().spawn(|| ()).map(drop),
        "to read what is typed" => rustix::io::read(io::stderr(), &mut [0; 1]).map(drop).map_err(Into::into),
        "to write to the log" => rustix::io::write(io::stderr(), b"!").map(drop).map_err(Into::into),
        other => raw::what_happens(other, parent),
    }
}

/// What no library of ours has a safe face for.
mod raw {
    #![expect(unsafe_code, reason = "does what a taken over process would")]

    use std::io;
    use std::ptr;

    pub(super) fn what_happens(attempt: &str, parent: u32) -> io::Result<()> {
        let parent = libc::pid_t::try_from(parent).unwrap();
        let done = match attempt {
            // SAFETY: no memory of this process is touched by these; a child of the fork ends at once.
            "to fork" => unsafe { libc::fork() },
            "to signal its parent" => unsafe { libc::kill(parent, 0) },
            "to trace its parent" => unsafe { libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0) as libc::c_int },
            "to be root" => unsafe { libc::setuid(0) },
            "to take its own limits away" => {
                let limit = libc::rlimit { rlim_cur: 1 << 40, rlim_max: 1 << 40 };
                // SAFETY: the limit is there for as long as the call.
                unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }
            }
            "to make code" => {
                let (code, private) = (libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
                // SAFETY: new memory, which nobody uses.
                let mapped = unsafe { libc::mmap(ptr::null_mut(), 4096, code, private, -1, 0) };
                if mapped == libc::MAP_FAILED { -1 } else { 0 }
            }
            "to make code of data" => {
                let (data, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
                // SAFETY: new memory, which nobody uses.
                unsafe {
                    let mapped = libc::mmap(ptr::null_mut(), 4096, data, private, -1, 0);
                    assert_ne!(mapped, libc::MAP_FAILED, "data may be had");
                    libc::mprotect(mapped, 4096, libc::PROT_READ | libc::PROT_EXEC)
                }
            }
            _ => panic!("nobody knows how {attempt}"),
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A child with the socket by which it is talked to.
struct Started {
    child: Child,
    channel: UnixStream,
}

fn start(part: &str) -> Started {
    let (channel, theirs) = UnixStream::pair().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "confinement::child", "--ignored", "--nocapture"])
        .env(PART, part)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Started { child, channel }
}

impl Started {
    fn serving() -> Self {
        let mut started = start("serve");
        let (head, body) = started.hear();
        assert_eq!(head.greeted(&body).unwrap(), [""; 0], "all of it was taken away");
        started
    }

    fn hear(&mut self) -> (ReplyHead, Vec<u8>) {
        let mut head = [0; REPLY_HEAD_BYTES];
        self.channel.read_exact(&mut head).unwrap();
        let head = ReplyHead::decode(head).unwrap();
        let mut body = vec![0; head.body_bytes as usize];
        self.channel.read_exact(&mut body).unwrap();
        (head, body)
    }

    fn ask(&mut self, file: &[u8], limits: Limits) -> Reply {
        self.ask_for(Wanted::Thumbnail(64), file, limits)
    }

    fn ask_for(&mut self, wanted: Wanted, file: &[u8], limits: Limits) -> Reply {
        let head = RequestHead { file_bytes: file.len() as u32, wanted, limits };
        self.channel.write_all(&[&head.encode()[..], file].concat()).unwrap();
        let (head, body) = self.hear();
        head.reply(body).unwrap()
    }

    fn let_end(self) {
        let Self { mut child, channel } = self;
        drop(channel);
        assert!(child.wait().unwrap().success(), "the end of its input ends it");
    }
}

/// What came of an attempt, and that nothing of the confinement was missing.
fn assert_refused(attempt: &str) {
    let mut started = start(attempt);
    let mut report = String::new();
    started.channel.read_to_string(&mut report).unwrap();
    assert!(started.child.wait().unwrap().success(), "{report}");
    assert_eq!(report, "missing []: PermissionDenied", "{attempt}");
}

mod a_confined_process_is_refused {
    use super::assert_refused;

    macro_rules! refused {
        ($($name:ident: $attempt:literal,)*) => {
            $(#[test]
            fn $name() {
                assert_refused($attempt);
            })*
        };
    }

    refused! {
        a_file: "to open a file",
        its_environment: "to read its environment",
        a_new_file: "to make a file",
        the_removal_of_a_file: "to remove a file",
        a_datagram: "to send a datagram",
        a_connection: "to connect",
        a_local_socket: "to make a local socket",
        another_program: "to execute",
        a_fork: "to fork",
        a_thread: "to start a thread",
        a_signal_to_its_parent: "to signal its parent",
        a_look_into_its_parent: "to trace its parent",
        another_user: "to be root",
        higher_limits: "to take its own limits away",
        new_code: "to make code",
        code_of_data: "to make code of data",
        what_is_typed_at_the_terminal: "to read what is typed",
        a_line_of_the_log: "to write to the log",
    }
}

/// What a supervisor had open and did not close would be the child's too.
#[test]
fn a_confined_process_has_no_file_but_the_standard_ones() {
    let left_open = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&left_open, rustix::io::FdFlags::empty()).unwrap();
    let started = Started::serving();
    let files = std::fs::read_dir(format!("/proc/{}/fd", started.child.id())).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["0", "1", "2"]);
    started.let_end();
}

#[test]
fn a_confined_process_answers_with_thumbnails_of_every_format() {
    let mut child = Started::serving();
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp] {
        let file = samples::file(samples::picture(640, 480), format);
        let thumbnail = child.ask(&file, Limits::default()).unwrap();
        let thumbnail = image::load_from_memory(&thumbnail).unwrap();
        assert_eq!((thumbnail.width(), thumbnail.height()), (64, 48), "{format:?}");
    }
    child.let_end();
}

#[test]
fn a_confined_process_answers_with_smaller_forms_and_pixels_in_turn_with_thumbnails() {
    let mut child = Started::serving();
    let file = samples::file(samples::noise(640, 480), ImageFormat::Jpeg);
    let squash = Wanted::Smaller(Fit::Squash { width: 256, height: 256 });
    for (wanted, sides) in
        [(squash, (256, 256)), (Wanted::Thumbnail(64), (64, 48)), (Wanted::Smaller(Fit::ShorterSide(300)), (400, 300))]
    {
        let picture = child.ask_for(wanted, &file, Limits::default()).unwrap();
        let picture = image::load_from_memory(&picture).unwrap();
        assert_eq!((picture.width(), picture.height()), sides, "{wanted:?}");
    }
    let (fit, crop) = (Fit::ShorterSide(256), 224);
    let pixels = child.ask_for(Wanted::Square { fit, crop }, &file, Limits::default()).unwrap();
    assert_eq!(pixels, decode_fitted(&file, fit, crop, &Limits::default()).unwrap().pixels);
    let tiny = samples::file(samples::picture(8, 8), ImageFormat::Png);
    assert_eq!(child.ask_for(squash, &tiny, Limits::default()).unwrap_err().code, "not_smaller");
    child.let_end();
}

#[test]
fn a_refusal_names_the_reason_and_the_next_file_is_served() {
    let mut child = Started::serving();
    let file = samples::file(samples::picture(640, 480), ImageFormat::Png);
    let small = Limits { max_pixels: 1000 };
    for (bytes, limits, code) in [
        (&b""[..], Limits::default(), "empty"),
        (b"some text", Limits::default(), "not_an_image"),
        (&file[..file.len() / 2], Limits::default(), "truncated"),
        (&file, small, "too_many_pixels"),
    ] {
        let Refusal { code: actual, message } = child.ask(bytes, limits).unwrap_err();
        assert_eq!(actual, code);
        assert!(!message.is_empty(), "{code} says nothing");
    }
    assert!(child.ask(&file, Limits::default()).is_ok());
    child.let_end();
}

#[test]
fn lengths_over_their_limits_are_refused_before_anything_is_allocated() {
    let too_long = RequestHead { file_bytes: u32::MAX, wanted: Wanted::Thumbnail(1), limits: Limits::default() };
    assert!(RequestHead::decode(too_long.encode()).is_err());
    assert!(serve(&too_long.encode()[..], Vec::new(), &[]).is_err());
    assert!(ReplyHead::decode([0, 255, 255, 255, 255]).is_err());
    assert!(ReplyHead::decode([3, 0, 0, 0, 1]).is_err());
    for wanted in [
        Wanted::Thumbnail(320),
        Wanted::Smaller(Fit::Squash { width: 256, height: 224 }),
        Wanted::Smaller(Fit::ShorterSide(256)),
        Wanted::Square { fit: Fit::Squash { width: 256, height: 224 }, crop: 200 },
        Wanted::Square { fit: Fit::ShorterSide(256), crop: 224 },
    ] {
        let fitting = RequestHead { file_bytes: 77, wanted, limits: Limits { max_pixels: 1 << 40 } };
        assert_eq!(RequestHead::decode(fitting.encode()).unwrap(), fitting);
        let mut unknown = fitting.encode();
        unknown[4] = 5;
        assert!(RequestHead::decode(unknown).is_err());
    }
}

#[test]
fn what_a_child_says_of_a_file_is_cut_and_holds_nothing_that_a_terminal_obeys() {
    let said = [&b"damaged\n\x1b[2J\x07no\r\nmore \xff"[..], &[b'x'; 9999]].concat();
    let head = ReplyHead::decode([1, 0, 0, 0, 9]).unwrap();
    let Refusal { code, message } = head.reply(said).unwrap().unwrap_err();
    assert_eq!(code, "damaged");
    assert!(message.starts_with(" [2J no  more \u{fffd}xxx"), "{message}");
    assert!(message.len() < 1100 && !message.contains(char::is_control));
    assert!(ReplyHead::decode([2, 0, 0, 0, 0]).unwrap().reply(Vec::new()).is_err(), "a greeting is no reply");
    assert!(head.greeted(b"").is_err(), "and a refusal no greeting");
}
