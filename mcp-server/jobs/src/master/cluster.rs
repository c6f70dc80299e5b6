//! The cluster as its master describes it.

use serde::{Deserialize, Serialize};

use super::{Master, MasterError, SubmissionAnswer, at};

/// The id of a driver that no master ever gives: the answer about it has the version all the same.
const NO_DRIVER: &str = "driver-none";

/// A Spark standalone cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// The master's address, `spark://host:port`.
    pub master: String,
    /// Its state: `ALIVE`, `STANDBY`, `RECOVERING` or `COMPLETING_RECOVERY`.
    pub status: String,
    /// The version of Spark that it runs; `None` where it does not say.
    pub version: Option<String>,
    /// Cores of all workers together, and how many of them are in use.
    pub cores: Share,
    /// Memory of all workers together in MiB, and how much of it is in use.
    pub memory_mib: Share,
    /// The workers, those that died lately among them.
    pub workers: Vec<ClusterWorker>,
    /// The applications that run or wait.
    pub applications: Vec<ClusterApplication>,
}

/// How much there is of something, and how much of it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// All that there is.
    pub total: i64,
    /// The part in use.
    pub used: i64,
}

/// A worker of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterWorker {
    /// The master's id of it.
    pub id: String,
    /// Its host and port.
    pub address: String,
    /// Its state: `ALIVE`, `DEAD`, `DECOMMISSIONED` or `UNKNOWN`.
    pub state: String,
    /// Its cores, and those in use.
    pub cores: Share,
    /// Its memory in MiB.
    pub memory_mib: Share,
}

/// An application of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterApplication {
    /// The master's id of it.
    pub id: String,
    /// The name that it gave itself.
    pub name: String,
    /// Its state, such as `RUNNING` or `WAITING`.
    pub state: String,
    /// The cores that it has.
    pub cores: i64,
}

#[derive(Deserialize)]
struct MasterPage {
    #[serde(default)]
    url: String,
    status: String,
    #[serde(default)]
    cores: i64,
    #[serde(default, rename = "coresused")]
    cores_used: i64,
    #[serde(default)]
    memory: i64,
    #[serde(default, rename = "memoryused")]
    memory_used: i64,
    #[serde(default)]
    workers: Vec<WorkerEntry>,
    #[serde(default, rename = "activeapps")]
    active_apps: Vec<ApplicationEntry>,
}

#[derive(Deserialize)]
struct WorkerEntry {
    id: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    port: i64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    cores: i64,
    #[serde(default, rename = "coresused")]
    cores_used: i64,
    #[serde(default)]
    memory: i64,
    #[serde(default, rename = "memoryused")]
    memory_used: i64,
}

#[derive(Deserialize)]
struct ApplicationEntry {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    cores: i64,
}

impl Master {
    /// The cluster in full. A master whose submission server does not answer has no version.
    pub(crate) async fn cluster(&self) -> Result<Cluster, MasterError> {
        let url = at(&self.ui, "/json/");
        let version_url = at(&self.rest, &format!("/v1/submissions/status/{NO_DRIVER}"));
        let (page, answer) = tokio::join!(
            self.json::<MasterPage>(&url, self.http.get(url.clone())),
            self.json::<SubmissionAnswer>(&version_url, self.http.get(version_url.clone())),
        );
        let page = page?;
        let workers = page.workers.into_iter().map(|worker| ClusterWorker {
            id: worker.id,
            address: format!("{}:{}", worker.host, worker.port),
            state: worker.state,
            cores: Share {
                total: worker.cores,
                used: worker.cores_used,
            },
            memory_mib: Share {
                total: worker.memory,
                used: worker.memory_used,
            },
        });
        let applications = page.active_apps.into_iter();
        let applications = applications.map(|application| ClusterApplication {
            id: application.id,
            name: application.name,
            state: application.state,
            cores: application.cores,
        });
        Ok(Cluster {
            master: page.url,
            status: page.status,
            version: answer.ok().and_then(|answer| answer.server_spark_version),
            cores: Share {
                total: page.cores,
                used: page.cores_used,
            },
            memory_mib: Share {
                total: page.memory,
                used: page.memory_used,
            },
            workers: workers.collect(),
            applications: applications.collect(),
        })
    }
}
