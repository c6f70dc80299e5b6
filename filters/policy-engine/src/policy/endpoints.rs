//! The endpoints of a policy, and the tools that each of them offers.

use std::collections::BTreeSet;

use crate::ids::ToolId;
use crate::target::TargetId;
use crate::tools::Tools;
use crate::wire::Exchange;

/// One path and the names of the tools there.
#[derive(Debug)]
pub(crate) struct EndpointPolicy {
    pub(crate) path: Vec<u8>,
    pub(crate) exchange: Exchange,
    pub(crate) forward: TargetId,
    pub(crate) tools: EndpointTools,
}

/// The names that clients see at an endpoint, and the tools behind them.
#[derive(Debug)]
pub(crate) enum EndpointTools {
    /// Every name begins with the server's prefix, and its list knows the rest.
    OfOne {
        /// The place of the server among all.
        server: usize,
        /// The tools, by the server's own names, that this endpoint does not offer.
        withheld: BTreeSet<String>,
    },
    /// The names, in the order of their bytes.
    OfSeveral(Vec<(Vec<u8>, ToolId)>),
}

impl EndpointTools {
    pub(super) fn find(&self, name: &[u8], all: &Tools) -> Option<ToolId> {
        match self {
            Self::OfOne { server, withheld } => {
                let server = all.servers().get(*server)?;
                let own = name.strip_prefix(server.prefix.as_bytes())?;
                let place = server.list.position(own)?;
                let tool = &*server.list.tools().get(place)?.name;
                let offers = server.offers(tool) && !withheld.contains(tool);
                offers.then(|| server.id(place))
            }
            Self::OfSeveral(tools) => {
                let by_name = |(known, _): &(Vec<u8>, ToolId)| known.as_slice().cmp(name);
                let place = tools.binary_search_by(by_name).ok()?;
                tools.get(place).map(|(_, tool)| *tool)
            }
        }
    }
}
