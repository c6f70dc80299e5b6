//! The control plane: REST, catalogue client, rollout

fn main() {}
