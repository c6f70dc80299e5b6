//! Whether the SQL of a declared tool may run, as its database says before anybody calls it.

use declared_tools::Engine;

use super::DeclaredTool;
use crate::postgres::{self, SessionError};
use crate::services::Services;
use crate::spark;
use crate::spark::connect::ConnectError;
use crate::tools::ToolFailure;

/// The outcome of looking at the SQL of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tools) enum Verdict {
    /// It may run, and takes the parameters that are declared.
    Fit,
    /// The service cannot be asked now, for this reason; the first call has it judged.
    Unknown(String),
    /// It cannot run: one line with the file, the place and the fault.
    Unfit(String),
}

impl DeclaredTool {
    /// Has the service judge the SQL as it does at each call, without running it.
    pub(in crate::tools) async fn check(&self, services: &Services) -> Verdict {
        let checked = match &self.declaration.engine {
            Engine::Postgres { database, writes } => {
                self.check_postgres(services, database.as_deref(), *writes)
                    .await
            }
            Engine::Spark => self.check_spark(services).await,
        };
        match checked {
            Ok(()) => Verdict::Fit,
            Err(Fault::NotAsked(reason)) => Verdict::Unknown(reason),
            Err(Fault::Refused(fault)) => {
                Verdict::Unfit(format!("{}: its `sql`: {fault}", self.declaration.place))
            }
        }
    }

    /// The name by which clients call it.
    pub(in crate::tools) fn name(&self) -> &str {
        &self.declaration.name
    }

    async fn check_postgres(
        &self,
        services: &Services,
        database: Option<&str>,
        writes: bool,
    ) -> Result<(), Fault> {
        let database = services.databases.get(database, None)?;
        let found = match writes {
            true => database.judge_change(&self.change(&[], true)).await?,
            false => database.check_query(&self.declaration.sql).await?,
        };
        match found == self.declaration.parameters.len() {
            true => Ok(()),
            false => Err(Fault::Refused(count_fault(
                found,
                self.declaration.parameters.len(),
            ))),
        }
    }

    /// Spark takes values for names that the text does not have, and so is asked of each name
    /// whether it misses that.
    async fn check_spark(&self, services: &Services) -> Result<(), Fault> {
        let samples: Vec<_> = self
            .declaration
            .parameters
            .iter()
            .map(|one| one.sample.clone())
            .collect();
        let check = async |left_out: Option<&str>| {
            let statement = self.statement(&samples, left_out);
            let statement = statement.map_err(|failure| Fault::Refused(failure.text()))?;
            services
                .spark
                .check_read(statement)
                .await
                .map_err(Fault::from)
        };
        check(None).await?;
        for parameter in &self.declaration.parameters {
            let name = parameter.name.as_str();
            match check(Some(name)).await {
                Ok(()) => {
                    return Err(Fault::Refused(format!(
                        "it has no `:{name}`, which is declared as a parameter"
                    )));
                }
                Err(Fault::NotAsked(reason)) => return Err(Fault::NotAsked(reason)),
                Err(Fault::Refused(_)) => {}
            }
        }
        Ok(())
    }
}

/// The fault of a text whose parameters are not as many as are declared.
pub(super) fn count_fault(found: usize, declared: usize) -> String {
    format!(
        "PostgreSQL finds {found} parameters in it, and {declared} are declared: list one for each \
         of $1, $2, … in that order"
    )
}

/// Why a text has not been found fit.
enum Fault {
    /// The service refuses it.
    Refused(String),
    /// The service cannot be asked.
    NotAsked(String),
}

impl From<postgres::Error> for Fault {
    fn from(error: postgres::Error) -> Self {
        use postgres::Error;
        let is_asked = match &error {
            // With roles of callers there is nobody as whom it could be analysed before a call.
            Error::NotOpened(_)
            | Error::Busy(_)
            | Error::NoSession(_)
            | Error::OutOfTime
            | Error::NoRole { .. }
            | Error::Session(SessionError::Wire(_)) => false,
            Error::Session(SessionError::Server(report)) => !report.passes(),
            _ => true,
        };
        Self::of(error, is_asked)
    }
}

impl From<spark::Error> for Fault {
    fn from(error: spark::Error) -> Self {
        let is_asked = matches!(
            &error,
            spark::Error::NotPlain | spark::Error::Connect(ConnectError::Spark(_))
        );
        Self::of(error, is_asked)
    }
}

impl Fault {
    fn of(error: impl Into<ToolFailure>, is_asked: bool) -> Self {
        let mut failure: ToolFailure = error.into();
        // Spark's message goes on with the whole plan, in further lines.
        failure.message = failure
            .message
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        match is_asked {
            true => Self::Refused(failure.text()),
            false => Self::NotAsked(failure.message),
        }
    }
}
