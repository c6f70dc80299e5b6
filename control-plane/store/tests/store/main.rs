//! The store through its trait, on real files and on a real PostgreSQL.
//!
//! Invariant 8 of `docs/architecture.md`.

#[path = "../../../../mcp-server/tests/data_server/database.rs"]
#[allow(dead_code)]
mod database;
#[macro_use]
mod places;
mod answers;
mod audit_filters;
mod backups;
mod catalogues;
mod crashes;
mod file;
mod generations;
mod layouts;
mod leaders;
mod retention;
mod revisions;
mod rollouts;
mod samples;
mod unreachable;
mod upgrades;
mod version_keys;
mod way;
