//! The search through a call's arguments for the values that its headers repeat, in one pass.

use std::ops::Range;

use json_reader::{Container, Event, Input, MAX_DEPTH, Scalar, Scanner, Sink, Text, decoded};
use key_folding::read_loosely;
use step_count::count;

use super::{ArgumentValue, HeaderParameter};
use crate::schema::texts::SortedTexts;
use crate::schema::violation::{Violation, echo};

/// Whether somebody has seen to it that every key comes once, and as the schema writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Checked,
    Unchecked,
}

/// Finds the values that well-formed arguments have for each of the parameters, in their order,
/// which is that of their paths. In one pass: each key takes a few steps, however many parameters
/// there are.
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
        meant: 0..0,
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
    /// In the order of their paths: those that one name leads to stand together.
    parameters: &'s [HeaderParameter],
    bytes: &'a [u8],
    values: Vec<ArgumentValue<'a>>,
    keys: Keys,
    /// How many names have been found on the way to the parameters that this is the first of.
    found: Vec<usize>,
    open: Vec<OpenObject>,
    /// The parameters that the last key on the way leads to.
    meant: Range<usize>,
    ambiguous: Option<Violation>,
}

/// An open object on the way to parameters.
struct OpenObject {
    /// The parameters whose first names have led there.
    led: Range<usize>,
    /// Their next names as the loosest of readers sees them, where nobody has looked at keys.
    folded: SortedTexts,
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
        let led = self.led(&open.led);
        let first = led.partition_point(|parameter| name(parameter, level) < Some(&*key));
        let behind = led.get(first..).unwrap_or_default();
        let meant = behind.partition_point(|parameter| name(parameter, level) <= Some(&*key));
        let first = open.led.start + first;
        self.meant = first..first + meant;
        if self.keys == Keys::Unchecked
            && let Err(violation) = self.check_key(&key, level)
        {
            self.ambiguous = Some(violation);
            return Event::Stop;
        }
        Event::ReadOn
    }

    fn begin(&mut self, _: Input<'_>, first: u8, _: usize, depth: usize) -> Event {
        if first == b'{' && depth == self.open.len() {
            let led = match depth {
                0 => 0..self.parameters.len(),
                _ => std::mem::take(&mut self.meant),
            };
            if !led.is_empty() {
                let folded = match self.keys {
                    Keys::Checked => SortedTexts::EMPTY,
                    Keys::Unchecked => folded(self.led(&led), depth),
                };
                self.open.push(OpenObject { led, folded });
            }
        }
        Event::ReadOn
    }

    fn scalar(&mut self, _: Input<'_>, scalar: Scalar, depth: usize) -> Event {
        if depth == self.open.len() {
            let raw = self.bytes.get(scalar.start..scalar.end);
            let meant = std::mem::take(&mut self.meant);
            self.note(&meant, ArgumentValue::read(raw.unwrap_or_default()));
        }
        Event::ReadOn
    }

    fn close(&mut self, _: Input<'_>, _: Container, _: usize, depth: usize) -> Event {
        let meant = if depth + 1 == self.open.len() {
            // An object on the way.
            self.open.pop().map(|open| open.led)
        } else if depth == self.open.len() {
            Some(std::mem::take(&mut self.meant))
        } else {
            None
        };
        if let (Some(meant), 1..) = (meant, depth) {
            self.note(&meant, ArgumentValue::Nested);
        }
        Event::ReadOn
    }
}

impl<'s, 'a> Search<'s, 'a> {
    fn led(&self, places: &Range<usize>) -> &'s [HeaderParameter] {
        self.parameters.get(places.clone()).unwrap_or_default()
    }

    /// Notes a member of the innermost object on the way, for the parameter that it is meant by:
    /// the first of those that it leads to, whose path is the shortest.
    fn note(&mut self, meant: &Range<usize>, value: ArgumentValue<'a>) {
        let first = self.led(meant).first();
        if first.is_some_and(|first| first.path.len() == self.open.len())
            && let Some(place) = self.values.get_mut(meant.start)
        {
            *place = value;
        }
    }

    /// Whether everyone reads this key of an object alike, as far as parameters are concerned.
    fn check_key(&mut self, key: &[u8], level: usize) -> Result<(), Violation> {
        if self.meant.is_empty() {
            let Some(open) = self.open.last() else {
                return Ok(());
            };
            let read = read_loosely(key);
            if !open.folded.contains(&read) {
                return Ok(());
            }
            // What is found ends the search: all names are looked through once.
            let mut names = self.led(&open.led).iter();
            let name = names.find_map(|parameter| {
                name(parameter, level).filter(|name| read_loosely(name) == read)
            });
            return Err(ambiguous(format!(
                "the key `{}` to be written `{}`",
                echo(key),
                echo(name.unwrap_or_default())
            )));
        }
        match self.found.get_mut(self.meant.start) {
            Some(found) if *found > level => {
                let key = echo(key);
                Err(ambiguous(format!("each key once, but `{key}` comes twice")))
            }
            Some(found) => {
                *found = level + 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The name that leads on to a parameter from an object that so many names have led to.
fn name(parameter: &HeaderParameter, level: usize) -> Option<&[u8]> {
    count(1);
    parameter.path.get(level).map(|name| name.as_bytes())
}

/// The names that lead on to these parameters, each once, as the loosest of readers sees them.
fn folded(mut parameters: &[HeaderParameter], level: usize) -> SortedTexts {
    let names = std::iter::from_fn(|| {
        let next = name(parameters.first()?, level);
        let same = parameters.partition_point(|parameter| name(parameter, level) <= next);
        parameters = parameters.get(same..)?;
        Some(next)
    });
    // The way to one of them may end here.
    SortedTexts::new(names.flatten().map(read_loosely))
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

    use step_count::taken_by;

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
        check(r#"{"a":{"":1}}"#, None);
    }

    #[test]
    fn it_takes_few_steps_for_each_key_however_many_parameters_there_are() {
        let names: Vec<String> = (0..2_000).map(|number| format!("p{number:04}")).collect();
        let mut parameters: Vec<HeaderParameter> = Vec::new();
        parameters.extend(names.iter().map(|name| parameter(&["a", name])));
        parameters.extend(names.iter().map(|name| parameter(&["b", name])));
        let members = |upper: bool| -> String {
            let named = names.iter().map(|name| match upper {
                true => format!(",\"x{name}\":1"),
                false => format!(",\"{name}\":1"),
            });
            named.collect()
        };
        // Keys of other objects, keys that nobody asks for, and those that are asked for.
        let (here, other) = (members(false), members(true));
        let arguments = format!(
            r#"{{"n":0{here}{other},"a":{{"n":0{here}{other}}},"b":{{"n":0{other}{here}}}}}"#
        );
        let keys = 12_000;
        for order in [Keys::Checked, Keys::Unchecked] {
            let (found, steps) = taken_by(|| values(&parameters, arguments.as_bytes(), order));
            let found = found.unwrap();
            assert!(found.iter().all(|value| value.text() == Some(b"1")));
            assert!(steps < 400 * keys, "{steps} steps");
        }
    }
}
