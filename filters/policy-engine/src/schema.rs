//! JSON Schemas, compiled into validators that run over the bytes of an instance.

mod compile;
mod decimal;
pub(crate) mod header_parameters;
mod json;
mod keys;
mod texts;
mod tree;
mod validate;
pub(crate) mod violation;

use json_reader::{Input, Scanner};
use serde_json::value::RawValue;

use crate::compile_error::CompileErrors;
use header_parameters::HeaderParameter;
use validate::MoreBytes;
pub use validate::{CheckProgress, Validation};
use violation::Violation;

/// The deepest nesting of arrays and objects that any configuration may allow.
pub const MAX_DEPTH: u32 = 256;

/// A compiled JSON Schema.
#[derive(Debug)]
pub struct Schema {
    tree: tree::Tree,
}

/// All that is found out about a schema by compiling it.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// The validator; where the schema has faults, one that nothing fits.
    pub(crate) schema: Schema,
    /// The properties that clients repeat in headers, as far as faults leave any; nothing where the
    /// schema is larger than one may be, and not read to its end.
    pub(crate) header_parameters: Option<Vec<HeaderParameter>>,
    /// Everything that is wrong with it, or that the engine does not check yet.
    pub(crate) faults: Option<CompileErrors>,
    /// The most bytes that all of this takes on the heap of a program of 64 bits.
    pub(crate) weight: usize,
}

/// Why an instance is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is not JSON that everyone reads alike: a syntax error, a key that comes twice, nesting
    /// too deep.
    Unreadable(Violation),
    /// It does not fit the schema; at most [`MOST_VIOLATIONS`](violation::MOST_VIOLATIONS).
    Misfit(Vec<Violation>),
}

impl Invalid {
    /// The violations, one at least.
    #[must_use]
    pub fn into_violations(self) -> Vec<Violation> {
        match self {
            Self::Unreadable(violation) => vec![violation],
            Self::Misfit(violations) => violations,
        }
    }
}

impl Schema {
    /// Compiles one schema.
    ///
    /// # Errors
    /// Everything that is wrong with it, or that the engine does not check yet.
    pub fn compile(text: &RawValue) -> Result<Self, CompileErrors> {
        let compiled = Compiled::of(text.get());
        compiled.faults.map_or(Ok(compiled.schema), Err)
    }

    /// Checks the bytes of one JSON value: whether they can be read, and whether they fit.
    ///
    /// `max_depth` is how deep arrays and objects may be nested, at most [`MAX_DEPTH`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(&self, instance: &[u8], max_depth: u32) -> Result<(), Invalid> {
        validate::validate(&self.tree, instance, max_depth)
    }

    /// Begins to check a value while somebody reads it.
    #[must_use]
    pub fn begin(&self) -> Validation {
        Validation::new(&self.tree)
    }

    /// Goes on with what this schema has [begun](Self::begin): lets `scanner`, which stands before
    /// the value or inside of it, read on to its end or to that of the bytes at hand, and checks
    /// what it reads. Of the value, what has been read stays at hand.
    pub fn read_on(
        &self,
        validation: &mut Validation,
        scanner: &mut Scanner,
        input: Input<'_>,
    ) -> CheckProgress {
        validation.read_on(&self.tree, scanner, input, MoreBytes::MayCome)
    }
}

impl Compiled {
    /// Compiles the schema of this text.
    pub(crate) fn of(text: &str) -> Self {
        compile::compile(text)
    }
}
