//! The values of one `enum` or `const`, and how a value finds itself among them.

use step_count::count;

use crate::schema::decimal::Decimal;
use crate::schema::json::Json;
use crate::schema::keys::same;

/// The values of one `enum` or `const`.
///
/// Strings and numbers are sorted, so that a long list costs a value a few comparisons, not one
/// for each of its values.
#[derive(Debug)]
pub(in crate::schema) struct Choices {
    /// In the order of the schema, for messages.
    pub(in crate::schema) listed: Vec<Json>,
    strings: Vec<Box<str>>,
    numbers: Vec<Decimal>,
    literals: Vec<&'static [u8]>,
    /// Arrays and objects.
    pub(in crate::schema) nested: Vec<Json>,
}

impl Choices {
    /// Up to this many strings are compared one by one: most lists are that short, and strings of
    /// different lengths tell themselves apart at once.
    const SEARCHED: usize = 8;

    pub(in crate::schema) fn new(listed: Vec<Json>) -> Self {
        let mut choices = Self {
            strings: Vec::new(),
            numbers: Vec::new(),
            literals: Vec::new(),
            nested: Vec::new(),
            listed: Vec::new(),
        };
        for choice in &listed {
            match choice {
                Json::String(text) => choices.strings.push(text.as_str().into()),
                Json::Number(number) => choices.numbers.push(number.clone()),
                Json::Null => choices.literals.push(b"null"),
                Json::Bool(true) => choices.literals.push(b"true"),
                Json::Bool(false) => choices.literals.push(b"false"),
                Json::Array(_) | Json::Object(_) => choices.nested.push(choice.clone()),
            }
        }
        choices.strings.sort_unstable();
        choices.numbers.sort_unstable();
        choices.literals.sort_unstable();
        choices.literals.dedup();
        choices.listed = listed;
        choices
    }

    /// Whether a decoded string is among them.
    pub(in crate::schema) fn has_string(&self, text: &[u8]) -> bool {
        if self.strings.len() <= Self::SEARCHED {
            count(self.strings.len());
            return self
                .strings
                .iter()
                .any(|choice| same(choice.as_bytes(), text));
        }
        let found = self.strings.binary_search_by(|choice| {
            count(text.len().min(choice.len()));
            choice.as_bytes().cmp(text)
        });
        found.is_ok()
    }

    /// Whether a well-formed number is among them, however it is written.
    pub(in crate::schema) fn has_number(&self, text: &[u8]) -> bool {
        if self.numbers.is_empty() {
            return false;
        }
        let number = Decimal::new(text);
        let found = self.numbers.binary_search_by(|choice| {
            count(1);
            choice.cmp(&number)
        });
        found.is_ok()
    }

    /// Whether `true`, `false` or `null` is among them.
    pub(in crate::schema) fn has_literal(&self, text: &[u8]) -> bool {
        self.literals.contains(&text)
    }
}
