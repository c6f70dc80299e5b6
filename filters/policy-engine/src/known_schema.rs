//! A JSON Schema that is compiled when it is first needed.

mod room;

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::schema::Compiled;
use crate::text_part::TextPart;
pub(crate) use room::SchemaRoom;

/// A JSON Schema that is compiled when it is first needed, and again where it has been forgotten
/// since ([`SchemaRoom`]).
#[derive(Debug)]
pub(crate) struct KnownSchema {
    text: TextPart,
    /// Known from its first compilation on.
    nature: OnceLock<Nature>,
    compiled: Mutex<Option<Arc<Compiled>>>,
    /// The turn of the room in which it was last used.
    turn: AtomicU32,
    room: SchemaRoom,
}

/// The facts about a schema that are asked for with each piece of a body.
#[derive(Clone, Copy, Debug)]
struct Nature {
    is_sound: bool,
    names_headers: bool,
    is_too_large: bool,
}

impl Nature {
    fn of(compiled: &Compiled) -> Self {
        Self {
            is_sound: compiled.faults.is_none(),
            names_headers: compiled
                .header_parameters
                .as_ref()
                .is_some_and(|named| !named.is_empty()),
            is_too_large: compiled.header_parameters.is_none(),
        }
    }
}

impl KnownSchema {
    pub(crate) fn new(text: TextPart, room: &SchemaRoom) -> Self {
        Self {
            text,
            nature: OnceLock::new(),
            compiled: Mutex::new(None),
            turn: AtomicU32::new(0),
            room: room.clone(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the engine can check all of it.
    pub(crate) fn is_sound(self: &Arc<Self>) -> bool {
        self.nature().is_sound
    }

    /// Whether it names properties that clients repeat in headers, even if the engine cannot check
    /// all of it.
    pub(crate) fn names_headers(self: &Arc<Self>) -> bool {
        self.nature().names_headers
    }

    /// Whether it is larger than a schema may be, and not read to its end: nobody knows which
    /// headers it names.
    pub(crate) fn is_too_large(self: &Arc<Self>) -> bool {
        self.nature().is_too_large
    }

    fn nature(self: &Arc<Self>) -> Nature {
        match self.nature.get() {
            Some(nature) => *nature,
            None => Nature::of(&self.compile()),
        }
    }

    /// The compiled form of it.
    pub(crate) fn compiled(self: &Arc<Self>) -> Arc<Compiled> {
        self.at_hand().unwrap_or_else(|| self.compile())
    }

    /// The compiled form of it, unless it has been forgotten.
    pub(crate) fn at_hand(&self) -> Option<Arc<Compiled>> {
        let compiled = self.lock().clone()?;
        self.room.used(&self.turn, compiled.weight);
        Some(compiled)
    }

    #[cold]
    #[inline(never)]
    fn compile(self: &Arc<Self>) -> Arc<Compiled> {
        let compiled = Arc::new(Compiled::of(&self.text));
        let _ = self.nature.set(Nature::of(&compiled));
        *self.lock() = Some(Arc::clone(&compiled));
        self.room.admit(self, compiled.weight);
        compiled
    }

    /// The turn of the room in which it was last used.
    pub(crate) fn turn(&self) -> &AtomicU32 {
        &self.turn
    }

    /// Drops the compiled form of it; whoever uses it at the moment keeps theirs.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Compiled>>> {
        // Nothing is half written where a thread has panicked.
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
