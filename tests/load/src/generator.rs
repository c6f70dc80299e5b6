//! The generator: one burst of requests over keep-alive connections.
//!
//! Several bodies make a mixture: each connection sends them in turn, and begins with another one.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::{Buf, Bytes, BytesMut};
use clap::Args;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::answer::Expectation;
use crate::latency::percentile;
use crate::{cpu_time, memory, message};

/// The request to send, where to send it, and the answer that must come back.
#[derive(Args)]
pub struct Options {
    /// Loopback port of the proxy
    #[arg(long)]
    port: u16,
    /// File with the request line and the headers, without `content-length`; `{connection}` in it
    /// becomes the connection's number in 32 hexadecimal digits
    #[arg(long)]
    head: PathBuf,
    /// File with the body; several are sent in turn
    #[arg(long, required = true)]
    body: Vec<PathBuf>,
    /// Requests to measure, over all connections
    #[arg(long)]
    requests: u32,
    /// Requests on each connection before the measured ones
    #[arg(long, default_value_t = 20)]
    warm_up: u32,
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Requests a second over all connections; as fast as answers come if absent
    #[arg(long)]
    rate: Option<f64>,
    /// Process whose CPU time to measure
    #[arg(long)]
    watch: u32,
    /// Thread of that process whose CPU time is reported apart, by name
    #[arg(long, default_value = "wrk:worker_0")]
    watch_thread: String,
    /// The status that every answer must have
    #[arg(long, default_value_t = 200)]
    expect_status: u16,
    /// Text that every answer's body must hold; one for all, or one for each body
    #[arg(long, default_value = "\"result\"")]
    expect_body: Vec<String>,
}

/// The cost of one burst of requests.
#[derive(Serialize)]
pub struct Report {
    /// Requests that were measured.
    requests: usize,
    /// Requests in all, those before the measured ones included.
    sent: usize,
    seconds: f64,
    /// CPU time of the watched process for one request, in microseconds.
    cpu_us: f64,
    /// The same of the watched thread alone.
    worker_us: f64,
    p50_us: f64,
    p95_us: f64,
    p99_us: f64,
    /// Memory of the watched process before the first connection, and when all are open.
    resident_before: u64,
    resident_open: u64,
}

/// Sends the burst and measures it.
///
/// # Errors
/// An answer is not the expected one, a connection breaks, or a file cannot be read.
pub async fn run(options: &Options) -> Result<Report> {
    let head = read(&options.head)?;
    let mixture = mixture(options)?;
    let connections = options.connections.max(1);
    let resident_before = memory::resident(options.watch)?;
    let mut clients = Vec::new();
    for number in 0..connections {
        let requests = mixture.iter().map(|part| part.request(&head, number));
        let mut client = Client::connect(options.port, requests.collect(), number).await?;
        for _ in 0..options.warm_up {
            client.call().await?;
        }
        clients.push(client);
    }
    let resident_open = memory::resident(options.watch)?;

    let each = options.requests.div_ceil(connections);
    let cpu_before = cpu_time::of_process(options.watch, &options.watch_thread)?;
    let start = Instant::now();
    let mut bursts = JoinSet::new();
    for (index, client) in (0..connections).zip(clients) {
        let pace = options.rate.map(|rate| Pace {
            first: start + Duration::from_secs_f64(f64::from(index) / rate),
            interval: Duration::from_secs_f64(f64::from(connections) / rate),
        });
        bursts.spawn(client.burst(each, pace));
    }
    let mut latencies = Vec::new();
    while let Some(burst) = bursts.join_next().await {
        latencies.extend(burst??);
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu = cpu_time::of_process(options.watch, &options.watch_thread)?;

    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let per_call = |spent: Duration| micros(spent) / latencies.len() as f64;
    let (cpu_us, worker_us) = (
        per_call(cpu.process - cpu_before.process),
        per_call(cpu.thread - cpu_before.thread),
    );
    Ok(Report {
        requests: latencies.len(),
        sent: latencies.len() + (connections * options.warm_up) as usize,
        seconds,
        cpu_us,
        worker_us,
        p50_us: micros(percentile(&mut latencies, 50.0)),
        p95_us: micros(percentile(&mut latencies, 95.0)),
        p99_us: micros(percentile(&mut latencies, 99.0)),
        resident_before,
        resident_open,
    })
}

fn read(path: &PathBuf) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// One body of a mixture, and the answer to it.
struct Part {
    body: String,
    expectation: Expectation,
}

fn mixture(options: &Options) -> Result<Vec<Part>> {
    let expected = &options.expect_body;
    ensure!(
        [1, options.body.len()].contains(&expected.len()),
        "give one `--expect-body`, or one for each `--body`"
    );
    let parts = options.body.iter().zip(expected.iter().cycle());
    parts
        .map(|(body, expected)| {
            Ok(Part {
                body: read(body)?,
                expectation: Expectation {
                    status: options.expect_status,
                    body: expected.clone().into_bytes(),
                },
            })
        })
        .collect()
}

impl Part {
    /// The bytes of the request, as the connection with this number sends it.
    fn request(&self, head: &str, connection: u32) -> (Bytes, Expectation) {
        let head = head.replace("{connection}", &format!("{connection:032x}"));
        let mut request = head.trim_end().lines().collect::<Vec<_>>().join("\r\n");
        request += &format!("\r\ncontent-length: {}\r\n\r\n", self.body.len());
        request += &self.body;
        (request.into(), self.expectation.clone())
    }
}

/// When requests of one connection are due.
struct Pace {
    first: Instant,
    interval: Duration,
}

struct Client {
    stream: TcpStream,
    buffer: BytesMut,
    requests: Vec<(Bytes, Expectation)>,
    next: usize,
}

impl Client {
    async fn connect(port: u16, requests: Vec<(Bytes, Expectation)>, number: u32) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot connect to port {port}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(64 * 1024),
            requests,
            next: number as usize,
        })
    }

    async fn call(&mut self) -> Result<()> {
        let (request, expectation) = &self.requests[self.next % self.requests.len()];
        self.next += 1;
        self.stream.write_all(request).await?;
        let extent = message::read(&mut self.stream, &mut self.buffer)
            .await?
            .context("the proxy closed the connection")?;
        let (head, rest) = self.buffer.split_at(extent.head);
        match &rest[..extent.body] {
            body if extent.is_chunked => {
                let body = message::without_chunks(body)?;
                expectation.check(head, &body)?;
            }
            body => expectation.check(head, body)?,
        }
        self.buffer.advance(extent.head + extent.body);
        Ok(())
    }

    /// Calls `count` times. Where the answer before kept a call waiting, its latency counts from
    /// when it was due, so that a stall is charged to all whom it delayed; otherwise from when it
    /// was sent, since the timer's coarseness is our own.
    async fn burst(mut self, count: u32, pace: Option<Pace>) -> Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(count as usize);
        for number in 0..count {
            let start = match &pace {
                Some(pace) => {
                    let due = pace.first + pace.interval * number;
                    let waited = Instant::now() > due;
                    sleep_until(due).await;
                    if waited { due } else { Instant::now() }
                }
                None => Instant::now(),
            };
            self.call().await?;
            latencies.push(start.elapsed());
        }
        Ok(latencies)
    }
}
