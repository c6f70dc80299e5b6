//! Places for a store: a file, and a database on the tests' PostgreSQL.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection as _};
use store::{SqlStore, StoreAddress};
use tempfile::TempDir;

use crate::database::{Database, PASSWORD};

/// A place that no other test has.
pub enum Place {
    /// A file that is not there yet, in a folder that is deleted when this is dropped.
    File { _folder: TempDir, file: PathBuf },
    /// A database with nothing in it yet.
    Postgres(Database),
}

/// Runs each of these cases, functions of a [`Place`], on a file and on a PostgreSQL.
macro_rules! on_each_database {
    ($($case:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::places::Place::file()).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::places::Place::postgres().await).await;
            })+
        }
    };
}

impl Place {
    pub fn file() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("state").join("control-plane.db");
        Self::File {
            _folder: folder,
            file,
        }
    }

    pub async fn postgres() -> Self {
        Self::Postgres(Database::with("").await)
    }

    pub fn address(&self) -> StoreAddress {
        match self {
            Self::File { file, .. } => StoreAddress::File(file.clone()),
            Self::Postgres(_) => StoreAddress::Postgres(self.url()),
        }
    }

    /// The address of a PostgreSQL.
    pub fn url(&self) -> String {
        let Self::Postgres(Database { port, name }) = self else {
            unreachable!("it is a file");
        };
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/{name}")
    }

    pub async fn open(&self) -> SqlStore {
        SqlStore::open(self.address())
            .await
            .expect("the store opens")
    }

    /// Runs a statement past the store, and tells how many rows it wrote.
    pub async fn execute(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::File { file, .. } => {
                let mut file = open_file(file).await;
                let done = sqlx::query(sql).execute(&mut file).await?;
                Ok(done.rows_affected())
            }
            Self::Postgres(database) => {
                let mut connection = connection(database).await;
                let done = sqlx::query(sql).execute(&mut connection).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// The numbers in the one column that a query past the store finds.
    pub async fn numbers(&self, sql: &str) -> Vec<i64> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::File { file, .. } => {
                let mut file = open_file(file).await;
                sqlx::query_scalar(sql).fetch_all(&mut file).await
            }
            Self::Postgres(database) => {
                let mut connection = connection(database).await;
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
        }
        .expect("numbers")
    }
}

async fn open_file(file: &PathBuf) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    sqlx::SqliteConnection::connect_with(&options)
        .await
        .expect("opened")
}

async fn connection(database: &Database) -> sqlx::PgConnection {
    let mut connection = database.connection().await;
    crate::database::run(
        &mut connection,
        "SET search_path = portcullis_control_plane",
    )
    .await;
    connection
}
