//! Where a message goes that may pass, as changes to its headers.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use policy_engine::wire::CLUSTER_HEADER;
use policy_engine::{Address, Plan};

use crate::effects::{Effect, Effects, HeaderValue};
use crate::head::{Changes, EXPECTED_TIMEOUT, TIMEOUT};

/// Sends a request to the address of its plan. Changing a header makes Envoy choose the route
/// again.
pub(super) fn pass_to(address: &Address<'_>, plan: &Plan, changes: Changes, effects: &mut Effects) {
    route(address, plan, changes, effects);
    effects.push(Effect::Passed {
        item: plan.item().cloned(),
        rule: plan.trace().allow,
    });
}

/// Changes the headers so that the request goes to the address of its plan. Whoever has none lets
/// nothing pass: the caller's own headers would choose the route.
pub(super) fn route(address: &Address<'_>, plan: &Plan, changes: Changes, effects: &mut Effects) {
    let set = |name, value| Effect::SetHeader { name, value };
    let remove = changes.remove.into_iter().map(Cow::Owned);
    effects.extend(remove.map(Effect::RemoveHeader));
    if address.credentials.stay_home() {
        let credentials = changes.credentials.iter();
        let credentials = credentials.map(|name| Cow::Borrowed(name.as_bytes()));
        effects.extend(credentials.map(Effect::RemoveHeader));
    }
    effects.push(set(CLUSTER_HEADER, HeaderValue::Cluster(address.target)));
    if address
        .path
        .is_some_and(|path| path.as_bytes() != &*changes.path)
    {
        effects.push(set(":path", HeaderValue::Path(address.target)));
    }
    if let Some(timeout) = plan.timeout() {
        for name in [TIMEOUT, EXPECTED_TIMEOUT] {
            effects.push(set(name, HeaderValue::Milliseconds(timeout)));
        }
    }
}
