//! A JSON Schema that is compiled when it is first needed.

use std::sync::{Arc, OnceLock};

use crate::compile_error::CompileErrors;
use crate::schema::Schema;
use crate::schema::header_parameters::HeaderParameter;
use crate::text_part::TextPart;

/// A JSON Schema that is compiled when it is first needed, once.
#[derive(Debug)]
pub(crate) struct KnownSchema {
    text: TextPart,
    compiled: OnceLock<Result<Arc<Schema>, CompileErrors>>,
}

impl KnownSchema {
    pub(crate) fn new(text: TextPart) -> Self {
        Self {
            text,
            compiled: OnceLock::new(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The validator.
    ///
    /// # Errors
    /// Everything that is wrong with the schema, or that the engine does not check yet.
    pub(crate) fn compiled(&self) -> Result<&Arc<Schema>, &CompileErrors> {
        let compiled = self
            .compiled
            .get_or_init(|| Schema::compile_text(&self.text).map(Arc::new));
        compiled.as_ref()
    }

    /// The properties that clients repeat in headers, even if the engine cannot check the schema.
    pub(crate) fn header_parameters_unchecked(&self) -> Arc<[HeaderParameter]> {
        Schema::header_parameters_unchecked(&self.text)
    }
}
