//! URI templates: the part of RFC 6570 that resources need, read backwards as well as forwards.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The characters that RFC 3986 lets stand unescaped wherever a value may.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The values of a template's variables, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<&'static str, String>);

impl Variables {
    /// The value of the variable, where the URI has it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a variable that every template of the resource has.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

/// A template of URIs: literals, variables that each stand for one segment (`{name}`), and at the
/// end a query whose members may be left out (`{?name,other}`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriTemplate {
    text: &'static str,
    parts: Vec<Part>,
    query: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(&'static str),
    Segment(&'static str),
}

impl UriTemplate {
    /// The template that is written so.
    pub fn new(text: &'static str) -> Self {
        let mut template = Self {
            text,
            parts: Vec::new(),
            query: Vec::new(),
        };
        let mut rest = text;
        while let Some((literal, expression)) = rest.split_once('{') {
            let (expression, after) = expression.split_once('}').unwrap_or((expression, ""));
            if !literal.is_empty() {
                template.parts.push(Part::Literal(literal));
            }
            match expression.strip_prefix('?') {
                Some(names) => template.query.extend(names.split(',')),
                None => template.parts.push(Part::Segment(expression)),
            }
            rest = after;
        }
        if !rest.is_empty() {
            template.parts.push(Part::Literal(rest));
        }
        template
    }

    /// The template as it is written.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// Whether it stands for more than one URI.
    pub fn has_variables(&self) -> bool {
        self.variables().next().is_some()
    }

    /// The names of its variables, in their order.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        let segments = self.parts.iter().filter_map(|part| match part {
            Part::Segment(name) => Some(*name),
            Part::Literal(_) => None,
        });
        segments.chain(self.query.iter().copied())
    }

    /// The variables of a URI that this template could have been filled in to; `None` when it fits
    /// otherwise than in every character.
    pub fn read(&self, uri: &str) -> Option<Variables> {
        let (path, query) = match uri.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (uri, None),
        };
        let mut variables = BTreeMap::new();
        let mut rest = path;
        for part in &self.parts {
            match part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal)?,
                Part::Segment(name) => {
                    let end = rest.find(['/', '#']).unwrap_or(rest.len());
                    let (value, after) = rest.split_at(end);
                    let value = decode(value).filter(|value| !value.is_empty())?;
                    variables.insert(*name, value);
                    rest = after;
                }
            }
        }
        if !rest.is_empty() {
            return None;
        }
        for member in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = member.split_once('=')?;
            let name = self.query.iter().find(|known| **known == name)?;
            if variables.insert(*name, decode(value)?).is_some() {
                return None;
            }
        }
        Some(Variables(variables))
    }

    /// The URI with these values in the place of the variables of the path, in their order.
    pub fn fill(&self, values: &[&str]) -> String {
        let mut values = values.iter();
        let filled = self.parts.iter().map(|part| match part {
            Part::Literal(literal) => (*literal).to_owned(),
            Part::Segment(_) => {
                let value = values.next().copied().unwrap_or_default();
                utf8_percent_encode(value, ESCAPED).to_string()
            }
        });
        filled.collect()
    }
}

fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &'static str, uri: &str, expected: Option<&[(&'static str, &str)]>) {
        let read = UriTemplate::new(template).read(uri);
        let expected = expected.map(|pairs| {
            let owned = pairs
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()));
            Variables(owned.collect())
        });
        assert_eq!(read, expected, "{template} {uri}");
    }

    #[test]
    fn it_reads_a_uri_that_fits_in_every_character_and_no_other() {
        let table = "postgres://tables/{table}/data";
        check(
            table,
            "postgres://tables/a.b/data",
            Some(&[("table", "a.b")]),
        );
        check(
            table,
            "postgres://tables/%C3%A4%2Fb/data",
            Some(&[("table", "ä/b")]),
        );
        for uri in [
            "postgres://tables//data",
            "postgres://tables/a/b/data",
            "postgres://tables/a/data/",
            "postgres://tables/a/data?x=1",
            "postgres://tables/a/data#x",
            "postgres://tables/%ff/data",
            "postgres://tables/a",
            "x-postgres://tables/a/data",
            "",
        ] {
            check(table, uri, None);
        }
        check("metrics://system", "metrics://system", Some(&[]));
        check("metrics://system", "metrics://systems", None);
    }

    #[test]
    fn it_reads_the_members_of_a_query_that_it_knows_once_each() {
        let result = "result://{node}/{id}{?block}";
        let read = [("node", "n3"), ("id", "x")];
        check(result, "result://n3/x", Some(&read));
        let with_block = [read[0], read[1], ("block", "7")];
        check(result, "result://n3/x?block=7", Some(&with_block));
        for query in ["?block=7&block=8", "?blocks=7", "?block", "?"] {
            check(result, &format!("result://n3/x{query}"), None);
        }
    }

    #[test]
    fn it_reads_what_it_has_filled_in() {
        let template = UriTemplate::new("postgres://{database}/tables/{table}/data");
        for name in ["shops", "Ä b/c?d#e%", "a.b", "{x}"] {
            let uri = template.fill(&["other", name]);
            let read = template.read(&uri).expect("its own");
            assert_eq!((read.text("database"), read.text("table")), ("other", name));
        }
    }
}
