//! The attacks of all tables as the SQL of tools that an operator declared while the database was
//! away, so that nothing has judged them before they are called.

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::attacks::{ATTACKS, VICTIM};
use crate::change_attacks::{CHANGE_ATTACKS, TABLES};
use crate::changes::all_rows;
use crate::database::{Database, PASSWORD, run};
use crate::read_only::check_unchanged;
use crate::server::Server;

/// A port that leads nowhere until it is opened.
struct Door(TcpSocket);

impl Door {
    fn shut() -> (Self, u16) {
        let socket = TcpSocket::new_v4().expect("a socket");
        let any = "127.0.0.1:0".parse().expect("an address");
        socket.bind(any).expect("a free port");
        let port = socket.local_addr().expect("bound").port();
        (Self(socket), port)
    }

    /// Lets every connection through to `port`.
    fn open(self, port: u16) {
        let outside: TcpListener = self.0.listen(64).expect("it is bound");
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = outside.accept().await {
                tokio::spawn(async move {
                    let mut inside = TcpStream::connect(("127.0.0.1", port)).await?;
                    tokio::io::copy_bidirectional(&mut caller, &mut inside).await
                });
            }
        });
    }
}

/// Each attack as a tool, those on changes as tools that write.
fn declared() -> Vec<Value> {
    let reads = ATTACKS.iter().map(|sql| (sql, false));
    let changes = CHANGE_ATTACKS.iter().map(|sql| (sql, true));
    let is_text = |(sql, _): &(&&str, bool)| !sql.trim().is_empty() && !sql.contains('\0');
    let attacks = reads.chain(changes).filter(is_text).enumerate();
    attacks
        .map(|(at, (sql, writes))| {
            json!({"name": format!("attack_{at}"), "title": "Attack", "description": "An attack",
                "sql": sql, "writes": writes})
        })
        .collect()
}

async fn check_declared(user: &str) {
    let database = Database::with(VICTIM).await;
    run(&mut database.connection().await, TABLES).await;
    database.ordinary_user().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tools.yaml");
    let tools = declared();
    std::fs::write(&file, json!({"tools": tools}).to_string()).expect("written");
    let (door, port) = Door::shut();
    let behind_door = Database {
        port,
        name: database.name.clone(),
    };
    let mut flags = vec![
        format!("--tools-file={}", file.display()),
        format!("--postgres-write-user={user}"),
        format!("--postgres-write-password={PASSWORD}"),
        "--postgres-statement-timeout-ms=500".to_owned(),
        "--postgres-allow-superuser=postgres".to_owned(),
    ];
    if user == "postgres" {
        flags.push("--postgres-role=postgres".to_owned());
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Server::as_user(&behind_door, user, &flags).await;
    let client = server.client();
    let away = client.call("attack_0", json!({})).await;
    assert_eq!(away.failure().0, "unavailable", "{away:?}");
    let before = all_rows(&database).await;
    door.open(database.port);
    let mut let_through = Vec::new();
    for tool in &tools {
        let name = tool["name"].as_str().expect("a name");
        let answer = client.call(name, json!({})).await;
        let is_away = || answer.failure().0 == "unavailable";
        if answer.result()["isError"] == json!(false) || is_away() {
            let_through.push(format!("{}: {answer:?}", tool["sql"]));
        }
    }
    check_unchanged(&before, &all_rows(&database).await);
    assert!(let_through.is_empty(), "{let_through:#?}");
    drop(server);
    assert_eq!(database.calls_of_functions().await, Vec::<String>::new());
}

#[tokio::test]
async fn it_runs_no_declared_attack_as_a_superuser() {
    check_declared("postgres").await;
}

#[tokio::test]
async fn it_runs_no_declared_attack_as_an_ordinary_role() {
    check_declared("ordinary").await;
}
