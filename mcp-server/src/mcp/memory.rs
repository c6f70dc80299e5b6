//! The memory that requests and answers keep while a client, or a task, is waited for. The budget
//! of bodies counts the bytes in which they came, and many small values take many times as much.

use fair_shares::{Place, Places};
use rmcp::model::{CallToolRequestParams, ErrorData};
use serde_json::Value;

use crate::call::Claimant;

/// The bytes of memory of a member of an object beside its name's letters and its value.
const ENTRY: usize = 2 * size_of::<String>();

/// The bytes of memory that the answers to a call's questions may take: a yes takes a hundred, the
/// text of a model some thousands. They are kept until the call ends.
const MOST_OF_ANSWERS: u64 = 64 << 10;

/// The memory, in KiB, that requests of sessions take together while their clients are asked.
const MOST_OF_REQUESTS: usize = 128 << 10;

/// The bytes of memory that the members of an object take: a value has a place of its own in it,
/// and its texts.
pub(super) fn memory_of<'v>(members: impl IntoIterator<Item = (&'v String, &'v Value)>) -> u64 {
    let of_value = |value: &Value| -> usize {
        let mut bytes = 0;
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            bytes += size_of::<Value>();
            match value {
                Value::String(text) => bytes += text.len(),
                Value::Array(items) => open.extend(items),
                Value::Object(members) => {
                    bytes += members.keys().map(|name| name.len() + ENTRY).sum::<usize>();
                    open.extend(members.values());
                }
                _ => {}
            }
        }
        bytes
    };
    let members = members.into_iter();
    let bytes = members.map(|(name, value)| name.len() + ENTRY + of_value(value));
    bytes.sum::<usize>() as u64
}

/// Refuses answers to a call's questions that are larger than answers are.
///
/// # Errors
/// They take more than 64 KiB of memory.
pub(super) fn check_answers<'v>(
    answers: impl IntoIterator<Item = (&'v String, &'v Value)>,
) -> Result<(), ErrorData> {
    if memory_of(answers) <= MOST_OF_ANSWERS {
        return Ok(());
    }
    let message = "the answers to the questions of a call take more than 64 KiB of memory; send \
                   what was asked for and nothing else";
    Err(ErrorData::invalid_params(message, None))
}

/// The memory of the requests whose clients are being asked, in all sessions.
#[derive(Debug, Clone)]
pub(super) struct WaitingRequests(Places<Claimant>);

impl Default for WaitingRequests {
    fn default() -> Self {
        Self(Places::new(MOST_OF_REQUESTS))
    }
}

impl WaitingRequests {
    /// Takes the memory of a caller's request, until the place is dropped; nothing where there is
    /// not so much left, or the caller has its share. The first KiB of each is not counted.
    pub(super) fn count(
        &self,
        caller: &Claimant,
        request: &CallToolRequestParams,
    ) -> Option<Place<Claimant>> {
        let bytes = memory_of(request.arguments.iter().flatten());
        let kib = usize::try_from(bytes / 1024).ok()?;
        self.0.take(caller.clone(), kib).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_counts_places_of_values_that_are_small_when_they_are_written() {
        let texts = json!({"a": "x".repeat(1000)});
        let texts = memory_of(texts.as_object().into_iter().flatten());
        assert!((1000..1200).contains(&texts), "{texts}");
        let places = json!({"a": vec![json!([]); 1000]});
        let places = memory_of(places.as_object().into_iter().flatten());
        assert!(places >= 1000 * size_of::<Value>() as u64, "{places}");
        let deep = json!({"a": {"b": {"c": 1}}});
        let deep = memory_of(deep.as_object().into_iter().flatten());
        assert!(deep > 2 * ENTRY as u64, "{deep}");
        assert_eq!(memory_of([]), 0);
    }

    #[test]
    fn it_takes_a_yes_and_refuses_answers_that_nobody_asked_for() {
        let yes = json!({"confirm": {"action": "accept", "content": {"confirm": true}}});
        check_answers(yes.as_object().into_iter().flatten()).expect("a yes is small");
        let junk = json!({"confirm": vec![json!([]); 4000]});
        let refused = check_answers(junk.as_object().into_iter().flatten());
        let refused = refused.expect_err("it is large").message;
        assert!(refused.contains("64 KiB"), "{refused}");
    }

    #[test]
    fn it_keeps_requests_of_asked_clients_within_one_budget_and_each_caller_within_its_share() {
        let requests = WaitingRequests::default();
        let [ada, bob] = ["ada", "bob"].map(|name| Claimant::Named(name.to_owned()));
        let of_size = |kib: usize| {
            let arguments = json!({"sql": "x".repeat(kib * 1024)}).as_object().cloned();
            CallToolRequestParams::new("execute_dml").with_arguments(arguments.expect("an object"))
        };
        let large = of_size(MOST_OF_REQUESTS / 3);
        let first = requests.count(&ada, &large).expect("there is room");
        assert!(requests.count(&ada, &large).is_none());
        let small = CallToolRequestParams::new("execute_dml");
        assert!(requests.count(&ada, &small).is_some());
        let other = requests.count(&bob, &of_size(MOST_OF_REQUESTS / 4));
        assert!(other.is_some());
        drop(first);
        assert!(requests.count(&ada, &large).is_some());
        drop(other);
        let crowd = requests.count(&Claimant::Unknown, &of_size(MOST_OF_REQUESTS - 1));
        assert!(crowd.is_some());
    }
}
