//! The values with which a statement's plan was cheap enough, where a query may cost only so much.
//!
//! They belong to the statement, which is kept while the state of the database is the one in which
//! it was judged: until then nobody changes its tables or their statistics.

use std::sync::{Mutex, PoisonError};

/// Values that are remembered of one statement: an agent asks the same few times over.
const MOST: usize = 8;

/// The bytes of values that are remembered; longer ones cost one more plan each time.
const LONGEST: usize = 1 << 10;

/// The values of a statement's parameters with which its plan was cheap enough.
#[derive(Debug, Default)]
pub(crate) struct AffordableValues(Mutex<Vec<Vec<Option<String>>>>);

impl AffordableValues {
    /// Remembers values; the ones that were remembered longest ago make room.
    pub(crate) fn note(&self, values: &[Option<String>]) {
        let bytes: usize = values.iter().flatten().map(String::len).sum();
        if bytes > LONGEST || self.contains(values) {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == MOST {
            known.remove(0);
        }
        known.push(values.to_vec());
    }

    /// Whether the plan with these values was cheap enough.
    pub(crate) fn contains(&self, values: &[Option<String>]) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|known| known == values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: impl Into<String>) -> Vec<Option<String>> {
        vec![None, Some(text.into())]
    }

    #[test]
    fn it_remembers_few_values_and_no_long_ones() {
        let affordable = AffordableValues::default();
        assert!(!affordable.contains(&[]));
        affordable.note(&[]);
        assert!(affordable.contains(&[]));
        for number in 0..MOST {
            affordable.note(&values(number.to_string()));
            affordable.note(&values(number.to_string()));
        }
        assert!(!affordable.contains(&[]));
        assert!(affordable.contains(&values("0")) && affordable.contains(&values("7")));
        affordable.note(&values("8"));
        assert!(!affordable.contains(&values("0")) && affordable.contains(&values("1")));
        let long = values("x".repeat(LONGEST + 1));
        affordable.note(&long);
        assert!(!affordable.contains(&long));
    }
}
