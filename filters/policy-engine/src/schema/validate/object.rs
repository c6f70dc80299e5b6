//! Objects: each key once, each member by its property's node, nothing missing.

use step_count::count;

use super::path::Path;
use super::{Pass, Run, Stop};
use crate::schema::keys::{KeyFrame, KeySpan, Twice};
use crate::schema::scan::{self, StringForm, Syntax, Wanted, unescape, unescape_beginning};
use crate::schema::tree::{Additional, NodeId, ObjectRules};
use crate::schema::violation::{MOST_VIOLATIONS, echo};

impl<'r> Run<'r> {
    pub(super) fn object(
        &mut self,
        rules: &'r ObjectRules,
        start: usize,
        path: &Path<'_>,
    ) -> Result<usize, Stop> {
        let mut keys = self.keys.open();
        let mut seen = Seen::default();
        let mut at = scan::skip_space(self.bytes, start + 1);
        if self.bytes.get(at) != Some(&b'}') {
            loop {
                at = self.member(rules, &mut keys, &mut seen, at, path)?;
                at = scan::skip_space(self.bytes, at);
                match self.bytes.get(at) {
                    Some(b',') => at = scan::skip_space(self.bytes, at + 1),
                    Some(b'}') => break,
                    _ => {
                        return self.syntax(
                            path,
                            Syntax {
                                wanted: Wanted::CommaOrBrace,
                                at,
                            },
                        );
                    }
                }
            }
        }
        if let Err(twice) = self.keys.close(&keys, self.bytes) {
            return self.twice(path, &twice.0);
        }
        if rules.required & !seen.first != 0 || rules.properties.len() > 64 {
            self.missing(rules, &seen, path)?;
        }
        Ok(at + 1)
    }

    /// One key and its value.
    fn member(
        &mut self,
        rules: &'r ObjectRules,
        keys: &mut KeyFrame,
        seen: &mut Seen,
        at: usize,
        path: &Path<'_>,
    ) -> Result<usize, Stop> {
        if self.bytes.get(at) != Some(&b'"') {
            return self.syntax(
                path,
                Syntax {
                    wanted: Wanted::Key,
                    at,
                },
            );
        }
        let quoted = match scan::string(self.bytes, at + 1) {
            Ok(quoted) => quoted,
            Err(syntax) => return self.syntax(path, syntax),
        };
        let key = KeySpan {
            start: at + 1,
            end: quoted.end,
        };
        let here = Path::Key {
            of: path,
            key,
            form: quoted.form,
        };
        let colon = scan::skip_space(self.bytes, quoted.end + 1);
        if self.bytes.get(colon) != Some(&b':') {
            return self.syntax(
                &here,
                Syntax {
                    wanted: Wanted::Colon,
                    at: colon,
                },
            );
        }
        let raw = self.raw(key);
        match self.child(rules, keys, seen, key, quoted.form, path)? {
            Additional::Fits(node) => self.value(node, colon + 1, &here),
            Additional::Refused => {
                let found = || format!("`{}`", echo(&unescape_beginning(raw, quoted.form)));
                self.misfit_found(&here, || unlisted(rules), found)?;
                self.value(NodeId::ANYTHING, colon + 1, &here)
            }
        }
    }

    /// The rule for the value behind a key, after a look whether the key came before.
    #[inline]
    fn child(
        &mut self,
        rules: &ObjectRules,
        keys: &mut KeyFrame,
        seen: &mut Seen,
        key: KeySpan,
        form: StringForm,
        path: &Path<'_>,
    ) -> Result<Additional, Stop> {
        let decoded;
        let name = match form {
            StringForm::Plain => self.raw(key),
            StringForm::Escaped => {
                decoded = unescape(self.raw(key), form);
                &decoded
            }
        };
        if let Some(number) = rules.find(name, seen.next) {
            if seen.add(number) == Sight::Again {
                return self.twice(path, name);
            }
            let node = rules
                .properties
                .get(number)
                .and_then(|property| property.node);
            return Ok(node.map_or(rules.additional, Additional::Fits));
        }
        if let Some(property) = rules.find_loosely(name)
            && !self.is_a_spelling(name)
        {
            return self.misspelt(path, name, &property.name);
        }
        if self.pass == Pass::First {
            let added = match form {
                StringForm::Plain => self.keys.add_plain(keys, self.bytes, key),
                StringForm::Escaped => self.keys.add_decoded(keys, self.bytes, name),
            };
            if let Err(Twice(_)) = added {
                return self.twice(path, name);
            }
        }
        Ok(rules.additional)
    }

    /// Whether the schema names this property itself, beside one that differs in case alone.
    fn is_a_spelling(&self, name: &[u8]) -> bool {
        self.tree.spellings.contains(name)
    }

    fn raw(&self, key: KeySpan) -> &'r [u8] {
        self.bytes.get(key.start..key.end).unwrap_or_default()
    }

    #[cold]
    fn missing(
        &mut self,
        rules: &'r ObjectRules,
        seen: &Seen,
        path: &Path<'_>,
    ) -> Result<(), Stop> {
        for number in &rules.all_required {
            count(1);
            // An object with so many properties has as many keys, or the list of misfits is full.
            if self.misfits.len() >= MOST_VIOLATIONS {
                break;
            }
            let Some(property) = rules.properties.get(*number) else {
                continue;
            };
            if !seen.has(*number) {
                self.misfit_found(
                    path,
                    || format!("the property `{}`", echo(property.name.as_bytes())),
                    String::new,
                )?;
            }
        }
        Ok(())
    }

    /// A server that ignores case, trims or stops at a NUL would take this key for the property;
    /// one that does not, would not. So it is refused as what not everyone reads alike, whatever
    /// the schema says of additional properties.
    #[cold]
    fn misspelt<T>(&mut self, path: &Path<'_>, key: &[u8], name: &str) -> Result<T, Stop> {
        let (key, name) = (echo(key), echo(name.as_bytes()));
        self.unreadable(path, format!("the key `{key}` to be written `{name}`"))
    }

    #[cold]
    fn twice<T>(&mut self, path: &Path<'_>, key: &[u8]) -> Result<T, Stop> {
        self.unreadable(
            path,
            format!("each key once, but `{}` comes twice", echo(key)),
        )
    }
}

/// Says of a property that must not be there which ones may.
fn unlisted(rules: &ObjectRules) -> String {
    const NAMED: usize = 10;
    let listed = || {
        rules
            .properties
            .iter()
            .filter(|property| property.node.is_some())
    };
    let mut names: Vec<String> = listed()
        .take(NAMED)
        .map(|property| format!("`{}`", echo(property.name.as_bytes())))
        .collect();
    if names.is_empty() {
        return "no properties".to_owned();
    }
    if listed().count() > NAMED {
        names.push("…".to_owned());
    }
    format!("only the properties {}", names.join(", "))
}

/// Which of the listed properties an object has had.
#[derive(Default)]
struct Seen {
    first: u64,
    /// Those from the 65th on; no memory is taken where there are none.
    rest: Vec<u64>,
    /// The one behind the last: keys often come in the schema's order.
    next: usize,
}

#[derive(PartialEq, Eq)]
enum Sight {
    First,
    Again,
}

impl Seen {
    fn add(&mut self, number: usize) -> Sight {
        self.next = number + 1;
        let bit = 1 << (number % 64);
        let word = match (number / 64).checked_sub(1) {
            None => &mut self.first,
            Some(place) => {
                if self.rest.len() <= place {
                    self.rest.resize(place + 1, 0);
                }
                match self.rest.get_mut(place) {
                    Some(word) => word,
                    None => return Sight::Again,
                }
            }
        };
        let sight = if *word & bit == 0 {
            Sight::First
        } else {
            Sight::Again
        };
        *word |= bit;
        sight
    }

    fn has(&self, number: usize) -> bool {
        let word = match number / 64 {
            0 => self.first,
            word => self.rest.get(word - 1).copied().unwrap_or(0),
        };
        word & 1 << (number % 64) != 0
    }
}
