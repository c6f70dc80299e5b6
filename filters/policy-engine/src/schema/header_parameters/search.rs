//! The search through a call's arguments for the values that its headers repeat, in one pass.

use json_reader::{Container, Event, Input, MAX_DEPTH, Scalar, Scanner, Sink, Text, decoded};
use key_folding::read_loosely;

use super::{ArgumentValue, HeaderParameter};
use crate::schema::violation::{Violation, echo};

/// Whether somebody has seen to it that every key comes once, and as the schema writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Checked,
    Unchecked,
}

/// Finds the values that well-formed arguments have for each of the parameters, in their order, in
/// one pass.
///
/// # Errors
/// A key on the way to a parameter comes twice, or is one that a loose reader takes for
/// it, and nobody has looked for such keys before.
pub(crate) fn values<'a>(
    parameters: &[HeaderParameter],
    arguments: &'a [u8],
    keys: Keys,
) -> Result<Vec<ArgumentValue<'a>>, Violation> {
    let mut search = Search {
        parameters,
        bytes: arguments,
        values: vec![ArgumentValue::Absent; parameters.len()],
        keys,
        found: vec![0; parameters.len()],
        open: Vec::new(),
        meant: Vec::new(),
        ambiguous: None,
    };
    let input = Input::new(arguments, 0);
    // They have been read before, so nothing but an ambiguous key ends this early.
    let _ = Scanner::new(MAX_DEPTH).read_to_end(input, &mut search);
    match search.ambiguous {
        Some(violation) => Err(violation),
        None => Ok(search.values),
    }
}

struct Search<'s, 'a> {
    parameters: &'s [HeaderParameter],
    bytes: &'a [u8],
    values: Vec<ArgumentValue<'a>>,
    keys: Keys,
    /// How many names of each parameter's path have been found.
    found: Vec<usize>,
    /// For each open object on the way: the parameters whose first names have led there.
    open: Vec<Vec<usize>>,
    /// The parameters that the last key on the way leads to.
    meant: Vec<usize>,
    ambiguous: Option<Violation>,
}

impl Sink for Search<'_, '_> {
    fn key(&mut self, input: Input<'_>, key: Text, depth: usize) -> Event {
        // Only the objects on the way are open, or this one is not among them.
        let (Some(level), Some(open)) = (depth.checked_sub(1), self.open.last()) else {
            return Event::ReadOn;
        };
        if depth != self.open.len() {
            return Event::ReadOn;
        }
        let key = decoded(input.slice(key.start, key.end), key.escaped);
        let name = |parameter: &usize| {
            let path = self.parameters.get(*parameter).map(HeaderParameter::path);
            path.and_then(|path| path.get(level))
        };
        let is_meant =
            |parameter: &usize| name(parameter).is_some_and(|name| *name.as_bytes() == *key);
        let meant: Vec<usize> = open.iter().copied().filter(is_meant).collect();
        if self.keys == Keys::Unchecked
            && let Err(violation) = self.check_key(&key, level, &meant)
        {
            self.ambiguous = Some(violation);
            return Event::Stop;
        }
        self.meant = meant;
        Event::ReadOn
    }

    fn begin(&mut self, _: Input<'_>, first: u8, _: usize, depth: usize) -> Event {
        if first == b'{' && depth == self.open.len() {
            if depth == 0 {
                self.open.push((0..self.parameters.len()).collect());
            } else if !self.meant.is_empty() {
                self.open.push(std::mem::take(&mut self.meant));
            }
        }
        Event::ReadOn
    }

    fn scalar(&mut self, _: Input<'_>, scalar: Scalar, depth: usize) -> Event {
        if depth == self.open.len() {
            let raw = self.bytes.get(scalar.start..scalar.end);
            let meant = std::mem::take(&mut self.meant);
            self.note(&meant, &ArgumentValue::read(raw.unwrap_or_default()));
        }
        Event::ReadOn
    }

    fn close(&mut self, _: Input<'_>, _: Container, _: usize, depth: usize) -> Event {
        let meant = if depth + 1 == self.open.len() {
            // An object on the way.
            self.open.pop()
        } else if depth == self.open.len() {
            Some(std::mem::take(&mut self.meant))
        } else {
            None
        };
        if let (Some(meant), 1..) = (meant, depth) {
            self.note(&meant, &ArgumentValue::Nested);
        }
        Event::ReadOn
    }
}

impl<'a> Search<'_, 'a> {
    /// Notes a member of the innermost object on the way, for the parameters that it is meant by.
    fn note(&mut self, meant: &[usize], value: &ArgumentValue<'a>) {
        for parameter in meant {
            let ends_here = |parameter: &HeaderParameter| parameter.path.len() == self.open.len();
            if self.parameters.get(*parameter).is_some_and(ends_here)
                && let Some(place) = self.values.get_mut(*parameter)
            {
                *place = value.clone();
            }
        }
    }

    /// Whether everyone reads this key of an object alike, as far as parameters are concerned.
    fn check_key(&mut self, key: &[u8], level: usize, meant: &[usize]) -> Result<(), Violation> {
        let open = self.open.last().map(Vec::as_slice).unwrap_or_default();
        let name = |parameter: &usize| {
            let path = self.parameters.get(*parameter).map(HeaderParameter::path)?;
            path.get(level).map(|name| &**name)
        };
        let read = read_loosely(key);
        let is_taken_for = |name: &&str| *read_loosely(name.as_bytes()) == *read;
        let taken = open.iter().filter_map(name).find(is_taken_for);
        if let (Some(name), []) = (taken, meant) {
            return Err(ambiguous(format!(
                "the key `{}` to be written `{}`",
                echo(key),
                echo(name.as_bytes())
            )));
        }
        for parameter in meant {
            if let Some(found) = self.found.get_mut(*parameter) {
                if *found > level {
                    let key = echo(key);
                    return Err(ambiguous(format!("each key once, but `{key}` comes twice")));
                }
                *found = level + 1;
            }
        }
        Ok(())
    }
}

/// The fault of arguments that not everyone reads alike.
fn ambiguous(expected: String) -> Violation {
    Violation {
        pointer: String::new(),
        expected,
        found: None,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn parameter(path: &[&str]) -> HeaderParameter {
        HeaderParameter {
            path: path.iter().map(|name| (*name).into()).collect(),
            header: "x".to_owned(),
        }
    }

    #[test]
    fn it_finds_the_values_in_one_pass() {
        let parameters = [
            parameter(&["a"]),
            parameter(&["b", "a"]),
            parameter(&["b", "c", "d"]),
            parameter(&["é"]),
        ];
        let check = |arguments: &str, expected: [Option<&str>; 4]| {
            let found = values(&parameters, arguments.as_bytes(), Keys::Checked).unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|value| value.text().map(String::from_utf8_lossy))
                .collect();
            let expected: Vec<_> = expected.map(|text| text.map(Cow::from)).to_vec();
            assert_eq!(found, expected, "{arguments}");
        };
        check("{}", [None; 4]);
        check(" [\"a\"] ", [None; 4]);
        check("\"a\"", [None; 4]);
        check(r#"{"a":"1"}"#, [Some("1"), None, None, None]);
        check(
            " { \"x\" : [ { \"a\" : 1 } , \"}\\\"\" ] , \"a\" : 2.50 , \"b\" : { \"a\" : true , \
             \"c\" : { \"d\" : \"\\u00e9\" } } , \"\\u00e9\" : -1 } ",
            [Some("2.50"), Some("true"), Some("é"), Some("-1")],
        );
        check(r#"{"a":null,"b":{"c":{"e":{"d":1}}}}"#, [None; 4]);
        check(
            r#"{"b":{"c":[{"d":1}],"a":false},"a":1}"#,
            [Some("1"), Some("false"), None, None],
        );
        check(r#"{"b":7,"a":{"a":1}}"#, [None; 4]);
    }

    #[test]
    fn it_refuses_keys_that_not_everyone_reads_alike_where_nobody_has_looked() {
        let parameters = [
            parameter(&["a"]),
            parameter(&["b", "c"]),
            parameter(&["b", "d"]),
        ];
        let check = |arguments: &str, expected: Option<&str>| {
            let found = values(&parameters, arguments.as_bytes(), Keys::Unchecked);
            let found = found.err().map(|violation| violation.expected);
            assert_eq!(found.as_deref(), expected, "{arguments}");
            assert!(values(&parameters, arguments.as_bytes(), Keys::Checked).is_ok());
        };
        check(r#"{"a":1,"b":{"c":1,"d":2},"x":1,"x":2,"X":3}"#, None);
        check(
            r#"{"a":1,"\u0061":2}"#,
            Some("each key once, but `a` comes twice"),
        );
        check(
            r#"{"b":{},"b":{}}"#,
            Some("each key once, but `b` comes twice"),
        );
        check(
            r#"{"b":{"c":1,"c":1}}"#,
            Some("each key once, but `c` comes twice"),
        );
        check(r#"{"a":1,"A":2}"#, Some("the key `A` to be written `a`"));
        check(r#"{"B":{"c":1}}"#, Some("the key `B` to be written `b`"));
        check(r#"{"b":{"C":1}}"#, Some("the key `C` to be written `c`"));
        check(r#"{"x":{"A":1,"a":1,"a":2}}"#, None);
    }
}
