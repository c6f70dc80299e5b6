//! Load for benchmarks: a generator of keep-alive HTTP/1.1 requests without pipelining, and an
//! upstream that costs next to nothing.
//!
//! Both run on one thread each, so that a benchmark can pin them away from the proxy that it
//! measures. The generator sends one prepared request over and over, either as fast as answers come
//! (closed loop) or at a fixed rate, where a request's latency counts from the moment at which it
//! was due. It reads the proxy's CPU time right before and after the measured burst, and it fails
//! on the first answer that is not the expected one: it never measures errors.
//!
//! It knows nothing of MCP: the request's headers and body come from its caller, `tests/bench`.
//!
//! ```text
//! load upstream --answer answer.json                       # prints {"port":…}
//! load generate --port 10000 --head head.txt --body call.json --requests 5000 --watch 4242
//! ```

mod answer;
mod cpu_time;
mod generator;
mod latency;
mod memory;
mod message;
mod upstream;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send one request over and over and print what it cost, as JSON
    Generate(generator::Options),
    /// Answer every request with the same body
    Upstream(upstream::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Generate(options) => {
            let report = generator::run(&options).await?;
            println!("{}", serde_json::to_string(&report)?);
            Ok(())
        }
        Command::Upstream(options) => upstream::run(&options).await,
    }
}
