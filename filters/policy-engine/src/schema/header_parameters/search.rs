//! The search through a call's arguments for the values that its headers repeat, in one pass.

use key_folding::read_loosely;

use super::{ArgumentValue, HeaderParameter};
use crate::schema::scan;
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
    };
    let start = scan::skip_space(arguments, 0);
    if arguments.get(start) == Some(&b'{') {
        let all: Vec<usize> = (0..parameters.len()).collect();
        search.object(start, 0, &all)?;
    }
    Ok(search.values)
}

struct Search<'s, 'a> {
    parameters: &'s [HeaderParameter],
    bytes: &'a [u8],
    values: Vec<ArgumentValue<'a>>,
    keys: Keys,
    /// How many names of each parameter's path have been found.
    found: Vec<usize>,
}

impl Search<'_, '_> {
    /// Looks through the object at `start`, to which the first `level` names of the parameters in
    /// `open` have led. Gives where it ends. Goes no deeper than the paths do.
    fn object(&mut self, start: usize, level: usize, open: &[usize]) -> Result<usize, Violation> {
        let mut at = start + 1;
        loop {
            at = scan::skip_space(self.bytes, at);
            match self.bytes.get(at) {
                Some(b',') => at += 1,
                Some(b'"') => at = self.member(at, level, open)?,
                Some(_) => return Ok(at + 1),
                None => return Ok(at),
            }
        }
    }

    /// Looks at the member whose key is at `start`. Gives where its value ends.
    fn member(&mut self, start: usize, level: usize, open: &[usize]) -> Result<usize, Violation> {
        let Ok(quoted) = scan::string(self.bytes, start + 1) else {
            return Ok(self.bytes.len());
        };
        let raw = self.bytes.get(start + 1..quoted.end).unwrap_or_default();
        let key = scan::unescape(raw, quoted.form);
        let colon = scan::skip_space(self.bytes, quoted.end + 1);
        let value = scan::skip_space(self.bytes, colon + 1);
        let name = |parameter: &usize| {
            let path = self.parameters.get(*parameter).map(HeaderParameter::path);
            path.and_then(|path| path.get(level))
        };
        let meant: Vec<usize> = open
            .iter()
            .copied()
            .filter(|parameter| name(parameter).is_some_and(|name| *name.as_bytes() == *key))
            .collect();
        if self.keys == Keys::Unchecked {
            self.check_key(&key, level, open, &meant)?;
        }
        let end = if !meant.is_empty() && self.bytes.get(value) == Some(&b'{') {
            self.object(value, level + 1, &meant)?
        } else {
            end_of_value(self.bytes, value)
        };
        let found = ArgumentValue::read(self.bytes.get(value..end).unwrap_or_default());
        for parameter in meant {
            let ends_here = |parameter: &HeaderParameter| parameter.path.len() == level + 1;
            if self.parameters.get(parameter).is_some_and(ends_here)
                && let Some(place) = self.values.get_mut(parameter)
            {
                *place = found.clone();
            }
        }
        Ok(end)
    }

    /// Whether everyone reads this key of an object alike, as far as parameters are concerned.
    fn check_key(
        &mut self,
        key: &[u8],
        level: usize,
        open: &[usize],
        meant: &[usize],
    ) -> Result<(), Violation> {
        let name = |parameter: &usize| {
            let path = self.parameters.get(*parameter).map(HeaderParameter::path)?;
            path.get(level).map(String::as_str)
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

/// Where the well-formed value at `start` ends.
fn end_of_value(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        at = match bytes.get(at) {
            None => return at,
            Some(b'"') => match scan::string(bytes, at + 1) {
                Ok(quoted) => quoted.end + 1,
                Err(_) => return bytes.len(),
            },
            Some(b'{' | b'[') => {
                depth += 1;
                at + 1
            }
            Some(b'}' | b']') => {
                depth = depth.saturating_sub(1);
                at + 1
            }
            Some(b',' | b':' | b' ' | b'\n' | b'\r' | b'\t') => at + 1,
            Some(_) => {
                let rest = bytes.get(at..).unwrap_or_default();
                let end = rest.iter().position(|byte| b",]} \n\r\t".contains(byte));
                at + end.unwrap_or(rest.len())
            }
        };
        if depth == 0 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn parameter(path: &[&str]) -> HeaderParameter {
        HeaderParameter {
            path: path.iter().map(|name| (*name).to_owned()).collect(),
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
