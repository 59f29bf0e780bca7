//! The wire, pinned: every frame's bytes, both ways, and what is no frame.

use std::fmt::Debug;

use bytes::BufMut;
use proptest::prelude::*;

use super::*;
use crate::result::{FailureCode, Label, WorkerTiming};

/// Hex by field, as `docs/protocol.md` describes them. Frozen: a change here is another protocol.
fn pinned() -> Vec<(&'static str, Said)> {
    vec![
        (
            "00000057 01 4d455945 0001 0001 11111111111111111111111111111111 00000002 00000008 \
             03 657965 04 6d652f31 02 7477 \
             01 2222222222222222222222222222222222222222222222222222222222222222 01 02 676e 0003 6f6c64",
            Said::Worker(WorkerFrame::Hello(hello())),
        ),
        (
            "0000005a 01 4d455945 0001 0001 11111111111111111111111111111111 00000002 00000008 \
             03 657965 04 6d652f31 02 7477 \
             01 2222222222222222222222222222222222222222222222222222222222222222 01 02 676e 0003 6f6c64 01 0100",
            Said::Worker(WorkerFrame::Hello(hello_with(InputSize::Squashed(256)))),
        ),
        (
            "0000005a 01 4d455945 0001 0001 11111111111111111111111111111111 00000002 00000008 \
             03 657965 04 6d652f31 02 7477 \
             01 2222222222222222222222222222222222222222222222222222222222222222 01 02 676e 0003 6f6c64 02 00e0",
            Said::Worker(WorkerFrame::Hello(hello_with(InputSize::ShorterSide(224)))),
        ),
        (
            "00000032 02 0000000000000005 00000001 000003e8 00000002 00001388 00007530 \
             01 00000097 3f400000 03 646f67 0006 0009 0002 abcd",
            Said::Worker(WorkerFrame::Result {
                image: ImageId(5),
                attempt: Attempt(1),
                answer: answer(),
                extensions: Extensions(vec![Extension {
                    kind: 9,
                    critical: false,
                    value: Bytes::from_static(&[0xab, 0xcd]),
                }]),
            }),
        ),
        (
            "00000012 03 0000000000000005 00000001 0004 0001 21",
            Said::Worker(WorkerFrame::Failed {
                image: ImageId(5),
                attempt: Attempt(1),
                failure: Failure { code: FailureCode::Truncated, message: "!".to_owned() },
            }),
        ),
        (
            "0000000e 04 0000000000000005 00000001 01",
            Said::Worker(WorkerFrame::Progress { image: ImageId(5), attempt: Attempt(1), stage: Stage::Received }),
        ),
        (
            "0000000e 04 0000000000000005 00000001 02",
            Said::Worker(WorkerFrame::Progress { image: ImageId(5), attempt: Attempt(1), stage: Stage::Started }),
        ),
        ("00000009 40 0123456789abcdef", Said::Worker(WorkerFrame::Ping { nonce: 0x0123_4567_89ab_cdef })),
        ("00000009 41 0123456789abcdef", Said::Worker(WorkerFrame::Pong { nonce: 0x0123_4567_89ab_cdef })),
        ("00000001 42", Said::Worker(WorkerFrame::Goodbye)),
        (
            "0000001b 21 0001 33333333333333333333333333333333 000003e8 00001388",
            Said::Manager(ManagerFrame::Welcome(Welcome {
                version: 1,
                books: BooksId([0x33; 16]),
                heartbeat: Duration::from_secs(1),
                silence: Duration::from_secs(5),
            })),
        ),
        (
            "00000007 22 0002 0002 6e6f",
            Said::Manager(ManagerFrame::Refused(Refusal { code: RefusalCode::Token, sentence: "no".to_owned() })),
        ),
        (
            "0000003f 23 0000000000000005 00000001 \
             2222222222222222222222222222222222222222222222222222222222222222 00002710 00 0005 8007 0001 ff ffd8ffe0 0010",
            Said::Manager(ManagerFrame::Assign(Assign {
                image: ImageId(5),
                attempt: Attempt(1),
                model: ModelDigest([0x22; 32]),
                deadline: Duration::from_secs(10),
                resend: false,
                extensions: Extensions(vec![Extension { kind: 7, critical: true, value: Bytes::from_static(&[0xff]) }]),
                payload: Bytes::from_static(&[0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10]),
            })),
        ),
        (
            "00000034 23 0000000000000005 00000001 \
             2222222222222222222222222222222222222222222222222222222222222222 00002710 01 0000",
            Said::Manager(ManagerFrame::Assign(Assign {
                image: ImageId(5),
                attempt: Attempt(1),
                model: ModelDigest([0x22; 32]),
                deadline: Duration::from_secs(10),
                resend: true,
                extensions: Extensions::default(),
                payload: Bytes::new(),
            })),
        ),
        (
            "0000000d 24 0000000000000005 00000001",
            Said::Manager(ManagerFrame::Cancel { image: ImageId(5), attempt: Attempt(1) }),
        ),
        (
            "0000000d 25 0000000000000005 00000001",
            Said::Manager(ManagerFrame::ResultAck { image: ImageId(5), attempt: Attempt(1) }),
        ),
        ("00000001 26", Said::Manager(ManagerFrame::Drain)),
        ("00000002 27 02", Said::Manager(ManagerFrame::Move { to: TransportNumber(2) })),
        ("00000009 40 0123456789abcdef", Said::Manager(ManagerFrame::Ping { nonce: 0x0123_4567_89ab_cdef })),
        ("00000009 41 0123456789abcdef", Said::Manager(ManagerFrame::Pong { nonce: 0x0123_4567_89ab_cdef })),
        ("00000001 42", Said::Manager(ManagerFrame::Goodbye)),
    ]
}

#[test]
fn every_frame_has_its_frozen_bytes() {
    for (hex, said) in pinned() {
        let bytes: String = said.encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, hex.replace(' ', ""), "{said:?}");
    }
}

#[test]
fn every_frame_is_read_as_it_was_written() {
    for (_, said) in pinned() {
        assert_eq!(said.decode(said.body()), Ok(said.clone()));
    }
}

#[test]
fn every_frame_that_is_cut_short_is_an_error() {
    for (_, said) in pinned() {
        let body = said.body();
        let fields = match &said {
            Said::Manager(ManagerFrame::Assign(assign)) => body.len() - assign.payload.len(),
            // What was added later may be missing.
            Said::Worker(WorkerFrame::Hello(hello)) if hello.models[0].input.is_some() => body.len() - 3,
            Said::Manager(_) | Said::Worker(_) => body.len(),
        };
        for length in 0..fields {
            let cut = said.decode(body.slice(..length));
            assert!(matches!(cut, Err(DecodeError::Short(_))), "{length} bytes of {said:?}: {cut:?}");
        }
    }
}

#[test]
fn what_follows_a_frames_fields_is_an_error_but_in_the_handshake() {
    for (_, said) in pinned() {
        let mut body = said.body().to_vec();
        body.push(0);
        let longer = said.decode(Bytes::from(body));
        match &said {
            Said::Worker(WorkerFrame::Hello(_))
            | Said::Manager(ManagerFrame::Welcome(_) | ManagerFrame::Refused(_)) => {
                assert_eq!(longer, Ok(said))
            }
            Said::Manager(ManagerFrame::Assign(assign)) if !assign.resend => {
                assert_ne!(longer, Ok(said.clone()))
            }
            Said::Manager(_) | Said::Worker(_) => {
                assert_eq!(longer, Err(DecodeError::Trailing(1)), "{said:?}")
            }
        }
    }
}

/// Workers of before said nothing of their input, and a later one may say what we do not know.
#[test]
fn a_hello_without_an_input_that_is_known_is_one_all_the_same() {
    let body = Said::Worker(WorkerFrame::Hello(hello_with(InputSize::Squashed(256)))).body();
    let told = |bytes: Vec<u8>| {
        let Ok(WorkerFrame::Hello(hello)) = WorkerFrame::decode(bytes.into()) else { panic!("no Hello") };
        hello.models[0].input
    };
    let at = body.len() - 3;
    assert_eq!(told(body[..at].to_vec()), None);
    for unknown in [[0, 1, 0], [9, 1, 0], [1, 0, 0]] {
        assert_eq!(told([&body[..at], &unknown].concat()), None, "{unknown:?}");
    }
}

#[test]
fn a_hello_that_says_nothing_of_moving_is_of_one_that_does_not() {
    let says = |moves| Said::Worker(WorkerFrame::Hello(Hello { moves, ..hello() }));
    let (without, with) = (says(false), says(true));
    assert_eq!([&without.body()[..], &[0, 0, 0, 1]].concat(), with.body(), "behind what models look at");
    assert_eq!(with.decode(with.body()), Ok(with.clone()));
    let later = [&without.body()[..], &[0, 0, 0, 0xfe]].concat();
    assert_eq!(without.decode(later.into()), Ok(without), "flags of a later version are passed over");
}

#[test]
fn a_side_does_not_understand_what_only_the_other_says() {
    for (_, said) in pinned() {
        let number = said.body()[0];
        let other = match &said {
            Said::Worker(_) => ManagerFrame::decode(said.body()).map(Said::Manager),
            Said::Manager(_) => WorkerFrame::decode(said.body()).map(Said::Worker),
        };
        if number < FrameNumber::Ping as u8 {
            assert_eq!(other, Err(DecodeError::UnknownFrame(number)));
        } else {
            assert!(other.is_ok(), "{said:?}");
        }
    }
}

#[test]
fn the_payload_of_an_assignment_is_not_copied() {
    let payload = Bytes::from(vec![1; 1000]);
    let assign = ManagerFrame::Assign(Assign {
        image: ImageId(1),
        attempt: Attempt(1),
        model: ModelDigest([0; 32]),
        deadline: Duration::ZERO,
        resend: false,
        extensions: Extensions::default(),
        payload: payload.clone(),
    });
    assert_eq!(assign.encode().payload.as_ptr(), payload.as_ptr());
    let body = Said::Manager(assign).body();
    let Ok(ManagerFrame::Assign(read)) = ManagerFrame::decode(body.clone()) else { panic!("not read") };
    assert_eq!(read.payload.as_ptr(), body[body.len() - 1000..].as_ptr());
}

#[test]
fn a_claim_over_the_limit_is_refused_before_its_bytes_come() {
    let mut buffer = BytesMut::new();
    buffer.put_u32(101);
    let refused = DecodeError::TooLong { length: 101, limit: 100 };
    assert_eq!(split_frame(&mut buffer, 100), Err(refused));
}

#[test]
fn a_frame_is_split_from_a_buffer_once_it_is_whole() {
    let said = Said::Worker(WorkerFrame::Ping { nonce: 7 });
    let bytes = said.encode();
    let mut buffer = BytesMut::new();
    for (position, byte) in bytes.iter().enumerate() {
        let split = split_frame(&mut buffer, MAX_SMALL_FRAME).unwrap();
        let missing = if position < 4 { 4 - position } else { bytes.len() - position };
        assert_eq!(split, Split::Missing(missing));
        buffer.put_u8(*byte);
    }
    buffer.put_u8(0);
    assert_eq!(split_frame(&mut buffer, MAX_SMALL_FRAME), Ok(Split::Frame(said.body())));
    assert_eq!(buffer.len(), 1);
}

#[test]
fn a_small_frame_of_the_manager_may_not_be_as_long_as_an_assignment() {
    let mut body = vec![FrameNumber::Refused as u8];
    body.resize(MAX_SMALL_FRAME + 1, 0);
    assert!(matches!(ManagerFrame::decode(Bytes::from(body)), Err(DecodeError::TooLong { .. })));
}

#[test]
fn the_longest_small_frames_are_within_the_limit() {
    let long = "é".repeat(1000);
    let model = ModelDescription {
        digest: ModelDigest([1; 32]),
        name: long.clone(),
        verified: true,
        notice: Some(long.clone()),
        input: Some(InputSize::Squashed(256)),
    };
    let hello = Hello {
        name: long.clone(),
        software: long.clone(),
        token: Some(long.clone()),
        models: vec![model; 100],
        ..hello()
    };
    let label = Label { index: 1, name: long.clone(), probability: 1.0 };
    let extension = Extension { kind: 1, critical: false, value: Bytes::from(vec![0; 4000]) };
    let result = WorkerFrame::Result {
        image: ImageId(1),
        attempt: Attempt(1),
        answer: Answer { labels: vec![label; 1000], timing: WorkerTiming::default() },
        extensions: Extensions(vec![extension; 3]),
    };
    let failure = Failure { code: FailureCode::Damaged, message: long };
    let failed = WorkerFrame::Failed { image: ImageId(1), attempt: Attempt(1), failure };
    for frame in [WorkerFrame::Hello(hello), result, failed] {
        let body = Said::Worker(frame).body();
        assert!(body.len() <= MAX_SMALL_FRAME, "{} bytes", body.len());
        assert!(WorkerFrame::decode(body).is_ok());
    }
}

#[test]
fn a_probability_that_is_none_is_refused() {
    for probability in [f32::NAN, f32::INFINITY, -0.5, 1.5] {
        let mut answer = answer();
        answer.labels[0].probability = probability;
        let extensions = Extensions::default();
        let said = Said::Worker(WorkerFrame::Result { image: ImageId(1), attempt: Attempt(1), answer, extensions });
        assert_eq!(said.decode(said.body()), Err(DecodeError::Invalid("probability")));
    }
}

#[test]
fn only_a_critical_extension_has_to_be_understood() {
    let extension = |kind, critical| Extension { kind, critical, value: Bytes::new() };
    assert_eq!(Extensions(vec![extension(3, false)]).not_understood(), None);
    assert_eq!(Extensions(vec![extension(3, false), extension(4, true)]).not_understood(), Some(4));
}

#[test]
fn the_newest_common_version_is_spoken() {
    let range = |min, max| VersionRange { min, max };
    assert_eq!(range(1, 3).newest_common(range(2, 5)), Some(3));
    assert_eq!(range(2, 5).newest_common(range(1, 3)), Some(3));
    assert_eq!(range(1, 1).newest_common(range(2, 5)), None);
}

#[test]
fn a_tokens_text_is_in_no_debug_output() {
    assert!(!format!("{:?}", hello()).contains("\"tw\""));
}

#[test]
fn failure_codes_are_found_by_their_numbers() {
    for code in FailureCode::ALL {
        assert_eq!(FailureCode::from_number(code as u16), Some(code));
    }
    assert_eq!(FailureCode::from_number(0), None);
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = WorkerFrame::decode(bytes.clone());
        let _ = ManagerFrame::decode(bytes.clone());
        let _ = split_frame(&mut BytesMut::from(&bytes[..]), MAX_FRAME);
    }

    /// A frame with a changed byte is an error or another frame, which is written as it was read.
    #[test]
    fn a_damaged_frame_is_no_panic(which in 0_usize..21, position in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (_, said) = pinned().swap_remove(which);
        let mut body = said.body().to_vec();
        let position = position.index(body.len());
        body[position] = byte;
        if let Ok(read) = said.decode(Bytes::from(body)) {
            prop_assert_eq!(read.decode(read.body()), Ok(read.clone()));
        }
    }

    #[test]
    fn any_answer_comes_through(
        image in any::<u64>(),
        attempt in any::<u32>(),
        labels in proptest::collection::vec((any::<u32>(), "\\PC{0,40}", 0.0_f32..=1.0), 0..10),
        times in any::<[u32; 4]>(),
    ) {
        let [receive, queue, decode, inference] = times.map(|time| Duration::from_micros(time.into()));
        let labels = labels.into_iter().map(|(index, name, probability)| Label { index, name, probability }).collect();
        let answer = Answer { labels, timing: WorkerTiming { receive, queue, decode, inference } };
        let (image, attempt, extensions) = (ImageId(image), Attempt(attempt), Extensions::default());
        let said = Said::Worker(WorkerFrame::Result { image, attempt, answer, extensions });
        prop_assert_eq!(said.decode(said.body()), Ok(said.clone()));
    }
}

/// A frame of either side.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Worker(WorkerFrame),
    Manager(ManagerFrame),
}

impl Said {
    fn encode(&self) -> Bytes {
        let Encoded { head, payload } = match self {
            Self::Worker(frame) => frame.encode(),
            Self::Manager(frame) => frame.encode(),
        };
        [head, payload].concat().into()
    }

    /// Without the length field, which is checked.
    fn body(&self) -> Bytes {
        let mut buffer = BytesMut::from(&self.encode()[..]);
        match split_frame(&mut buffer, MAX_FRAME) {
            Ok(Split::Frame(body)) if buffer.is_empty() => body,
            other => panic!("the length field is wrong: {other:?}"),
        }
    }

    fn decode(&self, body: Bytes) -> Result<Self, DecodeError> {
        match self {
            Self::Worker(_) => WorkerFrame::decode(body).map(Self::Worker),
            Self::Manager(_) => ManagerFrame::decode(body).map(Self::Manager),
        }
    }
}

fn hello() -> Hello {
    Hello {
        versions: VERSIONS,
        instance: InstanceId([0x11; 16]),
        slots: 2,
        window: 8,
        name: "eye".to_owned(),
        software: "me/1".to_owned(),
        token: Some("tw".to_owned()),
        models: vec![ModelDescription {
            digest: ModelDigest([0x22; 32]),
            name: "gn".to_owned(),
            verified: true,
            notice: Some("old".to_owned()),
            input: None,
        }],
        moves: false,
    }
}

fn hello_with(input: InputSize) -> Hello {
    let mut hello = hello();
    hello.models[0].input = Some(input);
    hello
}

fn answer() -> Answer {
    Answer {
        labels: vec![Label { index: 151, name: "dog".to_owned(), probability: 0.75 }],
        timing: WorkerTiming {
            receive: Duration::from_millis(1),
            queue: Duration::from_micros(2),
            decode: Duration::from_millis(5),
            inference: Duration::from_millis(30),
        },
    }
}
