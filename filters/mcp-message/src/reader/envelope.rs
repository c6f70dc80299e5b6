//! The members of a message that a gateway acts on: recognised by their decoded keys, typed, and each
//! allowed once.

use crate::error::{Place, ReadError};
use crate::message::{Member, Message, Span, Text};
use crate::reader::seen_keys::SeenKeys;

/// The key of `_meta` that repeats the protocol version.
const VERSION_KEY: &[u8] = b"io.modelcontextprotocol/protocolVersion";
/// How much of a repeated key is repeated to the caller.
const SHOWN_KEY_BYTES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
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
    Meta,
    ProtocolVersion,
}

/// A value that is being read and will be kept.
#[derive(Debug, Clone, Copy)]
struct Capture {
    field: Field,
    start: usize,
}

const NOTHING: usize = usize::MAX;

#[derive(Debug)]
pub(super) struct Envelope {
    max_keys: usize,
    message: Message,
    /// Depth of the innermost open object whose keys are known: 1 is the message, 2 `params`, 3 `_meta`.
    known_depth: usize,
    /// The field whose value comes next.
    next: Option<Field>,
    capture: Option<Capture>,
    /// Depth at which the captured value ends, or `NOTHING`: one comparison tells every other value apart.
    capture_depth: usize,
    /// One bit for each field that has been named.
    fields: u16,
    /// All other keys of the message, `params` and `_meta`.
    others: [SeenKeys; 3],
}

impl Envelope {
    pub(super) fn new(max_keys: usize) -> Self {
        Self {
            max_keys,
            message: Message::default(),
            known_depth: 1,
            next: None,
            capture: None,
            capture_depth: NOTHING,
            fields: 0,
            others: Default::default(),
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

    /// An object or array was closed, at this depth.
    #[inline]
    pub(super) fn closed(&mut self, depth: usize) {
        if depth == self.known_depth && depth > 1 {
            self.known_depth -= 1;
        }
    }

    /// A key of an object that [`Envelope::knows_keys_at`] has ended.
    pub(super) fn key(&mut self, key: &[u8]) -> Result<(), ReadError> {
        let place = match self.known_depth {
            1 => Place::Message,
            2 => Place::Params,
            _ => Place::Meta,
        };
        self.next = match (place, key) {
            (Place::Message, b"jsonrpc") => Some(Field::JsonRpc),
            (Place::Message, b"id") => Some(Field::Id),
            (Place::Message, b"method") => Some(Field::Method),
            (Place::Message, b"params") => Some(Field::Params),
            (Place::Message, b"result") => Some(Field::Result),
            (Place::Message, b"error") => Some(Field::Error),
            (Place::Params, b"name") => Some(Field::Name),
            (Place::Params, b"uri") => Some(Field::Uri),
            (Place::Params, b"taskId") => Some(Field::TaskId),
            (Place::Params, b"arguments") => Some(Field::Arguments),
            (Place::Params, b"_meta") => Some(Field::Meta),
            (Place::Meta, VERSION_KEY) => Some(Field::ProtocolVersion),
            _ => None,
        };
        let others = match (&mut self.others, place) {
            ([message, _, _], Place::Message) => message,
            ([_, params, _], Place::Params) => params,
            ([_, _, meta], Place::Meta) => meta,
        };
        let repeated = match self.next {
            Some(field) => {
                let bit = 1 << field as u16;
                let repeated = self.fields & bit != 0;
                self.fields |= bit;
                repeated
            }
            None => {
                let repeated = others.contains(key);
                others.add(key);
                repeated
            }
        };
        if repeated {
            let shown = key.get(..SHOWN_KEY_BYTES).unwrap_or(key);
            return Err(ReadError::DuplicateKey {
                key: String::from_utf8_lossy(shown).into_owned(),
                place,
            });
        }
        if others.len() > self.max_keys {
            return Err(ReadError::TooManyKeys {
                place,
                limit: self.max_keys,
            });
        }
        Ok(())
    }

    /// The value of the awaited field begins with `first`, at offset `start` of the body, in an object at `depth`.
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
            (Field::Params, b'{') => {
                self.message.params = true;
                self.known_depth = depth + 1;
                return Ok(());
            }
            (Field::Meta, b'{') => {
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
            (Field::Name, _) => {
                self.message.name = Member::Other;
                return Ok(());
            }
            (Field::Uri, _) => {
                self.message.uri = Member::Other;
                return Ok(());
            }
            (Field::TaskId, _) => {
                self.message.task_id = Member::Other;
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
    ) -> Result<(), ReadError> {
        self.capture_depth = NOTHING;
        let Some(Capture { field, start }) = self.capture.take() else {
            return Ok(());
        };
        let whole = Span { start, end };
        let text = Text {
            span: Span {
                start: start + 1,
                end: end.saturating_sub(1),
            },
            escaped,
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
            Field::Method => self.message.method = Some(text),
            Field::Name => self.message.name = Member::Text(text),
            Field::Uri => self.message.uri = Member::Text(text),
            Field::TaskId => self.message.task_id = Member::Text(text),
            Field::Arguments => self.message.arguments = Some(whole),
            Field::ProtocolVersion => self.message.protocol_version = Some(text),
            Field::Params | Field::Result | Field::Error | Field::Meta => {}
        }
        Ok(())
    }
}
