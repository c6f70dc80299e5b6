//! Document and catalogue to what the filter of one listener is given.

use policy_engine::SchemaCache;
use policy_engine::wire::FilterConfig;

use crate::catalogue::Catalogue;
use crate::check::CheckedDocument;
use crate::document::Listener;
use crate::problem::Problem;

mod config;
mod held;
mod origin;

pub use config::{MCP_PATH, endpoint_paths};
use held::Holds;
pub use held::{HeldTool, HoldCause};
use origin::{Origin, Origins};

/// What a configuration is made from, for those who read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The generation's hash, in hex.
    pub generation: String,
    /// The number of the operator's revision.
    pub revision: u64,
}

/// What the filter of one listener is given.
#[derive(Debug)]
pub struct Resolved {
    /// The wire form.
    pub config: FilterConfig,
    /// The engine's own reading of it.
    pub policy: policy_engine::Policy,
    /// Tools that a server lists and that are refused all the same, with the reason.
    pub held: Vec<HeldTool>,
}

/// Resolves what a document says about one of its listeners.
///
/// Only tools of the catalogue are listed in the result, so the engine refuses every other. A tool that the engine
/// cannot check is held: left out, so that it is refused and never passed unchecked; the rest goes on.
///
/// # Errors
/// Everything that the engine refuses and the document is to blame for, by paths of the document.
pub fn resolve(
    document: &CheckedDocument,
    listener: &Listener,
    catalogue: &Catalogue,
    identity: &Identity,
) -> Result<Resolved, Vec<Problem>> {
    let mut holds = Holds::default();
    let tools = holds.admit(document, listener, catalogue);
    let mut config = config::config(document, listener, identity, &tools);
    let origins = Origins::of(document, listener);
    loop {
        let errors = match policy_engine::compile(&config, &mut SchemaCache::default()) {
            Ok(policy) => {
                let held = holds.into_sorted();
                return Ok(Resolved {
                    config,
                    policy,
                    held,
                });
            }
            Err(errors) => errors,
        };
        let before = holds.len();
        let mut problems = Vec::new();
        for error in errors {
            match origins.origin(&error.path) {
                Origin::Document(path) => problems.push(Problem {
                    path,
                    reason: error.reason,
                }),
                Origin::CatalogueSchema { hash, rest } => {
                    holds.hold_schema(
                        &mut config,
                        hash,
                        &format!("its input schema at `{rest}`: {}", error.reason),
                    );
                }
                Origin::CatalogueTool { server, tool } => {
                    holds.hold(&mut config, &server, &tool, &error.reason);
                }
            }
        }
        // The catalogue's faults are held; what is left when nothing more can be held, is the document's.
        if holds.len() == before {
            return Err(problems);
        }
    }
}
