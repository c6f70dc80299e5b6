//! The data server: Spark and PostgreSQL as MCP tools

fn main() {}
