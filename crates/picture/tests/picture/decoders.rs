//! A worker's decoders: what they make is what this process would make, and what a child does costs one file at most. The children are
//! this test program once more.

use std::io::{Read, Write};
use std::time::Duration;

use image::ImageFormat;
use manyeyes_picture::confined::{
    Area, Channel, ConfinementSettings, Decoder, DecoderError, DecoderSettings, Decoders, PICTURES_A_PROCESS,
    REQUEST_HEAD_BYTES, Refusal, RequestHead, confine, greeting, serve_in,
};
use manyeyes_picture::{Fit, Limits, decode_fitted};
use rustix::process::{Pid, Signal, kill_process};

use crate::samples;

const SQUASH: Fit = Fit::Squash { width: 256, height: 256 };

#[test]
#[ignore = "no test: a decoder that the tests below start"]
fn honest() {
    let mut area = Area::of_standard_output().unwrap();
    let missing = confine(&ConfinementSettings::default());
    serve_in(&mut area, Channel, &missing).unwrap();
    std::process::exit(0);
}

/// Whoever has taken it over, or whatever bug it has: what it does is what the file says.
#[test]
#[ignore = "no test: a decoder that the tests below start"]
fn obeying() {
    let area = Area::of_standard_output().unwrap();
    let missing = confine(&ConfinementSettings::default());
    Channel.write_all(&greeting(&missing)).unwrap();
    let mut head = [0; REQUEST_HEAD_BYTES];
    for number in 1_u32.. {
        if Channel.read_exact(&mut head).is_err() {
            break;
        }
        let file = area[..RequestHead::decode(head).unwrap().file_bytes as usize].to_vec();
        match &file[..] {
            b"abort" => std::process::abort(),
            b"end" => std::process::exit(7),
            b"hang" => hang(),
            b"dribble" => {
                Channel.write_all(&[0, 0]).unwrap();
                hang();
            }
            b"count" => Channel.write_all(&[&[1, 0, 0, 0, 8], format!("n\n{number:06}").as_bytes()].concat()).unwrap(),
            raw => Channel.write_all(raw).unwrap(),
        }
    }
    std::process::exit(0);
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "no test: a decoder that the tests below start"]
fn ending_before_it_is_ready() {
    std::process::exit(7);
}

fn settings(child: &str) -> DecoderSettings {
    let arguments = ["--exact", &format!("decoders::{child}"), "--ignored", "--nocapture"];
    DecoderSettings {
        program: std::env::current_exe().unwrap(),
        arguments: arguments.map(str::to_owned).to_vec(),
        ..DecoderSettings::this_program()
    }
}

fn decoder(child: &str) -> Decoder {
    Decoders::new(settings(child)).unwrap().decoder()
}

/// What it says of a file to an [`obeying`] child, which answers with 1 x 1 pixels.
fn ask(decoder: &mut Decoder, file: &[u8]) -> Result<Result<Vec<u8>, Refusal>, DecoderError> {
    decoder.decode_fitted(file, SQUASH, 1).map(|reply| reply.map(|square| square.pixels))
}

/// How it died of a file.
fn death(decoder: &mut Decoder, file: &[u8]) -> String {
    match ask(decoder, file) {
        Err(DecoderError::Died(how)) => how,
        other => panic!("{other:?}"),
    }
}

/// The how manyeth file this is of the present child.
fn count(decoder: &mut Decoder) -> u32 {
    ask(decoder, b"count").unwrap().unwrap_err().message.parse().unwrap()
}

#[test]
fn a_child_takes_nothing_less_than_everything_from_itself() {
    assert_eq!(decoder("honest").ready().unwrap(), [""; 0]);
}

#[test]
fn the_pixels_are_those_that_this_process_would_make() {
    let mut decoder = decoder("honest");
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp] {
        let file = samples::file(samples::noise(640, 480), format);
        for (fit, crop) in [(SQUASH, 224), (Fit::ShorterSide(256), 224), (Fit::ShorterSide(8), 8)] {
            let there = decoder.decode_fitted(&file, fit, crop).unwrap().unwrap();
            assert_eq!(there, decode_fitted(&file, fit, crop, &Limits::default()).unwrap(), "{format:?} {fit:?}");
        }
    }
}

#[test]
fn a_file_that_is_no_picture_is_refused_as_this_process_would_and_the_next_is_decoded() {
    let mut decoder = decoder("honest");
    let file = samples::file(samples::picture(640, 480), ImageFormat::Png);
    for bad in [&b""[..], b"some text", b"<svg xmlns='http://www.w3.org/2000/svg'/>", &file[..file.len() / 2]] {
        let there = decoder.decode_fitted(bad, SQUASH, 224).unwrap().unwrap_err();
        assert_eq!(there, decode_fitted(bad, SQUASH, 224, &Limits::default()).unwrap_err().into());
    }
    assert!(decoder.decode_fitted(&file, SQUASH, 224).unwrap().is_ok());
}

#[test]
fn more_pixels_than_the_limit_are_refused() {
    let limits = Limits { max_pixels: 1000 };
    let mut decoder = Decoders::new(DecoderSettings { limits, ..settings("honest") }).unwrap().decoder();
    let file = samples::file(samples::picture(640, 480), ImageFormat::Jpeg);
    assert_eq!(decoder.decode_fitted(&file, SQUASH, 224).unwrap().unwrap_err().code, "too_many_pixels");
}

#[test]
fn a_large_file_and_a_small_one_after_it_are_decoded() {
    let mut decoder = decoder("honest");
    let large = samples::file(samples::noise(2000, 1000), ImageFormat::Bmp);
    let small = samples::file(samples::noise(64, 64), ImageFormat::Png);
    for file in [&large, &small, &large] {
        let there = decoder.decode_fitted(file, SQUASH, 224).unwrap().unwrap();
        assert_eq!(there, decode_fitted(file, SQUASH, 224, &Limits::default()).unwrap());
    }
}

#[test]
fn a_child_that_dies_of_a_file_costs_that_file_alone_and_how_it_died_is_told() {
    let mut decoder = decoder("obeying");
    assert_eq!(count(&mut decoder), 1);
    assert_eq!(death(&mut decoder, b"abort"), "was ended by signal 6");
    assert_eq!(count(&mut decoder), 1, "another one");
    assert_eq!(death(&mut decoder, b"end"), "ended with status 7");
    assert_eq!(count(&mut decoder), 1);
    assert_eq!(count(&mut decoder), 2);
}

#[test]
fn a_child_that_hangs_is_killed_after_its_time_and_the_next_file_is_decoded() {
    let time = Duration::from_millis(200);
    let mut decoder = Decoders::new(DecoderSettings { time, ..settings("obeying") }).unwrap().decoder();
    // Long enough for a child to start on a busy machine.
    while decoder.ready().is_err() {}
    assert_eq!(death(&mut decoder, b"hang"), "took longer than 200ms");
    while decoder.ready().is_err() {}
    assert_eq!(death(&mut decoder, b"dribble"), "took longer than 200ms");
    while decoder.ready().is_err() {}
    assert_eq!(count(&mut decoder), 1);
}

/// The processes that this one has started.
fn children() -> Vec<Pid> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let lists = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
    let ids = lists.flat_map(|list| list.split(' ').flat_map(str::parse).collect::<Vec<i32>>());
    let children: Vec<Pid> = ids.flat_map(Pid::from_raw).collect();
    assert!(!children.is_empty());
    children
}

/// Ends what this process has started, and waits until all that it had is closed.
fn kill_children() {
    for child in children() {
        kill_process(child, Signal::KILL).unwrap();
        while !std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
    }
}

/// A terminal's Ctrl-C goes to every process of a worker, which has an image to finish then.
#[test]
fn a_child_leaves_it_to_its_parent_when_to_end() {
    let mut decoder = decoder("obeying");
    assert_eq!(count(&mut decoder), 1);
    for child in children() {
        for signal in [Signal::INT, Signal::TERM] {
            kill_process(child, signal).unwrap();
        }
    }
    assert_eq!(count(&mut decoder), 2);
}

/// Who had nothing to do with it is not blamed for it.
#[test]
fn a_child_that_dies_while_it_has_nothing_to_do_costs_no_file() {
    let mut decoder = decoder("obeying");
    for _ in 0..3 {
        assert_eq!(count(&mut decoder), 1);
        kill_children();
    }
}

#[test]
fn a_child_that_speaks_nonsense_costs_that_file_alone() {
    let mut decoder = decoder("obeying");
    for nonsense in [
        // More and fewer pixels than a square has.
        &[0, 0, 0, 0, 4][..],
        &[0, 0, 0, 0, 0],
        &[0, 255, 255, 255, 255],
        // A greeting, and what is of no kind.
        &[2, 0, 0, 0, 0],
        &[9, 0, 0, 0, 3],
        // A refusal longer than any.
        &[1, 0, 0, 255, 255],
    ] {
        let how = death(&mut decoder, nonsense);
        assert!(how.starts_with("said ") || how.starts_with("answered "), "{how}");
        assert_eq!(count(&mut decoder), 1, "another one");
    }
}

#[test]
fn a_child_is_replaced_after_so_many_files() {
    let mut decoder = decoder("obeying");
    for expected in (1..=PICTURES_A_PROCESS).chain([1, 2]) {
        assert_eq!(count(&mut decoder), expected);
    }
}

#[test]
fn where_no_child_can_be_started_no_file_is_blamed() {
    let missing = DecoderSettings { program: "/nowhere/manyeyes".into(), ..settings("honest") };
    for settings in [missing, settings("ending_before_it_is_ready")] {
        let mut decoder = Decoders::new(settings).unwrap().decoder();
        assert!(decoder.ready().is_err());
        for _ in 0..2 {
            assert!(matches!(ask(&mut decoder, b"count"), Err(DecoderError::Unavailable(_))));
        }
    }
}

#[test]
fn each_of_several_has_a_child_of_its_own() {
    let decoders = Decoders::new(settings("obeying")).unwrap();
    let mut both = [decoders.decoder(), decoders.decoder()];
    for expected in 1..=3 {
        for decoder in &mut both {
            assert_eq!(count(decoder), expected);
        }
    }
}
