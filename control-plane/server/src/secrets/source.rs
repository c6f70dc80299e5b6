//! Everything that Envoys are given as a secret, by where it comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use gateway_document::{GatewayDocument, Secret, SecretName};

use super::reading;

/// The name of the system's authorities at the Envoys. No other secret has it: theirs have an `@`.
pub(crate) const SYSTEM_AUTHORITIES: &str = "system-authorities";

/// Something that Envoys are given as a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A document refers to it by this name.
    Named(SecretName, Secret),
    /// The authorities that the system of the control plane believes. Envoy has no word for those
    /// of its own.
    System,
}

impl Source {
    /// Everything that a document needs, by its name at the Envoys.
    pub(super) fn all_of(document: &GatewayDocument) -> BTreeMap<String, Self> {
        let named = document.secrets.iter().map(|(name, reference)| {
            let source = Self::Named(name.clone(), reference.clone());
            (reference.resource_name(name), source)
        });
        let mut all: BTreeMap<_, _> = named.collect();
        if !document.believed_by_the_system().is_empty() {
            all.insert(SYSTEM_AUTHORITIES.to_owned(), Self::System);
        }
        all
    }

    /// Its place in a document, if the document refers to it in another way than the one `before`.
    pub(super) fn place_in_change(
        &self,
        document: &GatewayDocument,
        before: &GatewayDocument,
    ) -> Option<String> {
        match self {
            Self::Named(name, reference) => {
                let uses = before.secret_uses();
                let mut now = document.secret_uses().into_iter();
                let is_to_blame = before.secrets.get(name) != Some(reference)
                    || now.any(|used| used.1 == name && !uses.contains(&used));
                is_to_blame.then(|| format!("/secrets/{name}"))
            }
            Self::System => {
                let believed = before.believed_by_the_system();
                let now = document.believed_by_the_system();
                let mut new = now.into_iter();
                new.find_map(|(who, place)| (!believed.contains_key(&who)).then_some(place))
            }
        }
    }

    /// The files and folders by whose marks it is known whether it is another one.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        match self {
            Self::Named(_, reference) => {
                let files = reading::files(reference);
                files.map(|path| PathBuf::from(path.as_str())).collect()
            }
            Self::System => {
                let found = openssl_probe::probe();
                found.cert_file.into_iter().chain(found.cert_dir).collect()
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name, _) => name.fmt(f),
            Self::System => f.write_str(SYSTEM_AUTHORITIES),
        }
    }
}
