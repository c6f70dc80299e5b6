//! A large result by blocks beside the same result in one answer, from the same server, in turns.
//!
//! `cargo bench -p mcp-server --bench large_results -- --megabytes 256 --rounds 3`. Both readers
//! parse every row; the one of blocks checks every digest, and begins with the first blocks while
//! the last are written. It asserts no time; it fails where a row is missing.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use local_postgres::TestCluster;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const PASSWORD: &str = "a-password-of-the-benchmark";

/// The blocks that are read at once: as many as a client with a few threads would.
const AT_ONCE: usize = 4;

/// About the bytes of one row, in lines of JSON.
const ROW_BYTES: usize = 92;

/// The most bytes that the server's memory may grow by for a result by blocks, whatever its size.
const MOST_GROWTH: usize = 64 << 20;

struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// A server with the limits that it has by itself, and those of `limits`.
    async fn start(data: &Path, limits: &[&str]) -> anyhow::Result<Self> {
        let port = TestCluster::of_this_run(PASSWORD).port();
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(env!("CARGO_BIN_EXE_mcp-server"))
            .arg(format!("--address={free}"))
            .arg(format!("--postgres-port={port}"))
            .args([
                "--postgres-host=127.0.0.1",
                "--postgres-allow-superuser=postgres",
            ])
            .args(["--spark-remote=sc://127.0.0.1:1"])
            .args(["--spark-master-rest=http://127.0.0.1:1"])
            .args(["--spark-master-ui=http://127.0.0.1:1"])
            .args(["--postgres-statement-timeout-ms=3600000"])
            .args(limits)
            .args(["--result-quota-bytes=20000000000", "--result-expiry-s=5"])
            .arg("--data")
            .arg(data)
            .env("POSTGRES_PASSWORD", PASSWORD)
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self {
            child,
            url: format!("http://{free}/mcp"),
        };
        let begun = Instant::now();
        while server.ask("ping", &json!({})).send().await.is_err() {
            anyhow::ensure!(begun.elapsed().as_secs() < 60, "the server does not start");
            tokio::task::yield_now().await;
        }
        Ok(server)
    }

    /// The most memory that the server has had, in bytes.
    fn peak_of_memory(&self) -> anyhow::Result<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
        Ok(kilobytes.ok_or_else(|| anyhow::anyhow!("the kernel does not tell"))? << 10)
    }

    fn ask(&self, method: &str, params: &Value) -> reqwest::RequestBuilder {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        reqwest::Client::new()
            .post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .body(message.to_string())
    }
}

#[derive(Deserialize)]
struct Message<T> {
    result: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Called<'a> {
    #[serde(borrow)]
    structured_content: Structured<'a>,
}

#[derive(Deserialize)]
struct Structured<'a> {
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
    result: Option<Handle>,
}

#[derive(Deserialize)]
struct Handle {
    uri: String,
    blocks: usize,
}

#[derive(Deserialize)]
struct Read {
    contents: Vec<Contents>,
}

#[derive(Deserialize)]
struct Contents {
    text: String,
    #[serde(rename = "_meta")]
    meta: Value,
}

fn query(rows: usize) -> String {
    format!(
        "SELECT n, md5(n::text) AS a, md5((n * 7)::text) AS b, n * 1.5 AS c \
         FROM generate_series(1, {rows}) AS n"
    )
}

async fn in_one_answer(server: &Server, rows: usize) -> anyhow::Result<usize> {
    let arguments = json!({"sql": query(rows), "use_block_transport": false});
    let call = json!({"name": "execute_query", "arguments": arguments});
    let answer = server
        .ask("tools/call", &call)
        .send()
        .await?
        .bytes()
        .await?;
    let answer: Message<Called<'_>> = serde_json::from_slice(&answer)?;
    Ok(answer.result.structured_content.rows.len())
}

async fn read_block(server: Arc<Server>, uri: String) -> anyhow::Result<usize> {
    let read = server.ask("resources/read", &json!({"uri": uri}));
    let read = read.send().await?.bytes().await?;
    let read: Message<Read> = serde_json::from_slice(&read)?;
    let mut rows = 0;
    for contents in &read.result.contents {
        let sha256 = hex::encode(Sha256::digest(&contents.text));
        anyhow::ensure!(contents.meta["portcullis/sha256"] == json!(sha256), "{uri}");
        for line in contents.text.lines() {
            serde_json::from_str::<&RawValue>(line)?;
            rows += 1;
        }
    }
    Ok(rows)
}

/// The blocks that are being read.
struct Reading {
    server: Arc<Server>,
    places: Arc<Semaphore>,
    tasks: JoinSet<anyhow::Result<usize>>,
    begun: usize,
}

impl Reading {
    /// Begins to read the blocks up to this number that are not being read.
    fn go_on(&mut self, uri: &str, blocks: usize) {
        for block in self.begun..blocks {
            let (server, places) = (Arc::clone(&self.server), Arc::clone(&self.places));
            let uri = format!("{uri}?block={block}");
            self.tasks.spawn(async move {
                let _place = places.acquire().await?;
                read_block(server, uri).await
            });
        }
        self.begun = self.begun.max(blocks);
    }
}

async fn by_blocks(server: &Arc<Server>, rows: usize) -> anyhow::Result<usize> {
    let call = json!({"name": "execute_query", "arguments": {"sql": query(rows)},
        "_meta": {"progressToken": 1}});
    let mut stream = server.ask("tools/call", &call).send().await?.bytes_stream();
    let mut reading = Reading {
        server: Arc::clone(server),
        places: Arc::new(Semaphore::new(AT_ONCE)),
        tasks: JoinSet::new(),
        begun: 0,
    };
    let mut begun = Vec::new();
    while let Some(part) = stream.next().await {
        begun.extend_from_slice(&part?);
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = begun.drain(..=end).collect();
            let line = String::from_utf8(line)?;
            let Some(event) = line.strip_prefix("data:").map(str::trim) else {
                continue;
            };
            if event.contains("blocks_available: ") {
                let event: Value = serde_json::from_str(event)?;
                let words = event["params"]["message"].as_str().unwrap_or_default();
                let words: Vec<&str> = words.split([' ', ',']).collect();
                if let [_, blocks, _, uri, ..] = words[..] {
                    reading.go_on(uri, blocks.parse()?);
                }
            } else if event.contains("structuredContent") {
                let answer: Message<Called<'_>> = serde_json::from_str(event)?;
                let handle = answer.result.structured_content.result;
                let handle = handle.ok_or_else(|| anyhow::anyhow!("no handle: {event}"))?;
                reading.go_on(&handle.uri, handle.blocks);
            }
        }
    }
    let mut read = 0;
    while let Some(block) = reading.tasks.join_next().await {
        read += block??;
    }
    Ok(read)
}

fn option(name: &str, default: usize) -> usize {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == name);
    let given = given.and_then(|at| arguments.get(at + 1)?.parse().ok());
    given.unwrap_or(default)
}

/// Prints how much memory a server with its own limits takes more for results by blocks.
///
/// # Errors
/// Also where that is more than [`MOST_GROWTH`].
async fn memory_by_blocks(data: &Path, megabytes: usize, rows: usize) -> anyhow::Result<()> {
    let server = Server::start(data, &[]).await?;
    let before = server.peak_of_memory()?;
    for (what, sql) in [
        ("the result", query(rows)),
        (
            "one cell of half of it",
            format!("SELECT repeat('x', {})", megabytes << 19),
        ),
    ] {
        let call = json!({"name": "execute_query", "arguments": {"sql": sql}});
        let answer = server
            .ask("tools/call", &call)
            .send()
            .await?
            .bytes()
            .await?;
        let answer: Message<Called<'_>> = serde_json::from_slice(&answer)?;
        let handle = answer.result.structured_content.result;
        anyhow::ensure!(handle.is_some(), "no handle to {what}");
        let grown = server.peak_of_memory()? - before;
        println!(
            "the server's memory after {what} by blocks: {} MiB more at most",
            grown >> 20
        );
        anyhow::ensure!(grown <= MOST_GROWTH, "{grown} bytes more for {what}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (megabytes, rounds) = (option("--megabytes", 256), option("--rounds", 3));
    let rows = (megabytes << 20) / ROW_BYTES;
    let data = tempfile::tempdir()?;
    println!("{rows} rows, about {megabytes} MiB: by blocks beside one answer");
    memory_by_blocks(&data.path().join("by-blocks"), megabytes, rows).await?;
    let limits = [
        "--postgres-max-rows=1000000000",
        "--postgres-max-bytes=4000000000",
    ];
    let server = Arc::new(Server::start(&data.path().join("one-answer"), &limits).await?);
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let mut seconds = [0.0; 2];
        for turn in 0..2 {
            let way = (round + turn) % 2;
            let begun = Instant::now();
            let read = match way {
                0 => in_one_answer(&server, rows).await?,
                _ => by_blocks(&server, rows).await?,
            };
            anyhow::ensure!(read == rows, "{read} rows, not {rows}");
            seconds[way] = begun.elapsed().as_secs_f64();
        }
        let [whole, blocks] = seconds;
        println!(
            "one answer {whole:.2} s, by blocks {blocks:.2} s: {:.2} : 1",
            blocks / whole
        );
        ratios.push(blocks / whole);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "by blocks : one answer = {:.2} : 1 in time",
        ratios[ratios.len() / 2]
    );
    Ok(())
}
