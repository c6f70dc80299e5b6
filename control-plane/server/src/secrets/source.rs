//! Everything that Envoys are given as a secret, by where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gateway_document::{GatewayDocument, Secret, SecretName, SecretParts, Whereabouts};

/// The name of the system's authorities at the Envoys. No other secret has it: theirs have an `@`.
pub(crate) const SYSTEM_AUTHORITIES: &str = "system-authorities";

/// Something that Envoys are given as a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A document refers to it by this name.
    Named(SecretName, Box<Secret>),
    /// The authorities that the system of the control plane believes. Envoy has no word for those
    /// of its own.
    System,
}

impl Source {
    /// Everything that a document needs, by its name at the Envoys.
    pub(super) fn all_of(document: &GatewayDocument) -> BTreeMap<String, Self> {
        let named = document.secrets.iter().map(|(name, reference)| {
            let source = Self::Named(name.clone(), Box::new(reference.clone()));
            (reference.resource_name(name), source)
        });
        let mut all: BTreeMap<_, _> = named.collect();
        if !document.believed_by_the_system().is_empty() {
            all.insert(SYSTEM_AUTHORITIES.to_owned(), Self::System);
        }
        all
    }

    /// Whether it may be another one without a restart: a variable does not change while the
    /// process lives.
    pub(super) fn may_change(&self) -> bool {
        match self {
            Self::Named(_, reference) => {
                let mut parts = parts(reference).into_iter();
                parts.any(|part| matches!(part.place, Whereabouts::File(_)))
            }
            Self::System => true,
        }
    }
}

/// A part of a secret: where it is, and the field of the reference that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The field, as a JSON Pointer into the reference.
    pub(super) at: String,
    pub(super) place: Whereabouts<'a>,
}

impl<'a> Part<'a> {
    fn of(name: &str, place: Whereabouts<'a>) -> Self {
        let field = match place {
            Whereabouts::Variable(_) => "env",
            Whereabouts::File(_) => "file",
        };
        Self {
            at: format!("{name}/{field}"),
            place,
        }
    }
}

/// The parts of a secret: of a certificate its own and then its key.
pub(super) fn parts(secret: &Secret) -> Vec<Part<'_>> {
    match secret.parts() {
        Some(SecretParts::Credential(place)) => vec![Part::of("", place)],
        Some(SecretParts::Authorities(place)) => vec![Part::of("/authorities", place)],
        Some(SecretParts::Certificate { certificate, key }) => {
            vec![Part::of("/certificate", certificate), Part::of("/key", key)]
        }
        None => Vec::new(),
    }
}

/// Where a change refers to secrets in another way than the document before it.
pub(super) struct Brought<'d> {
    before: &'d GatewayDocument,
    /// The secrets that are named at a place that did not name them.
    used_anew: BTreeSet<&'d SecretName>,
    /// The first place that believes the authorities of the system and did not.
    system: Option<String>,
}

impl<'d> Brought<'d> {
    pub(super) fn by(document: &'d GatewayDocument, before: &'d GatewayDocument) -> Self {
        let uses = before.secret_uses();
        let now = document.secret_uses().into_iter();
        let used_anew = now.filter(|used| !uses.contains(used));
        let believed = before.believed_by_the_system();
        let mut now = document.believed_by_the_system().into_iter();
        Self {
            before,
            used_anew: used_anew.map(|(_, name)| name).collect(),
            system: now.find_map(|(who, place)| (!believed.contains_key(&who)).then_some(place)),
        }
    }

    /// The place in the document at which a change refers to this in another way.
    pub(super) fn place_of(&self, source: &Source) -> Option<String> {
        match source {
            Source::Named(name, reference) => {
                let is_new = self.before.secrets.get(name) != Some(&**reference);
                let is_brought = is_new || self.used_anew.contains(name);
                is_brought.then(|| format!("/secrets/{name}"))
            }
            Source::System => self.system.clone(),
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

#[cfg(test)]
mod tests {
    use gateway_document::{Format, parse};

    use super::*;

    #[test]
    fn it_needs_the_systems_authorities_where_nothing_else_is_said_and_blames_who_is_new() {
        let document = |text: &str| parse(text, Format::Yaml).unwrap();
        let of_its_own = "a: {url: 'https://a.internal/mcp', upstream: {tls: {ca_file: /ca.pem}}}";
        let by_system = "b: {url: 'https://b.internal/mcp'}";
        let plain = "c: {url: 'http://c.internal/mcp'}";
        let cluster = "clusters: [{name: d, endpoints: ['d.internal:443'], \
                       upstream: {tls: {system_ca: true}}}]";
        let without = document(&format!("servers: {{{of_its_own}, {plain}}}"));
        assert_eq!(Source::all_of(&without), BTreeMap::new());
        let with = document(&format!("servers: {{{of_its_own}, {by_system}, {plain}}}"));
        let all = Source::all_of(&with);
        assert_eq!(all.keys().collect::<Vec<_>>(), [SYSTEM_AUTHORITIES]);
        let place = |now, before| Brought::by(now, before).place_of(&Source::System);
        assert_eq!(place(&with, &without).as_deref(), Some("/servers/b"));
        assert_eq!(place(&with, &with), None);
        let too = document(&format!("servers: {{{by_system}}}\n{cluster}"));
        assert_eq!(place(&too, &with).as_deref(), Some("/clusters/0"));
    }
}
