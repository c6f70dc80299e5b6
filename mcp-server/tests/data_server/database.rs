//! A PostgreSQL of our own: one for each run of the tests, one database for each test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use local_postgres::TestCluster;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

/// The password of the databases of these tests, which no answer may ever contain.
pub const PASSWORD: &str = "a-password-of-the-tests";

const READY_WITHIN: Duration = Duration::from_secs(60);

/// A database of one test.
pub struct Database {
    pub port: u16,
    pub name: String,
}

impl Database {
    /// A new database, made ready by `sql`.
    pub async fn with(sql: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let port = TestCluster::of_this_run(PASSWORD).port();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let mut postgres = connect(port, "postgres").await;
        run(&mut postgres, &format!("CREATE DATABASE {name}")).await;
        let database = Self { port, name };
        run(&mut database.connection().await, sql).await;
        database
    }

    /// How often functions in a procedural language have run here, once all others have hung up.
    pub async fn calls_of_functions(&self) -> Vec<String> {
        let others = "SELECT count(*) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        self.wait_for_count(others, 0).await;
        let mut connection = self.connection().await;
        sqlx::query_scalar("SELECT format('%s %s', funcname, calls) FROM pg_stat_user_functions")
            .fetch_all(&mut connection)
            .await
            .expect("it counts")
    }

    /// All that PostgreSQL has written into its log, whatever the database.
    pub fn log() -> String {
        TestCluster::of_this_run(PASSWORD).log()
    }

    /// The texts that a query of one column gives.
    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        let mut connection = self.connection().await;
        let read = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
        read.expect("it is read")
    }

    /// Waits until `sql`, which counts, has counted to `expected`.
    pub async fn wait_for_count(&self, sql: &'static str, expected: i64) {
        let mut connection = self.connection().await;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let found: i64 = sqlx::query_scalar(sql)
                .fetch_one(&mut connection)
                .await
                .expect("it counts");
            if found == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{found}, not {expected}: {sql}");
            tokio::task::yield_now().await;
        }
    }

    /// Waits until this is so.
    pub async fn until(&self, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + READY_WITHIN;
        while !is_so() {
            assert!(Instant::now() < deadline, "it never became so");
            tokio::task::yield_now().await;
        }
    }

    /// The name of a user without any right but to read what is everyone's.
    pub async fn ordinary_user(&self) -> &'static str {
        let mut connection = self.connection().await;
        let sql = format!(
            "DO $$ BEGIN CREATE ROLE ordinary LOGIN PASSWORD '{PASSWORD}'; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        run(&mut connection, &sql).await;
        "ordinary"
    }

    /// A connection as the superuser, past the server under test.
    pub async fn connection(&self) -> PgConnection {
        connect(self.port, &self.name).await
    }
}

/// Runs statements of the test's own.
pub async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
}

async fn connect(port: u16, database: &str) -> PgConnection {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("postgres")
        .password(PASSWORD)
        .database(database)
        .disable_statement_logging()
        .connect()
        .await
        .expect("the tests' PostgreSQL takes connections")
}
