//! A server that answers a `tools/call` with the rows of its SQL, and does nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use clap::Args;
use deadpool::managed::{self, Metrics, RecycleResult};
use serde::Deserialize;
use serde_json::{Value, json};
use time::PrimitiveDateTime;
use tokio::net::TcpListener;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, Row, Statement};

use crate::cluster::PASSWORD;

/// Where the server listens, and what it reads.
#[derive(Args)]
pub struct Options {
    /// Loopback port to listen on
    #[arg(long)]
    port: u16,
    /// Port of PostgreSQL on this machine
    #[arg(long)]
    postgres_port: u16,
    /// Connections to PostgreSQL; the data server's own default
    #[arg(long, default_value_t = 10)]
    connections: usize,
}

struct Opener {
    login: String,
}

struct Connection {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl managed::Manager for Opener {
    type Type = Connection;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> Result<Connection, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.login, NoTls).await?;
        tokio::spawn(connection);
        Ok(Connection {
            client,
            statements: HashMap::new(),
        })
    }

    async fn recycle(
        &self,
        _: &mut Connection,
        _: &Metrics,
    ) -> RecycleResult<tokio_postgres::Error> {
        Ok(())
    }
}

#[derive(Deserialize)]
struct Message {
    id: Value,
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    arguments: Arguments,
}

#[derive(Deserialize)]
struct Arguments {
    sql: String,
}

/// Serves until the process is stopped.
///
/// # Errors
/// The port cannot be bound.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let port = options.postgres_port;
    let login =
        format!("host=127.0.0.1 port={port} user=reader dbname=postgres password={PASSWORD}");
    let pool = managed::Pool::<Opener>::builder(Opener { login })
        .max_size(options.connections)
        .build()?;
    let router = Router::new()
        .route("/mcp", post(answer))
        .with_state(Arc::new(pool));
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}

async fn answer(
    State(pool): State<Arc<managed::Pool<Opener>>>,
    Json(message): Json<Message>,
) -> Response {
    match rows(&pool, &message.params.arguments.sql).await {
        Ok(rows) => {
            let result = json!({"content": [], "structuredContent": {"rows": rows}});
            Json(json!({"jsonrpc": "2.0", "id": message.id, "result": result})).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The rows of one statement. Futures of one connection that are polled together are sent in one
/// flush.
async fn rows(pool: &managed::Pool<Opener>, sql: &str) -> anyhow::Result<Vec<Value>> {
    let mut connection = pool.get().await?;
    let statement = match connection.statements.get(sql) {
        Some(statement) => statement.clone(),
        None => {
            let statement = connection.client.prepare(sql).await?;
            let kept = statement.clone();
            connection.statements.insert(sql.to_owned(), kept);
            statement
        }
    };
    let client = &connection.client;
    let (begun, rows, ended) = futures::join!(
        client.batch_execute("BEGIN READ ONLY"),
        client.query(&statement, &[]),
        client.batch_execute("ROLLBACK"),
    );
    begun?;
    ended?;
    rows?.iter().map(row).collect()
}

fn row(row: &Row) -> anyhow::Result<Value> {
    let cells = row.columns().iter().enumerate().map(|(at, column)| {
        Ok(match *column.type_() {
            Type::INT4 => json!(row.try_get::<_, Option<i32>>(at)?),
            Type::INT8 => json!(row.try_get::<_, Option<i64>>(at)?),
            Type::FLOAT8 => json!(row.try_get::<_, Option<f64>>(at)?),
            Type::BOOL => json!(row.try_get::<_, Option<bool>>(at)?),
            Type::TIMESTAMP => match row.try_get::<_, Option<PrimitiveDateTime>>(at)? {
                Some(point) => json!(format!("{}T{}", point.date(), point.time())),
                None => Value::Null,
            },
            _ => json!(row.try_get::<_, Option<&str>>(at)?),
        })
    });
    cells.collect()
}
