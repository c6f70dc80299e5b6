//! Reads out of a driver's outputs whose it is, which application it registered, and why it failed.

use super::job::JobId;
use super::masking;
use super::submission::JOB_ID;

/// So many bytes of each output of a failed job are kept.
const KEPT: usize = 3 << 10;

/// Our id in a driver's command line.
pub(super) fn job_id_in(log: &str) -> Option<JobId> {
    let (_, after) = log.split_once(&format!("{JOB_ID}="))?;
    let id = after.get(..36)?;
    id.parse().ok().map(JobId)
}

/// `… Connected to Spark cluster with app ID app-20261120113801-0001`
pub(super) fn application_in(log: &str) -> Option<String> {
    let (_, after) = log.split_once(" with app ID ")?;
    let id = after.split_whitespace().next()?;
    id.starts_with("app-").then(|| id.to_owned())
}

/// How Python opens one.
pub(super) const TRACEBACK: &str = "Traceback (most recent call last)";

/// The last traceback in a script's output, and what follows.
pub(super) fn traceback(output: &str) -> Option<String> {
    let from = output.rfind(TRACEBACK)?;
    let last = last_of(&output[from..]);
    // Of a very long one the last part, which has the reason, under the line that tells what it is.
    Some(if last.starts_with(TRACEBACK) {
        last
    } else {
        format!("{TRACEBACK}: …\n{last}")
    })
}

/// The end of a text, masked and within the bound.
pub(super) fn last_of(text: &str) -> String {
    let text = masking::text(text);
    let text = text.trim();
    let mut start = text.len().saturating_sub(KEPT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

/// A JVM's log without what is no reason for a failure: `26/11/20 11:38:01 INFO …`, and where in
/// the JVM an error arose.
pub(super) fn without_chatter(log: &str) -> String {
    let telling = log.lines().filter(|line| {
        let dated = line.starts_with(|c: char| c.is_ascii_digit()) && line.contains('/');
        let level = line.split_whitespace().nth(2);
        let chatter = dated && matches!(level, Some("INFO" | "DEBUG"));
        !chatter && !line.starts_with("\tat ") && !line.starts_with("\t... ") && !line.is_empty()
    });
    telling.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_last_traceback_of_a_script() {
        let output = "100\nTraceback (most recent call last):\n  one\nTraceback (most recent call \
                      last):\n  File \"x.py\", line 7\nRuntimeError: boom password=hunter2\n";
        assert_eq!(
            traceback(output).as_deref(),
            Some(
                "Traceback (most recent call last):\n  File \"x.py\", line 7\nRuntimeError: boom \
                 password=***"
            )
        );
        assert_eq!(traceback("100\n"), None);
        let long = format!("{TRACEBACK}:\n{}\nlast", "ä".repeat(KEPT));
        let kept = traceback(&long).expect("one");
        assert!(
            kept.starts_with(TRACEBACK) && kept.ends_with("\nlast"),
            "{kept}"
        );
        assert!(kept.len() <= KEPT + 2 * TRACEBACK.len(), "{}", kept.len());
    }

    #[test]
    fn it_drops_what_is_no_reason_from_a_drivers_log() {
        let log = "26/11/20 11:38:01 INFO A: b\n26/11/20 11:38:02 ERROR B: no memory\n\tat \
                   a.B.c(D.java:1)\n\t... 47 more\n\
                   26/11/20 11:38:02 INFO ShutdownHookManager: bye\n";
        assert_eq!(without_chatter(log), "26/11/20 11:38:02 ERROR B: no memory");
    }

    #[test]
    fn it_finds_our_id_in_a_drivers_command_line() {
        let id = JobId::new();
        let line = format!("Launch Command: \"java\" \"--conf\" \"{JOB_ID}={id}\" \"/x.py\"");
        assert_eq!(job_id_in(&line), Some(id));
        assert_eq!(job_id_in("Launch Command: \"java\" \"/x.py\""), None);
    }

    #[test]
    fn it_finds_the_application_that_a_driver_registered() {
        let log = "x\n26/11/20 11:38:01 INFO B: Connected to Spark cluster with app ID \
                   app-20261120113801-0001\ny";
        assert_eq!(
            application_in(log).as_deref(),
            Some("app-20261120113801-0001")
        );
        assert_eq!(application_in("nothing"), None);
    }
}
