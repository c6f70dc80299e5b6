//! Who calls, and the roles that this gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::wire;

/// The caller, as identity has established it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Principal {
    /// Nobody has said who calls.
    #[default]
    Anonymous,
    /// A caller whose identity was verified.
    Known {
        /// The identity, unique within its issuer.
        subject: String,
        /// The claims that were verified, each with its values.
        claims: BTreeMap<String, Vec<String>>,
    },
}

/// Who may call a tool. A copy shares the roles: each tool that is called keeps those of every rule
/// that matches it.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    Everyone,
    /// Holders of any of these roles; nobody where there is none.
    Roles(Arc<[Role]>),
}

impl Access {
    pub(crate) fn admits(&self, principal: &Principal) -> bool {
        match (self, principal) {
            (Self::Everyone, _) => true,
            (Self::Roles(_), Principal::Anonymous) => false,
            (Self::Roles(roles), Principal::Known { claims, .. }) => {
                roles.iter().any(|role| role.is_met_by(claims))
            }
        }
    }
}

/// A role: the claims that give it. A copy shares them.
#[derive(Clone, Debug)]
pub(crate) struct Role(Arc<BTreeMap<String, Vec<String>>>);

impl Role {
    pub(crate) fn new(role: &wire::Role) -> Self {
        Self(Arc::new(role.claims.clone()))
    }

    fn is_met_by(&self, claims: &BTreeMap<String, Vec<String>>) -> bool {
        self.0.iter().all(|(claim, wanted)| {
            claims
                .get(claim)
                .is_some_and(|presented| presented.iter().any(|value| wanted.contains(value)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(pairs: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        pairs
            .iter()
            .map(|(claim, values)| {
                let values = values.iter().map(|value| (*value).to_owned()).collect();
                ((*claim).to_owned(), values)
            })
            .collect()
    }

    fn admits(wanted: &[(&str, &[&str])], presented: &[(&str, &[&str])]) -> bool {
        let role = wire::Role {
            claims: claims(wanted),
        };
        Access::Roles([Role::new(&role)].into()).admits(&Principal::Known {
            subject: "ada".into(),
            claims: claims(presented),
        })
    }

    #[test]
    fn it_wants_one_value_of_every_claim() {
        assert!(admits(
            &[("groups", &["a", "b"])],
            &[("groups", &["b", "c"])]
        ));
        assert!(!admits(&[("groups", &["a", "b"])], &[("groups", &["c"])]));
        assert!(!admits(
            &[("groups", &["a"]), ("tier", &["gold"])],
            &[("groups", &["a"])]
        ));
        assert!(admits(
            &[("groups", &["a"]), ("tier", &["gold"])],
            &[("groups", &["a"]), ("tier", &["gold"])]
        ));
        assert!(admits(&[], &[]));
    }

    #[test]
    fn it_never_gives_an_anonymous_caller_a_role() {
        let role = Role::new(&wire::Role::default());
        assert!(!Access::Roles([role].into()).admits(&Principal::Anonymous));
        assert!(Access::Everyone.admits(&Principal::Anonymous));
        assert!(!Access::Roles([].into()).admits(&Principal::Known {
            subject: "ada".into(),
            claims: BTreeMap::new()
        }));
    }
}
