//! The authorities whose certificates this program believes where it speaks TLS.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::unanswered::causes;

/// Says whose certificates are believed.
#[derive(Debug, Default, Args)]
pub(crate) struct Trust {
    /// File with the authorities that are believed over TLS, in PEM [default: the machine's own]
    #[arg(long, env = "PORTCULLIS_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Trust {
    /// TLS that believes these authorities.
    ///
    /// # Errors
    /// When there is none, or the file cannot be read.
    pub(crate) fn tls(&self) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(file) => {
                let shown = file.display();
                let certificates = CertificateDer::pem_file_iter(file)
                    .with_context(|| format!("cannot read the authorities in `{shown}`"))?;
                for certificate in certificates {
                    certificate
                        .map_err(anyhow::Error::from)
                        .and_then(|certificate| Ok(roots.add(certificate)?))
                        .with_context(|| format!("`{shown}` has a certificate that is none"))?;
                }
                if roots.is_empty() {
                    bail!("`{shown}` has no certificate in PEM: `-----BEGIN CERTIFICATE-----` …");
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    bail!("this machine has no authorities: name a file of them with `--ca-file`");
                }
            }
        }
        config(roots)
    }
}

/// TLS that believes nobody, where none is spoken.
pub(crate) fn nobody() -> anyhow::Result<ClientConfig> {
    config(RootCertStore::empty())
}

fn config(roots: RootCertStore) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider);
    let versions = versions.with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

/// Why a certificate was not believed, where that is what an error is about.
pub(crate) fn distrust(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let is_distrust = |tls: &&rustls::Error| matches!(tls, rustls::Error::InvalidCertificate(_));
    tls.filter(is_distrust).cloned()
}
