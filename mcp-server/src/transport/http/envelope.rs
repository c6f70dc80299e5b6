//! The few fields of a JSON-RPC message by which the layers before rmcp decide.

use rmcp::model::RequestId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The id and method of a message; among a request's extensions once its body has been read.
#[derive(Debug, Clone, Default)]
pub(super) struct Envelope {
    /// The id, or null where there is none or it is neither a string nor an integer.
    pub(super) id: Value,
    /// The method; empty for what is no request and no notification.
    pub(super) method: String,
    /// The request that a `notifications/cancelled` names.
    pub(super) cancels: Option<RequestId>,
    /// Whether a list is asked for from a `cursor` that is no string.
    pub(super) has_malformed_cursor: bool,
}

impl Envelope {
    /// Reads `body`; what is not JSON-RPC gives an empty envelope, and rmcp refuses it.
    pub(super) fn read(body: &[u8]) -> Self {
        let id = field::<Identified>(body).map_or(Value::Null, |message| message.id);
        let method = field::<Named>(body).map_or_else(String::new, |message| message.method);
        let cancels = (method == "notifications/cancelled")
            .then(|| field::<With<Cancelled>>(body))
            .flatten()
            .map(|message| message.params.request_id);
        let has_malformed_cursor = method.ends_with("/list")
            && field::<With<Listed>>(body)
                .is_some_and(|message| !message.params.cursor.is_string());
        Self {
            id: if id.is_string() || id.is_i64() || id.is_u64() {
                id
            } else {
                Value::Null
            },
            method,
            cancels,
            has_malformed_cursor,
        }
    }
}

#[derive(Deserialize)]
struct Identified {
    id: Value,
}

#[derive(Deserialize)]
struct Named {
    method: String,
}

#[derive(Deserialize)]
struct With<P> {
    params: P,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    request_id: RequestId,
}

#[derive(Deserialize)]
struct Listed {
    cursor: Value,
}

fn field<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_reads_ids_that_json_rpc_knows_and_no_others() {
        for (id, kept) in [
            (json!(7), true),
            (json!("é"), true),
            (json!(1.5), false),
            (json!({}), false),
            (json!(null), false),
        ] {
            let body = json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string();
            let expected = if kept { id } else { Value::Null };
            assert_eq!(Envelope::read(body.as_bytes()).id, expected, "{body}");
        }
        assert_eq!(Envelope::read(b"{").id, Value::Null);
    }

    #[test]
    fn it_takes_every_cursor_but_a_string_for_malformed() {
        for (params, malformed) in [
            (json!({}), false),
            (json!({"cursor": "x"}), false),
            (json!({"cursor": 1}), true),
            (json!({"cursor": {"a": "b"}}), true),
            (json!({"cursor": true}), true),
        ] {
            let body = json!({"id": 1, "method": "tools/list", "params": params}).to_string();
            let envelope = Envelope::read(body.as_bytes());
            assert_eq!(envelope.has_malformed_cursor, malformed, "{body}");
        }
    }

    #[test]
    fn it_reads_which_request_a_client_cancels() {
        let body = json!({"method": "notifications/cancelled", "params": {"requestId": "a"}});
        let cancels = Envelope::read(body.to_string().as_bytes()).cancels;
        assert_eq!(cancels, Some(RequestId::String("a".into())));
    }
}
