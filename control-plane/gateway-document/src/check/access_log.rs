//! Checks what listeners write of requests. Whether Envoy knows what stands between `%` signs is
//! for Envoy to say.

use std::collections::BTreeSet;

use super::GatewayDocument;
use crate::document::{AccessDetail, AccessLog, Server};
use crate::problem::{Pointer, Problems};

/// A line with more fields than that is not read by anybody.
const MOST_FIELDS: usize = 64;
/// Each request would write as much.
const LONGEST_TEXT: usize = 1_024;
/// Envoy's operators whose argument is in a language of its own, CEL or JSON. It can spell the name
/// of a header in parts or by escapes, so no look at it says that it shows no credential.
const COMPUTED: [&str; 3] = ["cel", "typed_cel", "coalesce"];
/// Headers that hold credentials, or cookies that do; a log outlives them.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "mcp-session-id", "x-api-key"];

/// The headers in which servers are shown the gateway's credentials.
pub(super) fn credential_headers(document: &GatewayDocument) -> BTreeSet<&str> {
    let servers = document.servers.values();
    let credentials = servers.filter_map(Server::own_credentials);
    credentials
        .inspect(|_| step_count::count(1))
        .map(|credentials| credentials.in_header().name)
        .collect()
}

/// Checks a log that must have none of the headers in `own`.
pub(super) fn check(own: &BTreeSet<&str>, log: &AccessLog, at: &Pointer, problems: &mut Problems) {
    let at = at.at("format");
    if log.format.len() > MOST_FIELDS {
        problems.add(
            at.clone(),
            format!(
                "write at most {MOST_FIELDS} fields; there are {}",
                log.format.len()
            ),
        );
    }
    for (name, text) in &log.format {
        let at = at.at(name);
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            problems.add(at, "the name of a field has 1 to 64 printable characters");
            continue;
        }
        if let Some(detail) = AccessDetail::ALL
            .iter()
            .find(|detail| detail.word() == name)
        {
            problems.add(
                at,
                format!(
                    "`{name}` is one of `details`; write it there",
                    name = detail.word()
                ),
            );
            continue;
        }
        if text.is_empty() || text.len() > LONGEST_TEXT {
            problems.add(at, format!("write 1 to {LONGEST_TEXT} bytes"));
            continue;
        }
        let lower = text.to_ascii_lowercase();
        if let Some(header) = CREDENTIALS.iter().find(|header| lower.contains(**header)) {
            problems.add(
                at,
                format!("`{header}` holds a credential, which belongs in no log; leave it out"),
            );
        } else if let Some(operator) = COMPUTED
            .iter()
            .find(|name| lower.contains(&format!("%{name}(")))
        {
            problems.add(
                at,
                format!(
                    "`{}` could write any header, and so a credential, which belongs in no log; \
                     name what the line is to have, such as `%REQ(X-REQUEST-ID)%`, \
                     `%REQ(FIRST?SECOND)%` or `%RESPONSE_CODE%`",
                    operator.to_ascii_uppercase()
                ),
            );
        } else if let Some(header) = arguments(&lower).find(|word| own.contains(word)) {
            problems.add(
                at,
                format!(
                    "`{header}` shows a server the gateway's credential, which belongs in no log; \
                     leave it out"
                ),
            );
        }
    }
}

/// The words in the parentheses of what Envoy fills in, such as the names of headers.
fn arguments(text: &str) -> impl Iterator<Item = &str> {
    let in_parentheses = text.split('(').skip(1);
    let in_parentheses = in_parentheses.filter_map(|rest| rest.split(')').next());
    in_parentheses.flat_map(|arguments| {
        let words = arguments.split(|byte: char| !is_in_a_name(byte));
        words.filter(|word| !word.is_empty())
    })
}

/// Whether the name of a header may have this character (RFC 9110, 5.6.2), but for the `%` around
/// what Envoy fills in.
fn is_in_a_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$&'*+-.^_`|~".contains(character)
}
