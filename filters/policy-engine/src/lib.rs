//! The policy engine: wire configuration to compiled policy to decisions
