//! Which results are given in blocks, and what they may take of the disk.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

/// Which results are given in blocks, and what they may take of the disk.
#[derive(Debug, Clone, Args)]
pub struct BlockConfig {
    /// Whether results that outgrow an answer are kept on this server's disk and read in blocks;
    /// without it they are cut at the limits on rows and bytes
    #[arg(
        long = "block-transport",
        env = "MCP_BLOCK_TRANSPORT",
        default_value_t = true,
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new()
    )]
    pub enabled: bool,

    /// Bytes of rows up to which an answer holds the whole result
    #[arg(
        long = "block-threshold-bytes",
        env = "MCP_BLOCK_THRESHOLD_BYTES",
        default_value_t = 10 << 20
    )]
    pub threshold_bytes: u64,

    /// The same of answers that travel as server-sent events or on standard output, of which some
    /// clients take no more than 1 MiB
    #[arg(
        long = "block-threshold-event-bytes",
        env = "MCP_BLOCK_THRESHOLD_EVENT_BYTES",
        default_value_t = 900 << 10
    )]
    pub threshold_event_bytes: u64,

    /// The most bytes of a block; escaped as JSON it still fits the 1 MiB that some clients take
    #[arg(
        long = "block-bytes",
        env = "MCP_BLOCK_BYTES",
        default_value_t = 256 << 10,
        value_parser = clap::value_parser!(u32).range(1024..=256 << 10)
    )]
    pub block_bytes: u32,

    /// Bytes that results may take of the disk together; one may take half of it
    #[arg(
        long = "result-quota-bytes",
        env = "MCP_RESULT_QUOTA_BYTES",
        default_value_t = 4 << 30
    )]
    pub quota_bytes: u64,

    /// Seconds for which a result is kept
    #[arg(
        long = "result-expiry-s",
        env = "MCP_RESULT_EXPIRY_S",
        default_value_t = 900,
        value_parser = clap::value_parser!(u64).range(1..=604_800)
    )]
    pub expiry_s: u64,

    /// Name of this server in the URIs of its results, by which a gateway can tell several servers
    /// apart [default: a random one that lasts as long as PORTCULLIS_DATA]
    #[arg(long = "node", env = "MCP_NODE", value_parser = read_node)]
    pub node: Option<String>,
}

impl BlockConfig {
    /// How long a result is kept.
    pub fn expiry(&self) -> Duration {
        Duration::from_secs(self.expiry_s)
    }
}

/// A name that stands in a URI as it is.
fn read_node(text: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    match !text.is_empty() && text.len() <= 63 && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("write up to 63 letters, digits and hyphens".to_owned()),
    }
}
