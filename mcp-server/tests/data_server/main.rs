//! The data server over HTTP, on a real PostgreSQL that these tests start and stop.

mod attacks;
mod cancelling;
mod client;
mod database;
mod deadline;
mod health;
mod legitimate;
mod limits;
mod parameters;
mod protocol;
mod read_only;
mod schemas;
mod server;
mod sessions;
mod tables;
mod values;
