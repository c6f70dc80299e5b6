//! Control planes as processes on one PostgreSQL: one leads, the others stand by.

mod cut_off;
#[path = "../../../../mcp-server/tests/data_server/database.rs"]
#[allow(dead_code)]
mod database;
mod envoy;
mod faults;
mod replica;
mod standing_by;
mod store_gone;
#[path = "../../../store/tests/store/way.rs"]
#[allow(dead_code)]
mod way;
