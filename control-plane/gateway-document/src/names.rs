//! Names, each a type of its own: a server is not a cluster is not a role.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The reason why a text is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a {noun}: write {rule}")]
pub struct InvalidName {
    text: String,
    noun: &'static str,
    rule: &'static str,
}

const LABEL: &str = "1 to 63 of the characters `A-Z a-z 0-9 _ -`, the first a letter or digit";
const LABEL_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$";
const RULE: &str = "1 to 192 of the characters `A-Z a-z 0-9 _ - . : /`";
const RULE_PATTERN: &str = "^[A-Za-z0-9_.:/-]{1,192}$";

fn is_label(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_rule_name(text: &str) -> bool {
    (1..=192).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b))
}

macro_rules! names {
    ($(
        $(#[$doc:meta])*
        $name:ident: $noun:literal, $check:ident, $rule:ident, $pattern:ident;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                if $check(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidName { text, noun: $noun, rule: $rule })
                }
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    )*};
}

names! {
    /// A listener of the gateway; also the name of Envoy's listener and route configuration.
    ListenerName: "listener name", is_label, LABEL, LABEL_PATTERN;
    /// A registered MCP server; it is part of the path `/servers/{name}/mcp`.
    ServerName: "server name", is_label, LABEL, LABEL_PATTERN;
    /// A cluster of endpoints, as Envoy knows it. Each server implies one of its own name.
    ClusterName: "cluster name", is_label, LABEL, LABEL_PATTERN;
    /// An HTTP route besides the MCP endpoints.
    RouteName: "route name", is_label, LABEL, LABEL_PATTERN;
    /// A filter besides the gateway's own; part of the name of its resource at Envoy.
    FilterName: "filter name", is_label, LABEL, LABEL_PATTERN;
    /// A role that rules allow.
    RoleName: "role name", is_label, LABEL, LABEL_PATTERN;
    /// A group of Envoys, which waves name.
    GroupName: "node group's name", is_label, LABEL, LABEL_PATTERN;
    /// A reference to a secret.
    SecretName: "secret name", is_label, LABEL, LABEL_PATTERN;
    /// One limit within its rule. Part of the identity of the limit's buckets.
    LimitId: "limit id", is_label, LABEL, LABEL_PATTERN;
    /// A rule, unique in the document. Part of the identity of its limits' buckets.
    RuleName: "rule name", is_rule_name, RULE, RULE_PATTERN;
}

/// Everything, or the one thing that is named: `"*"` or a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[serde(bound = "N: Clone + TryFrom<String, Error = InvalidName>, String: From<N>")]
pub enum Selector<N> {
    /// Selects everything; it is written `*`.
    All,
    /// The one thing of this name.
    Named(N),
}

impl<N> Selector<N> {
    /// The name of the one thing; nothing where it is all.
    pub(crate) fn name(&self) -> Option<&N> {
        match self {
            Self::All => None,
            Self::Named(name) => Some(name),
        }
    }
}

impl<N: TryFrom<String, Error = InvalidName>> TryFrom<String> for Selector<N> {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        if text == "*" {
            Ok(Self::All)
        } else {
            N::try_from(text).map(Self::Named)
        }
    }
}

impl<N> From<Selector<N>> for String
where
    String: From<N>,
{
    fn from(selector: Selector<N>) -> String {
        match selector {
            Selector::All => "*".to_owned(),
            Selector::Named(name) => name.into(),
        }
    }
}

impl<N: JsonSchema> JsonSchema for Selector<N> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrAll", N::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<N>();
        json_schema!({"anyOf": [{"const": "*"}, name]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_accepts_names_that_fit_a_path_a_stat_and_an_envoy_resource() {
        for good in ["data", "d", "9lives", "a-b_c", "Analyst"] {
            assert!(good.parse::<ServerName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a/b", "a.b", "ä", "a b", "*", &"x".repeat(64)] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_accepts_the_rule_name_of_any_tool_of_the_specification() {
        assert!("tool:admin.users/list-all_2".parse::<RuleName>().is_ok());
        assert!("tool:naïve".parse::<RuleName>().is_err());
    }

    #[test]
    fn it_says_what_to_write_instead() {
        assert_eq!(
            "a b".parse::<ServerName>().unwrap_err().to_string(),
            "`a b` is not a server name: write 1 to 63 of the characters `A-Z a-z 0-9 _ -`, the \
             first a letter or digit"
        );
    }
}
