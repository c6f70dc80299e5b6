//! Leave to let a message go.

use mcp_message::{ReadError, Reader};
use policy_engine::{ArgumentsRead, Plan};

/// A plan for a message of which no byte that has arrived is unread: what the reader skipped has
/// been read by the engine, or is read here. Nothing else lets a message pass.
pub(super) struct Clearance(Plan);

impl Clearance {
    /// Clears a message of which `buffered` has arrived.
    ///
    /// # Errors
    /// The reader skipped bytes for which the engine had no schema, and they are not JSON.
    pub(super) fn new(plan: Plan, reader: &mut Reader, buffered: &[u8]) -> Result<Self, ReadError> {
        match plan.arguments_read() {
            ArgumentsRead::Yes => {}
            ArgumentsRead::No => reader.read_skipped(buffered)?,
        }
        Ok(Self(plan))
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.0
    }
}
