//! The members of a message that a gateway acts on: recognised by their decoded keys, typed, and
//! each allowed once.

use std::borrow::Cow;

use key_folding::read_loosely;
use step_count::count;

use crate::era::PROTOCOL_VERSION;
use crate::error::{Place, ReadError};
use crate::known_methods;
use crate::message::{Member, Message, Reference, Span, Text};
use crate::reader::seen_keys::{Seen, SeenKeys};

/// The key of `_meta` that repeats the protocol version.
const VERSION_KEY: &[u8] = PROTOCOL_VERSION.as_bytes();
/// How much of a refused key or method is repeated to the caller.
const SHOWN_BYTES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// The message itself, which no key names.
    Root,
    JsonRpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    Name,
    Uri,
    TaskId,
    Arguments,
    Reference,
    ReferenceType,
    ReferenceName,
    ReferenceUri,
    Meta,
    ProtocolVersion,
}

impl Field {
    /// The field that a decoded key names in this place.
    fn of_key(place: Place, key: &[u8]) -> Option<Self> {
        Some(match (place, key) {
            (Place::Message, b"jsonrpc") => Self::JsonRpc,
            (Place::Message, b"id") => Self::Id,
            (Place::Message, b"method") => Self::Method,
            (Place::Message, b"params") => Self::Params,
            (Place::Message, b"result") => Self::Result,
            (Place::Message, b"error") => Self::Error,
            (Place::Params, b"name") => Self::Name,
            (Place::Params, b"uri") => Self::Uri,
            (Place::Params, b"taskId") => Self::TaskId,
            (Place::Params, b"arguments") => Self::Arguments,
            (Place::Params, b"ref") => Self::Reference,
            (Place::Reference, b"type") => Self::ReferenceType,
            (Place::Reference, b"name") => Self::ReferenceName,
            (Place::Reference, b"uri") => Self::ReferenceUri,
            (Place::Params, b"_meta") => Self::Meta,
            (Place::Meta, VERSION_KEY) => Self::ProtocolVersion,
            _ => return None,
        })
    }
}

/// The keys that [`Field::of_key`] knows in a place.
fn known_keys(place: Place) -> &'static [&'static str] {
    match place {
        Place::Message => &["jsonrpc", "id", "method", "params", "result", "error"],
        Place::Params => &["name", "uri", "taskId", "arguments", "ref", "_meta"],
        Place::Reference => &["type", "name", "uri"],
        Place::Meta => &[PROTOCOL_VERSION],
    }
}

/// The known key for which a reader that ignores case, trims or stops at a NUL would take this one,
/// which is none of them.
fn known_as(place: Place, key: &[u8]) -> Option<&'static str> {
    count(key.len());
    // Most keys are read the same by everyone, but for their case.
    let folded = if key.iter().all(u8::is_ascii_graphic) {
        Cow::Borrowed(key)
    } else {
        read_loosely(key)
    };
    known_keys(place)
        .iter()
        .find(|known| known.as_bytes().eq_ignore_ascii_case(&folded))
        .copied()
}

/// A caller's key or method, short enough to be repeated, and on one line.
fn shown(key: &[u8]) -> String {
    let shown = key.get(..SHOWN_BYTES).unwrap_or(key);
    let mut text = String::with_capacity(shown.len());
    for character in String::from_utf8_lossy(shown).chars() {
        match character {
            '"' => text.push('\''),
            control if control.is_control() => text.extend(control.escape_unicode()),
            other => text.push(other),
        }
    }
    text
}

/// A value that is being read and will be kept.
#[derive(Debug, Clone, Copy)]
struct Capture {
    field: Field,
    start: usize,
}

/// Whether a message may be decided on once a member of it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Decisive,
    Light,
}

const NOTHING: usize = usize::MAX;

#[derive(Debug)]
pub(super) struct Envelope {
    max_keys: usize,
    message: Message,
    /// Depth of the innermost open object whose keys are known: 1 is the message, 2 `params`, 3
    /// what `innermost` says.
    known_depth: usize,
    innermost: Place,
    /// The type, name and URI in `params.ref`, as far as they have been read.
    reference: [Member; 3],
    /// The field whose value comes next.
    next: Option<Field>,
    capture: Option<Capture>,
    /// Depth at which the captured value ends, or `NOTHING`: one comparison tells every other value
    /// apart.
    capture_depth: usize,
    /// One bit for each field that has been named.
    fields: u32,
    /// All other keys of the message, `params` and `_meta`.
    others: SeenKeys,
}

impl Envelope {
    pub(super) fn new(max_keys: usize) -> Self {
        Self {
            max_keys,
            message: Message::default(),
            known_depth: 1,
            innermost: Place::Meta,
            reference: [Member::Absent; 3],
            next: Some(Field::Root),
            capture: None,
            capture_depth: NOTHING,
            fields: 0,
            others: SeenKeys::default(),
        }
    }

    pub(super) fn message(&self) -> &Message {
        &self.message
    }

    /// Whether a key at this depth is one of the envelope's.
    #[inline]
    pub(super) fn knows_keys_at(&self, depth: usize) -> bool {
        depth == self.known_depth
    }

    /// Whether the value that begins now belongs to one of the envelope's fields.
    #[inline]
    pub(super) fn awaits_value(&self) -> bool {
        self.next.is_some()
    }

    /// Whether a value that ends at this depth is to be kept.
    #[inline]
    pub(super) fn captures_at(&self, depth: usize) -> bool {
        depth == self.capture_depth
    }

    /// Whether the value that is being captured is `params.arguments`.
    pub(super) fn captures_arguments(&self) -> bool {
        self.capture
            .is_some_and(|capture| capture.field == Field::Arguments)
    }

    /// Where the value that is being captured begins, as an offset from the start of the body.
    pub(super) fn captured_from(&self) -> usize {
        self.capture.map_or(0, |capture| capture.start)
    }

    /// Whether the bytes of a token that is being read at this depth will be looked at again.
    pub(super) fn wants_token(&self, depth: usize) -> bool {
        self.knows_keys_at(depth) || self.captures_at(depth)
    }

    /// An object or array was closed, at this depth. The end of `params.ref` is that of a member.
    #[inline]
    pub(super) fn closed(&mut self, depth: usize) -> Weight {
        if depth == self.known_depth && depth > 1 {
            self.known_depth -= 1;
            if depth == 3 && self.innermost == Place::Reference {
                return self.close_reference();
            }
        }
        Weight::Light
    }

    #[cold]
    fn close_reference(&mut self) -> Weight {
        let [kind, name, uri] = self.reference;
        self.message.reference = Reference::Whole { kind, name, uri };
        match self.message.method {
            Some(_) => Weight::Decisive,
            None => Weight::Light,
        }
    }

    /// A key of an object that [`Envelope::knows_keys_at`] has ended.
    pub(super) fn key(&mut self, key: &[u8]) -> Result<(), ReadError> {
        let place = match self.known_depth {
            1 => Place::Message,
            2 => Place::Params,
            _ => self.innermost,
        };
        self.next = Field::of_key(place, key);
        let seen = match self.next {
            Some(field) => {
                let bit = 1 << field as u16;
                let seen = if self.fields & bit == 0 {
                    Seen::First
                } else {
                    Seen::Before
                };
                self.fields |= bit;
                seen
            }
            None => {
                if let Some(known) = known_as(place, key) {
                    return Err(ReadError::MisspeltKey {
                        key: shown(key),
                        known,
                        place,
                    });
                }
                self.others.add(place, key)
            }
        };
        if seen == Seen::Before {
            return Err(ReadError::DuplicateKey {
                key: shown(key),
                place,
            });
        }
        if self.next.is_none() && self.others.count_in(place) > self.max_keys {
            return Err(ReadError::TooManyKeys {
                place,
                limit: self.max_keys,
            });
        }
        Ok(())
    }

    /// The value of the awaited field begins with `first`, at offset `start` of the body, in an
    /// object at `depth`.
    pub(super) fn value_begins(
        &mut self,
        first: u8,
        start: usize,
        depth: usize,
    ) -> Result<(), ReadError> {
        let Some(field) = self.next.take() else {
            return Ok(());
        };
        let must_be = |member, expected| Err(ReadError::WrongMember { member, expected });
        match (field, first) {
            (Field::Root, b'[') => return Err(ReadError::Batch),
            (Field::Root, _) => return Ok(()),
            (Field::Params, b'{') => {
                self.message.params = true;
                self.known_depth = depth + 1;
                return Ok(());
            }
            (Field::Meta | Field::Reference, b'{') => {
                self.innermost = match field {
                    Field::Meta => Place::Meta,
                    _ => Place::Reference,
                };
                self.known_depth = depth + 1;
                return Ok(());
            }
            (Field::Id, b'n') => {
                self.message.null_id = true;
                return Ok(());
            }
            (Field::Result, _) => {
                self.message.result = true;
                return Ok(());
            }
            (Field::Error, b'{') => {
                self.message.error = true;
                return Ok(());
            }
            (Field::JsonRpc | Field::Method | Field::ProtocolVersion, b'"')
            | (Field::Name | Field::Uri | Field::TaskId, b'"')
            | (Field::ReferenceType | Field::ReferenceName | Field::ReferenceUri, b'"')
            | (Field::Id, b'"' | b'-' | b'0'..=b'9')
            | (Field::Arguments, _) => {}
            // Not JSON: the scanner says so.
            (_, first)
                if !matches!(
                    first,
                    b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'
                ) =>
            {
                return Ok(());
            }
            // Nothing is said of a value before its end: it may turn out not to be JSON.
            (Field::Name | Field::Uri | Field::TaskId, _)
            | (Field::ReferenceType | Field::ReferenceName | Field::ReferenceUri, _) => {}
            (Field::Reference, _) => {
                self.message.reference = Reference::Other;
                return Ok(());
            }
            (Field::JsonRpc, _) => return must_be("jsonrpc", "the string 2.0"),
            (Field::Id, _) => return must_be("id", "a string or an integer"),
            (Field::Method, _) => return must_be("method", "a string"),
            (Field::Params, _) => return must_be("params", "an object"),
            (Field::Error, _) => return must_be("error", "an object"),
            (Field::Meta, _) => return must_be("params._meta", "an object"),
            (Field::ProtocolVersion, _) => {
                return must_be(
                    "params._meta.io.modelcontextprotocol/protocolVersion",
                    "a string",
                );
            }
        }
        self.capture = Some(Capture { field, start });
        self.capture_depth = depth;
        Ok(())
    }

    /// The captured value ended before offset `end` of the body; `raw` finds bytes by such offsets.
    pub(super) fn value_ended<'a>(
        &mut self,
        end: usize,
        escaped: bool,
        raw: impl Fn(Span) -> &'a [u8],
    ) -> Result<Weight, ReadError> {
        self.capture_depth = NOTHING;
        let Some(Capture { field, start }) = self.capture.take() else {
            return Ok(Weight::Light);
        };
        let whole = Span { start, end };
        let text = Text {
            span: Span {
                start: start + 1,
                end: end.saturating_sub(1),
            },
            escaped,
        };
        let member = match raw(Span {
            start,
            end: start + 1,
        }) {
            b"\"" => Member::Text(text),
            _ => Member::Other,
        };
        match field {
            Field::JsonRpc if escaped || raw(text.span) != b"2.0" => {
                return Err(ReadError::WrongMember {
                    member: "jsonrpc",
                    expected: "the string 2.0",
                });
            }
            Field::JsonRpc => self.message.jsonrpc = true,
            Field::Id => {
                let id = raw(whole);
                if id.first() != Some(&b'"')
                    && id.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
                {
                    return Err(ReadError::WrongMember {
                        member: "id",
                        expected: "a string or an integer",
                    });
                }
                self.message.id = Some(whole);
            }
            Field::Method => {
                let method = text.resolved(raw(text.span));
                if let Some(known) = known_methods::known_for(&method) {
                    return Err(ReadError::MisspeltMethod {
                        method: shown(&method),
                        known,
                    });
                }
                self.message.method = Some(text);
            }
            Field::Name => self.message.name = member,
            Field::Uri => self.message.uri = member,
            Field::TaskId => self.message.task_id = member,
            Field::Arguments => self.message.arguments = Some(whole),
            Field::ProtocolVersion => self.message.protocol_version = Some(text),
            Field::ReferenceType | Field::ReferenceName | Field::ReferenceUri => {
                let [kind, name, uri] = &mut self.reference;
                let place = match field {
                    Field::ReferenceType => kind,
                    Field::ReferenceName => name,
                    _ => uri,
                };
                *place = member;
                // It is looked at as a whole.
                return Ok(Weight::Light);
            }
            Field::Root
            | Field::Params
            | Field::Result
            | Field::Error
            | Field::Reference
            | Field::Meta => {}
        }
        // Without a method nobody decides, and arguments are judged with the whole message.
        Ok(match (field, self.message.method) {
            (Field::Arguments, _) | (_, None) => Weight::Light,
            _ => Weight::Decisive,
        })
    }
}
