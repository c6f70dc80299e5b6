//! Sessions of Spark Connect: opening one for reading or writing, and ending it.

use tokio::time::timeout;
use uuid::Uuid;

use super::statement::{Statement, relation};
use super::{CALL_TIMEOUT, CLIENT_TYPE, Connect, ConnectError, SparkUser, failure};
use crate::protocol as pb;
use pb::analyze_plan_request::{Analyze, Schema, SparkVersion};
use pb::analyze_plan_response::Result as Analysed;
use pb::config_request::{Operation, Set, operation::OpType};

/// Reads, and so harms nothing where no check is installed; a check must refuse it.
const PROBE: &str = "SELECT java_method('java.lang.Math', 'abs', -1)";

/// The hint around a statement of which the check only tells what it would do.
const QUESTION: &str = "portcullis_verdict";

/// The setting by which the check lets a session write.
const ACCESS: &str = "spark.portcullis.access";

/// The setting by which Spark puts values into a text before it reads it: `${env:NAME}` becomes
/// that variable of the server's environment, which no check of a statement would ever see.
const SUBSTITUTE: &str = "spark.sql.variable.substitute";

/// The setting that bounds the text of a plan, which Spark makes of every statement for its pages
/// and logs. Without a bound, one constant of 100 MB in a query takes a driver's whole memory and
/// stops its SparkContext for everybody; 10 000 characters show any plan that somebody reads.
const PLAN_TEXT: (&str, &str) = ("spark.sql.maxPlanStringLength", "10000");

/// The statement that Spark runs in its driver alone: of rows that are in the text, no tasks are
/// made, which would wait while every core is taken.
const LEAST: &str = "VALUES (1)";

/// One Spark session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Session {
    user: SparkUser,
    id: Uuid,
    /// The server's own name for the session. A server that was restarted has another one, and
    /// refuses what was meant for the first: what was found out of that holds for it alone.
    on_server: Option<String>,
    reads_are_checked: bool,
}

impl Session {
    pub(super) fn new(user: &SparkUser) -> Self {
        Self {
            user: user.clone(),
            id: Uuid::new_v4(),
            on_server: None,
            reads_are_checked: false,
        }
    }

    /// Whether Spark itself refuses everything but reads in this session.
    pub fn reads_are_checked(&self) -> bool {
        self.reads_are_checked
    }

    /// The id, which Spark keeps it by.
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    pub(super) fn on_server(&self) -> Option<String> {
        self.on_server.clone()
    }

    pub(super) fn user_context(&self) -> Option<pb::UserContext> {
        Some(pb::UserContext {
            user_id: self.user.0.to_string(),
            user_name: self.user.0.to_string(),
            extensions: Vec::new(),
        })
    }
}

/// A session that is being opened. Dropped before that is over, it is closed: the server may have
/// it already, and nobody else would ever end it.
struct HalfOpen<'a> {
    connect: &'a Connect,
    session: Session,
    is_open: bool,
}

impl<'a> HalfOpen<'a> {
    fn new(connect: &'a Connect, user: &SparkUser) -> Self {
        Self {
            connect,
            session: Session::new(user),
            is_open: false,
        }
    }

    fn into_open(mut self) -> Session {
        self.is_open = true;
        self.session.clone()
    }
}

impl Drop for HalfOpen<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            self.connect.close(&self.session);
        }
    }
}

impl Connect {
    /// Opens a session for reading, and finds out whether Spark itself checks that it only reads.
    ///
    /// # Errors
    /// [`ConnectError`] if the server does not answer, or refuses: also where it does not let its
    /// texts be taken as they are written.
    pub async fn open_for_reading(&self, user: &SparkUser) -> Result<Session, ConnectError> {
        let mut half = HalfOpen::new(self, user);
        let settings = [(SUBSTITUTE, "false"), PLAN_TEXT];
        half.session.on_server = Some(self.set(&half.session, &settings).await?);
        let sql = pb::Sql {
            query: PROBE.to_owned(),
            ..Default::default()
        };
        let probe = Analyze::Schema(Schema {
            plan: Some(pb::Plan {
                op_type: Some(pb::plan::OpType::Root(relation(
                    pb::relation::RelType::Sql(sql),
                ))),
            }),
        });
        half.session.reads_are_checked = match self.analyse(&half.session, probe).await {
            Ok(_) => false,
            Err(ConnectError::Spark(failure)) if failure.refusal().is_some() => true,
            Err(error) => return Err(error),
        };
        Ok(half.into_open())
    }

    /// Opens a session that may write.
    ///
    /// # Errors
    /// [`ConnectError`] if the server does not answer, or refuses.
    pub async fn open_for_writing(&self, user: &SparkUser) -> Result<Session, ConnectError> {
        let mut half = HalfOpen::new(self, user);
        let settings = [(SUBSTITUTE, "false"), PLAN_TEXT, (ACCESS, "write")];
        half.session.on_server = Some(self.set(&half.session, &settings).await?);
        Ok(half.into_open())
    }

    /// Has Spark analyse a statement, without running it if it is a query.
    ///
    /// # Errors
    /// [`ConnectError`] if the server does not answer, or what it refused the statement with.
    pub async fn check(&self, session: &Session, statement: Statement) -> Result<(), ConnectError> {
        let plan = Some(statement.into_plan());
        let schema = Analyze::Schema(Schema { plan });
        self.analyse(session, schema).await.map(drop)
    }

    /// Has the check in Spark tell what a statement would do, which is the sentence of its refusal.
    /// Nothing of the statement is run in a session for reading.
    ///
    /// # Errors
    /// [`ConnectError`] with the verdict, or if the server does not answer, or what else it refused
    /// the statement with. Without a check there is no verdict.
    pub async fn ask_for_verdict(
        &self,
        session: &Session,
        statement: Statement,
    ) -> Result<(), ConnectError> {
        let mut plan = statement.into_plan();
        if let Some(pb::plan::OpType::Root(root)) = plan.op_type {
            let question = relation(pb::relation::RelType::Hint(Box::new(pb::Hint {
                input: Some(Box::new(root)),
                name: QUESTION.to_owned(),
                parameters: Vec::new(),
            })));
            plan.op_type = Some(pb::plan::OpType::Root(question));
        }
        let schema = Analyze::Schema(Schema { plan: Some(plan) });
        self.analyse(session, schema).await.map(drop)
    }

    /// The version of the Spark behind the server: a call that costs nothing, and that a server
    /// answers whose SparkContext has stopped.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] if no server answers within ten seconds, or what it refused
    /// with.
    pub async fn version(&self, session: &Session) -> Result<String, ConnectError> {
        let version = Analyze::SparkVersion(SparkVersion {});
        match self.analyse(session, version).await?.result {
            Some(Analysed::SparkVersion(version)) => Ok(version.version),
            other => Err(ConnectError::Malformed(format!("no version but {other:?}"))),
        }
    }

    /// Has the server run a statement that needs its SparkContext and no executor: one that has
    /// lost its context, and can run nothing, still opens sessions and tells its version.
    ///
    /// # Errors
    /// [`ConnectError::Broken`] if it runs nothing, [`ConnectError::Unreachable`] if it does not
    /// answer within ten seconds, or what it refused with.
    pub async fn run_least_statement(&self, session: &Session) -> Result<(), ConnectError> {
        let mut execution = self.execute(session, Statement::new(LEAST));
        let run = async {
            while execution.next().await?.is_some() {}
            Ok(())
        };
        timeout(CALL_TIMEOUT, run)
            .await
            .map_err(|_| self.unreachable("no answer within 10 seconds"))?
    }

    /// Ends a session on the server, in the background.
    pub fn close(&self, session: &Session) {
        let request = pb::ReleaseSessionRequest {
            session_id: session.id(),
            user_context: session.user_context(),
            client_type: Some(CLIENT_TYPE.to_owned()),
            ..Default::default()
        };
        let mut service = self.service.clone();
        self.in_background(async move {
            if let Ok(Err(status)) = timeout(CALL_TIMEOUT, service.release_session(request)).await {
                tracing::debug!(%status, "Spark refused to end a session");
            }
        });
    }

    /// Gives a session these settings; the server's own name for the session.
    async fn set(
        &self,
        session: &Session,
        settings: &[(&str, &str)],
    ) -> Result<String, ConnectError> {
        let pairs = settings.iter().map(|(key, value)| pb::KeyValue {
            key: (*key).to_owned(),
            value: Some((*value).to_owned()),
        });
        let request = pb::ConfigRequest {
            session_id: session.id(),
            user_context: session.user_context(),
            client_type: Some(CLIENT_TYPE.to_owned()),
            operation: Some(Operation {
                op_type: Some(OpType::Set(Set {
                    pairs: pairs.collect(),
                    ..Default::default()
                })),
            }),
            ..Default::default()
        };
        let mut service = self.service.clone();
        let answer = timeout(CALL_TIMEOUT, service.config(request))
            .await
            .map_err(|_| self.unreachable("no answer within 10 seconds"))?
            .map_err(|status| failure::read(self, &status))?;
        Ok(answer.into_inner().server_side_session_id)
    }

    async fn analyse(
        &self,
        session: &Session,
        analyze: Analyze,
    ) -> Result<pb::AnalyzePlanResponse, ConnectError> {
        let request = pb::AnalyzePlanRequest {
            session_id: session.id(),
            client_observed_server_side_session_id: session.on_server(),
            user_context: session.user_context(),
            client_type: Some(CLIENT_TYPE.to_owned()),
            analyze: Some(analyze),
        };
        let mut service = self.service.clone();
        let answer = timeout(CALL_TIMEOUT, service.analyze_plan(request))
            .await
            .map_err(|_| self.unreachable("no answer within 10 seconds"))?
            .map_err(|status| failure::read(self, &status))?;
        Ok(answer.into_inner())
    }
}
