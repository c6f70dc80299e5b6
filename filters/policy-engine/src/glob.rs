//! Names with `*` in them.

use crate::item_kind::ItemKind;
use crate::uri_pattern::replace_expressions;

/// A pattern in which each `*` stands for any text, the empty one included; all else stands for
/// itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// Reads the pattern of items of a kind. In one of URIs `{name}` stands for any text, too, as
    /// in the templates that servers list (RFC 6570).
    #[must_use]
    pub fn of_items(kind: ItemKind, pattern: &str) -> Self {
        match kind {
            ItemKind::Resource => Self(replace_expressions(pattern, '*')),
            _ => Self::new(pattern),
        }
    }

    /// The pattern, with `*` for all that stands for any text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text that every name begins with which the pattern stands for.
    #[must_use]
    pub fn head(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }

    /// Whether the pattern stands for the whole name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|head| name.strip_prefix(head)) else {
            return false;
        };
        let Some(tail) = parts.next_back() else {
            return rest.is_empty();
        };
        // Taking each middle part where it first occurs leaves the most for the parts behind it, so
        // no choice is ever undone.
        for part in parts {
            let Some((_, behind)) = rest.split_once(part) else {
                return false;
            };
            rest = behind;
        }
        rest.ends_with(tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_matches_names_by_their_parts() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(
                Glob::new(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        };
        check("list_tables", "list_tables", true);
        check("list_tables", "list_tables2", false);
        check("list_tables", "list_table", false);
        check("*", "", true);
        check("*", "anything", true);
        check("execute_*", "execute_query", true);
        check("execute_*", "execute_", true);
        check("execute_*", "execute", false);
        check("*_job", "submit_spark_job", true);
        check("*_job", "submit_spark_jobs", false);
        check("*_spark_*", "list_spark_jobs", true);
        check("*_spark_*", "list_jobs", false);
        check("a*b*c", "abc", true);
        check("a*b*c", "axxbyybzc", true);
        check("a*b*c", "acb", false);
        check("a*a", "a", false);
        check("**", "x", true);
        check("a**b", "ab", true);
        check("", "", true);
        check("", "x", false);
        check("données_*", "données_été", true);
    }
}
