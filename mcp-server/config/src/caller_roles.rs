//! The roles of PostgreSQL as which the statements of callers run.

use std::collections::BTreeMap;
use std::str::FromStr;

/// The name in a list that stands for every caller who is not in it, known or not.
const ANYBODY: &str = "*";

/// The roles of PostgreSQL as which the statements of callers run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerRoles {
    /// Each caller has the role of the same name.
    OwnName,
    /// The role of each caller by the caller's name.
    Named(BTreeMap<String, String>),
}

impl CallerRoles {
    /// The role of a caller; none for a caller who has none, and may ask for nothing.
    pub fn role_of<'a>(&'a self, caller: Option<&'a str>) -> Option<&'a str> {
        match self {
            Self::OwnName => {
                // PostgreSQL takes `none` for no role at all, in quotes too.
                caller.filter(|name| !name.is_empty() && *name != "none")
            }
            Self::Named(roles) => caller
                .and_then(|name| roles.get(name))
                .or_else(|| roles.get(ANYBODY))
                .map(String::as_str),
        }
    }
}

impl FromStr for CallerRoles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "principal" {
            return Ok(Self::OwnName);
        }
        let mut roles = BTreeMap::new();
        for pair in text.split(',') {
            let (caller, role) = pair
                .split_once('=')
                .map(|(caller, role)| (caller.trim(), role.trim()))
                .filter(|(caller, role)| !caller.is_empty() && !role.is_empty() && *role != "none")
                .ok_or_else(|| {
                    format!(
                        "`{pair}` is no `caller=role`: write `principal`, or a list such as \
                         `alice=analyst,*=guest`"
                    )
                })?;
            if roles.insert(caller.to_owned(), role.to_owned()).is_some() {
                return Err(format!("`{caller}` has two roles"));
            }
        }
        Ok(Self::Named(roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_a_caller_the_role_of_the_list_or_that_of_anybody() {
        let roles: CallerRoles = "alice=analyst, bob = auditor".parse().expect("a list");
        assert_eq!(roles.role_of(Some("bob")), Some("auditor"));
        assert_eq!(roles.role_of(Some("eve")), None);
        assert_eq!(roles.role_of(None), None);
        let roles: CallerRoles = "alice=analyst,*=guest".parse().expect("a list");
        assert_eq!(roles.role_of(Some("alice")), Some("analyst"));
        assert_eq!(roles.role_of(None), Some("guest"));
    }

    #[test]
    fn it_takes_no_caller_for_the_absence_of_a_role() {
        let roles: CallerRoles = "principal".parse().expect("a word");
        assert_eq!(roles.role_of(Some("alice")), Some("alice"));
        assert_eq!(roles.role_of(Some("none")), None);
        assert_eq!(roles.role_of(None), None);
        for text in ["", "alice", "alice=", "=x", "alice=none", "a=b,a=c"] {
            assert!(text.parse::<CallerRoles>().is_err(), "{text}");
        }
    }
}
