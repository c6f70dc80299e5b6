//! A JSON Schema that is compiled when it is first needed.

use std::sync::{Arc, OnceLock};

use crate::compile_error::CompileErrors;
use crate::schema::header_parameters::HeaderParameter;
use crate::schema::{MOST_BYTES, Schema};
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

    /// Whether it is longer than a schema may be, and read for nothing.
    pub(crate) fn is_too_long(&self) -> bool {
        self.text.len() > MOST_BYTES
    }

    /// The validator.
    ///
    /// # Errors
    /// Everything that is wrong with the schema, or that the engine does not check yet.
    pub(crate) fn compiled(&self) -> Result<&Arc<Schema>, &CompileErrors> {
        let compiled = self.compiled.get();
        compiled.unwrap_or_else(|| self.compile()).as_ref()
    }

    #[cold]
    #[inline(never)]
    fn compile(&self) -> &Result<Arc<Schema>, CompileErrors> {
        let compile = || Schema::compile_text(&self.text).map(Arc::new);
        self.compiled.get_or_init(compile)
    }

    /// The properties that clients repeat in headers, even if the engine cannot check the schema.
    pub(crate) fn header_parameters_unchecked(&self) -> Arc<[HeaderParameter]> {
        Schema::header_parameters_unchecked(&self.text)
    }
}
