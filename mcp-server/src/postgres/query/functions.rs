//! The second net under a caller's functions: what PostgreSQL's own catalog says of them.

use sqlx::postgres::PgConnection;

use crate::postgres::read_only::FunctionName;
use crate::postgres::{Postgres, failure, side_effects};
use crate::tools::ToolFailure;

impl Postgres {
    /// Refuses functions that may have effects, by what PostgreSQL's catalog says of them.
    pub(super) async fn check_functions(
        &self,
        connection: &mut PgConnection,
        functions: &[FunctionName],
    ) -> Result<(), ToolFailure> {
        let functions: Vec<&FunctionName> = functions
            .iter()
            .filter(|function| !self.settings.allowed_functions.contains(&function.name))
            .collect();
        if functions.is_empty() {
            return Ok(());
        }
        let schemas: Vec<_> = functions
            .iter()
            .map(|function| function.schema.as_deref())
            .collect();
        let names: Vec<_> = functions
            .iter()
            .map(|function| function.name.as_str())
            .collect();
        let suspects = sqlx::query_as::<_, (String, String, bool)>(SUSPECTS)
            .bind(schemas)
            .bind(names)
            .fetch_all(connection)
            .await
            .map_err(|error| failure::of_statement(&error))?;
        let suspect = suspects
            .iter()
            .find(|(_, name, volatile)| !(*volatile && side_effects::is_harmless_volatile(name)));
        let Some((schema, name, volatile)) = suspect else {
            return Ok(());
        };
        let (reason, remedy) = match volatile {
            true => (
                "is marked VOLATILE: it may do more than read",
                "if it only reads, its owner can mark it STABLE, or the operator can name it in POSTGRES_ALLOWED_FUNCTIONS",
            ),
            false => (
                "runs SQL that it builds itself (EXECUTE)",
                "if it only reads, the operator can name it in POSTGRES_ALLOWED_FUNCTIONS",
            ),
        };
        let message = format!("the query calls `{schema}.{name}`, which {reason}");
        Err(ToolFailure::new("42501", message).with_hint(remedy))
    }
}

/// Which of the named functions that a query can reach are marked VOLATILE (the third column), or run SQL that they are given: that could
/// take back the role. Procedures cannot be called by a query, and what stands after TABLESAMPLE only looks like a call.
const SUSPECTS: &str = "
SELECT DISTINCT n.nspname::pg_catalog.text, p.proname::pg_catalog.text, p.provolatile = 'v'
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS called (schema, name)
JOIN pg_catalog.pg_proc p ON p.proname = called.name::pg_catalog.name
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.prokind <> 'p' AND p.prorettype <> 'pg_catalog.tsm_handler'::pg_catalog.regtype
AND (p.provolatile = 'v' OR (l.lanname NOT IN ('internal', 'c', 'sql') AND p.prosrc ~* '\\mexecute\\M'))
AND CASE WHEN called.schema IS NULL THEN n.nspname = ANY (pg_catalog.current_schemas(true)) ELSE n.nspname = called.schema END";
