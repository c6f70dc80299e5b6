//! How a server is reached: as Envoy reaches it, with the same credential and the same trust.

use std::sync::Arc;

use gateway_document::{FilePath, UpstreamAuthority, UpstreamTls};
use http::{HeaderName, HeaderValue};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::MOST_CHARACTERS;
use super::tls::{TlsError, TlsWay};
use crate::secrets::{Authorities, Material, Traces, certified, read_file};

/// The way to a server.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// The header that shows it who calls.
    pub(super) credential: Option<ShownCredential>,
    /// Nothing where it is spoken to in the clear.
    pub(super) tls: Option<TlsWay>,
}

/// A credential that a server is shown.
#[derive(Debug)]
pub(super) struct ShownCredential {
    pub(super) header: HeaderName,
    /// The content of the header.
    pub(super) value: HeaderValue,
    /// Tells it in the words of the server.
    pub(super) traces: Traces,
}

impl Way {
    /// Whether an answer repeats the credential that the server was shown.
    pub(super) fn is_repeated_in(&self, answer: &[u8]) -> bool {
        let mut credential = self.credential.iter();
        credential.any(|credential| credential.traces.are_in(answer))
    }

    /// The words of the server, shortened and on one line, and without the credential that it was
    /// shown. That is looked for in the words as they are: a tab may be in it.
    pub(super) fn words(&self, words: &str) -> String {
        let words = shown_text::cut(words, MOST_CHARACTERS).into_owned();
        let words = match &self.credential {
            Some(credential) => credential.traces.without(words),
            None => words,
        };
        shown_text::on_one_line(&words)
    }
}

/// The way to endpoints of which `first` is the first, believing and showing what Envoy does.
pub(super) async fn tls_way(
    tls: &UpstreamTls,
    first: Option<&UpstreamAuthority>,
    authorities: Option<&Material>,
    own: Option<&Material>,
) -> Result<TlsWay, TlsError> {
    let (roots, own) = believed_and_shown(tls, authorities, own).await?;
    TlsWay::new(roots, own, tls.asked_name(first), tls.believed_names(first))
}

/// Whom to believe, and what to show.
async fn believed_and_shown(
    tls: &UpstreamTls,
    authorities: Option<&Material>,
    own: Option<&Material>,
) -> Result<(Arc<RootCertStore>, Option<CertifiedKey>), TlsError> {
    let authorities = match (authorities, &tls.ca_file, &tls.ca) {
        (Some(Material::Authorities(authorities)), _, _) => Some(authorities.clone()),
        (_, Some(file), _) => Some(Authorities::new(read(file).await?)?),
        (_, _, Some(text)) => Some(Authorities::new(text.clone().into_bytes())?),
        _ => None,
    };
    let roots = authorities.ok_or(TlsError::NoSystemAuthorities)?.store();
    let own = match (own, &tls.certificate) {
        (Some(Material::Certificate { chain, key }), _) => Some(certified(chain, key)?),
        (_, Some(files)) => {
            let chain = read(&files.certificate_file).await?;
            let key = read(&files.key_file).await?;
            Some(certified(&chain, &key)?)
        }
        _ => None,
    };
    Ok((roots, own))
}

/// Reads a file that is meant for Envoys; the control plane needs it too.
async fn read(path: &FilePath) -> Result<Vec<u8>, TlsError> {
    read_file(path).await.map_err(TlsError::File)
}
