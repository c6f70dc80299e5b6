//! Checks what listeners write of requests. Whether Envoy knows what stands between `%` signs is
//! for Envoy to say.

use crate::document::{AccessDetail, AccessLog};
use crate::problem::{Pointer, Problems};

/// A line with more fields than that is not read by anybody.
const MOST_FIELDS: usize = 64;
/// Each request would write as much.
const LONGEST_TEXT: usize = 1_024;
/// Headers that hold credentials, or cookies that do; a log outlives them.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "mcp-session-id"];

pub(super) fn check(log: &AccessLog, at: &Pointer, problems: &mut Problems) {
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
        }
    }
}
