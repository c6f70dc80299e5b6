//! Reads what a reference leads to.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use gateway_document::{Secret, SecretParts, VariableName, Whereabouts, near_names};
use tokio_rustls::rustls::RootCertStore;

use super::files::{self, FileMark};
use super::in_time::NotRead;
use super::material::{Material, Unusable, as_pem, out_of_time_after_the_first};
use super::source::Source;

/// Why a secret cannot be used, and which part of the reference is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field of the reference, as a JSON Pointer into it.
    pub(super) at: String,
    pub(super) reason: String,
}

impl Fault {
    /// The fault of files that were not read at all.
    pub(super) fn of_reading(error: &NotRead) -> Self {
        Self {
            at: String::new(),
            reason: error.to_string(),
        }
    }
}

/// The marks of all files of a secret; nothing at the place of one that cannot be looked at.
pub(super) type Marks = Vec<Option<FileMark>>;

/// Tells whether what a secret comes from is another thing than before.
pub(super) fn marks(source: &Source) -> Marks {
    let paths = source.paths().into_iter();
    paths.map(|path| FileMark::of(&path).ok()).collect()
}

/// Reads and checks a secret, wherever it comes from.
pub(super) fn material(source: &Source) -> Result<Material, Fault> {
    match source {
        Source::Named(_, reference) => material_of(reference),
        Source::System => system_authorities(),
    }
}

/// The authorities of the control plane's system, as far as they can be read.
fn system_authorities() -> Result<Material, Fault> {
    let found = rustls_native_certs::load_native_certs().certs.into_iter();
    // The reader has put them in an order, so that they are the same at each look.
    let readable = found.filter(|certificate| {
        let mut store = RootCertStore::empty();
        store.add(certificate.clone()).is_ok()
    });
    let readable: Vec<_> = readable.collect();
    Material::authorities(as_pem(&readable).into_bytes()).map_err(|_| Fault {
        at: String::new(),
        reason: "the control plane's system has no authorities that could be believed; install \
                 them there (the package is commonly `ca-certificates`), or name a `ca_secret`, a \
                 `ca_file` or a `ca` in `upstream.tls`"
            .to_owned(),
    })
}

fn material_of(secret: &Secret) -> Result<Material, Fault> {
    match secret.parts() {
        Some(SecretParts::Credential(place)) => {
            let at = field(place, "");
            checked(&at, place, Material::credential(&read(&at, place)?))
        }
        Some(SecretParts::Authorities(place)) => {
            let at = field(place, "/authorities");
            checked(&at, place, Material::authorities(read(&at, place)?))
        }
        Some(SecretParts::Certificate { certificate, key }) => {
            let at_key = field(key, "/key");
            let at = field(certificate, "/certificate");
            let (chain, secret) = (read(&at, certificate)?, read(&at_key, key)?);
            match Material::certificate(&chain, secret) {
                Err(
                    reason @ (Unusable::NoKey | Unusable::OtherKey | Unusable::OtherCertificate),
                ) => checked(&at_key, key, Err(reason)),
                outcome => {
                    let out_of_time = out_of_time_after_the_first(&chain);
                    if outcome.is_ok() && !out_of_time.is_empty() {
                        warn_of_signers(certificate, &out_of_time);
                    }
                    checked(&at, certificate, outcome)
                }
            }
        }
        None => Err(Fault {
            at: String::new(),
            reason: "it says of no one place where it is found".to_owned(),
        }),
    }
}

/// Tells of certificates, by their places, that whoever is shown them may refuse.
fn warn_of_signers(place: Whereabouts<'_>, out_of_time: &[usize]) {
    let place = match place {
        Whereabouts::File(path) => path.as_str(),
        Whereabouts::Variable(name) => name.as_str(),
    };
    tracing::warn!(
        place,
        certificates = ?out_of_time,
        "its own certificate is valid and is taken; those after it at these places are not valid \
         now, and clients may refuse it: renew them"
    );
}

fn field(place: Whereabouts<'_>, part: &str) -> String {
    match place {
        Whereabouts::Variable(_) => format!("{part}/env"),
        Whereabouts::File(_) => format!("{part}/file"),
    }
}

fn read(at: &str, place: Whereabouts<'_>) -> Result<Vec<u8>, Fault> {
    let found = match place {
        Whereabouts::File(path) => files::read(Path::new(path.as_str())),
        Whereabouts::Variable(variable) => value_of(variable),
    };
    found.map_err(|reason| Fault {
        at: at.to_owned(),
        reason,
    })
}

fn value_of(variable: &VariableName) -> Result<Vec<u8>, String> {
    let name = variable.as_str();
    if let Some(value) = env::var_os(name) {
        return Ok(value.into_encoded_bytes());
    }
    let known: Vec<String> = env::vars_os()
        .filter_map(|(known, _): (OsString, OsString)| known.into_string().ok())
        .collect();
    let near = near_names(name, known.iter().map(String::as_str));
    Err(match near.first() {
        Some(near) => format!(
            "the control plane was started without a variable `{name}`; did you mean `{near}`?"
        ),
        None => format!(
            "the control plane was started without a variable `{name}`; start it with one, or \
             name a `file`, which may change while it runs"
        ),
    })
}

fn checked<T>(at: &str, place: Whereabouts<'_>, outcome: Result<T, Unusable>) -> Result<T, Fault> {
    outcome.map_err(|reason| Fault {
        at: at.to_owned(),
        reason: match place {
            Whereabouts::File(path) => format!("`{}` cannot be used: {reason}", path.as_str()),
            Whereabouts::Variable(name) => {
                format!("the variable `{}` cannot be used: {reason}", name.as_str())
            }
        },
    })
}
