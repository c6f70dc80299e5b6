//! The request path on a proxy in memory: every refusal, every way through.

mod access_notes;
mod bodies;
mod closed_methods;
mod configuration;
mod cost;
mod cuts;
mod dry_runs;
mod eras;
mod event_streams;
mod gateway;
mod header_parameters;
mod heads;
mod items;
mod limits;
mod lists;
mod look_alikes;
mod memory;
mod passed_on;
mod readable;
mod streaming;
mod tool_calls;
mod work;
