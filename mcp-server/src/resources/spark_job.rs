//! `spark://jobs/{job_id}`: one submitted Spark job.

use std::time::Duration;

use super::{Contents, ListedResource, Resource, UriTemplate, Variables};
use crate::call::Call;
use crate::jobs::{JobFilter, JobId};
use crate::known_names::NameKind;
use crate::results::RawJson;
use crate::services::Services;
use crate::tools::{ToolFailure, describe_job, summarise_job};

/// How long a client may keep a job that runs; the registry looks no oftener itself.
const RUNNING_FRESH_FOR: Duration = Duration::from_secs(2);

/// How long a client may keep a job that is over: it stays as it is until it is forgotten.
const OVER_FRESH_FOR: Duration = Duration::from_secs(60);

/// The form of the URI.
const TEMPLATE: &str = "spark://jobs/{job_id}";

/// The resource `spark://jobs/{job_id}` of this server.
pub struct SparkJob;

impl SparkJob {
    /// The URI of this job.
    pub fn uri(id: JobId) -> String {
        UriTemplate::new(TEMPLATE).fill(&[&id.to_string()])
    }
}

impl Resource for SparkJob {
    const TEMPLATES: &'static [&'static str] = &[TEMPLATE];
    const NAME: &'static str = "spark-job";
    const TITLE: &'static str = "A Spark job";
    const DESCRIPTION: &'static str = "One job of submit_spark_job: its state, progress, stages \
                                       and tasks, script, arguments and configuration, and for a \
                                       failed one the end of its output.";
    const VARIABLES: &'static [(&'static str, NameKind)] = &[("job_id", NameKind::Job)];

    async fn read(
        services: &Services,
        call: &Call,
        variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        let text = variables.text("job_id");
        let unknown = || {
            ToolFailure::not_found(format!("there is no job `{text}`"))
                .with_hint("list_spark_jobs lists them")
        };
        let id = text.parse().map(JobId).map_err(|_| unknown())?;
        let look = services.jobs.get(id, call.principal.owner());
        let job = call.unless_cancelled(look).await??;
        let job = job.ok_or_else(unknown)?;
        let fresh_for = match job.state.is_final() {
            true => OVER_FRESH_FOR,
            false => RUNNING_FRESH_FOR,
        };
        Ok(Contents::json(&RawJson::of(&describe_job(&job)), fresh_for))
    }

    const IS_WATCHED: bool = true;

    async fn state(
        services: &Services,
        call: &Call,
        variables: &Variables,
    ) -> Result<Option<String>, ToolFailure> {
        let Ok(id) = variables.text("job_id").parse().map(JobId) else {
            return Ok(None);
        };
        let look = services.jobs.recorded(id, call.principal.owner());
        let job = call.unless_cancelled(look).await??;
        Ok(job.map(|job| {
            let mut view = describe_job(&job);
            // Every look at the job sets it, whether or not anything has happened.
            view["updated_at"].take();
            view.to_string()
        }))
    }

    async fn list(
        services: &Services,
        call: &Call,
        after: Option<&Variables>,
        most: usize,
    ) -> Result<Vec<ListedResource>, ToolFailure> {
        let before = after.and_then(|after| after.text("job_id").parse().ok());
        let filter = JobFilter {
            before: before.map(JobId),
            ..JobFilter::default()
        };
        let most = u16::try_from(most).unwrap_or(u16::MAX);
        let look = services.jobs.list(call.principal.owner(), &filter, most);
        let page = call.unless_cancelled(look).await??;
        let listed = page.jobs.iter().map(|job| ListedResource {
            uri: Self::uri(job.id),
            title: format!("Spark job {}", summarise_job(job)),
            description: Some(job.script.clone()),
        });
        Ok(listed.collect())
    }
}
