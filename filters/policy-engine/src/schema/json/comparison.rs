//! Whether the bytes of a value are a value that a schema names, without a tree of them.

use json_reader::{Container, Event, Input, Scalar, Sink, Text, decoded};
use step_count::count;

use super::Json;

/// Compares what it is told with a value, up to the first difference.
pub(super) struct Comparison<'j> {
    /// The value that must come next; none where none may come.
    next: Option<&'j Json>,
    open: Vec<Compared<'j>>,
}

/// An array or object that is being compared.
enum Compared<'j> {
    Items(std::slice::Iter<'j, Json>),
    /// No key comes twice, so as many known keys as are expected are all of them.
    Members {
        expected: &'j [(String, Json)],
        found: usize,
    },
}

fn goes_on(is_same: bool) -> Event {
    if is_same { Event::ReadOn } else { Event::Stop }
}

impl<'j> Comparison<'j> {
    pub(super) fn with(value: &'j Json) -> Self {
        Self {
            next: Some(value),
            open: Vec::new(),
        }
    }
}

impl Sink for Comparison<'_> {
    fn key(&mut self, input: Input<'_>, key: Text, _: usize) -> Event {
        let Some(Compared::Members { expected, found }) = self.open.last_mut() else {
            return Event::Stop;
        };
        let name = decoded(input.slice(key.start, key.end), key.escaped);
        let place = expected.binary_search_by(|(known, _)| {
            count(1 + name.len().min(known.len()));
            known.as_bytes().cmp(&name)
        });
        *found += 1;
        let member = place.ok().and_then(|place| expected.get(place));
        self.next = member.map(|(_, value)| value);
        goes_on(self.next.is_some())
    }

    fn begin(&mut self, _: Input<'_>, first: u8, _: usize, _: usize) -> Event {
        if let Some(Compared::Items(items)) = self.open.last_mut() {
            self.next = items.next();
        }
        match (first, self.next) {
            (b'[', Some(Json::Array(items))) => self.open.push(Compared::Items(items.iter())),
            (b'{', Some(Json::Object(members))) => self.open.push(Compared::Members {
                expected: members,
                found: 0,
            }),
            (b'[' | b'{', _) | (_, None) => return Event::Stop,
            _ => {}
        }
        Event::ReadOn
    }

    fn scalar(&mut self, input: Input<'_>, scalar: Scalar, _: usize) -> Event {
        goes_on(self.next.is_some_and(|next| next.is_scalar(input, scalar)))
    }

    fn close(&mut self, _: Input<'_>, _: Container, _: usize, _: usize) -> Event {
        goes_on(match self.open.pop() {
            Some(Compared::Items(mut items)) => items.next().is_none(),
            Some(Compared::Members { expected, found }) => expected.len() == found,
            None => false,
        })
    }
}
