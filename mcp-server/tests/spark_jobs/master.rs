//! A stand-in for a Spark master with one worker: submission server, web page and logs on one port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The stand-in; it stops when this is dropped.
pub struct Master {
    pub address: String,
    /// The data folder of the servers that use it.
    pub folder: TempDir,
    cluster: Arc<Mutex<Cluster>>,
    serving: JoinHandle<()>,
}

/// Everything that the stand-in knows.
#[derive(Default)]
pub struct Cluster {
    address: String,
    /// Bodies of `create`, in order.
    pub created: Vec<Value>,
    pub drivers: BTreeMap<String, Driver>,
    /// Applications by their id, with the job id in their settings.
    pub applications: BTreeMap<String, Application>,
    /// The words with which `create` refuses.
    pub refusal: Option<String>,
    /// Whether the web page takes questions and never answers.
    pub is_silent: bool,
    /// Questions that a silent page took.
    pub unanswered: usize,
    /// The next page about an application's jobs is made at once, but sent when this fires.
    pub delay: Option<tokio::sync::oneshot::Receiver<()>>,
    /// Drivers that were asked to end, in order.
    pub kills: Vec<String>,
    /// How many of these questions are only noted.
    pub ignored_kills: usize,
    /// The executors that the only worker tells of.
    pub executors: Vec<Value>,
}

#[derive(Clone, Default)]
pub struct Driver {
    pub state: String,
    /// The output of its script.
    pub output: String,
    /// The log of the driver.
    pub log: String,
}

#[derive(Clone, Default)]
pub struct Application {
    pub job_id: Option<String>,
    pub state: String,
    pub jobs: Value,
    /// The executors that its driver tells of.
    pub executors: Value,
}

impl Master {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let cluster = Arc::new(Mutex::new(Cluster {
            address: address.clone(),
            ..Cluster::default()
        }));
        let router = Router::new()
            .route("/v1/submissions/create", post(create))
            .route("/v1/submissions/status/{id}", get(status))
            .route("/v1/submissions/kill/{id}", post(kill))
            .route("/json/", get(overview))
            .route("/log/", get(log))
            .route("/proxy/{app}/api/v1/applications/{same}/{page}", get(page))
            .with_state(Arc::clone(&cluster));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            address,
            folder: tempfile::tempdir().expect("a folder"),
            cluster,
            serving,
        }
    }

    pub fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().expect("sound")
    }

    /// Sets the state of the only driver.
    pub fn only_driver(&self, state: &str) {
        self.change_driver(|driver| state.clone_into(&mut driver.state));
    }

    /// Has the only driver run as this application, of the id `app-1`.
    pub fn run_application(&self, application: Application) {
        let mut cluster = self.cluster();
        cluster.applications.insert("app-1".to_owned(), application);
        drop(cluster);
        self.change_driver(|driver| {
            driver.log = "x: Connected to Spark cluster with app ID app-1\n".to_owned();
        });
        self.only_driver("RUNNING");
    }

    /// Changes the only driver.
    pub fn change_driver(&self, change: impl FnOnce(&mut Driver)) {
        change(
            self.cluster()
                .drivers
                .values_mut()
                .next()
                .expect("a driver"),
        );
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Shared = State<Arc<Mutex<Cluster>>>;

async fn create(State(cluster): Shared, Json(body): Json<Value>) -> Json<Value> {
    let mut cluster = cluster.lock().expect("sound");
    cluster.created.push(body);
    if let Some(refusal) = &cluster.refusal {
        return Json(json!({"action": "ErrorResponse", "success": false, "message": refusal}));
    }
    let id = format!("driver-{:04}", cluster.drivers.len());
    let driver = Driver {
        state: "SUBMITTED".to_owned(),
        ..Driver::default()
    };
    cluster.drivers.insert(id.clone(), driver);
    Json(json!({"action": "CreateSubmissionResponse", "success": true, "submissionId": id}))
}

async fn kill(State(cluster): Shared, Path(id): Path<String>) -> Json<Value> {
    let mut cluster = cluster.lock().expect("sound");
    cluster.kills.push(id.clone());
    let is_ignored = cluster.kills.len() <= cluster.ignored_kills;
    let driver = cluster.drivers.get_mut(&id);
    let running = driver.filter(|driver| matches!(&*driver.state, "SUBMITTED" | "RUNNING"));
    let success = running.is_some();
    if let Some(driver) = running.filter(|_| !is_ignored) {
        "KILLED".clone_into(&mut driver.state);
    }
    Json(json!({"action": "KillSubmissionResponse", "success": success, "submissionId": id}))
}

async fn status(State(cluster): Shared, Path(id): Path<String>) -> Json<Value> {
    let cluster = cluster.lock().expect("sound");
    Json(match cluster.drivers.get(&id) {
        None => json!({"success": false, "submissionId": id}),
        Some(driver) => json!({
            "success": true, "submissionId": id, "driverState": driver.state, "workerId": "worker-1"
        }),
    })
}

async fn overview(State(cluster): Shared) -> Json<Value> {
    let is_silent = {
        let mut cluster = cluster.lock().expect("sound");
        cluster.unanswered += usize::from(cluster.is_silent);
        cluster.is_silent
    };
    if is_silent {
        std::future::pending::<()>().await;
    }
    let cluster = cluster.lock().expect("sound");
    let drivers = cluster.drivers.keys();
    let drivers: Vec<Value> = drivers
        .map(|id| json!({"id": id, "worker": "worker-1"}))
        .collect();
    let applications = cluster.applications.iter();
    let applications: Vec<Value> = applications
        .map(|(id, application)| json!({"id": id, "state": application.state}))
        .collect();
    Json(json!({
        "status": "ALIVE", "cores": 8, "coresused": 8,
        "workers": [
            {"id": "worker-1", "webuiaddress": format!("http://{}", cluster.address),
             "state": "ALIVE"},
            {"id": "worker-0", "webuiaddress": "http://127.0.0.1:1", "state": "DEAD"},
        ],
        "activeapps": applications, "completedapps": [],
        "activedrivers": drivers, "completeddrivers": [],
        // The worker's own page has the same address.
        "executors": cluster.executors, "finishedexecutors": [],
    }))
}

async fn log(State(cluster): Shared, Query(query): Query<BTreeMap<String, String>>) -> String {
    let cluster = cluster.lock().expect("sound");
    let text = match query.get("driverId") {
        None => Some(format!("log of executor {}\n", query["executorId"])),
        Some(id) => cluster
            .drivers
            .get(id)
            .map(|driver| match query["logType"].as_str() {
                "stdout" => driver.output.clone(),
                _ => driver.log.clone(),
            }),
    };
    let Some(text) = text else {
        return "Error: invalid log directory".to_owned();
    };
    let number = |name: &str| {
        query
            .get(name)
            .map(|text| text.parse::<usize>().expect("bytes"))
    };
    let total = text.len();
    let length = number("byteLength").expect("it is always asked for");
    let start = number("offset")
        .unwrap_or(total.saturating_sub(length))
        .min(total);
    let end = (start + length).min(total);
    let part = String::from_utf8_lossy(&text.as_bytes()[start..end]).into_owned();
    format!("==== Bytes {start}-{end} of {total} of /x/log ====\n{part}")
}

async fn page(
    State(cluster): Shared,
    Path((app, _, page)): Path<(String, String, String)>,
) -> Json<Value> {
    let (application, delay) = {
        let mut cluster = cluster.lock().expect("sound");
        let application = cluster.applications.get(&app).cloned().unwrap_or_default();
        let delay = (page == "jobs").then(|| cluster.delay.take()).flatten();
        (application, delay)
    };
    if let Some(delay) = delay {
        delay.await.expect("it is let go");
    }
    Json(match page.as_str() {
        "jobs" => application.jobs,
        "allexecutors" => application.executors,
        _ => {
            let id = application.job_id.iter();
            let settings: Vec<Value> = id
                .map(|id| json!(["spark.portcullis.job.id", id]))
                .collect();
            json!({"sparkProperties": settings})
        }
    })
}
