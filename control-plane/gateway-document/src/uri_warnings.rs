//! Finds the rules about resources that match no URI which may pass, and those that close a URI and
//! leave open the one with a slash more or less, which many servers take for the same.

use policy_engine::{Glob, ItemKind, stands_for_some_uri};

use crate::check::CheckedDocument;
use crate::document::{Access, Rule};
use crate::names::Selector;
use crate::near_names::near_pattern;
use crate::patience::Patience;

/// The steps that it takes to look for a URI: some hundred texts are compared.
const TRIES: usize = 200;

/// A warning about a rule by `uri`.
#[derive(Debug)]
pub(crate) struct UriWarning {
    /// The place of the rule.
    pub(crate) rule: usize,
    pub(crate) reason: String,
    /// The pattern that may have been meant, or is left out.
    pub(crate) near: Option<String>,
}

/// The warnings about rules by `uri`, as far as they were looked for.
#[derive(Debug, Default)]
pub(crate) struct UriWarnings {
    /// In the document's order.
    pub(crate) found: Vec<UriWarning>,
    /// The first rule at which nobody looked any more, by its place.
    pub(crate) given_up_at: Option<usize>,
}

/// Finds what is to be said of the rules by `uri`.
pub(crate) fn uri_warnings(document: &CheckedDocument, patience: &mut Patience) -> UriWarnings {
    let mut warnings = UriWarnings::default();
    for (index, rule) in document.tools.iter().enumerate() {
        let Some(pattern) = &rule.matches.uri else {
            continue;
        };
        let warning = |reason, near| UriWarning {
            rule: index,
            reason,
            near,
        };
        if !patience.take(TRIES) {
            warnings.given_up_at = Some(index);
            break;
        }
        if !stands_for_some_uri(pattern) {
            let near = near_pattern(pattern);
            let advice = match &near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write the one spelling of those that are meant".to_owned(),
            };
            let reason = format!(
                "every URI like `{pattern}` is refused as another spelling of one, so the rule has \
                 no effect; {advice}"
            );
            warnings.found.push(warning(reason, near));
            continue;
        }
        let Some(twin) = twin_left_out(rule, pattern, document.defaults.access) else {
            continue;
        };
        if !patience.take(document.tools.len()) {
            warnings.given_up_at = Some(index);
            break;
        }
        if !document
            .tools
            .iter()
            .any(|other| covers(other, rule, &twin))
        {
            let reason = format!(
                "the rule closes `{pattern}` and leaves `{twin}` open, which many servers take for \
                 the same; write a rule about that, too, or close all and open what is meant"
            );
            warnings.found.push(warning(reason, Some(twin)));
        }
    }
    warnings
}

/// The pattern with a slash more or less at its end, where a rule closes this one alone.
fn twin_left_out(rule: &Rule, pattern: &str, access: Access) -> Option<String> {
    let closes = rule.allow.as_ref()?;
    if access == Access::Deny || closes.contains(&Selector::All) {
        return None;
    }
    let glob = Glob::of_items(ItemKind::Resource, pattern);
    let text = glob.as_str();
    let is_path = text.contains("://") && !text.contains('?');
    let twin = match text.strip_suffix("/*").or_else(|| text.strip_suffix('/')) {
        Some(shorter) => shorter.to_owned(),
        None => format!("{text}/"),
    };
    let is_matched = glob.matches(&sample(&twin));
    (is_path && !is_matched && stands_for_some_uri(&twin)).then_some(twin)
}

/// A text that a pattern stands for.
fn sample(pattern: &str) -> String {
    pattern.replace('*', "x")
}

/// Whether a rule says who may read a resource, wherever another rule does.
fn covers(rule: &Rule, other: &Rule, uri: &str) -> bool {
    let is_about = match (&rule.matches.uri, &rule.matches.method) {
        (Some(pattern), _) => Glob::of_items(ItemKind::Resource, pattern).matches(&sample(uri)),
        (None, Some(pattern)) => Glob::new(pattern).matches("resources/read"),
        (None, None) => false,
    };
    let (here, there) = (&rule.matches, &other.matches);
    is_about
        && rule.allow.is_some()
        && here.roles.is_none()
        && (here.server.is_none() || here.server == there.server)
        && (here.listener.is_none() || here.listener == there.listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Format, parse};

    fn look(access: &str, rules: &[&str], patience: usize) -> UriWarnings {
        let rules = rules.iter().enumerate();
        let rules: String = rules
            .map(|(index, rule)| format!("  - {{name: r{index}, {rule}}}\n"))
            .collect();
        let text = format!(
            "listeners: [{{name: mcp, address: 127.0.0.1:1}}]\n\
             servers: {{data: {{url: http://127.0.0.1:2/mcp}}}}\n\
             roles: {{a: {{claims: {{b: [c]}}}}}}\n\
             defaults: {{access: {access}}}\ntools:\n{rules}"
        );
        let document = CheckedDocument::new(parse(&text, Format::Yaml).unwrap()).unwrap();
        uri_warnings(&document, &mut Patience::new(patience))
    }

    /// The patterns that are warned of, each with the near one.
    fn warned(access: &str, rules: &[&str]) -> Vec<(usize, Option<String>)> {
        let warnings = look(access, rules, Patience::USUAL);
        assert_eq!(warnings.given_up_at, None);
        let found = warnings.found.into_iter();
        found.map(|warning| (warning.rule, warning.near)).collect()
    }

    fn near(rule: usize, near: &str) -> (usize, Option<String>) {
        (rule, Some(near.to_owned()))
    }

    #[test]
    fn it_warns_of_patterns_that_no_uri_which_passes_is_like() {
        let rules = [
            "match: {uri: 'file://localhost/*'}, allow: ['*']",
            "match: {uri: 'file:///a//{b}'}, allow: ['*']",
            "match: {uri: 'https://host:443/*'}, timeout: 1s",
            "match: {uri: 'file:///*#b'}, allow: []",
            "match: {uri: 'notes://a%40b/*'}, timeout: 1s",
            "match: {uri: 'file:///*'}, timeout: 1s",
        ];
        let expected = [
            near(0, "file:///*"),
            near(1, "file:///a/{b}"),
            near(2, "https://host/*"),
            near(3, "file:///*"),
            (4, None),
        ];
        assert_eq!(warned("deny", &rules), expected);
    }

    #[test]
    fn it_says_at_which_rule_it_came_to_the_end_of_its_patience() {
        let rules = ["match: {uri: 'file:///a'}, allow: []"; 3];
        for (patience, given_up_at) in [
            (TRIES - 1, Some(0)),
            (TRIES, Some(0)),
            (TRIES + 3, Some(1)),
            (3 * (TRIES + 3), None),
        ] {
            let looked = look("allow", &rules, patience);
            assert_eq!(looked.given_up_at, given_up_at, "{patience}");
        }
    }

    #[test]
    fn it_warns_of_a_uri_that_stays_open_with_a_slash_more_or_less() {
        for (rule, twin) in [
            ("match: {uri: 'file:///a'}, allow: []", "file:///a/"),
            ("match: {uri: 'file:///a'}, allow: [a]", "file:///a/"),
            ("match: {uri: 'file:///a/'}, allow: []", "file:///a"),
            ("match: {uri: 'file:///a/*'}, allow: []", "file:///a"),
            ("match: {uri: 'file:///{x}/b'}, allow: []", "file:///*/b/"),
            ("match: {uri: 'db://host'}, allow: []", "db://host/"),
        ] {
            assert_eq!(warned("allow", &[rule]), [near(0, twin)], "{rule}");
            assert_eq!(warned("deny", &[rule]), [], "{rule}");
            for second in [
                format!("match: {{uri: '{twin}'}}, allow: []"),
                format!("match: {{uri: '{twin}'}}, allow: ['*']"),
                "match: {uri: '*'}, allow: []".to_owned(),
                "match: {method: 'resources/*'}, allow: []".to_owned(),
            ] {
                assert_eq!(warned("allow", &[rule, &second]), [], "{rule} {second}");
            }
            for second in [
                "match: {uri: '*'}, timeout: 1s",
                "match: {uri: '*', roles: [a]}, allow: []",
                "match: {method: 'tools/list'}, allow: []",
            ] {
                assert_eq!(warned("allow", &[rule, second]).len(), 1, "{rule} {second}");
            }
        }
        for rule in [
            "match: {uri: 'file:///a'}, allow: ['*']",
            "match: {uri: 'file:///a'}, timeout: 1s",
            "match: {uri: 'file:///a*'}, allow: []",
            "match: {uri: 'file:///*'}, allow: []",
            "match: {uri: 'https://host/'}, allow: []",
            "match: {uri: 'urn:a:b'}, allow: []",
            "match: {uri: 'table://a?b'}, allow: []",
            "match: {tool: 'file:///a'}, allow: []",
        ] {
            assert_eq!(warned("allow", &[rule]), [], "{rule}");
        }
    }
}
