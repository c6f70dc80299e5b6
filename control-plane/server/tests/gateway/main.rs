//! A whole control plane in this process: its store on disk, its REST interface and discovery
//! service on ports of their own, servers and an Envoy that are simulated.

mod audit;
mod captured_log;
mod catalogue;
mod changes;
mod described;
mod documents;
mod events;
mod fake_envoy;
mod fake_server;
mod fates_of_changes;
mod fuzzed;
mod guard;
mod harness;
mod idle_rules;
mod keys;
mod name_clash;
mod numbers;
mod random;
mod reach;
mod rejected_inputs;
mod resources;
mod restarts;
mod revisions;
mod rollouts;
mod steered_rollouts;
mod stricter_policies;
mod tools;
mod waiting_changes;
mod waves;
