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
    /// The properties with headers of a schema that is not compiled, or cannot be.
    header_parameters: OnceLock<Option<Arc<[HeaderParameter]>>>,
}

impl KnownSchema {
    pub(crate) fn new(text: TextPart) -> Self {
        Self {
            text,
            compiled: OnceLock::new(),
            header_parameters: OnceLock::new(),
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
        let compiled = self.compiled.get();
        compiled.unwrap_or_else(|| self.compile()).as_ref()
    }

    #[cold]
    #[inline(never)]
    fn compile(&self) -> &Result<Arc<Schema>, CompileErrors> {
        let compile = || Schema::compile_text(&self.text).map(Arc::new);
        self.compiled.get_or_init(compile)
    }

    /// The properties that clients repeat in headers, even if the engine cannot check all of the
    /// schema; nothing where it is larger than a schema may be. Compiles nothing.
    #[inline(never)]
    pub(crate) fn header_parameters(&self) -> Option<&Arc<[HeaderParameter]>> {
        if let Some(Ok(schema)) = self.compiled.get() {
            return Some(schema.header_parameters());
        }
        let read = || Schema::header_parameters_of(&self.text);
        self.header_parameters.get_or_init(read).as_ref()
    }
}
