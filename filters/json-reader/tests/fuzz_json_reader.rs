//! Whatever bytes are read, and however they are cut, the scanner takes for JSON what serde_json
//! takes for it, tells the values that serde_json finds, and says the same in every cut.

use json_reader::{
    Container, Event, Fault, Halt, Input, Resume, Scalar, Scanner, Sink, Skip, Skipped, Text,
    decoded,
};
use serde_json::{Map, Value};

/// Fewer levels than serde_json goes down.
const DEEPEST: usize = 60;

/// Makes values of what it is told, and stops the scanner now and then.
#[derive(Default)]
struct Values {
    open: Vec<(Value, String)>,
    whole: Option<Value>,
    /// It stops the scanner at each event whose number this divides; at none, if 0.
    stops: usize,
    events: usize,
    /// Where the first array or object begins.
    first_bracket: Option<usize>,
}

impl Values {
    fn event(&mut self) -> Event {
        self.events += 1;
        if self.stops > 0 && self.events.is_multiple_of(self.stops) {
            Event::Stop
        } else {
            Event::ReadOn
        }
    }

    fn add(&mut self, value: Value) -> Event {
        match self.open.last_mut() {
            None => self.whole = Some(value),
            Some((Value::Array(items), _)) => items.push(value),
            Some((Value::Object(members), key)) => {
                members.insert(std::mem::take(key), value);
            }
            Some(_) => unreachable!("only arrays and objects are open"),
        }
        self.event()
    }
}

impl Sink for Values {
    fn key(&mut self, input: Input<'_>, key: Text, depth: usize) -> Event {
        assert_eq!(depth, self.open.len());
        let raw = input.slice(key.start, key.end);
        let text = decoded(raw, key.escaped).into_owned();
        self.open.last_mut().expect("an object").1 = String::from_utf8(text).expect("UTF-8");
        self.event()
    }

    fn begin(&mut self, input: Input<'_>, first: u8, start: usize, depth: usize) -> Event {
        assert_eq!(depth, self.open.len());
        assert_eq!(input.slice(start, start + 1), [first]);
        let container = match first {
            b'{' => Value::Object(Map::new()),
            b'[' => Value::Array(Vec::new()),
            _ => return Event::ReadOn,
        };
        self.first_bracket.get_or_insert(start);
        self.open.push((container, String::new()));
        Event::ReadOn
    }

    fn scalar(&mut self, input: Input<'_>, scalar: Scalar, depth: usize) -> Event {
        assert_eq!(depth, self.open.len());
        let raw = input.slice(scalar.start, scalar.end);
        assert_eq!(raw.len(), scalar.end - scalar.start, "not at hand");
        let value = match scalar.text() {
            Some(text) => {
                let text = decoded(input.slice(text.start, text.end), text.escaped);
                Value::String(String::from_utf8(text.into_owned()).expect("UTF-8"))
            }
            // A number that no double holds is one all the same.
            None => serde_json::from_slice(raw).unwrap_or(Value::Null),
        };
        self.add(value)
    }

    fn close(&mut self, _: Input<'_>, container: Container, _: usize, depth: usize) -> Event {
        let (value, _) = self.open.pop().expect("an open one");
        assert_eq!(depth, self.open.len());
        assert_eq!(value.is_object(), container == Container::Object);
        self.add(value)
    }
}

/// The value that was read, or where and why it was none.
type Outcome = Result<Value, Option<Fault>>;

/// The part of a text that is still at hand when its next piece comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// All that came before.
    Everything,
    /// The token that is being read.
    Token,
}

/// How many arrays and objects of a text are open at once: of one that is no JSON, up to where that
/// shows, and more perhaps behind it.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match (in_string, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, false, b'"') => in_string = !in_string,
            (false, _, b'{' | b'[') => depth += 1,
            (false, _, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Reads a text in pieces that end where `cuts` says.
fn read(
    text: &[u8],
    cuts: impl Iterator<Item = usize>,
    stops: usize,
    kept: Kept,
) -> (Outcome, Values) {
    let mut scanner = Scanner::new(DEEPEST);
    let mut values = Values {
        stops,
        ..Values::default()
    };
    for cut in cuts.chain([text.len()]) {
        let base = match kept {
            Kept::Everything => 0,
            Kept::Token => scanner.token_from(),
        };
        let input = Input::new(&text[base..cut.max(base)], base);
        loop {
            match scanner.scan(input, &mut values) {
                Ok(()) => break,
                Err(Halt::Sink) => {}
                Err(Halt::Fault) => return (Err(scanner.fault()), values),
            }
        }
    }
    let base = match kept {
        Kept::Everything => 0,
        Kept::Token => scanner.token_from(),
    };
    let input = Input::new(&text[base..], base);
    loop {
        match scanner.finish(input, &mut values) {
            Ok(()) => break,
            Err(Halt::Sink) => {}
            Err(Halt::Fault) => return (Err(scanner.fault()), values),
        }
    }
    let value = values.whole.take();
    (value.ok_or(None), values)
}

/// Whether the first array or object of a text that can be read is skipped to where it ends.
fn check_skip(text: &[u8], start: usize) {
    let input = Input::new(text, 0);
    let mut scanner = Scanner::new(DEEPEST);
    scanner.go_to(start, 0, Resume::BeforeValue);
    struct Outermost;
    impl Sink for Outermost {
        fn close(&mut self, _: Input<'_>, _: Container, _: usize, depth: usize) -> Event {
            if depth == 0 {
                Event::Stop
            } else {
                Event::ReadOn
            }
        }
    }
    assert_eq!(scanner.scan(input, &mut Outermost), Err(Halt::Sink));
    for cut in [start, start + 1, text.len() / 2, text.len()] {
        let mut skip = Skip::from(start);
        let mut skipped = skip.advance(Input::new(&text[..cut.max(start)], 0), DEEPEST);
        if skipped == Skipped::Partial {
            skipped = skip.advance(input, DEEPEST);
        }
        assert_eq!(skipped, Skipped::Ended(scanner.at()));
    }
}

/// Numbers of which each follows from the one before: the cuts of a text are the same every time.
fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed | 1;
    move |below| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        usize::try_from(state >> 33).unwrap_or_default() % below.max(1)
    }
}

fn attack(text: &[u8]) {
    let (outcome, values) = read(text, std::iter::empty(), 0, Kept::Everything);
    let theirs = serde_json::from_slice::<Value>(text);
    match (&outcome, theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(*ours, theirs);
            assert!(depth(text) <= DEEPEST, "deeper than it may be");
            if let Some(start) = values.first_bracket {
                check_skip(text, start);
            }
        }
        (Ok(_), Err(error)) => assert!(error.to_string().contains("out of range"), "{error}"),
        (Err(Some(Fault::TooDeep)), _) => assert!(depth(text) > DEEPEST, "not too deep"),
        (Err(fault), theirs) => assert!(theirs.is_err(), "refused, but JSON: {fault:?}"),
    }
    for size in [1, 2, 3, 7, 16] {
        for kept in [Kept::Everything, Kept::Token] {
            let cuts = (0..text.len()).step_by(size);
            let found = read(text, cuts, 0, kept).0;
            assert_eq!(found, outcome, "in pieces of {size}, {kept:?}");
        }
    }
    let seed = text.iter().fold(7, |seed: u64, byte| {
        seed.wrapping_mul(31) + u64::from(*byte)
    });
    let mut random = random(seed);
    for _ in 0..4 {
        let mut cuts: Vec<usize> = (0..random(12)).map(|_| random(text.len() + 1)).collect();
        cuts.sort_unstable();
        let stops = random(4);
        for kept in [Kept::Everything, Kept::Token] {
            let found = read(text, cuts.iter().copied(), stops, kept).0;
            assert_eq!(
                found, outcome,
                "cut at {cuts:?}, stopped at each event by {stops}, {kept:?}"
            );
        }
    }
}

#[test]
fn it_reads_what_serde_json_reads_and_the_same_in_every_cut() {
    fuzz::run("json-reader", attack);
}

#[test]
fn it_reads_short_texts_of_every_kind_as_serde_json_does() {
    let alphabet = b"{}[],:\"\\01e-.tu \xc3\xa9";
    for length in 1..=4 {
        for mut number in 0..alphabet.len().pow(length) {
            let text: Vec<u8> = (0..length)
                .map(|_| {
                    let byte = alphabet[number % alphabet.len()];
                    number /= alphabet.len();
                    byte
                })
                .collect();
            let (outcome, _) = read(&text, std::iter::empty(), 0, Kept::Everything);
            let theirs = serde_json::from_slice::<Value>(&text);
            assert_eq!(outcome.is_ok(), theirs.is_ok(), "{}", text.escape_ascii());
            for kept in [Kept::Everything, Kept::Token] {
                assert_eq!(read(&text, 0..text.len(), 1, kept).0, outcome);
            }
        }
    }
}

#[test]
fn it_says_too_deep_of_the_first_level_that_is() {
    for levels in [DEEPEST, DEEPEST + 1] {
        let text = [vec![b'['; levels], vec![b']'; levels]].concat();
        attack(&text);
        let (outcome, _) = read(&text, std::iter::empty(), 0, Kept::Everything);
        assert_eq!(outcome.is_ok(), levels == DEEPEST);
    }
}
