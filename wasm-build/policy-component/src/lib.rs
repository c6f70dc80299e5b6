//! The policy engine as a WebAssembly component: the world `policy-engine` of `wit/policy.wit`,
//! carried out by `policy-text`. It imports nothing: time and randomness come in as arguments.

#![expect(
    unsafe_code,
    reason = "what `wit-bindgen` writes reads the caller's memory"
)]

use std::cell::RefCell;

use policy_text::TextPolicy;

/// The traits that the world asks for, as `wit-bindgen` writes them.
mod world {
    wit_bindgen::generate!({ world: "policy-engine", path: "wit" });
}

use world::exports::portcullis::policy::engine;

struct Component;

impl engine::Guest for Component {
    type Counts = Counts;
    type Policy = Policy;

    fn compile(configuration: Vec<u8>) -> Result<engine::Policy, Vec<engine::Fault>> {
        let policy = TextPolicy::compile(&configuration).map_err(faults)?;
        Ok(engine::Policy::new(Policy(policy)))
    }
}

struct Policy(TextPolicy);

impl engine::GuestPolicy for Policy {
    fn decide(
        &self,
        call: String,
        counts: engine::CountsBorrow<'_>,
        now: u64,
    ) -> Result<String, Vec<engine::Fault>> {
        let Counts(counts) = counts.get();
        let decision = self.0.decide(&call, &mut counts.borrow_mut(), now);
        decision.map_err(faults)
    }

    fn explain(&self, endpoint: String, tool: String) -> Result<String, Vec<engine::Fault>> {
        self.0.explain(&endpoint, &tool).map_err(faults)
    }
}

struct Counts(RefCell<policy_text::Counts>);

impl engine::GuestCounts for Counts {
    fn new(low: u64, high: u64) -> Self {
        let key = u128::from(high) << 64 | u128::from(low);
        Self(RefCell::new(policy_text::Counts::new(key)))
    }
}

fn faults(faults: Vec<policy_text::Fault>) -> Vec<engine::Fault> {
    let fault = |fault: policy_text::Fault| engine::Fault {
        path: fault.path,
        reason: fault.reason,
    };
    faults.into_iter().map(fault).collect()
}

world::export!(Component with_types_in world);
