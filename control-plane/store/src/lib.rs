//! Revisions, catalogue, modules and audit, kept durably
