//! Asks a running application's driver how far it is, through the master.

use reqwest::Url;
use serde::Deserialize;

use super::{Master, MasterError, at};
use crate::job::{ExecutorMetrics, JobProgress};

impl Master {
    /// The value of one of the Spark properties of a running application.
    pub(crate) async fn property(
        &self,
        app: &str,
        name: &str,
    ) -> Result<Option<String>, MasterError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Environment {
            #[serde(default)]
            spark_properties: Vec<(String, String)>,
        }
        let url = self.of_app(app, "environment");
        let environment: Environment = self.json(&url, self.http.get(url.clone())).await?;
        let mut properties = environment.spark_properties.into_iter();
        Ok(properties
            .find(|(key, _)| key == name)
            .map(|(_, value)| value))
    }

    /// How far a running application is.
    pub(crate) async fn progress(&self, app: &str) -> Result<JobProgress, MasterError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct SparkJob {
            num_tasks: i64,
            num_active_tasks: i64,
            num_completed_tasks: i64,
            num_skipped_tasks: i64,
            num_failed_tasks: i64,
            num_completed_stages: i64,
            num_skipped_stages: i64,
            stage_ids: Vec<i64>,
        }
        let url = self.of_app(app, "jobs");
        let jobs: Vec<SparkJob> = self.json(&url, self.http.get(url.clone())).await?;
        let sum = |of: fn(&SparkJob) -> i64| jobs.iter().map(of).sum();
        Ok(JobProgress {
            tasks: sum(|job| job.num_tasks - job.num_skipped_tasks),
            tasks_done: sum(|job| job.num_completed_tasks),
            tasks_running: sum(|job| job.num_active_tasks),
            tasks_failed: sum(|job| job.num_failed_tasks),
            stages: sum(|job| {
                i64::try_from(job.stage_ids.len()).unwrap_or_default() - job.num_skipped_stages
            }),
            stages_done: sum(|job| job.num_completed_stages),
        })
    }

    /// The executors of a running application, the driver's own entry left out.
    pub(crate) async fn executors(&self, app: &str) -> Result<Vec<ExecutorMetrics>, MasterError> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Executor {
            id: String,
            is_active: bool,
            total_cores: i64,
            active_tasks: i64,
            completed_tasks: i64,
            failed_tasks: i64,
            total_duration: i64,
            #[serde(rename = "totalGCTime")]
            total_gc_time: i64,
            memory_used: i64,
            max_memory: i64,
            total_input_bytes: i64,
            total_shuffle_read: i64,
            total_shuffle_write: i64,
        }
        let url = self.of_app(app, "allexecutors");
        let all: Vec<Executor> = self.json(&url, self.http.get(url.clone())).await?;
        let executors = all.into_iter().filter(|executor| executor.id != "driver");
        Ok(executors
            .map(|executor| ExecutorMetrics {
                id: executor.id,
                active: executor.is_active,
                cores: executor.total_cores,
                tasks_running: executor.active_tasks,
                tasks_done: executor.completed_tasks,
                tasks_failed: executor.failed_tasks,
                run_ms: executor.total_duration,
                gc_ms: executor.total_gc_time,
                memory_used: executor.memory_used,
                memory: executor.max_memory,
                input: executor.total_input_bytes,
                shuffle_read: executor.total_shuffle_read,
                shuffle_write: executor.total_shuffle_write,
            })
            .collect())
    }

    /// A page of a driver's own REST interface, which the master passes on
    /// (`spark.ui.reverseProxy`).
    fn of_app(&self, app: &str, page: &str) -> Url {
        at(
            &self.ui,
            &format!("/proxy/{app}/api/v1/applications/{app}/{page}"),
        )
    }
}
