//! A Spark Connect server for tests, which plays a script: what each stream sends and how it ends.

mod responses;
mod service;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::RecordBatch;
use config::Access;
use results::Limits;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Status};

use super::{Connect, Session, SparkUser};
use crate::queue::StatementQueue;
use crate::sessions::Sessions;
use crate::{Spark, protocol as pb};
use pb::spark_connect_service_server::SparkConnectServiceServer;

pub(crate) use responses::rows_in_arrow;

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
            .expect("asked within a minute")
            .expect("the server lives");
    }
}

/// The session that the tests act in.
pub(crate) fn session() -> Session {
    Session::new(&SparkUser::new("test"))
}
