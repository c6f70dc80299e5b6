//! The tree of a schema, as far as its compiler reads it: annotations have no tree.

use std::collections::BTreeSet;

use json_reader::{Container, Event, Input, Scalar, Sink, Text};

use super::{Json, string};

/// How much of a value the compiler reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum Part {
    /// A schema: of its members, what their keywords ask for.
    Schema,
    /// Each item or member is a schema.
    Schemas,
    /// The value with all that it holds.
    Whole,
    /// The value itself, without what an array or object holds.
    Scalar,
    Nothing,
}

impl Part {
    /// How much is read of the value of a keyword, as `Draft::keyword` has them: nothing of the
    /// inside of a `default` or of a keyword that is refused.
    fn of(keyword: &str, is_root: bool) -> Self {
        match keyword {
            "properties" | "allOf" | "anyOf" | "oneOf" => Self::Schemas,
            "$defs" | "definitions" if is_root => Self::Schemas,
            "items" | "additionalProperties" => Self::Schema,
            "enum" | "const" | "type" | "required" => Self::Whole,
            _ => Self::Scalar,
        }
    }

    /// How much is read of the items of an array.
    fn of_items(self) -> Self {
        match self {
            Self::Schemas => Self::Schema,
            Self::Whole => Self::Whole,
            Self::Schema | Self::Scalar | Self::Nothing => Self::Nothing,
        }
    }

    /// How much is read of the member of an object.
    fn of_member(self, key: &str, is_root: bool) -> Self {
        match self {
            Self::Schema => Self::of(key, is_root),
            Self::Schemas | Self::Whole | Self::Scalar | Self::Nothing => self.of_items(),
        }
    }
}

/// Makes a tree of what it is told.
pub(super) struct Builder {
    open: Vec<Open>,
    /// How much is read of the next value that is no item.
    next: Part,
    pub(super) whole: Option<Json>,
    /// Offset of the key that comes twice in its object.
    pub(super) twice: usize,
}

/// An array or object whose end has not come.
enum Open {
    Array {
        items: Vec<Json>,
        read: Part,
    },
    Object {
        members: Vec<(String, Json)>,
        names: BTreeSet<String>,
        key: String,
        read: Part,
        /// How much is read of the member that is open.
        member: Part,
    },
}

impl Open {
    /// How much is read of the value that comes inside of it.
    fn next(&self) -> Part {
        match self {
            Self::Array { read, .. } => read.of_items(),
            Self::Object { member, .. } => *member,
        }
    }
}

impl Builder {
    /// Of the text, so much is read.
    pub(super) fn new(read: Part) -> Self {
        Self {
            open: Vec::new(),
            next: read,
            whole: None,
            twice: 0,
        }
    }

    fn next(&self) -> Part {
        self.open.last().map_or(self.next, Open::next)
    }

    fn add(&mut self, value: Json) -> Event {
        let is_read = self.next() != Part::Nothing;
        match self.open.last_mut() {
            None => self.whole = Some(value),
            Some(_) if !is_read => {}
            Some(Open::Array { items, .. }) => items.push(value),
            Some(Open::Object { members, key, .. }) => members.push((std::mem::take(key), value)),
        }
        Event::ReadOn
    }
}

impl Sink for Builder {
    fn key(&mut self, input: Input<'_>, text: Text, _: usize) -> Event {
        let is_root = self.open.len() == 1;
        if let Some(Open::Object {
            names,
            key,
            read,
            member,
            ..
        }) = self.open.last_mut()
        {
            *key = string(input, text);
            *member = read.of_member(key, is_root);
            if !names.insert(key.clone()) {
                self.twice = text.start.saturating_sub(1);
                return Event::Stop;
            }
        }
        Event::ReadOn
    }

    fn begin(&mut self, _: Input<'_>, first: u8, _: usize, _: usize) -> Event {
        let read = self.next();
        match first {
            b'[' => self.open.push(Open::Array {
                items: Vec::new(),
                read,
            }),
            b'{' => self.open.push(Open::Object {
                members: Vec::new(),
                names: BTreeSet::new(),
                key: String::new(),
                read,
                member: Part::Nothing,
            }),
            _ => {}
        }
        Event::ReadOn
    }

    fn scalar(&mut self, input: Input<'_>, scalar: Scalar, _: usize) -> Event {
        match self.next() {
            Part::Nothing => Event::ReadOn,
            _ => self.add(Json::of_scalar(input, scalar)),
        }
    }

    fn close(&mut self, _: Input<'_>, _: Container, _: usize, _: usize) -> Event {
        // A schema may consist of small arrays and objects, which take more when they grow.
        match self.open.pop() {
            Some(Open::Array { mut items, .. }) => {
                items.shrink_to_fit();
                self.add(Json::Array(items))
            }
            Some(Open::Object { mut members, .. }) => {
                members.shrink_to_fit();
                self.add(Json::Object(members))
            }
            None => Event::ReadOn,
        }
    }
}
