//! Which calls are followed as tasks, and what tasks may take of this server.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

/// Which calls are followed as tasks, and what tasks may take of this server.
#[derive(Debug, Clone, Args)]
pub struct TaskConfig {
    /// Whether a long call of a client that can follow tasks becomes one; without it every call is
    /// answered when it is over
    #[arg(
        id = "tasks_enabled",
        long = "tasks",
        env = "MCP_TASKS",
        default_value_t = true,
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new()
    )]
    pub enabled: bool,

    /// Milliseconds after which a call that is not over becomes a task; what is quick is answered
    /// at once
    #[arg(
        long = "task-after-ms",
        env = "MCP_TASK_AFTER_MS",
        default_value_t = 2000
    )]
    pub after_ms: u64,

    /// Seconds for which a task is kept from its beginning; work that is not over by then is
    /// stopped
    #[arg(
        long = "task-ttl-s",
        env = "MCP_TASK_TTL_S",
        default_value_t = 3600,
        value_parser = clap::value_parser!(u64).range(1..=604_800)
    )]
    pub ttl_s: u64,

    /// Tasks that are kept at once, those that run and those that are over; one caller may
    /// have half of what the others leave, and a call beyond that is answered when it is over
    #[arg(long = "task-most", env = "MCP_TASK_MOST", default_value_t = 256)]
    pub most: usize,

    /// Bytes that the answers of tasks may take of the disk, and the requests of those that run of
    /// memory, together; those of one caller may have half of what the others leave
    #[arg(
        id = "task_quota_bytes",
        long = "task-quota-bytes",
        env = "MCP_TASK_QUOTA_BYTES",
        default_value_t = 256 << 20
    )]
    pub quota_bytes: u64,
}

impl TaskConfig {
    /// How long a client waits for an answer before it gets a task.
    pub fn after(&self) -> Duration {
        Duration::from_millis(self.after_ms)
    }

    /// How long a task is kept.
    pub fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl_s)
    }
}
