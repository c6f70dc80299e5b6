//! Objects: each key once, each member by its property's node, nothing missing.

use super::path::Path;
use super::{Pass, Run, Stop};
use crate::schema::keys::{KeyFrame, KeySpan, Twice};
use crate::schema::scan::{self, StringForm, Syntax, Wanted, unescape};
use crate::schema::tree::{Additional, NodeId, ObjectRules, Presence};
use crate::schema::violation::echo;

impl<'r> Run<'r> {
    pub(super) fn object(
        &mut self,
        rules: &'r ObjectRules,
        start: usize,
        path: &Path<'_>,
    ) -> Result<usize, Stop> {
        let mut keys = self.keys.open();
        let mut seen = Seen::new(rules.properties.len());
        let mut at = scan::skip_space(self.bytes, start + 1);
        if self.bytes.get(at) != Some(&b'}') {
            loop {
                at = scan::skip_space(self.bytes, at);
                at = self.member(rules, &mut keys, &mut seen, at, path)?;
                at = scan::skip_space(self.bytes, at);
                match self.bytes.get(at) {
                    Some(b',') => at += 1,
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
        self.missing(rules, &seen, path)?;
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
        let raw = self.bytes.get(key.start..key.end).unwrap_or_default();
        let name = unescape(raw, quoted.form);
        let known = rules.find(&name);
        let is_twice = match known {
            Some(number) => seen.add(number) == Sight::Again,
            None if self.pass != Pass::First => false,
            None => {
                let added = match quoted.form {
                    StringForm::Plain => self.keys.add_plain(keys, self.bytes, key),
                    StringForm::Escaped => self.keys.add_decoded(keys, self.bytes, &name),
                };
                matches!(added, Err(Twice(_)))
            }
        };
        if is_twice {
            return self.twice(path, &name);
        }
        let node = known
            .and_then(|number| rules.properties.get(number))
            .and_then(|property| property.node);
        match node.map_or(rules.additional, Additional::Fits) {
            Additional::Fits(node) => self.value(node, colon + 1, &here),
            Additional::Refused => {
                self.misfit_found(&here, || unlisted(rules), || format!("`{}`", echo(&name)))?;
                self.value(NodeId::ANYTHING, colon + 1, &here)
            }
        }
    }

    fn missing(
        &mut self,
        rules: &'r ObjectRules,
        seen: &Seen,
        path: &Path<'_>,
    ) -> Result<(), Stop> {
        for (number, property) in rules.properties.iter().enumerate() {
            if property.presence == Presence::Required && !seen.has(number) {
                self.misfit_found(
                    path,
                    || format!("the property `{}`", echo(property.name.as_bytes())),
                    String::new,
                )?;
            }
        }
        Ok(())
    }

    fn twice<T>(&mut self, path: &Path<'_>, key: &[u8]) -> Result<T, Stop> {
        self.unreadable(
            path,
            format!("each key once, but `{}` comes twice", echo(key)),
        )
    }
}

/// What to say of a property that must not be there: which ones may.
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
struct Seen {
    first: u64,
    /// Those from the 65th on; no memory is taken where there are none.
    rest: Vec<u64>,
}

#[derive(PartialEq, Eq)]
enum Sight {
    First,
    Again,
}

impl Seen {
    fn new(properties: usize) -> Self {
        Self {
            first: 0,
            rest: vec![0; properties.saturating_sub(64).div_ceil(64)],
        }
    }

    fn add(&mut self, number: usize) -> Sight {
        let bit = 1 << (number % 64);
        let word = match number / 64 {
            0 => &mut self.first,
            word => match self.rest.get_mut(word - 1) {
                Some(word) => word,
                None => return Sight::Again,
            },
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
