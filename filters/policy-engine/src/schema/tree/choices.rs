//! The values of one `enum` or `const`, and how a value finds itself among them.

use step_count::count;

use crate::schema::decimal::Decimal;
use crate::schema::json::Json;
use crate::schema::keys::same;
use crate::schema::texts::SortedTexts;

/// The values of one `enum` or `const`.
///
/// Strings and numbers are sorted, so that a long list costs a value a few comparisons, not one
/// for each of its values.
#[derive(Debug)]
pub(in crate::schema) struct Choices {
    /// In the order of the schema, for messages.
    pub(in crate::schema) listed: Vec<Json>,
    strings: SortedTexts,
    /// In the one form that [`Decimal::canonical`] gives equal numbers.
    numbers: SortedTexts,
    /// The arrays and objects among them, with their members in order.
    pub(in crate::schema) nested: Vec<Json>,
    literals: Vec<&'static [u8]>,
}

impl Choices {
    /// Up to this many strings are compared one by one: most lists are that short, and strings of
    /// different lengths tell themselves apart at once.
    const SEARCHED: usize = 8;

    #[inline(never)]
    pub(in crate::schema) fn new(listed: Vec<Json>) -> Self {
        let (mut strings, mut numbers) = (Vec::new(), Vec::new());
        let (mut nested, mut literals) = (Vec::new(), Vec::new());
        let add = |literals: &mut Vec<&'static [u8]>, literal: &'static [u8]| {
            if !literals.contains(&literal) {
                literals.push(literal);
            }
        };
        for choice in &listed {
            match choice {
                Json::String(text) => strings.push(text.as_bytes()),
                Json::Number(number) => numbers.push(number.canonical()),
                Json::Null => add(&mut literals, b"null"),
                Json::Bool(true) => add(&mut literals, b"true"),
                Json::Bool(false) => add(&mut literals, b"false"),
                Json::Array(_) | Json::Object(_) => nested.push(choice.in_order()),
            }
        }
        Self {
            strings: SortedTexts::new(strings.into_iter()),
            numbers: SortedTexts::new(numbers.into_iter()),
            nested,
            literals,
            listed,
        }
    }

    /// The most comparisons that it takes to find a string or a number.
    pub(in crate::schema) fn comparisons(&self) -> usize {
        self.strings.comparisons().max(self.numbers.comparisons())
    }

    /// Whether a decoded string is among them.
    pub(in crate::schema) fn has_string(&self, text: &[u8]) -> bool {
        if self.strings.len() <= Self::SEARCHED {
            count(self.strings.len());
            return self.strings.iter().any(|choice| same(choice, text));
        }
        self.strings.contains(text)
    }

    /// Whether a well-formed number is among them, however it is written.
    pub(in crate::schema) fn has_number(&self, text: &[u8]) -> bool {
        !self.numbers.is_empty() && self.numbers.contains(&Decimal::new(text).canonical())
    }

    /// Whether `true`, `false` or `null` is among them.
    pub(in crate::schema) fn has_literal(&self, text: &[u8]) -> bool {
        self.literals.contains(&text)
    }
}
