//! MCP messages read from chunks of bytes, in both protocol eras
