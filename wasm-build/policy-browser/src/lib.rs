//! The policy engine for browsers, carried out by `policy-text`. Calls and decisions are objects in
//! JavaScript; they cross the border as JSON.

use js_sys::{Error, JSON};
use policy_text::{Fault, TextPolicy};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** One thing that is wrong: with a configuration or a call, of which an error's `cause` has all. */
export interface Fault {
    /** Its place, as a JSON Pointer (RFC 6901); empty for the whole. */
    path: string;
    /** What is wrong, and how to mend it. */
    reason: string;
}

/** One thing that is wrong with arguments. */
export interface Violation {
    /** The place in the arguments, as a JSON Pointer (RFC 6901). */
    pointer: string;
    /** What should be there, as a noun phrase. */
    expected: string;
    /** What is there, where it is short enough to repeat. */
    found?: string;
}
"#;

/// How far limits are used. They outlive a policy: give the same ones to the next.
#[wasm_bindgen]
pub struct Counts(policy_text::Counts);

#[wasm_bindgen]
impl Counts {
    /// Nothing is used yet. The two numbers are random, so that nobody can aim at the place of
    /// another caller.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(low: u64, high: u64) -> Self {
        let key = u128::from(high) << 64 | u128::from(low);
        Self(policy_text::Counts::new(key))
    }
}

/// A compiled policy, which decides and explains.
#[wasm_bindgen]
pub struct Policy(TextPolicy);

#[wasm_bindgen]
impl Policy {
    /// Decides about one call. `now` is the time of day in nanoseconds since the Unix epoch.
    ///
    /// # Errors
    /// Throws an `Error` where the call cannot be read; its `cause` is `Fault[]`.
    pub fn decide(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Call")] call: &JsValue,
        counts: &mut Counts,
        now: u64,
    ) -> Result<DecisionObject, JsValue> {
        let call = JSON::stringify(call)?;
        let call = call.as_string().unwrap_or_default();
        let decision = self.0.decide(&call, &mut counts.0, now);
        Ok(JSON::parse(&decision.map_err(|faults| error(&faults))?)?.unchecked_into())
    }

    /// The policy in force for a tool, by its name at an endpoint, with the rule behind each field.
    ///
    /// # Errors
    /// Throws an `Error` where there is no such tool; its `cause` is `Fault[]`.
    #[wasm_bindgen(unchecked_return_type = "Record<string, unknown>")]
    pub fn explain(&self, endpoint: &str, tool: &str) -> Result<JsValue, JsValue> {
        let explanation = self.0.explain(endpoint, tool);
        JSON::parse(&explanation.map_err(|faults| error(&faults))?)
    }
}

#[wasm_bindgen]
extern "C" {
    /// A decision as an object of JavaScript.
    #[wasm_bindgen(typescript_type = "Decision")]
    pub type DecisionObject;
}

/// Compiles the configuration of a filter: JSON in UTF-8, alone or with lists of tools, as the
/// control plane sends it.
///
/// # Errors
/// Throws an `Error` whose `cause` is `Fault[]`: everything that is wrong with it.
#[wasm_bindgen]
pub fn compile(configuration: &[u8]) -> Result<Policy, JsValue> {
    match TextPolicy::compile(configuration) {
        Ok(policy) => Ok(Policy(policy)),
        Err(faults) => Err(error(&faults)),
    }
}

fn error(faults: &[Fault]) -> JsValue {
    let message: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let error = Error::new(&message.join("; "));
    let text = serde_json::to_string(faults).unwrap_or_default();
    if let Ok(cause) = JSON::parse(&text) {
        error.set_cause(&cause);
    }
    error.into()
}
