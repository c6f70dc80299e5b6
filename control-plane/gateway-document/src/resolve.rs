//! Document and catalogue to what the filter of one listener is given.

use std::collections::BTreeMap;

use policy_engine::SchemaCache;
use policy_engine::wire::FilterConfig;

use crate::catalogue::Catalogue;
use crate::check::CheckedDocument;
use crate::document::Listener;
use crate::problem::Problem;

mod config;
mod origin;
mod withheld;

use origin::{Origin, Origins};
use withheld::Withheld;
pub use withheld::WithheldTool;

/// The configuration of one listener's filter.
#[derive(Debug)]
pub struct Resolved {
    /// The wire form, as the filter is given it.
    pub config: FilterConfig,
    /// The engine's own reading of it.
    pub policy: policy_engine::Policy,
    /// The tools that a server lists and that cannot be called all the same, or not everywhere.
    pub withheld: Vec<WithheldTool>,
}

/// Resolves what a document says about one of its listeners.
///
/// Only tools of the catalogue are listed in the result, so the engine refuses every other. A tool
/// that the engine cannot check is withheld: left out, so that it is refused and never passed
/// unchecked; the rest goes on. Of two tools of one name the one that was listed first keeps it
/// where all servers appear as one.
///
/// `schemas` compiles no schema a second time that a policy made with it still uses.
///
/// # Errors
/// Everything that the engine refuses and the document is to blame for, by paths of the document.
pub fn resolve(
    document: &CheckedDocument,
    listener: &Listener,
    catalogue: &Catalogue,
    schemas: &mut SchemaCache,
) -> Result<Resolved, Vec<Problem>> {
    let mut withheld = Withheld::default();
    let tools = withheld.admit(document, listener, catalogue);
    let newcomers = withheld.settle_names(document, listener, catalogue);
    let mut config = config::config(document, listener, &tools, newcomers);
    let origins = Origins::of(document, listener);
    loop {
        let errors = match policy_engine::compile(&config, schemas) {
            Ok(policy) => {
                return Ok(Resolved {
                    config,
                    policy,
                    withheld: withheld.into_sorted(),
                });
            }
            Err(errors) => errors,
        };
        let before = config_tools(&config);
        let mut problems = Vec::new();
        let mut bad_schemas = BTreeMap::new();
        for error in errors {
            match origins.origin(&error.path) {
                Origin::Document(path) => problems.push(Problem {
                    path,
                    reason: error.reason,
                }),
                Origin::CatalogueSchema { hash, rest } => {
                    bad_schemas.entry(hash.to_owned()).or_insert_with(|| {
                        format!("its input schema at `{rest}`: {}", error.reason)
                    });
                }
                Origin::CatalogueTool { server, tool } => {
                    withheld.withhold(&mut config, &server, &tool, &error.reason);
                }
            }
        }
        withheld.withhold_schemas(&mut config, &bad_schemas);
        // The catalogue's faults are withheld; those that are left when nothing more can be
        // withheld are the document's.
        if config_tools(&config) == before {
            return Err(problems);
        }
    }
}

/// How many tools the filter is to know.
fn config_tools(config: &FilterConfig) -> usize {
    config
        .servers
        .values()
        .map(|server| server.tools.len())
        .sum()
}
