//! A confined process answers with smaller pictures and can do nothing else. The process is this test program once more, told by
//! a variable which part to play. It answers on standard error, since the test runner writes to standard output.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};

use image::ImageFormat;
use manyeyes_picture::confined::{
    ConfinementSettings, REPLY_HEAD_BYTES, Refusal, Reply, ReplyHead, RequestHead, Wanted, confine, serve,
};
use manyeyes_picture::{Fit, Limits};

use crate::samples;

const PART: &str = "MANYEYES_PICTURE_TEST_PART";

#[test]
#[ignore = "the child's part, started by the other tests of this file"]
fn child() {
    let part = std::env::var(PART).unwrap();
    let missing = confine(&ConfinementSettings::default());
    match part.as_str() {
        "serve" => serve(std::io::stdin(), std::io::stderr()).unwrap(),
        "probe" => {
            let reports = [
                ("missing", format!("{missing:?}")),
                ("open", what_happened(std::fs::File::open("/proc/self/status"))),
                ("create", what_happened(std::fs::File::create("/tmp/manyeyes-confined"))),
                ("udp", what_happened(UdpSocket::bind("127.0.0.1:0"))),
                ("tcp", what_happened(TcpStream::connect("127.0.0.1:9"))),
                ("execute", what_happened(Command::new("/bin/true").spawn())),
                ("thread", what_happened(std::thread::Builder::new().spawn(|| ()))),
            ];
            let lines = reports.map(|(what, happened)| format!("{what}: {happened}\n"));
            std::io::stderr().write_all(lines.concat().as_bytes()).unwrap();
        }
        _ => panic!("there is no part {part}"),
    }
    // Without the test runner's own ending, which would write to the pipe.
    std::process::exit(0);
}

fn what_happened<T>(result: std::io::Result<T>) -> String {
    result.err().map_or_else(|| "done".to_owned(), |error| format!("{:?}", error.kind()))
}

fn start(part: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "confinement::child", "--ignored", "--nocapture"])
        .env(PART, part)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ask(child: &mut Child, file: &[u8], limits: Limits) -> Reply {
    ask_for(child, Wanted::Thumbnail(64), file, limits)
}

fn ask_for(child: &mut Child, wanted: Wanted, file: &[u8], limits: Limits) -> Reply {
    let head = RequestHead { file_bytes: file.len() as u32, wanted, limits };
    let input = child.stdin.as_mut().unwrap();
    input.write_all(&[&head.encode()[..], file].concat()).unwrap();
    let output = child.stderr.as_mut().unwrap();
    let mut head = [0; REPLY_HEAD_BYTES];
    output.read_exact(&mut head).unwrap();
    let head = ReplyHead::decode(head).unwrap();
    let mut body = vec![0; head.body_bytes as usize];
    output.read_exact(&mut body).unwrap();
    head.reply(body)
}

#[test]
#[cfg(target_os = "linux")]
fn a_confined_process_reaches_no_file_no_socket_and_no_other_process() {
    let mut child = start("probe");
    let mut report = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut report).unwrap();
    assert!(child.wait().unwrap().success(), "{report}");
    let expected = "missing: []\nopen: PermissionDenied\ncreate: PermissionDenied\nudp: PermissionDenied\n\
                    tcp: PermissionDenied\nexecute: PermissionDenied\nthread: PermissionDenied\n";
    assert_eq!(report, expected);
}

#[test]
fn a_confined_process_answers_with_thumbnails_of_every_format() {
    let mut child = start("serve");
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp] {
        let file = samples::file(samples::picture(640, 480), format);
        let thumbnail = ask(&mut child, &file, Limits::default()).unwrap();
        let thumbnail = image::load_from_memory(&thumbnail).unwrap();
        assert_eq!((thumbnail.width(), thumbnail.height()), (64, 48), "{format:?}");
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success(), "the end of its input ends it");
}

#[test]
fn a_confined_process_answers_with_smaller_forms_in_turn_with_thumbnails() {
    let mut child = start("serve");
    let file = samples::file(samples::noise(640, 480), ImageFormat::Jpeg);
    let squash = Wanted::Smaller(Fit::Squash { width: 256, height: 256 });
    for (wanted, sides) in
        [(squash, (256, 256)), (Wanted::Thumbnail(64), (64, 48)), (Wanted::Smaller(Fit::ShorterSide(300)), (400, 300))]
    {
        let picture = ask_for(&mut child, wanted, &file, Limits::default()).unwrap();
        let picture = image::load_from_memory(&picture).unwrap();
        assert_eq!((picture.width(), picture.height()), sides, "{wanted:?}");
    }
    let tiny = samples::file(samples::picture(8, 8), ImageFormat::Png);
    assert_eq!(ask_for(&mut child, squash, &tiny, Limits::default()).unwrap_err().code, "not_smaller");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_refusal_names_the_reason_and_the_next_file_is_served() {
    let mut child = start("serve");
    let file = samples::file(samples::picture(640, 480), ImageFormat::Png);
    let small = Limits { max_pixels: 1000 };
    for (bytes, limits, code) in [
        (&b""[..], Limits::default(), "empty"),
        (b"some text", Limits::default(), "not_an_image"),
        (&file[..file.len() / 2], Limits::default(), "truncated"),
        (&file, small, "too_many_pixels"),
    ] {
        let Refusal { code: actual, message } = ask(&mut child, bytes, limits).unwrap_err();
        assert_eq!(actual, code);
        assert!(!message.is_empty(), "{code} says nothing");
    }
    assert!(ask(&mut child, &file, Limits::default()).is_ok());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn lengths_over_their_limits_are_refused_before_anything_is_allocated() {
    let too_long = RequestHead { file_bytes: u32::MAX, wanted: Wanted::Thumbnail(1), limits: Limits::default() };
    assert!(RequestHead::decode(too_long.encode()).is_err());
    assert!(serve(&too_long.encode()[..], Vec::new()).is_err());
    assert!(ReplyHead::decode([0, 255, 255, 255, 255]).is_err());
    assert!(ReplyHead::decode([2, 0, 0, 0, 1]).is_err());
    for wanted in [
        Wanted::Thumbnail(320),
        Wanted::Smaller(Fit::Squash { width: 256, height: 224 }),
        Wanted::Smaller(Fit::ShorterSide(256)),
    ] {
        let fitting = RequestHead { file_bytes: 77, wanted, limits: Limits { max_pixels: 1 << 40 } };
        assert_eq!(RequestHead::decode(fitting.encode()).unwrap(), fitting);
        let mut unknown = fitting.encode();
        unknown[4] = 3;
        assert!(RequestHead::decode(unknown).is_err());
    }
}
