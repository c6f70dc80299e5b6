//! Several databases by name, and the login that may write.

use clap::Parser as _;
use mcp_server::call::Claimant;
use mcp_server::config::Config;
use mcp_server::postgres::{DatabaseCaller, Databases, Error};
use serde_json::json;

use crate::database::{Database, PASSWORD, run};
use crate::server::Server;

/// A caller of whom nothing is known.
const ANYBODY: DatabaseCaller<'static> = DatabaseCaller {
    name: None,
    claimant: &Claimant::Unknown,
};

/// A server on `first` that also knows `second` as `sales`.
async fn server_on_both(first: &Database, second: &Database) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, password) = (folder.path().join("d.yaml"), folder.path().join("password"));
    std::fs::write(&password, PASSWORD).expect("written");
    let entry = json!({"databases": {"sales": {
        "host": "127.0.0.1", "port": second.port, "user": "postgres",
        "password": {"file": password}, "database": second.name,
        "allow_superuser": "postgres", "max_rows": 2,
    }}});
    std::fs::write(&file, entry.to_string()).expect("written");
    let flag = format!("--postgres-databases-file={}", file.display());
    (Server::on(first, &[&flag]).await, folder)
}

#[tokio::test]
async fn it_asks_the_database_that_the_caller_names() {
    let first = Database::with("CREATE TABLE here (a int)").await;
    let second = Database::with("CREATE TABLE there (b int); INSERT INTO there VALUES (7)").await;
    let (server, _folder) = server_on_both(&first, &second).await;
    let client = server.client();
    for (database, table) in [
        (json!(null), "here"),
        (json!("default"), "here"),
        (json!("sales"), "there"),
    ] {
        let listed = client
            .call("list_tables", json!({"database": database}))
            .await;
        assert_eq!(listed.structured()["tables"][0]["name"], json!(table));
        let arguments = json!({"database": database, "table": table});
        let described = client.call("get_table_schema", arguments).await;
        assert_eq!(described.structured()["table"], json!(table));
    }
    let arguments = json!({"database": "sales", "sql": "SELECT b FROM there"});
    let answer = client.call("execute_query", arguments).await;
    assert_eq!(answer.structured()["rows"], json!([[7]]));
    let arguments = json!({"database": "sales", "sql": "SELECT generate_series(1, 3)",
        "use_block_transport": false});
    let answer = client.call("execute_query", arguments).await;
    assert_eq!(answer.structured()["truncated_by"], json!("rows"));
    let arguments = json!({"database": "nowhere", "sql": "SELECT 1"});
    let answer = client.call("execute_query", arguments).await;
    assert_eq!(answer.failure().0, "not_found");
    assert!(
        answer.result()["structuredContent"]["error"]["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("default, sales")),
        "{answer:?}"
    );
    let discovered = client.request("server/discover", json!({})).await;
    let instructions = discovered.result()["instructions"].to_string();
    assert!(
        instructions.contains("Databases: default, sales."),
        "{instructions}"
    );
}

#[tokio::test]
async fn it_tells_the_health_of_every_database() {
    let [first, second] = [Database::with("").await, Database::with("").await];
    let (server, _folder) = server_on_both(&first, &second).await;
    let (_, report) = server.health().await;
    for name in ["postgres", "postgres:sales"] {
        assert_eq!(report["services"][name]["status"], json!("up"), "{report}");
    }
}

#[tokio::test]
async fn it_writes_under_a_login_of_its_own_alone() {
    let database = Database::with("CREATE TABLE notes (text text)").await;
    let reader = database.ordinary_user().await;
    let writer = format!("writer_of_{}", database.name);
    let sql = format!(
        "CREATE ROLE {writer} LOGIN PASSWORD '{PASSWORD}'; \
         GRANT INSERT, SELECT ON notes TO {writer}"
    );
    run(&mut database.connection().await, &sql).await;
    let port = database.port.to_string();
    let flags = |more: &[&str]| {
        let own = [
            "mcp-server",
            "--postgres-port",
            &port,
            "--postgres-user",
            reader,
            "--postgres-password",
            PASSWORD,
            "--postgres-db",
            &database.name,
        ];
        let config = Config::parse_from([&own[..], more].concat());
        Databases::new(&config.postgres).expect("good settings")
    };
    let without = flags(&[]);
    let refused = without.get(None, ANYBODY).expect("the first").write().await;
    assert!(matches!(refused, Err(Error::ReadOnly { .. })));

    let login = ["--postgres-write-user", &writer];
    let databases = flags(&[&login[..], &["--postgres-write-password", PASSWORD]].concat());
    let notes = databases.get(None, ANYBODY).expect("the first");
    assert!(notes.check_writable().is_ok());
    const INSERT: &str = "INSERT INTO public.notes VALUES ($1) RETURNING text";
    let mut kept = notes.write().await.expect("a session");
    let rows = kept.rows(INSERT, &[Some("kept")]).await.expect("it may");
    assert_eq!(rows[0].get("text"), Some("kept"));
    kept.commit().await.expect("committed");
    let mut left = notes.write().await.expect("a session");
    left.rows(INSERT, &[Some("rolled back")])
        .await
        .expect("it may");
    left.roll_back().await;
    let mut failed = notes.write().await.expect("a session");
    let rolled_back = failed.rows(INSERT, &[Some("rolled back")]).await;
    rolled_back.expect("it may");
    failed.run("SELECT 1 / 0").await.expect_err("it fails");
    let told = failed.commit().await;
    assert!(matches!(told, Err(Error::RolledBack)), "{told:?}");
    let mut dropped = notes.write().await.expect("a session");
    dropped
        .rows(INSERT, &[Some("dropped")])
        .await
        .expect("it may");
    drop(dropped);
    let mut other = notes.read().await.expect("a session");
    let refused = other.rows(INSERT, &[Some("by the reader")]).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("read-only")));
    other.end().await;
    database
        .wait_for_count("SELECT count(*) FROM notes", 1)
        .await;
}
