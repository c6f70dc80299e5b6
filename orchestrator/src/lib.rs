//! Runs pipelines of steps so that no accepted run is lost, whichever process dies.
//!
//! A [`PipelineDefinition`] is a graph of steps with a name; each stored change of it is a new
//! version. A run of a version is accepted when its rows are committed to PostgreSQL, and from then
//! on belongs to every process that works on that database. A process asks for a step, gets a
//! [`Lease`] for a while, renews it, and reports an [`Outcome`]; when it dies, the lease ends by
//! the database's clock and another process is given the step.
//!
//! ```text
//! create ─▶ version ─▶ submit ─▶ run ─▶ lease ─▶ StepRunner ─▶ outcome ─▶ the steps after it
//!                                        ▲  renew: progress out, stop in │
//!                                        └───── lease ended, back-off ◀──┘
//! ```
//!
//! [`run`] decides: a pure state machine, events and the present time in, effects out. [`store`]
//! locks a run, loads it, lets [`run`] decide, and saves, in one transaction. [`worker`] leases
//! steps and gives them to the [`StepRunner`] that the program around it implements.
//!
//! The outcome of a run is recorded exactly once. The effect of a step is not this crate's: a step
//! may begin again after its process died, and its [`FencingToken`] and its key are what a runner
//! tells repeats by.
//!
//! Nothing here knows of MCP, of Spark, or of what a step does.

pub mod bounds;
pub mod definition;
pub mod lease;
pub mod run;
pub mod runner;
pub mod store;
pub mod worker;

pub use definition::{InvalidPipeline, PipelineDefinition, StepDefinition};
pub use lease::{FencingToken, Lease, RunId};
pub use run::{Moment, RunState, StepFailure, StepState};
pub use runner::{Keeping, LeasedStep, Outcome, StepCall, StepOutput, StepProgress, StepRunner};
pub use store::{Store, StoreError};
pub use worker::{Worker, WorkerSettings};
