//! `spark://cluster/info`: the master, its workers, and what they have to give.

use std::time::Duration;

use serde_json::json;

use super::{Contents, Resource, Variables};
use crate::call::Call;
use crate::results::RawJson;
use crate::services::Services;
use crate::tools::ToolFailure;

/// How long a client may keep it: cores and memory in use change with every job.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// The resource `spark://cluster/info` of this server.
pub struct SparkCluster;

impl Resource for SparkCluster {
    const TEMPLATES: &'static [&'static str] = &["spark://cluster/info"];
    const NAME: &'static str = "spark-cluster";
    const TITLE: &'static str = "The Spark cluster";
    const DESCRIPTION: &'static str = "The Spark master (state, version) and its workers with \
                                       their cores and memory, in all and in use.";

    async fn read(
        services: &Services,
        call: &Call,
        _variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        let look = services.jobs.cluster();
        let cluster = call.unless_cancelled(look).await?.map_err(|error| {
            ToolFailure::unavailable(error.to_string()).with_hint("try again in a minute")
        })?;
        Ok(Contents::json(&RawJson::of(&json!(cluster)), FRESH_FOR))
    }
}
