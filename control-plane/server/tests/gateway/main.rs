//! A whole control plane in this process: its store on disk, its REST interface and discovery
//! service on ports of their own, servers and an Envoy that are simulated.

mod captured_log;
mod catalogue;
mod changes;
mod documents;
mod fake_envoy;
mod fake_server;
mod fates_of_changes;
mod guard;
mod harness;
mod idle_rules;
mod name_clash;
mod random;
mod reach;
mod rejected_inputs;
mod restarts;
mod rollouts;
mod stricter_policies;
mod tools;
mod waiting_changes;
