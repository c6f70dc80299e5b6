//! Whether the SQL of a declared tool may run, as its database says before anybody calls it.

use declared_tools::Engine;

use super::DeclaredTool;
use crate::services::{Services, beside_calls};
use crate::tools::ToolFailure;
use crate::tools::sql_fault::SqlFault;

/// The code of a text that the service takes, and that is not what its declaration says.
const NOT_AS_DECLARED: &str = "not_as_declared";

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
            Err(SqlFault::NotAsked(failure)) => Verdict::Unknown(failure.message),
            Err(SqlFault::Refused(failure)) => {
                let place = &self.declaration.place;
                let fault = match failure.code == NOT_AS_DECLARED {
                    true => failure.message,
                    false => failure.text(),
                };
                Verdict::Unfit(format!("{place}: its `sql`: {fault}"))
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
    ) -> Result<(), SqlFault> {
        let database = services.databases.get(database, beside_calls(None))?;
        let found = match writes {
            true => database.judge_change(&self.change(&[], true)).await?,
            false => database.check_query(&self.declaration.sql).await?,
        };
        match found == self.declaration.parameters.len() {
            true => Ok(()),
            false => {
                let declared = self.declaration.parameters.len();
                let fault = ToolFailure::new(NOT_AS_DECLARED, count_fault(found, declared));
                Err(SqlFault::Refused(fault))
            }
        }
    }

    /// Spark takes values for names that the text does not have, and so is asked of each name
    /// whether it misses that.
    async fn check_spark(&self, services: &Services) -> Result<(), SqlFault> {
        let samples: Vec<_> = self
            .declaration
            .parameters
            .iter()
            .map(|one| one.sample.clone())
            .collect();
        let check = async |left_out: Option<&str>| {
            let statement = self.statement(&samples, left_out);
            let statement = statement.map_err(SqlFault::Refused)?;
            services
                .spark
                .check_read(statement)
                .await
                .map_err(SqlFault::from)
        };
        check(None).await?;
        for parameter in &self.declaration.parameters {
            let name = parameter.name.as_str();
            match check(Some(name)).await {
                Ok(()) => {
                    let fault = format!("it has no `:{name}`, which is declared as a parameter");
                    return Err(SqlFault::Refused(ToolFailure::new(NOT_AS_DECLARED, fault)));
                }
                Err(fault @ SqlFault::NotAsked(_)) => return Err(fault),
                Err(SqlFault::Refused(_)) => {}
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
