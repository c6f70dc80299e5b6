//! How a server is reached: as Envoy reaches it, with the same credential and the same trust.

use std::fs;

use gateway_document::{FilePath, UpstreamAuthority, UpstreamTls};
use http::{HeaderName, HeaderValue};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::tls::{TlsError, TlsWay};
use crate::secrets::{Material, believed, certified};

/// The way to a server.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// The header that shows it who calls.
    pub(super) credential: Option<(HeaderName, HeaderValue)>,
    /// Nothing where it is spoken to in the clear.
    pub(super) tls: Option<TlsWay>,
}

/// The way to endpoints of which `first` is the first, believing and showing what Envoy does.
pub(super) fn tls_way(
    tls: &UpstreamTls,
    first: Option<&UpstreamAuthority>,
    authorities: Option<&Material>,
    own: Option<&Material>,
) -> Result<TlsWay, TlsError> {
    let (roots, own) = believed_and_shown(tls, authorities, own)?;
    TlsWay::new(roots, own, tls.asked_name(first), tls.believed_names(first))
}

/// Whom to believe, and what to show.
fn believed_and_shown(
    tls: &UpstreamTls,
    authorities: Option<&Material>,
    own: Option<&Material>,
) -> Result<(Option<RootCertStore>, Option<CertifiedKey>), TlsError> {
    let roots = match (authorities, &tls.ca_file, &tls.ca) {
        (Some(Material::Authorities(bytes)), _, _) => Some(believed(bytes)?),
        (_, Some(file), _) => Some(believed(&read(file)?)?),
        (_, _, Some(text)) => Some(believed(text.as_bytes())?),
        _ => None,
    };
    let own = match (own, &tls.certificate) {
        (Some(Material::Certificate { chain, key }), _) => Some(certified(chain, key)?),
        (_, Some(files)) => {
            let (chain, key) = (read(&files.certificate_file)?, read(&files.key_file)?);
            Some(certified(&chain, &key)?)
        }
        _ => None,
    };
    Ok((roots, own))
}

/// Reads a file that is meant for Envoys; the control plane needs it too.
fn read(path: &FilePath) -> Result<Vec<u8>, TlsError> {
    fs::read(path.as_str()).map_err(|source| TlsError::File {
        path: path.as_str().to_owned(),
        source,
    })
}
