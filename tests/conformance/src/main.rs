//! The data server with other things on offer: the tools, resources and prompts that MCP's
//! conformance suites ask for by name. Everything between them and the wire is the product's.

mod prompts;
mod questions;
mod resources;
mod samples;
mod tools;

use clap::Parser as _;
use mcp_server::config::Config;
use mcp_server::mcp::Catalogue;
use mcp_server::transport::http;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let listener = TcpListener::bind(config.listen_address()).await?;
    let catalogue = Catalogue {
        tools: tools::all(),
        resources: resources::all(),
        prompts: prompts::all(),
    };
    http::serve_catalogue(listener, &config, catalogue, CancellationToken::new()).await
}
