//! `pipelines://active`: the runs of pipelines that are not over.

use std::time::Duration;

use orchestrator::RunState;
use orchestrator::store::{RunFilter, RunRecord};
use serde_json::json;

use super::{Contents, Resource, Variables};
use crate::call::Call;
use crate::results::RawJson;
use crate::services::Services;
use crate::tools::{ToolFailure, describe_run};

/// Runs of each state that are told of: as many as a person looks through.
const MOST: i64 = 100;

/// The resource `pipelines://active` of this server.
pub struct ActivePipelines;

impl ActivePipelines {
    async fn runs(services: &Services, call: &Call) -> Result<Vec<RunRecord>, ToolFailure> {
        let store = services.pipelines.store()?;
        let mut runs = Vec::new();
        for state in RunState::ALL.into_iter().filter(|state| !state.is_final()) {
            let filter = RunFilter {
                state: Some(state),
                ..RunFilter::default()
            };
            let look = store.runs(call.principal.owner(), &filter, MOST);
            runs.extend(call.unless_cancelled(look).await??);
        }
        Ok(runs)
    }
}

impl Resource for ActivePipelines {
    const TEMPLATES: &'static [&'static str] = &["pipelines://active"];
    const NAME: &'static str = "active-pipelines";
    const TITLE: &'static str = "Active pipelines";
    const DESCRIPTION: &'static str = "The runs of execute_pipeline that wait or run, newest \
                                       first. get_pipeline_status tells more of one.";
    const IS_WATCHED: bool = true;

    async fn read(
        services: &Services,
        call: &Call,
        _variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        let runs = Self::runs(services, call).await?;
        let runs: Vec<_> = runs.iter().map(describe_run).collect();
        let json = RawJson::of(&json!({"runs": runs}));
        Ok(Contents::json(&json, Duration::ZERO))
    }

    async fn state(
        services: &Services,
        call: &Call,
        _variables: &Variables,
    ) -> Result<Option<String>, ToolFailure> {
        let mut runs = Self::runs(services, call).await?;
        // A run that has begun and ended since the last look is the newest, or older than that one.
        let (store, any) = (services.pipelines.store()?, RunFilter::default());
        let newest = store.runs(call.principal.owner(), &any, 1);
        runs.extend(call.unless_cancelled(newest).await??);
        let states = runs.iter().map(|run| format!("{} {}", run.id, run.changes));
        Ok(Some(states.collect::<Vec<_>>().join("\n")))
    }
}
