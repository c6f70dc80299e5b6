//! Opens a schema of a PostgreSQL, and hears what other processes write there.

use std::time::Duration;

use migration_steps::{Step, migrator_in, run_to_end};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::Mutex;

use super::{layout, patience};
use crate::address::postgres_url;
use crate::{OpenError, StoreAddress};

/// The schema of the control plane's own tables; the data server's are in `portcullis`.
const SCHEMA: &str = "portcullis_control_plane";

/// The record of the steps that the schema has taken.
const RECORD: &str = "migrations";

/// The steps from an empty schema to today's layout.
const MIGRATIONS: [Step; 13] = [
    Step {
        number: 1,
        title: "initial",
        sql: include_str!("../../postgres-migrations/0001_initial.sql"),
    },
    Step {
        number: 2,
        title: "idempotency",
        sql: include_str!("../../postgres-migrations/0002_idempotency.sql"),
    },
    Step {
        number: 3,
        title: "layout",
        sql: include_str!("../../postgres-migrations/0003_layout.sql"),
    },
    Step {
        number: 4,
        title: "reviews and filters",
        sql: include_str!("../../postgres-migrations/0004_reviews_and_filters.sql"),
    },
    Step {
        number: 5,
        title: "modules",
        sql: include_str!("../../postgres-migrations/0005_modules.sql"),
    },
    Step {
        number: 6,
        title: "version key",
        sql: include_str!("../../postgres-migrations/0006_version_key.sql"),
    },
    Step {
        number: 7,
        title: "accepted revisions",
        sql: include_str!("../../postgres-migrations/0007_accepted_revisions.sql"),
    },
    Step {
        number: 8,
        title: "usual counts",
        sql: include_str!("../../postgres-migrations/0008_usual_counts.sql"),
    },
    Step {
        number: 9,
        title: "generations of rollouts",
        sql: include_str!("../../postgres-migrations/0009_generations_of_rollouts.sql"),
    },
    Step {
        number: 10,
        title: "statuses of answers",
        sql: include_str!("../../postgres-migrations/0010_statuses_of_answers.sql"),
    },
    Step {
        number: 11,
        title: "promoted waves",
        sql: include_str!("../../postgres-migrations/0011_promoted_waves.sql"),
    },
    Step {
        number: 12,
        title: "rejections run on",
        sql: include_str!("../../postgres-migrations/0012_rejections_run_on.sql"),
    },
    Step {
        number: 14,
        title: "sizes of lists",
        sql: include_str!("../../postgres-migrations/0014_sizes_of_lists.sql"),
    },
];

/// As many as a SQLite store has: one process writes one thing at a time.
const CONNECTIONS: u32 = 4;

/// How long a request waits for a PostgreSQL that does not answer before its author is told so. A
/// fail-over that takes longer is no blink any more.
const PATIENCE: Duration = Duration::from_secs(4);

/// Milliseconds after which PostgreSQL takes the lock back from a process that it no longer hears
/// in the middle of a write. All statements of a write follow each other at once.
const IDLE_IN_TRANSACTION: &str = "10000";

/// The channel on which a write is announced.
const CHANNEL: &str = "portcullis_control_plane";

/// How long to wait before a listener is connected anew. What is missed meanwhile is found by
/// looking.
const BEFORE_RECONNECT: Duration = Duration::from_secs(1);

pub(super) async fn open(url: &str) -> Result<PgPool, OpenError> {
    let options = options(url)?;
    let store = StoreAddress::Postgres(url.to_owned()).to_string();
    let unreachable = |source| OpenError::Unreachable {
        store: store.clone(),
        source,
    };
    // A pool would wait for a server that is not there, and forget why.
    let connection = patience::answer(sqlx::PgConnection::connect_with(&options));
    let connection = connection.await.map_err(unreachable)?;
    patience::answer(connection.close())
        .await
        .map_err(unreachable)?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        // Where nobody answers it gives up its place to another connection.
        .after_release(|connection, _| {
            Box::pin(async {
                patience::within(patience::CONNECTION, connection.ping()).await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    layout::check(
        needs(&pool).await.map_err(unreachable)?,
        &MIGRATIONS,
        &store,
    )?;
    let mut migrator = migrator_in(SCHEMA, RECORD, &MIGRATIONS);
    migrator.set_ignore_missing(true);
    run_to_end(migrator, pool.clone())
        .await
        .map_err(|source| OpenError::Layout { store, source })?;
    Ok(pool)
}

/// The least step that a program has to know to work on the store; nothing where it does not say
/// so.
async fn needs(pool: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    let is_there = "SELECT to_regclass('portcullis_control_plane.layout') IS NOT NULL";
    if !sqlx::query_scalar(is_there).fetch_one(pool).await? {
        return Ok(None);
    }
    let needs = "SELECT needs FROM portcullis_control_plane.layout";
    sqlx::query_scalar(needs).fetch_optional(pool).await
}

fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    if postgres_url(url).is_none() {
        return Err(OpenError::Address(
            "CONTROL_PLANE_STORE is neither the path of a file nor an address of the form \
             `postgres://user:password@host:port/database`"
                .to_owned(),
        ));
    }
    let options = store_pool::options("CONTROL_PLANE_STORE", url)
        .map_err(|error| OpenError::Address(error.to_string()))?;
    Ok(options
        .application_name("portcullis control plane")
        .options([
            ("search_path", SCHEMA),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
        ]))
}

/// The announcements of other processes' writes: hints, which may be lost.
#[derive(Debug, Default)]
pub(crate) struct Hints(Mutex<Option<PgListener>>);

impl Hints {
    /// The statement that announces a write when its transaction commits.
    pub(super) const ANNOUNCE: &str = "SELECT pg_notify('portcullis_control_plane', '')";

    /// Waits until a write is announced, or announcements may have been missed.
    pub(super) async fn next(&self, pool: &PgPool) {
        let mut listener = self.0.lock().await;
        if listener.is_none() {
            *listener = connect(pool).await.ok();
        }
        let heard = match &mut *listener {
            Some(listening) => listening.recv().await.is_ok(),
            None => false,
        };
        if !heard {
            *listener = None;
            tokio::time::sleep(BEFORE_RECONNECT).await;
        }
    }
}

async fn connect(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_every_file_of_the_migrations_folder() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("postgres-migrations");
        let misfits = migration_steps::misfits(&folder, &MIGRATIONS).unwrap();
        assert!(misfits.is_empty(), "{misfits:?}");
    }

    #[test]
    fn it_breaks_no_earlier_program_by_a_step_that_does_not_say_so() {
        let breaking = layout::silently_breaking(&MIGRATIONS);
        assert!(breaking.is_empty(), "{breaking:?}");
    }

    #[test]
    fn it_announces_on_the_channel_that_it_listens_on() {
        assert!(Hints::ANNOUNCE.contains(&format!("'{CHANNEL}'")));
    }
}
