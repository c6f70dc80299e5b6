//! The types that an Envoy asks for and that are not distributed: the log has each of them once
//! for a stream.

use std::collections::BTreeSet;

use super::convert::shortened;

/// How many of a stream are told. The types that Envoys ask for besides ours are a handful:
/// runtime layers, scopes of routes, virtual hosts.
const MOST_TOLD: usize = 8;
/// The most of a type URL that is told, in bytes. Envoy's have fewer than a hundred.
const MOST_BYTES: usize = 256;

/// The types of one stream that were told.
#[derive(Debug, Default)]
pub(super) struct UnknownTypes(BTreeSet<String>);

impl UnknownTypes {
    /// The type as the log is to have it; nothing where it has that, or enough of this stream.
    pub(super) fn first_seen(&mut self, type_url: &str) -> Option<&str> {
        let shown = shortened(type_url, MOST_BYTES);
        if self.0.len() == MOST_TOLD || !self.0.insert(shown.clone()) {
            return None;
        }
        self.0.get(&shown).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_each_type_once_and_shortened() {
        let mut types = UnknownTypes::default();
        assert_eq!(types.first_seen("a\nb"), Some("a b"));
        assert_eq!(types.first_seen("a\nb"), None);
        let long = "t".repeat(3_900_000);
        let told = types.first_seen(&long).map(str::len);
        assert!(
            told.is_some_and(|bytes| bytes < MOST_BYTES + 40),
            "{told:?}"
        );
        assert_eq!(types.first_seen(&long), None);
    }

    #[test]
    fn it_tells_a_few_types_of_one_that_invents_them() {
        let mut types = UnknownTypes::default();
        let told = (0..1000).filter(|number| types.first_seen(&number.to_string()).is_some());
        assert_eq!(told.count(), MOST_TOLD);
    }
}
