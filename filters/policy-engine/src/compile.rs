//! From the wire form to the compiled policy, reporting everything that is wrong at once.

mod endpoints;
mod rules;
mod servers;

use crate::authority::{AllowedHosts, AllowedOrigins};
use crate::compile_error::{CompileError, CompileErrors};
use crate::policy::{BodyLimits, Policy};
use crate::schema;
use crate::schema_cache::SchemaCache;
use crate::tool_list::ListedSchema;
use crate::tools::Tools;
use crate::wire::{self, FilterConfig};

/// Compiles a configuration. The tools that it writes out are merged with the rules, and their
/// schemas compiled, at once; those of lists that travel beside it when they are first asked for.
///
/// # Errors
/// Everything that is wrong with it, each with the JSON Pointer of the place.
pub fn compile(config: &FilterConfig, known: &mut SchemaCache) -> Result<Policy, CompileErrors> {
    let mut errors = Errors::default();
    if !(wire::OLDEST_VERSION..=wire::VERSION).contains(&config.version) {
        errors.add(
            "/version",
            format!(
                "version {} is not one that this module reads; it reads {} to {}",
                config.version,
                wire::OLDEST_VERSION,
                wire::VERSION
            ),
        );
    }
    let limits = body_limits(config, &mut errors);
    let rules = rules::check(config, known, &mut errors);
    let servers = servers::check(config, known, &mut errors);
    let targets = servers::targets(config, &rules);
    let tools = Tools::new(rules, config.defaults, targets, servers);
    errors.0.extend(tools.check_written_out());
    let endpoints = endpoints::compile(config, &tools, &mut errors);
    CompileErrors::check(errors.0)?;
    known.forget_unused();
    Ok(Policy {
        limits,
        access: config.defaults.access,
        hosts: AllowedHosts::new(&config.allowed_hosts),
        origins: AllowedOrigins::new(&config.allowed_origins),
        endpoints,
        tools,
    })
}

fn body_limits(config: &FilterConfig, errors: &mut Errors) -> BodyLimits {
    // Offsets into a body have 32 bits.
    let max_body_bytes = match u32::try_from(config.max_body_bytes) {
        Ok(bytes) if bytes > 0 => bytes,
        _ => {
            errors.add("/max_body_bytes", "must be between 1 and 4294967295");
            0
        }
    };
    if !(1..=schema::MAX_DEPTH).contains(&config.max_depth) {
        errors.add(
            "/max_depth",
            format!("must be between 1 and {}", schema::MAX_DEPTH),
        );
    }
    BodyLimits {
        max_body_bytes: max_body_bytes as usize,
        max_depth: config.max_depth,
    }
}

/// The schema that a configuration itself holds under a name.
fn written_out(config: &FilterConfig, hash: &str, known: &mut SchemaCache) -> ListedSchema {
    let text = config.schemas.get(hash);
    ListedSchema {
        hash: hash.into(),
        schema: text.map(|text| known.schema(text.get())),
    }
}

/// All faults that were found in a configuration so far.
#[derive(Default)]
struct Errors(Vec<CompileError>);

impl Errors {
    fn add(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        let error = CompileError {
            path: path.into(),
            reason: reason.into(),
        };
        if !self.0.contains(&error) {
            self.0.push(error);
        }
    }
}
