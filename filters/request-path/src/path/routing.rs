//! Where a message goes that may pass, as changes to its headers.

use std::borrow::Cow;

use policy_engine::wire::CLUSTER_HEADER;
use policy_engine::{EndpointId, Plan};

use crate::effects::{Effect, Effects, HeaderValue};
use crate::head::{Changes, EXPECTED_TIMEOUT, TIMEOUT};
use crate::settings::Settings;

/// Sends a request where its plan says. Changing a header makes Envoy choose the route again.
pub(super) fn pass_to(
    settings: &Settings,
    endpoint: EndpointId,
    plan: &Plan,
    changes: Changes,
    effects: &mut Effects,
) {
    route(settings, endpoint, plan, changes, effects);
    effects.push(Effect::Passed {
        tool: plan.tool(),
        rule: plan.trace().allow,
    });
}

/// Changes the headers so that the request goes where a plan says.
pub(super) fn route(
    settings: &Settings,
    endpoint: EndpointId,
    plan: &Plan,
    changes: Changes,
    effects: &mut Effects,
) {
    let Some(address) = settings.policy.address(endpoint, plan) else {
        return;
    };
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
