//! The bounds of a YAML text: how deep it goes, and how large it becomes when its aliases are
//! followed.
//!
//! A list within a list within a list costs the library the square of the depth, and an alias
//! stands for a copy of what its anchor names, so a few bytes each can make gigabytes of a small
//! text. Both are found out part by part, before anything keeps what was read.

use std::collections::BTreeMap;

use super::events::{Part, Parts};
use super::lines::lines;

/// How deep a text may go: as deep as the readers of JSON and of YAML follow it. A document needs
/// ten levels, and a JSON Schema within it twice as many.
const DEEPEST: usize = 128;
/// So many bytes may become of each byte of a text: more than escapes need, and a few aliases.
const MOST_PER_BYTE: usize = 4;
/// So many bytes may become of any text.
const ALWAYS_ALLOWED: usize = 1 << 16;
/// Why a text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// It goes too deep, on this line, from 1.
    Depth(usize),
    /// Its aliases make far more of it than its author wrote.
    Aliases,
    /// This line, from 1, begins as a directive does. The library compares each with all before it,
    /// and the names that they shorten are written out in full for each value.
    Directive(usize),
    /// A value on this line, from 1, has a tag.
    Tag(usize),
    /// A value on this line, from 1, has the anchor of a value before it. Which of them an alias
    /// stands for then depends on the reader.
    SecondAnchor(usize),
    /// The alias on this line, from 1, stands within the value that it names, without an end.
    Endless(usize),
}

impl Excess {
    /// The line where it is, from 1, where it is in one place.
    pub(super) fn line(self) -> Option<usize> {
        match self {
            Self::Depth(line)
            | Self::Directive(line)
            | Self::Tag(line)
            | Self::SecondAnchor(line)
            | Self::Endless(line) => Some(line),
            Self::Aliases => None,
        }
    }

    /// The reason, for the author of the text.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Depth(_) => format!(
                "it is nested more than {DEEPEST} levels deep; no part of a document needs a tenth \
                 of that"
            ),
            Self::Aliases => {
                "its aliases make far more of it than is written; write out what they repeat"
                    .to_owned()
            }
            Self::Directive(_) => {
                "a line begins with `%`, as directives do; a document has none".to_owned()
            }
            Self::Tag(_) => "a value has a tag, which begins with `!`; quote what is a text, and \
                             leave other tags out"
                .to_owned(),
            Self::SecondAnchor(_) => {
                "an anchor has the name of one before it; give each a name of its own".to_owned()
            }
            Self::Endless(_) => {
                "an alias stands within the value that it names; write out what it repeats"
                    .to_owned()
            }
        }
    }
}

/// The value that is being read: its anchor, and what has become of it so far, in bytes.
struct Open {
    anchor: Option<Box<[u8]>>,
    bytes: usize,
}

/// Why a text is not to be read, if it is not. One pass over it, whatever is in it.
pub(super) fn excess(text: &str) -> Option<Excess> {
    let mut numbered = (1..).zip(lines(text));
    if let Some((line, _)) = numbered.find(|(_, line)| line.starts_with('%')) {
        return Some(Excess::Directive(line));
    }
    let most = text
        .len()
        .saturating_mul(MOST_PER_BYTE)
        .saturating_add(ALWAYS_ALLOWED);
    // What each anchor names, in bytes.
    let mut named: BTreeMap<Box<[u8]>, usize> = BTreeMap::new();
    let mut open: Vec<Open> = Vec::new();
    let mut documents = 0_usize;
    // What is not YAML is told by whoever reads it next.
    for part in Parts::of(text) {
        if let Part::Opens { line, marks } | Part::Scalar { line, marks, .. } = &part {
            if marks.is_tagged {
                return Some(Excess::Tag(*line));
            }
            let anchor = marks.anchor.as_deref();
            if anchor.is_some_and(|name| named.contains_key(name) || is_open(&open, name)) {
                return Some(Excess::SecondAnchor(*line));
            }
        }
        let (anchor, bytes) = match part {
            Part::Opens { line, .. } if open.len() == DEEPEST => return Some(Excess::Depth(line)),
            Part::Opens { marks, .. } => {
                let anchor = marks.anchor;
                open.push(Open { anchor, bytes: 1 });
                continue;
            }
            Part::Closes => match open.pop() {
                Some(Open { anchor, bytes }) => (anchor, bytes),
                None => continue,
            },
            Part::Scalar { marks, bytes, .. } => (marks.anchor, bytes.saturating_add(1)),
            Part::Alias { name, line } if is_open(&open, &name) => {
                return Some(Excess::Endless(line));
            }
            Part::Alias { name, .. } => (None, named.get(&name).copied().unwrap_or(1)),
        };
        if let Some(anchor) = anchor {
            named.insert(anchor, bytes);
        }
        let around = open
            .last_mut()
            .map_or(&mut documents, |open| &mut open.bytes);
        *around = around.saturating_add(bytes);
        if *around > most {
            return Some(Excess::Aliases);
        }
    }
    None
}

/// Whether a value that has not ended yet has this anchor.
fn is_open(open: &[Open], anchor: &[u8]) -> bool {
    open.iter()
        .any(|open| open.anchor.as_deref() == Some(anchor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_aliases_stand_for() {
        let anchor = format!("a: &a {}\n", "x".repeat(100_000));
        let aliases = |count: usize| format!("{anchor}b: [{}]", "*a, ".repeat(count));
        assert_eq!(excess(&aliases(3)), None);
        assert_eq!(excess(&aliases(5)), Some(Excess::Aliases));
        assert_eq!(excess(&aliases(20_000)), Some(Excess::Aliases));
        let copies = |count: usize| {
            format!(
                "a: &a [{}]\nb: [{}]",
                "1, ".repeat(50_000),
                "*a, ".repeat(count)
            )
        };
        assert_eq!(excess(&copies(50)), Some(Excess::Aliases));
        // Each line stands for ten of the line before it.
        let mut laughs = "a0: &a0 ha\n".to_owned();
        for line in 1..12 {
            let before = format!("*a{}, ", line - 1).repeat(10);
            laughs.push_str(&format!("a{line}: &a{line} [{before}]\n"));
        }
        assert_eq!(excess(&laughs), Some(Excess::Aliases));
    }

    #[test]
    fn it_takes_any_text_without_aliases_as_it_is() {
        for text in [
            "x".repeat(1_000_000),
            format!("[{}]", "1,".repeat(200_000)),
            format!("\"{}\"", "\\L".repeat(200_000)),
            format!("{{{}}}", "? , ".repeat(100_000)),
            format!("[\"{}\"]", "[{".repeat(100_000)),
            format!("# {}\na: |\n  {}\n", "[".repeat(1_000), "[".repeat(1_000)),
            "- x !tag".to_owned(),
            "- \"! %\"".to_owned(),
            "a: [".to_owned(),
            "*nobody".to_owned(),
        ] {
            assert_eq!(excess(&text), None, "{}", &text[..10.min(text.len())]);
        }
    }

    #[test]
    fn it_refuses_what_goes_deeper_than_it_is_followed_and_says_where() {
        let deep = |depth: usize| format!("a:\n  {}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(excess(&deep(DEEPEST - 1)), None);
        assert_eq!(excess(&deep(DEEPEST)), Some(Excess::Depth(2)));
        // None of these is ever read as a whole: that would take hours.
        for part in [
            "[", "{a: ", "{? ", "- ", "[\n", "[a, {b: ", "[\"]\", ", "? - ",
        ] {
            let text = part.repeat((1 << 20) / part.len());
            let found = excess(&text);
            assert!(matches!(found, Some(Excess::Depth(_))), "{part}: {found:?}");
        }
    }

    #[test]
    fn it_refuses_every_directive() {
        // However its line ends.
        for end in ["\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}"] {
            let text = format!("# a comment{end}%TAG !1! a:{end}---{end}{{}}\n");
            // To the library, too, it is one.
            let read = yaml_serde::from_str::<yaml_serde::Value>(&text);
            assert!(read.is_ok(), "{end:?}: {read:?}");
            assert_eq!(excess(&text), Some(Excess::Directive(2)), "{end:?}");
        }
    }

    #[test]
    fn it_refuses_tags_wherever_they_stand() {
        for text in [
            "a: !b c",
            "a: !!str 1",
            "a: ! c",
            "a: !b []",
            "a: !b {c: d}",
            "!b c: d",
        ] {
            assert_eq!(excess(&format!("\n{text}")), Some(Excess::Tag(2)), "{text}");
        }
    }

    #[test]
    fn it_refuses_an_anchor_that_is_there_already() {
        // The library's own reader takes `*a` for `3` in the first of them.
        for text in [
            "- &a 1\n- &a 2\n- &c 3\n- *a",
            "- &a [1]\n- &a {b: 2}",
            "- &a\n  - &a 1",
        ] {
            assert_eq!(excess(text), Some(Excess::SecondAnchor(2)), "{text}");
        }
    }

    #[test]
    fn it_refuses_an_alias_within_the_value_that_it_names() {
        for text in ["&a [1,\n*a]", "a: &a\n  b: [*a]"] {
            assert_eq!(excess(text), Some(Excess::Endless(2)), "{text}");
        }
    }

    /// How deep a value goes; a value without parts is 0 deep.
    fn depth_of(value: &yaml_serde::Value) -> usize {
        use yaml_serde::Value;
        let parts: Vec<&Value> = match value {
            Value::Sequence(items) => items.iter().collect(),
            Value::Mapping(entries) => entries.iter().flat_map(|(key, at)| [key, at]).collect(),
            Value::Tagged(tagged) => return depth_of(&tagged.value),
            _ => return 0,
        };
        1 + parts.into_iter().map(depth_of).max().unwrap_or_default()
    }

    #[test]
    fn it_sees_the_depth_that_the_reader_of_documents_sees() {
        let pieces = [
            "[",
            "]",
            "{",
            "}",
            ": ",
            ", ",
            "a",
            "\"]\"",
            "'{'",
            "# [\n",
            "\n",
            "\n  ",
            "- ",
            "|\n  ",
            ">\n  ",
            "&x ",
            "!t ",
            "\"\\\"[\"",
            "''",
            "? ",
            "a: ",
            "---\n",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        let mut read = 0;
        for _ in 0..60_000 {
            let count = random.usize(1..14);
            let text: String = (0..count)
                .map(|_| *random.choice(&pieces).unwrap())
                .collect();
            let Ok(value) = yaml_serde::from_str::<yaml_serde::Value>(&text) else {
                continue;
            };
            let (mut depth, mut deepest) = (0_usize, 0);
            for part in Parts::of(&text) {
                match part {
                    Part::Opens { .. } => depth += 1,
                    Part::Closes => depth -= 1,
                    Part::Scalar { .. } | Part::Alias { .. } => {}
                }
                deepest = deepest.max(depth);
            }
            assert_eq!((depth, deepest), (0, depth_of(&value)), "{text:?}");
            read += usize::from(deepest > 1);
        }
        assert!(read > 100, "{read} texts of some depth were read");
    }
}
