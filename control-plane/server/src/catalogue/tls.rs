//! Connections by TLS, believing whom Envoy believes: a certificate of a given authority that is
//! for one of the given names, whatever name the server was asked for.

use std::io;
use std::sync::Arc;

use http::Uri;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::secrets::Unusable;

/// Why there is no connection by TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A certificate that is to be believed or shown cannot be.
    #[error("a certificate that is configured cannot be used: {0}")]
    Unusable(#[from] Unusable),
    /// A file that is configured for Envoys is not on this machine.
    #[error("{0}; the file is needed on the control plane's machine too, or name a secret")]
    File(String),
    /// The certificates of the system cannot be used.
    #[error("the authorities of this system cannot be used; name a secret or a file")]
    NoSystemAuthorities,
    /// The configuration makes no connection.
    #[error("no connection can be made by this configuration")]
    Config(#[source] rustls::Error),
    /// The name that is asked for is none.
    #[error("`{0}` is no name that a server can be asked for")]
    Name(String),
    /// Nothing answers, or it is not believed.
    #[error("nothing answers there that is believed")]
    Connection(#[source] io::Error),
}

/// The way to a server by TLS.
#[derive(Debug)]
pub(super) struct TlsWay {
    config: Arc<ClientConfig>,
    /// The name that the server is asked for; the host of the URL without it.
    asked: Option<String>,
}

impl TlsWay {
    /// A way that believes `roots` for certificates of one of `names`, and shows `own`.
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        own: Option<CertifiedKey>,
        asked: Option<String>,
        names: Vec<String>,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let by_authority =
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(|_| TlsError::NoSystemAuthorities)?;
        let names = names.into_iter().map(server_name);
        let verifier = Arc::new(OneOfNames {
            names: names.collect::<Result<_, _>>()?,
            by_authority,
            provider: Arc::clone(&provider),
        });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match own {
            Some(own) => {
                let resolver: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(own));
                builder.with_client_cert_resolver(resolver)
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self {
            config: Arc::new(config),
            asked,
        })
    }

    /// Agrees with the server at the other end of a stream, which `to` names.
    pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        to: &Uri,
        stream: S,
    ) -> Result<TlsStream<S>, TlsError> {
        let host = to.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let asked = server_name(self.asked.clone().unwrap_or_else(|| bare.to_owned()))?;
        TlsConnector::from(Arc::clone(&self.config))
            .connect(asked, stream)
            .await
            .map_err(TlsError::Connection)
    }
}

fn server_name(name: String) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name))
}

/// Believes a certificate that is signed by an authority and for one of these names, as Envoy does.
#[derive(Debug)]
struct OneOfNames {
    names: Vec<ServerName<'static>>,
    by_authority: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OneOfNames {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _asked: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut outcome = Err(CertificateError::NotValidForName.into());
        for name in &self.names {
            outcome = self.by_authority.verify_server_cert(
                end_entity,
                intermediates,
                name,
                ocsp_response,
                now,
            );
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_authority
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_authority
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
