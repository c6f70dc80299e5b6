//! The few fields of a JSON-RPC message by which the layers before rmcp decide.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ProtocolVersion, RequestId, RequestMetaObject,
};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::Value;

use call::ClientAbilities;

/// The header by which a request names its revision.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The id and method of a message; among a request's extensions once its body has been read.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// The id, or null where there is none, it is neither a string nor an integer, or it is that of
    /// a request of this server's, which the message answers.
    pub id: Value,
    /// The method; empty for what is no request and no notification.
    pub method: String,
    /// The request that a `notifications/cancelled` names.
    pub cancels: Option<RequestId>,
    /// The abilities of the client that introduces itself by `initialize`.
    pub abilities: ClientAbilities,
    /// The message, where it is a client's answer to a request of this server's.
    pub answer: Option<Arc<ClientJsonRpcMessage>>,
    /// Whether a list is asked for from a `cursor` that is no string.
    pub has_malformed_cursor: bool,
    /// Whether a client wants to hear of tasks that has not said it can follow them.
    pub wants_tasks_unable: bool,
}

impl Envelope {
    /// Reads `body`; what is not JSON-RPC gives an empty envelope, and rmcp refuses it.
    pub fn read(body: &[u8]) -> Self {
        let id = field::<Identified>(body).map_or(Value::Null, |message| message.id);
        let method = field::<Named>(body).map_or_else(String::new, |message| message.method);
        let cancels = (method == "notifications/cancelled")
            .then(|| field::<With<Cancelled>>(body))
            .flatten()
            .map(|message| message.params.request_id);
        let has_malformed_cursor = method.ends_with("/list")
            && field::<With<Listed>>(body)
                .is_some_and(|message| !message.params.cursor.is_string());
        let wants_tasks_unable = method == "subscriptions/listen"
            && field::<With<TaskListener>>(body).is_some_and(|message| {
                let able = message.params.meta.client_capabilities();
                !able.is_some_and(|capabilities| capabilities.supports_tasks())
            });
        let abilities = (method == "initialize")
            .then(|| field::<With<Introduction>>(body))
            .flatten()
            .map(|message| ClientAbilities::from(&message.params.capabilities));
        let is_answer = method.is_empty() && field::<Answer>(body).is_some();
        Self {
            id: if is_id(&id) && !is_answer {
                id
            } else {
                Value::Null
            },
            method,
            cancels,
            abilities: abilities.unwrap_or_default(),
            answer: is_answer.then(|| field(body).map(Arc::new)).flatten(),
            has_malformed_cursor,
            wants_tasks_unable,
        }
    }
}

/// Whether the headers name the revision on which each request stands alone.
pub fn is_stateless(headers: &HeaderMap) -> bool {
    headers
        .get(PROTOCOL_VERSION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str())
}

/// The id and the method of a message that may break off anywhere: null and empty where they do not
/// stand before the end. Without its method an id may be that of a request of this server's, which
/// the message answers; it is null too.
pub fn read_begun(body: &[u8]) -> (Value, String) {
    let mut begun = Begun::default();
    let _ = serde_json::Deserializer::from_slice(body).deserialize_map(&mut begun);
    let Begun { id, method } = begun;
    let is_request = is_id(&id) && !method.is_empty();
    (if is_request { id } else { Value::Null }, method)
}

fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_i64() || id.is_u64()
}

/// The members that have been read of a message before it breaks off.
#[derive(Default)]
struct Begun {
    id: Value,
    method: String,
}

impl<'de> Visitor<'de> for &mut Begun {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        // A number at the very end may lack digits, so an id counts once something follows it.
        let mut unsure = None;
        loop {
            let key: Option<String> = members.next_key()?;
            if let Some(id) = unsure.take() {
                self.id = id;
            }
            match key.as_deref() {
                None => return Ok(()),
                Some("id") => unsure = Some(members.next_value()?),
                Some("method") => self.method = members.next_value()?,
                Some(_) => drop(members.next_value::<IgnoredAny>()?),
            }
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

/// A message that answers a request has this member.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "result", alias = "error")]
    _result: IgnoredAny,
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
struct Introduction {
    capabilities: ClientCapabilities,
}

#[derive(Deserialize)]
struct Listed {
    cursor: Value,
}

#[derive(Deserialize)]
struct TaskListener {
    #[serde(rename = "notifications")]
    _filter: TaskFilter,
    #[serde(rename = "_meta")]
    meta: RequestMetaObject,
}

#[derive(Deserialize)]
struct TaskFilter {
    #[serde(rename = "taskIds")]
    _ids: Vec<IgnoredAny>,
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
    fn it_takes_no_id_from_an_answer_of_the_clients() {
        for body in [
            json!({"jsonrpc": "2.0", "id": 7, "result": {"roots": []}}),
            json!({"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "no"}}),
        ] {
            let body = body.to_string();
            assert_eq!(Envelope::read(body.as_bytes()).id, Value::Null, "{body}");
            for end in 0..=body.len() {
                let begun = body.get(..end).expect("it is ASCII");
                assert_eq!(read_begun(begun.as_bytes()).0, Value::Null, "{begun}");
            }
        }
        assert_eq!(Envelope::read(br#"{"id":7}"#).id, json!(7));
    }

    #[test]
    fn it_reads_the_id_of_a_message_that_breaks_off_behind_it() {
        for (body, id, method) in [
            (
                r#"{"id":7,"method":"tools/call","params":{"a""#,
                json!(7),
                "tools/call",
            ),
            (
                r#"{"method":"tools/call","params":{"a":[1,{"b":2}]},"id":"x","#,
                json!(null),
                "tools/call",
            ),
            (
                r#"{"method":"tools/call","params":{},"id":"x","json"#,
                json!(null),
                "tools/call",
            ),
            (
                r#"{"method":"tools/call","id":"x","jsonrpc":"2.0"}"#,
                json!("x"),
                "tools/call",
            ),
            // Digits may be missing.
            (r#"{"method":"ping","id":12"#, json!(null), "ping"),
            (r#"{"method":"ping","id":12}"#, json!(12), "ping"),
            (r#"{"id":{},"method":"ping"}"#, json!(null), "ping"),
            (r#"[{"id":1}]"#, json!(null), ""),
            ("", json!(null), ""),
        ] {
            assert_eq!(
                read_begun(body.as_bytes()),
                (id, method.to_owned()),
                "{body}"
            );
        }
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
    fn it_knows_who_wants_to_hear_of_tasks_and_has_not_said_that_it_can_follow_them() {
        let unable = json!({"io.modelcontextprotocol/clientCapabilities": {}});
        let able = json!({"io.modelcontextprotocol/clientCapabilities":
            {"extensions": {"io.modelcontextprotocol/tasks": {}}}});
        for (filter, meta, expected) in [
            (json!({"taskIds": ["a"]}), &unable, true),
            (json!({"taskIds": []}), &unable, true),
            (json!({"taskIds": ["a"]}), &able, false),
            (json!({"resourceSubscriptions": ["a"]}), &unable, false),
        ] {
            let params = json!({"notifications": filter, "_meta": meta});
            let method = "subscriptions/listen";
            let body = json!({"id": 1, "method": method, "params": params}).to_string();
            let envelope = Envelope::read(body.as_bytes());
            assert_eq!(envelope.wants_tasks_unable, expected, "{body}");
        }
    }

    #[test]
    fn it_reads_what_a_client_that_introduces_itself_can_be_asked_for() {
        for (capabilities, elicitation, sampling) in [
            (json!({}), false, false),
            (json!({"elicitation": {}, "sampling": {}}), true, true),
            (json!({"elicitation": {"form": {}, "url": {}}}), true, false),
            // A form is not what this client can show.
            (json!({"elicitation": {"url": {}}}), false, false),
            (json!([]), false, false),
        ] {
            let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities});
            let body = json!({"id": 1, "method": "initialize", "params": params}).to_string();
            let expected = ClientAbilities {
                elicitation,
                sampling,
                ..ClientAbilities::default()
            };
            assert_eq!(
                Envelope::read(body.as_bytes()).abilities,
                expected,
                "{body}"
            );
        }
    }

    #[test]
    fn it_reads_which_request_a_client_cancels() {
        let body = json!({"method": "notifications/cancelled", "params": {"requestId": "a"}});
        let cancels = Envelope::read(body.to_string().as_bytes()).cancels;
        assert_eq!(cancels, Some(RequestId::String("a".into())));
    }
}
