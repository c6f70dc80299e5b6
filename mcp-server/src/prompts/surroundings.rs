//! The things that a prompt can look at: the tools that this server offers, called as a client
//! calls them.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::call::Call;
use crate::health::Health;
use crate::services::Services;
use crate::tools::{Output, Registry, ToolFailure};

/// The things that a prompt can look at, for the caller who gets it.
pub struct Surroundings<'a> {
    /// The tools that are offered; no other one is called, nor advised.
    pub tools: &'a Registry,
    /// The services behind them.
    pub services: &'a Arc<Services>,
    /// The call by which the prompt is got.
    pub call: &'a Call,
}

impl Surroundings<'_> {
    /// Whether clients can call this tool.
    pub fn offers(&self, tool: &str) -> bool {
        self.tools.get(tool).is_some()
    }

    /// The output of a tool, called with these arguments; those that are `None` are left out.
    ///
    /// # Errors
    /// The tool's own failures, and that it is not offered.
    pub async fn ask(
        &self,
        tool: &str,
        arguments: &[(&str, Option<&str>)],
    ) -> Result<Output, ToolFailure> {
        let arguments = arguments.iter().filter_map(|(name, value)| {
            let value = Value::from((*value)?);
            Some(((*name).to_owned(), value))
        });
        let arguments: Map<String, Value> = arguments.collect();
        let services = Arc::clone(self.services);
        let run = self.tools.run(tool, services, self.call.clone(), arguments);
        let Some((_, run)) = run else {
            return Err(ToolFailure::unavailable(format!(
                "the tool {tool} is not offered by this server"
            )));
        };
        // On a stack of its own: a tool needs most of one, and a prompt has part of this one.
        let run = AbortOnDropHandle::new(tokio::spawn(run.in_current_span()));
        run.await.unwrap_or_else(|error| {
            Err(ToolFailure::new("internal", "the look failed").with_log(error.to_string()))
        })
    }

    /// Names the services behind this server that are down, each with the reason.
    pub async fn what_is_down(&self) -> Vec<String> {
        let mut down = Vec::new();
        let mut note = |name: &str, health: Health| {
            if let Health::Down { reason } = health {
                down.push(format!("{name}: {reason}"));
            }
        };
        for database in self.services.databases.all() {
            note(
                &format!("PostgreSQL database {}", database.name()),
                database.health().await,
            );
        }
        let (connect, master) = tokio::join!(
            self.services.spark.health(),
            self.services.jobs.master_health()
        );
        note("Spark Connect", connect);
        note("Spark master", master);
        down
    }
}
