//! The tools that are offered at all.

use std::convert::Infallible;
use std::str::FromStr;

/// The tools that are offered at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolSelection {
    /// Those that only read.
    #[default]
    ReadOnly,
    /// Every tool of the server.
    All,
    /// Those with these names.
    Named(Vec<String>),
}

impl FromStr for ToolSelection {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.trim() {
            "read-only" | "" => Self::ReadOnly,
            "all" => Self::All,
            names => {
                let names = names.split(',').map(str::trim);
                let names = names.filter(|name| !name.is_empty());
                Self::Named(names.map(ToOwned::to_owned).collect())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_two_words_and_takes_everything_else_for_names() {
        let named = |names: &[&str]| {
            ToolSelection::Named(names.iter().map(|name| (*name).to_owned()).collect())
        };
        for (text, expected) in [
            ("read-only", ToolSelection::ReadOnly),
            ("", ToolSelection::ReadOnly),
            (" all ", ToolSelection::All),
            (
                "execute_query, list_tables,",
                named(&["execute_query", "list_tables"]),
            ),
            ("read-only,all", named(&["read-only", "all"])),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }
}
