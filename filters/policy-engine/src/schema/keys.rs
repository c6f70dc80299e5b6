//! Which keys an object has had, to find the one that comes twice.
//!
//! The keys of all objects that are open lie in one stack, so that one allocation serves a whole
//! body, and none a small one. A short list is searched; a long one is sorted when its object ends,
//! so that no choice of keys makes the search quadratic.

use json_reader::Input;
use smallvec::SmallVec;
use step_count::count;

/// Up to this many keys are compared one by one.
const SEARCHED: usize = 32;
/// So many keys lie in the validator itself: the arguments of most calls have fewer, and 192 bytes
/// are soon set aside.
const FEW: usize = 8;

/// The stack of keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    entries: SmallVec<[Key; FEW]>,
    /// Keys that had escapes, decoded.
    decoded: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    hash: u64,
    start: u32,
    end: u32,
    place: KeyPlace,
}

#[derive(Clone, Copy, Debug)]
enum KeyPlace {
    Body,
    Decoded,
}

/// The keys of one object.
#[derive(Debug)]
pub(super) struct KeyFrame {
    first: usize,
    first_decoded: usize,
    /// A bit for each hash that came: most new keys are known to be new by it alone.
    filter: u64,
}

/// Where in the body a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeySpan {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A key comes twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Twice(pub(super) Vec<u8>);

impl Keys {
    pub(super) fn open(&self) -> KeyFrame {
        KeyFrame {
            first: self.entries.len(),
            first_decoded: self.decoded.len(),
            filter: 0,
        }
    }

    /// Adds a key whose bytes in the body are the key.
    #[inline]
    pub(super) fn add_plain(
        &mut self,
        frame: &mut KeyFrame,
        body: Input<'_>,
        span: KeySpan,
    ) -> Result<(), Twice> {
        let key = Key {
            hash: hash(body.slice(span.start, span.end)),
            start: offset(span.start),
            end: offset(span.end),
            place: KeyPlace::Body,
        };
        self.add(frame, body, key)
    }

    /// Adds a key that had escapes.
    pub(super) fn add_decoded(
        &mut self,
        frame: &mut KeyFrame,
        body: Input<'_>,
        text: &[u8],
    ) -> Result<(), Twice> {
        let start = self.decoded.len();
        self.decoded.extend_from_slice(text);
        let key = Key {
            hash: hash(text),
            start: offset(start),
            end: offset(self.decoded.len()),
            place: KeyPlace::Decoded,
        };
        self.add(frame, body, key)
    }

    #[inline]
    fn add(&mut self, frame: &mut KeyFrame, body: Input<'_>, key: Key) -> Result<(), Twice> {
        let bit = 1 << (key.hash >> 58);
        if frame.filter & bit != 0 {
            self.search(frame, body, &key)?;
        }
        frame.filter |= bit;
        self.entries.push(key);
        Ok(())
    }

    /// Looks for a key among those of its object, as long as they are few.
    #[inline(never)]
    fn search(&self, frame: &KeyFrame, body: Input<'_>, key: &Key) -> Result<(), Twice> {
        let earlier = self.entries.get(frame.first..).unwrap_or_default();
        let is_same =
            |other: &Key| other.hash == key.hash && self.text(body, other) == self.text(body, key);
        count(earlier.len().min(SEARCHED));
        if earlier.len() <= SEARCHED && earlier.iter().any(is_same) {
            return Err(Twice(self.text(body, key).to_vec()));
        }
        Ok(())
    }

    /// Ends an object, and finds a key of it that came twice.
    pub(super) fn close(&mut self, frame: &KeyFrame, body: Input<'_>) -> Result<(), Twice> {
        if self.entries.len() == frame.first {
            return Ok(());
        }
        let mut result = Ok(());
        if self.entries.len() - frame.first.min(self.entries.len()) > SEARCHED {
            result = self.find_twice(frame, body);
        }
        self.entries.truncate(frame.first);
        self.decoded.truncate(frame.first_decoded);
        result
    }

    fn find_twice(&mut self, frame: &KeyFrame, body: Input<'_>) -> Result<(), Twice> {
        let first = frame.first.min(self.entries.len());
        let mut keys: Vec<Key> = self.entries.drain(first..).collect();
        keys.sort_unstable_by(|a, b| {
            count(1);
            a.hash.cmp(&b.hash).then_with(|| {
                let (a, b) = (self.text(body, a), self.text(body, b));
                count(a.len().min(b.len()));
                a.cmp(b)
            })
        });
        let twice = keys
            .iter()
            .zip(keys.iter().skip(1))
            .find(|(a, b)| a.hash == b.hash && self.text(body, a) == self.text(body, b));
        match twice {
            Some((key, _)) => Err(Twice(self.text(body, key).to_vec())),
            None => Ok(()),
        }
    }

    fn text<'a>(&'a self, body: Input<'a>, key: &Key) -> &'a [u8] {
        let (start, end) = (key.start as usize, key.end as usize);
        match key.place {
            KeyPlace::Body => body.slice(start, end),
            KeyPlace::Decoded => self.decoded.get(start..end).unwrap_or_default(),
        }
    }
}

/// Bodies are shorter than 4 GiB: the engine refuses longer ones before it looks at them.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A quick hash of a name; nothing depends on its being hard to guess.
#[inline]
pub(super) fn hash(text: &[u8]) -> u64 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    count(text.len());
    let step = |state: u64, word: u64| (state.rotate_left(23) ^ word).wrapping_mul(MIX);
    let (words, _) = text.as_chunks::<8>();
    let state = words.iter().fold(text.len() as u64, |state, word| {
        step(state, u64::from_le_bytes(*word))
    });
    let state = step(state, last_word(text));
    state ^ state >> 29
}

/// The last eight bytes, or all of fewer.
#[inline]
fn last_word(text: &[u8]) -> u64 {
    if let Some(last) = text.last_chunk::<8>() {
        return u64::from_le_bytes(*last);
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    }
    // Of at most three bytes, the first, the middle and the last are all of them.
    let byte = |place: usize| text.get(place).copied().map_or(0, u64::from);
    byte(0) << 16 | byte(text.len() / 2) << 8 | byte(text.len().saturating_sub(1))
}

/// Whether two names are equal: as `==`, without a call for what is short.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let ((a_words, _), (b_words, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    a_words
        .iter()
        .zip(b_words)
        .all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b))
        && last_word(a) == last_word(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(keys: &[&str]) -> (Vec<u8>, Vec<KeySpan>) {
        let mut body = Vec::new();
        let spans = keys
            .iter()
            .map(|key| {
                let start = body.len();
                body.extend_from_slice(key.as_bytes());
                KeySpan {
                    start,
                    end: body.len(),
                }
            })
            .collect();
        (body, spans)
    }

    fn check(keys: &[&str], expected: Result<(), &str>) {
        let (body, spans) = spans(keys);
        let body = Input::new(&body, 0);
        let mut stack = Keys::default();
        let mut frame = stack.open();
        let mut result = Ok(());
        for span in spans {
            result = result.and_then(|()| stack.add_plain(&mut frame, body, span));
        }
        let result = result.and_then(|()| stack.close(&frame, body));
        assert_eq!(
            result,
            expected.map_err(|key| Twice(key.as_bytes().to_vec()))
        );
    }

    #[test]
    fn it_finds_the_key_that_comes_twice() {
        check(&[], Ok(()));
        check(&["a", "b", "c", ""], Ok(()));
        check(&["a", "b", "a"], Err("a"));
        check(&["", ""], Err(""));
        let many: Vec<String> = (0..5000).map(|number| format!("key{number}")).collect();
        let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&many, Ok(()));
        many.push("key4999");
        check(&many, Err("key4999"));
        check(
            &many.iter().rev().copied().take(33).collect::<Vec<_>>(),
            Err("key4999"),
        );
    }

    #[test]
    fn it_tells_names_apart_that_differ_in_one_byte() {
        for length in 0..40 {
            let name = vec![b'a'; length];
            assert!(same(&name, &name.clone()));
            assert!(!same(&name, &vec![b'a'; length + 1]));
            for place in 0..length {
                let mut other = name.clone();
                other[place] = b'b';
                assert!(!same(&name, &other), "{length} {place}");
                assert_ne!(hash(&name), hash(&other), "{length} {place}");
            }
        }
    }

    #[test]
    fn it_compares_escaped_keys_with_plain_ones_and_objects_apart() {
        let (body, spans) = spans(&["a", "b"]);
        let body = Input::new(&body, 0);
        let mut stack = Keys::default();
        let mut outer = stack.open();
        stack.add_plain(&mut outer, body, spans[0]).unwrap();
        let mut inner = stack.open();
        stack.add_plain(&mut inner, body, spans[0]).unwrap();
        stack.add_decoded(&mut inner, body, b"c").unwrap();
        stack.close(&inner, body).unwrap();
        stack.add_plain(&mut outer, body, spans[1]).unwrap();
        assert_eq!(
            stack.add_decoded(&mut outer, body, b"a"),
            Err(Twice(b"a".to_vec()))
        );
    }
}
