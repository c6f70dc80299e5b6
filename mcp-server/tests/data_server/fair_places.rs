//! No caller keeps another from PostgreSQL, however many slow calls it sends, nor from hearing of
//! changes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::cancelling::{ENDLESS, sleeping};
use crate::changes::writing_server;
use crate::client::{Answer, Client, Events};
use crate::database::{Database, run};
use crate::server::Server;

const NAMED: &str = "--principal-header=x-caller";

/// As many connections for queries as there are for changes.
const FOUR: &str = "--postgres-connections=4";

/// Calls of one tool: those that do not end by themselves, and one that does.
struct Calls {
    tool: &'static str,
    /// The purpose of the pool in which they wait.
    pool: &'static str,
    slow: &'static str,
    quick: &'static str,
}

const KINDS: [Calls; 2] = [
    Calls {
        tool: "execute_query",
        pool: "queries",
        slow: ENDLESS,
        quick: "SELECT 1",
    },
    Calls {
        tool: "execute_dml",
        pool: "writing",
        slow: "INSERT INTO things SELECT 1 FROM pg_sleep(600)",
        quick: "INSERT INTO things VALUES (2)",
    },
];

async fn serve(flags: &[&str]) -> (Database, Server) {
    let database = Database::with("CREATE TABLE things (id int)").await;
    let server = writing_server(&database, &[&[FOUR], flags].concat()).await;
    (database, server)
}

fn begin(client: &Client, tool: &'static str, sql: &'static str) -> JoinHandle<Answer> {
    let client = client.clone();
    tokio::spawn(async move { client.call(tool, json!({"sql": sql})).await })
}

/// Begins so many calls that do not end by themselves.
fn flood(client: &Client, calls: &Calls, count: usize) -> Vec<JoinHandle<Answer>> {
    let slow = (0..count).map(|_| begin(client, calls.tool, calls.slow));
    slow.collect()
}

/// Waits until so many calls wait for a connection of this pool.
async fn waiting(client: &Client, pool: &str, expected: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let uri = json!({"uri": "metrics://system"});
        let read = client.request("resources/read", uri).await;
        let text = read.result()["contents"][0]["text"].as_str();
        let metrics: Value = serde_json::from_str(text.expect("a text")).expect("JSON");
        let pools = metrics["postgres_pools"]["default"].as_array();
        let mut pools = pools.expect("pools").iter();
        let pool = pools.find(|one| one["purpose"] == json!(pool));
        let waiting = pool.expect("the pool")["waiting"].as_u64();
        if waiting == Some(expected) {
            return;
        }
        assert!(Instant::now() < deadline, "{waiting:?}, not {expected}");
    }
}

fn ended(calls: &[JoinHandle<Answer>]) -> usize {
    calls.iter().filter(|call| call.is_finished()).count()
}

#[tokio::test]
async fn it_answers_a_caller_while_all_calls_of_another_are_slow_where_callers_have_names() {
    for calls in KINDS {
        let (database, server) = serve(&[NAMED]).await;
        let ada = server.client().as_caller("ada");
        let flood = flood(&ada, &calls, 6);
        sleeping(&database, 3).await;
        waiting(&ada, calls.pool, 3).await;
        let bob = server.client().as_caller("bob");
        let answer = begin(&bob, calls.tool, calls.quick).await;
        answer.expect("it ends").structured();
        assert_eq!(ended(&flood), 0, "{}", calls.tool);
        // Whoever comes without a name is another caller, too.
        let answer = begin(&server.client(), calls.tool, calls.quick).await;
        answer.expect("it ends").structured();
        sleeping(&database, 3).await;
        waiting(&ada, calls.pool, 3).await;
        for call in flood {
            call.abort();
        }
        sleeping(&database, 0).await;
    }
}

#[tokio::test]
async fn it_answers_a_caller_when_one_slow_call_of_another_has_ended_where_nobody_has_a_name() {
    for calls in KINDS {
        let (database, server) = serve(&[]).await;
        let client = server.client();
        let [ada, bob] = [1, 2].map(|host| client.connecting_from([127, 0, 0, host]));
        let flood = flood(&ada, &calls, 6);
        // Where only she comes, no connection lies idle.
        sleeping(&database, 4).await;
        waiting(&ada, calls.pool, 2).await;
        let answer = begin(&bob, calls.tool, calls.quick);
        waiting(&ada, calls.pool, 3).await;
        let cancel_one = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                          WHERE datname = current_database() AND wait_event = 'PgSleep' LIMIT 1";
        run(&mut database.connection().await, cancel_one).await;
        answer.await.expect("it ends").structured();
        assert!(ended(&flood) <= 1, "{}", calls.tool);
        // The connection that he has left is hers again.
        sleeping(&database, 4).await;
        waiting(&ada, calls.pool, 1).await;
        for call in flood {
            call.abort();
        }
        sleeping(&database, 0).await;
    }
}

#[tokio::test]
async fn it_gives_the_place_of_a_waiting_call_on_when_its_client_goes_away() {
    let [calls, _] = KINDS;
    let (database, server) = serve(&[NAMED]).await;
    let clients = ["ada", "bob", "eve"].map(|name| server.client().as_caller(name));
    let [ada, bob, eve] = &clients;
    let mut slow = flood(ada, &calls, 3);
    sleeping(&database, 3).await;
    slow.extend(flood(bob, &calls, 1));
    sleeping(&database, 4).await;
    let gone = begin(eve, calls.tool, calls.quick);
    waiting(ada, calls.pool, 1).await;
    gone.abort();
    waiting(ada, calls.pool, 0).await;
    for call in slow {
        call.abort();
    }
    sleeping(&database, 0).await;
    let answer = begin(eve, calls.tool, calls.quick).await;
    answer.expect("it ends").structured();
}

#[tokio::test]
async fn it_lets_no_caller_listen_so_often_that_others_hear_of_no_change() {
    let server = Server::on(&Database::with("").await, &[NAMED]).await;
    let wanted = json!({"notifications": {"resourcesListChanged": true}});
    let listen = async |caller: &'static str| {
        let client = server.client().as_caller(caller);
        let sent = client.send("subscriptions/listen", wanted.clone(), &[]);
        Events::of(sent.await)
    };
    let mut open = Vec::new();
    for caller in ["ada"; 24].into_iter().chain(["bob"; 12]) {
        let mut events = listen(caller).await;
        let first = events.next().await;
        let begun = json!("notifications/subscriptions/acknowledged");
        assert_eq!(first["method"], begun, "{first}");
        open.push(events);
    }
    for caller in ["ada", "bob"] {
        let mut refused = listen(caller).await;
        let refusal = loop {
            let message = refused.next().await;
            if let Some(error) = message.get("error") {
                break error["message"].to_string();
            }
        };
        let share = "this caller has its share";
        assert!(refusal.contains(share), "{refusal}");
    }
}
