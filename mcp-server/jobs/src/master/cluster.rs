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
    pub cores: ResourceUse,
    /// Memory of all workers together in MiB, and how much of it is in use.
    pub memory_mib: ResourceUse,
    /// The workers, those that died lately among them.
    pub workers: Vec<ClusterWorker>,
    /// The applications that run or wait.
    pub applications: Vec<ClusterApplication>,
}

/// How much there is of something, and how much of it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ResourceUse {
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
    pub cores: ResourceUse,
    /// Its memory in MiB.
    pub memory_mib: ResourceUse,
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
    #[serde(flatten)]
    resources: ResourceEntries,
    #[serde(default)]
    workers: Vec<WorkerEntry>,
    #[serde(default, rename = "activeapps")]
    active_apps: Vec<ApplicationEntry>,
}

/// The cores and the memory of the whole cluster, or of one worker.
#[derive(Deserialize)]
struct ResourceEntries {
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
struct WorkerEntry {
    id: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    port: i64,
    #[serde(default)]
    state: String,
    #[serde(flatten)]
    resources: ResourceEntries,
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

impl ResourceEntries {
    fn cores(&self) -> ResourceUse {
        ResourceUse {
            total: self.cores,
            used: self.cores_used,
        }
    }

    fn memory_mib(&self) -> ResourceUse {
        ResourceUse {
            total: self.memory,
            used: self.memory_used,
        }
    }
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
            cores: worker.resources.cores(),
            memory_mib: worker.resources.memory_mib(),
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
            cores: page.resources.cores(),
            memory_mib: page.resources.memory_mib(),
            workers: workers.collect(),
            applications: applications.collect(),
        })
    }
}
