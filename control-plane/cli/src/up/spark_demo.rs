//! The demo view of the local Spark: 200 000 events, computed as they are read.
//!
//! The data server makes it in each new Connect server, which forgets its views when it ends:
//! callers' statements only read.

use std::time::Duration;

use serde_json::json;
use serde_json::value::to_raw_value;

use crate::mcp_client::Endpoint;
use crate::output;
use crate::trust::Trust;

use super::control_plane::server_url;
use super::stack::Stack;

const PATIENCE: Duration = Duration::from_secs(120);

/// The statement that makes the demo's view; the data server runs it before callers' statements.
pub(crate) const STATEMENT: &str = "CREATE OR REPLACE VIEW events AS \
     SELECT id AS event_id, timestamp'2025-01-01 00:00:00' + make_interval(0, 0, 0, 0, 0, 0, id * \
     151) AS happened_at, CAST(1 + (id * 7919) % 2000 AS INT) AS customer_id, \
     element_at(array('view', 'view', 'view', 'search', 'basket', 'purchase'), CAST(1 + id % 6 \
     AS INT)) AS kind, CAST((id * 41) % 60 AS INT) AS product_id, CAST((id * 53) % 300 AS INT) \
     AS seconds \
     FROM range(1, 200001)";

/// Asks for the view through the data server's own tool, past the gateway: a policy must not stand
/// in the way.
///
/// # Errors
/// When the tool refuses; everything else works without the view.
async fn look(stack: &Stack) -> anyhow::Result<()> {
    let url = server_url(stack.settings.mcp_address);
    let arguments = to_raw_value(&json!({"sql": "DESCRIBE events"}))?;
    let endpoint = Endpoint::at(&url, &Trust::default(), PATIENCE)?;
    endpoint.call_well("execute_spark_sql", &arguments).await
}

/// Whether the demo view is there. Not having it is no reason not to be up.
pub(crate) async fn load_or_tell(stack: &Stack) -> bool {
    let outcome = look(stack).await;
    if let Err(error) = &outcome {
        output::tell(format_args!(
            "the Spark demo view `events` could not be made: {error:#}"
        ));
    }
    outcome.is_ok()
}
