//! Checks secrets: what each says of where it is found, and that what is named is there and of the
//! kind that is needed. Whether it can be read is for whoever reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::GatewayDocument;
use crate::document::{Secret, SecretKind, SecretPlace, Upstream, default_credential_header};
use crate::names::SecretName;
use crate::near_names::Spellings;
use crate::problem::{Pointer, Problems};

/// A place in a document at which a secret is named.
pub(crate) struct SecretUse<'a> {
    pub(crate) at: Pointer,
    /// The name of the resource that names it.
    owner: &'a str,
    pub(crate) name: &'a SecretName,
    kind: SecretKind,
}

/// Every place at which a secret is named, in the document's order.
pub(crate) fn uses(document: &GatewayDocument) -> Vec<SecretUse<'_>> {
    let root = Pointer::default();
    let mut uses = Uses {
        owner: "",
        found: Vec::new(),
    };
    for (index, listener) in document.listeners.iter().enumerate() {
        uses.owner = listener.name.as_str();
        let at = root.at("listeners").at(index).at("tls");
        if let Some(tls) = &listener.tls {
            uses.add(
                at.at("secret"),
                tls.secret.as_ref(),
                SecretKind::Certificate,
            );
            let at = at.at("client_ca_secret");
            uses.add(at, tls.client_ca_secret.as_ref(), SecretKind::Authorities);
        }
    }
    for (name, server) in &document.servers {
        uses.owner = name.as_str();
        let at = root.at("servers").at(name);
        uses.add_upstream(&at, &server.upstream);
        if let Some(credentials) = server.own_credentials() {
            let at = at.at("credentials").at("secret");
            uses.add(at, Some(&credentials.secret), SecretKind::Credential);
        }
    }
    for (index, cluster) in document.clusters.iter().enumerate() {
        uses.owner = cluster.name.as_str();
        uses.add_upstream(&root.at("clusters").at(index), &cluster.upstream);
    }
    uses.found
}

impl GatewayDocument {
    /// Every place at which a secret is named, as the kind of the resource, its name and the field,
    /// with the secret's name: the same place however many others come and go.
    #[must_use]
    pub fn secret_uses(&self) -> BTreeSet<(String, &SecretName)> {
        let uses = uses(self).into_iter().map(|used| {
            let at = used.at.to_string();
            let mut steps = at.split('/').skip(1);
            let kind = steps.next().unwrap_or_default();
            let field: Vec<&str> = steps.skip(1).collect();
            (
                format!("{kind}/{}/{}", used.owner, field.join("/")),
                used.name,
            )
        });
        uses.collect()
    }

    /// The servers and clusters that are believed by the authorities of the control plane's system,
    /// each as its kind and name, with its place in the document.
    #[must_use]
    pub fn believed_by_the_system(&self) -> BTreeMap<String, String> {
        let root = Pointer::default();
        let servers = self.servers.iter().filter_map(|(name, server)| {
            let at = root.at("servers").at(name);
            server
                .tls()?
                .system_ca
                .then(|| (format!("servers/{name}"), at))
        });
        let clusters = self.clusters.iter().enumerate();
        let clusters = clusters.filter_map(|(index, cluster)| {
            let at = root.at("clusters").at(index);
            let tls = cluster.upstream.tls.as_ref()?;
            tls.system_ca
                .then(|| (format!("clusters/{}", cluster.name), at))
        });
        let all = servers.chain(clusters);
        all.map(|(name, at)| (name, at.into_string())).collect()
    }
}

/// Collects the places at which secrets are named.
struct Uses<'a> {
    owner: &'a str,
    found: Vec<SecretUse<'a>>,
}

impl<'a> Uses<'a> {
    fn add(&mut self, at: Pointer, name: impl Into<Option<&'a SecretName>>, kind: SecretKind) {
        step_count::count(1);
        let (owner, name) = (self.owner, name.into());
        self.found.extend(name.map(|name| SecretUse {
            at,
            owner,
            name,
            kind,
        }));
    }

    fn add_upstream(&mut self, at: &Pointer, upstream: &'a Upstream) {
        if let Some(tls) = &upstream.tls {
            let at = at.at("upstream").at("tls");
            let authorities = at.at("ca_secret");
            self.add(authorities, tls.ca_secret.as_ref(), SecretKind::Authorities);
            self.add(
                at.at("secret"),
                tls.secret.as_ref(),
                SecretKind::Certificate,
            );
        }
    }
}

pub(super) fn check(document: &GatewayDocument, root: &Pointer, problems: &mut Problems) {
    for (name, secret) in &document.secrets {
        check_secret(secret, &root.at("secrets").at(name), problems);
    }
    let mut spellings = Spellings::default();
    for used in uses(document) {
        check_use(document, used, &mut spellings, problems);
    }
    for (name, server) in &document.servers {
        if let Some(credentials) = server.own_credentials()
            && let Some(header) = &credentials.header
            && is_the_protocols(header.as_str())
        {
            problems.add(
                root.at("servers").at(name).at("credentials").at("header"),
                format!(
                    "`{header}` says something else to every server; write the header in which \
                     the server expects its credential, or leave it out for `{}`",
                    default_credential_header()
                ),
            );
        }
    }
}

/// Whether a header means something by itself, so that a credential in it would break requests.
fn is_the_protocols(header: &str) -> bool {
    const MEANT_OTHERWISE: [&str; 14] = [
        "accept",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    ];
    MEANT_OTHERWISE.contains(&header) || header.starts_with("mcp-")
}

fn check_use(
    document: &GatewayDocument,
    used: SecretUse<'_>,
    spellings: &mut Spellings,
    problems: &mut Problems,
) {
    let SecretUse { at, name, kind, .. } = used;
    let Some(secret) = document.secrets.get(name) else {
        let known = || document.secrets.keys().map(SecretName::as_str);
        let advice = match spellings.near_names(name.as_str(), known).first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => "say under `secrets` where it is found, or take its name away here".to_owned(),
        };
        problems.add(at, format!("there is no secret `{name}`; {advice}"));
        return;
    };
    if let Some(is) = secret.kind()
        && is != kind
    {
        problems.add(
            at,
            format!("the secret `{name}` is {is}; name one that is {kind}"),
        );
    }
}

fn check_secret(secret: &Secret, at: &Pointer, problems: &mut Problems) {
    let parts = [
        ("certificate", &secret.certificate),
        ("key", &secret.key),
        ("authorities", &secret.authorities),
    ];
    let mut has_wrong_part = false;
    for (field, place) in parts {
        if let Some(place) = place {
            has_wrong_part |= check_place(place, &at.at(field), problems);
        }
    }
    if secret.parts().is_none() && !has_wrong_part {
        problems.add(
            at.clone(),
            "a secret is one thing: write `env` or `file` for a credential, or `certificate` and \
             `key`, or `authorities`",
        );
    }
}

/// Tells whether the place is none.
fn check_place(place: &SecretPlace, at: &Pointer, problems: &mut Problems) -> bool {
    let is_wrong = place.whereabouts().is_none();
    if is_wrong {
        problems.add(
            at.clone(),
            "say where it is found: write either `env` or `file`",
        );
    }
    is_wrong
}

#[cfg(test)]
mod tests {
    use crate::{CheckedDocument, Format, parse};

    /// The problems of a document, each as its place and reason.
    fn problems(text: &str) -> Vec<(String, String)> {
        let document = parse(text, Format::Yaml).unwrap();
        let problems = CheckedDocument::new(document).err().unwrap_or_default();
        let problems = problems.into_iter();
        problems
            .map(|problem| (problem.path, problem.reason))
            .collect()
    }

    fn refused(text: &str, expected: &[(&str, &str)]) {
        let found = problems(text);
        let places: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        let expected_places: Vec<&str> = expected.iter().map(|(path, _)| *path).collect();
        assert_eq!(places, expected_places, "{found:#?}");
        for ((_, reason), (_, part)) in found.iter().zip(expected) {
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn it_takes_a_secret_at_every_place_that_can_name_one() {
        let found = problems(
            "
listeners:
  - name: mcp
    address: 127.0.0.1:10000
    tls: {secret: own, client_ca_secret: partners}
servers:
  data:
    url: https://data.internal/mcp
    credentials: {secret: token}
    upstream: {tls: {ca_secret: partners, secret: own}}
  math: {url: 'https://math.internal/mcp', credentials: {secret: token, header: X-Api-Key}}
clusters:
  - name: behind
    endpoints: [behind.internal:443]
    upstream: {tls: {ca_secret: partners}}
secrets:
  own: {certificate: {file: /tls/own.pem}, key: {env: OWN_KEY}}
  partners: {authorities: {file: /tls/partners.pem}}
  token: {env: MATH_TOKEN}
",
        );
        assert_eq!(found, []);
    }

    #[test]
    fn it_names_the_place_of_a_secret_that_is_not_there_or_of_another_kind() {
        refused(
            "
listeners:
  - {name: mcp, address: '127.0.0.1:10000', tls: {secret: tokn, client_ca_secret: token}}
servers:
  data:
    url: https://data.internal/mcp
    credentials: {secret: own, header: Mcp-Name}
    upstream: {tls: {ca_secret: nowhere}}
secrets:
  own: {certificate: {file: /tls/own.pem}, key: {env: OWN_KEY}}
  token: {env: MATH_TOKEN}
",
            &[
                ("/listeners/0/tls/secret", "did you mean `token`?"),
                (
                    "/listeners/0/tls/client_ca_secret",
                    "`token` is a credential (`env` or `file`); name one that is `authorities`",
                ),
                (
                    "/servers/data/upstream/tls/ca_secret",
                    "say under `secrets`",
                ),
                (
                    "/servers/data/credentials/secret",
                    "is a `certificate` with its `key`",
                ),
                ("/servers/data/credentials/header", "says something else"),
            ],
        );
    }

    #[test]
    fn it_refuses_a_secret_that_is_no_one_thing_and_tls_that_is_said_twice() {
        refused(
            "
listeners:
  - name: mcp
    address: 127.0.0.1:10000
    tls:
      secret: own
      certificates: [{certificate_file: /c.pem, key_file: /k.pem}]
      client_ca_secret: both
      client_ca_file: /ca.pem
servers:
  data: {url: 'http://127.0.0.1:8000/mcp', upstream: {tls: {system_ca: true, server_name: a.b}}}
  addressed: {url: 'https://127.0.0.1:8443/mcp'}
secrets:
  own: {certificate: {file: /tls/own.pem}}
  both: {env: A, file: /a}
  mixed: {env: A, authorities: {file: /a}}
  empty: {}
  place: {authorities: {}}
",
            &[
                ("/listeners/0/tls/certificates", "not both"),
                ("/listeners/0/tls/client_ca_file", "not both"),
                ("/servers/addressed", "`certificate_names`"),
                ("/servers/data/upstream/tls", "spoken to in the clear"),
                ("/secrets/both", "a secret is one thing"),
                ("/secrets/empty", "a secret is one thing"),
                ("/secrets/mixed", "a secret is one thing"),
                ("/secrets/own", "a secret is one thing"),
                ("/secrets/place/authorities", "either `env` or `file`"),
            ],
        );
    }

    #[test]
    fn it_repeats_nothing_that_was_put_in_the_place_of_a_reference() {
        for secret in [
            "hunter2 secret",
            "{env: hunter2 secret}",
            "{file: hunter2 secret}",
            "{certificate: {env: hunter2-secret}, key: hunter2}",
            "{value: hunter2}",
            "{env: [hunter2]}",
            "{key: {env: {hunter2: x}}}",
        ] {
            let error = parse(&format!("secrets: {{a: {secret}}}"), Format::Yaml).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{secret}: {error}");
        }
        for ours in ["PORTCULLIS_STORE_URL", "POSTGRES_PASSWORD"] {
            let text = format!("secrets: {{a: {{env: {ours}}}}}");
            let error = parse(&text, Format::Yaml).unwrap_err().to_string();
            assert!(error.contains("a setting of Portcullis itself"), "{error}");
        }
    }

    #[test]
    fn it_gives_each_reference_of_a_name_another_name_at_the_envoys() {
        let document = |secret: &str| {
            let text = format!("secrets: {{a: {secret}}}");
            let document = parse(&text, Format::Yaml).unwrap();
            let (name, secret) = document.secrets.first_key_value().unwrap();
            secret.resource_name(name)
        };
        let one = document("{env: A}");
        assert_eq!(one, document("{env: A}"));
        assert_ne!(one, document("{env: B}"));
        assert_ne!(one, document("{file: /A}"));
        assert_eq!(one.split_once('@').unwrap().0, "a");
    }
}
