//! Reads what a reference leads to.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use futures::future::try_join_all;
use gateway_document::{FilePath, Secret, SecretParts, VariableName, Whereabouts, near_names};
use tokio_rustls::rustls::RootCertStore;

use super::files::{self, FileMark};
use super::in_time::{NotRead, aside, in_time, may_wait};
use super::material::{Material, Unusable, as_pem, out_of_time_after_the_first};
use super::source::{Part, Source, parts};

/// Why a secret cannot be used, and which part of the reference is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field of the reference, as a JSON Pointer into it.
    pub(super) at: String,
    pub(super) reason: String,
}

/// Why the files of a secret were not read at all: one of them did not answer, or it was not its
/// turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread(pub(super) Fault);

impl Unread {
    /// The part is to blame, and no other one.
    fn part(part: &Part<'_>, error: &NotRead) -> Self {
        let at = part.at.clone();
        Self(match part.place {
            Whereabouts::File(path) => Fault {
                at,
                reason: format!("`{}`: {error}", path.as_str()),
            },
            Whereabouts::Variable(_) => Fault {
                at,
                reason: error.to_string(),
            },
        })
    }

    /// No part of it is to blame.
    fn whole(error: &NotRead) -> Self {
        Self(Fault {
            at: String::new(),
            reason: error.to_string(),
        })
    }
}

/// The marks of all files of a secret; nothing at the place of one that cannot be looked at.
pub(super) type Marks = Vec<Option<FileMark>>;

/// The bytes at a place, or a sentence that says why there are none.
type Found = Result<Vec<u8>, String>;

/// Tells whether what a source leads to is another thing than before; `resource_name` is its name
/// at the Envoys.
///
/// # Errors
/// When a file did not answer.
pub(super) async fn marks(resource_name: &str, source: &Source) -> Result<Marks, Unread> {
    let Source::Named(_, reference) = source else {
        let marks = aside(resource_name, marks_of_the_system).await;
        return marks.map_err(|error| Unread::whole(&error));
    };
    let marks = parts(reference).into_iter().map(async |part| {
        let Whereabouts::File(path) = part.place else {
            return Ok(None);
        };
        let mark = of_file(resource_name, path, |path| FileMark::of(path).ok()).await;
        mark.map(Some).map_err(|error| Unread::part(&part, &error))
    });
    Ok(try_join_all(marks).await?.into_iter().flatten().collect())
}

/// Reads and checks a secret, wherever it comes from; `resource_name` is its name at the Envoys.
/// The marks are older than what they are of: a change meanwhile is seen at the next look.
///
/// # Errors
/// When a file did not answer.
pub(super) async fn read(
    resource_name: &str,
    source: &Source,
) -> Result<(Marks, Result<Material, Fault>), Unread> {
    let Source::Named(_, reference) = source else {
        let read = || (marks_of_the_system(), system_authorities());
        let read = aside(resource_name, read).await;
        return read.map_err(|error| Unread::whole(&error));
    };
    // Each file by itself: one on a file system that is dead takes no place of one on another.
    let found = parts(reference).into_iter().map(async |part| {
        let found = read_place(resource_name, part.place).await;
        found.map_err(|error| Unread::part(&part, &error))
    });
    let (marks, found): (Vec<_>, Vec<_>) = try_join_all(found).await?.into_iter().unzip();
    let reference = reference.clone();
    let material = aside(resource_name, move || material_of(&reference, found)).await;
    let material = material.map_err(|error| Unread::whole(&error))?;
    Ok((marks.into_iter().flatten().collect(), material))
}

async fn read_place(
    resource_name: &str,
    place: Whereabouts<'_>,
) -> Result<(Option<Option<FileMark>>, Found), NotRead> {
    match place {
        Whereabouts::File(path) => {
            let read = |path: &Path| (Some(FileMark::of(path).ok()), files::read(path));
            of_file(resource_name, path, read).await
        }
        Whereabouts::Variable(variable) => Ok((None, value_of(variable))),
    }
}

async fn of_file<T: Send + 'static>(
    resource_name: &str,
    path: &FilePath,
    read: impl FnOnce(&Path) -> T + Send + 'static,
) -> Result<T, NotRead> {
    let path = path.as_str();
    in_time(&format!("{resource_name} {path}"), Path::new(path), read).await
}

/// The marks of the files and folders in which the system has its authorities.
fn marks_of_the_system() -> Marks {
    // To look for them is to ask every file system that they may be on.
    may_wait();
    let found = openssl_probe::probe();
    let paths = found.cert_file.into_iter().chain(found.cert_dir);
    paths.map(|path| FileMark::of(&path).ok()).collect()
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

/// Checks a secret, of whose [`parts`] this was found.
fn material_of(secret: &Secret, found: Vec<Found>) -> Result<Material, Fault> {
    let parts = parts(secret);
    let mut read = Vec::new();
    for (Part { at, .. }, found) in parts.iter().zip(found) {
        let at = at.clone();
        read.push(found.map_err(|reason| Fault { at, reason })?);
    }
    let mut read = read.into_iter();
    let mut next = || read.next().expect("each part was looked at");
    match (secret.parts(), parts.as_slice()) {
        (Some(SecretParts::Credential(_)), [Part { at, place }]) => {
            checked(at, *place, Material::credential(&next()))
        }
        (Some(SecretParts::Authorities(_)), [Part { at, place }]) => {
            checked(at, *place, Material::authorities(next()))
        }
        (Some(SecretParts::Certificate { certificate, key }), [Part { at, .. }, of_key]) => {
            let (chain, secret) = (next(), next());
            match Material::certificate(&chain, secret) {
                Err(
                    reason @ (Unusable::NoKey | Unusable::OtherKey | Unusable::OtherCertificate),
                ) => checked(&of_key.at, key, Err(reason)),
                outcome => {
                    let out_of_time = out_of_time_after_the_first(&chain);
                    if outcome.is_ok() && !out_of_time.is_empty() {
                        warn_of_signers(certificate, &out_of_time);
                    }
                    checked(at, certificate, outcome)
                }
            }
        }
        _ => Err(Fault {
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

fn value_of(variable: &VariableName) -> Found {
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
