//! The names that callers can write somewhere, for their completion: of databases, schemas, tables,
//! Spark's tables and jobs.

use crate::call::Call;
use crate::jobs::JobFilter;
use crate::services::{Services, database_caller, spark_caller};
use crate::spark;
use crate::tools::ToolFailure;

/// The most jobs whose ids are looked through for one that begins as the caller began.
const JOBS: u16 = 500;

/// The things whose names can be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A database of this server.
    Database,
    /// A schema of a database.
    Schema,
    /// A table or view of a database, with its schema where that is not `public`.
    Table,
    /// A table or view of Spark, with its database where that is not the session's own.
    SparkTable,
    /// A submitted Spark job.
    Job,
    /// Anything: no list of it exists.
    Free,
}

/// Names that begin as a caller began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// The first of them, in their order.
    pub names: Vec<String>,
    /// Whether there are more.
    pub has_more: bool,
}

impl Completion {
    fn cut(mut names: Vec<String>, most: usize) -> Self {
        let has_more = names.len() > most;
        names.truncate(most);
        Self { names, has_more }
    }
}

/// At most `most` names of this kind that begin with `prefix`, those of `database` where that is
/// named.
///
/// # Errors
/// [`ToolFailure`]: of a database that does not exist or does not answer, of a registry of jobs
/// that is not there.
pub async fn complete(
    services: &Services,
    call: &Call,
    kind: NameKind,
    prefix: &str,
    database: Option<&str>,
    most: usize,
) -> Result<Completion, ToolFailure> {
    let one_more = u32::try_from(most + 1).unwrap_or(u32::MAX);
    let names = match kind {
        NameKind::Free => Vec::new(),
        NameKind::Database => {
            let names = services.databases.names();
            let names = names.filter(|name| name.starts_with(prefix));
            names.map(ToOwned::to_owned).collect()
        }
        NameKind::Schema => {
            let database = services.databases.get(database, database_caller(call))?;
            let look = database.schema_names(Some(prefix), None, one_more);
            call.unless_cancelled(look).await??
        }
        NameKind::Table => {
            let database = services.databases.get(database, database_caller(call))?;
            let look = database.table_names(prefix, one_more);
            call.unless_cancelled(look).await??
        }
        NameKind::SparkTable => {
            let look = spark_names(services, call, prefix);
            call.unless_cancelled(Box::pin(look)).await??
        }
        NameKind::Job => {
            let filter = JobFilter::default();
            let look = services.jobs.list(call.principal.owner(), &filter, JOBS);
            let page = call.unless_cancelled(look).await??;
            let ids = page.jobs.iter().map(|job| job.id.to_string());
            ids.filter(|id| id.starts_with(prefix)).collect()
        }
    };
    Ok(Completion::cut(names, most))
}

/// The names of Spark that begin so: behind a dot those of the database before it, else those of
/// the session and its database, and the databases themselves, each with its dot.
async fn spark_names(
    services: &Services,
    call: &Call,
    prefix: &str,
) -> Result<Vec<String>, spark::Error> {
    let (spark, caller) = (&services.spark, spark_caller(call));
    let (database, begun) = match prefix.rsplit_once('.') {
        Some((database, begun)) => (Some(database), begun),
        None => (None, prefix),
    };
    let found = spark.tables(&caller, None, database).await?;
    let tables = found.tables.into_iter().map(|table| table.name);
    let tables = tables.filter(|name| name.starts_with(begun));
    let Some(database) = database else {
        let views = found.temporary.into_iter().map(|view| view.name);
        let databases = spark.databases(&caller, None).await?;
        let databases = databases.into_iter().map(|database| format!("{database}."));
        let more = views
            .chain(databases)
            .filter(|name| name.starts_with(begun));
        let mut names: Vec<String> = tables.chain(more).collect();
        names.sort_unstable();
        return Ok(names);
    };
    Ok(tables.map(|name| format!("{database}.{name}")).collect())
}
