//! One statement under way: the loop that reattaches until the result is complete.

use std::collections::VecDeque;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use results::Column;
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::attempts::Attempts;
use super::failure::{self, Break};
use super::progress::StatementProgress;
use super::stop::{Release, Stop};
use super::{CLIENT_TYPE, Connect, ConnectError, Session};
use crate::protocol as pb;
use crate::types;
use pb::execute_plan_response::ResponseType;

/// After this many responses the server may forget what it sent, so that it need not keep a whole
/// result.
const RELEASE_EVERY: u32 = 16;

/// A part of a statement's answer, in order.
#[derive(Debug)]
pub enum Event {
    /// The columns, before the first batch.
    Columns(Vec<Column>),
    /// Rows, as one Arrow batch.
    Batch(RecordBatch),
    /// How far Spark is; every two seconds or so.
    Progress(StatementProgress),
}

/// One statement under way. Dropped before [`Execution::next`] gave `None` or an error, it is
/// interrupted on the server.
#[derive(Debug)]
pub struct Execution {
    connect: Connect,
    session: Session,
    operation: Uuid,
    plan: pb::Plan,
    stream: Option<Streaming<pb::ExecutePlanResponse>>,
    stage: Stage,
    /// The last response that arrived: where to go on after a reattach.
    last_response: Option<String>,
    /// The server has shown that it has the statement, which so must not be sent again.
    is_known: bool,
    unreleased: u32,
    attempts: Attempts,
    events: VecDeque<Event>,
    listener: Option<watch::Sender<StatementProgress>>,
}

/// How much the server may know of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It knows nothing of it.
    Unsent,
    /// It may have it, and may work on it.
    Sent,
    /// It has not run it, because it no longer has the session.
    Refused,
    /// It is done with it.
    Over,
}

impl Execution {
    pub(super) fn new(
        connect: Connect,
        session: Session,
        plan: pb::Plan,
        listener: Option<watch::Sender<StatementProgress>>,
    ) -> Self {
        Self {
            connect,
            session,
            operation: Uuid::new_v4(),
            plan,
            stream: None,
            stage: Stage::Unsent,
            last_response: None,
            is_known: false,
            unreleased: 0,
            attempts: Attempts::none(Instant::now()),
            events: VecDeque::new(),
            listener,
        }
    }

    /// The id that Spark knows the statement by; its jobs carry it as a tag.
    pub fn operation(&self) -> Uuid {
        self.operation
    }

    /// The next event; `None` after the last one. Cancel-safe: nothing is lost when the future is
    /// dropped and made again.
    ///
    /// # Errors
    /// [`ConnectError`]; after one, the statement is over.
    pub async fn next(&mut self) -> Result<Option<Event>, ConnectError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.stage == Stage::Over {
                return Ok(None);
            }
            let Some(stream) = &mut self.stream else {
                if let Err(status) = self.attach().await {
                    self.recover(&status).await?;
                }
                continue;
            };
            match stream.message().await {
                Ok(Some(response)) => self.take(response)?,
                // The end of a stream is not the end of the result: the server closes each one
                // after some time or size. Only `ResultComplete` ends it.
                Ok(None) => {
                    self.stream = None;
                    self.is_known = true;
                    self.attempts.end_stream(Instant::now());
                    self.pause().await;
                }
                Err(status) => {
                    self.stream = None;
                    self.recover(&status).await?;
                }
            }
        }
    }

    /// Opens the statement's first stream, or the one that goes on after the last response.
    async fn attach(&mut self) -> Result<(), Status> {
        self.attempts.begin(Instant::now());
        let mut service = self.connect.service.clone();
        let answer = if self.stage == Stage::Unsent {
            // Set before the call: this future may be dropped inside it.
            self.stage = Stage::Sent;
            let answer = service.execute_plan(self.execute_request()).await;
            if let Err(status) = &answer {
                self.unsend(status);
            }
            answer
        } else {
            let request = pb::ReattachExecuteRequest {
                session_id: self.session.id(),
                user_context: self.session.user_context(),
                operation_id: self.operation.to_string(),
                client_type: Some(CLIENT_TYPE.to_owned()),
                last_response_id: self.last_response.clone(),
                ..Default::default()
            };
            service.reattach_execute(request).await
        };
        self.stream = Some(answer?.into_inner());
        Ok(())
    }

    /// Takes `Sent` back where the answer proves that the server executed nothing.
    fn unsend(&mut self, status: &Status) {
        match failure::kind_of_break(status) {
            Break::NeverSent => self.stage = Stage::Unsent,
            Break::Cut => {}
            Break::Answer => {
                if failure::read(&self.connect, status).is_stale_session() {
                    self.stage = Stage::Refused;
                }
            }
        }
    }

    fn execute_request(&self) -> pb::ExecutePlanRequest {
        use pb::execute_plan_request::{RequestOption, request_option::RequestOption as Kind};
        pb::ExecutePlanRequest {
            session_id: self.session.id(),
            client_observed_server_side_session_id: self.session.on_server(),
            user_context: self.session.user_context(),
            operation_id: Some(self.operation.to_string()),
            plan: Some(self.plan.clone()),
            client_type: Some(CLIENT_TYPE.to_owned()),
            request_options: vec![RequestOption {
                request_option: Some(Kind::ReattachOptions(pb::ReattachOptions {
                    reattachable: true,
                })),
            }],
            ..Default::default()
        }
    }

    /// Keeps what a response brings.
    fn take(&mut self, response: pb::ExecutePlanResponse) -> Result<(), ConnectError> {
        self.attempts.succeed();
        self.is_known = true;
        self.last_response = Some(response.response_id);
        if let Some(schema) = response.schema {
            self.events
                .push_back(Event::Columns(types::columns(&schema)));
        }
        match response.response_type {
            Some(ResponseType::ResultComplete(_)) => {
                self.end();
                return Ok(());
            }
            Some(ResponseType::ArrowBatch(batch)) => {
                // On an error `self` is dropped as still running, and so interrupted.
                let batches = decode(&batch)?;
                self.events.extend(batches.into_iter().map(Event::Batch));
            }
            Some(ResponseType::ExecutionProgress(progress)) => {
                let progress = StatementProgress::from(&progress);
                if let Some(listener) = &self.listener {
                    listener.send_replace(progress);
                }
                self.events.push_back(Event::Progress(progress));
            }
            _ => {}
        }
        self.unreleased += 1;
        if self.unreleased >= RELEASE_EVERY {
            self.unreleased = 0;
            if let Some(until) = self.last_response.clone() {
                self.stop().release(Release::Until(until));
            }
        }
        Ok(())
    }

    /// Decides what a failed stream means: another attempt, or the end.
    async fn recover(&mut self, status: &Status) -> Result<(), ConnectError> {
        let error = failure::read(&self.connect, status);
        if self.stage == Stage::Refused {
            self.stage = Stage::Over;
            return Err(ConnectError::SessionGone);
        }
        if self.stage == Stage::Unsent && self.attempts.may_send() {
            self.pause().await;
            return Ok(());
        }
        match failure::kind_of_break(status) {
            Break::NeverSent | Break::Cut if self.stage == Stage::Sent => {
                self.attempts.fail(Instant::now());
                if self.attempts.may_look() {
                    self.pause().await;
                    return Ok(());
                }
                Err(error)
            }
            Break::NeverSent | Break::Cut => {
                self.stage = Stage::Over;
                Err(error)
            }
            Break::Answer if error.is_detached_cursor() && self.attempts.may_look() => {
                self.pause().await;
                Ok(())
            }
            // The line broke before the server had the statement.
            Break::Answer if error.is_unknown_operation() && !self.is_known => {
                self.stage = Stage::Unsent;
                Ok(())
            }
            Break::Answer if error.is_lost() => {
                self.stage = Stage::Over;
                Err(ConnectError::Lost)
            }
            Break::Answer => {
                self.end();
                Err(error)
            }
        }
    }

    async fn pause(&self) {
        let pause = self.attempts.pause();
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }

    /// The server is done; it may forget all about it.
    fn end(&mut self) {
        self.stage = Stage::Over;
        self.stream = None;
        self.stop().release(Release::All);
    }

    fn stop(&self) -> Stop {
        Stop::new(&self.connect, &self.session, self.operation)
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if self.stage == Stage::Sent {
            self.stop().interrupt();
        }
    }
}

/// Every Arrow batch of Spark Connect is a complete IPC stream.
fn decode(batch: &pb::execute_plan_response::ArrowBatch) -> Result<Vec<RecordBatch>, ConnectError> {
    let malformed = |error: arrow_schema::ArrowError| ConnectError::Malformed(error.to_string());
    let reader = StreamReader::try_new(batch.data.as_ref(), None).map_err(malformed)?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(malformed)?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if i64::try_from(rows) != Ok(batch.row_count) {
        let announced = batch.row_count;
        return Err(ConnectError::Malformed(format!(
            "a batch of {announced} rows holds {rows}"
        )));
    }
    Ok(batches)
}
