//! Settings as operators write them: in the environment, by flags, and wrongly.

use std::process::{Command, Output};

use serde_json::json;

use crate::client::Client;
use crate::database::Database;
use crate::observability::Program;

/// The end of a program that does not start with these variables and flags.
fn ended(variables: &[(&str, &str)], flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcp-server"))
        .env_clear()
        // Whatever starts after all listens and connects nowhere that matters.
        .env("MCP_SERVER_PORT", "0")
        .env("POSTGRES_PORT", "1")
        .env("SPARK_REMOTE", "sc://127.0.0.1:1")
        .env("SPARK_MASTER_REST", "http://127.0.0.1:1")
        .env("SPARK_MASTER_UI", "http://127.0.0.1:1")
        .envs(variables.iter().copied())
        .args(flags)
        .output()
        .expect("the program was built")
}

#[track_caller]
fn check_said(output: &Output, said: &[&str], unsaid: &[&str]) {
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    for words in said {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    for words in unsaid {
        assert!(!text.contains(words), "`{words}` in {text}");
    }
}

#[test]
fn it_names_the_variable_that_is_wrong_and_not_the_flag_that_nobody_wrote() {
    for (variable, value, words) in [
        ("LOG_LEVEL", "loud", "[possible values: error, warn"),
        ("MCP_SERVER_HOST", "no host", "localhost"),
        ("MCP_SERVER_ADDRESS", "8000", "127.0.0.1:8000"),
        ("SPARK_ALLOW_WRITES", "perhaps", "value"),
        ("POSTGRES_PORT", "many", "invalid digit"),
        ("MCP_TASKS", "2", "value"),
        ("POSTGRES_MAX_COST", "-1", "a number above 0"),
        ("POSTGRES_CALLER_ROLES", "alice", "caller=role"),
        ("MCP_NODE", "a b", "letters, digits"),
    ] {
        let ended = ended(&[(variable, value)], &[]);
        check_said(
            &ended,
            &[&format!("variable {variable}"), words],
            &["for '--", "argument '--"],
        );
    }
    let both = [
        ("POSTGRES_CONNECTIONS", "3"),
        ("POSTGRES_POOL_MAX_SIZE", "4"),
    ];
    let names = [
        "variable POSTGRES_CONNECTIONS",
        "variable POSTGRES_POOL_MAX_SIZE",
    ];
    check_said(&ended(&both, &[]), &names, &["for '--", "argument '--"]);
}

#[test]
fn it_names_the_flag_that_somebody_wrote() {
    let flag = ["--log-level=loud"];
    check_said(&ended(&[], &flag), &["'--log-level"], &["LOG_LEVEL'"]);
    let variable = [("POSTGRES_CONNECTIONS", "3")];
    let mixed = ended(&variable, &["--postgres-pool-max-size=4"]);
    check_said(
        &mixed,
        &["variable POSTGRES_CONNECTIONS", "'--postgres-pool-max-size"],
        &[],
    );
}

#[test]
fn it_tells_at_its_start_of_a_folder_or_file_that_is_not_there() {
    for (variable, words) in [
        ("MCP_PIPELINE_FILES", "make it, or name another one"),
        ("MCP_AUDIT_LOG", "make its folder, or name another file"),
        ("MCP_TOOLS_FILE", "/nowhere/at/all"),
        ("POSTGRES_DATABASES_FILE", "/nowhere/at/all"),
        ("POSTGRES_SSLROOTCERT", "/nowhere/at/all"),
        ("SPARK_CONNECT_TOKEN_FILE", "/nowhere/at/all"),
    ] {
        let ended = ended(&[(variable, "/nowhere/at/all")], &[]);
        check_said(&ended, &[variable, words], &[]);
    }
}

#[tokio::test]
async fn it_takes_yes_and_no_in_every_usual_spelling_and_the_name_of_this_machine() {
    let database = Database::with("").await;
    for (yes, no) in [("1", "0"), ("yes", "no"), ("True", "FALSE"), ("on", "off")] {
        let settings = [
            ("MCP_SERVER_ADDRESS", "localhost:0"),
            ("SPARK_ALLOW_WRITES", yes),
            ("POSTGRES_ALLOW_TRIGGERS", no),
            ("MCP_BLOCK_TRANSPORT", no),
            ("MCP_TASKS", no),
            ("MCP_TOOLS", "all"),
        ];
        let mut program = Program::on(&database, &settings);
        let address = program.address("listening").await;
        let client = Client::modern(&address);
        let listed = client.request("tools/list", json!({})).await;
        let listed = listed.result().to_string();
        assert!(!listed.contains(r#""name":"read_result_block""#), "{no}");
        assert!(listed.contains("creates, writes or drops"), "{yes}");
    }
}
