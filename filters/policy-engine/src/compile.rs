//! From the wire form to the compiled policy, reporting everything that is wrong at once.

mod endpoints;
mod merge;
mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::authority::{AllowedHosts, AllowedOrigins};
use crate::compile_error::{CompileError, CompileErrors, join};
use crate::policy::{BodyLimits, Policy};
use crate::schema::{self, Schema};
use crate::target::Targets;
use crate::wire::{self, FilterConfig};

/// Compiled schemas by their text, kept for as long as any policy uses them. Their names in a
/// configuration are no key: whoever edits a schema by hand may leave its old hash in place, and
/// would be judged by the old schema.
///
/// It belongs into the VM's statics: a configuration that changes a limit then compiles no schema
/// anew, because the policy that it replaces still holds them while the new one is compiled.
#[derive(Debug, Default)]
pub struct SchemaCache(BTreeMap<Box<str>, Weak<Schema>>);

impl SchemaCache {
    /// Makes a cache that knows no schema yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// How many schemas are in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0
            .values()
            .filter(|schema| schema.strong_count() > 0)
            .count()
    }

    /// Whether no schema is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn forget_unused(&mut self) {
        self.0.retain(|_, schema| schema.strong_count() > 0);
    }
}

/// Compiles a configuration.
///
/// # Errors
/// Everything that is wrong with it, each with the JSON Pointer of the place.
pub fn compile(config: &FilterConfig, schemas: &mut SchemaCache) -> Result<Policy, CompileErrors> {
    let mut errors = Errors::default();
    if config.version != wire::VERSION {
        errors.add(
            "/version",
            format!(
                "version {} is not one that this module reads; it reads {}",
                config.version,
                wire::VERSION
            ),
        );
    }
    let limits = body_limits(config, &mut errors);
    let rules = rules::check(config, &mut errors);
    let mut library = Library {
        config,
        cache: schemas,
        known: BTreeMap::new(),
    };
    let mut targets = Targets::default();
    let (tools, ids) = merge::tools(config, &rules, &mut targets, &mut library, &mut errors);
    let endpoints = endpoints::compile(config, &ids, &mut targets, &mut errors);
    CompileErrors::check(errors.0)?;
    schemas.forget_unused();
    Ok(Policy {
        limits,
        access: config.defaults.access,
        hosts: AllowedHosts::new(&config.allowed_hosts),
        origins: AllowedOrigins::new(&config.allowed_origins),
        endpoints,
        tools,
        targets: targets.into_vec(),
        rules: config.rules.iter().map(|rule| rule.name.clone()).collect(),
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

/// The schemas of one configuration; each is compiled once, and only if something uses it.
struct Library<'a> {
    config: &'a FilterConfig,
    cache: &'a mut SchemaCache,
    /// Nothing where it does not compile, which was then reported.
    known: BTreeMap<String, Option<Arc<Schema>>>,
}

impl Library<'_> {
    /// The schema with this hash, which `path` names on behalf of `user`.
    fn get(
        &mut self,
        hash: &str,
        path: &str,
        user: &str,
        errors: &mut Errors,
    ) -> Option<Arc<Schema>> {
        if let Some(known) = self.known.get(hash) {
            return known.clone();
        }
        let Some(text) = self.config.schemas.get(hash) else {
            errors.add(
                path,
                format!("unknown schema `{hash}`; `schemas` must hold it"),
            );
            return None;
        };
        let schema = match self.cache.0.get(text.get()).and_then(Weak::upgrade) {
            Some(cached) => Some(cached),
            None => match Schema::compile(text) {
                Ok(schema) => {
                    let schema = Arc::new(schema);
                    let text = text.get().into();
                    self.cache.0.insert(text, Arc::downgrade(&schema));
                    Some(schema)
                }
                Err(wrong) => {
                    let base = join("/schemas", hash);
                    for CompileError { path, reason } in wrong {
                        errors.add(
                            format!("{base}{path}"),
                            format!("{reason} (in the schema of {user})"),
                        );
                    }
                    None
                }
            },
        };
        self.known.insert(hash.to_owned(), schema.clone());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, schema: &str) -> FilterConfig {
        let json = format!(
            r#"{{
                "version": 1, "listener": "mcp", "allowed_hosts": [], "allowed_origins": [],
                "max_body_bytes": 1024, "max_depth": 16, "rules": [],
                "endpoints": [{{"path": "/mcp", "servers": ["data"], "forward": "data"}}],
                "servers": {{"data": {{"cluster": "data", "path": "/mcp",
                    "tools": {{"query": {{"input_schema": "{name}"}}}}}}}},
                "defaults": {{"access": "allow", "validate": "enforce"}},
                "schemas": {{"{name}": {schema}}}
            }}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    /// The schemas in the cache, each by its place in memory: no two that live share one.
    fn compiled(cache: &SchemaCache) -> Vec<*const Schema> {
        cache.0.values().map(Weak::as_ptr).collect()
    }

    #[test]
    fn it_compiles_a_schema_once_while_a_policy_uses_it() {
        let mut cache = SchemaCache::new();
        let _first = compile(&config("first", r#"{"type":"object"}"#), &mut cache).unwrap();
        let of_first = compiled(&cache);
        assert_eq!(of_first.len(), 1);
        // Its name is another, its text the same.
        let _again = compile(&config("again", r#"{"type":"object"}"#), &mut cache).unwrap();
        assert_eq!(compiled(&cache), of_first);
        let _other = compile(&config("first", r#"{"type":"array"}"#), &mut cache).unwrap();
        assert_eq!(compiled(&cache).len(), 2);
    }
}
