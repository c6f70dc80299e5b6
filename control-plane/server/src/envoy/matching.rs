//! Matchers of texts and headers.

use envoy_types::pb::envoy::config::route::v3::HeaderMatcher;
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};

pub(super) fn exactly(value: &str) -> StringMatcher {
    pattern(MatchPattern::Exact(value.to_owned()))
}

/// The whole text matches a regular expression of RE2.
pub(super) fn like(expression: String) -> StringMatcher {
    pattern(MatchPattern::SafeRegex(regex(expression)))
}

pub(super) fn regex(regex: String) -> RegexMatcher {
    RegexMatcher {
        regex,
        ..Default::default()
    }
}

/// The regular expression that matches this text and no other.
pub(super) fn quoted(text: &str) -> String {
    let mut expression = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            expression.push('\\');
        }
        expression.push(character);
    }
    expression
}

pub(super) fn present(name: &str) -> HeaderMatcher {
    header(name, HeaderMatchSpecifier::PresentMatch(true))
}

pub(super) fn is(name: &str, value: &str) -> HeaderMatcher {
    header(name, HeaderMatchSpecifier::StringMatch(exactly(value)))
}

pub(super) fn header(name: &str, specifier: HeaderMatchSpecifier) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(specifier),
        ..Default::default()
    }
}

fn pattern(pattern: MatchPattern) -> StringMatcher {
    StringMatcher {
        match_pattern: Some(pattern),
        ..Default::default()
    }
}
