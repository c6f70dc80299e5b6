use std::collections::BTreeMap;

use crate::{ListHash, RevisionNumber};

/// The last generation that the Envoys accepted, by the parts that it can be made from again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedGeneration {
    /// What it is called.
    pub generation: String,
    /// The operator's revision.
    pub revision: RevisionNumber,
    /// Each server's list; the lists themselves stay in the store as long as they are named here.
    pub catalogues: BTreeMap<String, ListHash>,
    /// The SHA-256 of the module, in hexadecimal.
    pub module: String,
}
