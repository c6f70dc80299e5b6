//! The upstream: reads a request to its end and answers it with a prepared body.

use std::path::PathBuf;

use anyhow::{Context, Result};
use bytes::{Buf, Bytes, BytesMut};
use clap::Args;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::message;

/// How the upstream answers.
#[derive(Args)]
pub struct Options {
    /// Loopback port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// File with the JSON body of every answer
    #[arg(long)]
    answer: PathBuf,
}

/// Serves until the process is stopped; prints the port as a line of JSON first.
///
/// # Errors
/// The port cannot be bound, or the answer cannot be read.
pub async fn run(options: &Options) -> Result<()> {
    let body = std::fs::read(&options.answer)
        .with_context(|| format!("cannot read `{}`", options.answer.display()))?;
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend(body);
    let answer = Bytes::from(answer);
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    println!(
        "{}",
        serde_json::json!({"port": listener.local_addr()?.port()})
    );
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &answer).await {
                eprintln!("connection dropped: {error:#}");
            }
        });
    }
}

async fn serve(mut stream: TcpStream, answer: &[u8]) -> Result<()> {
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    while let Some(extent) = message::read(&mut stream, &mut buffer).await? {
        buffer.advance(extent.head + extent.body);
        stream.write_all(answer).await?;
    }
    Ok(())
}
