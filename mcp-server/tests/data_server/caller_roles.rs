//! Callers with roles of their own: each statement runs, and is judged, as the caller's.

use serde_json::{Value, json};

use crate::client::{Answer, Client, read};
use crate::database::{Database, PASSWORD, run};
use crate::server::Server;

/// The login of the server is a member of two roles, and not of the third.
const TELLERS: &str = "
DO $$ BEGIN
    CREATE ROLE teller_alice;
    CREATE ROLE teller_bob;
    CREATE ROLE teller_carol;
    CREATE ROLE teller_login LOGIN NOINHERIT PASSWORD 'a-password-of-the-tests';
    GRANT teller_alice, teller_bob TO teller_login;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
CREATE TABLE accounts (owner text, amount int);
INSERT INTO accounts VALUES ('teller_alice', 1), ('teller_bob', 2), ('teller_carol', 3);
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON accounts USING (owner = current_user) WITH CHECK (owner = current_user);
GRANT SELECT, INSERT, UPDATE, DELETE ON accounts TO teller_alice, teller_bob, teller_carol;
CREATE TABLE of_bob (a int);
GRANT SELECT ON of_bob TO teller_bob;
CREATE FUNCTION beat(text) RETURNS bool LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN true; END';
CREATE TABLE guarded (a text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY plain ON guarded TO teller_alice USING (true);
CREATE POLICY odd ON guarded TO teller_bob USING (beat(a));
GRANT SELECT ON guarded TO teller_alice, teller_bob;
";

const ROLES: &str = "--postgres-caller-roles=alice=teller_alice,bob=teller_bob,carol=teller_carol,\
                     root=postgres";

async fn tellers(flags: &[&str]) -> (Database, Server) {
    let database = Database::with(TELLERS).await;
    let own = [
        "--principal-header=x-caller",
        "--postgres-connections=1",
        "--postgres-write-user=teller_login",
        "--postgres-write-password",
        PASSWORD,
    ];
    let server = Server::as_user(&database, "teller_login", &[&own[..], flags].concat()).await;
    (database, server)
}

/// Calls a tool as a caller whom the gateway names.
async fn call(client: &Client, caller: &str, tool: &str, arguments: Value) -> Answer {
    let params = json!({"name": tool, "arguments": arguments});
    let headers = [("x-caller", caller)];
    read(client.send("tools/call", params, &headers).await).await
}

async fn query(client: &Client, caller: &str, sql: &str) -> Answer {
    call(client, caller, "execute_query", json!({"sql": sql})).await
}

#[tokio::test]
async fn it_shows_each_caller_the_rows_of_the_callers_own_role() {
    let (_database, server) = tellers(&[ROLES]).await;
    let client = server.client();
    let sql = "SELECT owner, amount, current_user::text FROM accounts";
    for _ in 0..3 {
        for (caller, role, amount) in [("alice", "teller_alice", 1), ("bob", "teller_bob", 2)] {
            let answer = query(&client, caller, sql).await;
            assert_eq!(answer.structured()["rows"], json!([[role, amount, role]]));
            let plan = call(&client, caller, "explain_query", json!({"sql": sql})).await;
            assert!(plan.structured()["cost"].is_number());
        }
    }
    let denied = query(&client, "alice", "SELECT * FROM of_bob").await;
    assert_eq!(denied.failure().0, "42501");
    query(&client, "bob", "SELECT * FROM of_bob")
        .await
        .structured();
    let uri = json!({"uri": "postgres://tables/accounts/data"});
    let shown = client
        .send("resources/read", uri, &[("x-caller", "bob")])
        .await;
    let shown = read(shown).await.body.to_string();
    assert!(
        shown.contains("teller_bob") && !shown.contains("teller_alice"),
        "{shown}"
    );
}

#[tokio::test]
async fn it_judges_a_statement_anew_for_each_role() {
    let (_database, server) = tellers(&[ROLES]).await;
    let client = server.client();
    let sql = "SELECT * FROM guarded";
    for _ in 0..2 {
        query(&client, "alice", sql).await.structured();
        let refused = query(&client, "bob", sql).await;
        let (code, message) = refused.failure();
        assert!(
            code == "42501" && message.contains("public.beat"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn it_changes_rows_as_the_callers_role() {
    let (database, server) = tellers(&[ROLES]).await;
    let client = server.client();
    let insert = |owner: &str| {
        let sql = "INSERT INTO accounts VALUES ($1, 9)";
        json!({"sql": sql, "parameters": [owner]})
    };
    let own = call(&client, "alice", "execute_dml", insert("teller_alice")).await;
    assert_eq!(own.structured()["affected_rows"], json!(1));
    let others = call(&client, "alice", "execute_dml", insert("teller_bob")).await;
    assert_eq!(others.failure().0, "42501");
    let delete = json!({"sql": "DELETE FROM accounts WHERE amount > 0"});
    let deleted = call(&client, "bob", "execute_dml", delete).await;
    assert_eq!(deleted.structured()["affected_rows"], json!(1));
    let table = json!({"table": "made", "columns": [{"name": "a", "type": "int"}]});
    let made = call(&client, "alice", "create_table", table.clone()).await;
    assert_eq!(made.failure().0, "42501", "the role may not create");
    let sql = "GRANT CREATE ON SCHEMA public TO teller_alice";
    run(&mut database.connection().await, sql).await;
    call(&client, "alice", "create_table", table)
        .await
        .structured();
    let owner = "SELECT count(*) FROM pg_class WHERE relname = 'made' \
                 AND relowner = 'teller_alice'::regrole";
    database.wait_for_count(owner, 1).await;
}

#[tokio::test]
async fn it_takes_no_role_that_is_not_the_callers() {
    let (_database, server) = tellers(&[ROLES]).await;
    let client = server.client();
    let sql = "SELECT current_user::text";
    for (caller, sentence) in [
        ("carol", "permission denied"),
        ("root", "permission denied"),
        ("eve", "the caller has no role"),
        ("teller_bob", "the caller has no role"),
    ] {
        let refused = query(&client, caller, sql).await;
        let (code, message) = refused.failure();
        assert_eq!(code, "42501", "{caller}");
        assert!(message.contains(sentence), "{caller}: {message}");
    }
    let nobody = client.query(sql, json!([])).await;
    assert_eq!(
        nobody.failure().1,
        "the caller has no role in the database `default`"
    );
    for attack in [
        "RESET ROLE",
        "SET ROLE teller_bob",
        "SELECT set_config('role', 'teller_bob', false)",
        "SELECT 1; SET ROLE teller_bob",
    ] {
        query(&client, "alice", attack).await.failure();
        let answer = query(&client, "alice", sql).await;
        assert_eq!(answer.structured()["rows"], json!([["teller_alice"]]));
    }
    for tool in ["list_tables", "execute_dml"] {
        let arguments = match tool {
            "execute_dml" => json!({"sql": "DELETE FROM accounts WHERE amount = 1"}),
            _ => json!({}),
        };
        let refused = client.call(tool, arguments).await;
        assert_eq!(refused.failure().0, "42501", "{tool}");
    }
}

#[tokio::test]
async fn it_takes_the_role_of_the_callers_own_name_or_that_of_anybody() {
    let who = "SELECT current_user::text";
    let (_database, server) = tellers(&["--postgres-caller-roles=principal"]).await;
    let client = server.client();
    let own = query(&client, "teller_bob", who).await;
    assert_eq!(own.structured()["rows"], json!([["teller_bob"]]));
    for caller in [
        "none",
        "teller_carol",
        "postgres",
        "absent\"; RESET ROLE; --",
    ] {
        let refused = query(&client, caller, who).await;
        refused.failure();
    }
    let (_database, server) = tellers(&["--postgres-caller-roles=*=teller_alice"]).await;
    let client = server.client();
    let anybody = client.query(who, json!([])).await;
    assert_eq!(anybody.structured()["rows"], json!([["teller_alice"]]));
}

#[tokio::test]
async fn it_gives_no_roles_by_a_login_that_could_take_any() {
    let database = Database::with("").await;
    let flags = ["--postgres-caller-roles=*=pg_read_all_data"];
    let server = Server::on(&database, &flags).await;
    let refused = server.client().query("SELECT 1", json!([])).await;
    let (code, message) = refused.failure();
    assert!(
        code == "42501" && message.contains("could take any role"),
        "{message}"
    );
}

/// A role of its own: what is revoked here is revoked in all databases of the run.
const LEAVERS: &str = "
DO $$ BEGIN
    CREATE ROLE leaver;
    CREATE ROLE leaver_login LOGIN NOINHERIT PASSWORD 'a-password-of-the-tests';
    GRANT leaver TO leaver_login;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
CREATE TABLE things (a int);
GRANT SELECT, INSERT ON things TO leaver;
GRANT CREATE ON SCHEMA public TO leaver;
";

#[tokio::test]
async fn it_does_nothing_more_as_a_role_that_was_revoked_though_a_session_has_it() {
    let database = Database::with(LEAVERS).await;
    let flags = [
        "--postgres-caller-roles=*=leaver",
        "--postgres-connections=1",
        "--postgres-write-user=leaver_login",
        "--postgres-write-password",
        PASSWORD,
    ];
    let server = Server::as_user(&database, "leaver_login", &flags).await;
    let client = server.client();
    let columns = json!([{"name": "a", "type": "int"}]);
    let calls = [
        ("execute_query", json!({"sql": "SELECT * FROM things"})),
        ("explain_query", json!({"sql": "SELECT * FROM things"})),
        ("list_tables", json!({})),
        (
            "execute_dml",
            json!({"sql": "INSERT INTO things VALUES (1)"}),
        ),
        (
            "create_table",
            json!({"table": "made", "columns": columns, "dry_run": true}),
        ),
    ];
    let mut administrator = database.connection().await;
    for _ in 0..2 {
        for (tool, arguments) in &calls {
            client.call(tool, arguments.clone()).await.structured();
        }
        run(&mut administrator, "REVOKE leaver FROM leaver_login").await;
        for (tool, arguments) in &calls {
            // The session that had the role ends with the first refusal, a new one has none.
            for _ in 0..2 {
                let refused = client.call(tool, arguments.clone()).await;
                let (code, message) = refused.failure();
                assert_eq!(code, "42501", "{tool}");
                assert!(message.contains("denied to set role"), "{tool}: {message}");
                let hint = &refused.result()["structuredContent"]["error"]["hint"];
                let hint = hint.as_str().expect("a hint");
                assert!(hint.contains("POSTGRES_CALLER_ROLES"), "{tool}: {hint}");
            }
        }
        run(&mut administrator, "GRANT leaver TO leaver_login").await;
    }
    let rows = "SELECT count(*) FROM things";
    database.wait_for_count(rows, 2).await;
}
