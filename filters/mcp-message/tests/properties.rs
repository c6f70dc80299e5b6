//! Properties that hold of any body, however it is cut.

use json_reader::{Container, Event, Halt, Input, Scalar, Scanner, Sink, Text};
use mcp_message::{
    ArgumentsProgress, ArgumentsReader, EndOfBody, Kind, Member, Message, MessageBounds, NotJson,
    ReadError, ReadProgress, Reader,
};
use proptest::prelude::*;

type Outcome = Result<ReadProgress, ReadError>;

fn in_one(body: &[u8]) -> (Message, Outcome) {
    let mut reader = Reader::new(MessageBounds::default());
    let outcome = reader.push(body, EndOfBody::Reached);
    (*reader.message(), outcome)
}

/// As [`in_one`], by a reader that skips the arguments, which are then read apart.
fn skipping_in_one(body: &[u8]) -> (Message, Outcome) {
    let mut reader = Reader::skipping_arguments(MessageBounds::default());
    let outcome = reader
        .push(body, EndOfBody::Reached)
        .and_then(|progress| reader.read_skipped(body).map(|()| progress));
    (*reader.message(), outcome)
}

/// As [`skipping_in_one`], in pieces; what was skipped is read behind the piece of that number, and
/// at the end.
fn skipping_in_pieces(body: &[u8], cuts: &[usize], read_behind: usize) -> (Message, Outcome) {
    let mut reader = Reader::skipping_arguments(MessageBounds::default());
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.sort_unstable();
    let mut buffered = Vec::new();
    let mut from = 0;
    for (number, cut) in cuts.into_iter().enumerate() {
        buffered.extend_from_slice(&body[from..cut]);
        from = cut;
        let mut outcome = reader.push(&buffered, EndOfBody::NotYet);
        if outcome.is_ok() && number == read_behind {
            outcome = reader
                .read_skipped(&buffered)
                .map(|()| ReadProgress::Partial);
        }
        if outcome.is_err() {
            return (*reader.message(), outcome);
        }
        reader.release(&mut buffered);
    }
    buffered.extend_from_slice(&body[from..]);
    let outcome = reader
        .push(&buffered, EndOfBody::Reached)
        .and_then(|progress| reader.read_skipped(&buffered).map(|()| progress));
    (*reader.message(), outcome)
}

/// Whether the caller lets go of what has been read.
#[derive(Clone, Copy)]
enum Buffering {
    Everything,
    WhatIsNeeded,
}

fn in_pieces(body: &[u8], cuts: &[usize], buffering: Buffering) -> (Message, Outcome) {
    let mut reader = Reader::new(MessageBounds::default());
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.sort_unstable();
    let mut buffered = Vec::new();
    let mut from = 0;
    for cut in cuts {
        buffered.extend_from_slice(&body[from..cut]);
        from = cut;
        let outcome = reader.push(&buffered, EndOfBody::NotYet);
        if outcome.is_err() {
            return (*reader.message(), outcome);
        }
        if matches!(buffering, Buffering::WhatIsNeeded) {
            reader.release(&mut buffered);
        }
    }
    buffered.extend_from_slice(&body[from..]);
    let outcome = reader.push(&buffered, EndOfBody::Reached);
    (*reader.message(), outcome)
}

/// JSON as clients write it and as they do not: spaces, escapes, all kinds of numbers.
fn json() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "[a-z]{0,20}",
        "[ -~é世😀]{0,40}".prop_map(|text| {
            let quoted = serde_json::to_string(&text).unwrap();
            quoted[1..quoted.len() - 1].to_owned()
        }),
        Just(r"\u006eame\ud83d\ude00\n".to_owned()),
    ]
    .prop_map(|inner| format!("\"{inner}\""));
    let leaf = prop_oneof![
        string.clone(),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
    ];
    let space = "[ \n\t\r]{0,2}";
    leaf.prop_recursive(5, 64, 6, move |inner| {
        let member = (string.clone(), space, inner.clone())
            .prop_map(|(key, space, value)| format!("{key}{space}:{value}"));
        prop_oneof![
            (proptest::collection::vec(inner, 0..6), space)
                .prop_map(|(all, space)| format!("[{space}{}]", all.join(","))),
            (proptest::collection::vec(member, 0..6), space)
                .prop_map(|(all, space)| format!("{{{}{space}}}", all.join(&format!("{space},")))),
        ]
    })
}

fn request() -> impl Strategy<Value = String> {
    (
        json(),
        json(),
        "[a-z_]{1,12}",
        any::<i64>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(arguments, meta, name, id, turn)| {
            let params =
                format!(r#"{{"arguments":{arguments},"_meta":{{"x":{meta}}},"name":"{name}"}}"#);
            let mut members = [
                r#""jsonrpc":"2.0""#.to_owned(),
                format!(r#""id":{id}"#),
                r#""method":"tools/call""#.to_owned(),
                format!(r#""params":{params}"#),
            ];
            let count = members.len();
            members.rotate_left(turn.index(count));
            format!("{{{}}}", members.join(","))
        })
}

/// A request with a few bytes changed, dropped or doubled.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        prop_oneof![
            any::<u8>(),
            prop::sample::select(&b"{}[],:\"\\ 0e.-u\xc3\xff"[..])
        ],
        0..3,
    );
    (request(), proptest::collection::vec(change, 0..4)).prop_map(|(body, changes)| {
        let mut body = body.into_bytes();
        for (place, byte, how) in changes {
            let at = place.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => {
                    body.remove(at);
                }
            }
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn it_reads_every_request_and_finds_its_parts(body in request()) {
        let (message, outcome) = in_one(body.as_bytes());
        prop_assert_eq!(outcome, Ok(ReadProgress::Complete(Kind::Request)), "{}", body);
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        let id = value["id"].to_string();
        prop_assert_eq!(message.id().unwrap().raw(body.as_bytes()), id.as_bytes());
        let raw = message.arguments().unwrap().raw(body.as_bytes());
        let arguments: serde_json::Value = serde_json::from_slice(raw).unwrap();
        prop_assert_eq!(&arguments, &value["params"]["arguments"]);
        let Member::Text(name) = message.name() else { panic!("no name in {body}") };
        let expected = value["params"]["name"].as_str().unwrap();
        prop_assert_eq!(name.decoded(body.as_bytes()), expected.as_bytes());
    }

    #[test]
    fn it_gives_the_same_answer_for_every_cut(
        body in mangled(), cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = in_one(&body);
        let buffered = in_pieces(&body, &cuts, Buffering::Everything);
        let released = in_pieces(&body, &cuts, Buffering::WhatIsNeeded);
        prop_assert_eq!(&buffered.1, &whole.1);
        prop_assert_eq!(&released.1, &whole.1);
        if whole.1.is_ok() {
            prop_assert_eq!(buffered.0, whole.0);
            prop_assert_eq!(released.0, whole.0);
        }
    }

    #[test]
    fn it_skips_and_reads_apart_as_it_reads(
        body in mangled(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        read_behind in 0_usize..14,
    ) {
        let whole = in_one(&body);
        let skipped = skipping_in_one(&body);
        prop_assert_eq!(&skipped.1, &whole.1, "{}", String::from_utf8_lossy(&body));
        let in_pieces = skipping_in_pieces(&body, &cuts, read_behind);
        prop_assert_eq!(&in_pieces.1, &whole.1, "{}", String::from_utf8_lossy(&body));
        if whole.1.is_ok() {
            prop_assert_eq!(skipped.0, whole.0);
            prop_assert_eq!(in_pieces.0, whole.0);
        }
    }

    #[test]
    fn it_gives_the_same_answer_cut_at_every_byte(body in mangled()) {
        let whole = in_one(&body);
        let cuts: Vec<usize> = (0..body.len()).collect();
        prop_assert_eq!(&in_pieces(&body, &cuts, Buffering::Everything).1, &whole.1);
        prop_assert_eq!(&in_pieces(&body, &cuts, Buffering::WhatIsNeeded).1, &whole.1);
    }

    #[test]
    fn it_agrees_with_serde_json_on_what_is_json(body in mangled()) {
        let theirs = serde_json::from_slice::<serde_json::Value>(&body);
        match in_one(&body).1 {
            Ok(_) => prop_assert!(
                theirs.is_ok() || theirs.unwrap_err().to_string().contains("out of range")
            ),
            Err(ReadError::NotJson { .. }) => {
                prop_assert!(theirs.is_err(), "{}", String::from_utf8_lossy(&body));
            }
            // Refused before its end was read.
            Err(_) => {}
        }
    }

    #[test]
    fn it_panics_on_no_bytes(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        cuts in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let whole = in_one(&body);
        prop_assert_eq!(in_pieces(&body, &cuts, Buffering::WhatIsNeeded).1, whole.1);
    }
}

#[test]
fn it_skips_arguments_of_every_kind_as_it_reads_them() {
    // Every string of up to five of these bytes, as the beginning of the arguments.
    let alphabet = b"{}[]\"\\,1:";
    for length in 1..=5 {
        for mut number in 0..alphabet.len().pow(length) {
            let value: Vec<u8> = (0..length)
                .map(|_| {
                    let byte = alphabet[number % alphabet.len()];
                    number /= alphabet.len();
                    byte
                })
                .collect();
            let begin = br#"{"jsonrpc":"2.0","method":"m","params":{"arguments":"#;
            for end in [&b"}}"[..], b"]}}", b""] {
                let body = [begin, &value[..], end].concat();
                for max_depth in [4, 128] {
                    let limits = MessageBounds {
                        max_depth,
                        ..MessageBounds::default()
                    };
                    let read = Reader::new(limits).push(&body, EndOfBody::Reached);
                    let mut reader = Reader::skipping_arguments(limits);
                    let skipped = reader
                        .push(&body, EndOfBody::Reached)
                        .and_then(|progress| reader.read_skipped(&body).map(|()| progress));
                    assert_eq!(read, skipped, "{}", body.escape_ascii());
                }
            }
        }
    }
}

#[test]
fn it_agrees_with_serde_json_on_short_bodies_of_every_kind() {
    // Every string of up to four of these bytes, as the value of a member.
    let alphabet = b"{}[],:\"\\01e-.tu ";
    let mut checked = 0;
    for length in 1..=4 {
        for mut number in 0..alphabet.len().pow(length) {
            let value: Vec<u8> = (0..length)
                .map(|_| {
                    let byte = alphabet[number % alphabet.len()];
                    number /= alphabet.len();
                    byte
                })
                .collect();
            let body = [br#"{"jsonrpc":"2.0","method":"m","x":"#, &value[..], b"}"].concat();
            let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
            match in_one(&body).1 {
                Ok(_) => assert!(theirs, "{}", String::from_utf8_lossy(&body)),
                Err(ReadError::NotJson {
                    why: NotJson::LoneSurrogate,
                    ..
                }) => {}
                Err(ReadError::NotJson { .. }) => {
                    assert!(!theirs, "{}", String::from_utf8_lossy(&body));
                }
                Err(_) => {}
            }
            checked += 1;
        }
    }
    assert!(checked > 65_536);
}

/// Reads arguments up to an event, and declines the rest of them.
struct DecliningAt {
    events_left: usize,
}

impl DecliningAt {
    fn event(&mut self) -> Event {
        self.events_left -= 1;
        if self.events_left == 0 {
            Event::Stop
        } else {
            Event::ReadOn
        }
    }
}

impl Sink for DecliningAt {
    fn key(&mut self, _: Input<'_>, _: Text, _: usize) -> Event {
        self.event()
    }

    fn scalar(&mut self, _: Input<'_>, _: Scalar, _: usize) -> Event {
        self.event()
    }

    fn close(&mut self, _: Input<'_>, _: Container, _: usize, _: usize) -> Event {
        self.event()
    }
}

impl ArgumentsReader for DecliningAt {
    fn read_on(&mut self, scanner: &mut Scanner, input: Input<'_>) -> ArgumentsProgress {
        match scanner.scan(input, self) {
            Err(Halt::Sink) => ArgumentsProgress::Declined,
            Err(Halt::Fault) => ArgumentsProgress::Failed,
            Ok(()) => ArgumentsProgress::Partial,
        }
    }
}

#[test]
fn it_gives_the_same_message_wherever_another_reader_declines_the_arguments() {
    for (arguments, events) in [
        ("{}", 1),
        ("[]", 1),
        (r#""text""#, 1),
        ("12", 1),
        ("null", 1),
        (r#"{"a":[1,{"b":"c"},[]],"d":true}"#, 10),
    ] {
        let params = format!(r#"{{"arguments":{arguments} ,"name":"x"}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let body = body.as_bytes();
        let whole = in_one(body);
        assert_eq!(whole.1, Ok(ReadProgress::Complete(Kind::Request)));
        for events_left in 1..=events {
            for cut in 0..=body.len() {
                let mut other = DecliningAt { events_left };
                let mut reader = Reader::skipping_arguments(MessageBounds::default());
                let mut read = |bytes, end| loop {
                    match reader.push_with(bytes, end, Some(&mut other)) {
                        Ok(Some(progress)) => break progress,
                        Ok(None) => {}
                        Err(error) => panic!("{error}, {events_left}, {cut}"),
                    }
                };
                assert_eq!(read(&body[..cut], EndOfBody::NotYet), ReadProgress::Partial);
                let outcome = read(body, EndOfBody::Reached);
                let found = (*reader.message(), Ok(outcome));
                assert_eq!(found, whole, "{arguments}, {events_left}, {cut}");
            }
        }
    }
}
