//! The data server over HTTP, on a real PostgreSQL that these tests start and stop.

mod attacks;
mod bounds;
mod cancelling;
mod catalogue_fuzz;
mod client;
mod database;
mod databases;
mod deadline;
mod encryption;
mod health;
mod hygiene;
mod legitimate;
mod limits;
mod parameters;
mod pipeline_refusals;
mod pipelines;
mod plans;
mod protocol;
mod read_only;
mod schemas;
mod server;
mod sessions;
mod tables;
mod values;
