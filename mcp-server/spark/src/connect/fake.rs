//! A Spark Connect server for tests, which plays a script: what each stream sends and how it ends.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use config::Access;
use futures::stream::{self, BoxStream, StreamExt};
use results::Limits;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use super::{Connect, Session, SparkUser};
use crate::queue::StatementQueue;
use crate::sessions::Sessions;
use crate::{Spark, protocol as pb};
use pb::execute_plan_response::execution_progress::StageInfo;
use pb::execute_plan_response::{ArrowBatch, ExecutionProgress, ResponseType, ResultComplete};
use pb::spark_connect_service_server::{SparkConnectService, SparkConnectServiceServer};

/// One stream that the server opens, for a statement or a reattach.
pub(crate) enum Turn {
    /// It is refused at once.
    Refuse(Status),
    /// Sends these, then ends as told.
    Send(Vec<Item>, Ending),
}

/// One response of a stream.
#[derive(Clone)]
pub(crate) enum Item {
    /// A batch with the numbers of this range.
    Rows(i64, i64),
    /// A batch with the columns of this one.
    Table(RecordBatch),
    /// A batch that is said to have so many rows, in these bytes.
    Raw(i64, Vec<u8>),
    /// Of so many tasks so many are done.
    Tasks(i64, i64),
    /// The true end of a result.
    Complete,
}

pub(crate) enum Ending {
    /// Normally, as Spark does when a stream's time or size is up.
    Quiet,
    /// It ends with this status.
    Status(Status),
    /// It never ends by itself.
    Open,
}

/// A question of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Open {
        session: String,
        settings: Vec<(String, String)>,
    },
    Execute {
        session: String,
        operation: String,
    },
    Reattach {
        after: Option<String>,
    },
    Interrupt {
        operation: String,
    },
    ReleaseAll {
        operation: String,
    },
    ReleaseUntil {
        response: String,
    },
    Close {
        session: String,
    },
}

#[derive(Clone)]
pub(crate) struct Fake {
    script: Arc<Mutex<VecDeque<Turn>>>,
    asked: Arc<watch::Sender<Vec<Asked>>>,
    /// The answers to questions that run nothing; behind the last one, all is well.
    analyses: Arc<Mutex<VecDeque<Result<(), Status>>>>,
    /// Every plan that was to be run.
    plans: Arc<Mutex<Vec<pb::Plan>>>,
    /// How many interrupts do not find the operation.
    deaf_to: Arc<Mutex<u32>>,
    /// Sessions are opened by who can take it.
    openings: Arc<tokio::sync::Mutex<()>>,
}

impl Fake {
    /// Serves `script` on a free port, and a client of it.
    pub(crate) async fn serve(script: Vec<Turn>) -> (Self, Connect) {
        Self::serve_deaf_to(script, 0).await
    }

    /// Like [`Fake::serve`]; the first `interrupts` come before the operation is known.
    pub(crate) async fn serve_deaf_to(script: Vec<Turn>, interrupts: u32) -> (Self, Connect) {
        let fake = Self::new(script, interrupts);
        let address = fake.clone().listen(Server::builder(), None).await;
        let remote = format!("sc://{address}").parse().expect("an address");
        (fake, Connect::new(remote).expect("an address"))
    }

    /// Serves `script`, encrypted, to those alone who show the token.
    pub(crate) async fn serve_encrypted(
        script: Vec<Turn>,
        certificate: Identity,
        token: &'static str,
    ) -> SocketAddr {
        let tls = ServerTlsConfig::new().identity(certificate);
        let server = Server::builder().tls_config(tls).expect("a certificate");
        Self::new(script, 0).listen(server, Some(token)).await
    }

    fn new(script: Vec<Turn>, interrupts: u32) -> Self {
        Self {
            script: Arc::new(Mutex::new(script.into())),
            asked: Arc::new(watch::Sender::new(Vec::new())),
            analyses: Arc::default(),
            plans: Arc::default(),
            deaf_to: Arc::new(Mutex::new(interrupts)),
            openings: Arc::default(),
        }
    }

    async fn listen(self, mut server: Server, token: Option<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let wanted = token.map(|token| format!("Bearer {token}"));
        let check = move |request: Request<()>| {
            let shown = request.metadata().get("authorization");
            let shown = shown.and_then(|shown| shown.to_str().ok());
            match wanted.is_none() || shown == wanted.as_deref() {
                true => Ok(request),
                false => Err(Status::unauthenticated("Invalid authentication token")),
            }
        };
        let service = SparkConnectServiceServer::with_interceptor(self, check);
        let serving = server.add_service(service);
        tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    /// Serves `script` to a Spark with one place for statements, which only read.
    pub(crate) async fn serve_spark(script: Vec<Turn>) -> (Self, Spark) {
        Self::serve_spark_with(script, Access::Read).await
    }

    /// Like [`Fake::serve_spark`]; statements may do what `access` says.
    pub(crate) async fn serve_spark_with(script: Vec<Turn>, access: Access) -> (Self, Spark) {
        let (fake, connect) = Self::serve(script).await;
        let spark = Spark {
            sessions: Sessions::new(connect.clone(), SparkUser::new("test"), None),
            connect,
            queue: StatementQueue::new(1, Duration::from_millis(50)),
            access,
            statement_timeout: Duration::from_secs(60),
            limits: Limits {
                rows: 10,
                bytes: 1000,
            },
        };
        (fake, spark)
    }

    /// Answers the next questions that run nothing (for the verdict on a statement, the version)
    /// with these.
    pub(crate) fn answer_analyses(&self, answers: Vec<Result<(), Status>>) {
        *self.analyses.lock().expect("sound") = answers.into();
    }

    /// Every plan that was to be run so far.
    pub(crate) fn plans(&self) -> Vec<pb::Plan> {
        self.plans.lock().expect("sound").clone()
    }

    /// Lets no session be opened while the result lives.
    pub(crate) async fn hold_openings(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.openings).lock_owned().await
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }

    /// Waits until something that `wanted` accepts has been asked.
    pub(crate) async fn until(&self, wanted: impl Fn(&Asked) -> bool) {
        let mut asked = self.asked.subscribe();
        let found = asked.wait_for(|all| all.iter().any(&wanted));
        tokio::time::timeout(Duration::from_secs(60), found)
            .await
            .expect("asked within ten seconds")
            .expect("the server lives");
    }

    fn note(&self, asked: Asked) {
        self.asked.send_modify(|all| all.push(asked));
    }

    fn play(&self) -> Answer {
        let turn = self.script.lock().expect("sound").pop_front();
        match turn.expect("the script goes on") {
            Turn::Refuse(status) => Err(status),
            Turn::Send(items, ending) => {
                let sent = stream::iter(items).map(|item| Ok(response(item)));
                Ok(Response::new(match ending {
                    Ending::Quiet => sent.boxed(),
                    Ending::Status(status) => {
                        sent.chain(stream::once(async { Err(status) })).boxed()
                    }
                    Ending::Open => sent.chain(stream::pending()).boxed(),
                }))
            }
        }
    }
}

type Answer = Result<Response<BoxStream<'static, Result<pb::ExecutePlanResponse, Status>>>, Status>;

/// The session that the tests act in.
pub(crate) fn session() -> Session {
    Session::new(&SparkUser::new("test"))
}

fn response(item: Item) -> pb::ExecutePlanResponse {
    let (id, kind) = match item {
        Item::Rows(from, to) => (
            format!("rows-{from}"),
            ResponseType::ArrowBatch(ArrowBatch {
                row_count: to - from,
                data: rows_in_arrow(from, to).into(),
                ..Default::default()
            }),
        ),
        Item::Table(batch) => (
            "table".to_owned(),
            ResponseType::ArrowBatch(ArrowBatch {
                row_count: i64::try_from(batch.num_rows()).expect("few"),
                data: in_arrow(&batch).into(),
                ..Default::default()
            }),
        ),
        Item::Raw(row_count, data) => (
            "raw".to_owned(),
            ResponseType::ArrowBatch(ArrowBatch {
                row_count,
                data: data.into(),
                ..Default::default()
            }),
        ),
        Item::Tasks(done, all) => (
            format!("tasks-{done}"),
            ResponseType::ExecutionProgress(ExecutionProgress {
                stages: vec![StageInfo {
                    num_tasks: all,
                    num_completed_tasks: done,
                    ..Default::default()
                }],
                ..Default::default()
            }),
        ),
        Item::Complete => (
            "complete".to_owned(),
            ResponseType::ResultComplete(ResultComplete {}),
        ),
    };
    pb::ExecutePlanResponse {
        response_id: id,
        response_type: Some(kind),
        ..Default::default()
    }
}

/// The numbers of a range, as Spark sends them.
pub(crate) fn rows_in_arrow(from: i64, to: i64) -> Vec<u8> {
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, false)]);
    let numbers = Int64Array::from_iter_values(from..to);
    let batch = RecordBatch::try_new(schema.into(), vec![Arc::new(numbers)]);
    in_arrow(&batch.expect("a batch"))
}

fn in_arrow(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a schema");
    writer.write(batch).expect("written");
    writer.into_inner().expect("written")
}

#[tonic::async_trait]
impl SparkConnectService for Fake {
    type ExecutePlanStream = BoxStream<'static, Result<pb::ExecutePlanResponse, Status>>;
    type ReattachExecuteStream = Self::ExecutePlanStream;

    async fn execute_plan(&self, request: Request<pb::ExecutePlanRequest>) -> Answer {
        let request = request.into_inner();
        let mut plans = self.plans.lock().expect("sound");
        plans.extend(request.plan);
        drop(plans);
        self.note(Asked::Execute {
            session: request.session_id,
            operation: request.operation_id.unwrap_or_default(),
        });
        self.play()
    }

    async fn reattach_execute(&self, request: Request<pb::ReattachExecuteRequest>) -> Answer {
        let after = request.into_inner().last_response_id;
        self.note(Asked::Reattach { after });
        self.play()
    }

    async fn interrupt(
        &self,
        request: Request<pb::InterruptRequest>,
    ) -> Result<Response<pb::InterruptResponse>, Status> {
        let Some(pb::interrupt_request::Interrupt::OperationId(operation)) =
            request.into_inner().interrupt
        else {
            return Err(Status::invalid_argument("not an operation"));
        };
        self.note(Asked::Interrupt {
            operation: operation.clone(),
        });
        let mut deaf_to = self.deaf_to.lock().expect("sound");
        let heard = deaf_to.checked_sub(1);
        let interrupted_ids = heard.map_or(vec![operation], |left| {
            *deaf_to = left;
            Vec::new()
        });
        Ok(Response::new(pb::InterruptResponse {
            interrupted_ids,
            ..Default::default()
        }))
    }

    async fn release_execute(
        &self,
        request: Request<pb::ReleaseExecuteRequest>,
    ) -> Result<Response<pb::ReleaseExecuteResponse>, Status> {
        use pb::release_execute_request::Release;
        let request = request.into_inner();
        self.note(match request.release {
            Some(Release::ReleaseUntil(until)) => Asked::ReleaseUntil {
                response: until.response_id,
            },
            _ => Asked::ReleaseAll {
                operation: request.operation_id,
            },
        });
        Ok(Response::new(pb::ReleaseExecuteResponse::default()))
    }

    async fn analyze_plan(
        &self,
        _: Request<pb::AnalyzePlanRequest>,
    ) -> Result<Response<pb::AnalyzePlanResponse>, Status> {
        use pb::analyze_plan_response::{Result as Kind, SparkVersion};
        let answer = self.analyses.lock().expect("sound").pop_front();
        answer.unwrap_or(Ok(()))?;
        let version = "4.3.0".to_owned();
        Ok(Response::new(pb::AnalyzePlanResponse {
            result: Some(Kind::SparkVersion(SparkVersion { version })),
            ..Default::default()
        }))
    }

    async fn config(
        &self,
        request: Request<pb::ConfigRequest>,
    ) -> Result<Response<pb::ConfigResponse>, Status> {
        use pb::config_request::operation::OpType;
        let request = request.into_inner();
        let Some(OpType::Set(set)) = request.operation.and_then(|operation| operation.op_type)
        else {
            return Err(Status::invalid_argument("no settings"));
        };
        let pairs = set.pairs.into_iter();
        self.note(Asked::Open {
            session: request.session_id,
            settings: pairs
                .map(|pair| (pair.key, pair.value.unwrap_or_default()))
                .collect(),
        });
        let _opened = self.openings.lock().await;
        Ok(Response::new(pb::ConfigResponse::default()))
    }

    async fn add_artifacts(
        &self,
        _: Request<Streaming<pb::AddArtifactsRequest>>,
    ) -> Result<Response<pb::AddArtifactsResponse>, Status> {
        Err(Status::unimplemented("add_artifacts"))
    }

    async fn artifact_status(
        &self,
        _: Request<pb::ArtifactStatusesRequest>,
    ) -> Result<Response<pb::ArtifactStatusesResponse>, Status> {
        Err(Status::unimplemented("artifact_status"))
    }

    async fn release_session(
        &self,
        request: Request<pb::ReleaseSessionRequest>,
    ) -> Result<Response<pb::ReleaseSessionResponse>, Status> {
        self.note(Asked::Close {
            session: request.into_inner().session_id,
        });
        Ok(Response::new(pb::ReleaseSessionResponse::default()))
    }

    async fn fetch_error_details(
        &self,
        _: Request<pb::FetchErrorDetailsRequest>,
    ) -> Result<Response<pb::FetchErrorDetailsResponse>, Status> {
        Err(Status::unimplemented("fetch_error_details"))
    }

    async fn clone_session(
        &self,
        _: Request<pb::CloneSessionRequest>,
    ) -> Result<Response<pb::CloneSessionResponse>, Status> {
        Err(Status::unimplemented("clone_session"))
    }

    async fn get_status(
        &self,
        _: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        Err(Status::unimplemented("get_status"))
    }
}
