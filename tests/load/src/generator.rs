//! The generator: one burst of requests over keep-alive connections.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::{Buf, Bytes, BytesMut};
use clap::Args;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::answer::Expectation;
use crate::latency::percentile;
use crate::{cpu_time, message};

/// The request to send, where to send it, and the answer that must come back.
#[derive(Args)]
pub struct Options {
    /// Loopback port of the proxy
    #[arg(long)]
    port: u16,
    /// File with the request line and the headers, without `content-length`
    #[arg(long)]
    head: PathBuf,
    /// File with the body
    #[arg(long)]
    body: PathBuf,
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
    /// Text that every answer's body must hold
    #[arg(long, default_value = "\"result\"")]
    expect_body: String,
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
    p99_us: f64,
}

/// Sends the burst and measures it.
///
/// # Errors
/// An answer is not the expected one, a connection breaks, or a file cannot be read.
pub async fn run(options: &Options) -> Result<Report> {
    let request = request(options)?;
    let expectation = Expectation {
        status: options.expect_status,
        body: options.expect_body.clone().into_bytes(),
    };
    let connections = options.connections.max(1);
    let mut clients = Vec::new();
    for _ in 0..connections {
        let mut client =
            Client::connect(options.port, request.clone(), expectation.clone()).await?;
        for _ in 0..options.warm_up {
            client.call().await?;
        }
        clients.push(client);
    }

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
        p99_us: micros(percentile(&mut latencies, 99.0)),
    })
}

/// The bytes of the request.
fn request(options: &Options) -> Result<Bytes> {
    let read = |path: &PathBuf| {
        fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
    };
    let head = String::from_utf8(read(&options.head)?)?;
    let body = read(&options.body)?;
    let mut request = head
        .trim_end()
        .lines()
        .collect::<Vec<_>>()
        .join("\r\n")
        .into_bytes();
    request.extend(format!("\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes());
    request.extend(body);
    Ok(request.into())
}

/// When requests of one connection are due.
struct Pace {
    first: Instant,
    interval: Duration,
}

struct Client {
    stream: TcpStream,
    buffer: BytesMut,
    request: Bytes,
    expectation: Expectation,
}

impl Client {
    async fn connect(port: u16, request: Bytes, expectation: Expectation) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot connect to port {port}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(64 * 1024),
            request,
            expectation,
        })
    }

    async fn call(&mut self) -> Result<()> {
        self.stream.write_all(&self.request).await?;
        let extent = message::read(&mut self.stream, &mut self.buffer)
            .await?
            .context("the proxy closed the connection")?;
        let (head, rest) = self.buffer.split_at(extent.head);
        self.expectation.check(head, &rest[..extent.body])?;
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
