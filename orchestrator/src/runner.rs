//! The work of a step, which the program around this crate implements.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::bounds;
use crate::definition::{Parameters, StepDefinition};
use crate::lease::Lease;
use crate::run::StepFailure;

/// Does the work of steps.
pub trait StepRunner: Send + Sync + 'static {
    /// The kinds of steps that this runner does; it is given no others.
    fn kinds(&self) -> &[&'static str];

    /// Does one attempt of a step. It ends soon after `call.cancelled` fires, unless it keeps its
    /// effect by then (`call.keeping`), and may be dropped at any await: when the lease has ended
    /// another process may be at the same step already.
    fn run(&self, call: StepCall) -> impl Future<Output = Outcome> + Send;
}

/// A step that was leased, with all that its work needs.
#[derive(Debug, Clone)]
pub struct LeasedStep {
    /// Which step of which run, with the token that fences earlier attempts.
    pub lease: Lease,
    /// The name of the pipeline.
    pub pipeline: String,
    /// Whose run it is; `None` is a caller without identity.
    pub owner: Option<String>,
    /// The step as its author wrote it.
    pub step: StepDefinition,
    /// The parameters of the run.
    pub parameters: Parameters,
    /// The outputs of the steps that this one waited for, by name; an optional one that was skipped
    /// has none.
    pub inputs: BTreeMap<String, Option<Value>>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
}

/// One attempt of a step: what to do, and how to hear and tell of it.
#[derive(Debug)]
pub struct StepCall {
    /// The step, with all that its work needs.
    pub leased: LeasedStep,
    /// Where to tell how far it is.
    pub progress: ProgressReporter,
    /// Fires when the run stops, the attempt has taken too long or this process ends.
    pub cancelled: CancellationToken,
    /// Where to say that the effect is being kept.
    pub keeping: Keeping,
}

/// Where an attempt says that its effect is being kept, and that nobody but itself can tell how
/// that ends: an attempt that is late or whose run stops is waited for from then on, as long as its
/// process runs and holds its lease.
#[derive(Debug, Clone, Default)]
pub struct Keeping(Arc<AtomicBool>);

impl Keeping {
    /// Says that the effect is being kept.
    pub fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl StepCall {
    /// The key of the step's effect, the same at each attempt: what was done under it need not be
    /// done again.
    pub fn key(&self) -> String {
        format!("{}/{}", self.leased.lease.run, self.leased.step.name)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The step did what it should.
    Succeeded(StepOutput),
    /// It did not, for this reason.
    Failed(StepFailure),
    /// It ended because `cancelled` fired.
    Cancelled,
}

/// The result of a step, for those after it and for whoever looks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepOutput {
    /// A description of what was made: a table's name, a path, a few figures.
    pub value: Value,
    /// Rows that were read or written.
    pub rows: Option<i64>,
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepProgress {
    /// Percent of the work, where it can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Rows that were read or written so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// A phrase on what it does at present.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Where an attempt tells how far it is. The last word counts; it is stored with the next renewal
/// of the lease.
#[derive(Debug)]
pub struct ProgressReporter(watch::Sender<StepProgress>);

impl ProgressReporter {
    /// A reporter, and where its last word can be read.
    pub fn new() -> (Self, watch::Receiver<StepProgress>) {
        let (sender, receiver) = watch::channel(StepProgress::default());
        (Self(sender), receiver)
    }

    /// Tells how far the attempt is.
    pub fn tell(&self, progress: StepProgress) {
        let message = bounds::cut(progress.message, bounds::SENTENCE_BYTES);
        let percent = progress.percent.map(|percent| percent.min(100));
        self.0.send_replace(StepProgress {
            percent,
            message,
            ..progress
        });
    }
}
