//! Tells a client that listens, while rows come, of the blocks that it can read already and of the
//! tasks of Spark that are done.

use std::future::Future;

use tokio::sync::watch;

use super::RowDelivery;
use crate::kept_results::BlocksSoFar;
use crate::spark::connect::StatementProgress;
use crate::tools::ToolFailure;

impl RowDelivery<'_> {
    /// Does the work that fills a sink, and tells a client that listens which blocks it can read
    /// already.
    pub(in crate::tools) async fn follow<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, ToolFailure> {
        // The work of a port is large, and is moved about here: on the heap, not on the stack.
        let mut work = Box::pin(work);
        let mut told = self.told.clone();
        let telling = async {
            loop {
                tokio::select! {
                    result = &mut work => return result,
                    Ok(()) = told.changed() => {
                        let blocks = told.borrow_and_update().clone();
                        if let Some(blocks) = blocks {
                            self.tell(&blocks).await;
                        }
                    }
                }
            }
        };
        Ok(self.call.unless_cancelled(telling).await?)
    }

    /// As [`RowDelivery::follow`], for a statement of Spark, of whose tasks the client hears, too.
    pub(in crate::tools) async fn follow_statement<T>(
        &self,
        mut heard: watch::Receiver<StatementProgress>,
        work: impl Future<Output = T>,
    ) -> Result<T, ToolFailure> {
        let mut work = Box::pin(self.follow(work));
        let mut told = 0;
        loop {
            tokio::select! {
                result = &mut work => return result,
                Ok(()) = heard.changed() => {
                    let progress = *heard.borrow_and_update();
                    // Spark finds stages as it goes, and may tell the same twice.
                    if progress.tasks_done > told {
                        told = progress.tasks_done;
                        self.tell_tasks(progress).await;
                    }
                }
            }
        }
    }

    /// Tells of tasks; blocks are told in bytes, of which no number grows from that of the tasks
    /// unless these are added.
    async fn tell_tasks(&self, progress: StatementProgress) {
        let StatementProgress {
            tasks, tasks_done, ..
        } = progress;
        let message = format!("{tasks_done} of {tasks} tasks done");
        let bytes = self.told.borrow().as_ref().map_or(0, |blocks| blocks.bytes);
        let done = bytes as f64 + tasks_done as f64;
        self.call.progress.report(done, None, Some(message)).await;
    }

    async fn tell(&self, blocks: &BlocksSoFar) {
        let BlocksSoFar { uri, blocks, bytes } = blocks;
        let message = format!("blocks_available: {blocks} of {uri}, {bytes} bytes so far");
        self.call
            .progress
            .report(*bytes as f64, None, Some(message))
            .await;
    }
}
