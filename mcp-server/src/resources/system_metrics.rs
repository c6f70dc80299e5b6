//! `metrics://system`: what this server and its machine are busy with.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::{Contents, Resource, Variables};
use crate::call::{Call, CallCounts};
use crate::postgres::PoolUse;
use crate::results::RawJson;
use crate::services::Services;
use crate::tools::ToolFailure;

/// The unit of times in `/proc/self/stat`: the kernel shows them so on every architecture that Rust
/// programs run on, whatever its own clock.
const TICKS_PER_SECOND: u64 = 100;

/// The resource `metrics://system` of this server.
pub struct SystemMetrics;

impl Resource for SystemMetrics {
    const TEMPLATES: &'static [&'static str] = &["metrics://system"];
    const NAME: &'static str = "system-metrics";
    const TITLE: &'static str = "Load of the data server";
    const DESCRIPTION: &'static str = "CPU and memory of the data server and its machine, its \
                                       pools of PostgreSQL sessions, its Spark jobs by state, and \
                                       its calls by name. Read it when things are slow.";

    async fn read(
        services: &Services,
        call: &Call,
        _variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        let databases = services.databases.all();
        let pools = databases.map(|database| (database.name(), database.pools()));
        let counting = services.jobs.count_by_state(call.principal.owner());
        let jobs = call.unless_cancelled(counting).await?;
        let metrics = Metrics {
            machine: Machine::look(),
            process: Process::look(),
            postgres_pools: pools.collect(),
            // Without a registry there are no jobs to count.
            spark_jobs: jobs.ok(),
            calls: services.calls.counts(),
        };
        let json = RawJson::of(&json!(metrics));
        Ok(Contents::json(&json, Duration::ZERO))
    }
}

#[derive(Serialize)]
struct Metrics<'a> {
    machine: Option<Machine>,
    process: Option<Process>,
    postgres_pools: BTreeMap<&'a str, Vec<PoolUse>>,
    spark_jobs: Option<BTreeMap<String, i64>>,
    calls: BTreeMap<Cow<'static, str>, CallCounts>,
}

/// The machine that this server runs on.
#[derive(Serialize)]
struct Machine {
    cpus: usize,
    /// Processes that run or could, in the mean over 1, 5 and 15 minutes.
    load_average: [f32; 3],
    memory_bytes: u64,
    memory_available_bytes: Option<u64>,
}

/// The process of this server.
#[derive(Serialize)]
struct Process {
    /// Time that its threads have computed since it started.
    cpu_ms: u64,
    memory_bytes: u64,
    threads: u64,
}

impl Machine {
    /// The machine as Linux describes it in `/proc`; `None` elsewhere.
    fn look() -> Option<Self> {
        let load = read_to_string("/proc/loadavg").ok()?;
        let mut load = load.split(' ').map_while(|word| word.parse().ok());
        let memory = read_to_string("/proc/meminfo").ok()?;
        Some(Self {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            load_average: [load.next()?, load.next()?, load.next()?],
            memory_bytes: kibibytes(&memory, "MemTotal:")?,
            memory_available_bytes: kibibytes(&memory, "MemAvailable:"),
        })
    }
}

impl Process {
    /// This process as Linux describes it in `/proc`; `None` elsewhere.
    fn look() -> Option<Self> {
        let stat = read_to_string("/proc/self/stat").ok()?;
        // Its name stands in brackets and may hold anything; field 3 comes after them.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let status = read_to_string("/proc/self/status").ok()?;
        Some(Self {
            cpu_ms: (ticks(14)? + ticks(15)?) * 1000 / TICKS_PER_SECOND,
            memory_bytes: kibibytes(&status, "VmRSS:")?,
            threads: ticks(20)?,
        })
    }
}

/// The bytes that a line of such a file tells in KiB.
fn kibibytes(file: &str, name: &str) -> Option<u64> {
    let line = file.lines().find_map(|line| line.strip_prefix(name))?;
    let number = line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?;
    Some(number << 10)
}
