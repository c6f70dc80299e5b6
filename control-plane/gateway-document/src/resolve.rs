//! Document and catalogue to what the filter of one listener is given.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy_engine::CompileError;
use policy_engine::wire::FilterConfig;
use shown_text::cut;

use crate::catalogue::Catalogue;
use crate::check::CheckedDocument;
use crate::known_schemas::KnownSchemas;
use crate::problem::Problem;
use crate::shares::ListenerShare;

mod config;
mod origin;
mod withheld;

use config::Lists;
use origin::{Origin, Origins};
pub use withheld::WithheldTool;
use withheld::{MOST_OF_A_PLACE, Withheld};

/// The configuration of one listener's filter.
#[derive(Debug)]
pub struct Resolved {
    /// The wire form, as the filter is given it.
    pub config: FilterConfig,
    /// The engine's own reading of it.
    pub policy: Arc<policy_engine::Policy>,
    /// The tools that a server lists and that cannot be called all the same, or not everywhere.
    pub withheld: Vec<WithheldTool>,
}

/// Resolves what a document says about one of its listeners, which has this share of it.
///
/// Only tools of the catalogue are listed in the result, so the engine refuses every other. A tool
/// that the engine cannot check is withheld: left out, so that it is refused and never passed
/// unchecked; the rest goes on. Of two tools of one name the one that was listed first keeps it
/// where all servers appear as one.
///
/// No schema is compiled a second time that is still in use, by a policy or a catalogue, and was
/// compiled with the same `schemas`.
///
/// # Errors
/// Everything that the engine refuses and the document is to blame for, by paths of the document.
pub fn resolve(
    document: &CheckedDocument,
    share: &ListenerShare<'_>,
    catalogue: &Catalogue,
    schemas: &KnownSchemas,
) -> Result<Resolved, Vec<Problem>> {
    let listener = share.listener;
    let mut withheld = Withheld::default();
    let mut lists = Lists::new();
    for (server, _) in document.servers_of(listener) {
        if let Some(catalogue) = catalogue.get(server) {
            withheld.admit(server, catalogue);
            lists.insert(server, Arc::clone(catalogue.list(schemas)));
        }
    }
    let newcomers = withheld.settle_names(document, listener, catalogue);
    let mut config = config::config(document, share, &lists, newcomers);
    let mut before = None;
    loop {
        let policy = schemas.look_up(|known| policy_engine::compile(&config, known));
        let policy = policy.map_err(|errors| {
            let origins = Origins::of(share);
            let of_document = errors.into_iter().map(|error| Problem {
                path: origins.place(&error.path),
                reason: error.reason,
            });
            of_document.collect::<Vec<_>>()
        })?;
        // Until here it kept what it had compiled of the document.
        drop(before.take());
        // Here the schemas are compiled.
        let flawed = policy.flawed_tools();
        if flawed.is_empty() {
            return Ok(Resolved {
                config,
                policy: Arc::new(policy),
                withheld: withheld.into_sorted(),
            });
        }
        let origins = Origins::of(share);
        let mut problems: Vec<Problem> = Vec::new();
        let mut told = BTreeSet::new();
        let mut has_withheld = false;
        for tool in flawed {
            for CompileError { path, reason } in tool.errors {
                match origins.origin(&path) {
                    Origin::Document(path) => {
                        if told.insert((path.clone(), reason.clone())) {
                            problems.push(Problem { path, reason });
                        }
                    }
                    Origin::CatalogueSchema { rest } => {
                        let place = match rest {
                            "" => String::new(),
                            rest => format!(" at `{}`", cut(rest, MOST_OF_A_PLACE)),
                        };
                        let reason = format!("its input schema{place}: {reason}");
                        withheld.withhold(&mut config, &tool.server, &tool.tool, &reason);
                        has_withheld = true;
                    }
                }
            }
        }
        // The catalogue's faults are withheld; those that are left when nothing more can be
        // withheld are the document's.
        if !has_withheld {
            return Err(problems);
        }
        before = Some(policy);
    }
}
